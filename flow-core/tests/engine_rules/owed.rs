//! What receiving leaves to be sent.

use flow_core::{FlowExt, Shutdown};

use crate::script::Script;
use crate::step::{Wakes, poll, ready};

/// A pong that waits in the transport's own buffer is flushed once there is room, and the reader waits quietly until then.
#[test]
fn what_is_no_longer_owed_is_still_flushed() {
    let script = Script::new(|s| s.pings = 1);
    let flow = script.flow();
    let wakes = Wakes::new();
    let mut read = flow.read();
    assert!(poll(&wakes, &mut read).is_pending());
    assert_eq!(wakes.take(), 0);
    script.state().drains = true;
    script.wake_sending();
    let mut polls = 0;
    while wakes.take() > 0 {
        polls += 1;
        assert!(poll(&wakes, &mut read).is_pending());
        assert!(polls < 10, "it wakes itself for ever");
    }
    assert_eq!(script.state().pongs, 1);
}

/// Nothing is sent after the end was signalled: the transport asserts it.
#[test]
fn nothing_is_owed_after_the_end() {
    let script = Script::new(|s| s.drains = true);
    let flow = script.flow();
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    script.state().pings = 1;
    assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
    assert_eq!(script.state().pongs, 0);
}

/// What `shutdown(Read)` receives to throw away is answered like anything else.
#[test]
fn what_discarding_leaves_owed_is_sent() {
    let script = Script::new(|s| (s.pings, s.drains) = (1, true));
    ready(script.flow().shutdown(Shutdown::Read)).unwrap();
    assert_eq!(script.state().pongs, 1);
}
