//! A wake that its receiver does not use reaches somebody else who waits.

use std::pin::pin;
use std::sync::{Arc, Mutex};

use flow_core::memory::{self, Received};
use flow_core::{CloseOp, Flow, FlowExt, Shutdown};

use crate::script::Script;
use crate::step::{Wakes, poll, ready};

/// What a close read ahead is the next read's, when the read that was woken for it is dropped.
#[test]
fn read_ahead_is_handed_on_by_a_dropped_read() {
    let script = Script::default();
    let flow = script.flow();
    let [head_wakes, next_wakes, close_wakes] = [(); 3].map(|()| Wakes::new());
    let (mut head, mut next, mut close) = (flow.read(), flow.read(), flow.close());
    assert!(poll(&head_wakes, &mut head).is_pending());
    assert!(poll(&next_wakes, &mut next).is_pending());
    assert!(poll(&close_wakes, &mut close).is_pending());
    script.arrives("x");
    assert_eq!((head_wakes.take(), next_wakes.take()), (1, 0));
    assert_eq!(close_wakes.take(), 1);
    assert!(poll(&close_wakes, &mut close).is_pending());
    assert_eq!(next_wakes.take(), 0, "woken before its turn");
    drop(head);
    assert_eq!(next_wakes.take(), 1, "the wake is lost");
    assert_eq!(ready(next).unwrap().as_deref(), Some(&b"x"[..]));
}

/// A close that takes the bytes between a read's asking and its parking wakes the read.
#[test]
fn read_ahead_wakes_a_read_that_is_about_to_park() {
    let script = Script::default();
    let flow = Arc::new(script.flow());
    let closing = Arc::new(Mutex::new(CloseOp::new()));
    script.before_parking({
        let (script, flow, closing) = (script.clone(), Arc::clone(&flow), Arc::clone(&closing));
        move || {
            script.arrives("x");
            let waker = Wakes::new().into();
            let cx = &mut std::task::Context::from_waker(&waker);
            assert!(
                flow.poll_close(cx, &mut closing.lock().unwrap())
                    .is_pending()
            );
        }
    });
    let wakes = Wakes::new();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(wakes.take(), 1, "parked on bytes that are there");
    assert_eq!(ready(read).unwrap().as_deref(), Some(&b"x"[..]));
}

/// A read that takes the chunk which a close waited for makes the close ask again, since the transport has dropped its waker.
#[test]
fn a_read_hands_the_transport_back_to_a_close_that_reads_ahead() {
    let script = Script::new(|s| s.forgets_when_ready = true);
    let flow = script.flow();
    let wakes = Wakes::new();
    let mut close = flow.close();
    assert!(poll(&wakes, &mut close).is_pending());
    wakes.take();
    script.state().input.push_back("x".into());
    assert!(ready(flow.read()).unwrap().is_some());
    assert!(wakes.take() > 0, "nobody has asked up to a pending");
    assert!(poll(&wakes, &mut close).is_pending());
    script.peer_ends();
    assert!(wakes.take() > 0);
    ready(close).unwrap();
}

/// A taken write that its task keeps unpolled is driven by the read that the task waits in, at every event.
#[test]
fn a_kept_write_is_driven_by_a_read_of_the_same_task() {
    let (flow, mut wire) = memory::with_wire(4);
    let task = Wakes::new();
    let mut write = flow.write("abcdefghijkl");
    assert!(poll(&task, &mut write).is_pending());
    let mut read = flow.read();
    assert!(poll(&task, &mut read).is_pending());
    task.take();
    for quarter in [b"abcd", b"efgh", b"ijkl"] {
        let mut buffer = [0; 4];
        assert_eq!(wire.recv(&mut buffer), Received::Data(4), "at {quarter:?}");
        assert_eq!(&buffer, quarter);
        if task.take() > 0 {
            assert!(poll(&task, &mut read).is_pending());
        }
    }
}

