//! A flow with other errors.

use std::error::Error;
use std::fmt;

use super::forward::{forward_converting, inner};
use crate::Flow;

/// A flow whose errors are turned into others, so that it fits where another flow does.
///
/// [`WriteError::Closed`](crate::WriteError::Closed) stays what it is. The function is called for every error that is handed out, a repeated one too, so it
/// answers the same for the same.
///
/// # Examples
///
/// ```
/// use std::io;
///
/// use flow_core::combinators::MapErr;
/// use flow_core::{Flow, FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, peer) = memory::with_wire(1024);
/// let flow = MapErr::new(flow, |e| io::Error::new(io::ErrorKind::UnexpectedEof, e));
///
/// // The failing case.
/// peer.tear();
/// assert_eq!(flow.read().await.unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
/// assert!(flow.write("more").await.unwrap_err().is_closed());
/// # })
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct MapErr<F, M> {
    flow: F,
    convert: M,
}

impl<F: Flow, M> MapErr<F, M> {
    /// `flow` with its errors put through `convert`.
    pub const fn new<E>(flow: F, convert: M) -> Self
    where
        M: Fn(F::Error) -> E,
    {
        Self { flow, convert }
    }

    inner!(flow: F);

    /// The flow inside.
    pub fn into_inner(self) -> F {
        self.flow
    }

    fn converted<E>(&self, error: F::Error) -> E
    where
        M: Fn(F::Error) -> E,
    {
        (self.convert)(error)
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F, M, E> Flow for MapErr<F, M>
where
    F: Flow,
    M: Fn(F::Error) -> E,
    E: Error + Send + Sync + 'static,
{
    type Error = E;

    forward_converting!(flow, converted);
}

impl<F: fmt::Debug, M> fmt::Debug for MapErr<F, M> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MapErr")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}
