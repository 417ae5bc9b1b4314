//! Bare ends that are moved by hand, and the flows at their other ends.

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::net::Ipv4Addr;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open};
use rustix::net::sockopt;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::support::backend::{FdFlow, connect};
use crate::support::{WATCHDOG, settle};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Unix,
    Tcp,
    Pipe,
    Fifo,
}

use Kind::{Fifo, Pipe, Tcp, Unix};

/// Each kind as a source and as a destination.
pub(super) const PAIRS: [(Kind, Kind); 10] = [
    (Unix, Unix),
    (Unix, Tcp),
    (Unix, Pipe),
    (Unix, Fifo),
    (Tcp, Unix),
    (Tcp, Tcp),
    (Tcp, Pipe),
    (Pipe, Unix),
    (Fifo, Tcp),
    (Fifo, Fifo),
];

/// Whether bytes go from one to the other without coming into memory.
pub(super) fn moves(from: Kind, to: Kind) -> bool {
    from != Pipe && to != Pipe && !(from == Fifo && to == Fifo)
}

/// A bare end that does not wait.
pub(super) struct Bare {
    file: File,
    kind: Kind,
}

/// A pair of descriptors of that kind that do not wait: what is written to the second is read from the first.
fn lane(kind: Kind) -> (OwnedFd, OwnedFd) {
    match kind {
        Unix => {
            let (a, b) = UnixStream::pair().unwrap();
            a.set_nonblocking(true).unwrap();
            b.set_nonblocking(true).unwrap();
            (a.into(), b.into())
        }
        Tcp => {
            let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
            let a = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
            let b = listener.accept().unwrap().0;
            for socket in [&a, &b] {
                socket.set_nodelay(true).unwrap();
                socket.set_nonblocking(true).unwrap();
            }
            (a.into(), b.into())
        }
        Pipe => pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap(),
        Fifo => {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("fifo");
            mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
            let flags = OFlags::CLOEXEC | OFlags::NONBLOCK;
            let reader = open(&path, flags | OFlags::RDONLY, Mode::empty()).unwrap();
            let writer = open(&path, flags | OFlags::WRONLY, Mode::empty()).unwrap();
            (reader, writer)
        }
    }
}

/// A flow to read from, and what feeds it.
pub(super) fn source(kind: Kind) -> (FdFlow, Bare) {
    let (reader, writer) = lane(kind);
    let file = writer.into();
    (connect(reader).unwrap(), Bare { file, kind })
}

/// A flow to write to, and what takes it in.
pub(super) fn sink(kind: Kind) -> (FdFlow, Bare) {
    let (reader, writer) = lane(kind);
    let file = reader.into();
    (connect(writer).unwrap(), Bare { file, kind })
}

/// Leaves little room on the way to the bare end.
pub(super) fn squeeze(flow: &FdFlow, to: &Bare) {
    match to.kind {
        Pipe | Fifo => drop(fcntl_setpipe_size(&to.file, 4096).unwrap()),
        Unix | Tcp => {
            flow.with_fd(|fd| sockopt::set_socket_send_buffer_size(fd, 1).unwrap());
        }
    }
}

/// Writes as much as there is room for, and waits until it has arrived.
pub(super) fn fill(feed: &mut Bare, data: &[u8]) -> usize {
    let mut sent = 0;
    loop {
        match feed.try_write(&data[sent..]) {
            0 => return sent,
            count => sent += count,
        }
    }
}

impl Bare {
    pub(super) fn try_write(&mut self, data: &[u8]) -> usize {
        match self.file.write(data) {
            Ok(count) => count,
            Err(e) if e.kind() == ErrorKind::WouldBlock => 0,
            Err(e) => panic!("{e}"),
        }
    }

    /// Has each write to a pipe be a packet from now on.
    pub(super) fn in_packets(&self) {
        let flags = OFlags::NONBLOCK | OFlags::DIRECT;
        rustix::fs::fcntl_setfl(&self.file, flags).unwrap();
    }

    /// What is there, up to so many bytes.
    pub(super) fn some(&mut self, most: usize) -> Vec<u8> {
        let mut bytes = vec![0; most];
        match self.file.read(&mut bytes) {
            Ok(count) => bytes.truncate(count),
            Err(e) if e.kind() == ErrorKind::WouldBlock => bytes.clear(),
            Err(e) => panic!("{e}"),
        }
        bytes
    }

    /// All that is there.
    pub(super) fn all(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        loop {
            let some = self.some(1 << 20);
            if some.is_empty() {
                return all;
            }
            all.extend(some);
        }
    }

    /// What comes up to the end.
    pub(super) fn up_to_the_end(&mut self) -> Vec<u8> {
        let mut all = Vec::new();
        self.blocking().read_to_end(&mut all).unwrap();
        all
    }

    /// How much could be read.
    pub(super) fn waiting(&self) -> usize {
        rustix::io::ioctl_fionread(&self.file).unwrap() as usize
    }

    /// The end itself, waiting from now on, though not for ever.
    pub(super) fn blocking(&mut self) -> &mut File {
        rustix::io::ioctl_fionbio(&self.file, false).unwrap();
        if matches!(self.kind, Unix | Tcp) {
            let timeout = sockopt::Timeout::Recv;
            sockopt::set_socket_timeout(&self.file, timeout, Some(WATCHDOG)).unwrap();
        }
        &mut self.file
    }

    pub(super) fn into_blocking(mut self) -> File {
        self.blocking();
        self.file
    }

    /// Leaves, and has the flow see it.
    pub(super) async fn leave(self, flow: &FdFlow) {
        if self.kind == Tcp {
            sockopt::set_socket_linger(&self.file, Some(Duration::ZERO)).unwrap();
        }
        drop(self.file);
        let gone = rustix::event::PollFlags::ERR | rustix::event::PollFlags::HUP;
        let begun = Instant::now();
        let is_gone = || {
            flow.with_fd(|fd| {
                let mut fds = [rustix::event::PollFd::from_borrowed_fd(fd.as_fd(), gone)];
                let now = rustix::event::Timespec::default();
                rustix::event::poll(&mut fds, Some(&now)).unwrap() > 0
            })
        };
        while !is_gone().unwrap() {
            assert!(begun.elapsed() < WATCHDOG, "the peer is still there");
            settle().await;
        }
    }
}

/// Leaves no room at all on the way from a flow to its peer, and says how much there was.
pub(super) async fn fill_up(flow: &FdFlow) -> usize {
    let full = |fd: BorrowedFd<'_>| {
        let mut len = 0;
        // A page, which pipes take whole or not at all.
        while let Ok(count) = rustix::io::write(fd, &[0; 4096]) {
            len += count;
        }
        len
    };
    // Over TCP it takes a while until the peer's system has as much as it takes.
    let mut all = 0;
    stand_still(async || {
        all += flow.with_fd(full).unwrap();
        all as u64
    })
    .await;
    all
}

impl Write for Bare {
    fn write(&mut self, data: &[u8]) -> std::io::Result<usize> {
        self.file.write(data)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Does `step` until it has answered the same for a while.
pub(super) async fn stand_still(mut step: impl AsyncFnMut() -> u64) {
    let begun = Instant::now();
    let (mut last, mut times) = (u64::MAX, 0);
    while times < 20 {
        assert!(begun.elapsed() < WATCHDOG, "goes on and on");
        let now = step().await;
        times = if now == last { times + 1 } else { 0 };
        last = now;
        settle().await;
    }
}
