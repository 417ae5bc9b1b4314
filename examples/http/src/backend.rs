//! All that differs between the runtimes: where flows come from, and what runs beside what.

use std::io;
use std::path::Path;
use std::time::Duration;

use flow_async_std::AsyncStdFlow;
use flow_core::Flow;
// Both backends have the same errors.
use flow_tokio::{Error, ListenError, TokioFlow};

pub(crate) trait Backend: Clone + Send + Sync + 'static {
    const NAME: &'static str;

    type Flow: Flow + Send + 'static;
    type Listener;

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T>;

    fn spawn(work: impl Future<Output: Send> + Send + 'static);

    fn sleep(time: Duration) -> impl Future<Output = ()>;

    /// In place of a socket that a server has left behind.
    fn listen(path: &Path) -> Result<Self::Listener, ListenError>;

    fn accept(listener: &Self::Listener) -> impl Future<Output = Result<Self::Flow, Error>>;
}

/// tokio, with as many threads as there are processors.
#[derive(Clone)]
pub(crate) struct Tokio;

impl Backend for Tokio {
    const NAME: &'static str = "tokio";

    type Flow = TokioFlow;
    type Listener = flow_tokio::UnixFlowListener;

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
        Ok(tokio::runtime::Runtime::new()?.block_on(work))
    }

    fn spawn(work: impl Future<Output: Send> + Send + 'static) {
        tokio::spawn(work);
    }

    async fn sleep(time: Duration) {
        tokio::time::sleep(time).await;
    }

    fn listen(path: &Path) -> Result<Self::Listener, ListenError> {
        flow_tokio::listen_unix_replacing_stale(path)
    }

    async fn accept(listener: &Self::Listener) -> Result<TokioFlow, Error> {
        Ok(listener.accept().await?.0)
    }
}

/// async-std, likewise.
#[derive(Clone)]
pub(crate) struct AsyncStd;

impl Backend for AsyncStd {
    const NAME: &'static str = "async-std";

    type Flow = AsyncStdFlow;
    type Listener = flow_async_std::UnixFlowListener;

    fn block_on<T>(work: impl Future<Output = T>) -> io::Result<T> {
        Ok(async_std::task::block_on(work))
    }

    fn spawn(work: impl Future<Output: Send> + Send + 'static) {
        async_std::task::spawn(async {
            work.await;
        });
    }

    async fn sleep(time: Duration) {
        async_std::task::sleep(time).await;
    }

    fn listen(path: &Path) -> Result<Self::Listener, ListenError> {
        flow_async_std::listen_unix_replacing_stale(path)
    }

    async fn accept(listener: &Self::Listener) -> Result<AsyncStdFlow, Error> {
        Ok(listener.accept().await?.0)
    }
}
