//! The two backends behind one trait.

use std::os::unix::net::UnixStream;

use flow_async_std::AsyncStdFlow;
use flow_core::Flow;
use flow_tokio::TokioFlow;

use crate::Failure;

/// Where flows come from, and what drives them.
pub(crate) trait Backend {
    const NAME: &'static str;

    type Flow: Flow;

    fn run<T>(work: impl Future<Output = T>) -> Result<T, Failure>;

    fn socketpair() -> Result<(Self::Flow, Self::Flow), Failure>;

    fn connect(socket: UnixStream) -> Result<Self::Flow, Failure>;
}

/// tokio, of one thread.
#[derive(Debug)]
pub(crate) struct Tokio;

impl Backend for Tokio {
    const NAME: &'static str = "tokio";

    type Flow = TokioFlow;

    fn run<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_io()
            .build()?;
        Ok(runtime.block_on(work))
    }

    fn socketpair() -> Result<(TokioFlow, TokioFlow), Failure> {
        Ok(flow_tokio::socketpair()?)
    }

    fn connect(socket: UnixStream) -> Result<TokioFlow, Failure> {
        Ok(flow_tokio::connect(socket)?)
    }
}

/// async-std.
#[derive(Debug)]
pub(crate) struct AsyncStd;

impl Backend for AsyncStd {
    const NAME: &'static str = "async-std";

    type Flow = AsyncStdFlow;

    fn run<T>(work: impl Future<Output = T>) -> Result<T, Failure> {
        Ok(async_std::task::block_on(work))
    }

    fn socketpair() -> Result<(AsyncStdFlow, AsyncStdFlow), Failure> {
        Ok(flow_async_std::socketpair()?)
    }

    fn connect(socket: UnixStream) -> Result<AsyncStdFlow, Failure> {
        Ok(flow_async_std::connect(socket)?)
    }
}
