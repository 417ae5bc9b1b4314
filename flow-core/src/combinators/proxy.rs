//! Two flows joined, each direction on its own.

use std::error::Error;
use std::fmt;
use std::mem;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use super::pump::{Copied, Pump};
use super::{CopyError, LiveStats, Stats};
use crate::{Chunks, Flow, Shutdown, ShutdownOp};

/// Copies both ways between `a` and `b` until both directions are over.
///
/// When one of them reads its end, the other is `shutdown(Write)`, and the opposite direction goes on as long as it likes: a request that is
/// ended, and answered much later, passes. Both flows may be references, `Arc`s, boxes, or the flows themselves. Neither is closed.
///
/// Between descriptors bytes need not pass through memory: as for [`copy`](super::copy()).
///
/// One direction that fails does not stop or tear the other:
///
/// - If `a` fails to read, `b` is `shutdown(Write)`, so that it is not left waiting. There is no other way to tell its peer, to whom that is an end
///   as any other; that it was cut off is known here, by the result.
/// - If `b` takes nothing any more, `a` is `shutdown(Read)`: its peer may go on sending, and what it sends is discarded.
///
/// # Errors
///
/// [`ProxyError`]: of `a`, of `b`, or of both, with the statistics of both directions. An end that cannot be passed on, to a terminal say, is
/// [`CopyError::End`], after everything has been copied.
///
/// # Cancel safety
///
/// As for [`copy`](super::copy()): the future owns what is on its way. Pass it to `select` by `&mut` and go on with it later, or take
/// [`into_parts`](Proxying::into_parts).
///
/// # Panics
///
/// Polled again after it was ready.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{ProxyError, proxy};
/// use flow_core::{FlowExt as _, Shutdown, memory};
/// use futures_lite::future::{block_on, zip};
///
/// # block_on(async {
/// let (client, a) = memory::pair(1024);
/// let (b, server) = memory::pair(1024);
/// let asks = async {
///     client.write("question").await?;
///     client.shutdown(Shutdown::Write).await?; // the answer comes after that
///     assert_eq!(client.read().await?.as_deref(), Some(&b"answer"[..]));
///     assert_eq!(client.read().await?, None);
///     Ok::<_, flow_core::WriteError<memory::MemoryError>>(())
/// };
/// let answers = async {
///     while let Some(_question) = server.read().await? {}
///     server.write("answer").await?;
///     server.shutdown(Shutdown::Write).await
/// };
/// let (proxied, (asked, answered)) = zip(proxy(&a, &b), zip(asks, answers)).await;
/// asked.and(answered).unwrap();
/// let proxied = proxied?;
/// assert_eq!(proxied.a_to_b.written_bytes, 8);
/// assert_eq!(proxied.b_to_a.written_bytes, 6);
///
/// // The failing case: the server is gone, and so is the client, which had sent something.
/// let (client, a) = memory::pair(1024);
/// let (b, server) = memory::pair(1024);
/// client.write("anybody there?").await.unwrap();
/// drop((client, server));
/// let error = proxy(&a, &b).await.unwrap_err();
/// assert!(matches!(error, ProxyError::A { .. }));
/// assert_eq!(error.stats().a_to_b.read_bytes, 14);
/// # Ok::<_, ProxyError<_, _>>(())
/// # }).unwrap();
/// ```
#[doc(alias = "copy_bidirectional")]
pub fn proxy<A: Flow, B: Flow>(a: A, b: B) -> Proxying<A, B> {
    Proxying {
        a,
        b,
        to_b: Direction::new(),
        to_a: Direction::new(),
    }
}

/// What went both ways through a [`proxy`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Proxied {
    /// What was read from `a` and written to `b`.
    pub a_to_b: Stats,
    /// What was read from `b` and written to `a`.
    pub b_to_a: Stats,
}

impl fmt::Display for Proxied {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a to b: {}; b to a: {}", self.a_to_b, self.b_to_a)
    }
}

/// Why a [`proxy`] ended otherwise than by the ends of both flows. `A` and `B` are the errors of the two flows.
///
/// Each case has what both directions have copied: see [`stats`](Self::stats).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProxyError<A, B> {
    /// From `a` to `b` it failed. The other direction has gone to its end.
    A {
        /// Why.
        cause: CopyError<A, B>,
        /// What the other direction has copied.
        b_to_a: Stats,
    },
    /// From `b` to `a` it failed. The other direction has gone to its end.
    B {
        /// Why.
        cause: CopyError<B, A>,
        /// What the other direction has copied.
        a_to_b: Stats,
    },
    /// It failed in both directions.
    Both {
        /// Why from `a` to `b`: this one is the `source()`.
        a: CopyError<A, B>,
        /// Why from `b` to `a`.
        b: CopyError<B, A>,
    },
}

impl<A, B> ProxyError<A, B> {
    /// What was copied both ways.
    pub const fn stats(&self) -> Proxied {
        let (a_to_b, b_to_a) = match self {
            Self::A { cause, b_to_a } => (cause.stats(), *b_to_a),
            Self::B { cause, a_to_b } => (*a_to_b, cause.stats()),
            Self::Both { a, b } => (a.stats(), b.stats()),
        };
        Proxied { a_to_b, b_to_a }
    }
}

impl<A: Error + 'static, B: Error + 'static> fmt::Display for ProxyError<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::A { .. } => f.write_str("copying from a to b failed"),
            Self::B { .. } => f.write_str("copying from b to a failed"),
            Self::Both { b, .. } => {
                // The first one is the source; this one would not be seen otherwise.
                write!(f, "copying failed both ways, from b to a because {b}")?;
                let mut cause = b.source();
                while let Some(error) = cause {
                    write!(f, ": {error}")?;
                    cause = error.source();
                }
                Ok(())
            }
        }
    }
}

