//! What an attempt says about the next one: `Short` and `Drained` save a system call, and said wrongly they stall a runtime that believes them.

#[path = "backends/ancillary.rs"]
#[allow(dead_code, reason = "nothing is received here")]
mod ancillary;
mod support;

use std::any::Any;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd as _, BorrowedFd};

use flow_core::{Chunks, FlowExt as _};
use support::Note::{Drained, Maybe, Short, WouldBlock};
use support::{Noting, flow, notes, now, put, take, unix};

/// How much a first read asks for.
const FIRST: usize = 16 * 1024;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn a_short_read_drains_unless_urgent_data_cut_it() {
    let (flow, mut peer) = unix();
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert_eq!(notes(), [Short]);

    let (near, mut peer) = tcp();
    let flow = support::flow(near);
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert_eq!(notes(), [Short]);
}

#[test]
fn a_short_read_of_a_descriptor_that_was_lent_does_not_until_nothing_is_left() {
    let (flow, mut peer) = unix();
    flow.transport().with_fd(|_| ()).unwrap();
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert!(now(flow.read()).is_pending());
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert_eq!(notes(), [Maybe, WouldBlock, Short]);
}

#[test]
fn a_full_read_does_not() {
    let (flow, mut peer) = unix();
    peer.write_all(&[1; FIRST]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), FIRST);
    assert!(now(flow.read()).is_pending());
    assert_eq!(notes(), [Maybe, WouldBlock]);
}

/// Sends "with" and a descriptor.
fn pass(peer: BorrowedFd<'_>) {
    ancillary::pass(peer, b"with", &[peer]);
}

#[test]
fn a_read_cut_short_by_a_passed_descriptor_does_not() {
    for before in [0, 100_000] {
        let (flow, mut peer) = unix();
        rustix::net::sockopt::set_socket_send_buffer_size(&peer, 1 << 20).unwrap();
        // Long messages first, so that reads are long.
        for _ in 0..4 {
            peer.write_all(&vec![1; before]).unwrap();
            while now(flow.read()).is_ready() {}
        }
        notes();
        pass(peer.as_fd());
        peer.write_all(b"after").unwrap();
        assert_eq!(take(&flow).as_deref(), Some(&b"with"[..]));
        assert_eq!(notes(), [Maybe]);
        assert_eq!(take(&flow).as_deref(), Some(&b"after"[..]));
    }
}

/// Whoever sends "with" and a descriptor, then "after", for the other flow of a pair.
type Sender = fn(support::NotingFlow) -> Box<dyn Any>;

fn by_a_write(flow: support::NotingFlow) -> Box<dyn Any> {
    let (fd, _) = rustix::pipe::pipe().unwrap();
    let write = flow_unix::write_with_fds(&flow, "with".into(), vec![fd]);
    assert!(now(write).is_ready());
    assert!(put(&flow, "after").is_ready());
    Box::new(flow)
}

fn by_a_descriptor_that_was_lent(flow: support::NotingFlow) -> Box<dyn Any> {
    flow.transport().with_fd(pass).unwrap();
    assert!(put(&flow, "after").is_ready());
    Box::new(flow)
}

fn by_a_copy_of_it(flow: support::NotingFlow) -> Box<dyn Any> {
    let copy = flow.transport().with_fd(|fd| fd.try_clone_to_owned());
    pass(copy.unwrap().unwrap().as_fd());
    assert!(put(&flow, "after").is_ready());
    Box::new(flow)
}

fn by_a_socket_that_was_a_flow(flow: support::NotingFlow) -> Box<dyn Any> {
    let mut socket = flow_unix::into_unix_stream(flow).unwrap();
    pass(socket.as_fd());
    socket.write_all(b"after").unwrap();
    Box::new(socket)
}

#[test]
fn a_short_read_between_two_flows_of_a_pair_drains_for_as_long_as_they_have_it_alone() {
    let senders: [Sender; 4] = [
        by_a_write,
        by_a_descriptor_that_was_lent,
        by_a_copy_of_it,
        by_a_socket_that_was_a_flow,
    ];
    for sender in senders {
        for before in [64, 150_000] {
            let (flow, there) = flow_unix::socketpair::<Noting>().unwrap();
            for _ in 0..4 {
                let mut write = there.write(vec![1; before]);
                let mut written = false;
                while !written {
                    written = now(&mut write).is_ready();
                    while now(flow.read()).is_ready() {}
                }
            }
            notes();
            assert!(put(&there, "alone").is_ready());
            notes();
            assert_eq!(take(&flow).as_deref(), Some(&b"alone"[..]));
            assert_eq!(notes(), [Drained]);
            let _there = sender(there);
            notes();
            assert_eq!(take(&flow).as_deref(), Some(&b"with"[..]));
            assert_eq!(notes(), [Maybe]);
            assert_eq!(take(&flow).as_deref(), Some(&b"after"[..]));
            assert_eq!(notes(), [Short]);
        }
    }
}

#[test]
fn a_flow_whose_own_descriptor_was_lent_has_it_no_more_alone() {
    let (flow, there) = flow_unix::socketpair::<Noting>().unwrap();
    flow.transport().with_fd(|_| ()).unwrap();
    for expected in [Maybe, Short] {
        assert!(put(&there, "bytes").is_ready());
        notes();
        assert_eq!(take(&flow).as_deref(), Some(&b"bytes"[..]));
        assert_eq!(notes(), [expected]);
        // Nothing is left: from here on short reads are believed again.
        assert!(now(flow.read()).is_pending());
    }
}

#[test]
fn the_end_does_not() {
    let (flow, peer) = unix();
    drop(peer);
    assert_eq!(take(&flow), None);
    assert_eq!(notes(), [Maybe]);
}

#[test]
fn a_write_that_fits_does_not_and_one_that_does_not_fit_does() {
    let (flow, mut peer) = unix();
    assert!(put(&flow, vec![1; 64]).is_ready());
    assert_eq!(notes(), [Maybe]);
    let mut write = flow.write(vec![1; 64 << 20]);
    assert!(now(&mut write).is_pending());
    assert_eq!(notes(), [Drained, WouldBlock]);
    // Room again, and less of it than is wanted.
    assert_eq!(peer.read(&mut vec![0; 100_000]).unwrap(), 100_000);
    assert!(now(&mut write).is_pending());
    assert!(notes().ends_with(&[WouldBlock]));
}

#[test]
fn many_small_buffers_are_one_call() {
    let (flow, _peer) = unix();
    for sizes in [
        vec![1; 3],
        vec![1; 5000],
        vec![10; 1000],
        vec![100; 16],
        vec![1000; 16],
        vec![400; 40],
    ] {
        assert!(
            now(flow.write_chunks(
                sizes
                    .into_iter()
                    .map(|size| vec![1; size].into())
                    .collect::<Chunks>()
            ))
            .is_ready()
        );
        assert_eq!(notes(), [Maybe]);
    }
}

#[test]
fn long_runs_are_read_in_large_chunks() {
    let (near, mut peer) = tcp();
    let flow = flow(near);
    let sender = std::thread::spawn(move || peer.write_all(&vec![1; 64 << 20]));
    let (mut sum, mut largest) = (0, 0);
    while sum < 64 << 20 {
        if let std::task::Poll::Ready(chunk) = now(flow.read()) {
            let len = chunk.unwrap().unwrap().len();
            sum += len;
            largest = largest.max(len);
        }
    }
    sender.join().unwrap().unwrap();
    assert!(largest >= 64 * 1024, "no chunk was longer than {largest}");
}
