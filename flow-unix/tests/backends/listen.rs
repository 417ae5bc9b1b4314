//! Listeners: who is at a path already, whose path it is, and who gets the next connection.

use std::fs;
use std::net::TcpStream;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;

use crate::support::backend::{
    ErrorKind, FlowExt as _, ListenErrorKind, connect_tcp, connect_unix, listen_tcp, listen_unix,
    listen_unix_replacing_stale,
};
use crate::support::{Count, finish, park, poll, put, run, woken};

/// A path of its own for each test, removed afterwards.
struct Place(PathBuf);

impl Place {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("flow-listen-{}-{name}", std::process::id()));
        _ = fs::remove_file(&path);
        Self(path)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        _ = fs::remove_file(&self.0);
    }
}

#[test]
fn a_socket_left_behind_is_called_stale_and_replaced_on_demand() {
    run(async {
        let place = Place::new("stale");
        drop(UnixListener::bind(&place.0).unwrap());
        let error = listen_unix(&place.0).unwrap_err();
        assert_eq!(error.kind(), ListenErrorKind::Stale);
        assert!(error.to_string().contains("left behind"), "{error}");
        let listener = listen_unix_replacing_stale(&place.0).unwrap();
        let near = connect_unix(&place.0).await.unwrap();
        let (far, peer) = listener.accept().await.unwrap();
        assert!(peer.is_unnamed(), "{peer:?}");
        near.write("x").await.unwrap();
        assert!(far.read().await.unwrap().is_some());
    });
}

#[test]
fn a_live_listener_is_never_replaced() {
    run(async {
        let place = Place::new("live");
        let other = UnixListener::bind(&place.0).unwrap();
        for error in [
            listen_unix(&place.0).unwrap_err(),
            listen_unix_replacing_stale(&place.0).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ListenErrorKind::InUse);
            assert!(error.to_string().contains("in use"), "{error}");
        }
        let _peer = UnixStream::connect(&place.0).expect("the other one was harmed");
        drop(other);
    });
}

#[test]
fn who_is_at_the_path_is_found_out_without_a_connection() {
    run(async {
        let place = Place::new("alone");
        let other = UnixListener::bind(&place.0).unwrap();
        other.set_nonblocking(true).unwrap();
        for error in [
            listen_unix(&place.0).unwrap_err(),
            listen_unix_replacing_stale(&place.0).unwrap_err(),
        ] {
            assert_eq!(error.kind(), ListenErrorKind::InUse);
        }
        let accepted = other.accept().map(|_| ()).map_err(|e| e.kind());
        assert_eq!(accepted, Err(std::io::ErrorKind::WouldBlock));
    });
}

#[test]
fn a_listener_with_a_full_queue_is_in_use() {
    run(async {
        let place = Place::new("full");
        let other = UnixListener::bind(&place.0).unwrap();
        rustix::net::listen(&other, 0).unwrap();
        let mut queue = Vec::new();
        let full = loop {
            match connect_unix(&place.0).await {
                Ok(flow) => queue.push(flow),
                Err(e) => break e,
            }
        };
        assert_eq!(
            full.raw_os_error(),
            Some(rustix::io::Errno::AGAIN.raw_os_error())
        );
        assert_eq!(
            listen_unix_replacing_stale(&place.0).unwrap_err().kind(),
            ListenErrorKind::InUse
        );
    });
}

#[test]
fn other_things_at_the_path_are_left_alone() {
    run(async {
        let place = Place::new("file");
        fs::write(&place.0, "precious").unwrap();
        let error = listen_unix_replacing_stale(&place.0).unwrap_err();
        assert_eq!(error.kind(), ListenErrorKind::NotASocket);
        assert_eq!(fs::read(&place.0).unwrap(), b"precious");

        let place = Place::new("datagram");
        let _other = UnixDatagram::bind(&place.0).unwrap();
        let error = listen_unix_replacing_stale(&place.0).unwrap_err();
        assert_eq!(error.kind(), ListenErrorKind::InUse);

        let error = listen_unix("/nowhere/at/all").unwrap_err();
        assert_eq!(error.kind(), ListenErrorKind::Other);
        let cause = std::error::Error::source(&error).expect("a cause");
        assert!(cause.to_string().starts_with("could not bind"), "{cause}");
        assert_eq!(
            std::io::Error::from(error).kind(),
            std::io::ErrorKind::NotFound
        );
    });
}

