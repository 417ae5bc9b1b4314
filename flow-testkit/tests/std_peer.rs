//! The kit's own tools come first: its far ends against plain sockets of std in blocking mode, its executor and its watchdog against
//! futures that are known.

use std::cell::RefCell;
use std::future::{Future, pending, poll_fn, ready};
use std::io::{ErrorKind, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::task::{Poll, Waker};
use std::time::Duration;

use flow_core::FlowExt;
use flow_testkit::fd::{FdPeer, Wires};
use flow_testkit::memory::Memory;
use flow_testkit::pattern::{Feed, Pattern, Tape};
use flow_testkit::{
    AnyHarness, Case, FlowPeer, Harness, Law, Link, Peer, Recv, Room, Row, Run, Tasks, Verdict,
    Wakers,
};

/// A socket of std in blocking mode, whatever it is connected by, and the far end under test.
fn link(wires: Wires, room: Room) -> (UnixStream, FdPeer) {
    let (ours, theirs) = wires.pair(room);
    // Only `read` and `write` are called on it, which know no family.
    (UnixStream::from(ours), FdPeer::new(theirs))
}

#[track_caller]
fn wait(mut done: impl FnMut() -> bool) {
    let begun = std::time::Instant::now();
    while !done() {
        assert!(begun.elapsed() < Duration::from_secs(20), "hang (watchdog)");
        std::thread::yield_now();
    }
}

#[test]
fn a_peer_over_a_descriptor_moves_bytes_and_ends() {
    for wires in [Wires::Unix, Wires::Tcp] {
        let (mut std, mut peer) = link(wires, Room::Ample);
        assert_eq!(peer.recv(&mut [0; 8]), Recv::Empty);
        assert_eq!(peer.queued(), 0);

        assert_eq!(peer.send(b"hello"), 5);
        let mut got = [0; 5];
        std.read_exact(&mut got).expect("read");
        assert_eq!(&got, b"hello");

        std.write_all(b"answer").expect("write");
        wait(|| peer.queued() == 6);
        let mut got = [0; 4];
        assert_eq!(peer.recv(&mut got), Recv::Data(4));
        assert_eq!(&got, b"answ");
        assert_eq!(peer.queued(), 2);

        // Half-closed, it still receives.
        peer.end();
        assert_eq!(std.read(&mut got).expect("read"), 0);
        std.write_all(b"late").expect("write");
        wait(|| peer.queued() == 6);
        assert_eq!(peer.recv(&mut [0; 8]), Recv::Data(6));

        drop(std);
        wait(|| peer.recv(&mut [0; 8]) == Recv::End);
    }
}

#[test]
fn a_peer_over_a_descriptor_can_be_full() {
    for wires in [Wires::Unix, Wires::Tcp] {
        let (mut std, mut peer) = link(wires, Room::Tight);
        let mut feed = Feed::new(Pattern(9));
        wait(|| {
            let next = feed.peek(64 * 1024);
            let sent = peer.send(&next);
            feed.sent(sent);
            sent == 0
        });
        assert!(
            feed.at() < 1024 * 1024,
            "{} bytes went into a tight socket",
            feed.at()
        );
        let mut tape = Tape::new("std", Pattern(9));
        while tape.at() < feed.at() {
            let mut got = [0; 1000];
            let count = std.read(&mut got).expect("read");
            tape.check(&got[..count]);
        }
    }
}

#[test]
fn a_peer_that_vanishes_or_resets_is_seen() {
    let (mut std, mut peer) = link(Wires::Unix, Room::Ample);
    peer.vanish();
    assert_eq!(std.read(&mut [0; 8]).expect("the end"), 0);
    assert_eq!(
        std.write(b"x").expect_err("nobody").kind(),
        ErrorKind::BrokenPipe
    );

    let (mut std, mut peer) = link(Wires::Tcp, Room::Ample);
    peer.reset();
    let kind = std.read(&mut [0; 8]).expect_err("a reset").kind();
    assert_eq!(kind, ErrorKind::ConnectionReset);

    // And the other way round: what is torn is told from what has ended.
    let (std, mut peer) = link(Wires::Tcp, Room::Ample);
    assert_eq!(peer.send(b"unread"), 6);
    wait(|| std.peek_is_there());
    drop(std);
    wait(|| peer.recv(&mut [0; 8]) == Recv::Torn);
}

/// Whether there is something to read.
trait PeekIsThere {
    fn peek_is_there(&self) -> bool;
}

impl PeekIsThere for UnixStream {
    fn peek_is_there(&self) -> bool {
        rustix::io::ioctl_fionread(self).is_ok_and(|count| count > 0)
    }
}

#[test]
fn descriptors_of_the_kit_are_close_on_exec_and_blocking() {
    for wires in [Wires::Unix, Wires::Tcp] {
        let (ours, theirs): (OwnedFd, OwnedFd) = wires.pair(Room::Tight);
        for fd in [ours, theirs] {
            let flags = rustix::io::fcntl_getfd(&fd).expect("F_GETFD");
            assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
            let status = rustix::fs::fcntl_getfl(&fd).expect("F_GETFL");
            assert!(!status.contains(rustix::fs::OFlags::NONBLOCK));
        }
    }
}

#[test]
fn a_flow_plays_the_peer() {
    let (flow, other) = Memory.pair();
    let mut peer = FlowPeer::new(flow);
    let mut far = FlowPeer::new(other);
    assert_eq!(peer.recv(&mut [0; 8]), Recv::Empty);
    assert_eq!(peer.send(b"hello"), 5);
    assert_eq!(far.queued(), 5);
    assert_eq!(far.recv(&mut [0; 8]), Recv::Data(5));
    // More than fits is taken, and goes on when there is room.
    assert_eq!(peer.send(&[7; 100_000]), 100_000);
    assert_eq!(peer.send(b"no room"), 0);
    let mut got = 0;
    while got < 100_000 {
        if let Recv::Data(count) = far.recv(&mut [0; 9000]) {
            got += count;
        }
        peer.queued();
    }
    peer.end();
    assert_eq!(far.recv(&mut [0; 8]), Recv::End);
    assert_eq!(far.send(b"late"), 4);
    assert_eq!(peer.recv(&mut [0; 8]), Recv::Data(4));
    far.vanish();
    assert_eq!(peer.recv(&mut [0; 8]), Recv::End);
    assert_eq!(peer.send(b"nobody"), 0);
}

/// Runs a law made of `check` alone.
fn run(check: fn(&Case<AnyHarness>), row: Row, watchdog: Duration) -> Run {
    Law {
        name: "a law of the test",
        needs: &[],
        check,
    }
    .run(AnyHarness::of::<Memory>, row, false, watchdog)
}

/// The verdict of a law that takes no time, run in this way.
fn verdict_in(row: Row, check: fn(&Case<AnyHarness>)) -> Verdict {
    run(check, row, Duration::from_secs(20)).verdict
}

/// The verdict of a law that takes no time.
fn verdict(check: fn(&Case<AnyHarness>)) -> Verdict {
    verdict_in(Row::PLAIN, check)
}

fn broken(why: &str) -> Verdict {
    Verdict::Broken(why.to_owned())
}

#[test]
fn a_call_that_nobody_wakes_is_asleep_and_no_hang() {
    let asleep = broken("a call is asleep: it waits, and nothing will wake it");
    assert_eq!(
        verdict(|case| case.step("a call", pending::<()>()).finish()),
        asleep
    );
    // Nor does it help that it would be ready if it were polled: nobody was told.
    let silent = verdict(|case| {
        let mut polls = 0;
        let call = poll_fn(move |_| {
            polls += 1;
            if polls > 1 {
                Poll::Ready(())
            } else {
                Poll::Pending
            }
        });
        case.step("a call", call).finish();
    });
    assert_eq!(silent, asleep);
}

#[test]
fn a_call_that_wakes_itself_is_polled_again() {
    let yields = verdict(|case| {
        let mut polls = 0;
        let call = poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls > 10 {
                Poll::Ready(polls)
            } else {
                Poll::Pending
            }
        });
        let mut step = case.step("a call", call);
        assert_eq!(step.finish(), 11);
        assert_eq!((step.polls(), step.wakes()), (11, 11));
    });
    assert_eq!(yields, Verdict::Kept);
}

