//! A reference, box or shared pointer to a flow is that flow.

use core::task::{Context, Poll};

use alloc::boxed::Box;
use alloc::rc::Rc;
use alloc::sync::Arc;
use bytes::Bytes;

use crate::{CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

macro_rules! forward {
    ($($pointer:ty),*) => {$(
        #[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded is lost")]
        impl<F: Flow + ?Sized> Flow for $pointer {
            type Error = F::Error;

            fn poll_read(
                &self,
                cx: &mut Context<'_>,
                op: &mut ReadOp,
            ) -> Poll<Result<Option<Bytes>, F::Error>> {
                (**self).poll_read(cx, op)
            }

            fn poll_write(
                &self,
                cx: &mut Context<'_>,
                op: &mut WriteOp,
            ) -> Poll<Result<(), WriteError<F::Error>>> {
                (**self).poll_write(cx, op)
            }

            fn poll_flush(
                &self,
                cx: &mut Context<'_>,
                op: &mut FlushOp,
            ) -> Poll<Result<(), WriteError<F::Error>>> {
                (**self).poll_flush(cx, op)
            }

            fn poll_shutdown(
                &self,
                cx: &mut Context<'_>,
                op: &mut ShutdownOp,
            ) -> Poll<Result<(), WriteError<F::Error>>> {
                (**self).poll_shutdown(cx, op)
            }

            fn poll_close(
                &self,
                cx: &mut Context<'_>,
                op: &mut CloseOp,
            ) -> Poll<Result<(), WriteError<F::Error>>> {
                (**self).poll_close(cx, op)
            }

            fn abort(&self) {
                (**self).abort();
            }

            fn delivered(&self) -> Delivered {
                (**self).delivered()
            }

            fn direct(&self) -> Option<&dyn Direct> {
                (**self).direct()
            }
        }
    )*};
}

forward!(&F, Box<F>, Rc<F>, Arc<F>);
