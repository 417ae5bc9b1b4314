//! What an attempt says about the next one: `Drained` saves a system call, and said wrongly it stalls a runtime that believes it.

mod support;

use std::io::{IoSlice, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;

use flow_core::{Chunks, FlowExt as _};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use support::Note::{Drained, Maybe, WouldBlock};
use support::{flow, notes, now, put, take, unix};

/// How much a first read asks for.
const FIRST: usize = 16 * 1024;

fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (near, listener.accept().unwrap().0)
}

#[test]
fn a_short_read_drains() {
    let (flow, mut peer) = unix();
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert_eq!(notes(), [Drained]);

    let (near, mut peer) = tcp();
    let flow = support::flow(near);
    peer.write_all(&[1; 64]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), 64);
    assert_eq!(notes(), [Drained]);
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
    assert_eq!(notes(), [Maybe, WouldBlock, Drained]);
}

#[test]
fn a_full_read_does_not() {
    let (flow, mut peer) = unix();
    peer.write_all(&[1; FIRST]).unwrap();
    assert_eq!(take(&flow).unwrap().len(), FIRST);
    assert!(now(flow.read()).is_pending());
    assert_eq!(notes(), [Maybe, WouldBlock]);
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
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [peer.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        sendmsg(
            &peer,
            &[IoSlice::new(b"with")],
            &mut control,
            SendFlags::empty(),
        )
        .unwrap();
        peer.write_all(b"after").unwrap();
        assert_eq!(take(&flow).as_deref(), Some(&b"with"[..]));
        assert_eq!(notes(), [Maybe]);
        assert_eq!(take(&flow).as_deref(), Some(&b"after"[..]));
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
