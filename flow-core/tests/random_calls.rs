//! Random calls on one flow over a transport of random moods.
//!
//! The model is not of what each call answers, but of what must be true whatever was called:
//!
//! - *Nobody is forgotten.* Once all wakes that are due have come, and every task that was woken has polled until none is, polling
//!   again changes nothing: no call is ready, nothing moves in the transport, nobody is woken. Whatever it did change, a task had
//!   waited for without being woken.
//! - *Nobody spins.* It takes a bounded number of polls to get there.
//! - *Reads are in order*, none lost and none twice.
//! - *Writes are whole.* What was sent is some of the writes one after the other, each in one piece; those that were taken are among them.
//! - *All comes to an end*, and what is owed leaves, once the peer has ended and there is room for everything.
//!
//! This is so with one task for each call, and with one task for all of them, which polls the last that it made and keeps the others.
//!
//! Every run follows from its seed. `FLOW_SEED=<seed>` replays one and tells all that happens, `FLOW_SEEDS=<count>` makes more runs.
#![cfg(feature = "std")]

mod script;
mod step;

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::thread;

use flow_core::{CloseOp, Engine, Flow, FlushOp, ReadOp, Shutdown, ShutdownOp, WriteOp};

use script::{Script, State};
use step::Wakes;

/// How many runs each test makes, unless told otherwise.
const RUNS: u64 = 2000;
/// How many things happen in one run.
const STEPS: usize = 60;
/// A task that polls more often than this without anything happening outside spins.
const MOST_POLLS: usize = 3000;

#[test]
fn calls_of_many_tasks() {
    run_all("calls_of_many_tasks", Tasks::OnePerCall);
}

#[test]
fn calls_that_one_task_keeps() {
    run_all("calls_that_one_task_keeps", Tasks::OneForAll);
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tasks {
    /// Each call is polled when its own task is woken.
    OnePerCall,
    /// One task polls the last of its calls, and keeps the others as they are until that one is done.
    OneForAll,
}

fn run_all(test: &'static str, tasks: Tasks) {
    let number = |name| {
        let value = std::env::var(name).ok()?;
        Some(value.parse().expect("a number"))
    };
    let verbose = number("FLOW_SEED");
    let seeds = match verbose {
        Some(seed) => seed..=seed,
        None => 1..=number("FLOW_SEEDS").unwrap_or(RUNS),
    };
    for seed in seeds {
        let _replay = Replay { test, seed };
        Run::new(seed, tasks, verbose.is_some()).run();
    }
}

/// Says, when a run fails, how to see it again.
struct Replay {
    test: &'static str,
    seed: u64,
}

impl Drop for Replay {
    fn drop(&mut self) {
        if thread::panicking() {
            let Self { test, seed } = self;
            eprintln!(
                "replay: FLOW_SEED={seed} cargo test -p flow-core --test random_calls {test} -- --nocapture"
            );
        }
    }
}

/// Numbers that look random and follow from a seed.
struct Random(u64);

impl Random {
    fn new(seed: u64) -> Self {
        // Neighbouring seeds shall have nothing in common, and the state must not be 0.
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as usize % end
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }
}

enum Op {
    Read(ReadOp),
    Write(WriteOp, u8),
    Flush(FlushOp),
    Shutdown(ShutdownOp),
    Close(CloseOp),
}

/// An operation that is not ready yet.
struct Call {
    op: Op,
    wakes: Arc<Wakes>,
    made: usize,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.op {
            Op::Read(_) => f.write_str("read")?,
            Op::Write(_, id) => write!(f, "write {id}")?,
            Op::Flush(_) => f.write_str("flush")?,
            Op::Shutdown(op) => write!(f, "shutdown {:?}", op.how())?,
            Op::Close(_) => f.write_str("close")?,
        }
        write!(f, " of step {}", self.made)
    }
}

struct Run {
    verbose: bool,
    random: Random,
    tasks: Tasks,
    /// The task's, where there is one only.
    wakes: Arc<Wakes>,
    script: Script,
    flow: Engine<Script>,
    /// Much arrives, and much is written, at once: more than one call does.
    bulky: bool,
    has_pings: bool,
    shuts_reading: bool,
    step: usize,
    calls: Vec<Call>,
    /// How many chunks have arrived. Each is one byte: this count.
    arrived: usize,
    read: usize,
    /// How long each write is that was made. A write's bytes are its place here.
    lengths: Vec<usize>,
    /// Those that the flow has taken.
    taken: BTreeSet<u8>,
}

