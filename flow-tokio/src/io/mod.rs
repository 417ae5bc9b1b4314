//! Flows as streams of tokio and of hyper, and the other way round.

mod from;
#[cfg(feature = "hyper")]
mod hyper;
mod to;

pub use self::from::{TokioIoTransport, from_tokio_io};
pub use self::to::TokioIo;
