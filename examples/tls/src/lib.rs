#![doc = include_str!("../README.md")]
#![forbid(unsafe_code)]

mod error;
mod handshake;
mod session;
mod transport;

pub use crate::error::{HandshakeCause, HandshakeError, TlsError};
pub use crate::handshake::{Handshake, accept, connect};
pub use crate::transport::{Receiving, Sending, TlsFlow, TlsTransport};
pub use rustls;
