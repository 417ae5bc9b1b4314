//! A failure as a program of its own.

use std::fmt::Write as _;

use super::{Over, Quirks};
use crate::script::Broken;
use crate::script::log::{Evidence, Line};

const STREAM: &str = include_str!("stream.rs");
const PLAYER: &str = include_str!("player.rs");

/// The program, if what is wrong can be seen from outside the engine.
pub(super) fn program<P: Over>(quirks: Quirks, broken: &Broken) -> Option<String> {
    let evidence = broken.evidence.as_ref()?;
    let mut body = String::new();
    let mut calls = 0;
    for line in &broken.log {
        let _ = writeln!(body, "    {}", statement(line, &mut calls));
    }
    let setup = P::SETUP;
    let assertion = assertion(evidence, &format!("{}: {}", broken.clause, broken.why));
    let Broken { clause, why, .. } = broken;
    let Quirks {
        room,
        at_once,
        puts_off,
        wakes_late,
    } = quirks;
    Some(format!(
        "//! Breaks `{clause}`: {why}.
#[allow(unused_imports)]
use flow_core::{{Engine, Flow, Shutdown}};

use player::Player;
use stream::{{Quirks, stream}};

fn main() {{
    let quirks = Quirks {{
        room: {room},
        at_once: {at_once},
        puts_off: {puts_off},
        wakes_late: {wakes_late},
    }};
    let (stream, far) = stream(quirks);
    let flow = {setup};
    let mut player = Player::new(&flow, far);
{body}    {assertion}
}}

{}
{}",
        module("stream", STREAM),
        module("player", PLAYER),
    ))
}

fn module(name: &str, text: &str) -> String {
    let mut module = format!("mod {name} {{\n");
    let allowed = "#![allow(dead_code)]";
    if !text.contains(allowed) {
        let _ = writeln!(module, "    {allowed}");
    }
    for line in text.lines().filter(|line| !line.starts_with("//!")) {
        let indent = if line.is_empty() { "" } else { "    " };
        let _ = writeln!(module, "{indent}{line}");
    }
    module + "}\n"
}

fn statement(line: &Line, calls: &mut usize) -> String {
    let call = match line {
        Line::Read => "player.read();".to_owned(),
        Line::Write(buffers) => {
            let buffers: Vec<_> = buffers.iter().map(|b| format!("&{b:?}")).collect();
            format!("player.write(&[{}]);", buffers.join(", "))
        }
        Line::Flush => "player.flush();".to_owned(),
        Line::Shutdown(how) => format!("player.shutdown(Shutdown::{how:?});"),
        Line::Close => "player.close();".to_owned(),
        Line::Abort => return "flow.abort();".to_owned(),
        Line::Poll(call) => return format!("player.poll({call});"),
        Line::Drop(call) => return format!("player.drop_call({call});"),
        Line::PollWoken => return "player.poll_woken();".to_owned(),
        Line::Settle => return "player.settle();".to_owned(),
        Line::PollAll => return "player.poll_all();".to_owned(),
        Line::Send(data) => return format!("player.far.send(&{data:?});"),
        Line::Receive(most) => return format!("player.receive({most});"),
        Line::End => return "player.far.end();".to_owned(),
        Line::Cut => return "player.far.cut();".to_owned(),
        Line::Leave => return "player.far.leave();".to_owned(),
    };
    *calls += 1;
    format!("{call} // call {}", *calls - 1)
}

fn assertion(evidence: &Evidence, why: &str) -> String {
    match evidence {
        Evidence::Answer(call, answer) => {
            format!("assert_ne!(player.answer({call}), Some({answer:?}), {why:?});")
        }
        Evidence::Waits(call) => format!("assert!(player.answer({call}).is_some(), {why:?});"),
        Evidence::Received(expected) => {
            format!("assert!(player.received.starts_with(&{expected:?}), {why:?});")
        }
        Evidence::Wrong(expected) => {
            format!(
                "let expected: Vec<u8> = vec!{expected:?};\n    assert!(expected.starts_with(&player.received), {why:?});"
            )
        }
        Evidence::Ended => format!("assert!(!player.met_end, {why:?});"),
        Evidence::NotEnded => format!("assert!(player.met_end, {why:?});"),
    }
}
