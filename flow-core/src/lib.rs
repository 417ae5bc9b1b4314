#![doc = include_str!("../README.md")]
#![cfg_attr(not(feature = "std"), no_std)]
#![forbid(unsafe_code)]
#![cfg_attr(
    not(feature = "std"),
    allow(
        rustdoc::broken_intra_doc_links,
        reason = "the engine is there with std only"
    )
)]

extern crate alloc;

mod chunks;
mod delivered;
mod direct;
mod error;
mod ext;
mod flow;
mod forward;
pub mod future;
mod gather;
mod op;
mod payload;
mod place;
mod shared_error;
mod shutdown;
mod transport;

#[cfg(any(feature = "futures-io", feature = "stream"))]
mod adapters;
#[cfg(feature = "std")]
mod async_fns;
#[cfg(feature = "std")]
pub mod combinators;
#[cfg(feature = "std")]
mod engine;
#[cfg(feature = "std")]
pub mod memory;
#[cfg(feature = "std")]
#[doc(hidden)]
pub mod mutant;
#[cfg(feature = "std")]
mod section;
#[cfg(feature = "std")]
mod switch;
#[cfg(feature = "std")]
mod sync;

#[cfg(feature = "futures-io")]
pub use crate::adapters::futures_io::{FuturesIo, FuturesIoTransport, from_futures_io};
#[cfg(feature = "stream")]
pub use crate::adapters::stream::{
    ByteStream, ByteStreamTransport, from_byte_stream, from_byte_stream_with,
};
#[cfg(feature = "std")]
pub use crate::async_fns::{AsyncFns, from_async_fns};
pub use crate::chunks::{Chunks, IntoIter};
pub use crate::delivered::Delivered;
pub use crate::direct::{Direct, Outside};
#[cfg(feature = "std")]
pub use crate::engine::{Engine, Parts};
pub use crate::error::{Aborted, WriteError};
pub use crate::ext::FlowExt;
pub use crate::flow::{BoxFlow, Flow, LocalBoxFlow};
pub use crate::op::{CloseOp, FlushOp, ReadOp, ShutdownOp, WriteOp};
pub use crate::payload::Payload;
pub use crate::place::{Leave, Place};
pub use crate::shared_error::SharedError;
pub use crate::shutdown::Shutdown;
#[cfg(feature = "std")]
pub use crate::switch::{
    Hook, HookResult, Switch, SwitchOff, TurnOff, TurnOffError, TurnOffErrors,
};
pub use crate::transport::{PeerEnd, Transport};
pub use bytes::Bytes;