impl Run {
    fn new(seed: u64, tasks: Tasks, verbose: bool) -> Self {
        let mut random = Random::new(seed);
        let script = Script::new(|s| {
            s.at_once = [1, 3, 0][random.below(3)];
            s.forgets_when_ready = random.one_in(2);
            s.sees_peer_end = random.one_in(2);
            s.drains = random.one_in(2);
            s.room = random.below(5);
            s.buffers = random.one_in(3);
            s.end_waits = random.one_in(2);
        });
        Self {
            verbose,
            tasks,
            wakes: Wakes::new(),
            flow: script.flow(),
            script,
            bulky: random.one_in(4),
            has_pings: random.one_in(3),
            shuts_reading: random.one_in(3),
            step: 0,
            calls: Vec::new(),
            arrived: 0,
            read: 0,
            lengths: Vec::new(),
            taken: BTreeSet::new(),
            random,
        }
    }

    fn run(mut self) {
        while self.step < STEPS {
            self.do_something();
            if self.random.one_in(4) {
                self.settle();
                self.poll_unwoken();
            }
            self.step += 1;
        }
        self.end();
        self.check_sent();
    }

    fn tell(&self, what: fmt::Arguments<'_>) {
        if self.verbose {
            eprintln!("{:3} {what}", self.step);
        }
    }

    /// One of the things that callers and the outside do.
    fn do_something(&mut self) {
        match self.random.below(24) {
            0..=2 => self.call(Op::Read(ReadOp::new())),
            3..=5 => self.write(),
            6 => self.call(Op::Flush(FlushOp::new())),
            7 if self.step > 10 => self.call(Op::Close(CloseOp::new())),
            8 if self.step > 20 => self.shutdown(Shutdown::Write),
            9 if self.step > 20 && self.shuts_reading => self.shutdown(Shutdown::Read),
            10..=12 => self.arrive(),
            13 => self.make_room(),
            14 => self.toggle_drain(),
            15 if self.has_pings => self.ping(),
            16 => self.put_off(),
            17 if self.step > 40 => {
                self.tell(format_args!("the peer ends"));
                self.script.peer_ends();
            }
            18 | 19 => self.drop_one(),
            20 => self.poll_one(),
            _ => {
                self.poll_woken();
            }
        }
    }

    /// Makes a call: its first poll.
    fn call(&mut self, op: Op) {
        let wakes = match self.tasks {
            Tasks::OnePerCall => Wakes::new(),
            Tasks::OneForAll => Arc::clone(&self.wakes),
        };
        self.calls.push(Call {
            op,
            wakes,
            made: self.step,
        });
        self.poll(self.calls.len() - 1);
    }

    fn write(&mut self) {
        let length = if self.bulky {
            200 + self.random.below(300)
        } else {
            1 + self.random.below(6)
        };
        let id = u8::try_from(self.lengths.len()).expect("fewer writes than bytes");
        self.lengths.push(length);
        self.call(Op::Write(WriteOp::from(vec![id; length]), id));
    }

    fn shutdown(&mut self, how: Shutdown) {
        self.call(Op::Shutdown(ShutdownOp::new(how)));
    }

    fn arrive(&mut self) {
        if self.script.state().peer_ended {
            return;
        }
        let count = if self.bulky {
            self.random.below(300)
        } else {
            1 + self.random.below(3)
        };
        for _ in 0..count {
            let chunk = vec![self.arrived as u8].into();
            self.script.state().input.push_back(chunk);
            self.arrived += 1;
        }
        self.tell(format_args!("{count} chunks arrive"));
        // Otherwise the wake is under way.
        if self.random.one_in(2) {
            self.script.wake_receiving();
        }
    }

    fn make_room(&mut self) {
        let room = self.random.below(if self.bulky { 1000 } else { 8 });
        self.script.state().room += room;
        self.tell(format_args!("there is room for {room} more"));
        if self.random.one_in(2) {
            self.script.wake_sending();
        }
    }

    fn toggle_drain(&mut self) {
        let drains = !self.script.state().drains;
        self.script.state().drains = drains;
        self.tell(format_args!("the buffer inside drains: {drains}"));
        if drains {
            self.script.wake_sending();
        }
    }

    fn ping(&mut self) {
        self.tell(format_args!("a ping arrives"));
        self.script.state().pings += 1;
        self.script.wake_receiving();
    }

    fn put_off(&mut self) {
        let (receives, sends) = (self.random.below(3), self.random.below(3));
        self.tell(format_args!(
            "{receives} receives and {sends} sends are put off"
        ));
        let mut state = self.script.state();
        (state.putting_off_receives, state.putting_off_sends) = (receives, sends);
    }

    /// Some call of those that wait.
    fn any(&mut self) -> Option<usize> {
        let count = self.calls.len();
        (count > 0).then(|| self.random.below(count))
    }

    fn drop_one(&mut self) {
        if let Some(i) = self.any() {
            self.tell(format_args!("{} is dropped", self.calls[i]));
            self.calls.remove(i);
        }
    }

    /// Polls whether it was woken or not.
    fn poll_one(&mut self) {
        if let Some(i) = self.any() {
            self.poll(i);
        }
    }

