//! From a flow to a session: the handshake.

use std::fmt;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use flow_core::{Flow, ReadOp, WriteError, WriteOp};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, Connection, ServerConfig, ServerConnection};

use crate::session::Session;
use crate::transport::{self, TlsFlow};
use crate::{HandshakeCause, HandshakeError};

/// Makes a session with the server of that name at the other end of `flow`.
///
/// # Errors
///
/// [`HandshakeError`]: the server is not trusted or cannot agree, or the flow ended or failed. The flow is dropped then; where it is a
/// reference or an `Arc` it can still be looked at.
///
/// # Cancel safety
///
/// Poll it by `&mut` to give it a time limit, and go on with it later: nothing is lost. Dropping it drops the flow.
///
/// # Panics
///
/// Polled again after it was ready.
pub fn connect<F: Flow<Error: Clone>>(
    flow: F,
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
) -> Handshake<F> {
    let peer = name.to_str().into_owned();
    Handshake::new(
        flow,
        peer,
        ClientConnection::new(config, name).map(Into::into),
    )
}

/// Makes a session with the client at the other end of `flow`.
///
/// # Errors
///
/// As [`connect`].
///
/// # Cancel safety
///
/// As [`connect`].
///
/// # Panics
///
/// Polled again after it was ready.
pub fn accept<F: Flow<Error: Clone>>(flow: F, config: Arc<ServerConfig>) -> Handshake<F> {
    let peer = "the client".to_owned();
    Handshake::new(flow, peer, ServerConnection::new(config).map(Into::into))
}

/// A handshake under way: see [`connect`] and [`accept`].
#[must_use = "a future does nothing before it is polled"]
pub struct Handshake<F: Flow> {
    state: Option<State<F>>,
    peer: String,
}

enum State<F> {
    /// There was nothing to begin with.
    Failed(rustls::Error),
    Shaking(Box<Shaking<F>>),
}

struct Shaking<F> {
    flow: F,
    session: Session,
    raw: Bytes,
    read: ReadOp,
    write: Option<WriteOp>,
    /// The peer takes nothing any more: what it said before may tell why.
    gone: bool,
}

impl<F: Flow<Error: Clone>> Handshake<F> {
    fn new(flow: F, peer: String, connection: Result<Connection, rustls::Error>) -> Self {
        let state = match connection {
            Err(e) => State::Failed(e),
            Ok(connection) => State::Shaking(Box::new(Shaking {
                flow,
                session: Session::new(connection),
                raw: Bytes::new(),
                read: ReadOp::new(),
                write: None,
                gone: false,
            })),
        };
        Self {
            state: Some(state),
            peer,
        }
    }
}

/// Nothing in it is pinned.
impl<F: Flow> Unpin for Handshake<F> {}

impl<F: Flow<Error: Clone>> Future for Handshake<F> {
    type Output = Result<TlsFlow<F>, HandshakeError<F::Error>>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let result = match this.state.as_mut().expect("polled after it was ready") {
            State::Failed(e) => Err(HandshakeCause::Tls(e.clone())),
            State::Shaking(shaking) => ready!(shaking.poll(cx)),
        };
        let state = this.state.take();
        Poll::Ready(match (result, state) {
            (Ok(()), Some(State::Shaking(shaking))) => Ok(shaking.into_flow()),
            (Err(cause), _) => Err(HandshakeError {
                peer: mem::take(&mut this.peer),
                cause,
            }),
            (Ok(()), _) => unreachable!("only a handshake that was begun is done"),
        })
    }
}

impl<F: Flow<Error: Clone>> Shaking<F> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), HandshakeCause<F::Error>>> {
        loop {
            if let Some(op) = &mut self.write {
                match self.flow.poll_write(cx, op) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(WriteError::Transport(e))) => {
                        return Poll::Ready(Err(HandshakeCause::Write(e)));
                    }
                    Poll::Ready(Err(_)) => self.gone = true,
                    Poll::Pending if self.is_done() && self.session.may_leave_the_rest() => {
                        return Poll::Ready(Ok(()));
                    }
                    Poll::Pending => return Poll::Pending,
                }
                self.write = None;
            }
            let records = self.session.collect();
            if !records.is_empty() && !self.gone {
                self.write = Some(WriteOp::new(records.into()));
                continue;
            }
            // The peer has been told first.
            if let Some(e) = &self.session.failed {
                return Poll::Ready(Err(HandshakeCause::Tls(e.clone())));
            }
            if self.is_done() {
                return Poll::Ready(Ok(()));
            }
            if !self.raw.is_empty() {
                self.session.feed(&mut self.raw);
                continue;
            }
            match ready!(self.flow.poll_read(cx, &mut self.read)) {
                Ok(Some(chunk)) => self.raw = chunk,
                Ok(None) => return Poll::Ready(Err(HandshakeCause::Ended)),
                Err(e) => return Poll::Ready(Err(HandshakeCause::Read(e))),
            }
        }
    }

    fn is_done(&self) -> bool {
        self.session.failed.is_none() && !self.session.connection.is_handshaking()
    }

    fn into_flow(self) -> TlsFlow<F> {
        transport::flow(self.flow, self.session, self.raw, self.write)
    }
}

impl<F: Flow> fmt::Debug for Handshake<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake")
            .field("peer", &self.peer)
            .finish_non_exhaustive()
    }
}
