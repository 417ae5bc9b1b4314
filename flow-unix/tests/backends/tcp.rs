//! What is particular to TCP: resets destroy bytes, so what was accepted is not to be reset, and what was cut off is.

use std::io::{ErrorKind as IoErrorKind, Read as _};
use std::net::TcpStream;
use std::time::Duration;

use crate::support;
use crate::support::backend::{ErrorKind, Flow as _, FlowExt as _, Shutdown, WriteError, connect};
use crate::support::{arrived, finish, park, pattern, put, rest, run, settle, tcp};

/// Cuts the connection off.
fn reset(peer: TcpStream) {
    rustix::net::sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
    drop(peer);
}

/// A flow and a peer that takes in little at a time, so that most of what is sent waits in the system of the sender.
fn narrow() -> (support::backend::FdFlow, TcpStream) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    rustix::net::sockopt::set_socket_recv_buffer_size(&listener, 1).unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let far = listener.accept().unwrap().0;
    far.set_read_timeout(Some(support::WATCHDOG)).unwrap();
    (connect(near).unwrap(), far)
}

#[test]
fn what_was_accepted_survives_unread_input_at_drop() {
    run(async {
        let (flow, peer) = narrow();
        put(&peer, b"never read");
        flow.with_fd(|fd| arrived(fd, 10)).unwrap();
        let data = pattern(200_000);
        flow.write(data.clone()).await.unwrap();
        drop(flow);
        let got = rest(peer).expect("no reset");
        assert!(got == data, "{} of {} bytes", got.len(), data.len());
    });
}

#[test]
fn what_was_accepted_survives_unread_input_at_abort() {
    run(async {
        let (flow, peer) = narrow();
        put(&peer, b"never read");
        flow.with_fd(|fd| arrived(fd, 10)).unwrap();
        let data = pattern(200_000);
        flow.write(data.clone()).await.unwrap();
        flow.abort();
        let got = rest(peer).expect("no reset");
        assert!(got == data, "{} of {} bytes", got.len(), data.len());
        drop(flow);
    });
}

#[test]
fn what_was_accepted_survives_unread_input_after_close() {
    run(async {
        let (flow, peer) = narrow();
        put(&peer, b"never read");
        peer.shutdown(std::net::Shutdown::Write).unwrap();
        let data = pattern(200_000);
        flow.write(data.clone()).await.unwrap();
        finish(&mut flow.close()).await.unwrap();
        drop(flow);
        let got = rest(peer).expect("no reset");
        assert!(got == data, "{} of {} bytes", got.len(), data.len());
    });
}

#[test]
fn an_abort_in_the_middle_of_a_write_is_a_reset() {
    run(async {
        let (near, mut peer) = tcp();
        let other_owner = near.try_clone().unwrap();
        let flow = connect(near).unwrap();
        let mut write = flow.write(vec![0; 64 << 20]);
        park(&mut write);
        flow.abort();
        let mut buffer = vec![0; 1 << 20];
        let error = loop {
            match peer.read(&mut buffer) {
                Ok(0) => panic!("half a write, and then an orderly end"),
                Ok(_) => {}
                Err(e) => break e,
            }
        };
        assert_eq!(error.kind(), IoErrorKind::ConnectionReset);
        drop(write);
        drop((flow, other_owner));
    });
}

#[test]
fn an_abort_between_writes_is_an_end() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        flow.write("all of it").await.unwrap();
        flow.abort();
        assert_eq!(rest(peer).unwrap(), b"all of it");
    });
}

#[test]
fn a_reset_is_an_error_after_what_arrived() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        put(&peer, b"tail");
        flow.with_fd(|fd| arrived(fd, 4)).unwrap();
        reset(peer);
        assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"tail"[..]));
        for _ in 0..3 {
            let error = flow.read().await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Reset);
        }
        assert!(matches!(flow.write("x").await, Err(WriteError::Closed)));
    });
}

#[test]
fn a_reset_that_a_write_met_is_reported_by_read() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        reset(peer);
        assert!(matches!(flow.write("x").await, Err(WriteError::Closed)));
        for _ in 0..3 {
            let error = flow.read().await.expect_err("a clean end after a reset");
            assert_eq!(error.kind(), ErrorKind::Reset);
            assert_eq!(
                error.raw_os_error(),
                Some(rustix::io::Errno::CONNRESET.raw_os_error())
            );
        }
    });
}

#[test]
fn shutdown_after_a_reset_is_ok_if_nothing_was_owed() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        reset(peer);
        flow.shutdown(Shutdown::Write).await.unwrap();
    });
}

#[test]
fn shutdown_after_a_reset_is_closed_if_bytes_were_owed() {
    run(async {
        let (flow, peer) = narrow();
        // Accepted by our system, and more than the peer's takes.
        flow.write(pattern(200_000)).await.unwrap();
        reset(peer);
        settle().await;
        assert!(matches!(
            flow.shutdown(Shutdown::Write).await,
            Err(WriteError::Closed)
        ));
    });
}

#[test]
fn a_reset_completes_a_waiting_close() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        let mut close = flow.close();
        let closer = park(&mut close);
        reset(peer);
        support::woken(&closer).await;
        finish(&mut close).await.unwrap();
    });
}

#[test]
fn a_parked_write_ends_when_the_peer_goes() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        let mut write = flow.write(vec![0; 64 << 20]);
        let writer = park(&mut write);
        reset(peer);
        support::woken(&writer).await;
        assert!(matches!(finish(&mut write).await, Err(WriteError::Closed)));
    });
}

#[test]
fn drop_does_not_linger() {
    run(async {
        let (flow, peer) = narrow();
        let linger = Some(Duration::from_secs(5));
        flow.with_fd(|fd| rustix::net::sockopt::set_socket_linger(fd, linger).unwrap());
        let data = pattern(200_000);
        flow.write(data.clone()).await.unwrap();
        let begun = std::time::Instant::now();
        drop(flow);
        assert!(
            begun.elapsed() < Duration::from_secs(4),
            "the thread was blocked"
        );
        let got = rest(peer).expect("no reset");
        assert!(got == data, "{} of {} bytes", got.len(), data.len());
    });
}
