//! One handle that ends many flows.

mod error;
mod hook;
mod shared;
mod slots;

use core::fmt;
use core::pin::Pin;
use core::task::{Context, Poll};
use std::sync::{Arc, Weak};

use self::hook::{AtOnce, Waiting};
use self::shared::Shared;

pub use self::error::{SwitchOff, TurnOffError, TurnOffErrors};
pub use self::hook::{Hook, HookResult};

/// Ends everything that was attached to it: flows made with it, and hooks.
///
/// Hand a switch to the functions that make flows (`connect_with(fd, &switch)` and their like), keep a clone, and
/// [`turn_off`](Self::turn_off) aborts all of them, wherever they are and whatever they are doing. Clones are handles of the same switch. Flows
/// are held weakly: one that is dropped leaves nothing behind.
///
/// When the last handle is dropped while the switch is on, its flows are aborted and the hooks that need no waiting are run, by
/// the thread that dropped it; the other hooks are dropped unrun. A [`TurnOff`] counts as a handle. [`scope`](Self::scope) does the whole
/// for a stretch of code.
///
/// # Hooks
///
/// [`add_hook`](Self::add_hook) is for what needs no waiting, [`add_async_hook`](Self::add_async_hook) for what does. They run after
/// the flows were aborted, newest first, each after the one before is done. One that fails or panics does not
/// stop the rest; the failures are reported by [`turn_off`](Self::turn_off).
///
/// # Examples
///
/// ```
/// use flow_core::Switch;
///
/// # futures_lite::future::block_on(async {
/// let switch = Switch::new();
/// switch.add_hook(|| println!("last"))?;
/// switch.add_async_hook(async || {
///     println!("first");
///     Err::<(), _>("the log could not be written")
/// })?;
///
/// let report = switch.turn_off().await.unwrap_err();
/// assert_eq!(report.iter().len(), 1);
/// assert!(!switch.is_on());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
///
/// # Common issues
///
/// - *A switch is dropped and nothing happens:* a clone lives on. One that a hook of the same switch has captured lives until
///   the switch is turned off.
/// - *A hook cannot write to a flow:* the flow is attached to the same switch, and was aborted before the hooks run.
/// - *`turn_off` does not return:* a hook waits for something that does not happen, or for the `turn_off` of its own switch. Put a timeout
///   around it: dropping a `turn_off` loses nothing.
#[derive(Clone)]
pub struct Switch {
    handle: Arc<Handle>,
}

impl Switch {
    /// A switch that is on.
    #[must_use]
    pub fn new() -> Self {
        Self {
            handle: Arc::new(Handle {
                shared: Arc::new(Shared::new()),
            }),
        }
    }

