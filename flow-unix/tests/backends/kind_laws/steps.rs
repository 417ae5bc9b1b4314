//! Polling by hand with as much patience as the case has, and what many laws do with a flow.

use std::fmt::Debug;
use std::future::Future;
use std::sync::Arc;
use std::task::Poll;
use std::thread::JoinHandle;
use std::time::Instant;

use super::cases::patience;
use super::kinds::{KINDS, Kind};
use super::lies::{Subject, Write};
use crate::support::backend::{FlowExt as _, WriteError};
use crate::support::{Count, pattern, poll, settle};

pub(crate) use crate::support::park;

/// Lets the runtime turn until it is so.
pub(crate) async fn until(what: &str, mut so: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !so() {
        assert!(begun.elapsed() < patience(), "never: {what}");
        settle().await;
    }
}

pub(crate) async fn woken(count: &Count) {
    until("somebody was woken", || count.get() > 0).await;
}

/// Polls whenever woken.
#[track_caller]
pub(crate) fn finish<F: Future + Unpin>(future: &mut F) -> impl Future<Output = F::Output> {
    let caller = std::panic::Location::caller();
    async move {
        loop {
            let count = Count::new();
            if let Poll::Ready(output) = poll(future, &count) {
                return output;
            }
            until(&format!("woken or ready, at {caller}"), || count.get() > 0).await;
        }
    }
}

/// Has whatever the runtime makes once made.
pub(crate) async fn warm_up() {
    let (flow, far) = KINDS[0].link();
    park(&mut flow.read());
    drop((flow, far));
    settle().await;
}

/// Lets the runtime turn until the thread is done.
pub(crate) async fn joined<T>(what: &str, thread: JoinHandle<T>) -> T {
    until(what, || thread.is_finished()).await;
    thread.join().expect("the far end failed")
}

/// Reads that many bytes.
pub(crate) async fn gather(flow: &Subject, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < len {
        match finish(&mut flow.read()).await.expect("a read failed") {
            Some(chunk) => got.extend_from_slice(&chunk),
            None => panic!("the end after {} of {len} bytes", got.len()),
        }
    }
    assert_eq!(got.len(), len, "more came than was sent");
    got
}

/// Reads to the end, which then stays.
pub(crate) async fn to_the_end(flow: &Subject) -> Vec<u8> {
    let mut got = Vec::new();
    while let Some(chunk) = finish(&mut flow.read()).await.expect("a read failed") {
        assert!(!chunk.is_empty());
        got.extend_from_slice(&chunk);
    }
    for _ in 0..3 {
        let again = finish(&mut flow.read()).await;
        assert!(matches!(again, Ok(None)), "after the end: {again:?}");
    }
    got
}

#[track_caller]
pub(crate) fn same(got: &[u8], sent: &[u8]) {
    let differs = got.iter().zip(sent).position(|(a, b)| a != b);
    assert_eq!(differs, None, "byte that is not what was sent");
    assert_eq!(got.len(), sent.len(), "how many bytes came");
}

#[track_caller]
pub(crate) fn closed<T: Debug, E: Debug>(result: Result<T, WriteError<E>>) {
    assert!(matches!(result, Err(WriteError::Closed)), "{result:?}");
}

/// A write of more than there is room for, which waits with part of it taken; and all that was written so far.
pub(crate) fn stuck<'a>(kind: &Kind, flow: &'a Subject) -> (Write<'a>, Arc<Count>, Vec<u8>) {
    let data = pattern(kind.much());
    let mut sent = vec![];
    for _ in 0..100 {
        sent.extend_from_slice(&data);
        let mut write = flow.write(data.clone());
        let count = Count::new();
        if poll(&mut write, &count).is_pending() {
            return (write, count, sent);
        }
        // The threads of the pool may be that quick, where nobody has to receive it.
        assert!(!kind.waits_to_write(), "a write that should wait");
    }
    panic!("no write waits");
}

/// The same, when the pool's thread, should it be the one to write, has found no more room.
pub(crate) async fn stuck_for_good<'a>(
    kind: &Kind,
    flow: &'a Subject,
) -> (Write<'a>, Arc<Count>, Vec<u8>) {
    let (mut write, mut writer, sent) = stuck(kind, flow);
    if kind.name.starts_with("pty-master") {
        woken(&writer).await;
        writer = park(&mut write);
    }
    (write, writer, sent)
}
