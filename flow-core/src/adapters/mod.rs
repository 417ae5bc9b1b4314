//! Flows as other crates' streams, and the other way round.

#[cfg(feature = "futures-io")]
pub(crate) mod futures_io;