#[test]
fn every_poll_has_a_waker_of_its_own() {
    let fresh = verdict(|case| {
        let mut seen: Vec<Waker> = vec![];
        let call = poll_fn(move |cx| {
            assert!(
                !seen.iter().any(|waker| waker.will_wake(cx.waker())),
                "a waker came again"
            );
            seen.push(cx.waker().clone());
            Poll::<()>::Pending
        });
        let mut step = case.step("a call", call);
        for _ in 0..10 {
            step.park();
            assert!(!step.is_woken());
        }
    });
    assert_eq!(fresh, Verdict::Kept);
    // Only the latest counts: a wake of the first is not taken for one of the second.
    let stale = verdict(|case| {
        let mut first = None;
        let call = poll_fn(move |cx| {
            match &first {
                None => first = Some(cx.waker().clone()),
                Some(waker) => waker.wake_by_ref(),
            }
            Poll::<()>::Pending
        });
        let mut step = case.step("a call", call);
        step.park();
        step.park();
        assert!(!step.is_woken());
        step.finish();
    });
    assert_eq!(
        stale,
        broken("a call is asleep: it waits, and nothing will wake it")
    );
}

/// Notes its waker at each poll, and never ends.
fn noting(seen: &RefCell<Vec<Waker>>) -> impl Future<Output = ()> + Unpin {
    poll_fn(|cx| {
        seen.borrow_mut().push(cx.waker().clone());
        Poll::<()>::Pending
    })
}

