//! Wrappers that change nothing of the stream.

use std::error::Error;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use flow_core::combinators::{
    CloseDiscardingError, Counted, Inspect, MapErr, Named, Peekable, Style, Traffic, boxed,
    boxed_local, close_discarding, create, trace_to,
};
use flow_core::memory::{self, MemoryError};
use flow_core::{Aborted, Bytes, Flow, FlowExt, SharedError, Shutdown, WriteError};

use super::received;
use super::step::{Wakes, poll, ready};

#[test]
fn a_name_is_in_display_debug_and_errors() {
    let (flow, peer) = memory::with_wire(64);
    let flow = Named::new(flow, "uplink");
    assert_eq!(
        (flow.name(), format!("{flow:>8}")),
        ("uplink", "  uplink".into())
    );
    assert!(format!("{flow:?}").contains("uplink"));
    peer.tear();
    let error = ready(flow.read()).unwrap_err();
    assert_eq!(
        (error.name(), error.inner()),
        ("uplink", &MemoryError::Torn)
    );
    assert!(error.to_string().contains("uplink"));
    assert!(error.source().unwrap().is::<MemoryError>());
    // Closed is no error of this flow.
    assert_eq!(ready(flow.write("x")).unwrap_err(), WriteError::Closed);
}

#[test]
fn errors_are_mapped_wherever_they_come_from() {
    let (flow, _peer) = memory::with_wire(64);
    let calls = AtomicUsize::new(0);
    let flow = MapErr::new(flow, |e: MemoryError| {
        calls.fetch_add(1, SeqCst);
        SharedError::new(e)
    });
    flow.abort();
    for _ in 0..2 {
        let error = ready(flow.read()).unwrap_err();
        assert_eq!(error.downcast_ref(), Some(&MemoryError::Aborted(Aborted)));
    }
    assert_eq!(calls.load(SeqCst), 2);
    assert!(ready(flow.flush()).unwrap_err().is_closed());
}

#[test]
fn flows_of_any_kind_have_one_type_and_one_error() {
    let (flow, mut peer) = memory::with_wire(64);
    let (local, _other) = memory::with_wire(64);
    let flow = boxed(Named::new(flow, "deep"));
    let local = boxed_local(local);
    ready(flow.write("x")).unwrap();
    assert_eq!(received(&mut peer).0, b"x");
    peer.tear();
    let error = ready(flow.read()).unwrap_err();
    assert_eq!(error.to_string(), "flow deep failed");
    assert_eq!(
        error.source().unwrap().to_string(),
        MemoryError::Torn.to_string()
    );
    assert!(!error.is_aborted());
    local.abort();
    assert!(ready(local.read()).unwrap_err().is_aborted());
}

#[test]
fn created_flows_print_their_names() {
    let (flow, mut peer) = memory::with_wire(64);
    let flow = create(flow, "first-class");
    assert_eq!(flow.to_string(), "first-class");
    ready(flow.write("x")).unwrap();
    assert_eq!(received(&mut peer).0, b"x");
}

#[test]
fn what_passes_is_counted_once() {
    let (flow, mut peer) = memory::with_wire(4);
    let flow = Counted::new(flow);
    ready(flow.write("")).unwrap();
    assert_eq!(flow.stats().write_ops, 0);
    // Taken and dropped: it is sent.
    let mut long = flow.write("longer");
    assert!(poll(&Wakes::new(), &mut long).is_pending());
    assert!(poll(&Wakes::new(), &mut long).is_pending());
    assert!(long.is_taken());
    drop(long);
    // Not taken: it is not.
    assert!(poll(&Wakes::new(), &mut flow.write("never")).is_pending());
    assert_eq!((flow.stats().written_bytes, flow.stats().write_ops), (6, 1));
    assert_eq!(received(&mut peer).0, b"long");
    ready(flow.flush()).unwrap();
    assert_eq!(received(&mut peer).0, b"er");
    ready(flow.writev(["a", "bc"])).unwrap();
    assert_eq!((flow.stats().written_bytes, flow.stats().write_ops), (9, 2));

    assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
    peer.send(b"back");
    peer.end();
    ready(flow.read()).unwrap();
    assert_eq!(ready(flow.read()).unwrap(), None);
    assert_eq!((flow.stats().read_bytes, flow.stats().read_ops), (4, 1));
}

#[test]
fn everything_that_passes_is_shown_once() {
    let seen = Mutex::new(Vec::new());
    let (flow, mut peer) = memory::with_wire(4);
    let flow = Inspect::new(flow, |traffic: Traffic<'_>| {
        seen.lock().unwrap().push(traffic.to_string());
    });
    let take = || std::mem::take(&mut *seen.lock().unwrap());

    let mut long = flow.write_chunks(["lo", "", "nger"].map(Bytes::from).to_vec());
    assert!(poll(&Wakes::new(), &mut long).is_pending());
    assert!(poll(&Wakes::new(), &mut flow.write("never")).is_pending());
    assert_eq!(take(), ["> lo", "> nger"]);
    received(&mut peer);
    ready(&mut long).unwrap();
    assert_eq!(take(), [""; 0]);

    peer.send(b"\0\n");
    ready(flow.read()).unwrap();
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    assert!(ready(flow.write("x")).is_err());
    assert_eq!(
        take(),
        [
            r"< \x00\n",
            "shut down for writing",
            "> failed: the flow is closed for writing"
        ]
    );
    peer.end();
    ready(flow.read()).unwrap();
    ready(flow.close()).unwrap();
    flow.abort();
    assert!(ready(flow.read()).is_err());
    assert_eq!(
        take(),
        [
            "< end",
            "closed",
            "aborted",
            "< failed: reading from memory failed"
        ]
    );
}

