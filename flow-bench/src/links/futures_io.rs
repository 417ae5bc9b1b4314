//! The streams of async-std and of async-io.

use std::fmt::Debug;
use std::hint::black_box;
use std::io::{self, IoSlice};
use std::net::Shutdown;

use futures_lite::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use super::{Link, Slices};

/// A stream with the traits of `futures-io`. It reads into a fresh buffer each time, or into the same one again.
///
/// These traits want buffers that are initialised, so a fresh one is zeroed.
#[derive(Debug)]
pub(crate) struct FuturesLink<S, const REUSED: bool> {
    stream: S,
    room: usize,
    buffer: Vec<u8>,
    slices: Slices<REUSED>,
}

impl<S, const REUSED: bool> FuturesLink<S, REUSED> {
    pub(crate) fn new(stream: S, room: usize) -> Self {
        Self {
            stream,
            room,
            buffer: vec![0; if REUSED { room } else { 0 }],
            slices: Slices::default(),
        }
    }
}

/// Ending one direction, which closing a stream of these crates does not do.
pub(crate) trait HalfClose: AsyncRead + AsyncWrite + Debug + Send + Unpin + 'static {
    fn end(&self) -> io::Result<()>;
}

macro_rules! half_close {
    ($($stream:ty: |$it:ident| $socket:expr),*) => {$(
        impl HalfClose for $stream {
            fn end(&self) -> io::Result<()> {
                let $it = self;
                $socket.shutdown(Shutdown::Write)
            }
        }
    )*};
}

half_close!(
    async_std::os::unix::net::UnixStream: |stream| stream,
    async_std::net::TcpStream: |stream| stream,
    async_io::Async<std::os::unix::net::UnixStream>: |stream| stream.get_ref(),
    async_io::Async<std::net::TcpStream>: |stream| stream.get_ref()
);

impl<S: HalfClose, const REUSED: bool> Link for FuturesLink<S, REUSED> {
    const OWN_SIZE: usize = size_of::<S>();

    async fn send(&mut self, data: &'static [u8]) {
        self.stream.write_all(data).await.expect("written");
    }

    async fn send_parts(&mut self, parts: &[&'static [u8]]) {
        let mut slices = self.slices.of(parts);
        let mut left = &mut slices[..];
        while !left.is_empty() {
            let len = self.stream.write_vectored(left).await.expect("written");
            IoSlice::advance_slices(&mut left, len);
        }
        self.slices.done(slices);
    }

    async fn receive(&mut self) -> usize {
        if REUSED {
            self.stream.read(&mut self.buffer).await.expect("read")
        } else {
            let mut buffer = vec![0; self.room];
            let len = self.stream.read(&mut buffer).await.expect("read");
            drop(black_box(buffer));
            len
        }
    }

    async fn echo(&mut self) -> usize {
        let mut fresh = vec![0; if REUSED { 0 } else { self.room }];
        let buffer = if REUSED { &mut self.buffer } else { &mut fresh };
        let len = self.stream.read(buffer).await.expect("read");
        let written = self.stream.write_all(&buffer[..len]).await;
        written.expect("written");
        len
    }

    async fn receive_idle(&mut self) -> usize {
        self.receive().await
    }

    async fn end(&mut self) {
        self.stream.end().expect("ended");
    }

    async fn close(&mut self) {
        self.end().await;
        assert_eq!(self.receive().await, 0);
    }
}
