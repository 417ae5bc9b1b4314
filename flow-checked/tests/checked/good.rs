//! Good flows under a mixed load from many threads: nothing is reported.

use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread;

use flow_checked::Checked;
use flow_core::memory::{self, MemoryFlow};
use flow_core::{BoxFlow, Flow, FlowExt, Shutdown, Switch};

/// Whether a call was woken.
struct Woken(AtomicBool);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Polls on this thread: `None` if it was given up, after `polls` polls of which some are spurious.
fn drive<T>(call: impl Future<Output = T>, polls: u32, spurious: bool) -> Option<T> {
    let mut call = pin!(call);
    let woken = Arc::new(Woken(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    for _ in 0..polls {
        if let Poll::Ready(result) = call.as_mut().poll(&mut Context::from_waker(&waker)) {
            return Some(result);
        }
        // Whoever is not woken for long gives up: the other end may have nobody left.
        for _ in 0..if spurious { 0 } else { 200 } {
            if woken.0.swap(false, Ordering::SeqCst) {
                break;
            }
            thread::yield_now();
        }
    }
    None
}

/// Numbers that look random, from a seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }
}

fn one_call<F: Flow>(flow: &F, dice: &mut Dice, endings: bool) {
    let (polls, spurious) = (1 + dice.roll(4) as u32, dice.roll(3) == 0);
    let size = [0, 1, 50, 97, 200][dice.roll(5) as usize];
    match dice.roll(if endings { 64 } else { 58 }) {
        0..25 => drop(drive(flow.read(), polls, spurious)),
        25..50 => drop(drive(flow.write(vec![7; size]), polls, spurious)),
        50..54 => drop(drive(
            flow.writev([vec![1; size], vec![2; 3]]),
            polls,
            spurious,
        )),
        54..58 => drop(drive(flow.flush(), polls, spurious)),
        58 => drop(drive(flow.shutdown(Shutdown::Write), polls, spurious)),
        59 => drop(drive(flow.shutdown(Shutdown::Read), polls, spurious)),
        60 => drop(drive(flow.shutdown(Shutdown::Both), polls, spurious)),
        61 | 62 => drop(drive(flow.close(), polls, spurious)),
        _ => flow.abort(),
    }
}

type Reports = Arc<Mutex<Vec<String>>>;

fn checked(flow: MemoryFlow, how: u64, reports: &Reports) -> Checked<MemoryFlow> {
    let reports = Arc::clone(reports);
    let flow = Checked::with_report(flow, move |breach| {
        reports.lock().unwrap().push(breach.to_string());
    });
    let flow = if how & 1 == 0 {
        flow
    } else {
        flow.watch_wakes()
    };
    // Every fourth is on a switch, and may be aborted by it.
    if how & 2 == 0 {
        flow
    } else {
        flow.nobody_else_aborts()
    }
}

#[test]
fn a_mixed_load_on_good_flows_is_never_reported() {
    let reports = Reports::default();
    for seed in 0..120 {
        let (a, b) = memory::pair(97);
        let switch = Switch::new();
        if seed & 2 == 0 {
            a.attach(&switch).unwrap();
            b.attach(&switch).unwrap();
        }
        let (a, b) = (checked(a, seed, &reports), checked(b, seed, &reports));
        thread::scope(|s| {
            for who in 0..4 {
                let flow = if who % 2 == 0 { &a } else { &b };
                let mut dice = Dice(0x9e37_79b9 * (seed * 4 + who + 1));
                s.spawn(move || {
                    for round in 0..60 {
                        one_call(flow, &mut dice, round > 20);
                        if round % 16 == 0 {
                            flow.audit();
                        }
                    }
                });
            }
            if seed & 6 == 0 {
                let _ = drive(switch.turn_off(), 4, true);
            }
        });
        let reports = reports.lock().unwrap();
        assert!(reports.is_empty(), "seed {seed}: {}", reports.join("\n"));
    }
}

#[test]
fn many_parked_reads_of_one_task_and_of_many_are_not_reported() {
    let reports = Reports::default();
    let (a, b) = memory::pair(97);
    let a = checked(a, 3, &reports);
    let waker = crate::script::task();
    let mut one = Context::from_waker(&waker);
    let mut parked: Vec<_> = (0..20).map(|_| a.read()).collect();
    for (i, read) in parked.iter_mut().enumerate() {
        let own = crate::script::task();
        let task = if i % 2 == 0 { &waker } else { &own };
        let mut cx = Context::from_waker(task);
        assert!(Pin::new(read).poll(&mut cx).is_pending());
    }
    a.audit();
    // Every third is dropped, and the rest is served.
    let mut at = 0;
    parked.retain(|_| {
        at += 1;
        at % 3 != 0
    });
    a.audit();
    for read in &mut parked {
        assert!(drive(b.write("x"), 1, false).is_some_and(|sent| sent.is_ok()));
        assert!(Pin::new(read).poll(&mut one).is_ready());
    }
    let reports = reports.lock().unwrap();
    assert!(reports.is_empty(), "{}", reports.join("\n"));
}

#[test]
fn identity_passes_through() {
    for how in [2, 3] {
        let reports = Reports::default();
        let (a, b) = memory::pair(4);
        let a = checked(a, how, &reports);
        let waker = crate::script::task();
        let mut cx = Context::from_waker(&waker);
        let mut first = a.write("sixsix");
        assert!(Pin::new(&mut first).poll(&mut cx).is_pending());
        assert!(first.is_taken());
        assert!(first.cancel().is_none());
        let mut second = a.write("second");
        let own = crate::script::task();
        assert!(
            Pin::new(&mut second)
                .poll(&mut Context::from_waker(&own))
                .is_pending()
        );
        assert!(!second.is_taken());
        assert_eq!(second.cancel().unwrap().first(), b"second");
        let mut got = Vec::new();
        while got.len() < 6 {
            let chunk = drive(b.read(), 100, true).unwrap().unwrap().unwrap();
            got.extend_from_slice(&chunk);
            // Any later call drives what was taken.
            let _ = Pin::new(&mut a.read()).poll(&mut cx);
        }
        assert_eq!(got, b"sixsix");
        assert!(reports.lock().unwrap().is_empty());
    }
}

#[test]
fn threads_are_those_of_the_flow_inside() {
    fn everywhere<T: Send + Sync>(_: &T) {}
    let flow = Checked::new(memory::pair(4).0).watch_wakes();
    everywhere(&flow);
    let boxed: BoxFlow<_> = Box::new(flow);
    everywhere(&Checked::new(boxed));
}
