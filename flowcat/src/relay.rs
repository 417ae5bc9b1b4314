//! The relay: a copy in each direction, the ends passed on, and when it is over.

use std::cell::{Cell, RefCell};
use std::future::{pending, poll_fn};
use std::os::unix::process::ExitStatusExt as _;
use std::process::{Child, ExitStatus};
use std::task::{Poll, Waker};
use std::time::Duration;

use flow_core::combinators::{CopyError, Copying, copy};
use futures_lite::future::{or, try_zip};
use rustix::process::Signal;

use crate::address::Address;
use crate::backend::Backend;
use crate::failure::Failure;
use crate::meters::Meters;
use crate::side::Side;

/// How long a peer whose bytes nobody takes any more is listened to after everything else is over, so that it has time to see our end. Left
/// at once, it would be reset, and lose what it has not read.
const LINGER: Duration = Duration::from_millis(500);

/// Relays until both sides have ended.
pub(crate) async fn relay<B: Backend>(
    from: Side<'_, B>,
    to: Side<'_, B>,
    one_way: bool,
    meters: &Meters,
) -> Result<(), Vec<Failure>> {
    let passed = if one_way {
        pass_one_way(&from, &to, meters).await
    } else {
        pass_both_ways(&from, &to, meters).await
    };
    // Nothing else that happened is of interest, and nobody is waited for.
    let (mut failures, cut) = passed.map_err(|failure| vec![failure])?;
    let children = [(from.address, from.child), (to.address, to.child)];
    // Before commands are waited for, who may wait for this.
    drop((from.flow, to.flow));
    for ((address, child), cut) in children.into_iter().zip(cut) {
        if let Some(child) = child {
            failures.extend(exit(address, child, cut).await);
        }
    }
    if failures.is_empty() {
        Ok(())
    } else {
        Err(failures)
    }
}

/// What has come of both: failures, and which of the two was not read to its end.
type Passed = (Vec<Failure>, [bool; 2]);

async fn pass_both_ways<B: Backend>(
    from: &Side<'_, B>,
    to: &Side<'_, B>,
    meters: &Meters,
) -> Result<Passed, Failure> {
    let (there, back) = (copy(&from.flow, &to.flow), copy(&to.flow, &from.flow));
    meters.add(from.address, to.address, there.live());
    meters.add(to.address, from.address, back.live());
    let (there_over, back_over) = (Flag::default(), Flag::default());
    let there = async {
        let passed = pass(from, to, there).await?;
        there_over.raise();
        linger(from, &passed, &back_over).await;
        Ok(passed)
    };
    let back = async {
        let passed = pass(to, from, back).await?;
        back_over.raise();
        linger(to, &passed, &there_over).await;
        Ok(passed)
    };
    let (there, back) = try_zip(there, back).await?;
    let failures = [there.failure, back.failure].into_iter().flatten();
    Ok((failures.collect(), [there.cut, back.cut]))
}

async fn pass_one_way<B: Backend>(
    from: &Side<'_, B>,
    to: &Side<'_, B>,
    meters: &Meters,
) -> Result<Passed, Failure> {
    let there = copy(&from.flow, &to.flow);
    meters.add(from.address, to.address, there.live());
    let over = Flag::default();
    over.raise();
    let there = async {
        let passed = pass(from, to, there).await?;
        linger(from, &passed, &over).await;
        Ok(passed)
    };
    // What it says has nowhere to go, and it may take nothing before that is read.
    let back = async {
        Ok(if to.address.is_socket() {
            to.discard().await.err()
        } else {
            None
        })
    };
    let (there, back) = try_zip(there, back).await?;
    let failure = there.failure.or(back);
    // A socket at FROM gets its end when it is dropped: one from the beginning would be taken by many for a hang-up.
    Ok((failure.into_iter().collect(), [there.cut, false]))
}

/// What has come of one direction.
struct Direction {
    failure: Option<Failure>,
    /// The source was not read to its end.
    cut: bool,
}

/// Copies and passes the end on. An error is one after which nothing else matters.
async fn pass<B: Backend>(
    from: &Side<'_, B>,
    to: &Side<'_, B>,
    mut copying: Copying<&B::Flow, &B::Flow>,
) -> Result<Direction, Failure> {
    let live = copying.live();
    let left = async {
        to.gone.wait().await;
        let stats = live.now();
        // What is there to be written will fail, and say so.
        if from.has_input() || stats.read_bytes != stats.written_bytes {
            pending::<()>().await;
        }
        None
    };
    let copied = or(async { Some((&mut copying).await) }, left).await;
    let (failure, cut) = match copied {
        None => (to.loss(), true),
        Some(Ok(_)) => (to.end().await, false),
        Some(Err(CopyError::Read { cause, .. })) => {
            // It shall not be left waiting. What comes of that is of no interest.
            to.end().await;
            (Some(Failure::at(from.address, &cause)), false)
        }
        Some(Err(CopyError::Write { cause, .. } | CopyError::End { cause, .. })) => {
            let refusal = to.refusal(cause);
            if *to.address == Address::Stdio
                && let Some(failure) = refusal
            {
                return Err(failure);
            }
            (refusal, true)
        }
        Some(Err(e)) => (Some(Failure::at(to.address, &e)), true),
    };
    Ok(Direction { failure, cut })
}

/// Where a source is not read to its end, it is nevertheless not left to wait before a full socket or pipe, as long as it may listen.
async fn linger<B: Backend>(side: &Side<'_, B>, passed: &Direction, other: &Flag) {
    if !passed.cut {
        return;
    }
    let time = match side.address {
        Address::Stdio | Address::File(_) => return,
        // It sees by a signal that it is not heard.
        Address::Exec(_) => Duration::ZERO,
        _ => LINGER,
    };
    let end = async {
        _ = side.discard().await;
    };
    let enough = async {
        other.raised().await;
        blocking::unblock(move || std::thread::sleep(time)).await;
    };
    or(end, enough).await;
}

async fn exit(address: &Address, mut child: Child, cut: bool) -> Option<Failure> {
    let status = blocking::unblock(move || child.wait()).await;
    match status {
        Ok(status) if status.success() || cut && is_by_sigpipe(status) => None,
        Ok(status) => Some(Failure::because(address, status)),
        Err(e) => Some(Failure::at(address, &e)),
    }
}

fn is_by_sigpipe(status: ExitStatus) -> bool {
    let pipe = Signal::PIPE.as_raw();
    // The shell's way to say it of a command within.
    status.signal() == Some(pipe) || status.code() == Some(128 + pipe)
}

/// What one future tells another of the same task.
#[derive(Default)]
struct Flag {
    raised: Cell<bool>,
    waiting: RefCell<Option<Waker>>,
}

impl Flag {
    fn raise(&self) {
        self.raised.set(true);
        if let Some(waker) = self.waiting.take() {
            waker.wake();
        }
    }

    async fn raised(&self) {
        poll_fn(|cx| {
            if self.raised.get() {
                return Poll::Ready(());
            }
            self.waiting.replace(Some(cx.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}