#[test]
fn a_trace_is_written_in_each_style() {
    for (style, shown) in [
        (Style::Escaped, "> \\xff!\n< x\n"),
        (Style::Lengths, "> 2 bytes\n< 1 byte\n"),
    ] {
        let mut trace = Vec::new();
        let (flow, mut peer) = memory::with_wire(64);
        let flow = Inspect::new(flow, trace_to(&mut trace, style));
        ready(flow.write(b"\xff!")).unwrap();
        peer.send(b"x");
        ready(flow.read()).unwrap();
        drop(flow);
        assert_eq!(String::from_utf8(trace).unwrap(), shown);
    }
}

#[test]
fn what_was_looked_at_is_read_once_and_in_order() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut flow = Peekable::new(flow);
    peer.send(b"one");
    assert_eq!(ready(flow.peek(0)).unwrap(), b"one"[..]);
    assert_eq!(ready(flow.peek(3)).unwrap(), b"one"[..]);
    // Dropped after it received something.
    peer.send(b"two");
    assert!(poll(&Wakes::new(), &mut flow.peek(7)).is_pending());
    peer.send(b"three");
    assert_eq!(ready(flow.peek(7)).unwrap(), b"onetwothree"[..]);
    peer.send(b"four");
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"onetwothree"[..]);
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"four"[..]);
}

#[test]
fn an_end_or_an_error_after_too_little_shows_what_there_is() {
    for torn in [false, true] {
        let (flow, mut peer) = memory::with_wire(64);
        let mut flow = Peekable::new(flow);
        peer.send(b"ab");
        if torn {
            peer.tear();
        } else {
            peer.end();
        }
        assert_eq!(ready(flow.peek(3)).unwrap(), b"ab"[..]);
        assert_eq!(ready(flow.read()).unwrap().unwrap(), b"ab"[..]);
        assert_eq!(ready(flow.peek(3)).is_err(), torn);
        assert_eq!(ready(flow.read()).is_err(), torn);
    }
}

#[test]
fn what_was_looked_at_is_gone_when_reading_is_over() {
    for abort in [false, true] {
        let (flow, mut peer) = memory::with_wire(64);
        let mut flow = Peekable::new(flow);
        peer.send(b"ab");
        ready(flow.peek(1)).unwrap();
        if abort {
            flow.abort();
            assert!(ready(flow.read()).is_err());
        } else {
            ready(flow.shutdown(Shutdown::Read)).unwrap();
            assert_eq!(ready(flow.read()).unwrap(), None);
        }
    }
}

#[test]
fn what_was_looked_at_stays_readable_after_close() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut flow = Peekable::new(flow);
    peer.send(b"ab");
    ready(flow.peek(1)).unwrap();
    peer.end();
    ready(flow.close()).unwrap();
    assert_eq!(ready(flow.read()).unwrap().unwrap(), b"ab"[..]);
    assert_eq!(ready(flow.read()).unwrap(), None);
}

#[test]
fn a_look_gives_back_what_is_left_with_the_flow() {
    let (flow, mut peer) = memory::with_wire(64);
    let mut flow = Peekable::new(flow);
    peer.send(b"ab");
    ready(flow.peek(1)).unwrap();
    let (_flow, ahead) = flow.into_parts();
    assert_eq!(ahead, [&b"ab"[..]]);
}

#[test]
fn closing_discards_up_to_the_limit() {
    let (flow, mut peer) = memory::with_wire(4);
    let mut closing = close_discarding(&flow, 12);
    let wakes = Wakes::new();
    for sent in [4, 8, 12] {
        peer.send(b"more");
        assert!(poll(&wakes, &mut closing).is_pending());
        assert_eq!(closing.discarded(), sent);
    }
    assert_eq!(received(&mut peer), (vec![], true));
    wakes.take();
    peer.end();
    assert!(wakes.take() > 0);
    assert_eq!(ready(&mut closing).unwrap(), 12);
}

#[test]
fn closing_gives_up_on_a_peer_that_does_not_stop() {
    let (flow, mut peer) = memory::with_wire(64);
    peer.send(&[0; 13]);
    let error = ready(close_discarding(&flow, 12)).unwrap_err();
    assert_eq!(error, CloseDiscardingError::TooMuch { limit: 12 });
    assert!(ready(flow.write("x")).is_err());
    // It may be gone on with.
    peer.end();
    assert_eq!(ready(close_discarding(&flow, 12)).unwrap(), 0);
    flow.abort();
    let error = ready(close_discarding(&flow, 12)).unwrap_err();
    assert_eq!(error, CloseDiscardingError::Close(WriteError::Closed));
}
