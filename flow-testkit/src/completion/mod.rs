//! A flow of the completion kind: buffers are handed to a ring, which owns them until their results arrive, late. The good twin of flows over
//! `io_uring`, without it.
//!
//! A receive that is under way when the read that asked for it is dropped goes on, and its bytes wait for the next read; a send that was submitted
//! is taken. For tests.

mod ring;

use std::fmt;
use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use flow_core::{Bytes, Chunks, Engine, PeerEnd, Switch, Transport, WriteError};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, recv, shutdown};

use self::ring::{Job, Ring, Slot, Submitter};
use crate::harness::{Harness, Need, Shared, engine_remade};
use crate::plain::PlainError;

/// A flow over a Unix stream socket, driven by a ring.
pub type CompletionFlow = Engine<Submitted>;

/// Makes flows driven by a ring of their own.
pub struct Completion(Mutex<Option<Ring>>);

impl Default for Completion {
    fn default() -> Self {
        Self(Mutex::new(Some(Ring::start())))
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Completion").finish_non_exhaustive()
    }
}

impl Completion {
    /// What the ring has moved after another round.
    fn round(&self) -> Option<usize> {
        let submitter = Arc::clone(self.ring().as_ref()?.submitter());
        submitter.wait_for_a_round()
    }

    fn ring(&self) -> MutexGuard<'_, Option<Ring>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Harness for Completion {
    type Flow = CompletionFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "a Unix socket loses nothing when the peer leaves",
        ),
        (
            Need::TornAbort,
            "a Unix socket has no way to say that a stream was cut off",
        ),
        (
            Need::Failing,
            "a socket fails in no way that could be provoked here",
        ),
        (
            Need::Delivery,
            "nobody asks the kernel what the peer has read",
        ),
        (Need::Allocated, "this binary does not count its heap"),
    ];

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn over(&self, fd: OwnedFd) -> Option<CompletionFlow> {
        let ring = self.ring();
        let submitter = Arc::clone(ring.as_ref().expect("a ring").submitter());
        let transport = Submitted {
            fd: Some(Arc::new(fd)),
            submitter,
            peer_end: Mutex::new(None),
        };
        Some(Engine::new(transport, None, None))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<CompletionFlow, OwnedFd>> {
        let flow = self.over(fd)?;
        Some(match flow.attach(switch) {
            Ok(()) => Ok(flow),
            Err(_) => {
                let parts = flow.into_parts().expect("nobody uses it yet");
                // Nothing was submitted yet.
                Err(Arc::into_inner(parts.transport.into_fd()).expect("nobody else has it"))
            }
        })
    }

    fn remade(&self, flow: CompletionFlow) -> Result<CompletionFlow, CompletionFlow> {
        engine_remade(flow)
    }

    fn turn(&self) -> bool {
        self.round().is_some()
    }

    fn settle(&self) -> bool {
        // The other end of a Unix socket is ready as soon as something was sent: a round in which nothing moves is the last.
        let mut before = None;
        while let Some(moved) = self.round() {
            if before.replace(moved) == Some(moved) {
                return true;
            }
        }
        false
    }

    fn end_runtime(&self) -> bool {
        self.ring().take().is_some()
    }

    fn shared<'f>(&'f self, flow: &'f CompletionFlow) -> Option<Shared<'f, CompletionFlow>> {
        Some(Box::new(flow))
    }
}

/// A socket whose work is submitted to a ring.
pub struct Submitted {
    /// There until it is taken out.
    fd: Option<Arc<OwnedFd>>,
    submitter: Arc<Submitter>,
    peer_end: Mutex<Option<Arc<Slot>>>,
}

impl Submitted {
    fn submit(&self, job: Job) -> Arc<Slot> {
        self.submitter.submit(self.fd(), job)
    }

    fn fd(&self) -> &Arc<OwnedFd> {
        self.fd.as_ref().expect("there until it is taken out")
    }

    fn into_fd(mut self) -> Arc<OwnedFd> {
        self.fd.take().expect("there until it is taken out")
    }
}

impl fmt::Debug for Submitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Submitted")
            .field("fd", &self.fd)
            .finish_non_exhaustive()
    }
}

/// What is under way in one direction.
pub struct UnderWay(Arc<Slot>);

impl fmt::Debug for UnderWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnderWay").finish_non_exhaustive()
    }
}

impl Transport for Submitted {
    type Error = PlainError;
    type Rx = Option<UnderWay>;
    type Tx = Option<UnderWay>;

    fn poll_recv(
        &self,
        rx: &mut Option<UnderWay>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        let UnderWay(slot) = rx.get_or_insert_with(|| UnderWay(self.submit(Job::Receive)));
        let result = ready!(slot.poll(cx));
        *rx = None;
        Poll::Ready(match result {
            Ok(chunk) => Ok((!chunk.is_empty()).then_some(chunk)),
            // A Unix peer that left with input unread: what it sent has all been read.
            Err(PlainError::Os(Errno::CONNRESET)) => Ok(None),
            Err(e) => Err(e),
        })
    }

    fn poll_send(
        &self,
        tx: &mut Option<UnderWay>,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        loop {
            if let Some(UnderWay(slot)) = tx {
                let result = ready!(slot.poll(cx));
                *tx = None;
                match result {
                    Ok(_) => {}
                    Err(PlainError::Os(Errno::PIPE)) => {
                        return Poll::Ready(Err(WriteError::Closed));
                    }
                    Err(e) => return Poll::Ready(Err(WriteError::Transport(e))),
                }
            }
            let Some(chunk) = data.take_first() else {
                return Poll::Ready(Ok(()));
            };
            *tx = Some(UnderWay(self.submit(Job::Send(chunk))));
        }
    }

    fn poll_finish(
        &self,
        _: &mut Option<UnderWay>,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        // The peer may have gone first.
        let _ = shutdown(self.fd(), Shutdown::Write);
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let mut peer_end = self.peer_end.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = Arc::clone(peer_end.get_or_insert_with(|| self.submit(Job::PeerEnd)));
        drop(peer_end);
        let _ = ready!(slot.poll(cx));
        Poll::Ready(PeerEnd::Ended)
    }

    fn abort(&self, _torn: bool) {
        // It ends both directions for the peer, and what is under way for the ring, which then lets the descriptor go.
        let _ = shutdown(self.fd(), Shutdown::Both);
        // A socket that is closed with input unread resets its peer.
        while let Ok((_, 1..)) = recv(self.fd(), &mut [0; 4096][..], RecvFlags::DONTWAIT) {}
    }

    fn is_closed(error: &PlainError) -> bool {
        matches!(
            error,
            PlainError::Os(Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN | Errno::CONNABORTED)
        )
    }
}

impl Drop for Submitted {
    fn drop(&mut self) {
        if self.fd.is_some() {
            self.abort(false);
        }
    }
}
