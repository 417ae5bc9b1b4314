//! Every law of the contract on the flows of this crate: in memory, from async functions, and through futures-io and back.

#![cfg(all(feature = "std", not(loom)))]

use std::pin::Pin;
use std::sync::Arc;

use flow_core::memory::{self, MemoryError, MemoryFlow};
use flow_core::{AsyncFns, Bytes, Engine, Flow, FlowExt, Shutdown, Switch, WriteError};
use flow_testkit::memory::WirePeer;
use flow_testkit::{Harness, Link, Refused, Room};

/// Bytes in each direction. The small one is no power of two, and no divisor of anything.
const fn capacity(room: Room) -> usize {
    match room {
        Room::Ample => 64 * 1024,
        Room::Tight => 97,
    }
}

/// A flow made of one in memory, whose far end is the bare one of that.
macro_rules! conformance {
    ($module:ident, $flow:ty, $wrap:expr) => {
        mod $module {
            use super::*;

            #[derive(Default)]
            struct Wrapped;

            impl Harness for Wrapped {
                type Flow = $flow;

                fn pair(&self) -> (Self::Flow, Self::Flow) {
                    let (here, there) = memory::pair(capacity(Room::Ample));
                    ($wrap(here), $wrap(there))
                }

                fn link(&self, room: Room) -> Link<Self::Flow> {
                    let (flow, wire) = memory::with_wire(capacity(room));
                    Link::new($wrap(flow), WirePeer::new(wire))
                }

                fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
                    let Link { flow, peer } = self.link(Room::Tight);
                    Some(match flow.attach(switch) {
                        Ok(()) => Ok(Link { flow, peer }),
                        Err(_) => Err(Refused {
                            peer,
                            back: Box::new(flow),
                        }),
                    })
                }

                fn abort_elsewhere(&self, flow: &Self::Flow) -> bool {
                    std::thread::scope(|s| s.spawn(|| flow.abort()).join().expect("no panic"));
                    true
                }
            }

            flow_testkit::conformance!(
                Wrapped,
                lacks {
                    Reset: "bytes in memory are not lost when the peer leaves",
                    Descriptors: "there is no descriptor",
                    Failing: "flows in memory fail in no other way",
                    Runtime: "there is no runtime",
                    Allocated: "this binary does not count its heap",
                },
            );
        }
    };
}

conformance!(in_memory, MemoryFlow, |flow| flow);

type Receiving = Pin<Box<dyn Future<Output = Result<Option<Bytes>, MemoryError>> + Send>>;
type Sending = Pin<Box<dyn Future<Output = Result<(), WriteError<MemoryError>>> + Send>>;
type FromFns = AsyncFns<
    Box<dyn FnMut() -> Receiving + Send + Sync>,
    Receiving,
    Box<dyn FnMut(Bytes) -> Sending + Send + Sync>,
    Sending,
    Box<dyn FnOnce() -> Sending + Send + Sync>,
    Sending,
>;

/// The flow by its calls, as functions that are asynchronous and no more.
fn from_async_fns(flow: MemoryFlow) -> Engine<FromFns> {
    let receiving = Arc::new(flow);
    let (sending, ending) = (receiving.clone(), receiving.clone());
    flow_core::from_async_fns(
        Box::new(move || {
            let flow = receiving.clone();
            Box::pin(async move { flow.read().await })
        }),
        Box::new(move |chunk| {
            let flow = sending.clone();
            Box::pin(async move { flow.write(chunk).await })
        }),
        Box::new(move || Box::pin(async move { ending.shutdown(Shutdown::Write).await })),
    )
}

conformance!(async_fns, Engine<FromFns>, from_async_fns);

#[cfg(feature = "futures-io")]
mod futures_io {
    use super::*;
    use flow_core::{FuturesIo, FuturesIoTransport, from_futures_io};

    type There<F> = Engine<FuturesIoTransport<FuturesIo<F>>>;

    fn there_and_back<F>(flow: F) -> There<F>
    where
        F: Flow + Unpin,
    {
        from_futures_io(FuturesIo::new(flow))
    }

    conformance!(once, There<MemoryFlow>, there_and_back);
    conformance!(twice, There<There<MemoryFlow>>, |flow| there_and_back(
        there_and_back(flow)
    ));
}
