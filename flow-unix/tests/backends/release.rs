//! Descriptors are released: when a flow is dropped, when it is aborted though the object lives on, and when something failed.
//!
//! These tests count the descriptors of the process, so they are in a program of their own and run one at a time.

use std::net::TcpListener;
use std::os::fd::AsRawFd as _;
use std::os::unix::net::{UnixListener, UnixStream};

use crate::support;
use crate::support::backend::{
    Flow as _, FlowExt as _, ListenErrorKind, Shutdown, Switch, connect, connect_tcp, listen_tcp,
    listen_unix, socketpair,
};
use crate::support::{
    census, finish, leaves_nothing, out_of_descriptors, out_of_descriptors_but, park, put, rest,
    settle, tcp,
};

#[test]
fn drop_releases() {
    leaves_nothing(async || {
        drop(socketpair().unwrap());
        drop(connect(tcp().0).unwrap());
    });
}

#[test]
fn abort_releases_while_the_flow_lives() {
    leaves_nothing(async || {
        let before = census();
        let (flow, peer) = socketpair().unwrap();
        drop(peer);
        let (idle, peer) = UnixStream::pair().unwrap();
        let idle = connect(idle).unwrap();
        idle.abort();
        assert_eq!(rest(peer).unwrap(), b"", "the peer does not see the end");
        flow.abort();
        assert_eq!(census(), before);
        assert!(flow.with_fd(|_| ()).is_none());
        drop((flow, idle));
    });
}

#[test]
fn abort_releases_under_waiting_operations() {
    leaves_nothing(async || {
        let before = census();
        let (flow, peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        let (mut read, mut write) = (flow.read(), flow.write(vec![0; 1 << 20]));
        let (reader, writer) = (park(&mut read), park(&mut write));
        flow.abort();
        drop(peer);
        assert_eq!(census(), before);
        assert_eq!(
            (reader.get(), writer.get()),
            (1, 1),
            "somebody was not woken"
        );
        finish(&mut read).await.unwrap_err();
        finish(&mut write).await.unwrap_err();
    });
}

#[test]
fn abort_releases_what_a_waiting_close_made() {
    leaves_nothing(async || {
        let before = census();
        let (flow, peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        let mut close = flow.close();
        let closer = park(&mut close);
        flow.abort();
        drop(peer);
        assert_eq!(closer.get(), 1);
        finish(&mut close).await.unwrap_err();
        assert_eq!(census(), before);
    });
}

#[test]
fn close_and_drop_release() {
    leaves_nothing(async || {
        let (flow, peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        let mut close = flow.close();
        park(&mut close);
        drop(peer);
        finish(&mut close).await.unwrap();
        drop(flow);

        let (a, b) = socketpair().unwrap();
        let (mut closing, mut other) = (a.close(), b.close());
        park(&mut closing);
        finish(&mut other).await.unwrap();
        finish(&mut closing).await.unwrap();
    });
}

#[test]
fn a_close_that_is_given_up_and_dropped_releases() {
    leaves_nothing(async || {
        let (flow, _peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        park(&mut flow.close());
        drop(flow);
    });
}

#[test]
fn the_switch_releases() {
    leaves_nothing(async || {
        let before = census();
        let switch = Switch::new();
        let flows = support::backend::socketpair_with(&switch).unwrap();
        switch.turn_off().await.unwrap();
        assert_eq!(census(), before);
        drop(flows);
    });
}

#[test]
fn failures_release() {
    leaves_nothing(async || {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let error = connect_tcp(address).await.unwrap_err();
        assert_eq!(error.kind(), support::backend::ErrorKind::Refused);
        drop(connect(std::fs::File::open("/").unwrap()).unwrap_err());
    });
}

#[test]
fn listeners_release() {
    leaves_nothing(async || {
        let listener = listen_tcp("127.0.0.1:0").await.unwrap();
        {
            let accept = std::pin::pin!(listener.accept());
            let mut accept = accept;
            park(&mut accept);
        }
        let path = std::env::temp_dir().join(format!("flow-release-{}", std::process::id()));
        drop(listen_unix(&path).unwrap());
        assert!(!path.exists());
    });
}

#[test]
fn descriptors_come_out_whole() {
    leaves_nothing(async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let number = ours.as_raw_fd();
        let flow = connect(ours).unwrap();
        flow.write("before").await.unwrap();
        put(&theirs, b"unread");
        let back = UnixStream::try_from(flow).unwrap();
        assert_eq!(back.as_raw_fd(), number);
        back.set_nonblocking(false).unwrap();
        put(&back, b", after");
        back.shutdown(std::net::Shutdown::Write).unwrap();
        assert_eq!(rest(&theirs).unwrap(), b"before, after");
        drop(theirs);
        assert_eq!(rest(back).unwrap(), b"unread", "input was thrown away");
    });
}

#[test]
fn a_flow_with_work_left_does_not_come_apart() {
    leaves_nothing(async || {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let flow = connect(ours).unwrap();
        let data = support::pattern(4 << 20);
        let mut write = flow.write(data.clone());
        park(&mut write);
        drop(write);
        let flow = flow.into_fd().expect_err("half a write would be lost");
        let reader = std::thread::spawn(move || rest(theirs));
        finish(&mut flow.flush()).await.unwrap();
        drop(flow.into_fd().expect("everything is sent"));
        assert!(reader.join().unwrap().unwrap() == data);

        let flow = connect(tcp().0).unwrap();
        let error = UnixStream::try_from(flow).expect_err("TCP is not a Unix stream");
        drop(error.into_flow().expect("the flow comes back"));
    });
}

#[test]
fn close_does_without_descriptors() {
    leaves_nothing(async || {
        let (flow, peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        put(&peer, b"unread");
        let mut close = flow.close();
        let closer = out_of_descriptors(|| park(&mut close));
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        support::woken(&closer).await;
        finish(&mut close).await.unwrap();
        assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"unread"[..]));
        assert_eq!(flow.read().await.unwrap(), None);
    });
}

#[test]
fn an_accept_without_descriptors_fails_and_the_listener_lives() {
    leaves_nothing(async || {
        let path = std::env::temp_dir().join(format!("flow-emfile-{}", std::process::id()));
        let listener = listen_unix(&path).unwrap();
        let peer = UnixStream::connect(&path).unwrap();
        settle().await;
        let mut accept = Box::pin(listener.accept());
        let mut polled = out_of_descriptors(|| support::poll(&mut accept, &support::Count::new()));
        let begun = std::time::Instant::now();
        while polled.is_pending() {
            assert!(
                begun.elapsed() < support::WATCHDOG,
                "the connection was not seen"
            );
            settle().await;
            polled = out_of_descriptors(|| support::poll(&mut accept, &support::Count::new()));
        }
        let std::task::Poll::Ready(Err(error)) = polled else {
            panic!("no descriptor, yet {polled:?}")
        };
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::MFILE.raw_os_error())
        );
        drop(accept);
        let (flow, _) = listener.accept().await.unwrap();
        put(&peer, b"x");
        assert!(flow.read().await.unwrap().is_some());
    });
}

