//! A flow with a name.

use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::forward::{forward_converting, inner};
use crate::Flow;

/// A flow that knows its name: it is the flow's `Display`, and in `Debug` and in every error.
///
/// # Errors
///
/// Those of the flow inside, as [`NamedError`]. Nothing else changes.
///
/// # Examples
///
/// ```
/// use std::error::Error as _;
///
/// use flow_core::combinators::Named;
/// use flow_core::{Flow as _, FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// let flow = Named::new(flow, "uplink");
/// assert_eq!(flow.to_string(), "uplink");
/// flow.write("hello").await.unwrap();
///
/// // The failing case.
/// peer.send(b"half a mess");
/// peer.tear();
/// flow.read().await.unwrap();
/// let error = flow.read().await.unwrap_err();
/// assert_eq!(error.to_string(), "flow uplink failed");
/// assert_eq!(error.source().unwrap().to_string(), "the peer left in the middle of a write");
/// # })
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct Named<F> {
    flow: F,
    name: Arc<str>,
}

impl<F> Named<F> {
    /// `flow` with this name.
    pub fn new(flow: F, name: impl Into<Arc<str>>) -> Self {
        Self {
            flow,
            name: name.into(),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    inner!(flow: F);

    /// The flow inside.
    pub fn into_inner(self) -> F {
        self.flow
    }

    fn with_name<E>(&self, error: E) -> NamedError<E> {
        NamedError {
            name: Arc::clone(&self.name),
            error,
        }
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow> Flow for Named<F> {
    type Error = NamedError<F::Error>;

    forward_converting!(flow, with_name);
}

impl<F> fmt::Display for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl<F> fmt::Debug for Named<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Named")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

/// An error of a [`Named`] flow. The flow's own is inside, and its `source()`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
#[error("flow {name} failed")]
pub struct NamedError<E> {
    name: Arc<str>,
    #[source]
    error: E,
}

impl<E> NamedError<E> {
    /// The name of the flow that failed.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The flow's own error.
    pub const fn inner(&self) -> &E {
        &self.error
    }

    /// The flow's own error.
    pub fn into_inner(self) -> E {
        self.error
    }
}
