//! A [`Transport`] alone, under the good engine: every script of calls up to a bound, over a stream that is as awkward as a stream may be.
//!
//! For who wrote a transport that is a layer over another stream, or over anything that can be put over a [`Stream`]. Say how it
//! is made ([`Over`]), and call [`explore`] from a test. It runs every sequence of a few calls, over streams that move a byte at a
//! time, that have hardly any room, that put every answer off, that are cut in the middle, and whose wakes come late and in the wrong order. What fails is
//! made as small as can be, and printed as a program that needs nothing of this kit: for a bug report.
//!
//! The bytes that the far end of the stream sends and receives must be those of the flow. A layer that changes them is put over its own
//! counterpart in [`Over::engine`]. A transport that cannot be put over a stream is explored with the far ends that its
//! [`Harness`](crate::Harness) makes, by [`explore_flows`].
//!
//! # Examples
//!
//! ```
//! use flow_core::Engine;
//! use flow_testkit::transport::{self, Bound, Over, Stream};
//!
//! /// The stream itself is a transport too, and a good one.
//! struct Itself;
//!
//! impl Over for Itself {
//!     type Transport = Stream;
//!     const SETUP: &'static str = "Engine::new(stream, (), ())";
//!
//!     fn engine(stream: Stream) -> Engine<Stream> {
//!         Engine::new(stream, (), ())
//!     }
//! }
//!
//! let explored = transport::explore::<Itself>(Bound { acts: 2 }).unwrap_or_else(|failure| panic!("{failure}"));
//! assert!(explored.scripts > 100);
//! ```

mod explore;
mod print;
mod stream;
mod watched;

use std::fmt;

use flow_core::{Engine, Transport};

pub use self::explore::{explore, explore_flows};
pub use self::stream::{Cut, Far, Met, Quirks, Stream, stream};

use crate::peer::{Peer, Recv};
use crate::script::{Broken, Script};

/// How a transport is made over a stream.
pub trait Over: 'static {
    /// The transport.
    type Transport: Transport + 'static;

    /// The same as [`engine`](Self::engine), for the program that is printed: an expression in which `stream` is the stream.
    const SETUP: &'static str;

    /// An engine over the transport over this stream. `Engine::new(stream, (), ())` makes a flow of the stream, where the transport is a layer
    /// over another flow; `FuturesIo::new` of that makes it `AsyncRead` and `AsyncWrite`.
    fn engine(stream: Stream) -> Engine<Self::Transport>;
}

/// How far to look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// How many acts a script has at most.
    pub acts: usize,
}

impl Default for Bound {
    /// A few seconds, unoptimised.
    fn default() -> Self {
        Self { acts: 4 }
    }
}

/// What was looked at without a fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Explored {
    /// How many scripts were run.
    pub scripts: usize,
}

/// A script under which a transport breaks the contract, or its own.
#[derive(Clone, Debug)]
pub struct Failure {
    /// How the stream behaved, where it was the kit's.
    pub quirks: Option<Quirks>,
    /// What was done.
    pub script: Script,
    /// What came of it.
    pub broken: Broken,
    /// How many scripts were run before it.
    pub scripts: usize,
    /// A program that shows it and needs nothing of this kit: only flow-core, and the crate of the transport. `None` where it cannot be seen from
    /// outside the engine.
    pub program: Option<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            quirks,
            script,
            broken,
            scripts,
            program,
        } = self;
        writeln!(f, "after {scripts} scripts: {broken}")?;
        if let Some(quirks) = quirks {
            writeln!(f, "  {quirks:?}")?;
        }
        write!(f, "{script}")?;
        match program {
            Some(program) => write!(f, "the same as a program:\n\n{program}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}

impl Peer for Far {
    fn send(&mut self, data: &[u8]) -> usize {
        Self::send(self, data)
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        match Self::recv(self, buf.len()) {
            Met::Bytes(bytes) => {
                buf[..bytes.len()].copy_from_slice(&bytes);
                Recv::Data(bytes.len())
            }
            Met::Nothing => Recv::Empty,
            Met::End => Recv::End,
        }
    }

    fn queued(&mut self) -> usize {
        Self::queued(self)
    }

    fn end(&mut self) {
        Self::end(self);
    }

    fn vanish(&mut self) {
        self.leave();
    }

    fn reset(&mut self) {
        self.cut();
    }
}
