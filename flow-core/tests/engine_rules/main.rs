//! Rules of the engine that no law of a flow can see from outside: they need a transport that does odd things at odd moments.
#![cfg(feature = "std")]

mod closing;
mod discarding;
mod foreign_code;
mod handing_on;
mod owed;
mod parts;
#[path = "../script/mod.rs"]
mod script;
#[path = "../step/mod.rs"]
mod step;
mod taking;
mod yielding;