    /// Whether things can be attached: from the first poll of a [`turn_off`](Self::turn_off) on it is `false`.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shared().is_on()
    }

    /// Aborts every flow, then runs the hooks, newest first and one by one; ready when all are done.
    ///
    /// It begins at the first poll. May be called again, also at the same time and from other tasks: every caller waits until
    /// all is done, and whichever is polled goes on with the work.
    ///
    /// # Errors
    ///
    /// Everything is off, but some hooks failed or panicked. Each caller gets the same report.
    ///
    /// # Cancel safety
    ///
    /// Dropped half-way, the switch stays off and what was not reached stays to be done: the next `turn_off`, or
    /// another under way, goes on, in the middle of a hook if that was where it stopped.
    ///
    /// # Panics
    ///
    /// Never; but the future panics if it is polled after it was ready.
    ///
    /// # Examples
    ///
    /// With a timeout, which is a `select` as always:
    ///
    /// ```
    /// use flow_core::Switch;
    /// use futures_lite::future;
    ///
    /// # let timeout = future::ready(());
    /// # future::block_on(async {
    /// let switch = Switch::new();
    /// switch.add_async_hook(future::pending::<()>)?;
    /// let in_time = async { switch.turn_off().await.is_ok() };
    /// let in_time = future::or(in_time, async { timeout.await; false }).await;
    /// assert!(!in_time);
    /// // The last handle goes without waiting for that hook any longer.
    /// drop(switch);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn turn_off(&self) -> TurnOff {
        TurnOff {
            switch: Some(self.clone()),
            key: None,
        }
    }

    /// Adds something to be run when the switch is turned off, or dropped. It must not block.
    ///
    /// The [`Hook`] takes it out again; dropping the `Hook` leaves it in.
    ///
    /// # Errors
    ///
    /// [`SwitchOff`] gives the hook back if the switch is off, also in a hook that is run by `turn_off`.
    ///
    /// # Panics
    ///
    /// Never.
    pub fn add_hook<F, R>(&self, hook: F) -> Result<Hook, SwitchOff<F>>
    where
        F: FnOnce() -> R + Send + 'static,
        R: HookResult + 'static,
    {
        match self.shared().add_hook(AtOnce(hook)) {
            Ok(key) => Ok(self.hook(key)),
            Err(refused) => Err(refused.map(|hook| hook.0)),
        }
    }

    /// Adds something to be run and waited for when the switch is turned off.
    ///
    /// It is dropped unrun when the last handle is dropped without a `turn_off`, because then nobody is left to wait. The [`Hook`]
    /// takes it out again; dropping the `Hook` leaves it in.
    ///
    /// # Errors
    ///
    /// [`SwitchOff`] gives the hook back if the switch is off, also in a hook that is run by `turn_off`.
    ///
    /// # Panics
    ///
    /// Never.
    ///
    /// # Examples
    ///
    /// A flow that says goodbye is closed by a hook, in place of being attached, which would abort it:
    ///
    /// ```
    /// use flow_core::{FlowExt, Switch, memory};
    ///
    /// # futures_lite::future::block_on(async {
    /// let switch = Switch::new();
    /// let (flow, peer) = memory::pair(64);
    /// switch.add_async_hook(async move || {
    ///     flow.write("goodbye").await?;
    ///     flow.close().await
    /// })?;
    ///
    /// let server = async {
    ///     assert_eq!(peer.read().await?.as_deref(), Some(&b"goodbye"[..]));
    ///     assert_eq!(peer.read().await?, None);
    ///     peer.close().await
    /// };
    /// let (off, served) = futures_lite::future::zip(switch.turn_off(), server).await;
    /// off?;
    /// served?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// # }).unwrap();
    /// ```
    pub fn add_async_hook<F, Fut>(&self, hook: F) -> Result<Hook, SwitchOff<F>>
    where
        F: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output: HookResult> + Send + 'static,
    {
        match self.shared().add_hook(Waiting(hook)) {
            Ok(key) => Ok(self.hook(key)),
            Err(refused) => Err(refused.map(|hook| hook.0)),
        }
    }

    /// Runs `body` with a switch of its own, which is turned off at the end.
    ///
    /// If the scope is dropped before that, or `body` panics, the switch is off for good, as if the last handle had been dropped, also where
    /// a clone has left the scope: flows are aborted, the hooks that need no waiting are run, the others dropped.
    ///
    /// The output is that of `body`. To see which hooks failed, `turn_off` the switch as the last thing in `body`.
    ///
    /// # Cancel safety
    ///
    /// Dropping it drops `body` and turns the switch off without waiting.
    ///
    /// # Panics
    ///
    /// Only if `body` does.
    ///
    /// # Examples
    ///
    /// ```
    /// use flow_core::Switch;
    ///
    /// # futures_lite::future::block_on(async {
    /// let answer = Switch::scope(async |switch| {
    ///     switch.add_async_hook(async || println!("tidied up")).unwrap();
    ///     42
    /// })
    /// .await;
    /// assert_eq!(answer, 42);
    /// # });
    /// ```
    pub async fn scope<T>(body: impl AsyncFnOnce(Self) -> T) -> T {
        let scope = Scope(Self::new());
        let value = body(scope.0.clone()).await;
        // The report is kept for whoever asks with a turn_off of its own.
        let _ = scope.0.turn_off().await;
        value
    }

    /// Has `target` aborted when the switch is turned off or dropped, as long as it lives and the [`Attachment`] is not dropped.
    pub(crate) fn attach(
        &self,
        target: Weak<dyn AbortTarget>,
    ) -> Result<Attachment, SwitchOff<()>> {
        let shared = self.shared().clone();
        let key = shared.attach(target)?;
        Ok(Attachment { shared, key })
    }

    /// For the models: attaches something that is no flow.
    #[cfg(loom)]
    #[doc(hidden)]
    pub fn attach_fn<F>(&self, target: Weak<F>) -> Result<impl fmt::Debug + use<F>, SwitchOff<()>>
    where
        F: Fn() + Send + Sync + 'static,
    {
        self.attach(target)
    }

    fn hook(&self, key: u64) -> Hook {
        Hook::new(Arc::downgrade(self.shared()), key)
    }

    fn shared(&self) -> &Arc<Shared> {
        &self.handle.shared
    }
}

