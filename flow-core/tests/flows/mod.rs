//! The flows of this crate, for every law: in memory, boxed and wrapped twice, over a transport that takes every liberty, from async
//! functions, through futures-io and back, and in each combinator.

mod combinators;
mod granting;

use std::marker::PhantomData;
use std::mem::replace;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use flow_core::memory::{self, MemoryError, MemoryFlow};
use flow_core::{AsyncFns, BoxFlow, Bytes, Engine, Flow, FlowExt, Shutdown, Switch, WriteError};
use flow_testkit::memory::WirePeer;
use flow_testkit::{
    Break, Fragile, Harness, Link, Need, Refused, Room, Shared, Suite, engine_remade,
};

/// Bytes in each direction. The small one is no power of two, and no divisor of anything.
const fn capacity(room: Room) -> usize {
    match room {
        Room::Ample => 64 * 1024,
        Room::Tight => 97,
    }
}

const OF_MEMORY: [(Need, &str); 4] = [
    (
        Need::Reset,
        "bytes in memory are not lost when the peer leaves",
    ),
    (Need::Descriptors, "there is no descriptor"),
    (Need::Failing, "flows in memory fail in no other way"),
    (Need::Runtime, "there is no runtime"),
];

/// The same, where what is between passes bytes on, and nothing of what became of them.
const THROUGH_OTHERS: [(Need, &str); 5] = {
    let [a, b, c, d] = OF_MEMORY;
    let told = (Need::Delivery, "nothing below says what the peer has read");
    [a, b, c, d, told]
};

/// What is made of a flow in memory.
trait Made: 'static {
    type Flow: Flow + Sync + 'static;
    const LACKS: &'static [(Need, &'static str)] = &OF_MEMORY;
    fn make(flow: MemoryFlow) -> Self::Flow;
    const OFFERS: &'static [Need] = &[];
    fn make_breaking(flow: MemoryFlow, at: Break) -> Option<Self::Flow> {
        let _ = (flow, at);
        None
    }
    fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        Err(flow)
    }
    /// Whether the switch was on; `None` if these flows know no switch.
    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool>;
}

/// Makes such flows. The far end is the bare one of the flow in memory.
struct Over<M>(PhantomData<M>);

impl<M> Default for Over<M> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<M: Made> Harness for Over<M> {
    type Flow = M::Flow;

    const LACKS: &'static [(Need, &'static str)] = M::LACKS;
    const OFFERS: &'static [Need] = M::OFFERS;

    fn pair(&self) -> (M::Flow, M::Flow) {
        let (first, second) = memory::pair(capacity(Room::Ample));
        (M::make(first), M::make(second))
    }

    fn link(&self, room: Room) -> Link<M::Flow> {
        let (flow, wire) = memory::with_wire(capacity(room));
        Link::new(M::make(flow), WirePeer::new(wire))
    }

    fn breaking(&self, room: Room, at: Break) -> Option<Link<M::Flow>> {
        let (flow, wire) = memory::with_wire(capacity(room));
        let flow = M::make_breaking(flow, at)?;
        Some(Link::new(flow, WirePeer::new(wire)))
    }

    fn remade(&self, flow: M::Flow) -> Result<M::Flow, M::Flow> {
        M::remade(flow)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<M::Flow>, Refused>> {
        let Link { flow, peer } = self.link(Room::Tight);
        Some(match M::attach(&flow, switch)? {
            true => Ok(Link { flow, peer }),
            false => Err(Refused {
                peer,
                back: Box::new(flow),
            }),
        })
    }

    fn shared<'f>(&'f self, flow: &'f M::Flow) -> Option<Shared<'f, M::Flow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        Some(crate::heap::allocated())
    }
}

struct InMemory;

impl Made for InMemory {
    type Flow = MemoryFlow;

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn make(flow: MemoryFlow) -> MemoryFlow {
        flow
    }

    fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        engine_remade(flow)
    }

    fn attach(flow: &MemoryFlow, switch: &Switch) -> Option<bool> {
        Some(flow.attach(switch).is_ok())
    }
}

/// Behind `dyn Flow`, and that in an `Arc`.
struct WrappedTwice;

impl Made for WrappedTwice {
    type Flow = Arc<BoxFlow<MemoryError>>;

    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "bytes in memory are not lost when the peer leaves",
        ),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "flows in memory fail in no other way"),
        (Need::Switch, "a flow is attached before it is boxed"),
        (Need::Runtime, "there is no runtime"),
    ];

    fn make(flow: MemoryFlow) -> Self::Flow {
        Arc::new(Box::new(flow))
    }

    fn attach(_flow: &Self::Flow, _switch: &Switch) -> Option<bool> {
        None
    }
}

/// A transport that is ready with bytes left, that owes something to be sent for what it receives, and that fails where it is told to.
struct Granting;

impl Made for Granting {
    type Flow = Engine<Fragile<granting::Granting>>;

    const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;
    const OFFERS: &'static [Need] = &[Need::Breaking, Need::Direct, Need::Remade];

    fn make(flow: MemoryFlow) -> Self::Flow {
        granting::flow(flow, None)
    }

    fn make_breaking(flow: MemoryFlow, at: Break) -> Option<Self::Flow> {
        Some(granting::flow(flow, Some(at)))
    }

    fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        engine_remade(flow)
    }

    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
        Some(flow.attach(switch).is_ok())
    }
}

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
struct AsyncFunctions;

