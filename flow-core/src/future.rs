//! The named futures behind [`FlowExt`](crate::FlowExt).
//!
//! All are `Unpin`, start nothing before their first poll, and panic when polled after they were ready.

use core::fmt;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context, Poll};

use bytes::Bytes;

use crate::{Chunks, CloseOp, Delivered, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

macro_rules! futures {
    ($($(#[$doc:meta])* $name:ident: $op:ty, $poll:ident -> $output:ty $(, then $then:expr)?;)*) => {$(
        $(#[$doc])*
        #[must_use = "futures do nothing unless polled"]
        pub struct $name<'a, F: Flow + ?Sized> {
            flow: &'a F,
            /// `None` once ready.
            op: Option<$op>,
        }

        impl<'a, F: Flow + ?Sized> $name<'a, F> {
            /// The call on `flow` that continues `op`.
            pub const fn new(flow: &'a F, op: $op) -> Self {
                Self { flow, op: Some(op) }
            }

            /// Whether the call is over, and must not be polled again.
            pub const fn is_terminated(&self) -> bool {
                self.op.is_none()
            }
        }

        impl<F: Flow + ?Sized> Future for $name<'_, F> {
            type Output = $output;

            fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
                let flow = self.flow;
                let Some(op) = &mut self.op else {
                    panic!(concat!(stringify!($name), " polled after it was ready"));
                };
                let polled = flow.$poll(cx, op);
                $(let polled = polled.map_ok(|()| $then(flow));)?
                if polled.is_ready() {
                    self.op = None;
                }
                polled
            }
        }

        impl<F: Flow + ?Sized> fmt::Debug for $name<'_, F> {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).field("op", &self.op).finish_non_exhaustive()
            }
        }
    )*};
}

futures! {
    /// A [`read`](crate::FlowExt::read) under way.
    Read: ReadOp, poll_read -> Result<Option<Bytes>, F::Error>;
    /// A [`write`](crate::FlowExt::write) under way.
    Write: WriteOp, poll_write -> Result<(), WriteError<F::Error>>;
    /// A [`flush`](crate::FlowExt::flush) under way.
    Flush: FlushOp, poll_flush -> Result<(), WriteError<F::Error>>;
    /// A [`shutdown`](crate::FlowExt::shutdown) under way.
    Shutdown: ShutdownOp, poll_shutdown -> Result<(), WriteError<F::Error>>;
    /// A [`close`](crate::FlowExt::close) under way. When the peer has ended, it asks whether it has read everything.
    Close: CloseOp, poll_close -> Result<Delivered, WriteError<F::Error>>, then F::delivered;
}

impl<F: Flow + ?Sized> Write<'_, F> {
    /// Whether the flow has taken the write: all of it will be sent, even if this future is dropped.
    pub fn is_taken(&self) -> bool {
        self.op.as_ref().is_none_or(WriteOp::is_taken)
    }

    /// Gives up: the buffers come back if the flow has not taken them, and nothing of them is sent. `None` if it has.
    ///
    /// ```
    /// use core::task::{Context, Poll, Waker};
    /// use flow_core::{FlowExt, memory};
    ///
    /// let (flow, _peer) = memory::pair(4);
    /// let mut cx = Context::from_waker(Waker::noop());
    /// let mut full = flow.write("four");
    /// assert!(core::pin::Pin::new(&mut full).poll(&mut cx).is_ready());
    ///
    /// let mut late = flow.write("more");
    /// assert!(core::pin::Pin::new(&mut late).poll(&mut cx).is_pending());
    /// assert_eq!(late.cancel().unwrap().first(), b"more");
    /// ```
    pub fn cancel(self) -> Option<Chunks> {
        self.op.and_then(WriteOp::cancel)
    }
}