/// The same where it is a close that is kept.
#[test]
fn a_kept_close_is_driven_by_a_read_of_the_same_task() {
    let (flow, mut wire) = memory::with_wire(4);
    let task = Wakes::new();
    assert!(poll(&task, &mut flow.write("abcdefghijkl")).is_pending());
    let mut close = flow.close();
    assert!(poll(&task, &mut close).is_pending());
    let mut read = flow.read();
    assert!(poll(&task, &mut read).is_pending());
    task.take();
    for quarter in [b"abcd", b"efgh", b"ijkl"] {
        let mut buffer = [0; 4];
        assert_eq!(wire.recv(&mut buffer), Received::Data(4), "at {quarter:?}");
        assert_eq!(&buffer, quarter);
        if task.take() > 0 {
            assert!(poll(&task, &mut read).is_pending());
        }
    }
}

/// A later write of a task that keeps a taken one waits quietly, when it is woken in the other's stead.
#[test]
fn a_write_behind_a_kept_one_does_not_wake_itself() {
    let (flow, mut wire) = memory::with_wire(4);
    let [task, other] = [(); 2].map(|()| Wakes::new());
    ready(flow.write("full")).unwrap();
    let (mut first, mut between) = (flow.write("1"), flow.write("2"));
    let (mut kept, mut last) = (flow.write("keptkept"), flow.write("3"));
    assert!(poll(&task, &mut first).is_pending());
    assert!(poll(&other, &mut between).is_pending());
    let mut buffer = [0; 2];
    assert_eq!(wire.recv(&mut buffer), Received::Data(2));
    assert!(poll(&task, &mut kept).is_pending());
    assert!(kept.is_taken(), "of the head's task, it may go first");
    drop(first);
    task.take();
    assert_eq!(wire.recv(&mut buffer), Received::Data(2));
    assert!(task.take() > 0);
    let mut polls = 0;
    while polls == 0 || task.take() > 0 {
        polls += 1;
        assert!(poll(&task, &mut last).is_pending());
        assert!(polls < 10, "it wakes itself for ever");
    }
}

/// A parked write that was woken to discard input hands that on to the next one when it is dropped.
#[test]
fn discarding_is_handed_on_by_a_dropped_write() {
    let (flow, mut wire) = memory::with_wire(4);
    let [head_wakes, next_wakes] = [(); 2].map(|()| Wakes::new());
    ready(flow.write("full")).unwrap();
    ready(flow.shutdown(Shutdown::Read)).unwrap();
    let (mut head, mut next) = (flow.write("1"), flow.write("2"));
    assert!(poll(&head_wakes, &mut head).is_pending());
    assert!(poll(&next_wakes, &mut next).is_pending());
    assert_eq!(wire.send(b"junk"), 4);
    assert_eq!((head_wakes.take(), next_wakes.take()), (1, 0));
    drop(head);
    assert_eq!(next_wakes.take(), 1, "nobody discards");
    assert!(poll(&next_wakes, &mut next).is_pending());
    assert_eq!(wire.send(b"junk"), 4);
}

/// A waker that panics takes no other wake with it.
#[test]
fn wakes_after_a_panicking_one_are_not_lost() {
    struct Panics;

    impl std::task::Wake for Panics {
        fn wake(self: Arc<Self>) {
            panic!("woken");
        }
    }

    let (flow, _wire) = memory::with_wire(4);
    let panics = Arc::new(Panics).into();
    let mut head = pin!(flow.read());
    let cx = &mut std::task::Context::from_waker(&panics);
    assert!(head.as_mut().poll(cx).is_pending());
    let wakes = Wakes::new();
    let mut next = flow.read();
    assert!(poll(&wakes, &mut next).is_pending());
    let abort = std::panic::AssertUnwindSafe(|| flow.abort());
    assert!(std::panic::catch_unwind(abort).is_err());
    assert_eq!(wakes.take(), 1);
    assert!(ready(next).is_err());
}
