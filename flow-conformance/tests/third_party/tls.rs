//! A session of rustls over a flow of ours, in futures-rustls; the far end is rustls itself over the bare wire.

use std::io::{self, ErrorKind, Read as _, Write as _};
use std::pin::pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};

use flow_core::memory::{self, MemoryFlow, Received, Wire};
use flow_core::{Engine, FuturesIo, FuturesIoTransport, from_futures_io};
use flow_testkit::{Harness, Link, Peer, Recv, Room, Shared};
use futures_rustls::rustls::{ClientConfig, ServerConfig, ServerConnection};
use futures_rustls::{TlsAcceptor, TlsConnector, TlsStream};

use crate::tls_keys::{client_config, server_config};

/// Both sides' settings: a key that is made once, and not certified by anybody.
fn configs() -> &'static (Arc<ClientConfig>, Arc<ServerConfig>) {
    static CONFIGS: OnceLock<(Arc<ClientConfig>, Arc<ServerConfig>)> = OnceLock::new();
    CONFIGS.get_or_init(|| (client_config(), server_config()))
}

/// Makes sessions over flows in memory.
#[derive(Debug, Default)]
pub(crate) struct Tls;

type Session = TlsStream<FuturesIo<MemoryFlow>>;

fn client(end: MemoryFlow) -> impl Future<Output = io::Result<Session>> {
    let name = "peer".try_into().expect("a name");
    let connect = TlsConnector::from(configs().0.clone()).connect(name, FuturesIo::new(end));
    async { Ok(connect.await?.into()) }
}

/// Polls `session` until the handshake is done, while `drive` moves the other side.
fn shaken_hands<T>(session: impl Future<Output = T>, mut drive: impl FnMut()) -> T {
    let mut session = pin!(session);
    for _ in 0..100 {
        if let Poll::Ready(session) = session
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            return session;
        }
        drive();
    }
    panic!("the handshake does not end");
}

impl Harness for Tls {
    type Flow = Engine<FuturesIoTransport<Session>>;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (here, there) = memory::pair(256 * 1024);
        let mut accept = pin!(TlsAcceptor::from(configs().1.clone()).accept(FuturesIo::new(there)));
        let mut accepted = None;
        let mut cx = Context::from_waker(Waker::noop());
        let session = shaken_hands(client(here), || {
            if accepted.is_none()
                && let Poll::Ready(session) = accept.as_mut().poll(&mut cx)
            {
                accepted = Some(session.expect("a handshake"));
            }
        });
        let accepted =
            accepted.unwrap_or_else(|| shaken_hands(accept, || {}).expect("a handshake"));
        let ours = session.expect("a handshake");
        (from_futures_io(ours), from_futures_io(accepted.into()))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        let (end, wire) = memory::with_wire(match room {
            Room::Ample => 256 * 1024,
            Room::Tight => 997,
        });
        let mut peer = TlsPeer::new(wire);
        let session = shaken_hands(client(end), || peer.drive()).expect("a handshake");
        peer.drive();
        Link::new(from_futures_io(session), peer)
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }
}

/// The server's side: rustls without any runtime, moved by hand.
#[derive(Debug)]
struct TlsPeer {
    tls: ServerConnection,
    wire: Option<Wire>,
    /// The wire has shown that the flow left in the middle of a write.
    torn: bool,
}

/// What rustls reads from and writes to.
struct Io<'a>(&'a mut Wire);

impl io::Read for Io<'_> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.recv(buf) {
            Received::Data(count) => Ok(count),
            Received::Nothing => Err(ErrorKind::WouldBlock.into()),
            Received::End => Ok(0),
            Received::Torn => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

impl io::Write for Io<'_> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        match self.0.send(buf) {
            0 => Err(ErrorKind::WouldBlock.into()),
            count => Ok(count),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl TlsPeer {
    fn new(wire: Wire) -> Self {
        let (_, server) = configs();
        let tls = ServerConnection::new(server.clone()).expect("a server");
        Self {
            tls,
            wire: Some(wire),
            torn: false,
        }
    }

    fn wire(&mut self) -> &mut Wire {
        self.wire.as_mut().expect("the peer has left")
    }

    fn send_records(&mut self) {
        let Self { tls, wire, .. } = self;
        let wire = wire.as_mut().expect("the peer has left");
        while tls.wants_write() && tls.write_tls(&mut Io(wire)).is_ok() {}
    }

    /// Moves one read's worth of records in, and all that there is out.
    fn drive(&mut self) {
        self.send_records();
        let Self { tls, wire, torn } = self;
        let wire = wire.as_mut().expect("the peer has left");
        if tls.wants_read() {
            match tls.read_tls(&mut Io(wire)) {
                Ok(_) => drop(tls.process_new_packets().expect("records")),
                Err(e) => *torn |= e.kind() == ErrorKind::ConnectionReset,
            }
        }
        self.send_records();
    }

    /// Plain bytes that have been decrypted.
    fn plain(&mut self) -> usize {
        self.tls
            .process_new_packets()
            .expect("records")
            .plaintext_bytes_to_read()
    }
}

impl Peer for TlsPeer {
    fn send(&mut self, data: &[u8]) -> usize {
        self.send_records();
        if self.tls.wants_write() || data.is_empty() {
            // No record is made before the last has left.
            return 0;
        }
        let count = self.tls.writer().write(data).expect("a record");
        self.send_records();
        count
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        loop {
            let before = self.wire().queued();
            self.drive();
            match self.tls.reader().read(buf) {
                Ok(0) => return Recv::End,
                Ok(count) => return Recv::Data(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock && !self.torn => {
                    if self.wire().queued() == before {
                        return Recv::Empty;
                    }
                }
                Err(_) => return Recv::Torn,
            }
        }
    }

    fn queued(&mut self) -> usize {
        loop {
            let before = (self.plain(), self.wire().queued());
            self.drive();
            let after = (self.plain(), self.wire().queued());
            if after == before {
                return after.0;
            }
        }
    }

    fn end(&mut self) {
        self.tls.send_close_notify();
        self.send_records();
    }

    fn vanish(&mut self) {
        if self.wire.is_some() {
            self.end();
        }
        self.wire = None;
    }

    fn reset(&mut self) {
        // The carrier ends, and the session has not.
        self.wire = None;
    }
}
