//! What a switch runs when it is turned off.

use core::any::Any;
use core::fmt;
use core::mem;
use core::pin::Pin;
use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Weak;

use super::error::TurnOffError;
use super::shared::Shared;

/// A hook of a [`Switch`](crate::Switch), to take it out again.
///
/// Dropping this leaves the hook in its switch.
///
/// # Examples
///
/// ```
/// use flow_core::Switch;
///
/// # futures_lite::future::block_on(async {
/// let switch = Switch::new();
/// let hook = switch.add_hook(|| Err::<(), _>("not wanted any more")).unwrap();
/// assert!(hook.remove());
/// switch.turn_off().await.expect("no hook is left to fail");
/// # });
/// ```
pub struct Hook {
    switch: Weak<Shared>,
    key: u64,
}

impl Hook {
    pub(super) const fn new(switch: Weak<Shared>, key: u64) -> Self {
        Self { switch, key }
    }

    /// Takes the hook out of its switch and drops it: `true` if it has not been run, and now will not be.
    pub fn remove(self) -> bool {
        self.switch
            .upgrade()
            .is_some_and(|switch| switch.remove_hook(self.key))
    }
}

impl fmt::Debug for Hook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hook").finish_non_exhaustive()
    }
}

/// What a hook answers: `()`, or a `Result` whose error is for the report. What is in its `Ok` is dropped.
pub trait HookResult {
    /// The failure, if it is one.
    fn failure(self) -> Option<Box<dyn Error + Send + Sync>>;
}

impl HookResult for () {
    fn failure(self) -> Option<Box<dyn Error + Send + Sync>> {
        None
    }
}

impl<T, E: Into<Box<dyn Error + Send + Sync>>> HookResult for Result<T, E> {
    fn failure(self) -> Option<Box<dyn Error + Send + Sync>> {
        self.err().map(Into::into)
    }
}

/// What is left of a hook once it has run.
pub(super) type Outcome = Result<(), TurnOffError>;

/// A hook that is waiting for something.
pub(super) type HookFuture = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// A hook as the switch keeps it.
pub(super) trait Run: Send {
    fn needs_no_waiting(&self) -> bool;
    fn run(self: Box<Self>) -> Started;
}

pub(super) enum Started {
    Done(Outcome),
    Waits(HookFuture),
}

pub(super) struct AtOnce<F>(pub(super) F);

impl<F: FnOnce() -> R + Send, R: HookResult> Run for AtOnce<F> {
    fn needs_no_waiting(&self) -> bool {
        true
    }

    fn run(self: Box<Self>) -> Started {
        Started::Done(outcome((self.0)()))
    }
}

pub(super) struct Waiting<F>(pub(super) F);

impl<F, Fut> Run for Waiting<F>
where
    F: FnOnce() -> Fut + Send,
    Fut: Future<Output: HookResult> + Send + 'static,
{
    fn needs_no_waiting(&self) -> bool {
        false
    }

    fn run(self: Box<Self>) -> Started {
        let future = (self.0)();
        Started::Waits(Box::pin(async { outcome(future.await) }))
    }
}

fn outcome(result: impl HookResult) -> Outcome {
    match result.failure() {
        None => Ok(()),
        Some(cause) => Err(TurnOffError::Failed(cause)),
    }
}

/// Runs foreign code that must not keep the rest from being turned off.
///
/// Nothing of the switch's own is in a half-done state while it runs, so unwinding out of it is safe.
pub(super) fn caught<R>(run: impl FnOnce() -> R) -> Result<R, TurnOffError> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|payload| TurnOffError::Panicked(message(payload)))
}

fn message(payload: Box<dyn Any + Send>) -> String {
    let message = if let Some(text) = payload.downcast_ref::<&str>() {
        (*text).to_owned()
    } else if let Some(text) = payload.downcast_ref::<String>() {
        text.clone()
    } else {
        "(no message)".to_owned()
    };
    // A payload is anything, also something that panics when it is dropped.
    if let Err(again) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
        mem::forget(again);
    }
    message
}
