//! Streams under measurement, each used as a careful program would use it.
//!
//! What a workload does is written once, over [`Link`]; so both sides do the same, and only the stream differs.

mod flow;
mod futures_io;
mod tokio_io;

use std::future::Future;
use std::io::IoSlice;

pub(crate) use self::flow::FlowLink;
pub(crate) use self::futures_io::FuturesLink;
pub(crate) use self::tokio_io::TokioLink;

/// One end of a connected stream.
pub(crate) trait Link: Send + 'static {
    /// How large the stream is where it stands, besides what it has allocated.
    const OWN_SIZE: usize;

    /// Writes all of `data`.
    fn send(&mut self, data: &'static [u8]) -> impl Future<Output = ()> + Send;

    /// Writes all of `parts`, as one message, by vectored writes.
    fn send_parts(&mut self, parts: &[&'static [u8]]) -> impl Future<Output = ()> + Send;

    /// Reads what is there, and says how much; 0 at the end.
    fn receive(&mut self) -> impl Future<Output = usize> + Send;

    /// Reads what is there and writes it back, and says how much.
    fn echo(&mut self) -> impl Future<Output = usize> + Send;

    /// Waits until there is something to read, and then reads it, holding no buffer while it waits if the stream can do that.
    fn receive_idle(&mut self) -> impl Future<Output = usize> + Send;

    /// Ends writing: the peer reads the end.
    fn end(&mut self) -> impl Future<Output = ()> + Send;

    /// Ends writing and waits for the peer's end, with nothing left to read, in the way that the stream has for that.
    fn close(&mut self) -> impl Future<Output = ()> + Send;
}

/// What a vectored write of bytes is given: made anew for each message, or in the same place again.
#[derive(Debug, Default)]
struct Slices<const REUSED: bool>(Vec<IoSlice<'static>>);

impl<const REUSED: bool> Slices<REUSED> {
    /// Slices of all parts, to be given to [`done`](Self::done) once they are written.
    fn of(&mut self, parts: &[&'static [u8]]) -> Vec<IoSlice<'static>> {
        let mut slices = std::mem::take(&mut self.0);
        slices.clear();
        slices.extend(parts.iter().map(|part| IoSlice::new(part)));
        slices
    }

    fn done(&mut self, slices: Vec<IoSlice<'static>>) {
        if REUSED {
            self.0 = slices;
        }
    }
}