/// Each call of `flow` begins with what `turn` makes. Every other chunk is an empty one if `empty`: nothing, to whoever reads.
fn from_fns<T: Future<Output = ()> + Send + 'static>(
    flow: MemoryFlow,
    empty: bool,
    turn: fn() -> T,
) -> Engine<FromFns> {
    let receiving = Arc::new(flow);
    let (sending, ending) = (receiving.clone(), receiving.clone());
    let mut odd = false;
    flow_core::from_async_fns(
        Box::new(move || {
            let flow = receiving.clone();
            odd = !odd;
            let is_empty = empty && odd;
            Box::pin(async move {
                turn().await;
                if is_empty {
                    return Ok(Some(Bytes::new()));
                }
                flow.read().await
            })
        }),
        Box::new(move |chunk| {
            let flow = sending.clone();
            Box::pin(async move {
                turn().await;
                flow.write(chunk).await
            })
        }),
        Box::new(move || {
            Box::pin(async move {
                turn().await;
                ending.shutdown(Shutdown::Write).await
            })
        }),
    )
}

impl Made for AsyncFunctions {
    type Flow = Engine<FromFns>;

    const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn make(flow: MemoryFlow) -> Self::Flow {
        from_fns(flow, false, || std::future::ready(()))
    }

    fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        engine_remade(flow)
    }

    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
        Some(flow.attach(switch).is_ok())
    }
}

/// Functions that let others have their turn first, as runtimes with a budget do: they wake at once, and answer pending. And that
/// receive nothing now and then.
struct Yielding;

impl Made for Yielding {
    type Flow = Engine<FromFns>;

    const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn make(flow: MemoryFlow) -> Self::Flow {
        from_fns(flow, true, || {
            let mut asked = false;
            std::future::poll_fn(move |cx| {
                if !replace(&mut asked, true) {
                    cx.waker().wake_by_ref();
                    return Poll::Pending;
                }
                Poll::Ready(())
            })
        })
    }

    fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        engine_remade(flow)
    }

    fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
        Some(flow.attach(switch).is_ok())
    }
}

#[cfg(feature = "futures-io")]
mod there_and_back {
    use flow_core::{FuturesIo, FuturesIoTransport, from_futures_io};

    use super::*;

    type There<F> = Engine<FuturesIoTransport<FuturesIo<F>>>;

    fn there<F: Flow + Unpin>(flow: F) -> There<F> {
        from_futures_io(FuturesIo::new(flow))
    }

    pub(super) struct Once;

    impl Made for Once {
        type Flow = There<MemoryFlow>;

        const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;

        const OFFERS: &'static [Need] = &[Need::Remade];

        fn make(flow: MemoryFlow) -> Self::Flow {
            there(flow)
        }

        fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
            engine_remade(flow)
        }

        fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
            Some(flow.attach(switch).is_ok())
        }
    }

    pub(super) struct Twice;

    impl Made for Twice {
        type Flow = There<There<MemoryFlow>>;

        const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;

        const OFFERS: &'static [Need] = &[Need::Remade];

        fn make(flow: MemoryFlow) -> Self::Flow {
            there(there(flow))
        }

        fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
            engine_remade(flow)
        }

        fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
            Some(flow.attach(switch).is_ok())
        }
    }
}

/// Through `Stream` and `Sink` of bytes, and back.
#[cfg(feature = "stream")]
mod streamed {
    use std::io::{Error, ErrorKind};
    use std::sync::Arc;

    use flow_core::memory::MemoryError;
    use flow_core::{ByteStream, ByteStreamTransport, SharedError, from_byte_stream_with};

    use super::*;

    type Half = ByteStream<Arc<MemoryFlow>>;

    pub(super) struct There;

    /// A peer that is gone without an end is told in the words that streams have for it.
    fn told(e: MemoryError) -> SharedError {
        match e {
            MemoryError::Torn => Error::new(ErrorKind::UnexpectedEof, e).into(),
            e => SharedError::new(e),
        }
    }

    impl Made for There {
        type Flow = Engine<ByteStreamTransport<Half, Half>>;

        const LACKS: &'static [(Need, &'static str)] = &THROUGH_OTHERS;

        const OFFERS: &'static [Need] = &[Need::Remade];

        fn make(flow: MemoryFlow) -> Self::Flow {
            let flow = Arc::new(flow);
            let (stream, sink) = (ByteStream::new(flow.clone()), ByteStream::new(flow));
            from_byte_stream_with(stream, sink, told, |e| e.map(told))
        }

        fn remade(flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
            engine_remade(flow)
        }

        fn attach(flow: &Self::Flow, switch: &Switch) -> Option<bool> {
            Some(flow.attach(switch).is_ok())
        }
    }
}

/// The flows of this crate.
pub(crate) fn add_to(suite: Suite) -> Suite {
    let suite = suite
        .flow::<Over<InMemory>>("memory")
        .flow::<Over<WrappedTwice>>("memory/wrapped-twice")
        .flow::<Over<Granting>>("memory/granting")
        .flow::<Over<AsyncFunctions>>("async-fns")
        .flow::<Over<Yielding>>("async-fns/yielding")
        .flow::<Over<combinators::InNamed>>("combinators/named")
        .flow::<Over<combinators::InCounted>>("combinators/counted")
        .flow::<Over<combinators::InMapErr>>("combinators/map-err")
        .flow::<Over<combinators::InInspect>>("combinators/inspect")
        .flow::<Over<combinators::InPeekable>>("combinators/peekable")
        .flow::<Over<combinators::Created>>("combinators/created")
        .flow::<Over<combinators::NeverIdle>>("combinators/idle")
        .flow::<Over<combinators::WithFaults>>("combinators/faulty")
        .flow::<Over<combinators::TwoFunctions>>("combinators/functions");
    #[cfg(feature = "futures-io")]
    let suite = suite
        .flow::<Over<there_and_back::Once>>("futures-io")
        .flow::<Over<there_and_back::Twice>>("futures-io/twice");
    #[cfg(feature = "stream")]
    let suite = suite.flow::<Over<streamed::There>>("stream-sink");
    suite
}
