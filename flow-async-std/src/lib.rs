#![doc = include_str!("../README.md")]
#![cfg(unix)]

mod connect;
mod convert;
mod flow;
mod listen;
mod readiness;

pub use crate::connect::{
    connect, connect_tcp, connect_unix, connect_with, from_pair, from_pair_with, socketpair,
    socketpair_with, stdio,
};
pub use crate::flow::AsyncStdFlow;
pub use crate::listen::{
    TcpFlowListener, UnixFlowListener, listen_tcp, listen_unix, listen_unix_replacing_stale,
};
pub use crate::readiness::AsyncStdReadiness;
pub use flow_core::{Delivered, Flow, FlowExt, Shutdown, Switch, WriteError};
pub use flow_unix::{
    ConnectError, ConnectErrorKind, Error, ErrorKind, Host, ListenError, ListenErrorKind, PairError,
};

/// The flow of this crate, under the name that it has in every backend.
pub type FdFlow = AsyncStdFlow;
