//! The same flow in the forms that people keep flows in: every law runs on each.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::task::{Context, Poll};

use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, LocalBoxFlow, ReadOp, ShutdownOp, Switch,
    WriteError, WriteOp,
};

use crate::fd::Wires;
use crate::fragile::Break;
use crate::harness::{Harness, Link, Refused, Room, Shared};

/// A flow used through a reference to it.
#[derive(Debug)]
pub struct Ref<F>(F);

macro_rules! through_reference {
    ($($method:ident($op:ty) -> $output:ty;)*) => {
        #[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded is lost")]
        impl<F: Flow> Flow for Ref<F> {
            type Error = F::Error;

            $(fn $method(&self, cx: &mut Context<'_>, op: &mut $op) -> Poll<$output> {
                <&F as Flow>::$method(&&self.0, cx, op)
            })*

            fn abort(&self) {
                <&F as Flow>::abort(&&self.0);
            }

            fn delivered(&self) -> Delivered {
                <&F as Flow>::delivered(&&self.0)
            }

            fn direct(&self) -> Option<&dyn Direct> {
                self.0.direct()
            }
        }
    };
}

through_reference! {
    poll_read(ReadOp) -> Result<Option<Bytes>, F::Error>;
    poll_write(WriteOp) -> Result<(), WriteError<F::Error>>;
    poll_flush(FlushOp) -> Result<(), WriteError<F::Error>>;
    poll_shutdown(ShutdownOp) -> Result<(), WriteError<F::Error>>;
    poll_close(CloseOp) -> Result<(), WriteError<F::Error>>;
}

macro_rules! forms {
    ($($(#[$doc:meta])* $name:ident: $flow:ty = $wrap:expr, $unwrap:expr, $shared:path;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default)]
        pub struct $name<H>(pub H);

        impl<H: Harness> Harness for $name<H> {
            type Flow = $flow;

            fn pair(&self) -> (Self::Flow, Self::Flow) {
                let (a, b) = self.0.pair();
                ($wrap(a), $wrap(b))
            }

            fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
                self.0.over(fd).map($wrap)
            }

            fn wires(&self) -> Wires {
                self.0.wires()
            }

            fn link(&self, room: Room) -> Link<Self::Flow> {
                self.0.link(room).map($wrap)
            }

            fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<Self::Flow, OwnedFd>> {
                self.0.over_with(fd, switch).map(|made| made.map($wrap))
            }

            fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
                self.0.link_with(switch).map(|made| made.map(|link| link.map($wrap)))
            }

            fn failing(&self) -> Option<Self::Flow> {
                self.0.failing().map($wrap)
            }

            fn breaking(&self, room: Room, at: Break) -> Option<Link<Self::Flow>> {
                self.0.breaking(room, at).map(|link| link.map($wrap))
            }

            fn remade(&self, flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
                match $unwrap(flow) {
                    Ok(flow) => self.0.remade(flow).map($wrap).map_err($wrap),
                    Err(flow) => Err(flow),
                }
            }

            fn turn(&self) -> bool {
                self.0.turn()
            }

            fn settle(&self) -> bool {
                self.0.settle()
            }

            fn tasks(&self) -> usize {
                self.0.tasks()
            }

            fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
                self.0.enter(call)
            }

            fn end_runtime(&self) -> bool {
                self.0.end_runtime()
            }

            fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
                $shared(&self.0, flow)
            }

            fn allocated(&self) -> Option<usize> {
                self.0.allocated()
            }
        }
    )*};
}

forms! {
    /// Flows used through `&F`.
    ByRef: Ref<H::Flow> = Ref, (|Ref(flow)| Ok(flow)), shared_by_ref;
    /// Flows in an `Arc`.
    InArc: Arc<H::Flow> = Arc::new, Arc::try_unwrap, shared_in_arc;
    /// Flows behind `dyn Flow`, on one thread: they are not told apart any more, so [`Need::Threads`](crate::Need::Threads) and
    /// [`Need::Remade`](crate::Need::Remade) are lacking.
    Boxed: LocalBoxFlow<<H::Flow as Flow>::Error> = boxed, Err, not_shared;
}

fn boxed<F: Flow + 'static>(flow: F) -> LocalBoxFlow<F::Error> {
    Box::new(flow)
}

fn shared_by_ref<'f, H: Harness>(
    harness: &'f H,
    flow: &'f Ref<H::Flow>,
) -> Option<Shared<'f, Ref<H::Flow>>> {
    Some(Box::new(Ref(harness.shared(&flow.0)?)))
}

fn shared_in_arc<'f, H: Harness>(
    harness: &'f H,
    flow: &'f Arc<H::Flow>,
) -> Option<Shared<'f, Arc<H::Flow>>> {
    harness.shared(flow)
}

fn not_shared<'f, H: Harness>(
    _: &'f H,
    _: &'f LocalBoxFlow<<H::Flow as Flow>::Error>,
) -> Option<Shared<'f, LocalBoxFlow<<H::Flow as Flow>::Error>>> {
    None
}
