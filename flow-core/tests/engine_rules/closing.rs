//! A close says that the peer has ended only where it was the peer.

use std::sync::{Arc, OnceLock, Weak};
use std::task::{Context, Poll};

use flow_core::{
    Bytes, Chunks, Engine, Flow as _, FlowExt as _, PeerEnd, SharedError, Transport, WriteError,
};

use crate::step::{Wakes, poll};

/// Sees an end because its own side aborts, as a socket does that an abort on another thread has shut down.
#[derive(Default)]
struct EndedByAnAbort {
    flow: OnceLock<Weak<Engine<Self>>>,
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
        Poll::Pending
    }

    fn poll_send(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        data.advance(data.len());
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        if let Some(flow) = self.flow.get().and_then(Weak::upgrade) {
            flow.abort();
        }
        Poll::Ready(PeerEnd::Ended)
    }
}

#[test]
fn an_end_that_an_abort_has_made_is_not_the_peers() {
    let flow = Arc::new(Engine::new(EndedByAnAbort::default(), (), ()));
    let itself = Arc::downgrade(&flow);
    assert!(flow.transport().flow.set(itself).is_ok());
    for _ in 0..2 {
        let closed = poll(&Wakes::new(), &mut flow.close());
        let is_closed = matches!(closed, Poll::Ready(Err(WriteError::Closed)));
        assert!(is_closed, "{closed:?}");
    }
}

#[test]
fn the_peers_own_is() {
    let flow = Engine::new(EndedByAnAbort::default(), (), ());
    let closed = poll(&Wakes::new(), &mut flow.close());
    assert!(matches!(closed, Poll::Ready(Ok(_))), "{closed:?}");
}
