//! Combinators against bare far ends.
#![cfg(all(feature = "std", not(loom)))]

#[path = "../step/mod.rs"]
mod step;

mod copying;
mod direct;
mod faulty;
mod functions;
mod halves;
mod idle;
mod proxying;
mod wrappers;

use flow_core::memory::{Received, Wire};

/// All that has arrived at a bare end, and whether the end has.
fn received(wire: &mut Wire) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        let mut part = [0; 64];
        match wire.recv(&mut part) {
            Received::Data(count) => all.extend_from_slice(&part[..count]),
            Received::Nothing => return (all, false),
            Received::End => return (all, true),
            Received::Torn => panic!("cut off"),
        }
    }
}
