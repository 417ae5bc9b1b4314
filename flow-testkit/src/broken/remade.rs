//! Flows that are taken apart wrongly, or when they should not be.

use std::cell::RefCell;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use flow_core::memory::MemoryFlow;
use flow_core::{Flow, ReadOp, Shutdown, ShutdownOp, Switch, WriteError, WriteOp};

use super::Broken;
use super::over_memory::{NO_ALLOCATED, NO_DESCRIPTORS, NO_FAILING, NO_RESET, NO_RUNTIME};
use crate::harness::{Harness, Link, Need, Refused, Room, Shared, engine_remade};
use crate::memory::Memory;

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<NeverComesApart>("remade_goes_on", "cannot be taken apart: a fresh one"),
        flow::<LosesWhatIsUnread>("remade_goes_on", "bytes lost at offset"),
        flow::<LosesWhatIsUnreadInClosing>("remade_only_when_empty", "bytes lost at offset")
            .narrower_than("LosesWhatIsUnread"),
        flow::<TellsThePeer>("remade_goes_on", "write failed"),
        flow::<ComesApartWithARest>(
            "remade_only_when_empty",
            "a flow was taken apart that holds the rest of a write",
        ),
        flow::<GivenBackAborted>(
            "remade_only_when_empty",
            "a flow that was not taken apart is no longer whole",
        ),
        flow::<ComesApartWhenAborted>(
            "remade_only_while_whole",
            "a flow was taken apart that had been aborted",
        ),
        flow::<ComesApartWhenFailed>(
            "remade_only_while_whole",
            "a flow was taken apart of which a write had failed",
        )
        .narrower_than("ComesApartWhenAborted"),
        flow::<StaysTied>(
            "remade_leaves_the_switch",
            "a switch has aborted what was made of a flow of its",
        ),
        flow::<UntiedByTheTry>(
            "remade_leaves_the_switch",
            "turn_off did not abort a flow that was not taken apart",
        ),
        flow::<ComesApartAborted>(
            "threads_abort_meets_taking_apart",
            "a flow was both taken apart and aborted",
        )
        .narrower_than("ComesApartWhenAborted"),
    ]
}

/// One fault: the methods that it does not have are the good flow's.
pub(super) trait RemadeFault: Default + 'static {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        engine_remade(flow)
    }

    /// Whether the switch was on.
    fn tie(&self, flow: &MemoryFlow, switch: &Switch) -> bool {
        flow.attach(switch).is_ok()
    }
}

/// Makes flows in memory, and takes them apart with the fault `X`.
pub(super) struct OverRemade<X>(X);

impl<X: Default> Default for OverRemade<X> {
    fn default() -> Self {
        Self(X::default())
    }
}

impl<X: RemadeFault> Harness for OverRemade<X> {
    type Flow = MemoryFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        NO_RESET,
        NO_DESCRIPTORS,
        NO_FAILING,
        NO_RUNTIME,
        NO_ALLOCATED,
    ];

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        Memory.pair()
    }

    fn link(&self, room: Room) -> Link<MemoryFlow> {
        Memory.link(room)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
        let link = Memory.link(Room::Tight);
        Some(if self.0.tie(&link.flow, switch) {
            Ok(link)
        } else {
            Err(Refused {
                peer: link.peer,
                back: Box::new(link.flow),
            })
        })
    }

    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        self.0.remade(flow)
    }

    fn shared<'f>(&'f self, flow: &'f MemoryFlow) -> Option<Shared<'f, MemoryFlow>> {
        Some(Box::new(flow))
    }
}

fn flow<X: RemadeFault>(law: &'static str, words: &'static str) -> Broken {
    Broken::new::<X, OverRemade<X>>(law, words)
}

/// One poll that nobody waits for.
fn read_once(flow: &MemoryFlow) -> Poll<bool> {
    let mut cx = Context::from_waker(Waker::noop());
    flow.poll_read(&mut cx, &mut ReadOp::new())
        .map(|read| read.is_ok())
}

fn is_aborted(flow: &MemoryFlow) -> bool {
    read_once(flow) == Poll::Ready(false)
}

/// Whether nothing new can be written, because writing was ended or has failed.
fn is_closed(flow: &MemoryFlow) -> bool {
    let mut cx = Context::from_waker(Waker::noop());
    let write = flow.poll_write(&mut cx, &mut WriteOp::from(""));
    matches!(write, Poll::Ready(Err(WriteError::Closed)))
}

