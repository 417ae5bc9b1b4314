//! Reads that are cut short by something else than an empty socket: what follows does not stall.

use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use crate::support;
use crate::support::backend::{FdFlow, FlowExt as _, WriteError, connect};
use crate::support::{arrived, finish, pairs, park, pass, pattern, put, run, settle, tcp, woken};
use flow_core::{Bytes, Chunks};
use rustix::net::{RecvFlags, SendFlags, recv, send};

fn unix() -> (FdFlow, UnixStream) {
    let (near, far) = UnixStream::pair().unwrap();
    (connect(near).unwrap(), far)
}

/// Reads until that many bytes have come.
async fn take(flow: &FdFlow, len: usize) -> Vec<u8> {
    let mut got = Vec::new();
    while got.len() < len {
        got.extend(
            finish(&mut flow.read())
                .await
                .unwrap()
                .expect("the end came too early"),
        );
    }
    got
}

#[test]
fn passed_descriptors_do_not_stall_and_are_closed() {
    run(async {
        let (flow, peer) = unix();
        for count in [1, 2, 64] {
            let mut read = flow.read();
            let reader = park(&mut read);
            // All of it before the reactor turns: one event for three messages. The ends of pipes show what becomes of them.
            let (mut receivers, mut passed) = (Vec::new(), Vec::new());
            for _ in 0..count {
                let (receiver, sender) = std::io::pipe().unwrap();
                receivers.push(receiver);
                passed.push(OwnedFd::from(sender));
            }
            put(&peer, b"before");
            pass(&peer, b"with", &passed);
            drop(passed);
            put(&peer, b"after");
            woken(&reader).await;
            let mut got = finish(&mut read).await.unwrap().unwrap().to_vec();
            got.extend(take(&flow, 15 - got.len()).await);
            assert_eq!(got, b"beforewithafter");
            for receiver in receivers {
                // At its end, as the last sender is gone.
                assert_eq!(support::rest(receiver).unwrap(), b"");
            }
        }
    });
}

#[test]
fn passed_descriptors_do_not_stall_long_reads() {
    run(async {
        let (flow, peer) = unix();
        rustix::net::sockopt::set_socket_send_buffer_size(&peer, 1 << 20).unwrap();
        for _ in 0..20 {
            let data = pattern(100_000);
            put(&peer, &data);
            pass(
                &peer,
                &data[..100],
                &[std::fs::File::open("/dev/null").unwrap()],
            );
            put(&peer, &data[..1000]);
            let got = take(&flow, 101_100).await;
            assert!(
                got[..100_000] == data
                    && got[100_000..100_100] == data[..100]
                    && got[100_100..] == data[..1000]
            );
        }
    });
}

#[test]
fn urgent_data_over_tcp_does_not_stall() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        for _ in 0..3 {
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&peer, b"before");
            send(&peer, b"!", SendFlags::OOB).unwrap();
            put(&peer, b"after");
            flow.with_fd(|fd| arrived(fd, 6)).unwrap();
            woken(&reader).await;
            let mut got = finish(&mut read).await.unwrap().unwrap().to_vec();
            got.extend(take(&flow, 11 - got.len()).await);
            assert_eq!(got, b"beforeafter");
        }
    });
}

#[test]
fn urgent_data_over_unix_sockets_does_not_stall() {
    run(async {
        let (flow, peer) = unix();
        for _ in 0..3 {
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&peer, b"before");
            send(&peer, b"!", SendFlags::OOB).unwrap();
            put(&peer, b"after");
            woken(&reader).await;
            let mut got = finish(&mut read).await.unwrap().unwrap().to_vec();
            got.extend(take(&flow, 11 - got.len()).await);
            assert_eq!(got, b"beforeafter");
        }
    });
}

#[test]
fn urgent_data_that_the_user_takes_does_not_stall() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&peer, b"before");
            send(&peer, b"!", SendFlags::OOB).unwrap();
            put(&peer, b"after");
            // Before the runtime has seen it.
            flow.with_fd(|fd| {
                let mut urgent = [0];
                while recv(fd, &mut urgent, RecvFlags::OOB | RecvFlags::DONTWAIT).is_err() {
                    std::thread::yield_now();
                }
                assert_eq!(&urgent, b"!");
            });
            woken(&reader).await;
            let mut got = finish(&mut read).await.unwrap().unwrap().to_vec();
            got.extend(take(&flow, 11 - got.len()).await);
            assert_eq!(got, b"beforeafter");
        }
    });
}

