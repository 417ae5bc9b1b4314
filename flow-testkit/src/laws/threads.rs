//! Calls on two threads at once: whatever comes from one while the other parks, nobody is forgotten.
//!
//! Each is run in many rounds that both threads begin together, now the one a little earlier and now the other, so that what one does meets each
//! step of the other.

use std::cell::Cell;
use std::task::Poll;

use flow_core::{Bytes, Flow, FlowExt, Shutdown};

use crate::case::Case;
use crate::harness::{Harness, Link, Room};
use crate::moves::{IN, MUCH, feed_in, feed_out, pull, push, tape_in, tape_out};
use crate::peer::Peer;
use crate::threads::{Here, There, Timing, times};

/// How often two threads meet on one flow, at least.
const ROUNDS: usize = 200;
/// How many flows there are at a time, where each serves one round.
const BATCH: usize = 25;
/// What a write has left when there is no room any more.
const REST: usize = 53;

/// How often a call may be woken for nothing.
const BOUND: usize = 10_000;

/// A flow as the other thread sees it.
pub(super) type Other<'f, H> = dyn Flow<Error = <<H as Harness>::Flow as Flow>::Error> + Sync + 'f;
/// What a read answers.
pub(super) type Read<H> = Result<Option<Bytes>, <<H as Harness>::Flow as Flow>::Error>;

/// Rounds on two threads with a fresh flow for each.
pub(super) fn on_fresh_flows<H: Harness, T: Send>(
    case: &Case<H>,
    (count, kinds, room): (usize, usize, Room),
    there: impl Fn(&There<'_, T>, &Other<'_, H>, usize) -> T + Sync,
    mut here: impl FnMut(&Here<'_, H, T>, &H::Flow, &mut dyn Peer, usize),
) {
    let mut timing = Timing::new(kinds);
    for first in (0..times(count)).step_by(BATCH) {
        let links = (0..BATCH).map(|_| match room {
            Room::Ample => case.link(),
            Room::Tight => case.tight(),
        });
        let (flows, mut peers): (Vec<_>, Vec<_>) = links.map(|l| (l.flow, l.peer)).unzip();
        let shared: Vec<_> = flows.iter().map(|flow| case.shared(flow)).collect();
        case.rounds(
            first..first + BATCH,
            &mut timing,
            |other, n| there(other, &*shared[n - first], n),
            |side, n| here(side, &flows[n - first], &mut peers[n - first], n),
        );
    }
}

/// A length of which a tight flow accepts a part, and has a little left.
pub(super) fn more_than_room<H: Harness>(case: &Case<H>) -> usize {
    let Link { flow, mut peer } = case.tight();
    let write = case.park_taken(&flow, &mut feed_out());
    case.settle();
    let room = peer.queued();
    drop(write);
    room + REST
}

/// How many rounds there are where each moves so many bytes.
fn rounds_of(len: usize) -> usize {
    times(ROUNDS).min(8 * 1024 * 1024 / len)
}

/// The chunk of a read on another thread.
#[track_caller]
fn chunk<H: Harness>(result: Read<H>) -> Bytes {
    match result {
        Ok(Some(chunk)) => chunk,
        other => panic!("a read on another thread gave {other:?}"),
    }
}

/// A call that parks on one thread is woken, whatever it waits for comes from another meanwhile.
pub fn threads_lose_no_wake<H: Harness>(case: &Case<H>) {
    bytes_beside_a_read(case);
    end_beside_reads(case);
    room_beside_a_write(case);
    calls_beside_a_taken_write(case);
}

fn bytes_beside_a_read<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let shared = case.shared(&flow);
    let (mut feed, mut tape) = (feed_in(), tape_in());
    case.rounds(
        0..times(ROUNDS),
        &mut Timing::new(1),
        |there, _| {
            let mut read = there.call("a read on another thread", shared.read());
            there.meet();
            read.finish()
        },
        |here, _| {
            here.meet();
            case.send(&mut peer, &mut feed, 1);
            tape.check(&chunk::<H>(here.join()));
        },
    );
}

