//! What an abort on another thread makes of the transport is told as the abort, and not as the peer's end or as a failure.

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use flow_core::{
    Bytes, Chunks, Engine, Flow as _, FlowExt as _, PeerEnd, SharedError, Shutdown, Transport,
    WriteError,
};

use crate::step::{Wakes, poll};

/// What the transport is asked when the abort comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum When {
    Never,
    Recv,
    /// And reading fails.
    FailingRecv,
    Send,
    Finish,
    PeerEnd,
}

/// Its own side aborts while it is asked, as an abort on another thread shuts a socket down.
struct EndedByAnAbort {
    flow: OnceLock<Weak<Engine<Self>>>,
    when: When,
}

fn failure() -> SharedError {
    std::io::Error::other("what an abort has done").into()
}

impl EndedByAnAbort {
    fn flow(when: When) -> Arc<Engine<Self>> {
        let flow = OnceLock::new();
        let flow = Arc::new(Engine::new(Self { flow, when }, (), ()));
        let itself = Arc::downgrade(&flow);
        assert!(flow.transport().flow.set(itself).is_ok());
        flow
    }

    /// Whether this side has been aborted just now.
    fn met(&self, when: When) -> bool {
        let met = self.when == when;
        if met && let Some(flow) = self.flow.get().and_then(Weak::upgrade) {
            flow.abort();
        }
        met
    }
}

impl Transport for EndedByAnAbort {
    type Error = SharedError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        if self.met(When::FailingRecv) {
            return Poll::Ready(Err(failure()));
        }
        if self.met(When::Recv) {
            return Poll::Ready(Ok(None));
        }
        Poll::Pending
    }

    fn poll_send(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        if self.met(When::Send) {
            return Poll::Ready(Err(WriteError::Transport(failure())));
        }
        data.advance(data.len());
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        if self.met(When::Finish) {
            return Poll::Ready(Err(WriteError::Transport(failure())));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        self.met(When::PeerEnd);
        Poll::Ready(match self.when {
            When::Recv | When::FailingRecv => PeerEnd::Unknown,
            _ => PeerEnd::Ended,
        })
    }
}

#[test]
fn a_close_is_closed_whatever_it_asks_meanwhile() {
    for when in [When::Recv, When::FailingRecv, When::Finish, When::PeerEnd] {
        let flow = EndedByAnAbort::flow(when);
        for _ in 0..2 {
            let closed = poll(&Wakes::new(), &mut flow.close());
            let is_closed = matches!(closed, Poll::Ready(Err(WriteError::Closed)));
            assert!(is_closed, "{when:?}: {closed:?}");
        }
    }
}

#[test]
fn a_write_and_a_shutdown_are_closed() {
    let flow = EndedByAnAbort::flow(When::Send);
    let written = poll(&Wakes::new(), &mut flow.write("x"));
    let is_closed = matches!(written, Poll::Ready(Err(WriteError::Closed)));
    assert!(is_closed, "{written:?}");
    let flow = EndedByAnAbort::flow(When::Finish);
    let shut = poll(&Wakes::new(), &mut flow.shutdown(Shutdown::Write));
    let is_closed = matches!(shut, Poll::Ready(Err(WriteError::Closed)));
    assert!(is_closed, "{shut:?}");
}

#[test]
fn a_read_is_aborted() {
    for when in [When::Recv, When::FailingRecv] {
        let flow = EndedByAnAbort::flow(when);
        let read = poll(&Wakes::new(), &mut flow.read());
        let Poll::Ready(Err(e)) = read else {
            panic!("{when:?}: {read:?}");
        };
        assert!(e.to_string().contains("abort"), "{when:?}: {e}");
        assert!(!e.to_string().contains("what an abort has done"), "{e}");
    }
}

#[test]
fn the_peers_own_end_is_an_end() {
    let flow = EndedByAnAbort::flow(When::Never);
    let closed = poll(&Wakes::new(), &mut flow.close());
    assert!(matches!(closed, Poll::Ready(Ok(_))), "{closed:?}");
}
