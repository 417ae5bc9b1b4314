//! Flows that their switch does not reach, or that it keeps.

use std::cell::RefCell;
use std::sync::Arc;
use std::task::Context;

use flow_core::memory::{MemoryError, MemoryFlow};
use flow_core::{CloseOp, Flow, FlushOp, ReadOp, ShutdownOp, Switch, WriteOp};

use super::Broken;
use super::over_memory::{DonePoll, ReadPoll};
use crate::harness::{Harness, Link, Refused, Room};
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

impl TiedOnUse {
    fn used(&self) -> &MemoryFlow {
        if let Some(switch) = self.untied.take() {
            let _ = self.flow.attach(&switch);
        }
        &self.flow
    }
}

impl Flow for TiedOnUse {
    type Error = MemoryError;

    fn poll_read(&self, cx: &mut Context<'_>, op: &mut ReadOp) -> ReadPoll {
        self.used().poll_read(cx, op)
    }

    fn poll_write(&self, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        self.used().poll_write(cx, op)
    }

    fn poll_flush(&self, cx: &mut Context<'_>, op: &mut FlushOp) -> DonePoll {
        self.used().poll_flush(cx, op)
    }

    fn poll_shutdown(&self, cx: &mut Context<'_>, op: &mut ShutdownOp) -> DonePoll {
        self.used().poll_shutdown(cx, op)
    }

    fn poll_close(&self, cx: &mut Context<'_>, op: &mut CloseOp) -> DonePoll {
        self.used().poll_close(cx, op)
    }

    fn abort(&self) {
        self.used().abort();
    }
}

#[derive(Default)]
struct OverTiedOnUse;

impl Harness for OverTiedOnUse {
    type Flow = TiedOnUse;

    fn link(&self, room: Room) -> Link<TiedOnUse> {
        Memory.link(room).map(|flow| TiedOnUse {
            flow,
            untied: RefCell::new(None),
        })
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<TiedOnUse>, Refused>> {
        let untied = RefCell::new(Some(switch.clone()));
        Some(Ok(Memory
            .link(Room::Tight)
            .map(|flow| TiedOnUse { flow, untied })))
    }
}

/// That the switch is off is not looked at.
#[derive(Default)]
struct JoinsTooLate;

impl Harness for JoinsTooLate {
    type Flow = MemoryFlow;

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
