//! Flows as other crates' streams, and the other way round.

#[cfg(feature = "futures-io")]
pub(crate) mod futures_io;
#[cfg(feature = "stream")]
pub(crate) mod stream;

use std::io::{self, ErrorKind};

use crate::SharedError;

/// Whether the error of another crate's stream says that the peer is gone: the reader is told that, and a close is done.
fn is_gone(error: &SharedError) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|e| {
        matches!(
            e.kind(),
            // The last is what a session says whose peer is gone without a goodbye.
            ErrorKind::ConnectionReset
                | ErrorKind::ConnectionAborted
                | ErrorKind::NotConnected
                | ErrorKind::UnexpectedEof
        )
    })
}