#[test]
fn one_task_is_woken_for_each_of_its_calls() {
    for wakers in [Wakers::Fresh, Wakers::Same] {
        let row = Row {
            tasks: Tasks::One,
            wakers,
            ..Row::PLAIN
        };
        let one = verdict_in(row, |case| {
            let (a, b) = (RefCell::default(), RefCell::default());
            let mut first = case.step("a call", noting(&a));
            let mut second = case.step("another", noting(&b));
            first.park();
            second.park();
            let same = a.borrow()[0].will_wake(&b.borrow()[0]);
            assert_eq!(same, case.row().wakers == Wakers::Same);
            assert!(!first.is_woken() && !second.is_woken());
            b.borrow()[0].wake_by_ref();
            assert!(first.is_woken() && second.is_woken());
            // Who has looked since is not woken any more.
            first.park();
            assert!(!first.is_woken() && second.is_woken());
        });
        assert_eq!(one, Verdict::Kept);
    }
}

#[test]
fn the_same_waker_comes_again_and_counts_from_the_latest_poll() {
    let row = Row {
        wakers: Wakers::Same,
        ..Row::PLAIN
    };
    let same = verdict_in(row, |case| {
        let (a, b) = (RefCell::default(), RefCell::default());
        let mut first = case.step("a call", noting(&a));
        let mut second = case.step("another", noting(&b));
        first.park().park();
        second.park();
        assert!(a.borrow()[0].will_wake(&a.borrow()[1]));
        assert!(!a.borrow()[0].will_wake(&b.borrow()[0]));
        a.borrow()[0].wake_by_ref();
        assert!(first.is_woken() && !second.is_woken());
        first.park();
        assert!(!first.is_woken());
        assert_eq!(first.wakes(), 1);
    });
    assert_eq!(same, Verdict::Kept);
}