impl<A: Error + 'static, B: Error + 'static> Error for ProxyError<A, B> {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(match self {
            Self::A { cause, .. } | Self::Both { a: cause, .. } => cause,
            Self::B { cause, .. } => cause,
        })
    }
}

/// A [`proxy`] under way: a future that can be left and gone on with, as `&mut`.
#[must_use = "futures do nothing unless polled"]
pub struct Proxying<A: Flow, B: Flow> {
    a: A,
    b: B,
    to_b: Direction<A::Error, B::Error>,
    to_a: Direction<B::Error, A::Error>,
}

impl<A: Flow, B: Flow> Proxying<A, B> {
    /// Brings every byte into memory, also where it could be moved on without: to compare, say.
    pub const fn through_memory(mut self) -> Self {
        self.to_b.pump.through_memory();
        self.to_a.pump.through_memory();
        self
    }

    /// What was copied so far.
    #[must_use]
    pub fn stats(&self) -> Proxied {
        Proxied {
            a_to_b: self.to_b.pump.live().now(),
            b_to_a: self.to_a.pump.live().now(),
        }
    }

    /// The same, from `a` to `b` and from `b` to `a`, to be kept and looked at from elsewhere while this is polled.
    #[must_use]
    pub fn live(&self) -> (LiveStats, LiveStats) {
        (self.to_b.pump.live().clone(), self.to_a.pump.live().clone())
    }

    /// Whether it is over, and must not be polled again.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        matches!(self.to_b.state, State::Told)
    }

    /// The two flows.
    #[must_use]
    pub const fn inner(&self) -> (&A, &B) {
        (&self.a, &self.b)
    }

    /// The two flows, each with what was read from it and is not the other's yet: see [`Copying::into_parts`](super::Copying::into_parts).
    #[must_use]
    pub fn into_parts(self) -> ((A, Option<Chunks>), (B, Option<Chunks>)) {
        let (from_a, from_b) = (self.to_b.pump, self.to_a.pump);
        (
            (self.a, from_a.into_unsent()),
            (self.b, from_b.into_unsent()),
        )
    }
}

// Flows are polled by `&self`: nothing here is pinned.
impl<A: Flow, B: Flow> Unpin for Proxying<A, B> {}

impl<A: Flow, B: Flow> Future for Proxying<A, B> {
    type Output = Result<Proxied, ProxyError<A::Error, B::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Self { a, b, to_b, to_a } = self.get_mut();
        // Each is polled whatever the other answers.
        let (over, also) = (to_b.poll(cx, a, b), to_a.poll(cx, b, a));
        ready!(over);
        ready!(also);
        Poll::Ready(match (to_b.tell(), to_a.tell()) {
            (Ok(a_to_b), Ok(b_to_a)) => Ok(Proxied { a_to_b, b_to_a }),
            (Err(cause), Ok(b_to_a)) => Err(ProxyError::A { cause, b_to_a }),
            (Ok(a_to_b), Err(cause)) => Err(ProxyError::B { cause, a_to_b }),
            (Err(a), Err(b)) => Err(ProxyError::Both { a, b }),
        })
    }
}

impl<A: Flow, B: Flow> fmt::Debug for Proxying<A, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxying")
            .field("a_to_b", &self.to_b.pump)
            .field("b_to_a", &self.to_a.pump)
            .finish_non_exhaustive()
    }
}

struct Direction<R, W> {
    pump: Pump,
    state: State<R, W>,
}

enum State<R, W> {
    Copying,
    /// The copy is over, and what is left of telling both sides.
    Ending(Copied<R, W>, Option<ShutdownOp>, ShutdownOp),
    Over(Copied<R, W>),
    /// The result has been handed out.
    Told,
}

impl<R, W> Direction<R, W> {
    fn new() -> Self {
        Self {
            pump: Pump::new(),
            state: State::Copying,
        }
    }

    fn poll<S, D>(&mut self, cx: &mut Context<'_>, src: &S, dst: &D) -> Poll<()>
    where
        S: Flow<Error = R>,
        D: Flow<Error = W>,
    {
        loop {
            match &mut self.state {
                State::Copying => {
                    let copied = ready!(self.pump.poll(cx, src, dst));
                    // Where reading failed, it shall go on saying so.
                    let refuses = matches!(copied, Err(CopyError::Write { .. }));
                    let read = refuses.then(|| ShutdownOp::new(Shutdown::Read));
                    self.state = State::Ending(copied, read, ShutdownOp::new(Shutdown::Write));
                }
                State::Ending(copied, read, write) => {
                    if let Some(op) = read {
                        // What it answers is of no interest: nothing more is read.
                        let _ = ready!(src.poll_shutdown(cx, op));
                        *read = None;
                    }
                    let told = ready!(dst.poll_shutdown(cx, write));
                    let copied = match (&*copied, told) {
                        (&Ok(stats), Err(cause)) => Err(CopyError::End { cause, stats }),
                        // Where copying failed, that is the reason, and not what came of it.
                        (&Ok(stats), Ok(())) => Ok(stats),
                        (Err(_), _) => mem::replace(copied, Ok(Stats::default())),
                    };
                    self.state = State::Over(copied);
                }
                State::Over(_) => return Poll::Ready(()),
                State::Told => panic!("Proxying polled after it was ready"),
            }
        }
    }

    /// The result of a direction that is over.
    fn tell(&mut self) -> Copied<R, W> {
        match mem::replace(&mut self.state, State::Told) {
            State::Over(copied) => copied,
            _ => unreachable!("both directions were polled until they were over"),
        }
    }
}