/// The flow taken apart, or said to be although it was not.
fn remade_or_if(
    flow: MemoryFlow,
    lies: impl FnOnce(&MemoryFlow) -> bool,
) -> Result<MemoryFlow, MemoryFlow> {
    engine_remade(flow).or_else(|flow| if lies(&flow) { Ok(flow) } else { Err(flow) })
}

/// It gives nothing back, though it says that it does.
#[derive(Default)]
struct NeverComesApart;

impl RemadeFault for NeverComesApart {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        Err(flow)
    }
}

/// What it has read and nobody has asked for yet goes with it: the buffer of a reader that only gives its stream back.
#[derive(Default)]
struct LosesWhatIsUnread;

impl RemadeFault for LosesWhatIsUnread {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        let _ = read_once(&flow);
        engine_remade(flow)
    }
}

/// So does what was read to see the peer's end.
#[derive(Default)]
struct LosesWhatIsUnreadInClosing;

impl RemadeFault for LosesWhatIsUnreadInClosing {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        if is_closed(&flow) {
            let _ = read_once(&flow);
        }
        engine_remade(flow)
    }
}

/// Its end is signalled as if it were dropped.
#[derive(Default)]
struct TellsThePeer;

impl RemadeFault for TellsThePeer {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        let mut cx = Context::from_waker(Waker::noop());
        let _ = flow.poll_shutdown(&mut cx, &mut ShutdownOp::new(Shutdown::Write));
        engine_remade(flow)
    }
}

/// It looks at what it has not read, and not at what it has not sent.
#[derive(Default)]
struct ComesApartWithARest;

impl RemadeFault for ComesApartWithARest {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        remade_or_if(flow, |flow| !is_aborted(flow) && !is_closed(flow))
    }
}

/// Whoever asks at a bad time gets a flow back that is of no use any more.
#[derive(Default)]
struct GivenBackAborted;

impl RemadeFault for GivenBackAborted {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        engine_remade(flow).inspect_err(Flow::abort)
    }
}

/// What was aborted holds nothing.
#[derive(Default)]
struct ComesApartWhenAborted;

impl RemadeFault for ComesApartWhenAborted {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        remade_or_if(flow, is_aborted)
    }
}

/// Nor does that of which the peer is gone.
#[derive(Default)]
struct ComesApartWhenFailed;

impl RemadeFault for ComesApartWhenFailed {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        remade_or_if(flow, |flow| is_closed(flow) && !is_aborted(flow))
    }
}

/// The switch knows the descriptor, and goes on knowing it.
#[derive(Default)]
struct StaysTied(RefCell<Option<Switch>>);

impl RemadeFault for StaysTied {
    fn tie(&self, flow: &MemoryFlow, switch: &Switch) -> bool {
        *self.0.borrow_mut() = Some(switch.clone());
        flow.attach(switch).is_ok()
    }

    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        let flow = engine_remade(flow)?;
        if let Some(switch) = &*self.0.borrow() {
            let _ = flow.attach(switch);
        }
        Ok(flow)
    }
}

/// It is taken from its switch before it is looked at.
#[derive(Default)]
struct UntiedByTheTry {
    tried: Arc<AtomicBool>,
    /// To each flow its own, which the one that it should be tied to turns off.
    switches: RefCell<Vec<Switch>>,
}

impl RemadeFault for UntiedByTheTry {
    fn tie(&self, flow: &MemoryFlow, switch: &Switch) -> bool {
        let (own, tried) = (Switch::new(), Arc::clone(&self.tried));
        self.switches.borrow_mut().push(own.clone());
        let tied = flow.attach(&own).is_ok();
        let hook = move || {
            if !tried.load(Ordering::SeqCst) {
                let _ = pin!(own.turn_off()).poll(&mut Context::from_waker(Waker::noop()));
            }
            Ok::<_, std::convert::Infallible>(())
        };
        tied && switch.add_hook(hook).is_ok()
    }

    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        self.tried.store(true, Ordering::SeqCst);
        engine_remade(flow)
    }
}

/// What a switch has aborted meanwhile is taken for what came apart.
#[derive(Default)]
struct ComesApartAborted;

impl RemadeFault for ComesApartAborted {
    fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
        if is_aborted(&flow) {
            return Err(flow);
        }
        remade_or_if(flow, is_aborted)
    }
}