#[test]
fn urgent_data_in_front_is_skipped() {
    run(async {
        let (flow, peer) = unix();
        let mut read = flow.read();
        let reader = park(&mut read);
        send(&peer, b"!", SendFlags::OOB).unwrap();
        settle().await;
        put(&peer, b"after");
        woken(&reader).await;
        assert_eq!(
            finish(&mut read).await.unwrap().as_deref(),
            Some(&b"after"[..])
        );
    });
}

#[test]
fn the_end_comes_after_a_short_read() {
    run(async {
        for before_the_first_poll in [true, false] {
            let (flow, peer) = unix();
            let (near, far) = tcp();
            let tcp_flow = connect(near).unwrap();
            let (mut one, mut other) = (flow.read(), tcp_flow.read());
            if !before_the_first_poll {
                park(&mut one);
                park(&mut other);
            }
            put(&peer, b"data");
            peer.shutdown(Shutdown::Write).unwrap();
            put(&far, b"data");
            far.shutdown(Shutdown::Write).unwrap();
            tcp_flow.with_fd(|fd| arrived(fd, 4)).unwrap();
            for (flow, read) in [(&flow, &mut one), (&tcp_flow, &mut other)] {
                assert_eq!(finish(read).await.unwrap().as_deref(), Some(&b"data"[..]));
                for _ in 0..3 {
                    assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
                }
            }
        }
    });
}

#[test]
fn an_abrupt_leave_of_a_unix_peer_is_the_end() {
    run(async {
        let (flow, peer) = unix();
        flow.write("never read").await.unwrap();
        put(&peer, b"tail");
        drop(peer);
        assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"tail"[..]));
        assert_eq!(flow.read().await.unwrap(), None);
        assert!(matches!(flow.write("x").await, Err(WriteError::Closed)));
        assert_eq!(flow.read().await.unwrap(), None);
    });
}

#[test]
fn an_abrupt_leave_that_a_write_met_is_the_end_all_the_same() {
    run(async {
        let (flow, peer) = unix();
        flow.write("never read").await.unwrap();
        drop(peer);
        assert!(matches!(flow.write("x").await, Err(WriteError::Closed)));
        assert_eq!(flow.read().await.unwrap(), None);
    });
}

#[test]
fn long_and_short_messages_in_turn_arrive_whole() {
    run(async {
        let (flow, peer) = unix();
        let sizes = [
            1, 16_383, 16_384, 16_385, 64, 65_536, 200_000, 1, 1_000_000, 4096, 262_144, 3,
        ];
        let all: Vec<_> = sizes.iter().map(|&size| pattern(size)).collect();
        let expected = all.concat();
        let sender = std::thread::spawn(move || {
            all.iter().for_each(|data| put(&peer, data));
            peer
        });
        let got = take(&flow, expected.len()).await;
        assert!(got == expected);
        drop(sender.join().unwrap());
        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
    });
}

#[test]
fn buffers_of_all_sizes_are_sent_whole_and_in_order() {
    run(async {
        let (flow, peer) = unix();
        let mut expected = Vec::new();
        let reader = std::thread::spawn(move || support::rest(peer).unwrap());
        for sizes in [
            vec![1; 5000],
            vec![300; 3000],
            vec![0, 0, 100_000, 0, 1, 70_000, 3],
            vec![8; 3],
            vec![20_000; 16],
            vec![20_000; 17],
            [vec![1; 16], vec![1 << 20], vec![7; 1024], vec![1 << 20]].concat(),
            vec![1 << 20],
        ] {
            let buffers: Vec<_> = sizes.into_iter().map(pattern).collect();
            expected.extend(buffers.concat());
            finish(&mut flow.writev(buffers.clone())).await.unwrap();
            expected.extend(buffers.concat());
            let chunks: Chunks = buffers.into_iter().map(Bytes::from).collect();
            finish(&mut flow.write_chunks(chunks)).await.unwrap();
        }
        drop(flow);
        let got = reader.join().unwrap();
        assert!(got == expected, "{} of {} bytes", got.len(), expected.len());
    });
}
