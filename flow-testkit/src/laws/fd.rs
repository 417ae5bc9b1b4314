//! Descriptors: what happens to the numbers and flags that are the process's, not the flow's.

use std::collections::BTreeSet;
use std::fs;
use std::os::fd::AsFd;

use flow_core::{Bytes, Flow, FlowExt};
use rustix::fs::{OFlags, fcntl_getfl, fcntl_setfl};

use crate::case::Case;
use crate::fd::{FdPeer, Wires};
use crate::harness::{Harness, Room};
use crate::laws::write_end::write_until_closed;
use crate::moves::{feed_in, feed_out, pull, tape_in, tape_out};
use crate::peer::Peer;

/// Uses a flow in all the ways there are.
fn exercise<H: Harness>(case: &Case<H>, flow: &H::Flow, peer: &mut FdPeer) {
    let (mut feed, mut tape) = (feed_out(), tape_out());
    case.send(peer, &mut feed_in(), 100);
    case.read_up_to(flow, &mut tape_in(), 100);
    drop(case.park_read(flow));
    let mut write = case.step("a write", flow.write(feed.next(crate::moves::MUCH)));
    let result = write.finish_while(|| pull(peer, &mut tape, 64 * 1024));
    assert!(result.is_ok(), "write failed: {result:?}");
    let mut close = case.step("a close", flow.close());
    close.park();
    peer.end();
    assert!(close.finish().is_ok(), "close failed");
}

/// The descriptors that a program started now would inherit.
fn inheritable() -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir("/proc/self/fd")
        .expect("/proc/self/fd")
        .flatten()
    {
        let number = entry.file_name().to_string_lossy().into_owned();
        // Gone again: another thread's.
        let Ok(info) = fs::read_to_string(format!("/proc/self/fdinfo/{number}")) else {
            continue;
        };
        let flags = info.lines().find_map(|line| line.strip_prefix("flags:"));
        let flags = flags
            .and_then(|f| u32::from_str_radix(f.trim(), 8).ok())
            .expect("flags in fdinfo");
        if !OFlags::from_bits_retain(flags).contains(OFlags::CLOEXEC) {
            let target = fs::read_link(entry.path()).unwrap_or_default();
            found.insert((number, target.to_string_lossy().into_owned()));
        }
    }
    found
}

/// Every descriptor made is close-on-exec.
pub fn fd_close_on_exec<H: Harness>(case: &Case<H>) {
    let before = inheritable();
    let (ours, mut peer) = case.harness().wires().link(Room::Ample);
    let flow = case.over(ours);
    let leaked = |when: &str| {
        let leaked: Vec<_> = inheritable().difference(&before).cloned().collect();
        assert!(
            leaked.is_empty(),
            "{when} a program started now would inherit {leaked:?}"
        );
    };
    leaked("with a new flow");
    exercise(case, &flow, &mut peer);
    leaked("with a used flow");
}

/// The status flags of a descriptor handed in are never changed.
pub fn fd_flags_untouched<H: Harness>(case: &Case<H>) {
    for nonblocking in [false, true] {
        let (ours, mut peer) = case.harness().wires().link(Room::Ample);
        let mut flags = fcntl_getfl(&ours).expect("F_GETFL");
        flags.set(OFlags::NONBLOCK, nonblocking);
        fcntl_setfl(&ours, flags).expect("F_SETFL");
        // As another process has it, which shares the flags.
        let shared = rustix::io::fcntl_dupfd_cloexec(&ours, 0).expect("dup");
        let untouched = |when: &str| {
            let now = fcntl_getfl(&shared).expect("F_GETFL");
            assert_eq!(now, flags, "the flags of a descriptor were changed {when}");
        };
        let flow = case.over(ours);
        untouched("when a flow was made of it");
        exercise(case, &flow, &mut peer);
        untouched("by use");
        drop(flow);
        untouched("when the flow was dropped");
    }
}

/// No call blocks its thread, whether `O_NONBLOCK` is set, is not, or is changed by another process.
pub fn fd_never_blocks<H: Harness>(case: &Case<H>) {
    let (ours, mut peer) = case.harness().wires().link(Room::Tight);
    let shared = rustix::io::fcntl_dupfd_cloexec(&ours, 0).expect("dup");
    let set = |nonblocking: bool| {
        let mut flags = fcntl_getfl(&shared).expect("F_GETFL");
        flags.set(OFlags::NONBLOCK, nonblocking);
        fcntl_setfl(&shared, flags).expect("F_SETFL");
    };
    set(true);
    let flow = case.over(ours);
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let (mut back, mut got) = (feed_in(), tape_in());
    for nonblocking in [true, false, true, false] {
        set(nonblocking);
        // Nothing more to receive, and no room: each would block, and the watchdog would tell.
        case.send(&mut peer, &mut back, 1);
        case.read_up_to(&flow, &mut got, back.at());
        let read = case.park_read(&flow);
        let mut write = case.park_taken(&flow, &mut feed);
        drop(read);
        case.receive_while(&mut write, &mut peer, &mut tape, feed.at());
    }
}