/// Every other time a second read waits on this thread.
fn end_beside_reads<H: Harness>(case: &Case<H>) {
    on_fresh_flows(
        case,
        (ROUNDS / 2, 2, Room::Ample),
        |there, flow, _| {
            let mut read = there.call("a read on another thread", flow.read());
            there.meet();
            read.finish()
        },
        |here, flow, peer, n| {
            if n % 2 == 0 {
                here.meet();
                peer.end();
            } else {
                peer.end();
                here.meet();
                here.was_late(n % 4 == 1);
                let mut read = case.step("a read beside another", flow.read());
                let result = read.finish_while(|| here.is_moving());
                assert!(
                    matches!(result, Ok(None)),
                    "at the end a read gave {result:?}"
                );
            }
            let result = here.join();
            assert!(
                matches!(result, Ok(None)),
                "at the end a read on another thread gave {result:?}"
            );
        },
    );
}

fn room_beside_a_write<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.tight();
    let shared = case.shared(&flow);
    let (data, mut tape) = (feed_out().next(MUCH), tape_out());
    case.rounds(
        0..1,
        &mut Timing::new(1),
        |there, _| {
            let mut write = there.call("a write on another thread", shared.write(data.clone()));
            there.meet();
            write.finish()
        },
        |here, _| {
            here.meet();
            let result = here.join_while(|| {
                case.at("room beside a write");
                pull(&mut peer, &mut tape, 4096)
            });
            assert!(result.is_ok(), "write failed: {result:?}");
            case.receive_up_to(&mut peer, &mut tape, MUCH as u64);
        },
    );
}

/// Any call goes on with a write that was taken, so another thread may complete it while its owner parks. The same with a flush that waits for it.
fn calls_beside_a_taken_write<H: Harness>(case: &Case<H>) {
    let len = more_than_room(case);
    let Link { flow, mut peer } = case.tight();
    let shared = case.shared(&flow);
    let data = feed_out().next(len * rounds_of(len));
    let part = |n: usize| data.slice(n * len..(n + 1) * len);
    let mut tape = tape_out();
    case.rounds(
        0..rounds_of(len),
        &mut Timing::new(4),
        |there, n| {
            if n % 4 == 3 {
                let mut flush = there.call("a flush on another thread", shared.flush());
                there.meet();
                return flush.finish();
            }
            let mut write = there.call("a write on another thread", shared.write(part(n)));
            there.meet();
            write.finish()
        },
        |here, n| {
            let to = ((n + 1) * len) as u64;
            here.was_late(n % 8 < 4);
            let mut own = case.step("a write beside a flush", flow.write(part(n)));
            let mut written = n % 4 != 3 || own.poll().is_ready();
            here.meet();
            let result = here.join_while(|| {
                let moved = pull(&mut peer, &mut tape, len);
                if moved || n % 8 > 4 {
                    // None of these has to be done now.
                    match n % 4 {
                        0 => drop(case.step("a flush beside a write", flow.flush()).poll()),
                        1 => drop(case.step("a read beside a write", flow.read()).poll()),
                        2 => drop(case.step("an empty write", flow.write("")).poll()),
                        _ => written = written || own.poll().is_ready(),
                    }
                }
                moved
            });
            assert!(
                result.is_ok(),
                "beside other calls a write failed: {result:?}"
            );
            if !written {
                let result = own.finish_while(|| pull(&mut peer, &mut tape, len));
                assert!(result.is_ok(), "beside a flush a write failed: {result:?}");
            }
            drop(own);
            case.receive_up_to(&mut peer, &mut tape, to);
        },
    );
}

