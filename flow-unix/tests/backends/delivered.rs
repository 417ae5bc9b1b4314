//! What became of what was written, told by sockets whose peers are moved by hand.

use std::io::Read as _;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use flow_core::Bytes;
use rustix::net::sockopt;

use crate::support::backend::{Delivered, Flow, FlowExt as _, Shutdown, connect, socketpair};
use crate::support::{
    WATCHDOG, arrived, finish, pairs, park, pattern, put, rest, run, settle, tcp,
};

/// Lets the systems at both ends exchange what they have to.
async fn becomes(flow: &impl Flow, expected: Delivered) {
    let begun = Instant::now();
    while flow.delivered() != expected {
        let got = flow.delivered();
        assert!(begun.elapsed() < WATCHDOG, "{got:?} for ever");
        settle().await;
    }
}

/// Leaves by a reset, whatever was read.
fn reset(peer: TcpStream) {
    sockopt::set_socket_linger(&peer, Some(Duration::ZERO)).unwrap();
}

#[track_caller]
fn is(flow: &impl Flow, expected: Delivered) {
    assert_eq!(flow.delivered(), expected);
}

#[test]
fn a_unix_peer_has_read_when_it_has_read_the_last_byte() {
    run(async {
        let (near, mut peer) = UnixStream::pair().unwrap();
        let flow = connect(near).unwrap();
        is(&flow, Delivered::Yes);
        for len in [1, 10, 1000, 100_000] {
            flow.write(pattern(len)).await.unwrap();
            is(&flow, Delivered::No);
            peer.read_exact(&mut vec![0; len / 2]).unwrap();
            is(&flow, Delivered::No);
            let left = len - len / 2;
            peer.read_exact(&mut vec![0; left - 1]).unwrap();
            is(&flow, Delivered::No);
            peer.read_exact(&mut [0]).unwrap();
            is(&flow, Delivered::Yes);
        }
    });
}

#[test]
fn looking_at_bytes_is_not_reading_them() {
    run(async {
        let (near, peer) = UnixStream::pair().unwrap();
        let flow = connect(near).unwrap();
        flow.write("hello").await.unwrap();
        rustix::net::recv(&peer, &mut [0; 10][..], rustix::net::RecvFlags::PEEK).unwrap();
        is(&flow, Delivered::No);
    });
}

#[test]
fn a_unix_peer_may_read_after_the_end_and_after_close() {
    run(async {
        for close in [false, true] {
            let (near, peer) = UnixStream::pair().unwrap();
            let flow = connect(near).unwrap();
            flow.write("hello").await.unwrap();
            if close {
                peer.shutdown(std::net::Shutdown::Write).unwrap();
                assert_eq!(flow.close().await.unwrap(), Delivered::No);
            } else {
                flow.shutdown(Shutdown::Write).await.unwrap();
            }
            is(&flow, Delivered::No);
            assert_eq!(rest(&peer).unwrap(), b"hello");
            is(&flow, Delivered::Yes);
            drop(peer);
            is(&flow, Delivered::Yes);
            assert_eq!(flow.close().await.unwrap(), Delivered::Yes);
        }
    });
}

/// The kernel tells once that the peer left without reading, and whichever call is told keeps it in mind.
#[test]
fn a_unix_peer_that_left_without_reading_is_not_forgotten() {
    run(async {
        for (sent, read) in [(0, 0), (3, 0), (0, 4), (3, 4)] {
            for order in ["nothing", "rrw", "wrr", "rwr", "sr", "cr", "parked"] {
                let (near, peer) = UnixStream::pair().unwrap();
                let flow = connect(near).unwrap();
                flow.write("hello").await.unwrap();
                put(&peer, &pattern(sent));
                (&peer).read_exact(&mut vec![0; read]).unwrap();
                let mut parked = None;
                if order == "parked" && sent == 0 {
                    let mut call = flow.read();
                    park(&mut call);
                    parked = Some(call);
                }
                drop(peer);
                if let Some(mut call) = parked {
                    assert_eq!(finish(&mut call).await.unwrap(), None);
                }
                is(&flow, Delivered::No);
                for call in order.chars().filter(|_| order != "parked") {
                    match call {
                        'r' => drop(flow.read().await.unwrap()),
                        'w' => assert!(flow.write("more").await.is_err()),
                        's' => flow.shutdown(Shutdown::Write).await.unwrap(),
                        'c' => assert_eq!(flow.close().await.unwrap(), Delivered::No),
                        _ => {}
                    }
                    is(&flow, Delivered::No);
                }
            }
        }
    });
}

