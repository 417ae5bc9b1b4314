//! What ends a direction, or the flow, on one thread while calls are made on another: abort, shutdown and close.

use std::cell::Cell;
use std::pin::Pin;
use std::task::Poll;

use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};

use crate::case::Case;
use crate::harness::{Harness, Room};
use crate::laws::threads::{Other, Read, more_than_room, on_fresh_flows};
use crate::laws::write_end::expect_closed;
use crate::moves::{feed_in, feed_out, tape_in, tape_out};
use crate::pattern::Tape;
use crate::peer::{Peer, Recv};
use crate::threads::There;

/// How often two threads meet, at least, each time on a fresh flow.
const ROUNDS: usize = 60;

/// What any call but a read answers.
type Done<H> = Result<(), WriteError<<<H as Harness>::Flow as Flow>::Error>>;

/// A call that ends writing.
type Ended<'f, F> = Pin<Box<dyn Future<Output = Result<(), WriteError<<F as Flow>::Error>>> + 'f>>;

/// The peer receives; whether there was anything. `over` is how the stream ended.
#[track_caller]
fn sip(peer: &mut dyn Peer, tape: &mut Tape, over: &mut Option<Recv>) -> bool {
    if over.is_some() {
        return false;
    }
    let mut buf = [0; 1024];
    match peer.recv(&mut buf) {
        Recv::Empty => return false,
        Recv::Data(count) => tape.check(&buf[..count]),
        end => *over = Some(end),
    }
    true
}

/// The peer receives up to the end, while nobody polls the flow: how the stream ended.
#[track_caller]
fn drain<H: Harness>(
    case: &Case<H>,
    peer: &mut dyn Peer,
    tape: &mut Tape,
    over: &mut Option<Recv>,
) -> Option<Recv> {
    let ended = Cell::new(over.is_some());
    let receive = || {
        let moved = sip(peer, tape, over);
        ended.set(over.is_some());
        moved
    };
    case.wait("the end that the peer should see", || ended.get(), receive);
    *over
}

/// What a call beside an abort came to: whether it was done all the same, and whether that is allowed is for the law to say.
enum Met<H: Harness> {
    Read(Read<H>),
    Other(&'static str, Done<H>),
}

fn call_beside_an_abort<H: Harness>(
    there: &There<'_, Met<H>>,
    flow: &Other<'_, H>,
    n: usize,
    data: &Bytes,
) -> Met<H> {
    macro_rules! call {
        ($what:literal, $call:expr) => {{
            let mut call = there.call($what, $call);
            there.meet();
            Met::Other($what, call.finish())
        }};
    }
    match n % KINDS {
        READ => {
            let mut read = there.call("a read beside an abort", flow.read());
            there.meet();
            Met::Read(read.finish())
        }
        1 => call!("a small write beside an abort", flow.write(data.slice(..5))),
        2 => call!("a large write beside an abort", flow.write(data.clone())),
        3 => call!("a waiting write beside an abort", flow.write("x")),
        4 => call!("a flush beside an abort", flow.flush()),
        5 => call!("a shutdown beside an abort", flow.shutdown(Shutdown::Write)),
        _ => {
            let mut close = there.call("a close beside an abort", flow.close());
            there.meet();
            Met::Other("a close beside an abort", close.finish().map(drop))
        }
    }
}

/// How many kinds of calls there are beside an abort.
const KINDS: usize = 7;
const READ: usize = 0;

/// Beside an abort on one thread every call on another ends, and the peer sees the end.
pub fn threads_abort_ends_every_call<H: Harness>(case: &Case<H>) {
    // More than a tight link ever takes, so that a large write is never done.
    let mut feed = feed_out();
    drop(case.park_taken(&case.tight().flow, &mut feed));
    let len = feed.at() as usize;
    let data = feed_out().next(len);
    on_fresh_flows(
        case,
        (4 * ROUNDS, KINDS, Room::Tight),
        |there, flow, n| call_beside_an_abort::<H>(there, flow, n, &data),
        |here, flow, peer, n| {
            // What waits behind a write, or for it, or sends it before the end.
            let mut write = case.step("a taken write beside an abort", flow.write(data.clone()));
            let waits = matches!(n % KINDS, 3..=5) && write.poll().is_pending();
            here.meet();
            flow.abort();
            let met = here.join();
            if let Met::Other("a small write beside an abort", result) = &met {
                here.was_late(result.is_ok());
            }
            let mut tape = tape_out();
            drain(case, peer, &mut tape, &mut None);
            // What a link takes at a time is not always the same: a call on the other thread may have sent the rest before the abort.
            let all_sent = tape.at() == len as u64;
            if waits && !all_sent {
                expect_closed("a taken write beside an abort", write.finish());
            }
            match met {
                Met::Read(result) => {
                    assert!(result.is_err(), "a read beside an abort gave {result:?}");
                }
                Met::Other("a small write beside an abort", Ok(())) => {
                    assert_eq!(tape.at(), 5, "what was accepted before an abort is lost");
                }
                Met::Other("a large write beside an abort", Ok(())) if all_sent => {}
                // Nothing may be owed any more, or not yet.
                Met::Other("a flush beside an abort" | "a shutdown beside an abort", Ok(()))
                    if !waits || all_sent => {}
                Met::Other(what, result) => expect_closed(what, result),
            }
            match case.step("a read after an abort", flow.read()).poll() {
                Poll::Ready(Err(_)) => {}
                other => panic!("a read after an abort gave {other:?}"),
            }
        },
    );
}

/// A shutdown, or a close in every other two rounds.
fn end_writing<F: Flow + ?Sized>(flow: &F, n: usize) -> Ended<'_, F> {
    if n % 4 < 2 {
        Box::pin(flow.shutdown(Shutdown::Write))
    } else {
        Box::pin(async move { flow.close().await.map(drop) })
    }
}

