//! Faults that are asked for, and come again with the same seed.

use flow_core::combinators::{Faults, Faulty, FaultyError};
use flow_core::memory::{self, MemoryFlow, Wire};
use flow_core::{FlowExt, WriteError};

use super::received;
use super::step::{Wakes, poll, ready};

/// Polls until it is ready, and says how often that was. Each poll but the last has woken.
#[track_caller]
fn pressed<F: Future + Unpin>(mut future: F) -> (usize, F::Output) {
    let wakes = Wakes::new();
    for polls in 1..10_000 {
        if let std::task::Poll::Ready(output) = poll(&wakes, &mut future) {
            return (polls, output);
        }
        assert!(wakes.take() > 0, "nobody was woken");
    }
    panic!("never ready");
}

fn faulty(faults: Faults) -> (Faulty<MemoryFlow>, Wire) {
    let (flow, wire) = memory::with_wire(1024);
    (faults.wrap(flow), wire)
}

#[test]
fn without_faults_it_is_the_flow_inside() {
    let (flow, mut wire) = faulty(Faults::new(1));
    wire.send(b"whole");
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"whole"[..]);
    ready(flow.write("whole")).unwrap();
    assert_eq!(received(&mut wire).0, b"whole");
}

#[test]
fn bytes_come_and_go_one_at_a_time() {
    let (flow, mut wire) = faulty(Faults::new(1).byte_by_byte());
    wire.send(b"abc");
    for byte in [b"a", b"b", b"c"] {
        assert_eq!(ready(flow.read()).unwrap().unwrap(), byte[..]);
    }
    // What is accepted at a time is seen where there is room for no more.
    let (inner, mut wire) = memory::with_wire(2);
    let flow = Faults::new(1).byte_by_byte().wrap(inner);
    let mut write = flow.write("xyz");
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    assert!(write.is_taken());
    assert!(poll(&Wakes::new(), &mut flow.write("never")).is_pending());
    assert_eq!(received(&mut wire).0, b"xy");
    ready(&mut write).unwrap();
    assert_eq!(received(&mut wire).0, b"z");
}

/// How often each of some calls had to be polled.
fn polls(seed: u64) -> Vec<usize> {
    let (flow, mut wire) = faulty(Faults::new(seed).at_most(3).pending(50));
    let mut polls = Vec::new();
    for _ in 0..20 {
        wire.send(b"abc");
        let (count, read) = pressed(flow.read());
        assert_eq!(read.unwrap().unwrap(), b"abc"[..]);
        polls.push(count);
        let (count, written) = pressed(flow.write("abcdefgh"));
        written.unwrap();
        polls.push(count);
        assert_eq!(received(&mut wire).0, b"abcdefgh");
    }
    polls
}

#[test]
fn the_same_seed_is_pending_at_the_same_polls() {
    assert!(polls(7).iter().any(|&count| count > 1));
    assert_eq!(polls(7), polls(7));
    assert_ne!(polls(7), polls(8));
}

#[test]
fn a_delayed_wake_takes_so_many_polls_more() {
    let (flow, mut wire) = faulty(Faults::new(1).delayed_wakes(3));
    let wakes = Wakes::new();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(wakes.take(), 0, "idle is idle");
    wire.send(b"x");
    assert!(wakes.take() > 0);
    let (polls, read) = pressed(&mut read);
    assert_eq!((polls, read.unwrap().unwrap()), (4, b"x"[..].into()));
}

#[test]
fn reading_ends_early_and_writing_goes_on() {
    let (flow, mut wire) = faulty(Faults::new(1).end_after(3));
    wire.send(b"abcdef");
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"abc"[..]);
    assert_eq!(ready(flow.read()), Ok(None));
    ready(flow.write("x")).unwrap();
    assert_eq!(received(&mut wire), (b"x".to_vec(), false));
    ready(flow.close()).unwrap();
}

#[test]
fn a_reset_fails_both_directions_after_exactly_so_many_bytes() {
    let (flow, mut wire) = faulty(Faults::new(1).reset_after_read(3));
    wire.send(b"abcdef");
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"abc"[..]);
    ready(flow.write("x")).unwrap();
    for _ in 0..2 {
        assert_eq!(ready(flow.read()), Err(FaultyError::Reset));
        assert_eq!(ready(flow.write("y")), Err(WriteError::Closed));
    }
    assert_eq!(received(&mut wire), (b"x".to_vec(), true));

    let (flow, mut wire) = faulty(Faults::new(1).reset_after_written(3));
    let wakes = Wakes::new();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(ready(flow.write("abcdef")), Err(WriteError::Closed));
    assert!(wakes.take() > 0);
    assert_eq!(ready(&mut read), Err(FaultyError::Reset));
    assert_eq!(received(&mut wire).0, b"abc");
}

#[test]
fn the_seed_is_shown() {
    let (flow, _wire) = faulty(Faults::new(123_456));
    assert!(format!("{flow:?}").contains("seed: 123456"), "{flow:?}");
}
