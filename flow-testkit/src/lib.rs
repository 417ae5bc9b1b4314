#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]
#![allow(
    clippy::missing_panics_doc,
    reason = "laws and the moves that they are made of panic where a clause is broken; that is what they are for"
)]

mod any;
mod asked;
#[cfg(feature = "broken")]
pub mod broken;
pub mod case;
mod census;
mod child;
pub mod completion;
pub mod fd;
mod forms;
mod fragile;
mod harness;
mod journal;
mod law;
pub mod laws;
pub mod memory;
pub mod moves;
pub mod pattern;
mod peer;
#[cfg(target_os = "linux")]
pub mod pipes;
pub mod plain;
mod report;
mod row;
pub mod script;
mod step;
mod subject;
mod suite;
mod threads;
pub mod transport;

pub use crate::any::{AnyError, AnyFlow, AnyHarness};
pub use crate::case::Case;
pub use crate::census::Census;
pub use crate::forms::{Boxed, ByRef, InArc, Ref};
pub use crate::fragile::{Break, Fragile, FragileError};
pub use crate::harness::{Harness, Link, Need, Refused, Room, Shared, engine_remade};
pub use crate::law::{Law, Run, Verdict, watchdog};
pub use crate::laws::tests;
pub use crate::peer::{FlowPeer, Peer, Recv};
pub use crate::report::{Outcome, Report};
pub use crate::row::{End, Form, Row, Tasks, Wakers};
pub use crate::step::{Counter, Step};
pub use crate::subject::Subject;
pub use crate::suite::{Suite, main, test};
