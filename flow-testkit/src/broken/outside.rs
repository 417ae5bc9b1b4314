//! Flows that are wrong about bytes that lie outside of memory, or about direct reads among others.

use std::task::Context;

use flow_core::memory::MemoryFlow;
use flow_core::{Chunks, Flow, ReadOp, WriteOp};

use super::Broken;
use super::direct::{DirectFault, Held, flow as unseen, take};
use super::over_memory::{CLOSED, DONE, DonePoll, FlowFault, Inside, flow};

pub(super) fn all() -> Vec<Broken> {
    vec![
        flow::<SendsWhatItSees>("write_brings_bytes_in", "wrong bytes at offset 0"),
        flow::<SeesNothingInLine>("write_brings_bytes_in", "should arrive is asleep")
            .narrower_than("SendsWhatItSees"),
        flow::<GoesOnWithoutWhatIsLost>("write_brings_bytes_in", "gave Ok(()) instead of `Closed`"),
        flow::<RefusesUnasked>("write_brings_bytes_in", "a write from outside failed"),
        flow::<LostBytesCloseTheFlow>(
            "write_brings_bytes_in",
            "write failed: the flow is closed for writing",
        ),
        unseen::<SaysItTakesAnything>(
            "write_brings_bytes_in",
            "a flow sends bytes of a kind that it cannot know",
        ),
        unseen::<DirectNeverYields>(
            "tasks_always_ready_yields",
            "129 reads in a row, direct ones and others",
        ),
    ]
}

/// What is in memory is written, and no more.
#[derive(Default)]
struct SendsWhatItSees;

impl FlowFault for SendsWhatItSees {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.chunks().is_outside() {
            *op.chunks() = Chunks::new();
        }
        inside.flow.poll_write(cx, op)
    }
}

/// The same, of writes that have to wait.
#[derive(Default)]
struct SeesNothingInLine;

impl FlowFault for SeesNothingInLine {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.place().is_held() && op.chunks().is_outside() {
            *op.chunks() = Chunks::new();
        }
        inside.flow.poll_write(cx, op)
    }
}

/// What cannot be had is nothing.
#[derive(Default)]
struct GoesOnWithoutWhatIsLost;

impl FlowFault for GoesOnWithoutWhatIsLost {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.chunks().bring_in() {
            inside.flow.poll_write(cx, op)
        } else {
            DONE
        }
    }
}

/// Only what is in memory is written.
#[derive(Default)]
struct RefusesUnasked;

impl FlowFault for RefusesUnasked {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.chunks().is_outside() {
            CLOSED
        } else {
            inside.flow.poll_write(cx, op)
        }
    }
}

/// What cannot be had leaves a hole in the stream, which is over.
#[derive(Default)]
struct LostBytesCloseTheFlow;

impl FlowFault for LostBytesCloseTheFlow {
    fn poll_write(&self, inside: &Inside, cx: &mut Context<'_>, op: &mut WriteOp) -> DonePoll {
        if op.chunks().bring_in() {
            inside.flow.poll_write(cx, op)
        } else {
            inside.flow.abort();
            CLOSED
        }
    }
}

/// Whatever is outside of memory is somewhere below.
#[derive(Default)]
struct SaysItTakesAnything;

impl DirectFault for SaysItTakesAnything {
    fn takes(_data: &Chunks) -> bool {
        true
    }
}

/// A direct read goes on where the flow would have others have their turn.
#[derive(Default)]
struct DirectNeverYields;

impl DirectFault for DirectNeverYields {
    const YIELDS: bool = false;

    fn read_direct(
        &self,
        flow: &MemoryFlow,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Option<Chunks> {
        let chunk = take(flow, cx, op).or_else(|| take(flow, cx, op))?;
        Some(Held::chunks(chunk))
    }
}
