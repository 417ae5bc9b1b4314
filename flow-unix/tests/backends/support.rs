//! Polling by hand, and bare peers, for the tests that every backend runs. `run` is the backend's own.

mod alone;
mod ancillary;

use std::fmt::Debug;
use std::fs::File;
use std::future::Future;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::{Duration, Instant};

use rustix::net::sockopt;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

pub(crate) use self::alone::*;
pub(crate) use self::ancillary::{pass, receive};
use super::{backend, run};

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

/// Both ends of a TCP connection, with buffers that do not grow: left alone, they would take as much as the system's settings allow, up to tens of MiB.
pub(crate) fn tcp() -> (TcpStream, TcpStream) {
    const BUFFER: usize = 1 << 20;
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    for end in [&near, &far] {
        sockopt::set_socket_recv_buffer_size(end, BUFFER).unwrap();
        sockopt::set_socket_send_buffer_size(end, BUFFER).unwrap();
    }
    far.set_nodelay(true).unwrap();
    far.set_read_timeout(Some(WATCHDOG)).unwrap();
    (near, far)
}

/// What a flow is made of.
pub(crate) enum Ends {
    /// One descriptor for both directions.
    One(OwnedFd),
    /// One to read from, and one to write to.
    Two(OwnedFd, OwnedFd),
}

impl Ends {
    pub(crate) fn flow(self) -> backend::FdFlow {
        match self {
            Self::One(fd) => backend::connect(fd).unwrap(),
            Self::Two(read, write) => backend::from_pair(read, write).unwrap(),
        }
    }

    pub(crate) fn flow_with(self, switch: &backend::Switch) -> backend::FdFlow {
        match self {
            Self::One(fd) => backend::connect_with(fd, switch).unwrap(),
            Self::Two(read, write) => backend::from_pair_with(read, write, switch).unwrap(),
        }
    }
}

/// A kind of descriptor that flows with two directions are made of.
#[derive(Clone, Copy)]
pub(crate) struct Kind {
    /// For messages.
    pub(crate) name: &'static str,
    /// Connected ones, and their bare peer.
    pub(crate) pair: fn() -> (Ends, Peer),
}

/// Every kind.
pub(crate) const KINDS: [Kind; 3] = [
    Kind {
        name: "Unix",
        pair: || {
            let (ours, theirs) = UnixStream::pair().unwrap();
            theirs.set_read_timeout(Some(WATCHDOG)).unwrap();
            (Ends::One(ours.into()), Peer::new(theirs))
        },
    },
    Kind {
        name: "TCP",
        pair: || {
            let (ours, theirs) = tcp();
            (Ends::One(ours.into()), Peer::new(theirs))
        },
    },
    Kind {
        name: "two pipes",
        pair: || {
            // As much as sockets hold.
            let pipe = || {
                let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
                fcntl_setpipe_size(&writer, 256 << 10).unwrap();
                (reader, writer)
            };
            let ((ours_in, theirs_out), (theirs_in, ours_out)) = (pipe(), pipe());
            let output = Mutex::new(Some(File::from(theirs_out)));
            let peer = Peer {
                input: File::from(theirs_in),
                output: Some(output),
            };
            (Ends::Two(ours_in, ours_out), peer)
        },
    },
];

/// A bare peer of any kind.
pub(crate) struct Peer {
    input: File,
    /// Where it does not write to what it reads from; `None` inside once it has ended.
    output: Option<Mutex<Option<File>>>,
}

impl Peer {
    /// A socket.
    pub(crate) fn new(fd: impl Into<OwnedFd>) -> Self {
        Self {
            input: File::from(fd.into()),
            output: None,
        }
    }

    /// Ends writing.
    pub(crate) fn end(&self) {
        match &self.output {
            None => rustix::net::shutdown(&self.input, rustix::net::Shutdown::Write).unwrap(),
            Some(output) => drop(output.lock().unwrap().take()),
        }
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.input.as_fd()
    }
}

impl Read for &Peer {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        (&self.input).read(buffer)
    }
}

impl Write for &Peer {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        match &self.output {
            None => (&self.input).write(data),
            Some(output) => {
                let output = output.lock().unwrap();
                let mut output = output.as_ref().expect("the peer has ended");
                output.write(data)
            }
        }
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A connected socket of each kind, and its peer.
pub(crate) fn pairs() -> [(OwnedFd, Peer); 2] {
    let (a, b) = UnixStream::pair().unwrap();
    let (c, d) = tcp();
    [(a.into(), Peer::new(b)), (c.into(), Peer::new(d))]
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
