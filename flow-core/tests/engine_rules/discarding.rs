//! `shutdown(Read)` stops in the middle of much input: whoever is parked goes on with it.

use flow_core::{FlowExt, Shutdown};

use crate::script::Script;
use crate::step::{Wakes, poll, ready};

/// More chunks than one call discards.
const MANY: usize = 300;

/// A close that holds as much as it may, and so no longer waits for input, is told.
#[test]
fn shutdown_read_tells_a_parked_close() {
    let script = Script::default();
    let flow = script.flow();
    script
        .state()
        .input
        .push_back(vec![0; 64 * 1024 + 1].into());
    script.state().input.extend(vec!["x".into(); MANY]);
    script.state().peer_ended = true;
    let wakes = Wakes::new();
    let mut close = flow.close();
    assert!(poll(&wakes, &mut close).is_pending());
    while wakes.take() > 0 {
        assert!(poll(&wakes, &mut close).is_pending());
    }
    ready(flow.shutdown(Shutdown::Read)).unwrap();
    let mut closed = false;
    while !closed && wakes.take() > 0 {
        closed = poll(&wakes, &mut close).is_ready();
    }
    assert!(closed, "{} chunks are left", script.state().input.len());
}

/// A parked write is told, so that a peer which sends before it reads gets on.
#[test]
fn shutdown_read_tells_a_parked_write() {
    let script = Script::default();
    let flow = script.flow();
    script.state().input.extend(vec!["x".into(); MANY]);
    let wakes = Wakes::new();
    let mut write = flow.write("y");
    assert!(poll(&wakes, &mut write).is_pending());
    ready(flow.shutdown(Shutdown::Read)).unwrap();
    while wakes.take() > 0 {
        assert!(poll(&wakes, &mut write).is_pending());
    }
    assert_eq!(script.state().input.len(), 0);
}
