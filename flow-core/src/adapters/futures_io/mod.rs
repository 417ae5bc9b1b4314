//! `AsyncRead` and `AsyncWrite` of `futures-io`, both ways.

mod from;
#[cfg(feature = "hyper")]
mod hyper;
mod to;

use core::error::Error;
use std::io;
use std::sync::Arc;

pub use self::from::{FuturesIoTransport, from_futures_io};
pub use self::to::FuturesIo;
use crate::{Aborted, SharedError, WriteError};

/// `error` inside an [`io::Error`], of the kind of the first error in its chain of sources that has one.
fn to_io<E: Error + Send + Sync + 'static>(error: E) -> io::Error {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    let mut kind = None;
    while let (Some(error), None) = (cause, kind) {
        kind = kind_of(error);
        cause = error.source();
    }
    io::Error::new(kind.unwrap_or(io::ErrorKind::Other), error)
}

fn kind_of(error: &(dyn Error + 'static)) -> Option<io::ErrorKind> {
    if let Some(shared) = error.downcast_ref::<SharedError>() {
        return match shared.downcast_ref::<io::Error>() {
            Some(io) => Some(io.kind()),
            None => shared
                .is_aborted()
                .then_some(io::ErrorKind::ConnectionAborted),
        };
    }
    if error.is::<Aborted>() {
        return Some(io::ErrorKind::ConnectionAborted);
    }
    // Errors that are cloned have it shared, and then the `Arc` is the source.
    let shared = || error.downcast_ref::<Arc<io::Error>>().map(|e| &**e);
    let error = error.downcast_ref::<io::Error>().or_else(shared)?;
    Some(error.kind())
}

/// [`WriteError::Closed`] is `BrokenPipe`; what is below goes through `convert`.
fn write_error<E>(error: WriteError<E>, convert: fn(E) -> io::Error) -> io::Error {
    match error {
        WriteError::Closed => {
            io::Error::new(io::ErrorKind::BrokenPipe, "the flow is closed for writing")
        }
        WriteError::Transport(error) => convert(error),
    }
}
