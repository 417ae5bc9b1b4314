//! The far end of a session: rustls without any runtime, over a bare far end of the flow below, moved by hand.

use std::cell::RefCell;
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::rc::Rc;

use flow_testkit::{Peer, Recv};
use flow_tls::rustls::{ClientConnection, Connection, ServerConnection};

use super::keys;

pub(crate) struct TlsPeer<P> {
    connection: Connection,
    /// `None` once it has left.
    below: Option<P>,
    /// The flow below was cut off.
    torn: bool,
}

/// One that is moved by somebody else too: what it could not send at once goes out later, as it does where the far end is a process.
pub(crate) struct Shared<P>(pub(crate) Rc<RefCell<TlsPeer<P>>>);

impl<P: Peer> Peer for Shared<P> {
    fn send(&mut self, data: &[u8]) -> usize {
        self.0.borrow_mut().send(data)
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        self.0.borrow_mut().recv(buf)
    }

    fn queued(&mut self) -> usize {
        self.0.borrow_mut().queued()
    }

    fn end(&mut self) {
        self.0.borrow_mut().end();
    }

    fn vanish(&mut self) {
        self.0.borrow_mut().vanish();
    }

    fn reset(&mut self) {
        self.0.borrow_mut().reset();
    }
}

/// What rustls reads from and writes to.
struct Io<'a, P>(&'a mut P);

impl<P: Peer> io::Read for Io<'_, P> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        match self.0.recv(buf) {
            Recv::Data(count) => Ok(count),
            Recv::Empty => Err(ErrorKind::WouldBlock.into()),
            Recv::End => Ok(0),
            Recv::Torn => Err(ErrorKind::ConnectionReset.into()),
        }
    }
}

impl<P: Peer> io::Write for Io<'_, P> {
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

impl<P: Peer> TlsPeer<P> {
    pub(crate) fn client(below: P) -> Self {
        let connection = ClientConnection::new(keys::client(), keys::name());
        Self::new(connection.expect("a client").into(), below)
    }

    pub(crate) fn server(below: P) -> Self {
        let connection = ServerConnection::new(keys::server());
        Self::new(connection.expect("a server").into(), below)
    }

    pub(crate) const fn new(connection: Connection, below: P) -> Self {
        Self {
            connection,
            below: Some(below),
            torn: false,
        }
    }

    pub(crate) const fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The far end below.
    pub(crate) const fn raw(&mut self) -> &mut P {
        self.below.as_mut().expect("the peer has left")
    }

    /// Opens what has come. An alert is an error.
    pub(crate) fn open(&mut self) -> Result<(), flow_tls::rustls::Error> {
        let Self {
            connection, below, ..
        } = self;
        let below = below.as_mut().expect("the peer has left");
        while connection.read_tls(&mut Io(below)).is_ok_and(|n| n > 0) {
            connection.process_new_packets()?;
        }
        Ok(())
    }

    /// Makes records of `data`, which are not sent yet.
    pub(crate) fn queue(&mut self, data: &[u8]) {
        self.connection.writer().write_all(data).expect("room");
    }

    /// What was to be sent, to be sent in another way.
    pub(crate) fn records(&mut self) -> Vec<u8> {
        let mut records = Vec::new();
        while self.connection.wants_write() {
            self.connection.write_tls(&mut records).expect("room");
        }
        records
    }

    /// Sends what there is to send. Whether anything went out.
    pub(crate) fn send_records(&mut self) -> bool {
        let Self {
            connection, below, ..
        } = self;
        let mut moved = false;
        if let Some(below) = below {
            while connection.wants_write() && connection.write_tls(&mut Io(below)).is_ok() {
                moved = true;
            }
        }
        moved
    }

    /// Moves one piece in, and all that there is out. Whether anything came in.
    pub(crate) fn drive(&mut self) -> bool {
        self.send_records();
        let Self {
            connection,
            below,
            torn,
        } = self;
        let below = below.as_mut().expect("the peer has left");
        let mut moved = false;
        if connection.wants_read() {
            match connection.read_tls(&mut Io(below)) {
                Ok(count) => {
                    connection.process_new_packets().expect("good records");
                    moved = count > 0;
                }
                Err(e) => *torn |= e.kind() == ErrorKind::ConnectionReset,
            }
        }
        self.send_records();
        moved
    }

    /// How many decrypted bytes wait.
    fn plain(&mut self) -> usize {
        let state = self.connection.process_new_packets();
        state.expect("good records").plaintext_bytes_to_read()
    }
}

impl<P: Peer> Peer for TlsPeer<P> {
    fn send(&mut self, data: &[u8]) -> usize {
        self.send_records();
        if self.connection.wants_write() || data.is_empty() {
            // No record is made before the last has left.
            return 0;
        }
        let count = self.connection.writer().write(data).expect("a record");
        self.send_records();
        count
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        loop {
            let moved = self.drive();
            match self.connection.reader().read(buf) {
                Ok(0) => return Recv::End,
                Ok(count) => return Recv::Data(count),
                Err(e) if e.kind() == ErrorKind::WouldBlock && !self.torn => {
                    if !moved {
                        return Recv::Empty;
                    }
                }
                Err(_) => return Recv::Torn,
            }
        }
    }

    /// Those of the next records, as many as rustls opens without being read from.
    fn queued(&mut self) -> usize {
        while self.drive() {}
        self.plain()
    }

    fn end(&mut self) {
        self.connection.send_close_notify();
        self.send_records();
    }

    /// It says goodbye.
    fn vanish(&mut self) {
        if self.below.is_some() {
            self.end();
        }
        self.below = None;
    }

    /// It does not.
    fn reset(&mut self) {
        self.below = None;
    }
}