#[test]
fn spurious_polls_are_made_after_a_pending_and_nowhere_else() {
    let row = Row {
        spurious: true,
        ..Row::PLAIN
    };
    let spurious = verdict_in(row, |case| {
        let seen = RefCell::default();
        let mut step = case.step("a call", noting(&seen));
        step.park();
        assert_eq!(step.polls(), 2);
        assert!(step.poll_once().is_pending());
        assert_eq!(step.polls(), 3);
        let mut done = case.step("a call that is done", ready(7));
        assert_eq!(done.poll(), Poll::Ready(7));
        assert_eq!(done.polls(), 1);
    });
    assert_eq!(spurious, Verdict::Kept);
}

#[test]
fn a_law_that_fails_tells_its_last_events() {
    let run = run(
        |case| {
            let Link { flow, mut peer } = case.link();
            let mut read = case.step("the read", flow.read());
            read.park();
            peer.send(b"abc");
            assert!(read.poll().is_ready());
            peer.end();
            assert_eq!(peer.recv(&mut [0; 1]), Recv::End, "no end");
        },
        Row::PLAIN,
        Duration::from_secs(20),
    );
    assert!(matches!(run.verdict, Verdict::Broken(_)));
    // Numbers come first, and how the panic dropped things comes last.
    let told: Vec<&str> = run
        .events
        .iter()
        .filter_map(|event| event.split_once("  ").map(|(_, told)| told.trim()))
        .collect();
    let expected = [
        "is made",
        "poll_read answers pending (the read)",
        "the read is woken",
        "peer: sends 3 of 3 bytes",
        "poll_read answers a chunk of 3 bytes (the read)",
        "peer: ends",
        "peer: finds nothing to receive",
    ];
    for (told, expected) in told.iter().zip(expected) {
        assert!(
            told.ends_with(expected),
            "{told:?} where {expected:?} should be"
        );
    }
    assert!(told.len() >= expected.len(), "{told:?}");
}

#[test]
fn what_should_wait_must_not_be_done() {
    let done = verdict(|case| {
        case.step("a call", ready(7)).park();
    });
    assert_eq!(
        done,
        broken("a call should have to wait, but it is done: 7")
    );
    let later = verdict(|case| {
        let mut polls = 0;
        let call = poll_fn(move |cx| {
            polls += 1;
            cx.waker().wake_by_ref();
            if polls > 5 {
                Poll::Ready(7)
            } else {
                Poll::Pending
            }
        });
        case.step("a call", call).still_waits("for ever");
    });
    assert_eq!(
        later,
        broken("a call should still wait for ever, but it is done: 7")
    );
}

#[test]
fn what_never_settles_is_a_hang_that_names_the_step() {
    let soon = Duration::from_millis(200);
    let turns = run(
        |case| case.wait("an event", || false, || true),
        Row::PLAIN,
        soon,
    );
    assert_eq!(
        turns.verdict,
        Verdict::Hang("hang (watchdog) inside a call, at an event".to_owned())
    );
    let spins = run(
        |case| {
            let call = poll_fn(|cx| -> Poll<()> {
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            case.step("a call that spins", call).finish();
        },
        Row::PLAIN,
        soon,
    )
    .verdict;
    let why = "hang (watchdog) at a call that spins: it is woken again and again, and never done";
    assert_eq!(spins, Verdict::Hang(why.to_owned()));
    let blocks = run(
        |case| {
            let call = poll_fn(|_| -> Poll<()> {
                loop {
                    std::thread::park();
                }
            });
            case.step("a call that blocks", call).finish();
        },
        Row::PLAIN,
        soon,
    )
    .verdict;
    assert_eq!(
        blocks,
        Verdict::Hang("hang (watchdog) inside a call, at a call that blocks".to_owned())
    );
}

#[test]
fn a_law_that_panics_is_broken_for_that_reason() {
    assert_eq!(verdict(|_| panic!("told {}", "so")), broken("told so"));
    assert_eq!(verdict(|_| std::panic::panic_any(7)), broken("a panic"));
    assert_eq!(verdict(|_| {}), Verdict::Kept);
}