#[test]
fn a_dropped_listener_removes_its_path_and_no_others() {
    run(async {
        let place = Place::new("own");
        let listener = listen_unix(&place.0).unwrap();
        assert_eq!(listener.path(), place.0);
        drop(listener);
        assert!(!place.0.exists());

        let listener = listen_unix(&place.0).unwrap();
        fs::remove_file(&place.0).unwrap();
        let _other = UnixListener::bind(&place.0).unwrap();
        drop(listener);
        assert!(place.0.exists(), "somebody else's socket was removed");
    });
}

#[test]
fn a_dropped_accept_loses_no_connection() {
    run(async {
        let listener = listen_tcp("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let peer = {
            let mut accept = pin!(listener.accept());
            let count = park(&mut accept);
            let peer = TcpStream::connect(address).unwrap();
            woken(&count).await;
            peer
        };
        let (flow, from) = listener.accept().await.unwrap();
        assert_eq!(from, peer.local_addr().unwrap());
        put(&peer, b"x");
        assert!(flow.read().await.unwrap().is_some());
    });
}

#[test]
fn several_tasks_accept() {
    run(async {
        let place = Place::new("several");
        let listener = listen_unix(&place.0).unwrap();
        let (mut first, mut second) = (pin!(listener.accept()), pin!(listener.accept()));
        let (one, two) = (park(&mut first), park(&mut second));
        let _peer = UnixStream::connect(&place.0).unwrap();
        woken(&one).await;
        woken(&two).await;
        finish(&mut second).await.unwrap();
        let one = park(&mut first);
        let _peer = UnixStream::connect(&place.0).unwrap();
        woken(&one).await;
        finish(&mut first).await.unwrap();
    });
}

#[test]
fn a_task_accepts_twice_at_a_time() {
    run(async {
        let place = Place::new("twice");
        let listener = listen_unix(&place.0).unwrap();
        for _ in 0..100 {
            let (mut first, mut second) = (pin!(listener.accept()), pin!(listener.accept()));
            let task = Count::new();
            assert!(poll(&mut second, &task).is_pending());
            let _peer = UnixStream::connect(&place.0).unwrap();
            // Where attempts come first, this one overtakes the event that the other waits for.
            let overtaken = poll(&mut first, &task).is_ready();
            let _peer = UnixStream::connect(&place.0).unwrap();
            woken(&task).await;
            finish(&mut second).await.unwrap();
            if !overtaken {
                finish(&mut first).await.unwrap();
            }
        }
    });
}

#[test]
fn a_dropped_accept_leaves_no_waker() {
    run(async {
        let listener = listen_tcp("127.0.0.1:0").await.unwrap();
        for _ in 0..100 {
            let count = {
                let mut accept = pin!(listener.accept());
                park(&mut accept)
            };
            assert_eq!(Arc::strong_count(&count), 1, "a waker was kept");
        }
    });
}

#[test]
fn the_empty_path_is_refused() {
    run(async {
        let error = listen_unix("").unwrap_err();
        let cause = std::error::Error::source(&error).expect("a cause");
        assert!(cause.to_string().ends_with("the path is empty"), "{cause}");
        let error = connect_unix("").await.unwrap_err();
        assert!(error.to_string().ends_with("the path is empty"), "{error}");
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::INVAL.raw_os_error())
        );
    });
}

#[test]
fn names_are_looked_up_and_addresses_tried_in_turn() {
    run(async {
        let listener = listen_tcp("localhost:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let name = format!("localhost:{}", address.port());
        connect_tcp(name).await.unwrap();
        let unused = {
            let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        connect_tcp(vec![unused, address]).await.unwrap();
        let error = connect_tcp(vec![address, unused]).await;
        drop(error.expect("the first one answers"));
        assert_eq!(
            connect_tcp(unused).await.unwrap_err().kind(),
            ErrorKind::Refused
        );
        assert_eq!(
            connect_tcp(vec![]).await.unwrap_err().kind(),
            ErrorKind::Unresolved
        );
        assert_eq!(
            connect_tcp("no port").await.unwrap_err().kind(),
            ErrorKind::Unresolved
        );
    });
}

#[test]
fn nobody_at_the_path_is_refused() {
    run(async {
        let place = Place::new("nobody");
        drop(UnixListener::bind(&place.0).unwrap());
        assert_eq!(
            connect_unix(&place.0).await.unwrap_err().kind(),
            ErrorKind::Refused
        );
        let error = connect_unix("/nowhere/at/all").await.unwrap_err();
        assert_eq!(
            error.raw_os_error(),
            Some(rustix::io::Errno::NOENT.raw_os_error())
        );
    });
}
