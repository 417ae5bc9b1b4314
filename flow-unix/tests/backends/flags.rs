//! The flags of descriptors: those handed in stay as they were, those made are close-on-exec and non-blocking.

use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use crate::support::backend::{
    FdFlow, FlowExt as _, Shutdown, connect, connect_tcp, connect_unix, listen_tcp, listen_unix,
    socketpair,
};
use crate::support::{finish, park, put, run, status, tcp};
use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_getfd};

async fn use_it(fd: OwnedFd, peer: impl std::io::Write + std::io::Read + AsFd, nonblocking: bool) {
    rustix::io::ioctl_fionbio(&fd, nonblocking).unwrap();
    let shared = fd.try_clone().unwrap();
    let before = status(shared.as_fd());
    assert_eq!(before.contains(OFlags::NONBLOCK), nonblocking);
    let unchanged = |when| assert_eq!(status(shared.as_fd()), before, "changed by {when}");

    let flow = connect(fd).unwrap();
    unchanged("connect");
    // On a blocking descriptor this must wait without blocking the thread.
    let mut read = flow.read();
    park(&mut read);
    unchanged("a read that waits");
    put_ref(&peer, b"x");
    assert_eq!(finish(&mut read).await.unwrap().as_deref(), Some(&b"x"[..]));
    // More than any buffer takes.
    let mut write = flow.write(vec![0; 16 << 20]);
    park(&mut write);
    unchanged("a write that waits");
    drop(write);
    drop(flow);
    unchanged("drop");
}

fn put_ref(peer: &impl AsFd, data: &[u8]) {
    assert_eq!(rustix::io::write(peer, data).unwrap(), data.len());
}

#[test]
fn status_flags_are_left_alone() {
    run(async {
        for nonblocking in [false, true] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            use_it(ours.into(), theirs, nonblocking).await;
            let (ours, theirs) = tcp();
            use_it(ours.into(), theirs, nonblocking).await;
        }
    });
}

fn check(fd: impl AsFd, what: &str) {
    assert!(
        fcntl_getfd(&fd).unwrap().contains(FdFlags::CLOEXEC),
        "{what} is inherited"
    );
    assert!(
        status(fd.as_fd()).contains(OFlags::NONBLOCK),
        "{what} is blocking"
    );
}

fn check_flow(flow: &FdFlow, what: &str) {
    flow.with_fd(|fd| check(fd, what)).unwrap();
}

#[test]
fn what_is_made_is_close_on_exec() {
    run(async {
        let (a, b) = socketpair().unwrap();
        check_flow(&a, "one of a pair");
        check_flow(&b, "the other of a pair");

        let listener = listen_tcp("127.0.0.1:0").await.unwrap();
        check(&listener, "a TCP listener");
        let near = connect_tcp(listener.local_addr().unwrap()).await.unwrap();
        check_flow(&near, "a dialled TCP socket");
        let (far, _) = listener.accept().await.unwrap();
        check_flow(&far, "an accepted TCP socket");

        let dir = std::env::temp_dir().join(format!(
            "flow-flags-{}-{}",
            module_path!().len(),
            std::process::id()
        ));
        let listener = listen_unix(&dir).unwrap();
        check(&listener, "a listener at a path");
        check_flow(
            &connect_unix(&dir).await.unwrap(),
            "a socket dialled by path",
        );
        check_flow(
            &listener.accept().await.unwrap().0,
            "a socket accepted at a path",
        );
    });
}

#[test]
fn what_close_makes_is_close_on_exec() {
    run(async {
        let (a, b) = socketpair().unwrap();
        let before = inherited();
        let mut close = a.close();
        park(&mut close);
        let after = inherited();
        assert!(
            after.iter().all(|fd| before.contains(fd)),
            "{before:?} became {after:?}"
        );
        b.shutdown(Shutdown::Write).await.unwrap();
        finish(&mut close).await.unwrap();
    });
}

/// The descriptors that a child process would get.
fn inherited() -> Vec<String> {
    let infos = std::fs::read_dir("/proc/self/fdinfo").unwrap();
    let is_inherited = |info: &str| {
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = u32::from_str_radix(flags.unwrap().trim(), 8).unwrap();
        flags & OFlags::CLOEXEC.bits() == 0
    };
    infos
        .filter_map(|info| {
            let path = info.ok()?.path();
            let info = std::fs::read_to_string(&path).ok()?;
            is_inherited(&info).then(|| path.display().to_string())
        })
        .collect()
}

#[test]
fn small_writes_over_tcp_are_sent_at_once() {
    run(async {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let near = connect_tcp(listener.local_addr().unwrap()).await.unwrap();
        let nodelay = |flow: &FdFlow| {
            flow.with_fd(|fd| rustix::net::sockopt::tcp_nodelay(fd))
                .unwrap()
        };
        assert_eq!(nodelay(&near), Ok(true));
        let listener = listen_tcp("127.0.0.1:0").await.unwrap();
        let peer = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (flow, address) = listener.accept().await.unwrap();
        assert_eq!(nodelay(&flow), Ok(true));
        assert_eq!(address, peer.local_addr().unwrap());
        put(&peer, b"x");
        assert!(flow.read().await.unwrap().is_some());
    });
}
