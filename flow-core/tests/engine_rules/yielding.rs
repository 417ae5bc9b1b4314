//! A call gives its task back after so many asks: whoever waits then goes on, and nobody is kept awake without need.

use flow_core::{Engine, FlowExt};

use crate::script::Script;
use crate::step::{Wakes, poll, ready};

/// More bytes than one call sends, one by one.
const LONG: usize = 1000;

/// A transport that accepts one byte at a time, and has room for one.
fn narrow() -> (Script, Engine<Script>) {
    let script = Script::new(|s| (s.room, s.at_once) = (1, 1));
    let flow = script.flow();
    (script, flow)
}

fn long_write() -> Vec<u8> {
    vec![7; LONG]
}

/// A read that drives somebody's write, and stops in the middle, wakes the writer, whom the transport's wake no longer reaches.
#[test]
fn a_read_that_stops_driving_wakes_the_writer() {
    let (script, flow) = narrow();
    let wakes = Wakes::new();
    let mut write = flow.write(long_write());
    assert!(poll(&wakes, &mut write).is_pending());
    wakes.take();
    // Room has come, the wake for it is under way, and a read gets in between.
    script.state().room = 2 * LONG;
    script.state().input.push_back("x".into());
    assert!(ready(flow.read()).unwrap().is_some());
    script.wake_sending();
    let mut written = false;
    while !written && wakes.take() > 0 {
        written = poll(&wakes, &mut write).is_ready();
    }
    assert!(written, "{} of {LONG} are sent", script.state().sent.len());
}

/// The same for a flush.
#[test]
fn a_read_that_stops_driving_wakes_a_flush() {
    let (script, flow) = narrow();
    script.state().forgets_when_ready = true;
    assert!(poll(&Wakes::new(), &mut flow.write(long_write())).is_pending());
    let wakes = Wakes::new();
    let mut flush = flow.flush();
    assert!(poll(&wakes, &mut flush).is_pending());
    wakes.take();
    script.state().room = 2 * LONG;
    script.state().input.push_back("x".into());
    assert!(ready(flow.read()).unwrap().is_some());
    while wakes.take() > 0 && poll(&wakes, &mut flush).is_pending() {}
    assert_eq!(script.state().sent.len(), LONG);
}

/// A read that stops driving a write which its own task keeps is polled again itself.
#[test]
fn a_read_that_stops_driving_a_kept_write_goes_on() {
    let (script, flow) = narrow();
    let task = Wakes::new();
    let mut write = flow.write(long_write());
    assert!(poll(&task, &mut write).is_pending());
    task.take();
    script.state().room = 2 * LONG;
    script.wake_sending();
    let mut read = flow.read();
    while task.take() > 0 {
        assert!(poll(&task, &mut read).is_pending());
    }
    assert_eq!(script.state().sent.len(), LONG);
}

/// Where the last ask of a call completes a write, nothing is left to do: a read waits quietly, and the flow is whole.
#[test]
fn a_write_that_takes_just_as_many_asks_leaves_no_work() {
    let (script, flow) = narrow();
    script.state().room = 2 * LONG;
    let task = Wakes::new();
    // Twice what one call sends.
    let mut write = flow.write(vec![7; 256]);
    assert!(poll(&task, &mut write).is_pending());
    assert_eq!(script.state().sent.len(), 128);
    assert!(poll(&task, &mut write).is_ready());
    task.take();
    let mut read = flow.read();
    let mut polls = 0;
    while polls == 0 || task.take() > 0 {
        polls += 1;
        assert!(poll(&task, &mut read).is_pending());
        assert!(polls < 10, "it wakes itself for ever");
    }
    drop((read, write));
    assert!(flow.into_parts().is_ok());
}