/// Readers on several threads are all served, and every byte goes to one of them.
pub fn threads_readers_are_all_served<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let shared = case.shared(&flow);
    let (mut feed, mut tape) = (feed_in(), tape_in());
    case.rounds(
        0..times(2 * ROUNDS),
        &mut Timing::new(4),
        |there, _| {
            let mut read = there.call("a read on another thread", shared.read());
            there.meet();
            read.finish()
        },
        |here, n| {
            let mut read = case.step("a read beside another", flow.read());
            // Both ask for what is there, or both park, or this one is the first.
            let (before, after) = [(1, 1), (1, 1), (0, 2), (0, 2)][n % 4];
            case.send(&mut peer, &mut feed, before);
            let first = n % 4 == 3;
            if first {
                read.park();
            }
            here.meet();
            let mut polled = Poll::Pending;
            if !first {
                polled = read.poll();
            }
            if before > 0 {
                here.was_late(polled.is_pending());
            }
            case.send(&mut peer, &mut feed, after);
            let mut own = match polled {
                Poll::Ready(result) => Some(chunk::<H>(result)),
                Poll::Pending => None,
            };
            let (mut other, mut polls) = (None, 0);
            let done = Cell::new(false);
            let serve = || {
                let mut moved = false;
                if other.is_none()
                    && let Some(result) = here.result()
                {
                    other = Some(chunk::<H>(result));
                    moved = true;
                }
                if own.is_none() && read.is_woken() {
                    polls += 1;
                    assert!(polls < BOUND, "a read is woken again and again");
                    if let Poll::Ready(result) = read.poll() {
                        own = Some(chunk::<H>(result));
                    }
                    moved = true;
                }
                done.set(own.is_some() && other.is_some());
                let got = [&own, &other].map(|c| c.as_ref().map_or(0, Bytes::len));
                if !done.get() && got[0] + got[1] == (feed.at() - tape.at()) as usize {
                    // One of them got what was for both.
                    moved |= push(&mut peer, &mut feed, 1) > 0;
                }
                moved || here.is_moving()
            };
            case.wait("one of two readers", || done.get(), serve);
            let [own, other] = [own, other].map(Option::unwrap_or_default);
            let whole = IN.bytes(tape.at(), own.len() + other.len());
            let order = if [&own[..], &other].concat() == whole {
                [own, other]
            } else {
                [other, own]
            };
            order.iter().for_each(|chunk| tape.check(chunk));
            case.read_up_to(&flow, &mut tape, feed.at());
        },
    );
}

/// A call that is dropped on one thread, woken or not, keeps nothing from those that wait on another.
pub fn threads_dropped_calls_hand_on<H: Harness>(case: &Case<H>) {
    reads_beside_a_dropped_read(case);
    read_beside_a_dropped_write(case);
}

fn reads_beside_a_dropped_read<H: Harness>(case: &Case<H>) {
    let Link { flow, mut peer } = case.link();
    let shared = case.shared(&flow);
    let (mut feed, mut tape) = (feed_in(), tape_in());
    case.rounds(
        0..times(2 * ROUNDS),
        &mut Timing::new(4),
        |there, _| {
            let mut read = there.call("a read behind a dropped one", shared.read());
            there.meet();
            read.finish()
        },
        |here, n| {
            let mut read = case.park_read(&flow);
            here.meet();
            if n % 2 == 0 {
                // Woken, or the other one is.
                case.send(&mut peer, &mut feed, 1);
                drop(read);
            } else if n % 4 == 1 {
                drop(read);
                case.send(&mut peer, &mut feed, 1);
            } else {
                case.send(&mut peer, &mut feed, 1);
                if let Poll::Ready(result) = read.poll() {
                    tape.check(&chunk::<H>(result));
                    case.send(&mut peer, &mut feed, 1);
                }
                drop(read);
            }
            tape.check(&chunk::<H>(here.join()));
            case.read_up_to(&flow, &mut tape, feed.at());
        },
    );
}

