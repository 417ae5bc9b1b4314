//! The bare far end of a flow in memory.

use bytes::Bytes;

use super::pipe::{Reader, Writer};

/// The far end of a flow made with [`with_wire`](super::with_wire): no flow itself, moved by hand, never waiting.
///
/// Dropping it is vanishing: the flow reads what was sent and the end, and its writes are `Closed`.
#[derive(Debug)]
pub struct Wire {
    input: Reader,
    output: Writer,
}

/// What a [`Wire`] received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Received {
    /// That many bytes.
    Data(usize),
    /// Nothing yet.
    Nothing,
    /// The flow has ended its writing, and all was received.
    End,
    /// The flow left in the middle of a write.
    Torn,
}

impl Wire {
    pub(super) fn new(input: Reader, output: Writer) -> Self {
        Self { input, output }
    }

    /// Sends what there is room for, and says how many bytes that was: 0 when the flow is full, or gone.
    pub fn send(&mut self, data: &[u8]) -> usize {
        let count = self.output.pipe().room().unwrap_or(0).min(data.len());
        if count > 0 {
            self.output
                .pipe()
                .push(Bytes::copy_from_slice(&data[..count]));
        }
        count
    }

    /// Receives into `buffer` what has arrived, without waiting.
    pub fn recv(&mut self, buffer: &mut [u8]) -> Received {
        match self.input.pipe().copy_out(buffer) {
            None => Received::Nothing,
            Some(Ok(0)) if !buffer.is_empty() => Received::End,
            Some(Ok(count)) => Received::Data(count),
            Some(Err(_)) => Received::Torn,
        }
    }

    /// How many bytes have arrived and were not received.
    #[must_use]
    pub fn queued(&self) -> usize {
        self.input.pipe().queued()
    }

    /// Ends sending; receiving goes on.
    pub fn end(&mut self) {
        self.output.end();
    }

    /// Leaves in the middle of something: the flow reads what was sent, then an error.
    pub fn tear(self) {
        self.output.pipe().end(true);
    }
}
