//! Polling by hand, and bare peers, for the tests that every backend runs. `run` is the backend's own.

use std::fmt::Debug;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

/// A hang is a failure.
pub(crate) const WATCHDOG: Duration = Duration::from_secs(20);

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Count(AtomicUsize);

impl Count {
    pub(crate) fn new() -> Arc<Self> {
        Arc::default()
    }

    pub(crate) fn get(&self) -> usize {
        self.0.load(Ordering::SeqCst)
    }
}

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

pub(crate) fn poll<F: Future + Unpin>(future: &mut F, count: &Arc<Count>) -> Poll<F::Output> {
    let waker = Waker::from(Arc::clone(count));
    pin!(future).poll(&mut Context::from_waker(&waker))
}

/// Polls once, and counts on it that there is nothing yet.
pub(crate) fn park<F: Future<Output: Debug> + Unpin>(future: &mut F) -> Arc<Count> {
    let count = Count::new();
    let polled = poll(future, &count);
    assert!(polled.is_pending(), "should wait, but is {polled:?}");
    count
}

/// Lets the reactor turn until the waker was called.
pub(crate) async fn woken(count: &Count) {
    let begun = Instant::now();
    while count.get() == 0 {
        assert!(begun.elapsed() < WATCHDOG, "nobody was woken");
        turn().await;
    }
}

/// Polls whenever woken.
pub(crate) async fn finish<F: Future + Unpin>(future: &mut F) -> F::Output {
    let begun = Instant::now();
    loop {
        let count = Count::new();
        if let Poll::Ready(output) = poll(future, &count) {
            return output;
        }
        while count.get() == 0 {
            assert!(begun.elapsed() < WATCHDOG, "neither ready nor woken");
            turn().await;
        }
    }
}

/// Gives everything that could happen the chance to.
pub(crate) async fn settle() {
    for _ in 0..20 {
        turn().await;
    }
}

async fn turn() {
    let mut yielded = false;
    std::future::poll_fn(|cx| {
        cx.waker().wake_by_ref();
        if std::mem::replace(&mut yielded, true) {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
}

/// Both ends of a TCP connection.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_nodelay(true).unwrap();
    far.set_read_timeout(Some(WATCHDOG)).unwrap();
    (near, far)
}

/// A bare peer of either kind.
pub(crate) struct Peer(File);

impl Peer {
    /// Ends writing.
    pub(crate) fn end(&self) {
        rustix::net::shutdown(&self.0, rustix::net::Shutdown::Write).unwrap();
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl Read for &Peer {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&self.0).read(buffer)
    }
}

impl Write for &Peer {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        (&self.0).write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connected socket and its peer, of each kind.
pub(crate) fn pairs() -> [(OwnedFd, Peer); 2] {
    let (a, b) = UnixStream::pair().unwrap();
    let (c, d) = tcp();
    let peer = |fd| Peer(File::from(fd));
    [
        (a.into(), peer(OwnedFd::from(b))),
        (c.into(), peer(d.into())),
    ]
}

/// Reads up to the end.
pub(crate) fn rest(mut peer: impl Read) -> std::io::Result<Vec<u8>> {
    let mut all = Vec::new();
    peer.read_to_end(&mut all)?;
    Ok(all)
}

pub(crate) fn put(mut peer: impl Write, data: &[u8]) {
    peer.write_all(data).unwrap();
}

/// Bytes whose values tell where they belong.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| ((i * 31) >> 3) as u8 ^ i as u8).collect()
}

/// Waits until that many bytes have arrived.
pub(crate) fn arrived(fd: impl AsFd, count: u64) {
    let begun = Instant::now();
    while rustix::io::ioctl_fionread(&fd).unwrap() < count {
        assert!(begun.elapsed() < WATCHDOG, "did not arrive");
        std::thread::yield_now();
    }
}

/// The status flags, `O_NONBLOCK` among them.
pub(crate) fn status(fd: BorrowedFd<'_>) -> rustix::fs::OFlags {
    rustix::fs::fcntl_getfl(fd).unwrap()
}
