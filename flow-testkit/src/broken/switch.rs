//! Flows that their switch does not reach, or that it keeps.

use std::cell::RefCell;
use std::sync::Arc;

use flow_core::memory::MemoryFlow;
use flow_core::{Flow, Switch};

use super::Broken;
use super::around::{Around, Holds};
use super::over_memory::LACKS_BUT_SWITCH;
use crate::harness::{Harness, Link, Need, Refused, Room};
use crate::memory::Memory;

pub(super) fn all() -> Vec<Broken> {
    vec![
        Broken::new::<TiedOnUse, OverTiedOnUse>(
            "switch_off_aborts",
            "turn_off did not abort a flow that was never used",
        ),
        Broken::new::<JoinsTooLate, JoinsTooLate>(
            "switch_off_refuses",
            "a switch that is off accepted a flow",
        ),
        Broken::new::<HeldByItsSwitch, HeldByItsSwitch>(
            "switch_holds_weakly",
            "the end that the peer should see is asleep",
        ),
    ]
}

/// A flow is tied to its switch by its first call.
struct TiedOnUse {
    flow: MemoryFlow,
    untied: RefCell<Option<Switch>>,
}

impl Holds for TiedOnUse {
    fn flow(&self) -> &MemoryFlow {
        if let Some(switch) = self.untied.take() {
            let _ = self.flow.attach(&switch);
        }
        &self.flow
    }
}

#[derive(Default)]
struct OverTiedOnUse;

impl Harness for OverTiedOnUse {
    type Flow = Around<TiedOnUse>;

    const LACKS: &'static [(Need, &'static str)] = LACKS_BUT_SWITCH;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (tied(a, None), tied(b, None))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(|flow| tied(flow, None))
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let link = Memory.link(Room::Tight);
        Some(Ok(link.map(|flow| tied(flow, Some(switch.clone())))))
    }
}

fn tied(flow: MemoryFlow, switch: Option<Switch>) -> Around<TiedOnUse> {
    let untied = RefCell::new(switch);
    Around(TiedOnUse { flow, untied })
}

/// That the switch is off is not looked at.
#[derive(Default)]
struct JoinsTooLate;

impl Harness for JoinsTooLate {
    type Flow = MemoryFlow;

    const LACKS: &'static [(Need, &'static str)] = LACKS_BUT_SWITCH;

    fn pair(&self) -> (MemoryFlow, MemoryFlow) {
        Memory.pair()
    }

    fn link(&self, room: Room) -> Link<MemoryFlow> {
        Memory.link(room)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<MemoryFlow>, Refused>> {
        let link = self.link(Room::Tight);
        let _ = link.flow.attach(switch);
        Some(Ok(link))
    }
}

/// The switch has a hook that owns the flow.
#[derive(Default)]
struct HeldByItsSwitch;

impl Harness for HeldByItsSwitch {
    type Flow = Arc<MemoryFlow>;

    const LACKS: &'static [(Need, &'static str)] = LACKS_BUT_SWITCH;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = Memory.pair();
        (Arc::new(a), Arc::new(b))
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        Memory.link(room).map(Arc::new)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let link = self.link(Room::Tight);
        let flow = Arc::clone(&link.flow);
        let _ = switch.add_hook(move || flow.abort());
        Some(Ok(link))
    }
}