/// The descriptor is released when the flow is gone, once, and never a stranger's.
pub fn fd_released_once<H: Harness>(case: &Case<H>) {
    for abort_first in [false, true] {
        let (ours, mut peer) = case.harness().wires().link(Room::Ample);
        let flow = case.over(ours);
        drop(case.park_read(&flow));
        case.write(&flow, Bytes::from_static(b"x"));
        let _ = case.receive(&mut peer, "a byte");
        let strangers: Vec<_>;
        if abort_first {
            flow.abort();
            case.receive_end(&mut peer);
            // The number is free: the next ones take it.
            strangers = (0..8).map(|_| Wires::Unix.link(Room::Ample)).collect();
            flow.abort();
            drop(flow);
        } else {
            drop(flow);
            case.receive_end(&mut peer);
            strangers = vec![];
        }
        for (fd, mut other) in strangers {
            let flags = rustix::net::SendFlags::DONTWAIT | rustix::net::SendFlags::NOSIGNAL;
            let sent = rustix::net::send(fd.as_fd(), b"!", flags);
            assert_eq!(sent, Ok(1), "a stranger's descriptor was closed");
            assert_eq!(other.queued(), 1, "a stranger's descriptor was closed");
            let _ = other.recv(&mut [0]);
        }
    }
}

/// A read cut short by a passed descriptor or by urgent data does not stall what follows.
pub fn fd_passed_descriptors_do_not_stall<H: Harness>(case: &Case<H>) {
    for parked in [false, true] {
        for urgent in [false, true] {
            if case.harness().wires() == Wires::Tcp && !urgent {
                continue;
            }
            let (ours, mut peer) = case.harness().wires().link(Room::Ample);
            let flow = case.over(ours);
            let (mut feed, mut tape) = (feed_in(), tape_in());
            // After few bytes and after so many that a reader takes larger buffers, which the boundary cuts shorter.
            for before in [10, 10, 10, 40_000, 40_000] {
                let read = parked.then(|| case.park_read(&flow));
                // Plain bytes, the boundary, plain bytes: all are there before the flow looks, so that no event follows.
                case.send(&mut peer, &mut feed, before);
                if urgent {
                    peer.send_urgent(b"!");
                } else {
                    let passed = rustix::io::fcntl_dupfd_cloexec(peer.fd(), 0).expect("dup");
                    let sent = peer.send_with_descriptor(&feed.peek(10), passed.as_fd());
                    feed.sent(sent);
                }
                case.send(&mut peer, &mut feed, 10);
                case.settle();
                drop(read);
                case.read_up_to(&flow, &mut tape, feed.at());
            }
            peer.end();
            case.read_end(&flow);
        }
    }
}

/// What is known of a descriptor that is gone never reaches a flow that has its number, nor do the events of a duplicate that lives on.
pub fn fd_number_may_be_reused<H: Harness>(case: &Case<H>) {
    let wires = case.harness().wires();
    for state in ["reading", "writing", "ended", "failed"] {
        let (ours, mut old) = wires.link(Room::Tight);
        let duplicate = rustix::io::fcntl_dupfd_cloexec(&ours, 0).expect("dup");
        let flow = case.over(ours);
        match state {
            "reading" => drop(case.park_read(&flow)),
            "writing" => drop(case.park_taken(&flow, &mut feed_out())),
            "ended" => {
                old.end();
                case.read_end(&flow);
            }
            _ => {
                old.vanish();
                write_until_closed(case, &flow, false);
                let _ = case.try_read(&flow);
            }
        }
        drop(flow);
        // The free number is the lowest, so the next descriptor has it.
        let (ours, mut peer) = wires.link(Room::Tight);
        let flow = case.over(ours);
        let (mut feed, mut tape) = (feed_in(), tape_in());
        let (mut out, mut seen) = (feed_out(), tape_out());
        let mut read = case.park_read(&flow);
        if state == "reading" {
            // An event of the old one, which its duplicate keeps alive.
            old.send(b"!");
            case.settle();
        }
        read.still_waits("while only a descriptor that is gone has had input");
        case.send(&mut peer, &mut feed, 10);
        match read.finish() {
            Ok(Some(chunk)) => tape.check(&chunk),
            other => panic!("a flow with the number of one that {state} read {other:?}"),
        }
        let mut write = case.step("a write", flow.write(out.next(20_000)));
        let result = write.finish_while(|| pull(&mut peer, &mut seen, 64 * 1024));
        assert!(
            result.is_ok(),
            "a flow with the number of one that was {state} wrote {result:?}"
        );
        peer.end();
        case.read_up_to(&flow, &mut tape, feed.at());
        case.read_end(&flow);
        drop(duplicate);
    }
}