fn read_beside_a_dropped_write<H: Harness>(case: &Case<H>) {
    let len = more_than_room(case);
    let Link { flow, mut peer } = case.tight();
    let shared = case.shared(&flow);
    let (mut back, mut got) = (feed_in(), tape_in());
    let (mut feed, mut tape) = (feed_out(), tape_out());
    case.rounds(
        0..rounds_of(len),
        &mut Timing::new(4),
        |there, _| {
            let mut read = there.call("a read beside a dropped write", shared.read());
            there.meet();
            read.finish()
        },
        |here, n| {
            let mut write = case.step("a write that is dropped", flow.write(feed.next(len)));
            if write.poll().is_pending() && !write.call().is_taken() {
                // The room that the peer has made is news that may still be on its way.
                case.settle();
                let taken = write.poll().is_ready() || write.call().is_taken();
                assert!(taken, "an empty flow took nothing of a large write");
            }
            here.meet();
            if n % 2 == 0 {
                drop(write);
                pull(&mut peer, &mut tape, len);
            } else {
                pull(&mut peer, &mut tape, len);
                drop(write);
            }
            let at = Cell::new(tape.at());
            case.wait(
                "what is left of a dropped write",
                || at.get() == feed.at(),
                || {
                    let moved = pull(&mut peer, &mut tape, len);
                    at.set(tape.at());
                    moved || here.is_moving()
                },
            );
            case.send(&mut peer, &mut back, 1);
            got.check(&chunk::<H>(here.join()));
        },
    );
}

/// After `shutdown(Read)` input that comes on one thread is discarded by what parks on another.
pub fn threads_discarding_goes_on<H: Harness>(case: &Case<H>) {
    input_beside_a_write(case);
    input_beside_a_close(case);
}

fn input_beside_a_write<H: Harness>(case: &Case<H>) {
    const PART: usize = 4096;
    let Link { flow, mut peer } = case.tight();
    let shared = case.shared(&flow);
    let (mut feed, mut tape) = (feed_out(), tape_out());
    let mut back = feed_in();
    let result = case
        .step("shutdown(Read)", flow.shutdown(Shutdown::Read))
        .finish();
    assert!(result.is_ok(), "shutdown(Read) failed: {result:?}");
    // So much that it waits until the peer receives: what a link takes at a time is not always the same.
    let data = feed.next(MUCH);
    case.rounds(
        0..1,
        &mut Timing::new(1),
        |there, _| {
            let mut write = there.call("a write on another thread", shared.write(data.clone()));
            there.meet();
            write.finish()
        },
        |here, _| {
            here.meet();
            let sent = Cell::new(0);
            case.wait(
                "room for input that is to be discarded",
                || sent.get() >= MUCH,
                || {
                    case.at("input beside a write");
                    let moved = push(&mut peer, &mut back, PART);
                    sent.set(sent.get() + moved);
                    moved > 0 || here.is_moving()
                },
            );
            let result = here.join_while(|| pull(&mut peer, &mut tape, PART));
            assert!(result.is_ok(), "write failed: {result:?}");
            case.receive_up_to(&mut peer, &mut tape, feed.at());
        },
    );
}

fn input_beside_a_close<H: Harness>(case: &Case<H>) {
    on_fresh_flows(
        case,
        (ROUNDS / 2, 2, Room::Tight),
        |there, flow, _| {
            let mut close = there.call("a close on another thread", flow.close());
            there.meet();
            close.finish()
        },
        |here, flow, peer, n| {
            let mut back = feed_in();
            let shut = || {
                case.step("shutdown(Read)", flow.shutdown(Shutdown::Read))
                    .finish()
            };
            let early = n % 2 == 0;
            if early {
                let _ = shut();
            }
            here.meet();
            push(peer, &mut back, 40);
            if !early {
                let _ = shut();
            }
            push(peer, &mut back, 40);
            peer.end();
            let result = here.join();
            assert!(result.is_ok(), "close failed: {result:?}");
        },
    );
}
