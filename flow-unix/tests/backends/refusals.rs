//! What does not become a flow says why, and comes back as it was.

use std::fs::File;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::support;
use crate::support::backend::{ConnectErrorKind, Error, ErrorKind, Switch, connect, connect_with};
use crate::support::{run, status, tcp};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socket, socketpair};

fn refused(fd: impl Into<OwnedFd>) -> (ConnectErrorKind, String) {
    let fd = fd.into();
    let (number, flags) = (fd.as_raw_fd(), status(fd.as_fd()));
    let error = run(async { connect(fd) }).expect_err("should be refused");
    let text = error.to_string();
    assert!(!text.ends_with('.') && !text.contains('\n'), "{text}");
    let kind = error.kind();
    let back = error.into_fd();
    assert_eq!(back.as_raw_fd(), number, "another descriptor came back");
    assert_eq!(status(back.as_fd()), flags, "its flags were changed");
    (kind, text)
}

fn pair(kind: SocketType) -> OwnedFd {
    socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)
        .unwrap()
        .0
}

#[test]
fn message_sockets_are_refused() {
    for kind in [SocketType::DGRAM, SocketType::SEQPACKET] {
        assert_eq!(refused(pair(kind)).0, ConnectErrorKind::NotAStream);
    }
}

#[test]
fn listening_sockets_are_refused() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    assert_eq!(refused(listener).0, ConnectErrorKind::Listening);
}

#[test]
fn sockets_without_a_peer_are_refused() {
    for family in [
        AddressFamily::UNIX,
        AddressFamily::INET,
        AddressFamily::INET6,
    ] {
        let fd = socket(family, SocketType::STREAM, None).unwrap();
        assert_eq!(refused(fd).0, ConnectErrorKind::NotConnected, "{family:?}");
    }
}

#[test]
fn sockets_that_are_still_connecting_are_refused() {
    // A queue of one that is full: the next connection waits for its first answer.
    let listener = socket(AddressFamily::INET, SocketType::STREAM, None).unwrap();
    rustix::net::bind(&listener, &std::net::SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    rustix::net::listen(&listener, 0).unwrap();
    let address = TcpListener::from(listener.try_clone().unwrap())
        .local_addr()
        .unwrap();
    let _first = TcpStream::connect(address).unwrap();
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let begin = || {
        let fd =
            rustix::net::socket_with(AddressFamily::INET, SocketType::STREAM, flags, None).unwrap();
        _ = rustix::net::connect(&fd, &address);
        fd
    };
    let waiting = (0..8)
        .map(|_| begin())
        .find(|fd| rustix::net::getpeername(fd).is_err());
    assert_eq!(
        refused(waiting.expect("the queue never fills")).0,
        ConnectErrorKind::NotConnected
    );
}

#[test]
fn other_descriptors_are_refused_by_name() {
    let flags = rustix::fs::OFlags::PATH | rustix::fs::OFlags::CLOEXEC;
    let path = rustix::fs::open("/dev/null", flags, rustix::fs::Mode::empty()).unwrap();
    let counter = rustix::event::eventfd(0, rustix::event::EventfdFlags::CLOEXEC).unwrap();
    for (fd, what) in [
        (OwnedFd::from(File::open("/").unwrap()), "a directory "),
        (path, "a descriptor that was opened with O_PATH "),
        (counter, "a descriptor of events "),
    ] {
        let (kind, text) = refused(fd);
        assert_eq!(kind, ConnectErrorKind::Unsupported);
        assert!(text.starts_with(what), "{text}");
    }
}

#[test]
fn a_switch_that_is_off_gives_the_descriptor_back() {
    run(async {
        let switch = Switch::new();
        switch.turn_off().await.unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        let error = connect_with(ours, &switch).expect_err("the switch is off");
        assert_eq!(error.kind(), ConnectErrorKind::SwitchOff);
        let back = error.into_fd();
        assert_eq!(back.as_raw_fd(), number);
        // Not only the number: the stream is whole.
        support::put(UnixStream::from(back), b"x");
        assert_eq!(support::rest(theirs).unwrap(), b"x");

        let error = support::backend::socketpair_with(&switch).expect_err("the switch is off");
        assert_eq!(error.kind(), ErrorKind::SwitchOff);
    });
}

#[test]
fn both_families_of_streams_are_accepted() {
    run(async {
        connect(UnixStream::pair().unwrap().0).unwrap();
        connect(tcp().0).unwrap();
    });
}

#[test]
fn errors_fit_into_io_errors() {
    let (kind, _) = refused(pair(SocketType::DGRAM));
    assert_eq!(kind, ConnectErrorKind::NotAStream);
    let error = run(async { connect(File::open("/").unwrap()) }).unwrap_err();
    let error = std::io::Error::from(error);
    assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    assert_eq!(Error::from(error).raw_os_error(), None);
}
