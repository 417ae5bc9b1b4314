//! What runs inside a wake or a drop: a waker that acts, and a reader that may be polled from anywhere.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Bytes, Flow, ReadOp};

thread_local! {
    /// What the wakers of this thread do. Taken out while it runs.
    static ACTS: RefCell<HashMap<u64, Box<dyn FnMut()>>> = RefCell::default();
}

/// Lets go of what the wakers of this thread do, and with that of the flows that they hold.
pub(super) struct Forget;

impl Drop for Forget {
    fn drop(&mut self) {
        drop(ACTS.take());
    }
}

/// Runs its act inside the wake, on the law's thread. Woken on another thread it leaves that to the law.
pub(super) struct Reenter {
    id: u64,
    home: std::thread::ThreadId,
    late: AtomicBool,
}

impl Reenter {
    pub(super) fn new(act: impl FnMut() + 'static) -> Arc<Self> {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let id = NEXT.fetch_add(1, Ordering::Relaxed);
        ACTS.with_borrow_mut(|acts| acts.insert(id, Box::new(act)));
        Arc::new(Self {
            id,
            home: std::thread::current().id(),
            late: AtomicBool::new(false),
        })
    }

    fn act(&self) {
        // Woken again by what it does itself, or at the very end of the thread, it has nothing more to do.
        let take = |acts: &RefCell<HashMap<_, _>>| acts.borrow_mut().remove(&self.id);
        let taken: Option<Box<dyn FnMut()>> = ACTS.try_with(take).ok().flatten();
        if let Some(mut act) = taken {
            act();
            ACTS.with_borrow_mut(|acts| acts.insert(self.id, act));
        }
    }

    /// Acts if woken elsewhere.
    pub(super) fn act_if_late(&self) {
        if self.late.swap(false, Ordering::SeqCst) {
            self.act();
        }
    }
}

impl Wake for Reenter {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if std::thread::current().id() == self.home {
            self.act();
        } else {
            self.late.store(true, Ordering::SeqCst);
        }
    }
}

pub(super) type Kept<T> = Rc<RefCell<T>>;

/// A wake that came where nobody could poll.
#[derive(Default)]
struct Missed(AtomicBool);

impl Wake for Missed {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// What a re-entering reader needs in reach: the flow, its call, and what it got.
pub(super) struct Reader<F> {
    pub(super) flow: Rc<F>,
    op: Kept<ReadOp>,
    pub(super) got: Kept<Vec<Bytes>>,
    pub(super) ended: Kept<bool>,
    missed: Arc<Missed>,
}

impl<F> Clone for Reader<F> {
    fn clone(&self) -> Self {
        Self {
            flow: Rc::clone(&self.flow),
            op: Rc::clone(&self.op),
            got: Rc::clone(&self.got),
            ended: Rc::clone(&self.ended),
            missed: Arc::clone(&self.missed),
        }
    }
}

impl<F: Flow> Reader<F> {
    pub(super) fn new(flow: &Rc<F>) -> Self {
        Self {
            flow: Rc::clone(flow),
            op: Kept::default(),
            got: Kept::default(),
            ended: Kept::default(),
            missed: Arc::default(),
        }
    }

    /// Polls, from wherever. Woken inside that very poll, it is for [`poll_if_missed`](Self::poll_if_missed) to poll again.
    pub(super) fn poll(&self, cx: &mut Context<'_>) {
        let Ok(mut op) = self.op.try_borrow_mut() else {
            self.missed.wake_by_ref();
            return;
        };
        match self.flow.poll_read(cx, &mut op) {
            Poll::Ready(Ok(Some(chunk))) => self.got.borrow_mut().push(chunk),
            Poll::Ready(Ok(None)) => *self.ended.borrow_mut() = true,
            Poll::Ready(Err(_)) | Poll::Pending => {}
        }
    }

    /// Polls inside a wake.
    pub(super) fn poll_inside(&self) {
        let waker = Waker::from(Arc::clone(&self.missed));
        self.poll(&mut Context::from_waker(&waker));
    }

    /// Polls if a poll inside a wake was put off: a flow may wake and answer pending to let others have their turn.
    pub(super) fn poll_if_missed(&self) -> bool {
        let missed = self.missed.0.swap(false, Ordering::SeqCst);
        if missed {
            self.poll_inside();
        }
        missed
    }

    /// Drops the call, from wherever.
    pub(super) fn cancel(&self) {
        if let Ok(mut op) = self.op.try_borrow_mut() {
            let gone = std::mem::take(&mut *op);
            drop(op);
            drop(gone);
        }
    }
}
