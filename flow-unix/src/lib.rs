#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod connect;
mod connect_error;
mod convert;
mod delivered;
mod dial;
mod error;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod hang_up;
mod host;
mod kind;
mod listen;
mod memory;
mod opened;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod owed;
mod pair_error;
mod passing;
mod pipe;
mod pool;
mod privacy;
mod quiet;
mod readiness;
mod recv;
mod recvmsg;
mod release;
mod scratch;
mod send;
mod socket;
mod source;
#[cfg(any(target_os = "linux", target_os = "android"))]
mod splice;
#[cfg(not(any(target_os = "linux", target_os = "android")))]
#[path = "splice_none.rs"]
mod splice;
mod stdio;
mod transport;
mod way;

pub use crate::connect::{connect, connect_with, from_pair, from_pair_with};
pub use crate::connect_error::{ConnectError, ConnectErrorKind};
pub use crate::convert::{IntoStreamError, into_fd, into_fds, into_tcp_stream, into_unix_stream};
pub use crate::dial::{connect_tcp, connect_unix};
pub use crate::error::{Error, ErrorKind};
pub use crate::host::Host;
pub use crate::listen::{ListenError, ListenErrorKind, TcpListener, UnixListener};
pub use crate::pair_error::PairError;
pub use crate::passing::{MOST_FDS, WriteWithFds, receive_fds, take_fds, write_with_fds};
pub use crate::readiness::{Attempt, Direction, Interest, Readiness};
pub use crate::socket::{socketpair, socketpair_with};
pub use crate::stdio::stdio;
pub use crate::transport::{FdEngine, FdTransport, Rx, Tx};