/// Such a peer is no loss, though the calls fail in the same ways.
#[test]
fn a_unix_peer_that_left_after_reading_has_read() {
    run(async {
        let (near, peer) = UnixStream::pair().unwrap();
        let flow = connect(near).unwrap();
        flow.write("hello").await.unwrap();
        (&peer).read_exact(&mut [0; 5]).unwrap();
        drop(peer);
        assert!(flow.write("more").await.is_err_and(|e| e.is_closed()));
        is(&flow, Delivered::Yes);
        assert_eq!(flow.read().await.unwrap(), None);
        is(&flow, Delivered::Yes);
    });
}

#[test]
fn a_unix_peer_that_stops_reading_may_still_read() {
    run(async {
        let (near, peer) = UnixStream::pair().unwrap();
        let flow = connect(near).unwrap();
        flow.write("hello").await.unwrap();
        peer.shutdown(std::net::Shutdown::Both).unwrap();
        assert_eq!(flow.close().await.unwrap(), Delivered::No);
        assert_eq!(rest(&peer).unwrap(), b"hello");
        is(&flow, Delivered::Yes);
    });
}

#[test]
fn a_tcp_peer_need_not_read_for_bytes_to_arrive() {
    run(async {
        let (near, mut peer) = tcp();
        let flow = connect(near).unwrap();
        is(&flow, Delivered::Arrived);
        flow.write("hello").await.unwrap();
        becomes(&flow, Delivered::Arrived).await;
        arrived(&peer, 5);
        peer.read_exact(&mut [0; 5]).unwrap();
        is(&flow, Delivered::Arrived);
    });
}

/// With more than a peer's system holds, and the rest of it in ours.
#[test]
fn what_a_tcp_peer_has_no_room_for_has_not_arrived() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        let mut sent = 0;
        let mut parked = loop {
            let mut write = flow.write(Bytes::from(vec![1; 1 << 20]));
            sent += 1 << 20;
            let waker = crate::support::Count::new();
            if crate::support::poll(&mut write, &waker).is_pending() {
                break write;
            }
        };
        for _ in 0..10 {
            settle().await;
            is(&flow, Delivered::No);
        }
        let reader = std::thread::spawn(move || {
            (&peer).read_exact(&mut vec![0; sent]).unwrap();
            peer
        });
        finish(&mut parked).await.unwrap();
        becomes(&flow, Delivered::Arrived).await;
        drop(reader.join().unwrap());
    });
}

/// Our end is one more thing to be acknowledged, and is no byte.
#[test]
fn the_end_of_a_tcp_stream_is_not_among_its_bytes() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        flow.write("hello").await.unwrap();
        becomes(&flow, Delivered::Arrived).await;
        flow.shutdown(Shutdown::Write).await.unwrap();
        // The acknowledgement of the end is still to come: the peer's system takes its time for it.
        is(&flow, Delivered::Arrived);
        becomes(&flow, Delivered::Arrived).await;
        assert_eq!(rest(&peer).unwrap(), b"hello");
        is(&flow, Delivered::Arrived);
    });
}

#[test]
fn closing_over_tcp_tells_what_has_arrived() {
    run(async {
        for read in [false, true] {
            let (near, peer) = tcp();
            let flow = connect(near).unwrap();
            flow.write("hello").await.unwrap();
            becomes(&flow, Delivered::Arrived).await;
            if read {
                (&peer).read_exact(&mut [0; 5]).unwrap();
            }
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(flow.close().await.unwrap(), Delivered::Arrived);
            drop(peer);
            settle().await;
            is(&flow, Delivered::Arrived);
        }
    });
}

/// What had arrived may have been thrown away there, and may have been read.
#[test]
fn after_a_reset_nobody_knows_what_was_read() {
    run(async {
        for read in [false, true] {
            for order in ["nothing", "rw", "wr", "c", "parked"] {
                let (near, peer) = tcp();
                let flow = connect(near).unwrap();
                flow.write("hello").await.unwrap();
                becomes(&flow, Delivered::Arrived).await;
                arrived(&peer, 5);
                if read {
                    (&peer).read_exact(&mut [0; 5]).unwrap();
                }
                let mut waiting = flow.read();
                let parked = (order == "parked").then(|| park(&mut waiting));
                // Without a reset of its own, a peer that leaves input unread makes its system send one.
                if read {
                    reset(peer);
                } else {
                    drop(peer);
                }
                if parked.is_some() {
                    assert!(finish(&mut waiting).await.is_err());
                }
                drop(waiting);
                becomes(&flow, Delivered::Unknown).await;
                for call in order.chars().filter(|_| order != "parked") {
                    match call {
                        'r' => assert!(flow.read().await.is_err()),
                        'w' => assert!(flow.write("more").await.is_err()),
                        'c' => assert_eq!(flow.close().await.unwrap(), Delivered::Unknown),
                        _ => {}
                    }
                    is(&flow, Delivered::Unknown);
                }
            }
        }
    });
}

