//! Runs models under loom, and shows that each can fail.
//!
//! A model finds a fault as a failed assertion or as threads that all wait. What follows a deadlock is unwinding through
//! destructors that need the checker, which aborts the process: so faults are put in in a process of their own, this test
//! once more.

use std::pin::pin;
use std::process::Command;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use flow_core::mutant;
use loom::sync::{Condvar, Mutex};
use loom::thread;

/// Names the fault in the process that has it.
const FAULT: &str = "FLOW_FAULT";

/// How many switches between threads that no thread asked for a model goes through, where it does not say so itself.
const PREEMPTIONS: usize = 3;

/// Checks `model`, and that it finds each of `faults`. `test` is the path of the test that calls this.
pub(crate) fn run(test: &str, model: fn(), faults: &[&str]) {
    run_within(PREEMPTIONS, test, model, faults);
}

/// The same for a model that would take too long otherwise, or finds its fault only later.
pub(crate) fn run_within(preemptions: usize, test: &str, model: fn(), faults: &[&str]) {
    if let Ok(fault) = std::env::var(FAULT) {
        mutant::set(String::leak(fault));
        return check(preemptions, model);
    }
    check(preemptions, model);
    for fault in faults {
        let output = Command::new(std::env::current_exe().unwrap())
            .args([test, "--exact"])
            .env(FAULT, fault)
            .env("RUST_BACKTRACE", "0")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        assert!(told.contains("running 1 test"), "no test called {test}");
        assert!(!output.status.success(), "{test} has not found {fault}");
    }
}

/// Every order of the threads with at most so many switches that no thread asked for.
fn check(preemptions: usize, model: fn()) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(preemptions);
    builder.check(model);
}

/// A waker that a thread of the model sleeps on. Not `loom::thread::park`: a thread that is unparked while it is blocked
/// on a mutex forgets it.
struct Sleeper {
    woken: Mutex<bool>,
    changed: Condvar,
}

impl Sleeper {
    fn sleep(&self) {
        let mut woken = self.woken.lock().unwrap();
        if *woken {
            // Woken before it sleeps: as in an executor's queue, others run first. One of them may be what it waits for.
            *woken = false;
            drop(woken);
            return thread::yield_now();
        }
        while !*woken {
            woken = self.changed.wait(woken).unwrap();
        }
        *woken = false;
    }
}

impl Wake for Sleeper {
    fn wake(self: Arc<Self>) {
        *self.woken.lock().unwrap() = true;
        self.changed.notify_one();
    }
}

/// Runs `future` on this thread of the model.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let sleeper = Arc::new(Sleeper {
        woken: Mutex::new(false),
        changed: Condvar::new(),
    });
    let waker = Waker::from(sleeper.clone());
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => sleeper.sleep(),
        }
    }
}