#[test]
fn shutdown_alone_releases_nothing() {
    leaves_nothing(async || {
        let (flow, peer) = UnixStream::pair().unwrap();
        let flow = connect(flow).unwrap();
        flow.shutdown(Shutdown::Both).await.unwrap();
        assert!(flow.with_fd(|_| ()).is_some());
        assert_eq!(rest(peer).unwrap(), b"");
    });
}

#[test]
fn the_end_is_seen_although_others_hold_the_socket() {
    leaves_nothing(async || {
        for abort in [true, false] {
            let (ours, theirs) = UnixStream::pair().unwrap();
            let other_owner = ours.try_clone().unwrap();
            let flow = connect(ours).unwrap();
            if abort {
                flow.abort();
            }
            drop(flow);
            assert_eq!(rest(&theirs).unwrap(), b"");
            let error = std::io::Write::write(&mut &theirs, b"x").unwrap_err();
            assert_eq!(error.kind(), std::io::ErrorKind::BrokenPipe);
            drop(other_owner);

            let (ours, theirs) = tcp();
            let other_owner = ours.try_clone().unwrap();
            let flow = connect(ours).unwrap();
            if abort {
                flow.abort();
            }
            drop(flow);
            assert_eq!(rest(&theirs).unwrap(), b"");
            drop(other_owner);
        }
    });
}

#[test]
fn listeners_of_std_are_unharmed() {
    leaves_nothing(async || {
        let path = std::env::temp_dir().join(format!("flow-std-{}", std::process::id()));
        let listener = UnixListener::bind(&path).unwrap();
        drop(listen_unix(&path).expect_err("somebody listens"));
        let peer = UnixStream::connect(&path).unwrap();
        drop((listener.accept().unwrap(), peer));
        std::fs::remove_file(&path).unwrap();
    });
}

#[test]
fn without_descriptors_nobody_is_said_to_listen() {
    leaves_nothing(async || {
        let path = std::env::temp_dir().join(format!("flow-unknown-{}", std::process::id()));
        _ = std::fs::remove_file(&path);
        drop(UnixListener::bind(&path).unwrap());
        // One for the socket to bind, and none for the one that looks.
        let error = out_of_descriptors_but(1, || listen_unix(&path)).unwrap_err();
        std::fs::remove_file(&path).unwrap();
        assert_eq!(error.kind(), ListenErrorKind::Other);
        assert_eq!(
            std::io::Error::from(error).raw_os_error(),
            Some(rustix::io::Errno::MFILE.raw_os_error())
        );
    });
}
