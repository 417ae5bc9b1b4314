//! What became of what was written, on flows in memory, which know it exactly.
#![cfg(feature = "std")]

mod step;

use std::rc::Rc;
use std::sync::Arc;

use flow_core::memory::{self, MemoryError, Received};
use flow_core::{BoxFlow, Delivered, Flow, FlowExt, LocalBoxFlow, Shutdown};

use step::{Wakes, poll, ready};

#[test]
fn every_pointer_to_a_flow_passes_the_question_on() {
    fn asked(flow: &impl Flow) -> Delivered {
        flow.delivered()
    }
    let (flow, mut wire) = memory::with_wire(8);
    ready(flow.write("hello")).unwrap();
    assert_eq!(asked(&&flow), Delivered::No);
    wire.recv(&mut [0; 8]);
    assert_eq!(asked(&&flow), Delivered::Yes);
    let boxed: BoxFlow<MemoryError> = Box::new(flow);
    assert_eq!(asked(&boxed), Delivered::Yes);
    let shared = Arc::new(boxed);
    assert_eq!(asked(&shared), Delivered::Yes);
    let local: LocalBoxFlow<MemoryError> = Box::new(Rc::new(shared));
    assert_eq!(asked(&local), Delivered::Yes);
}

#[test]
fn a_flow_that_was_aborted_still_knows() {
    let (flow, mut wire) = memory::with_wire(8);
    ready(flow.write("hello")).unwrap();
    flow.abort();
    assert_eq!(flow.delivered(), Delivered::No);
    assert_eq!(wire.recv(&mut [0; 8]), Received::Data(5));
    assert_eq!(flow.delivered(), Delivered::Yes);
}

#[test]
fn a_write_that_was_cut_off_is_no_for_good() {
    let (flow, mut wire) = memory::with_wire(4);
    let mut write = flow.write("too long");
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    flow.abort();
    assert_eq!(wire.recv(&mut [0; 8]), Received::Data(4));
    assert_eq!(wire.recv(&mut [0; 8]), Received::Torn);
    assert_eq!(flow.delivered(), Delivered::No);
    drop(write);
    assert_eq!(flow.delivered(), Delivered::No);
}

#[test]
fn a_taken_write_that_failed_is_no_for_good() {
    let (flow, mut wire) = memory::with_wire(4);
    let mut write = flow.write("too long");
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    // All that was sent is read, and the peer goes before the rest.
    assert_eq!(wire.recv(&mut [0; 8]), Received::Data(4));
    drop(wire);
    assert_eq!(flow.delivered(), Delivered::No);
    assert!(ready(write).is_err());
    assert_eq!(flow.delivered(), Delivered::No);
}

#[test]
fn a_write_that_was_never_taken_is_not_asked_about() {
    let (flow, mut wire) = memory::with_wire(4);
    ready(flow.write("full")).unwrap();
    let mut late = flow.write("late");
    assert!(poll(&Wakes::new(), &mut late).is_pending());
    drop(late);
    assert_eq!(wire.recv(&mut [0; 8]), Received::Data(4));
    assert_eq!(flow.delivered(), Delivered::Yes);
    drop(wire);
    assert!(ready(flow.write("to nobody")).is_err());
    assert_eq!(flow.delivered(), Delivered::Yes);
}

/// What a peer reads to throw away has left the stream.
#[test]
fn what_is_discarded_was_read() {
    let (here, there) = memory::pair(8);
    ready(here.write("hello")).unwrap();
    assert_eq!(here.delivered(), Delivered::No);
    ready(there.shutdown(Shutdown::Read)).unwrap();
    assert_eq!(here.delivered(), Delivered::Yes);
}

#[test]
fn what_an_aborting_peer_has_not_read_is_lost() {
    let (here, there) = memory::pair(8);
    ready(here.write("hello")).unwrap();
    there.abort();
    assert_eq!(here.delivered(), Delivered::No);
    drop(there);
    assert_eq!(ready(here.close()).unwrap(), Delivered::No);
}

#[test]
fn a_flow_that_cannot_tell_says_so() {
    let (inner, mut wire) = memory::with_wire(8);
    let inner = Arc::new(inner);
    let (sending, ending) = (inner.clone(), inner.clone());
    let flow = flow_core::from_async_fns(
        move || {
            let flow = inner.clone();
            async move { flow.read().await }
        },
        move |chunk| {
            let flow = sending.clone();
            async move { flow.write(chunk).await }
        },
        move || async move { ending.shutdown(Shutdown::Write).await },
    );
    ready(Box::pin(async { flow.write("hello").await })).unwrap();
    assert_eq!(flow.delivered(), Delivered::Unknown);
    wire.end();
    let mut close = Box::pin(async { flow.close().await });
    assert_eq!(ready(&mut close).unwrap(), Delivered::Unknown);
}

#[test]
fn answers_can_be_shown() {
    let shown = [
        (Delivered::Yes, "the peer has read everything"),
        (Delivered::No, "the peer has not read everything"),
        (
            Delivered::Arrived,
            "everything has come to the peer's system",
        ),
        (
            Delivered::Unknown,
            "it is not known whether the peer has read everything",
        ),
    ];
    for (answer, text) in shown {
        assert_eq!(answer.to_string(), text);
        assert_eq!(answer.is_yes(), answer == Delivered::Yes);
        assert_eq!(answer.is_no(), answer == Delivered::No);
    }
}
