//! The combinators that are flows, around a flow in memory.

use std::future::Pending;
use std::task::{Context, Waker, ready};

use flow_core::combinators::{
    Counted, Faults, Faulty, FunctionFlow, Functions, Idle, Inspect, MapErr, Named, NamedFlow,
    Peekable, Style, Traffic, create, idle_timeout, trace_to,
};
use flow_core::{Chunks, Parts, SharedError, Transport as _};

use super::*;

/// What wrappers of a flow in memory lack: what that flow lacks.
macro_rules! made {
    ($($(#[$doc:meta])* $name:ident: $flow:ty, $make:expr, $inside:expr;)*) => {$(
        $(#[$doc])*
        pub(super) struct $name;

        impl Made for $name {
            type Flow = $flow;

            fn make(flow: MemoryFlow) -> Self::Flow {
                let make: fn(MemoryFlow) -> Self::Flow = $make;
                make(flow)
            }

            fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
                let inside: fn(&Self::Flow) -> &MemoryFlow = $inside;
                Some(inside(flow).attach(switch).is_ok())
            }
        }
    )*};
}

type Trace = Box<dyn Fn(Traffic<'_>) + Send + Sync>;

fn trace(style: Style) -> Trace {
    Box::new(trace_to(std::io::sink(), style))
}

made! {
    InNamed: Named<MemoryFlow>, |flow| Named::new(flow, "flow"), Named::inner;
    InCounted: Counted<MemoryFlow>, Counted::new, Counted::inner;
    InMapErr: MapErr<MemoryFlow, fn(MemoryError) -> SharedError>,
        |flow| MapErr::new(flow, SharedError::new), MapErr::inner;
    InInspect: Inspect<MemoryFlow, Trace>,
        |flow| Inspect::new(flow, trace(Style::Lengths)), Inspect::inner;
    InPeekable: Peekable<MemoryFlow>, Peekable::new, Peekable::inner;
}

/// Under one type, with a name.
pub(super) struct Created;

impl Made for Created {
    type Flow = NamedFlow;

    const LACKS: &'static [(Need, &'static str)] = WrappedTwice::LACKS;

    fn make(flow: MemoryFlow) -> NamedFlow {
        create(flow, "flow")
    }

    fn attach(_flow: &NamedFlow, _switch: &Switch) -> Option<bool> {
        None
    }
}

/// With an idle timeout that never comes.
pub(super) struct NeverIdle;

impl Made for NeverIdle {
    type Flow = Engine<Idle<MemoryFlow, fn() -> Pending<()>>>;

    fn make(flow: MemoryFlow) -> Self::Flow {
        idle_timeout(flow, std::future::pending)
    }

    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
        Some(flow.attach(switch).is_ok())
    }
}

/// With faults that a caller cannot tell from a slow peer.
pub(super) struct WithFaults;

impl Made for WithFaults {
    type Flow = Faulty<MemoryFlow>;

    fn make(flow: MemoryFlow) -> Self::Flow {
        let faults = Faults::new(1).at_most(997).pending(10);
        faults.delayed_wakes(1).wrap(flow)
    }

    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
        Some(flow.engine().attach(switch).is_ok())
    }
}

/// A part of a write at a time, and the flow inside is done with it.
const TORN: (Need, &str) = (
    Need::TornAbort,
    "the flow inside gets a write in pieces, and nobody can tell it that one was cut off",
);

const IN_PIECES_THROUGH_OTHERS: [(Need, &str); 6] = {
    let [a, b, c, d, e] = THROUGH_OTHERS;
    [a, b, c, d, e, TORN]
};

/// The flow by its calls, as two functions.
pub(super) struct TwoFunctions;

/// Ends writing when the function that has it is dropped.
struct EndsWriting(Arc<memory::Memory>, memory::Tx);

impl Drop for EndsWriting {
    fn drop(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = self.0.poll_finish(&mut self.1, &mut cx);
    }
}

impl Made for TwoFunctions {
    type Flow = FunctionFlow;

    const LACKS: &'static [(Need, &'static str)] = &IN_PIECES_THROUGH_OTHERS;

    fn make(flow: MemoryFlow) -> FunctionFlow {
        let parts = flow.into_parts();
        let Parts {
            transport,
            mut rx,
            tx,
        } = parts.expect("a fresh flow can be taken apart");
        let receives = Arc::new(transport);
        let mut sends = EndsWriting(receives.clone(), tx);
        let mut rest = Bytes::new();
        Functions::new()
            .input_polled(move |cx, buffer| {
                if rest.is_empty() {
                    match ready!(receives.poll_recv(&mut rx, cx)) {
                        Ok(Some(chunk)) => rest = chunk,
                        Ok(None) | Err(_) => return Poll::Ready(0),
                    }
                }
                let count = rest.len().min(buffer.len());
                buffer[..count].copy_from_slice(&rest.split_to(count));
                Poll::Ready(count)
            })
            .output_polled(move |cx, data| {
                let mut left = Chunks::from(Bytes::copy_from_slice(data));
                let EndsWriting(transport, tx) = &mut sends;
                let polled = transport.poll_send(tx, cx, &mut left);
                // A part of it, and what is pending is the room for the rest; or nothing, since it failed.
                match data.len() - left.len() {
                    0 if polled.is_pending() => Poll::Pending,
                    sent => Poll::Ready(sent),
                }
            })
            .flow()
    }

    fn attach(flow: &FunctionFlow, switch: &Switch) -> Option<bool> {
        Some(flow.engine().attach(switch).is_ok())
    }
}
