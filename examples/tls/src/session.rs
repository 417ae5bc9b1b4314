//! The session itself: bytes in, bytes out, and no waiting.

use std::io::{self, BufRead as _, IoSlice, Write as _};

use bytes::{Buf as _, Bytes};
use flow_core::Chunks;
use rustls::{Connection, Error, ProtocolVersion};

/// How much plain text is encrypted at a time: four records, which the flow below gets in one write.
const BLOCK: usize = 64 * 1024;

/// How many buffers are put into one block at most.
const VECTORED: usize = 64;

/// A connection of rustls, with what has come to its end.
pub(crate) struct Session {
    pub(crate) connection: Connection,
    /// The peer has sent its close_notify.
    pub(crate) ended: bool,
    /// This side has sent its own.
    pub(crate) closed: bool,
    pub(crate) failed: Option<Error>,
}

impl Session {
    pub(crate) const fn new(connection: Connection) -> Self {
        Self {
            connection,
            ended: false,
            closed: false,
            failed: None,
        }
    }

    /// The next bytes of plain text that have been decrypted: those of one record, in a buffer of their own size.
    pub(crate) fn plain(&mut self) -> Option<Bytes> {
        let mut reader = self.connection.reader();
        let chunk = match reader.fill_buf() {
            Ok(chunk) if !chunk.is_empty() => Bytes::copy_from_slice(chunk),
            // Nothing yet, or nothing more.
            _ => return None,
        };
        reader.consume(chunk.len());
        Some(chunk)
    }

    /// Passes on bytes of the flow below, until there is something to read, or they are used up.
    pub(crate) fn feed(&mut self, raw: &mut Bytes) {
        while !raw.is_empty() && self.failed.is_none() {
            if self.ended {
                // Nothing that comes after the peer's end is the peer's.
                break;
            }
            let result = match self.connection.read_tls(&mut raw.reader()) {
                Ok(_) => self.connection.process_new_packets(),
                Err(e) => Err(Error::General(e.to_string())),
            };
            match result {
                Ok(state) => {
                    self.ended |= state.peer_has_closed();
                    if state.plaintext_bytes_to_read() > 0 {
                        return;
                    }
                }
                Err(e) => self.failed = Some(e),
            }
        }
        // An empty rest keeps the whole buffer.
        *raw = Bytes::new();
    }

    /// Encrypts a block off the front of `data`.
    pub(crate) fn encrypt(&mut self, data: &mut Chunks) -> Result<(), Error> {
        let mut slices = [IoSlice::new(&[]); VECTORED];
        let (mut count, mut room) = (0, BLOCK);
        for (slot, slice) in slices.iter_mut().zip(data.slices()) {
            let part = &slice[..slice.len().min(room)];
            if part.is_empty() {
                break;
            }
            *slot = IoSlice::new(part);
            count += 1;
            room -= part.len();
        }
        let written = self.connection.writer().write_vectored(&slices[..count]);
        match written {
            Ok(count) if count > 0 => {
                data.advance(count);
                Ok(())
            }
            // It has room for a block whenever all that it had was collected.
            Ok(_) => Err(Error::General("the session took nothing".to_owned())),
            Err(e) => Err(Error::General(e.to_string())),
        }
    }

    /// Whether there is something to be sent to the peer.
    pub(crate) fn wants_write(&self) -> bool {
        self.connection.wants_write()
    }

    /// All that is to be sent to the peer.
    pub(crate) fn collect(&mut self) -> Bytes {
        let mut records = Collected(Vec::new());
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut records).is_err() {
                break;
            }
        }
        records.0.into()
    }

    /// Says goodbye, unless a fatal alert has said it.
    pub(crate) fn close(&mut self) {
        self.connection.send_close_notify();
        self.closed = true;
    }

    /// Whether what is left after the handshake may wait for calls of this side. Where it may not, the peer is waiting for it in its
    /// handshake, so that it will be read at once.
    pub(crate) fn may_leave_the_rest(&self) -> bool {
        let is_server = matches!(self.connection, Connection::Server(_));
        is_server && self.connection.protocol_version() == Some(ProtocolVersion::TLSv1_3)
    }
}

/// Takes everything in one piece.
struct Collected(Vec<u8>);

impl io::Write for Collected {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn write_vectored(&mut self, bufs: &[IoSlice<'_>]) -> io::Result<usize> {
        let len = bufs.iter().map(|buf| buf.len()).sum();
        self.0.reserve(len);
        for buf in bufs {
            self.0.extend_from_slice(buf);
        }
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
