//! Flows of any kind under one type.

use std::error::Error;

use super::{MapErr, Named};
use crate::{Aborted, BoxFlow, Flow, LocalBoxFlow, SharedError};

/// `flow` with the error that fits all flows: either [`Closed`](crate::WriteError::Closed), or something with a message.
///
/// `Display` and `source()` of a [`SharedError`] are those of the flow's own error, which [`downcast_ref`](SharedError::downcast_ref) gives back. An error that
/// comes of an abort on this side, wherever it is in the chain of sources, [is such](SharedError::is_aborted).
///
/// [`boxed`] is the same in a box.
pub fn concrete<F: Flow>(flow: F) -> Concrete<F> {
    MapErr::new(flow, shared)
}

/// A flow with the error that fits all flows: see [`concrete`].
pub type Concrete<F> = MapErr<F, fn(<F as Flow>::Error) -> SharedError>;

/// `flow` in a box, with the error that fits all flows: flows of any kind under one type. See [`concrete`].
///
/// No call allocates because of it.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{Named, boxed};
/// use flow_core::memory::{self, MemoryError};
/// use flow_core::{BoxFlow, Flow as _, FlowExt as _, SharedError};
///
/// # futures_lite::future::block_on(async {
/// let (plain, mut peer) = memory::with_wire(1024);
/// let (other, _peer) = memory::with_wire(1024);
/// let flows: [BoxFlow<SharedError>; 2] = [boxed(plain), boxed(Named::new(other, "uplink"))];
/// flows[0].write("hello").await?;
///
/// // The failing cases.
/// peer.tear();
/// let error = flows[0].read().await.unwrap_err();
/// assert_eq!(error.to_string(), "the peer left in the middle of a write");
/// assert_eq!(error.downcast_ref(), Some(&MemoryError::Torn));
/// flows[1].abort();
/// assert!(flows[1].read().await.unwrap_err().is_aborted());
/// # Ok::<_, flow_core::WriteError<SharedError>>(())
/// # }).unwrap();
/// ```
pub fn boxed<F: Flow + Send + Sync + 'static>(flow: F) -> BoxFlow<SharedError> {
    Box::new(concrete(flow))
}

/// [`boxed`] for a flow that stays on its thread.
pub fn boxed_local<F: Flow + 'static>(flow: F) -> LocalBoxFlow<SharedError> {
    Box::new(concrete(flow))
}

/// Any flow under one type, with a name: see [`create`].
pub type NamedFlow = Named<BoxFlow<SharedError>>;

/// `flow` as a value that is like all others: under one type, with a name to print and the error that fits all flows.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{NamedFlow, copy, create};
/// use flow_core::{Flow as _, memory};
///
/// async fn forward(src: &NamedFlow, dst: &NamedFlow) -> String {
///     match copy(src, dst).await {
///         Ok(stats) => format!("{src} => {dst}: {} bytes", stats.written_bytes),
///         Err(e) => format!("{src} => {dst}: {e}"),
///     }
/// }
///
/// # futures_lite::future::block_on(async {
/// let ((here, mut from), (there, _to)) = (memory::with_wire(64), memory::with_wire(64));
/// let (here, there) = (create(here, "here"), create(there, "there"));
/// from.send(b"hello");
/// from.end();
/// assert_eq!(forward(&here, &there).await, "here => there: 5 bytes");
///
/// // The failing case.
/// there.abort();
/// assert_eq!(forward(&there, &here).await, "there => here: reading from the source failed");
/// # })
/// ```
pub fn create<F>(flow: F, name: impl Into<std::sync::Arc<str>>) -> NamedFlow
where
    F: Flow + Send + Sync + 'static,
{
    Named::new(boxed(flow), name)
}

fn shared<E: Error + Send + Sync + 'static>(error: E) -> SharedError {
    let mut cause: Option<&(dyn Error + 'static)> = Some(&error);
    while let Some(e) = cause {
        let shared = e.downcast_ref::<SharedError>();
        if e.is::<Aborted>() || shared.is_some_and(SharedError::is_aborted) {
            return Aborted.into();
        }
        cause = e.source();
    }
    SharedError::new(error)
}