impl Default for Switch {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Switch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Switch")
            .field("on", &self.is_on())
            .field("flows", &self.shared().attached())
            .finish_non_exhaustive()
    }
}

/// What the handles of a switch own in common, apart from what flows and hooks refer to: dropped with the last handle.
struct Handle {
    shared: Arc<Shared>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.shared.abandon();
    }
}

/// Turns a switch off when it is dropped, whatever other handles there are.
struct Scope(Switch);

impl Drop for Scope {
    fn drop(&mut self) {
        self.0.shared().abandon();
    }
}

/// A [`turn_off`](Switch::turn_off) under way. A handle of the switch, for as long as it is not ready.
#[must_use = "futures do nothing unless polled"]
pub struct TurnOff {
    /// `None` once ready.
    switch: Option<Switch>,
    /// Under which it waits.
    key: Option<u64>,
}

impl TurnOff {
    /// Whether it is over, and must not be polled again.
    #[must_use]
    pub const fn is_terminated(&self) -> bool {
        self.switch.is_none()
    }
}

impl Future for TurnOff {
    type Output = Result<(), TurnOffErrors>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let Some(switch) = &this.switch else {
            panic!("TurnOff polled after it was ready");
        };
        let shared = switch.shared();
        // To wait comes first, so that no wake is missed by what is done next.
        shared.enter(&mut this.key, cx.waker().clone());
        shared.drive(this.key);
        let Some(report) = shared.report() else {
            return Poll::Pending;
        };
        this.switch = None;
        Poll::Ready(report)
    }
}

impl Drop for TurnOff {
    fn drop(&mut self) {
        if let (Some(switch), Some(key)) = (&self.switch, self.key) {
            switch.shared().leave(key);
        }
    }
}

impl fmt::Debug for TurnOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TurnOff")
            .field("switch", &self.switch)
            .finish_non_exhaustive()
    }
}

/// What a switch aborts. Called on whichever thread turns it off, never under the switch's lock, at most once.
pub(crate) trait AbortTarget: Send + Sync {
    /// Ends it at once, without waiting.
    fn abort_now(&self);
}

#[cfg(any(test, loom))]
impl<F: Fn() + Send + Sync> AbortTarget for F {
    fn abort_now(&self) {
        self();
    }
}

/// A flow's place in its switch, left when this is dropped.
pub(crate) struct Attachment {
    shared: Arc<Shared>,
    key: usize,
}

impl Drop for Attachment {
    fn drop(&mut self) {
        self.shared.detach(self.key);
    }
}

