//! A session as the transport of a flow, over another flow.
//!
//! The session is shared by both directions under a lock that is held while bytes are encrypted or decrypted, and never while the flow below is
//! polled: reading waits for nothing that writing waits for.

use std::fmt;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flow_core::{
    Chunks, CloseOp, Delivered, Engine, Flow, PeerEnd, ReadOp, Shutdown, ShutdownOp, Transport,
    WriteError, WriteOp,
};
use rustls::Connection;

use crate::TlsError;
use crate::session::Session;

/// A TLS session over a flow, made by [`connect`](crate::connect) or [`accept`](crate::accept): a flow again.
///
/// - `shutdown(Write)` sends the close_notify, then ends writing below. Reading goes on for as long as the peer likes.
/// - The peer's close_notify is the end. An end of the flow below that comes without is [`TlsError::Truncated`].
/// - Dropping it, or `abort`, sends no close_notify, so that the peer does not take what it has for the whole.
/// - What was accepted has been accepted by the flow below. At most 64 KiB of a write are encrypted and not accepted there.
/// - [`delivered`](Flow::delivered) is `Arrived` when the peer has taken everything out of the flow below: what it has decrypted and
///   read of it is not known here.
///
/// `flow.transport()` is the [`TlsTransport`], which knows the peer's certificates and what was agreed on.
pub type TlsFlow<F> = Engine<TlsTransport<F>>;

/// The transport of a [`TlsFlow`].
pub struct TlsTransport<F> {
    below: F,
    session: Mutex<Session>,
    /// Receiving has left something to send. Changed under the session's lock.
    owes: AtomicBool,
    /// Waits for the end of the flow below.
    close: Mutex<CloseOp>,
}

/// The state of receiving.
#[derive(Default)]
pub struct Receiving {
    op: ReadOp,
    /// Read from the flow below and not passed to the session.
    raw: Bytes,
}

/// The state of sending.
pub struct Sending {
    /// What the session has to send, on its way into the flow below.
    op: Option<WriteOp>,
    /// Whether there are bytes of a caller in it, or only the session's own.
    is_data: bool,
    /// The flow below accepts nothing any more, and the last that it was to accept was the session's own.
    over: bool,
    finish: Finish,
    shutdown: ShutdownOp,
}

/// How far the end of writing has come.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Finish {
    Open,
    Said,
    Sent,
}

impl Sending {
    const fn new(op: Option<WriteOp>) -> Self {
        Self {
            op,
            is_data: false,
            over: false,
            finish: Finish::Open,
            shutdown: ShutdownOp::new(Shutdown::Write),
        }
    }