    /// Polls a call whose task was woken, and says whether there was one.
    fn poll_woken(&mut self) -> bool {
        let woken = match self.tasks {
            Tasks::OnePerCall => self.calls.iter().position(|call| call.wakes.take() > 0),
            Tasks::OneForAll if self.wakes.take() > 0 => self.calls.len().checked_sub(1),
            Tasks::OneForAll => None,
        };
        if let Some(i) = woken {
            self.poll(i);
        }
        woken.is_some()
    }

    /// Polls a call, and says whether it was ready. It is then gone.
    fn poll(&mut self, i: usize) -> bool {
        let call = &mut self.calls[i];
        call.wakes.take();
        let waker = Waker::from(Arc::clone(&call.wakes));
        let cx = &mut Context::from_waker(&waker);
        let is_ready = match &mut call.op {
            Op::Read(op) => match self.flow.poll_read(cx, op) {
                Poll::Ready(Ok(Some(chunk))) => {
                    for byte in chunk {
                        assert_eq!(byte, self.read as u8, "read {}: out of order", self.read);
                        self.read += 1;
                    }
                    true
                }
                polled => polled.is_ready(),
            },
            Op::Write(op, id) => {
                let polled = self.flow.poll_write(cx, op);
                if op.is_taken() || matches!(polled, Poll::Ready(Ok(()))) {
                    self.taken.insert(*id);
                }
                polled.is_ready()
            }
            Op::Flush(op) => self.flow.poll_flush(cx, op).is_ready(),
            Op::Shutdown(op) => self.flow.poll_shutdown(cx, op).is_ready(),
            Op::Close(op) => self.flow.poll_close(cx, op).is_ready(),
        };
        let outcome = if is_ready { "ready" } else { "pending" };
        self.tell(format_args!("{} is {outcome}", self.calls[i]));
        if is_ready {
            self.calls.remove(i);
            // The one task goes on with the call before.
            Waker::from(Arc::clone(&self.wakes)).wake();
        }
        is_ready
    }

    /// All wakes that are due come, and whoever is woken polls, until nobody is.
    fn settle(&mut self) {
        self.tell(format_args!("settling"));
        let due = |due: fn(&State) -> bool| due(&self.script.state());
        if due(|s| !s.input.is_empty() || s.peer_ended || s.pings > 0) {
            self.script.wake_receiving();
        }
        if due(|s| s.peer_ended) {
            self.script.wake_ending();
        }
        if due(|s| s.room > 0 || s.drains) {
            self.script.wake_sending();
        }
        // The one task may have been woken, and have spent that on a call that is gone.
        Waker::from(Arc::clone(&self.wakes)).wake();
        let mut polls = 0;
        while self.poll_woken() {
            polls += 1;
            let calls = &self.calls;
            assert!(polls < MOST_POLLS, "spins: {}", names(calls));
        }
    }

    /// Once all is settled, polling without a wake changes nothing.
    fn poll_unwoken(&mut self) {
        self.tell(format_args!("polling though nobody was woken"));
        let polled = match self.tasks {
            Tasks::OnePerCall => self.calls.len(),
            Tasks::OneForAll => self.calls.len().min(1),
        };
        let before = self.script.state().progress();
        for i in (0..self.calls.len()).rev().take(polled) {
            {
                let mut state = self.script.state();
                (state.putting_off_receives, state.putting_off_sends) = (0, 0);
            }
            let name = self.calls[i].to_string();
            assert!(!self.poll(i), "{name} was ready, and not woken");
            let after = self.script.state().progress();
            assert_eq!(
                before, after,
                "{name} had something to do, and was not woken"
            );
        }
        for call in &self.calls {
            assert_eq!(
                call.wakes.take(),
                0,
                "{call} was woken, though nothing happened"
            );
        }
    }

    /// The peer ends, there is room for everything, and so all calls come to an end, and what was taken is sent.
    fn end(&mut self) {
        self.tell(format_args!("all ends"));
        {
            let mut state = self.script.state();
            state.peer_ended = true;
            state.drains = true;
            state.room = usize::MAX;
        }
        self.settle();
        assert!(self.calls.is_empty(), "never ready: {}", names(&self.calls));
        self.call(Op::Flush(FlushOp::new()));
        self.settle();
        assert!(self.calls.is_empty(), "the last flush is never ready");
        let holds_back = self.script.state().holds_back();
        assert!(!holds_back, "flushed, and not all that is owed has left");
    }

    /// What was sent is writes one after the other, each in one piece, with all that were taken among them.
    fn check_sent(&self) {
        let state = self.script.state();
        let mut seen = BTreeSet::new();
        for piece in state.sent.chunk_by(|a, b| a == b) {
            let id = piece[0];
            assert_eq!(
                piece.len(),
                self.lengths[usize::from(id)],
                "length of write {id}"
            );
            assert!(seen.insert(id), "write {id} was sent twice");
        }
        assert_eq!(seen, self.taken, "sent, and taken");
    }
}

fn names(calls: &[Call]) -> String {
    let names: Vec<_> = calls.iter().map(ToString::to_string).collect();
    names.join(", ")
}
