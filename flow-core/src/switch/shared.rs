//! What all handles of a switch share, and how it is turned off.
//!
//! Turning off is work in steps: abort a flow, start a hook, poll a hook. Whoever polls a `TurnOff` does the steps, one
//! caller at a time, and a hook that waits stays here, so that dropping the caller loses nothing. No foreign code (aborts, hooks,
//! wakers; running, cloning or dropping them) is under the lock.
//!
//! The invariant that keeps wakes from being lost: while a caller's waker is in `waiting`, either somebody is
//! at the steps now, or a hook waits that has not woken us since it was polled. Whoever ends that state wakes all.

use core::mem;
use core::task::{Context, Poll, Waker};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::task::Wake;

use super::AbortTarget;
use super::error::{SwitchOff, TurnOffError, TurnOffErrors};
use super::hook::{HookFuture, Outcome, Run, Started, caught};
use super::slots::Slots;
use crate::mutant::mutant;
use crate::section;
use crate::sync::{Mutex, MutexGuard, lock};

pub(super) struct Shared {
    state: Mutex<State>,
}

struct State {
    on: bool,
    /// Nobody is left to wait: what needs waiting is dropped unrun.
    abandoned: bool,
    /// Set once everything is off.
    report: Option<Result<(), TurnOffErrors>>,
    work: Work,
    /// Whether a hook has woken us since the last poll of one began.
    woken: bool,
    flows: Slots<Weak<dyn AbortTarget>>,
    /// By age.
    hooks: BTreeMap<u64, Box<dyn Run>>,
    failures: Vec<TurnOffError>,
    /// The latest waker of each caller.
    waiting: Vec<(u64, Waker)>,
    /// Numbers hooks and callers.
    next_key: u64,
}

enum Work {
    /// Nobody is at it.
    Free,
    /// Somebody is at a step: a caller, or whoever abandons the switch.
    UnderWay(Option<u64>),
    /// A hook waits.
    Waits(HookFuture),
}

