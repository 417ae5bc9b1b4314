//! A fault in a transport over a descriptor, under the good engine.

use std::marker::PhantomData;
use std::os::fd::OwnedFd;
use std::task::{Context, Poll};

use flow_core::{Bytes, Chunks, Engine, PeerEnd, Transport, WriteError};

use super::Broken;
use crate::fd::Wires;
use crate::harness::{Harness, Need};
use crate::plain::{self, Plain, PlainError, Socket};

/// One fault: the methods that it does not have are the good socket's.
pub(super) trait SocketFault: Default + 'static {
    fn make(&self, fd: OwnedFd) -> Socket {
        Socket::new(fd)
    }

    fn poll_recv(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        recv(socket, cx)
    }

    fn poll_send(
        &self,
        socket: &Socket,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        send(socket, cx, data)
    }

    fn abort(&self, socket: &Socket, torn: bool) {
        socket.abort(torn);
    }

    fn release(&self, socket: &Socket) {
        let _ = socket;
    }
}

/// What the good socket receives.
pub(super) fn recv(
    socket: &Socket,
    cx: &mut Context<'_>,
) -> Poll<Result<Option<Bytes>, PlainError>> {
    socket.poll_recv(&mut (), cx)
}

/// How the good socket sends.
pub(super) fn send(
    socket: &Socket,
    cx: &mut Context<'_>,
    data: &mut Chunks,
) -> Poll<Result<(), WriteError<PlainError>>> {
    socket.poll_send(&mut (), cx, data)
}

/// A socket with a fault.
pub(super) struct Cracked<X: SocketFault> {
    socket: Socket,
    fault: X,
}

impl<X: SocketFault> Transport for Cracked<X> {
    type Error = PlainError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, PlainError>> {
        self.fault.poll_recv(&self.socket, cx)
    }

    fn poll_send(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        self.fault.poll_send(&self.socket, cx, data)
    }

    fn poll_finish(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<PlainError>>> {
        self.socket.poll_finish(&mut (), cx)
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.socket.poll_peer_end(cx)
    }

    fn abort(&self, torn: bool) {
        self.fault.abort(&self.socket, torn);
    }

    fn is_closed(error: &PlainError) -> bool {
        Socket::is_closed(error)
    }
}

impl<X: SocketFault> Drop for Cracked<X> {
    fn drop(&mut self) {
        self.fault.release(&self.socket);
    }
}

/// Makes flows over sockets with the fault `X`.
pub(super) struct OverSocket<X, const TCP: bool>(PhantomData<X>);

impl<X, const TCP: bool> Default for OverSocket<X, TCP> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<X: SocketFault, const TCP: bool> Harness for OverSocket<X, TCP> {
    type Flow = Engine<Cracked<X>>;

    const LACKS: &'static [(Need, &'static str)] = Plain::<TCP>::LACKS;

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        let fault = X::default();
        let socket = fault.make(fd);
        Some(Engine::new(Cracked { socket, fault }, (), ()))
    }

    fn wires(&self) -> Wires {
        Plain::<TCP>.wires()
    }

    fn failing(&self) -> Option<Self::Flow> {
        let (_, pipe) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        self.over(pipe)
    }

    fn turn(&self) -> bool {
        plain::turn(TCP)
    }

    fn end_runtime(&self) -> bool {
        Plain::<TCP>.end_runtime()
    }
}

/// An entry of the table, over a Unix socket.
pub(super) fn unix<X: SocketFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverSocket<X, false>>(law, words)
}

/// An entry of the table, over TCP.
pub(super) fn tcp<X: SocketFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverSocket<X, true>>(law, words)
}
