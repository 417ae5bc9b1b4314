//! Bare peers, one poll at a time, and a bare carrier for layers.

use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use futures_io::{AsyncRead, AsyncWrite};
use rustix::fs::OFlags;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

/// Polls once, for a task that nobody wakes.
pub(crate) fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Two connected sockets; the first is left in blocking mode, the second never blocks.
pub(crate) fn pair() -> (UnixStream, UnixStream) {
    let (ours, peer) = UnixStream::pair().expect("a pair");
    peer.set_nonblocking(true).expect("O_NONBLOCK");
    (ours, peer)
}

/// What the peer reads now.
pub(crate) fn received(mut peer: &UnixStream) -> io::Result<Vec<u8>> {
    let mut buf = vec![0; 4096];
    let count = peer.read(&mut buf)?;
    buf.truncate(count);
    Ok(buf)
}

/// Whether the open file that this socket shares with its duplicates has `O_NONBLOCK`.
pub(crate) fn is_nonblocking(fd: impl AsFd) -> bool {
    rustix::fs::fcntl_getfl(fd)
        .expect("F_GETFL")
        .contains(OFlags::NONBLOCK)
}

/// A peer with input that it never reads writes `tail` and leaves: on `AF_UNIX` nothing that it sent is lost.
pub(crate) fn leave_abruptly(mut ours: &UnixStream, mut peer: UnixStream, tail: &[u8]) {
    ours.write_all(b"never read").expect("room");
    peer.write_all(tail).expect("room");
}

/// Sends bytes with a descriptor attached.
pub(crate) fn send_with_descriptor(peer: &UnixStream, data: &[u8]) {
    let passed = [peer.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
    let sent = sendmsg(
        peer,
        &[IoSlice::new(data)],
        &mut control,
        SendFlags::empty(),
    );
    assert_eq!(sent, Ok(data.len()));
}

/// Sends urgent data.
pub(crate) fn send_urgent(peer: &UnixStream, data: &[u8]) {
    let sent = rustix::net::send(peer, data, SendFlags::OOB);
    assert_eq!(sent, Ok(data.len()));
}

/// How long a call may take that does not block.
const WATCHDOG: Duration = Duration::from_millis(300);

/// Runs `call` on a thread of its own, and `release` if it has not come back by itself; then what it answered.
///
/// `call` first says that it has come to the point in question.
pub(crate) fn released<T: Send + 'static>(
    call: impl FnOnce(mpsc::Sender<()>) -> T + Send + 'static,
    release: impl FnOnce(),
) -> Option<T> {
    let (there, is_there) = mpsc::channel();
    let (done, is_done) = mpsc::channel();
    thread::spawn(move || done.send(call(there)));
    is_there.recv().expect("the call came to nothing");
    if let Ok(value) = is_done.recv_timeout(WATCHDOG) {
        return Some(value);
    }
    release();
    is_done.recv_timeout(WATCHDOG).ok()
}

/// A socket under a layer. Its tasks are polled by hand, so it wakes nobody.
#[derive(Debug)]
pub(crate) struct Carrier(UnixStream);

impl Carrier {
    pub(crate) fn pair() -> (Self, Self) {
        let (here, there) = pair();
        here.set_nonblocking(true).expect("O_NONBLOCK");
        (Self(here), Self(there))
    }
}

fn waits<T>(result: io::Result<T>) -> Poll<io::Result<T>> {
    match result {
        Err(e) if e.kind() == ErrorKind::WouldBlock => Poll::Pending,
        result => Poll::Ready(result),
    }
}

impl AsyncRead for Carrier {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        waits(self.0.read(buf))
    }
}

impl AsyncWrite for Carrier {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        waits(self.0.write(buf))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.shutdown(std::net::Shutdown::Write))
    }
}