    fn start(&mut self, records: Bytes, is_data: bool) {
        if !records.is_empty() {
            self.op = Some(WriteOp::new(records.into()));
            self.is_data = is_data;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The flow of a session after its handshake. `raw` was read and not used yet, `op` is not done yet.
pub(crate) fn flow<F: Flow<Error: Clone>>(
    below: F,
    session: Session,
    raw: Bytes,
    op: Option<WriteOp>,
) -> TlsFlow<F> {
    let transport = TlsTransport {
        below,
        owes: AtomicBool::new(op.is_some() || session.wants_write()),
        session: Mutex::new(session),
        close: Mutex::new(CloseOp::new()),
    };
    let rx = Receiving {
        op: ReadOp::new(),
        raw,
    };
    Engine::new(transport, rx, Sending::new(op))
}

impl<F> TlsTransport<F> {
    /// The flow below.
    pub const fn below(&self) -> &F {
        &self.below
    }

    /// Looks at the connection: the peer's certificates, the protocol that was agreed on.
    ///
    /// ```
    /// use flow_core::Flow;
    /// use flow_tls::{TlsFlow, rustls};
    ///
    /// fn speaks_http2<F: Flow<Error: Clone>>(flow: &TlsFlow<F>) -> bool {
    ///     let alpn = |c: &rustls::Connection| c.alpn_protocol() == Some(b"h2");
    ///     flow.transport().with_connection(alpn)
    /// }
    /// ```
    pub fn with_connection<R>(&self, look: impl FnOnce(&Connection) -> R) -> R {
        look(&lock(&self.session).connection)
    }
}

impl<F: Flow<Error: Clone>> TlsTransport<F> {
    /// Moves what the session has to send. Ready when there is nothing left of it.
    fn poll_out(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<TlsError<F::Error>>>> {
        loop {
            if let Some(op) = &mut tx.op {
                let sent = ready!(self.below.poll_write(cx, op));
                tx.op = None;
                match sent {
                    Ok(()) => {}
                    // The peer has gone, and nothing that it was owed is lost: reading tells how it went.
                    Err(WriteError::Closed) if !mem::take(&mut tx.is_data) => tx.over = true,
                    Err(e) => return Poll::Ready(Err(e.map(TlsError::Write))),
                }
            }
            let mut session = lock(&self.session);
            let records = session.collect();
            self.owes.store(false, Ordering::Release);
            drop(session);
            if tx.over || records.is_empty() {
                return Poll::Ready(Ok(()));
            }
            tx.start(records, false);
        }
    }
}

impl<F: Flow<Error: Clone>> Transport for TlsTransport<F> {
    type Error = TlsError<F::Error>;
    type Rx = Receiving;
    type Tx = Sending;

    fn poll_recv(
        &self,
        rx: &mut Receiving,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Self::Error>> {
        loop {
            let mut session = lock(&self.session);
            if let Some(chunk) = session.plain() {
                return Poll::Ready(Ok(Some(chunk)));
            }
            // What was good before the failure has been handed out.
            if let Some(e) = &session.failed {
                return Poll::Ready(Err(TlsError::Tls(e.clone())));
            }
            if session.ended {
                return Poll::Ready(Ok(None));
            }
            if !rx.raw.is_empty() {
                session.feed(&mut rx.raw);
                if session.wants_write() && !session.closed {
                    self.owes.store(true, Ordering::Release);
                }
                continue;
            }
            drop(session);
            match ready!(self.below.poll_read(cx, &mut rx.op)) {
                Ok(Some(chunk)) => rx.raw = chunk,
                Ok(None) => return Poll::Ready(Err(TlsError::Truncated)),
                Err(e) => return Poll::Ready(Err(TlsError::Read(e))),
            }
        }
    }

    fn poll_send(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        // What has been encrypted cannot be taken back, so nothing is before all that went before is accepted.
        ready!(self.poll_out(tx, cx))?;
        if data.is_empty() {
            return Poll::Ready(Ok(()));
        }
        if tx.over {
            return Poll::Ready(Err(WriteError::Closed));
        }
        let mut session = lock(&self.session);
        if let Some(e) = &session.failed {
            // After a fatal alert nothing may follow.
            return Poll::Ready(Err(WriteError::Transport(TlsError::Tls(e.clone()))));
        }
        let encrypted = session.encrypt(data);
        encrypted.map_err(|e| WriteError::Transport(TlsError::Tls(e)))?;
        tx.start(session.collect(), true);
        drop(session);
        self.poll_out(tx, cx)
    }

    fn poll_finish(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Self::Error>>> {
        if tx.finish == Finish::Open {
            let mut session = lock(&self.session);
            session.close();
            drop(session);
            tx.finish = Finish::Said;
        }
        if tx.finish == Finish::Said {
            ready!(self.poll_out(tx, cx))?;
            tx.finish = Finish::Sent;
        }
        if !tx.over {
            // The peer has been told, so a flow below that cannot end one direction, or has failed since, changes nothing.
            let _ = ready!(self.below.poll_shutdown(cx, &mut tx.shutdown));
        }
        Poll::Ready(Ok(()))
    }

    /// Only asked for a close, when writing has ended, so the flow below may close as well.
    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        match self.below.poll_close(cx, &mut lock(&self.close)) {
            Poll::Ready(Ok(())) => Poll::Ready(PeerEnd::Ended),
            // A peer that has said goodbye need not end the flow below, and one that is gone is found by receiving.
            Poll::Ready(Err(_)) | Poll::Pending => Poll::Ready(PeerEnd::Unknown),
        }
    }

    fn owes(&self) -> bool {
        self.owes.load(Ordering::Acquire)
    }

    fn delivered(&self) -> Delivered {
        match self.below.delivered() {
            Delivered::Yes | Delivered::Arrived => Delivered::Arrived,
            // What is unread may be the session's own.
            Delivered::No | Delivered::Unknown => Delivered::Unknown,
        }
    }

    fn abort(&self, _torn: bool) {
        self.below.abort();
    }

    fn is_closed(error: &Self::Error) -> bool {
        // A close has said its own goodbye before it asks, and fails where that could not be sent for another reason than the peer's.
        matches!(error, TlsError::Truncated | TlsError::Read(_))
    }
}

impl<F> fmt::Debug for TlsTransport<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TlsTransport").finish_non_exhaustive()
    }
}

impl fmt::Debug for Receiving {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiving").finish_non_exhaustive()
    }
}

impl fmt::Debug for Sending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sending").finish_non_exhaustive()
    }
}
