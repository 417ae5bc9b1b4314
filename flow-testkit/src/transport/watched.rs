//! A transport under watch: what the rules of `Transport` ask of it beyond what a flow's callers see.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Bytes, Chunks, Delivered, PeerEnd, Transport, WriteError};

/// The first rule that was broken.
pub(super) type Complaint = Rc<RefCell<Option<(&'static str, &'static str)>>>;

/// So many times ready in a row without taking a byte is for ever.
const IDLE: usize = 16;

pub(super) struct Watched<T> {
    pub(super) transport: T,
    pub(super) complaint: Complaint,
}

/// The state of a direction, and the one waker that it is polled with.
pub(super) struct Watch<S> {
    state: S,
    bell: Option<Arc<Bell>>,
    idle: usize,
}

impl<S> Watch<S> {
    pub(super) const fn new(state: S) -> Self {
        Self {
            state,
            bell: None,
            idle: 0,
        }
    }
}

/// Passes wakes on, and is counted: who keeps none of it cannot wake.
struct Bell {
    waker: Waker,
    rang: AtomicBool,
}

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::SeqCst);
        self.waker.wake_by_ref();
    }
}

impl<T> Watched<T> {
    fn complain(&self, rule: &'static str, what: &'static str) {
        self.complaint.borrow_mut().get_or_insert((rule, what));
    }

    /// Polls, and looks whether a pending answer has left something to be woken by.
    fn poll<S, R>(
        &self,
        watch: &mut Watch<S>,
        cx: &Context<'_>,
        rule: &'static str,
        poll: impl FnOnce(&T, &mut S, &mut Context<'_>) -> Poll<R>,
    ) -> Poll<R> {
        let bell = watch.bell.get_or_insert_with(|| {
            // The engine polls each direction with one waker, always the same.
            Arc::new(Bell {
                waker: cx.waker().clone(),
                rang: AtomicBool::new(false),
            })
        });
        bell.rang.store(false, Ordering::SeqCst);
        let waker = Waker::from(Arc::clone(bell));
        let polled = poll(
            &self.transport,
            &mut watch.state,
            &mut Context::from_waker(&waker),
        );
        drop(waker);
        if polled.is_pending() && !bell.rang.load(Ordering::SeqCst) && Arc::strong_count(bell) == 1
        {
            self.complain(rule, "it answered pending, and nobody has kept its waker");
        }
        polled
    }
}

impl<T: Transport> Transport for Watched<T> {
    type Error = T::Error;
    type Rx = Watch<T::Rx>;
    type Tx = Watch<T::Tx>;

    fn poll_recv(
        &self,
        rx: &mut Self::Rx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, T::Error>> {
        let polled = self.poll(rx, cx, "Transport::poll_recv", |t, rx, cx| {
            t.poll_recv(rx, cx)
        });
        if matches!(&polled, Poll::Ready(Ok(Some(chunk))) if chunk.is_empty()) {
            self.complain("Transport::poll_recv", "it gave a chunk of no bytes");
        }
        polled
    }

    fn poll_send(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        let before = data.len();
        let polled = self.poll(tx, cx, "Transport::poll_send", |t, tx, cx| {
            t.poll_send(tx, cx, data)
        });
        let idle =
            matches!(polled, Poll::Ready(Ok(()))) && !data.is_empty() && { data.len() == before };
        tx.idle = if idle { tx.idle + 1 } else { 0 };
        if tx.idle > IDLE {
            self.complain(
                "Transport::poll_send",
                "it is ready again and again, and takes no byte of those that are left",
            );
        }
        polled
    }

    fn poll_finish(
        &self,
        tx: &mut Self::Tx,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<T::Error>>> {
        self.poll(tx, cx, "Transport::poll_finish", |t, tx, cx| {
            t.poll_finish(tx, cx)
        })
    }

    fn poll_peer_end(&self, cx: &mut Context<'_>) -> Poll<PeerEnd> {
        self.transport.poll_peer_end(cx)
    }

    fn owes(&self) -> bool {
        self.transport.owes()
    }

    fn take_in(&self, rx: &mut Self::Rx) {
        self.transport.take_in(&mut rx.state);
    }

    fn delivered(&self) -> Delivered {
        self.transport.delivered()
    }

    fn half_close(&self) -> Result<(), T::Error> {
        self.transport.half_close()
    }

    fn abort(&self, torn: bool) {
        self.transport.abort(torn);
    }

    fn is_closed(error: &T::Error) -> bool {
        T::is_closed(error)
    }
}