/// Beside a shutdown or a close on one thread a write on another is sent whole or refused.
pub fn threads_shutdown_meets_writing<H: Harness>(case: &Case<H>) {
    let len = more_than_room(case);
    let data = feed_out().next(len);
    on_fresh_flows(
        case,
        (2 * ROUNDS, 12, Room::Tight),
        |there, flow, n| -> Done<H> {
            let part = if n % 3 == 0 { len } else { 5 };
            if n % 2 == 0 {
                let mut write =
                    there.call("a write beside a shutdown", flow.write(data.slice(..part)));
                there.meet();
                write.finish()
            } else {
                let mut shut = there.call("a shutdown beside a write", end_writing(flow, n));
                there.meet();
                shut.finish()
            }
        },
        |here, flow, peer, n| {
            let part = if n % 3 == 0 { len } else { 5 };
            let (mut tape, mut over) = (tape_out(), None);
            // A close waits for it.
            peer.end();
            let (written, shut) = if n % 2 == 0 {
                let mut shut = case.step("a shutdown beside a write", end_writing(flow, n));
                here.meet();
                let early = shut.poll();
                let written = here.join_while(|| sip(peer, &mut tape, &mut over));
                let shut = match early {
                    Poll::Ready(result) => result,
                    Poll::Pending => shut.finish_while(|| sip(peer, &mut tape, &mut over)),
                };
                (written, shut)
            } else {
                let mut write =
                    case.step("a write beside a shutdown", flow.write(data.slice(..part)));
                here.meet();
                let early = write.poll();
                let shut = here.join_while(|| sip(peer, &mut tape, &mut over));
                let written = match early {
                    Poll::Ready(result) => result,
                    Poll::Pending => write.finish_while(|| sip(peer, &mut tape, &mut over)),
                };
                (written, shut)
            };
            here.was_late(written.is_ok() == (n % 2 == 0));
            assert!(shut.is_ok(), "a shutdown beside a write gave {shut:?}");
            drain(case, peer, &mut tape, &mut over);
            assert_eq!(
                over,
                Some(Recv::End),
                "after a shutdown the peer met no orderly end"
            );
            let all = match written {
                Ok(()) => part,
                Err(WriteError::Closed) => 0,
                Err(e) => panic!("a write beside a shutdown failed: {e}"),
            };
            assert_eq!(
                tape.at(),
                all as u64,
                "a write beside a shutdown is neither sent whole nor refused"
            );
        },
    );
}

