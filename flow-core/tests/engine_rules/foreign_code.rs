//! Code that is not the engine's runs where no lock is held, and not inside itself.

use std::sync::mpsc;
use std::sync::{Arc, Weak};
use std::task::{Context, Wake, Waker};
use std::thread;
use std::time::Duration;

use flow_core::memory;
use flow_core::{Bytes, Engine, Flow, FlowExt, ReadOp};

use crate::script::Script;
use crate::step::{Wakes, poll};

/// How long a test waits before it calls a deadlock one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The owner of an empty chunk that the transport received may use the flow when it is dropped.
#[test]
fn an_empty_chunk_is_dropped_under_no_lock() {
    struct Reads(Weak<Engine<Script>>);

    impl AsRef<[u8]> for Reads {
        fn as_ref(&self) -> &[u8] {
            b""
        }
    }

    impl Drop for Reads {
        fn drop(&mut self) {
            if let Some(flow) = self.0.upgrade() {
                let _ = poll(&Wakes::new(), &mut flow.read());
            }
        }
    }

    let (done, is_done) = mpsc::channel();
    thread::spawn(move || {
        let script = Script::default();
        let flow = Arc::new(script.flow());
        let empty = Bytes::from_owner(Reads(Arc::downgrade(&flow)));
        script.state().input.push_back(empty);
        assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
        done.send(()).unwrap();
    });
    is_done.recv_timeout(PATIENCE).expect("no deadlock");
}

/// Wakers that use flows inside `wake` do not run one another's wakes inside their own, however many there are.
#[test]
fn wakes_do_not_nest() {
    /// Too many to nest on the stack of this test's thread.
    const MANY: usize = 2000;
    const STACK: usize = 128 * 1024;

    struct UsesFlow;

    impl Wake for UsesFlow {
        fn wake(self: Arc<Self>) {
            let (flow, _wire) = memory::with_wire(1);
            assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
        }
    }

    let wakes = || {
        let (flow, _wire) = memory::with_wire(4);
        let mut ops: Vec<_> = (0..MANY).map(|_| ReadOp::new()).collect();
        for op in &mut ops {
            let waker = Waker::from(Arc::new(UsesFlow));
            let cx = &mut Context::from_waker(&waker);
            assert!(flow.poll_read(cx, op).is_pending());
        }
        flow.abort();
    };
    let small = thread::Builder::new().stack_size(STACK);
    small.spawn(wakes).unwrap().join().unwrap();
}