/// A peer that has ended its side before it throws away what it was sent is told by another error, which reading never meets.
#[test]
fn a_reset_after_the_peers_end_is_seen_too() {
    run(async {
        for write in [false, true] {
            let (near, peer) = tcp();
            let flow = connect(near).unwrap();
            flow.write("hello").await.unwrap();
            becomes(&flow, Delivered::Arrived).await;
            peer.shutdown(std::net::Shutdown::Write).unwrap();
            assert_eq!(flow.read().await.unwrap(), None);
            is(&flow, Delivered::Arrived);
            drop(peer);
            becomes(&flow, Delivered::Unknown).await;
            if write {
                assert!(flow.write("more").await.is_err());
            }
            assert_eq!(flow.read().await.ok().flatten(), None);
            is(&flow, Delivered::Unknown);
        }
    });
}

#[test]
fn what_a_reset_met_on_the_way_is_lost() {
    run(async {
        for read_error in [false, true] {
            let (near, peer) = tcp();
            let flow = connect(near).unwrap();
            // More than the peer's system takes, and less than ours.
            let window = sockopt::socket_recv_buffer_size(&peer).unwrap();
            flow.with_fd(|fd| sockopt::set_socket_send_buffer_size(fd, window * 16))
                .unwrap()
                .unwrap();
            flow.write(Bytes::from(vec![1; window * 4])).await.unwrap();
            settle().await;
            is(&flow, Delivered::No);
            reset(peer);
            if read_error {
                assert!(flow.read().await.is_err());
            }
            settle().await;
            is(&flow, Delivered::No);
        }
    });
}

#[test]
fn an_aborted_flow_knows_only_what_it_has_kept() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            flow.write("hello").await.unwrap();
            flow.abort();
            is(&flow, Delivered::Unknown);
            drop(peer);
        }
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut write = flow.write(Bytes::from(vec![1; 64 << 20]));
            park(&mut write);
            is(&flow, Delivered::No);
            flow.abort();
            is(&flow, Delivered::No);
            drop(peer);
        }
    });
}

#[test]
fn both_ends_of_a_pair_know_of_their_own_bytes() {
    run(async {
        let (here, there) = socketpair().unwrap();
        here.write("hello").await.unwrap();
        is(&here, Delivered::No);
        is(&there, Delivered::Yes);
        assert!(there.read().await.unwrap().is_some());
        is(&here, Delivered::Yes);
        let mut close = here.close();
        park(&mut close);
        assert_eq!(there.close().await.unwrap(), Delivered::Yes);
        assert_eq!(finish(&mut close).await.unwrap(), Delivered::Yes);
    });
}

#[test]
fn asking_takes_no_error_away_from_a_reader() {
    run(async {
        let (near, peer) = tcp();
        let flow = connect(near).unwrap();
        reset(peer);
        becomes(&flow, Delivered::Unknown).await;
        assert!(flow.read().await.is_err(), "a reset is not an end");
    });
}

/// A pipe tells as long as its writing end is open.
#[test]
fn a_pipe_has_been_read_when_it_is_empty() {
    run(async {
        let (mut reader, writer) = std::io::pipe().unwrap();
        let flow = connect(writer).unwrap();
        flow.write("hello").await.unwrap();
        is(&flow, Delivered::No);
        reader.read_exact(&mut [0; 4]).unwrap();
        is(&flow, Delivered::No);
        reader.read_exact(&mut [0]).unwrap();
        is(&flow, Delivered::Yes);
        flow.shutdown(Shutdown::Write).await.unwrap();
        is(&flow, Delivered::Yes);

        let (_reader, writer) = std::io::pipe().unwrap();
        let flow = connect(writer).unwrap();
        flow.write("unread").await.unwrap();
        flow.shutdown(Shutdown::Write).await.unwrap();
        is(&flow, Delivered::Unknown);

        let (reader, writer) = std::io::pipe().unwrap();
        let flow = connect(writer).unwrap();
        flow.write("unread").await.unwrap();
        drop(reader);
        is(&flow, Delivered::No);
        assert!(flow.write("more").await.is_err());
        is(&flow, Delivered::No);
    });
}