impl fmt::Debug for Attachment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attachment").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

    use futures_lite::future::block_on;

    use super::*;

    fn counter() -> (Arc<AtomicUsize>, Arc<impl Fn() + Send + Sync + 'static>) {
        let aborts = Arc::new(AtomicUsize::new(0));
        let counted = aborts.clone();
        let target = Arc::new(move || {
            counted.fetch_add(1, Relaxed);
        });
        (aborts, target)
    }

    fn weak<F: Fn() + Send + Sync + 'static>(target: &Arc<F>) -> Weak<dyn AbortTarget> {
        let target: Weak<F> = Arc::downgrade(target);
        target
    }

    #[test]
    fn every_attached_target_is_aborted_once_and_no_other() {
        let switch = Switch::new();
        let (aborts, target) = counter();
        let attached: Vec<_> = (0..100)
            .map(|_| switch.attach(weak(&target)).unwrap())
            .collect();
        let (other_aborts, other) = counter();
        drop(switch.attach(weak(&other)).unwrap());
        assert_eq!(aborts.load(Relaxed), 0);
        block_on(switch.turn_off()).unwrap();
        assert_eq!(aborts.load(Relaxed), 100);
        block_on(switch.turn_off()).unwrap();
        drop(attached);
        drop(switch);
        assert_eq!(aborts.load(Relaxed), 100);
        assert_eq!(other_aborts.load(Relaxed), 0);
    }

    #[test]
    fn a_switch_that_is_off_refuses() {
        let switch = Switch::new();
        block_on(switch.turn_off()).unwrap();
        let (aborts, target) = counter();
        switch.attach(weak(&target)).unwrap_err().into_inner();
        assert_eq!(aborts.load(Relaxed), 0);
    }

    #[test]
    fn a_million_dropped_flows_leave_nothing() {
        let switch = Switch::new();
        let (aborts, target) = counter();
        let kept = switch.attach(weak(&target)).unwrap();
        for _ in 0..1_000_000 {
            let (_, flow) = counter();
            drop(switch.attach(weak(&flow)).unwrap());
        }
        assert_eq!(Arc::weak_count(&target), 1);
        // The key after a million: the slots were used again.
        let next = switch.attach(weak(&target)).unwrap();
        assert_eq!((kept.key, next.key), (0, 1));
        assert_eq!(switch.shared().attached(), 2);
        block_on(switch.turn_off()).unwrap();
        assert_eq!(aborts.load(Relaxed), 2);
        assert_eq!(Arc::weak_count(&target), 0);
    }

    #[test]
    fn a_target_may_detach_attach_and_drop_handles_from_its_abort() {
        let switch = Switch::new();
        let (others, other) = counter();
        let attachment = switch.attach(weak(&other)).unwrap();
        let held = std::sync::Mutex::new(Some((attachment, switch.clone())));
        let aborts = Arc::new(AtomicUsize::new(0));
        let counted = aborts.clone();
        let target = Arc::new(move || {
            counted.fetch_add(1, Relaxed);
            let (attachment, switch) = held.lock().unwrap().take().unwrap();
            drop(attachment);
            let (_, escaping) = counter();
            assert!(switch.attach(weak(&escaping)).is_err());
            assert!(!format!("{switch:?}").is_empty());
        });
        let _attached = switch.attach(weak(&target)).unwrap();
        block_on(switch.turn_off()).unwrap();
        assert_eq!((aborts.load(Relaxed), others.load(Relaxed)), (1, 0));
    }

    #[test]
    fn a_panicking_abort_spares_the_others_and_is_reported() {
        let switch = Switch::new();
        let (aborts, target) = counter();
        let bad = Arc::new(|| panic!("no abort"));
        let _attached = [
            switch.attach(weak(&target)).unwrap(),
            switch.attach(weak(&bad)).unwrap(),
            switch.attach(weak(&target)).unwrap(),
        ];
        let report = block_on(switch.turn_off()).unwrap_err();
        assert_eq!(aborts.load(Relaxed), 2);
        let messages: Vec<_> = report.iter().map(ToString::to_string).collect();
        assert_eq!(messages, ["panicked: no abort"]);
    }

    #[test]
    fn the_last_handle_aborts() {
        let switch = Switch::new();
        let (aborts, target) = counter();
        let attached = switch.attach(weak(&target)).unwrap();
        drop(switch.clone());
        assert_eq!(aborts.load(Relaxed), 0);
        drop(switch);
        assert_eq!(aborts.load(Relaxed), 1);
        drop(attached);
    }

    #[test]
    fn a_scope_dropped_early_aborts_though_a_clone_escaped() {
        let (aborts, target) = counter();
        let (escaped, attached) = (
            std::sync::OnceLock::new(),
            std::sync::Mutex::new(Vec::new()),
        );
        let mut scope = Box::pin(Switch::scope(async |switch| {
            attached
                .lock()
                .unwrap()
                .push(switch.attach(weak(&target)).unwrap());
            escaped.set(switch).unwrap();
            core::future::pending::<()>().await;
        }));
        let mut cx = Context::from_waker(core::task::Waker::noop());
        assert!(scope.as_mut().poll(&mut cx).is_pending());
        assert_eq!(aborts.load(Relaxed), 0);
        drop(scope);
        assert_eq!(aborts.load(Relaxed), 1);
        assert!(!escaped.get().unwrap().is_on());
    }
}
