//! A ready-made error for transports that have none of their own.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use core::error::Error;
use core::fmt;

use crate::Aborted;

/// Any error, made cheap to clone: for a [`Transport`](crate::Transport) whose errors do not clone, or that has none of its own.
///
/// It looks like the error inside: `Display` and `source()` are those of that error, and a clone shares it.
///
/// # Examples
///
/// ```
/// use flow_core::{Aborted, SharedError};
///
/// let error = SharedError::from("the tunnel is gone");
/// assert_eq!(error.clone().to_string(), "the tunnel is gone");
/// assert!(!error.is_aborted());
/// assert!(SharedError::from(Aborted).is_aborted());
///
/// #[cfg(feature = "std")]
/// {
///     let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
///     let error = SharedError::from(refused);
///     assert!(error.downcast_ref::<std::io::Error>().is_some());
///     assert_eq!(std::io::Error::from(error).kind(), std::io::ErrorKind::ConnectionRefused);
/// }
/// ```
#[derive(Clone)]
pub struct SharedError(Kind);

#[derive(Clone)]
enum Kind {
    /// Apart from the others, so that an abort does not allocate.
    Aborted(Aborted),
    Other(Arc<dyn Error + Send + Sync>),
}

impl SharedError {
    /// Shares `error`, which may also be a message. One that is shared already is not wrapped again.
    pub fn new(error: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        let error = error.into();
        if error.is::<Aborted>() {
            return Aborted.into();
        }
        match error.downcast::<Self>() {
            Ok(shared) => *shared,
            Err(error) => Self(Kind::Other(error.into())),
        }
    }

    /// Whether it says that this side aborted the flow.
    #[must_use]
    pub const fn is_aborted(&self) -> bool {
        matches!(self.0, Kind::Aborted(_))
    }

    /// The error inside, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: Error + 'static>(&self) -> Option<&E> {
        self.inner().downcast_ref()
    }

    fn inner(&self) -> &(dyn Error + 'static) {
        match &self.0 {
            Kind::Aborted(error) => error,
            Kind::Other(error) => &**error,
        }
    }
}

impl fmt::Display for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.inner(), f)
    }
}

impl fmt::Debug for SharedError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SharedError").field(&self.inner()).finish()
    }
}

impl Error for SharedError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.inner().source()
    }
}

impl From<Aborted> for SharedError {
    fn from(error: Aborted) -> Self {
        Self(Kind::Aborted(error))
    }
}

macro_rules! from {
    ($($(#[$attribute:meta])* $error:ty),* $(,)?) => {$(
        $(#[$attribute])*
        impl From<$error> for SharedError {
            fn from(error: $error) -> Self {
                Self::new(error)
            }
        }
    )*};
}

from!(
    Box<dyn Error + Send + Sync>,
    String,
    &str,
    #[cfg(feature = "std")]
    std::io::Error,
);

/// Keeps the kind, where it was made of an [`io::Error`](std::io::Error); an abort is `ConnectionAborted`, the rest `Other`.
#[cfg(feature = "std")]
impl From<SharedError> for std::io::Error {
    fn from(error: SharedError) -> Self {
        use std::io::ErrorKind;

        let kind = match error.downcast_ref::<Self>() {
            Some(inner) => inner.kind(),
            None if error.is_aborted() => ErrorKind::ConnectionAborted,
            None => ErrorKind::Other,
        };
        Self::new(kind, error)
    }
}