enum Step {
    Abort(Weak<dyn AbortTarget>),
    Start(Box<dyn Run>),
    Poll(HookFuture),
    /// Drop a hook that has not been run.
    Discard(Box<dyn Run>),
    /// Drop a hook that is half done.
    Cancel(HookFuture),
    /// There is nothing to do, or nothing now.
    Stop,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                on: true,
                abandoned: false,
                report: None,
                work: Work::Free,
                woken: false,
                flows: Slots::new(),
                hooks: BTreeMap::new(),
                failures: Vec::new(),
                waiting: Vec::new(),
                next_key: 0,
            }),
        }
    }

    pub(super) fn is_on(&self) -> bool {
        lock(&self.state).on
    }

    pub(super) fn attach(&self, target: Weak<dyn AbortTarget>) -> Result<usize, SwitchOff<()>> {
        if mutant!("switch_attach_checks_early") && !self.is_on() {
            return Err(SwitchOff::new(()));
        }
        let mut state = lock(&self.state);
        if !state.on && !mutant!("switch_attach_checks_early") {
            return Err(SwitchOff::new(()));
        }
        Ok(state.flows.insert(target))
    }

    pub(super) fn detach(&self, key: usize) {
        let target = lock(&self.state).flows.remove(key);
        drop(target);
    }

    pub(super) fn attached(&self) -> usize {
        lock(&self.state).flows.len()
    }

    pub(super) fn add_hook<H: Run + 'static>(&self, hook: H) -> Result<u64, SwitchOff<H>> {
        let hook = Box::new(hook);
        let mut state = lock(&self.state);
        if !state.on {
            drop(state);
            return Err(SwitchOff::new(*hook));
        }
        let key = state.number();
        state.hooks.insert(key, hook);
        Ok(key)
    }

    pub(super) fn remove_hook(&self, key: u64) -> bool {
        let hook = lock(&self.state).hooks.remove(&key);
        hook.is_some()
    }

    /// A caller begins or goes on to wait, to be woken by `waker` alone.
    pub(super) fn enter(&self, key: &mut Option<u64>, waker: Waker) {
        let mut state = lock(&self.state);
        state.on = false;
        if state.report.is_some() {
            return unlock_first(state, waker);
        }
        let key = *key.get_or_insert_with(|| state.number());
        let before = match state.waiting.iter_mut().find(|(k, _)| *k == key) {
            Some((_, held)) => Some(mem::replace(held, waker)),
            None => {
                state.waiting.push((key, waker));
                None
            }
        };
        unlock_first(state, before);
    }

    /// A caller does not wait any more.
    pub(super) fn leave(&self, key: u64) {
        let mut state = lock(&self.state);
        let found = state.waiting.iter().position(|(k, _)| *k == key);
        let waker = found.map(|i| state.waiting.swap_remove(i));
        unlock_first(state, waker);
    }

    pub(super) fn report(&self) -> Option<Result<(), TurnOffErrors>> {
        lock(&self.state).report.clone()
    }

    /// Turns off what needs no waiting, and drops the rest.
    pub(super) fn abandon(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.on = false;
        state.abandoned = true;
        drop(state);
        self.drive(None);
    }

    /// Does what can be done now, unless somebody else is at it.
    pub(super) fn drive(self: &Arc<Self>, caller: Option<u64>) {
        let mut step = self.first_step(caller);
        loop {
            step = match step {
                Step::Abort(target) => self.next_step(caught(move || {
                    if let Some(target) = target.upgrade() {
                        target.abort_now();
                    }
                })),
                Step::Start(hook) => match caught(|| hook.run()) {
                    Ok(Started::Done(outcome)) => self.next_step(outcome),
                    Ok(Started::Waits(future)) => Step::Poll(future),
                    Err(panicked) => self.next_step(Err(panicked)),
                },
                Step::Poll(mut future) => {
                    let waker = Waker::from(self.clone());
                    let polled = caught(move || {
                        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
                            // A hook that is done is dropped here: its destructor may panic as well.
                            Poll::Ready(outcome) => Ok(outcome),
                            Poll::Pending => Err(future),
                        }
                    });
                    match polled {
                        Ok(Ok(outcome)) => self.next_step(outcome),
                        Ok(Err(future)) => self.wait(future),
                        Err(panicked) => self.next_step(Err(panicked)),
                    }
                }
                Step::Discard(hook) => self.next_step(caught(move || drop(hook))),
                Step::Cancel(future) => self.next_step(caught(move || drop(future))),
                Step::Stop => return,
            };
        }
    }

    fn first_step(&self, caller: Option<u64>) -> Step {
        let mut state = lock(&self.state);
        if state.report.is_some() {
            return Step::Stop;
        }
        match mem::replace(&mut state.work, Work::UnderWay(caller)) {
            Work::Free => choose(state),
            Work::Waits(future) if state.abandoned => Step::Cancel(future),
            Work::Waits(future) if state.woken => {
                state.woken = false;
                Step::Poll(future)
            }
            work @ (Work::UnderWay(_) | Work::Waits(_)) => {
                state.work = work;
                Step::Stop
            }
        }
    }

    fn next_step(&self, outcome: Outcome) -> Step {
        let mut state = lock(&self.state);
        if let Err(failure) = outcome {
            state.failures.push(failure);
        }
        choose(state)
    }

    /// The hook under way has to wait.
    fn wait(&self, future: HookFuture) -> Step {
        let mut state = lock(&self.state);
        if state.abandoned && !mutant!("switch_wait_misses_abandon") {
            return Step::Cancel(future);
        }
        state.work = Work::Waits(future);
        // A wake that came during the poll has missed whoever came to wait after it.
        if state.woken && !mutant!("switch_forgets_wake_during_poll") {
            wake_all(state, None);
        }
        Step::Stop
    }
}

/// What hooks are polled with.
impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.woken = true;
        wake_all(state, None);
    }
}

impl State {
    const fn number(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }
}

/// The next thing to turn off. Called by whoever is at it.
fn choose(mut state: MutexGuard<'_, State>) -> Step {
    // Wakes so far were for a hook that is done.
    state.woken = false;
    if let Some(target) = state.flows.pop() {
        return Step::Abort(target);
    }
    if let Some((_, hook)) = state.hooks.pop_last() {
        return if state.abandoned && !hook.needs_no_waiting() {
            Step::Discard(hook)
        } else {
            Step::Start(hook)
        };
    }
    let failures = mem::take(&mut state.failures);
    state.report = Some(TurnOffErrors::report(failures));
    let caller = match mem::replace(&mut state.work, Work::Free) {
        Work::UnderWay(caller) => caller,
        Work::Free | Work::Waits(_) => None,
    };
    wake_all(state, caller);
    Step::Stop
}

/// Wakes all callers but `but`, who is running: each is polled once, and the first to come goes on. Waking only one
/// would leave the others to a future that may be kept and never polled again.
fn wake_all(mut state: MutexGuard<'_, State>, but: Option<u64>) {
    let mut waiting = mem::take(&mut state.waiting);
    if mutant!("switch_wakes_first_only") {
        state.waiting = waiting.split_off(waiting.len().min(1));
    }
    drop(state);
    for (key, waker) in waiting {
        if Some(key) != but {
            section::wake(waker);
        }
    }
}

/// Drops `value` after the lock.
fn unlock_first<T>(state: MutexGuard<'_, State>, value: T) {
    drop(state);
    drop(value);
}
