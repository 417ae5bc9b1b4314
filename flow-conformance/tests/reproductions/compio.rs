//! compio's `UnixStream`, on the driver that polls descriptors.

use std::io::{ErrorKind, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use compio::driver::{DriverType, ProactorBuilder};
use compio::io::AsyncRead as _;
use compio::net::UnixStream;
use compio::runtime::{Runtime, RuntimeBuilder};

use crate::by_hand::{is_nonblocking, leave_abruptly, pair, poll, released};

fn runtime() -> Runtime {
    let mut driver = ProactorBuilder::new();
    driver.driver_type(DriverType::Poll);
    let runtime = RuntimeBuilder::new().with_proactor(driver).build();
    runtime.expect("a runtime")
}

fn turn(runtime: &Runtime) {
    runtime.poll_with(Some(Duration::ZERO));
    runtime.run();
}

#[test]
fn compio_loses_what_a_dropped_read_had_read() {
    let runtime = runtime();
    runtime.enter(|| {
        let (ours, mut peer) = pair();
        let mut stream = UnixStream::from_std(ours).expect("a socket");
        {
            let mut read = pin!(stream.read(Vec::with_capacity(64)));
            assert!(poll(read.as_mut()).is_pending());
            peer.write_all(b"lost").expect("room");
            turn(&runtime);
            // A timeout, a `select`: the future is not polled again.
        }
        peer.write_all(b"kept").expect("room");
        let read = runtime.block_on(stream.read(Vec::with_capacity(64)));
        assert_eq!(read.0.expect("bytes"), 4);
        assert_eq!(read.1, b"kept");
    });
}

/// A task that looks at its read as soon as it is woken, as an executor without a queue does.
struct AtOnce(AtomicBool);

thread_local! {
    static READ: std::cell::RefCell<Option<Pin<Box<dyn Future<Output = ()>>>>> = const { std::cell::RefCell::new(None) };
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        if !self.0.swap(true, Ordering::SeqCst) {
            READ.with_borrow_mut(|read| {
                let _ = poll(read.as_mut().expect("a read").as_mut());
            });
        }
    }
}

#[test]
fn compio_wakes_while_its_driver_is_borrowed() {
    let runtime = runtime();
    runtime.enter(|| {
        let (ours, mut peer) = pair();
        let mut stream = UnixStream::from_std(ours).expect("a socket");
        READ.set(Some(Box::pin(async move {
            let _ = stream.read(Vec::with_capacity(64)).await;
        })));
        let waker = Waker::from(Arc::new(AtOnce(AtomicBool::new(false))));
        READ.with_borrow_mut(|read| {
            let read = read.as_mut().expect("a read").as_mut();
            assert!(read.poll(&mut Context::from_waker(&waker)).is_pending());
        });
        peer.write_all(b"x").expect("room");
        let panic = catch_unwind(AssertUnwindSafe(|| turn(&runtime))).expect_err("a panic");
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or(panic.downcast_ref::<&str>().copied());
        assert!(
            text.is_some_and(|t| t.contains("already borrowed")),
            "{text:?}"
        );
    });
}

#[test]
fn compio_reads_an_abrupt_leave_as_an_error() {
    let runtime = runtime();
    runtime.block_on(async {
        let (ours, peer) = pair();
        leave_abruptly(&ours, peer, b"tail");
        let mut stream = UnixStream::from_std(ours).expect("a socket");
        let tail = stream.read(Vec::with_capacity(64)).await;
        assert_eq!(tail.1, b"tail");
        let error = stream
            .read(Vec::with_capacity(64))
            .await
            .0
            .expect_err("the end");
        assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    });
}

#[test]
fn compio_sets_o_nonblock() {
    runtime().enter(|| {
        let (ours, _peer) = pair();
        let shared = ours.try_clone().expect("dup");
        assert!(!is_nonblocking(&shared));
        let _stream = UnixStream::from_std(ours).expect("a socket");
        assert!(is_nonblocking(&shared));
    });
}

#[test]
fn compio_blocks_its_thread_without_o_nonblock() {
    let (ours, mut peer) = pair();
    let shared = ours.try_clone().expect("dup");
    let polled = released(
        move |there| {
            let runtime = runtime();
            runtime.enter(|| {
                let mut stream = UnixStream::from_std(ours).expect("a socket");
                shared.set_nonblocking(false).expect("O_NONBLOCK");
                there.send(()).expect("somebody waits");
                let mut read = pin!(stream.read(Vec::with_capacity(1)));
                // There is nothing to read: a poll that does not block is pending.
                poll(read.as_mut()).is_ready()
            })
        },
        || peer.write_all(b"1").expect("room"),
    );
    assert_eq!(
        polled,
        Some(true),
        "the poll came back before there was anything to read"
    );
}