/// Beside `shutdown(Read)` on one thread a read on another ends, with what had come or with none, and after it reading is over.
pub fn threads_shutdown_meets_reading<H: Harness>(case: &Case<H>) {
    const READ: &str = "a read beside shutdown(Read)";
    const SHUT: &str = "shutdown(Read) beside a read";
    const SENT: usize = 100;
    on_fresh_flows(
        case,
        (4 * ROUNDS, 6, Room::Ample),
        |there, flow, n| -> Met<H> {
            if n % 2 == 0 {
                let mut read = there.call(READ, flow.read());
                there.meet();
                Met::Read(read.finish())
            } else {
                let mut shut = there.call(SHUT, flow.shutdown(Shutdown::Read));
                there.meet();
                Met::Other(SHUT, shut.finish())
            }
        },
        |here, flow, peer, n| {
            let sent = if n % 6 < 4 { 0 } else { SENT };
            case.send(peer, &mut feed_in(), sent);
            let (met, here_too) = if n % 2 == 0 {
                let mut shut = case.step(SHUT, flow.shutdown(Shutdown::Read));
                here.meet();
                let shut = shut.finish();
                (here.join(), Met::Other(SHUT, shut))
            } else {
                let mut read = case.step(READ, flow.read());
                here.meet();
                let early = read.poll();
                here.was_late(early.is_ready());
                let met = here.join();
                let read = match early {
                    Poll::Ready(result) => result,
                    Poll::Pending => read.finish(),
                };
                (met, Met::Read(read))
            };
            for met in [met, here_too] {
                match met {
                    Met::Read(Ok(None)) => {}
                    Met::Read(Ok(Some(chunk))) if sent > 0 => tape_in().check(&chunk),
                    Met::Read(other) => panic!("{READ} gave {other:?}"),
                    Met::Other(what, result) => {
                        assert!(result.is_ok(), "{what} gave {result:?}");
                    }
                }
            }
            case.read_end(flow);
        },
    );
}

/// Beside a close on one thread a read on another gets all that the peer sent, and the peer's end reaches both.
pub fn threads_close_meets_reading<H: Harness>(case: &Case<H>) {
    end_beside_a_close(case);
    bytes_beside_a_close(case);
}

fn end_beside_a_close<H: Harness>(case: &Case<H>) {
    on_fresh_flows(
        case,
        (ROUNDS, 2, Room::Ample),
        |there, flow, _| {
            let mut close = there.call("a close on another thread", flow.close());
            there.meet();
            close.finish().map(drop)
        },
        |here, _, peer, _| {
            here.meet();
            peer.end();
            let result = here.join();
            assert!(
                result.is_ok(),
                "a close beside the peer's end gave {result:?}"
            );
        },
    );
}

fn bytes_beside_a_close<H: Harness>(case: &Case<H>) {
    const SENT: usize = 100;
    on_fresh_flows(
        case,
        (ROUNDS, 2, Room::Ample),
        |there, flow, _| {
            let mut tape = tape_in();
            let mut met = false;
            loop {
                let mut read = there.call("a read beside a close", flow.read());
                if !met {
                    there.meet();
                    met = true;
                }
                match read.finish() {
                    Ok(Some(chunk)) => tape.check(&chunk),
                    Ok(None) => return tape.at(),
                    Err(e) => panic!("a read beside a close failed: {e}"),
                }
            }
        },
        |here, flow, peer, n| {
            let mut feed = feed_in();
            case.send(peer, &mut feed, if n % 2 == 0 { SENT } else { 0 });
            let mut close = case.step("a close beside a read", flow.close());
            here.meet();
            let early = close.poll();
            let missing = SENT - feed.at() as usize;
            case.send(peer, &mut feed, missing);
            peer.end();
            let closed = match early {
                Poll::Ready(result) => result,
                Poll::Pending => close.finish_while(|| here.is_moving()),
            };
            assert!(closed.is_ok(), "a close beside a read gave {closed:?}");
            let got = here.join();
            assert_eq!(
                got, SENT as u64,
                "a reader beside a close met the end too early"
            );
        },
    );
}
