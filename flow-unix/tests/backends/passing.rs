//! Descriptors that travel with bytes, from and to a bare socket.

use std::fs::File;
use std::io::{Read as _, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::io::{FdFlags, fcntl_getfd};

use crate::support::backend::{FlowExt as _, WriteError, connect, socketpair};
use crate::support::{arrived, finish, park, pass, pattern, receive, run, settle, tcp, woken};

fn link() -> (crate::support::backend::FdFlow, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (connect(near).unwrap(), far)
}

fn pipe() -> (File, OwnedFd) {
    let (reader, writer) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    (reader.into(), writer)
}

/// That a descriptor came with the byte at `place`, and only one.
fn came_with(at: &[(std::ops::Range<usize>, OwnedFd)], place: usize) -> bool {
    matches!(at, [(chunk, _)] if chunk.contains(&place))
}

/// What a flow that passed them too early, twice or not at all would show.
#[test]
fn descriptors_in_the_wrong_place_are_found() {
    let fd = || pipe().1;
    assert!(came_with(&[(4..8, fd())], 4));
    for wrong in [
        vec![],
        vec![(0..4, fd())],
        vec![(8..12, fd())],
        vec![(4..8, fd()), (8..12, fd())],
    ] {
        assert!(!came_with(&wrong, 4));
    }
}

#[test]
fn a_descriptor_goes_with_the_first_byte_of_its_write() {
    run(async {
        let (flow, far) = link();
        let (_reader, writer) = pipe();
        finish(&mut flow.write("before")).await.unwrap();
        let fds = [writer.try_clone().unwrap(), writer];
        finish(&mut flow.write_with_fds("with", fds)).await.unwrap();
        finish(&mut flow.write("after")).await.unwrap();
        // The kernel adds what came before without any, and stops behind.
        let (data, fds) = receive(&far, 6);
        assert_eq!((&data[..], fds.len()), (&b"before"[..], 0));
        let (data, fds) = receive(&far, 100);
        assert_eq!((&data[..], fds.len()), (&b"with"[..], 2));
        let (data, fds) = receive(&far, 100);
        assert_eq!((&data[..], fds.len()), (&b"after"[..], 0));
    });
}

#[test]
fn a_long_write_on_a_full_flow_passes_them_once() {
    run(async {
        let (flow, far) = link();
        let (mut reader, writer) = pipe();
        let filling = pattern(1 << 20);
        let mut fill = flow.write(filling.clone());
        park(&mut fill);
        let data = pattern(1 << 20);
        let mut write = flow.write_with_fds(data.clone(), [writer]);
        park(&mut write);
        let receiving = std::thread::spawn(move || {
            let (mut all, mut at) = (Vec::new(), Vec::new());
            while all.len() < 2 << 20 {
                let (data, fds) = receive(&far, 100_000);
                let chunk = all.len()..all.len() + data.len();
                at.extend(fds.into_iter().map(|fd| (chunk.clone(), fd)));
                all.extend(data);
            }
            (all, at)
        });
        finish(&mut fill).await.unwrap();
        finish(&mut write).await.unwrap();
        let (all, mut at) = receiving.join().unwrap();
        assert!(all[..1 << 20] == filling && all[1 << 20..] == data);
        assert!(came_with(&at, 1 << 20), "{at:?}");
        let (_, passed) = at.pop().unwrap();
        // Ours is closed: the one that was passed is the last.
        drop(passed);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn where_none_can_come_reading_goes_on_without() {
    run(async {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let (near, mut far) = tcp();
        let flows = [connect(reader).unwrap(), connect(near).unwrap()];
        let peers: [&mut dyn Write; 2] = [&mut writer, &mut far];
        for (flow, peer) in flows.into_iter().zip(peers) {
            flow.receive_fds(1);
            peer.write_all(b"bytes").unwrap();
            let chunk = finish(&mut flow.read()).await.unwrap();
            assert_eq!(chunk.as_deref(), Some(&b"bytes"[..]));
            assert!(flow.take_fds().is_empty());
        }
    });
}

#[test]
fn a_write_that_is_dropped_untaken_passes_nothing() {
    run(async {
        let (flow, far) = link();
        let (mut reader, writer) = pipe();
        let mut fill = flow.write(pattern(1 << 20));
        park(&mut fill);
        let mut write = flow.write_with_fds("never", [writer]);
        park(&mut write);
        assert!(!write.is_taken());
        drop(write);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0, "it is closed");
        drop(far);
        assert!(matches!(finish(&mut fill).await, Err(WriteError::Closed)));
    });
}

#[test]
fn what_cannot_pass_descriptors_says_so() {
    run(async {
        let (_reader, writer) = pipe();
        let tcp = connect(tcp().0).unwrap();
        let refused = tcp.write_with_fds("x", [writer.try_clone().unwrap()]).await;
        let number = |result| match result {
            Err(WriteError::Transport(e)) => crate::support::backend::Error::raw_os_error(&e),
            other => panic!("{other:?}"),
        };
        assert_eq!(
            number(refused),
            Some(rustix::io::Errno::OPNOTSUPP.raw_os_error())
        );
        let (flow, far) = link();
        for (data, count) in [("", 1), ("x", 254)] {
            let fds: Vec<_> = (0..count).map(|_| writer.try_clone().unwrap()).collect();
            let refused = flow.write_with_fds(data, fds).await;
            assert_eq!(
                number(refused),
                Some(rustix::io::Errno::INVAL.raw_os_error())
            );
        }
        // Refused, not failed.
        finish(&mut flow.write("fine")).await.unwrap();
        assert_eq!(receive(&far, 100).0, b"fine");
    });
}

#[test]
fn what_is_passed_is_received_in_order_and_inherited_by_nobody() {
    run(async {
        let (flow, far) = link();
        let (mut reader, writer) = pipe();
        flow.receive_fds(8);
        pass(&far, b"one", &[&writer]);
        pass(&far, b"two", &[&writer; 2]);
        (&far).write_all(b"three").unwrap();
        let mut got = Vec::new();
        let mut counts = Vec::new();
        let mut kept = Vec::new();
        while got.len() < 11 {
            got.extend_from_slice(&finish(&mut flow.read()).await.unwrap().unwrap());
            let fds = flow.take_fds();
            counts.push((got.len(), fds.len()));
            kept.extend(fds);
        }
        assert_eq!(got, b"onetwothree");
        assert_eq!(counts[0], (3, 1), "{counts:?}");
        assert_eq!(kept.len(), 3);
        for fd in &kept {
            assert!(fcntl_getfd(fd).unwrap().contains(FdFlags::CLOEXEC));
        }
        drop(writer);
        drop(kept);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    });
}

#[test]
fn surplus_is_closed_and_no_byte_is_lost() {
    run(async {
        for limit in [0, 2] {
            let (flow, far) = link();
            let (mut reader, writer) = pipe();
            flow.receive_fds(limit);
            pass(&far, b"many", &[&writer; 5]);
            (&far).write_all(b", more").unwrap();
            drop(writer);
            flow.with_fd(|fd| arrived(fd, 10)).unwrap();
            let mut got = Vec::new();
            while got.len() < 10 {
                got.extend_from_slice(&finish(&mut flow.read()).await.unwrap().unwrap());
            }
            assert_eq!(got, b"many, more");
            let kept = flow.take_fds();
            assert_eq!(kept.len(), limit);
            drop(kept);
            assert_eq!(reader.read(&mut [0]).unwrap(), 0);
            // What comes next is not stalled by that.
            let mut read = flow.read();
            let waiting = park(&mut read);
            (&far).write_all(b"next").unwrap();
            woken(&waiting).await;
            assert_eq!(
                finish(&mut read).await.unwrap().as_deref(),
                Some(&b"next"[..])
            );
        }
    });
}

#[test]
fn what_was_received_and_never_taken_is_closed_with_the_flow() {
    run(async {
        let (flow, far) = link();
        let (mut reader, writer) = pipe();
        flow.receive_fds(8);
        pass(&far, b"x", &[&writer]);
        drop(writer);
        finish(&mut flow.read()).await.unwrap();
        drop(flow);
        assert_eq!(reader.read(&mut [0]).unwrap(), 0);
    });
}

/// Two flows of a pair read by another call for as long as nobody else has either.
#[test]
fn what_two_flows_of_a_pair_pass_cuts_no_read_off() {
    run(async {
        let (flow, other) = socketpair().unwrap();
        for passes in [false, true, false, true] {
            let (_reader, writer) = pipe();
            let fds = Vec::from_iter(passes.then_some(writer));
            finish(&mut other.write_with_fds("with", fds))
                .await
                .unwrap();
            finish(&mut other.write("after")).await.unwrap();
            let mut all = Vec::new();
            while all.len() < 9 {
                all.extend(finish(&mut flow.read()).await.unwrap().unwrap());
            }
            assert_eq!(all, b"withafter");
            let mut next = flow.read();
            let waiting = park(&mut next);
            settle().await;
            assert_eq!(waiting.get(), 0);
        }
    });
}
