//! What the author of a new flow writes: receive, send, finish.

use core::error::Error;
use core::task::{Context, Poll};

use bytes::Bytes;

use crate::{Aborted, Chunks, Delivered, WriteError};

/// Whether the peer's end can be seen without reading up to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PeerEnd {
    /// The peer has ended its side, or is gone. Bytes may still be unread.
    Ended,
    /// This transport cannot tell: the engine finds out by receiving.
    Unknown,
}

/// The part of a flow that differs from flow to flow; [`Engine`](crate::Engine) is the rest.
///
/// A transport moves bytes when it is polled, and nothing else: no locks, no lines of waiters, no rules of cancellation. Each direction has
/// a state of its own, `Rx` and `Tx`, that the engine hands in by `&mut`; what both directions need is behind `&self`. The engine
/// calls at most one method of a direction at a time, receiving and sending at the same time.
///
/// # Wakers
///
/// Each direction is always polled with the same waker, and a third one is for [`poll_peer_end`](Self::poll_peer_end): keeping the latest per
/// direction is enough. A method that answers pending has arranged for a wake-up.
///
/// # Locks
///
/// A method runs under its direction's lock in the engine: it must not call the flow that it is the transport of, and should not run
/// long. It must not block.
///
/// # After an abort
///
/// `abort` is called once, and then both states are dropped, as soon as no call is under way. Releasing what they hold is what
/// ends the stream for a transport that keeps everything in its states.
pub trait Transport: Sized {
    /// What can go wrong. It is kept and repeated to later callers, so it is cheap to clone.
    type Error: Error + Clone + From<Aborted> + Send + Sync + 'static;
    /// The state of receiving.
    type Rx;
    /// The state of sending.
    type Tx;

    /// Receives what has arrived: a chunk of at least one byte, or `None` when the peer has ended and all was received.
    ///
    /// What is there is handed out without waiting for more. Errors and `None` are final: the engine does not ask again.
    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>>;

    /// Sends bytes off the front of `data`, taking them out with [`Chunks::advance`] or [`Chunks::take_first`].
    ///
    /// - Ready and empty: all is accepted. Ready with bytes left is polled again at once.
    /// - Pending and shrunk: the write is taken, and the rest of it will be passed again until it is gone.
    /// - Pending and untouched: nothing happened, and the next call may pass other data.
    ///
    /// After a pending that left `data` empty it is called again with nothing in `data`, to move what the transport buffers
    /// inside; likewise when it [`owes`](Self::owes) something.
    ///
    /// An error is final. [`WriteError::Closed`] says that the peer is gone in a way that reading reports by itself; a
    /// [`WriteError::Transport`] is also reported by reading where reading would otherwise report a clean end.
    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Signals the end to the peer. Called after all was sent, until it is ready, and not after that.
    ///
    /// Where the peer has gone already and nothing is owed to it, this is `Ok`: there is nobody left to tell.
    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>>;

    /// Waits until the peer has ended, whether or not input is unread, without consuming any.
    ///
    /// May be called while a receive is under way, and beside an abort. By default the transport cannot tell, and the engine reads ahead.
    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        let _ = cx;
        Poll::Ready(PeerEnd::Unknown)
    }

    /// Takes what has arrived and was not received yet into `rx`, where leaving it where it is could harm what was sent.
    ///
    /// Called when a close is about to be done because [`poll_peer_end`](Self::poll_peer_end) said that the peer has ended, so that no more comes than
    /// is there. [`poll_recv`](Self::poll_recv) hands it out afterwards. By default nothing: most transports do no harm.
    fn take_in(&self, rx: &mut Self::Rx) {
        let _ = rx;
    }

    /// Whether receiving left something to send (a pong, a key update): the engine then calls
    /// [`poll_send`](Self::poll_send) until this is false. Not asked after the end was signalled. May be called beside an abort.
    fn owes(&self) -> bool {
        false
    }

    /// Whether the peer has read every byte that [`poll_send`](Self::poll_send) accepted, as far as that can be known here.
    ///
    /// `Yes` and `Arrived` must be true. What was lost is `No` for good, so a transport that is told of it once, by an error that goes to
    /// a reader or a writer, keeps it in mind. The engine answers `No` by itself while it holds the rest of a write, and for a flow
    /// that was cut off; it asks while neither direction is at work, also after the end and, with the states gone, after an abort.
    ///
    /// A transport over another flow that buffers nothing answers what that flow answers. By default it is unknown.
    fn delivered(&self) -> Delivered {
        Delivered::Unknown
    }

    /// Receives what has arrived, as [`poll_recv`](Self::poll_recv), as bytes that stay [outside](crate::Outside) of memory: at least one.
    ///
    /// Asked instead of `poll_recv` by whoever only moves bytes on. It does not wait and reports nothing: `None` where nothing is there, or little, or
    /// where it cannot be done, and `poll_recv` is asked then. So an error that is met here is kept for that. By default there is no such way.
    fn recv_direct(&self, rx: &mut Self::Rx) -> Option<Chunks> {
        let _ = rx;
        None
    }

    /// Whether [`poll_send`](Self::poll_send) sends these bytes, which are [outside](Chunks::is_outside) of memory, from where they are. All others are
    /// brought into memory before `poll_send` sees them.
    fn takes(&self, data: &Chunks) -> bool {
        let _ = data;
        false
    }

    /// Whether the end of writing can be signalled while reading goes on.
    ///
    /// Where it cannot (a terminal), `shutdown(Write)` fails with this error and changes nothing, and `close` still ends in
    /// [`poll_finish`](Self::poll_finish).
    ///
    /// # Errors
    ///
    /// The error that `shutdown` shall answer.
    fn half_close(&self) -> Result<(), Self::Error> {
        Ok(())
    }

    /// Ends both directions at once, on any thread, without blocking, not depending on a runtime.
    ///
    /// `torn` says that a write which had been taken is unfinished or failed: the peer must then not see an orderly end, where
    /// the transport has a way to say so. Otherwise what was accepted still arrives, then the end.
    fn abort(&self, torn: bool) {
        let _ = torn;
    }

    /// Whether this error means that the peer is gone: a writer then sees [`WriteError::Closed`], while a reader still sees the
    /// error, and a close that waits for the peer is done. After any other error of receiving, close fails with it.
    fn is_closed(error: &Self::Error) -> bool {
        let _ = error;
        false
    }
}
