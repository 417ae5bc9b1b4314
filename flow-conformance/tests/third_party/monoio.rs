//! monoio's `UnixStream`, on its driver for machines without io_uring.

use std::cell::RefCell;
use std::fmt;
use std::future::poll_fn;
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::pin::pin;
use std::task::Poll;

use flow_core::{Bytes, Engine};
use flow_testkit::Harness;
use monoio::io::{
    AsyncReadRent as _, AsyncWriteRent as _, AsyncWriteRentExt as _, OwnedReadHalf, OwnedWriteHalf,
    Splitable as _,
};
use monoio::net::UnixStream;
use monoio::{LegacyDriver, Runtime, RuntimeBuilder};

use crate::completion::{Completion, Halves, flow};

fn stream(stream: StdStream) -> UnixStream {
    // What `from_std` asks for on this driver.
    stream.set_nonblocking(true).expect("O_NONBLOCK");
    UnixStream::from_std(stream).expect("a connected socket")
}

impl Halves for UnixStream {
    type Reading = OwnedReadHalf<Self>;
    type Writing = OwnedWriteHalf<Self>;

    async fn read(mut half: Self::Reading) -> (Self::Reading, io::Result<Vec<u8>>) {
        let (count, mut buf) = half.read(Vec::with_capacity(4096)).await;
        let read = count.map(|count| {
            buf.truncate(count);
            buf
        });
        (half, read)
    }

    async fn write_all(mut half: Self::Writing, chunk: Bytes) -> (Self::Writing, io::Result<()>) {
        let (sent, _) = half.write_all(Vec::from(chunk)).await;
        (half, sent.map(drop))
    }

    async fn end(mut half: Self::Writing) -> (Self::Writing, io::Result<()>) {
        let ended = half.shutdown().await;
        (half, ended)
    }
}

/// Makes sockets, and turns the runtime.
pub(crate) struct Monoio {
    runtime: RefCell<Runtime<LegacyDriver>>,
    /// The runtime goes to its driver only to wait: a byte of our own ends the wait.
    bell: RefCell<(UnixStream, StdStream)>,
}

impl fmt::Debug for Monoio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Monoio").finish_non_exhaustive()
    }
}

impl Default for Monoio {
    fn default() -> Self {
        let runtime = RuntimeBuilder::<LegacyDriver>::new().build();
        let mut runtime = runtime.expect("a runtime");
        let bell = runtime.block_on(async {
            let (ours, theirs) = StdStream::pair().expect("a pair");
            (stream(ours), theirs)
        });
        Self {
            runtime: RefCell::new(runtime),
            bell: RefCell::new(bell),
        }
    }
}

impl Harness for Monoio {
    type Flow = Engine<Completion<UnixStream>>;

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        let (reading, writing) = stream(fd.into()).into_split();
        Some(flow::<UnixStream>(reading, writing))
    }

    fn turn(&self) -> bool {
        let (bell, ringer) = &mut *self.bell.borrow_mut();
        self.runtime.borrow_mut().block_on(async {
            let mut read = pin!(bell.read(vec![0; 1]));
            // It has to wait, and then there is an event for it.
            poll_fn(|cx| {
                assert!(
                    read.as_mut().poll(cx).is_pending(),
                    "the bell was rung before"
                );
                Poll::Ready(())
            })
            .await;
            ringer.write_all(b"!").expect("room");
            read.await.0.expect("a byte");
        });
        true
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        self.runtime.borrow_mut().block_on(async { call() })
    }
}
