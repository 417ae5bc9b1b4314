//! compio's `UnixStream`: as it is to be used, and with reads that are dropped.

use std::cell::RefCell;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdStream;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use compio::buf::BufResult;
use compio::driver::{DriverType, ProactorBuilder};
use compio::io::{AsyncRead as _, AsyncWrite as _, AsyncWriteExt as _};
use compio::net::UnixStream;
use compio::runtime::{Runtime, RuntimeBuilder};
use flow_core::{
    Bytes, CloseOp, Engine, Flow, FlushOp, Leave, ReadOp, SharedError, ShutdownOp, WriteError,
    WriteOp,
};
use flow_testkit::Harness;

use crate::completion::{Completion, Half, Halves, flow};

/// The driver that polls descriptors is the one that every machine has.
fn runtime() -> Runtime {
    let mut driver = ProactorBuilder::new();
    driver.driver_type(DriverType::Poll);
    let runtime = RuntimeBuilder::new().with_proactor(driver).build();
    runtime.expect("a runtime")
}

fn turn(runtime: &Runtime) -> bool {
    runtime.enter(|| {
        runtime.poll_with(Some(Duration::ZERO));
        runtime.run();
    });
    true
}

fn stream(fd: OwnedFd) -> UnixStream {
    UnixStream::from_std(StdStream::from(fd)).expect("a connected socket")
}

impl Halves for UnixStream {
    type Reading = Self;
    type Writing = Self;

    async fn read(mut half: Self) -> (Self, io::Result<Vec<u8>>) {
        let BufResult(count, mut buf) = half.read(Vec::with_capacity(4096)).await;
        let read = count.map(|count| {
            buf.truncate(count);
            buf
        });
        (half, read)
    }

    async fn write_all(mut half: Self, chunk: Bytes) -> (Self, io::Result<()>) {
        let BufResult(sent, _) = half.write_all(chunk).await;
        (half, sent)
    }

    async fn end(mut half: Self) -> (Self, io::Result<()>) {
        let ended = half.shutdown().await;
        (half, ended)
    }
}

/// Sockets whose calls are kept until they are done.
#[derive(Debug)]
pub(crate) struct Kept(Runtime);

impl Default for Kept {
    fn default() -> Self {
        Self(runtime())
    }
}

impl Harness for Kept {
    type Flow = Engine<Completion<UnixStream>>;

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        let stream = stream(fd);
        Some(flow::<UnixStream>(stream.clone(), stream))
    }

    fn turn(&self) -> bool {
        turn(&self.0)
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        self.0.enter(call)
    }
}

/// Sockets whose reads are dropped with whoever asked for them, as `select!` and timeouts do.
#[derive(Debug)]
pub(crate) struct Dropped(Runtime);

impl Default for Dropped {
    fn default() -> Self {
        Self(runtime())
    }
}

impl Harness for Dropped {
    type Flow = Dropping;

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        let stream = stream(fd);
        Some(Dropping {
            all_else: flow::<UnixStream>(stream.clone(), stream.clone()),
            stream,
            reading: RefCell::default(),
            reads: Arc::new(Reads),
        })
    }

    fn turn(&self) -> bool {
        turn(&self.0)
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        self.0.enter(call)
    }
}

/// A flow that has one call for each read, and drops it when another read is there.
pub(crate) struct Dropping {
    all_else: Engine<Completion<UnixStream>>,
    stream: UnixStream,
    /// The number of the latest read, and its call.
    reading: RefCell<(u64, Option<Reading>)>,
    reads: Arc<Reads>,
}

type Reading = Half<UnixStream, Vec<u8>>;

/// Gives reads their numbers: none ever waits for another.
struct Reads;

impl Leave for Reads {
    fn leave(&self, _: u64) {}
}

impl Flow for Dropping {
    type Error = SharedError;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        let (latest, call) = &mut *self.reading.borrow_mut();
        if op.place().key_in(&self.reads) != Some(*latest) {
            *latest += 1;
            op.place().hold(self.reads.clone(), *latest);
            // What the call before this one has read is gone with it.
            *call = None;
        }
        let call = call.get_or_insert_with(|| Half::new(self.stream.clone()));
        let read = call.poll(cx, <UnixStream as Halves>::read);
        read.map_ok(|read| (!read.is_empty()).then(|| read.into()))
            .map_err(Into::into)
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.all_else.poll_write(cx, op)
    }

    fn poll_flush(
        &self,
        cx: &mut Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.all_else.poll_flush(cx, op)
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.all_else.poll_shutdown(cx, op)
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.all_else.poll_close(cx, op)
    }

    fn abort(&self) {
        self.all_else.abort();
    }
}
