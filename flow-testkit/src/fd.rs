//! Descriptors for the kit's own use: connected pairs, and a bare far end driven by system calls.

use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, Shutdown,
    SocketFlags, SocketType, connect, recv, send, sendmsg, shutdown, socket_with, socketpair,
    sockopt,
};

use crate::harness::Room;
use crate::peer::{Peer, Recv};
use crate::row::End;

/// What the kit connects two ends with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wires {
    /// `socketpair` of `AF_UNIX` streams.
    Unix,
    /// A connection over the loopback.
    Tcp,
}

impl Wires {
    /// Two connected stream sockets, close-on-exec, in blocking mode as a stranger would make them.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn pair(self, room: Room) -> (OwnedFd, OwnedFd) {
        let (ours, theirs) = match self {
            Self::Unix => socketpair(
                AddressFamily::UNIX,
                SocketType::STREAM,
                SocketFlags::CLOEXEC,
                None,
            )
            .expect("socketpair"),
            Self::Tcp => tcp(room),
        };
        if room == Room::Tight {
            // As little as the kernel grants: 4480 bytes of a Unix stream at a time.
            for fd in [&ours, &theirs] {
                sockopt::set_socket_send_buffer_size(fd, 1).expect("SO_SNDBUF");
            }
        }
        (ours, theirs)
    }

    /// A descriptor for a flow, and its far end.
    #[must_use]
    pub fn link(self, room: Room) -> (OwnedFd, FdPeer) {
        let (first, second) = self.pair(room);
        let (ours, theirs) = End::current().of(first, second);
        (ours, FdPeer::new(theirs))
    }
}

fn tcp(room: Room) -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind((loopback(), 0)).expect("bind");
    let first = socket_with(
        AddressFamily::INET,
        SocketType::STREAM,
        SocketFlags::CLOEXEC,
        None,
    )
    .expect("socket");
    let end = End::current();
    // It must be known before the window is first told; what is accepted inherits it from its listener.
    match end {
        End::First => sockopt::set_socket_recv_buffer_size(&listener, WINDOW),
        End::Second => sockopt::set_socket_recv_buffer_size(&first, WINDOW),
    }
    .expect("SO_RCVBUF");
    connect(&first, &listener.local_addr().expect("address")).expect("connect");
    let (second, _) = listener.accept().expect("accept");
    let second = OwnedFd::from(second);
    for fd in [&first, &second] {
        sockopt::set_tcp_nodelay(fd, true).expect("TCP_NODELAY");
    }
    if room == Room::Ample {
        // What the peer's window does not hold is accepted all the same, and is on the way for as long as the peer likes.
        let (ours, _) = end.of(&first, &second);
        sockopt::set_socket_send_buffer_size(ours, 256 * 1024).expect("SO_SNDBUF");
    }
    (first, second)
}

/// An address of this machine, for one pair. The ports of a pair that is closed stay taken for a minute (`TIME_WAIT`, RFC 9293), and laws make pairs by the thousand,
/// so that those of one address would be used up. On Linux the whole of 127.0.0.0/8 is this machine, and each address has all ports.
fn loopback() -> Ipv4Addr {
    static PAIRS: AtomicU32 = AtomicU32::new(0);

    if !cfg!(any(target_os = "linux", target_os = "android")) {
        return Ipv4Addr::LOCALHOST;
    }
    // Laws run in processes of their own, side by side and one after the other.
    let pair = PAIRS.fetch_add(1, Ordering::Relaxed);
    let [_, process, ..] = process::id().wrapping_mul(0x9e37_79b9).to_be_bytes();
    let [.., high, low] = pair.to_be_bytes();
    Ipv4Addr::new(127, process / 2, high, low.clamp(1, 254))
}

/// What the peer's kernel holds: small enough to be filled at once, and large enough that a drained window is told at once
/// and not by a timer.
const WINDOW: usize = 16 * 1024;

/// A connected stream socket driven by system calls that never wait.
#[derive(Debug)]
pub struct FdPeer {
    fd: Option<OwnedFd>,
}

impl FdPeer {
    /// This socket as a far end. Its flags are not changed.
    #[must_use]
    pub const fn new(fd: OwnedFd) -> Self {
        Self { fd: Some(fd) }
    }

    /// The socket.
    ///
    /// # Panics
    ///
    /// After [`vanish`](Peer::vanish).
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_ref().expect("the peer has left").as_fd()
    }

    /// Sends bytes with a descriptor attached to the first.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn send_with_descriptor(&mut self, data: &[u8], passed: BorrowedFd<'_>) -> usize {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let passed = [passed];
        assert!(control.push(SendAncillaryMessage::ScmRights(&passed)));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(self.fd(), &[IoSlice::new(data)], &mut control, flags).expect("sendmsg")
    }

    /// Sends urgent data.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn send_urgent(&mut self, data: &[u8]) -> usize {
        send(
            self.fd(),
            data,
            SendFlags::DONTWAIT | SendFlags::NOSIGNAL | SendFlags::OOB,
        )
        .expect("MSG_OOB")
    }
}

impl Peer for FdPeer {
    fn send(&mut self, data: &[u8]) -> usize {
        match send(self.fd(), data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::PIPE | Errno::CONNRESET) => 0,
            Err(e) => panic!("the peer could not send: {e}"),
        }
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        match recv(self.fd(), buf, RecvFlags::DONTWAIT) {
            Ok((_, 0)) => Recv::End,
            Ok((_, count)) => Recv::Data(count),
            Err(Errno::AGAIN) => Recv::Empty,
            Err(Errno::CONNRESET | Errno::PIPE) => Recv::Torn,
            Err(e) => panic!("the peer could not receive: {e}"),
        }
    }

    fn queued(&mut self) -> usize {
        let count = rustix::io::ioctl_fionread(self.fd()).expect("FIONREAD");
        usize::try_from(count).expect("a count of bytes in memory")
    }

    fn end(&mut self) {
        match shutdown(self.fd(), Shutdown::Write) {
            // Not connected any more: the flow has gone first.
            Ok(()) | Err(Errno::NOTCONN) => {}
            Err(e) => panic!("the peer could not end: {e}"),
        }
    }

    fn vanish(&mut self) {
        self.fd = None;
    }

    fn reset(&mut self) {
        // With a lingering time of zero, TCP leaves by a reset. A Unix socket does not know it.
        let _ = sockopt::set_socket_linger(self.fd(), Some(Duration::ZERO));
        self.vanish();
    }
}
