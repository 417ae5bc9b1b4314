//! tokio's own streams.

use std::fmt::Debug;
use std::hint::black_box;
use std::io::{self, IoSlice};

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream};

use super::{Link, Slices};

/// A stream of tokio. It reads into a fresh buffer each time, or into the same one again.
///
/// The buffer has room to spare and need not be zeroed: then tokio knows by a short read that the socket is empty, which saves a system call.
#[derive(Debug)]
pub(crate) struct TokioLink<S, const REUSED: bool> {
    stream: S,
    room: usize,
    buffer: Vec<u8>,
    slices: Slices<REUSED>,
}

impl<S, const REUSED: bool> TokioLink<S, REUSED> {
    pub(crate) fn new(stream: S, room: usize) -> Self {
        Self {
            stream,
            room,
            buffer: Vec::with_capacity(if REUSED { room } else { 0 }),
            slices: Slices::default(),
        }
    }
}

/// How each of them waits for input with no buffer, for which tokio's traits have nothing.
pub(crate) trait Idle: AsyncRead + AsyncWrite + Debug + Send + Unpin + 'static {
    fn receive_idle(&mut self, room: usize) -> impl Future<Output = io::Result<usize>> + Send;
}

macro_rules! idle {
    ($($stream:ty),*) => {$(
        impl Idle for $stream {
            async fn receive_idle(&mut self, room: usize) -> io::Result<usize> {
                loop {
                    self.readable().await?;
                    match self.try_read_buf(&mut Vec::with_capacity(room)) {
                        Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                        read => return read,
                    }
                }
            }
        }
    )*};
}

idle!(tokio::net::UnixStream, tokio::net::TcpStream);

impl Idle for DuplexStream {
    async fn receive_idle(&mut self, room: usize) -> io::Result<usize> {
        self.read_buf(&mut Vec::with_capacity(room)).await
    }
}

impl<S: Idle, const REUSED: bool> Link for TokioLink<S, REUSED> {
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
            self.buffer.clear();
            self.stream.read_buf(&mut self.buffer).await.expect("read")
        } else {
            let mut buffer = Vec::with_capacity(self.room);
            let len = self.stream.read_buf(&mut buffer).await.expect("read");
            drop(black_box(buffer));
            len
        }
    }

    async fn echo(&mut self) -> usize {
        if REUSED {
            self.buffer.clear();
            let len = self.stream.read_buf(&mut self.buffer).await.expect("read");
            self.stream.write_all(&self.buffer).await.expect("written");
            len
        } else {
            let mut buffer = Vec::with_capacity(self.room);
            let len = self.stream.read_buf(&mut buffer).await.expect("read");
            self.stream.write_all(&buffer).await.expect("written");
            len
        }
    }

    async fn receive_idle(&mut self) -> usize {
        let read = self.stream.receive_idle(self.room).await;
        read.expect("read")
    }

    async fn end(&mut self) {
        self.stream.shutdown().await.expect("ended");
    }

    async fn close(&mut self) {
        self.end().await;
        assert_eq!(self.receive().await, 0);
    }
}
