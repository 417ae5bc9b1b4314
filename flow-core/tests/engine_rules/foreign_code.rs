//! Code that is not the engine's runs where no lock is held, and not inside itself.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
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

/// Wakers that use flows inside `wake` do not run one another's wakes inside their own: many of them would fill the stack.
#[test]
fn wakes_do_not_nest() {
    /// How many wakes of one flow run inside each other, and how many at most.
    #[derive(Default)]
    struct Nested(AtomicUsize, AtomicUsize);

    impl Wake for Nested {
        fn wake(self: Arc<Self>) {
            let depth = self.0.fetch_add(1, SeqCst) + 1;
            self.1.fetch_max(depth, SeqCst);
            let (flow, _wire) = memory::with_wire(1);
            assert!(poll(&Wakes::new(), &mut flow.read()).is_pending());
            self.0.fetch_sub(1, SeqCst);
        }
    }

    let (flow, _wire) = memory::with_wire(4);
    let nested = Arc::new(Nested::default());
    let waker = Waker::from(Arc::clone(&nested));
    let mut ops = [const { ReadOp::new() }; 10];
    for op in &mut ops {
        let cx = &mut Context::from_waker(&waker);
        assert!(flow.poll_read(cx, op).is_pending());
    }
    flow.abort();
    assert_eq!(nested.1.load(SeqCst), 1);
}
