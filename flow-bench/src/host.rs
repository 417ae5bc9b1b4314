//! The executors that streams are measured on: ours and the peer's always on the same.

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;

/// Something that runs tasks.
pub(crate) trait Host: Debug {
    /// As a program would make it.
    fn new() -> Self;

    /// Runs `work` to its end, and the tasks beside it.
    fn block_on<F: Future>(&self, work: F) -> F::Output;

    /// Starts a task.
    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T>;

    /// Starts a task in a box: each poll goes through a pointer, on both sides of a row, and executors are not compiled for each stream and workload
    /// anew, which takes minutes.
    fn spawn_boxed<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        let work: Pin<Box<dyn Future<Output = T> + Send>> = Box::pin(work);
        self.spawn(work)
    }
}

/// tokio, of one thread or of as many as there are processors.
#[derive(Debug)]
pub(crate) struct Tokio<const MULTI: bool>(tokio::runtime::Runtime);

pub(crate) type TokioCurrent = Tokio<false>;
pub(crate) type TokioMulti = Tokio<true>;

/// async-std, which has one executor for the whole program.
#[derive(Debug)]
pub(crate) struct AsyncStd;

/// smol's executor on the one thread that also polls the descriptors.
#[derive(Debug)]
pub(crate) struct Smol(smol::LocalExecutor<'static>);

impl<const MULTI: bool> Host for Tokio<MULTI> {
    fn new() -> Self {
        let mut builder = if MULTI {
            tokio::runtime::Builder::new_multi_thread()
        } else {
            tokio::runtime::Builder::new_current_thread()
        };
        Self(builder.enable_io().build().expect("a runtime"))
    }

    fn block_on<F: Future>(&self, work: F) -> F::Output {
        self.0.block_on(work)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        joined(self.0.spawn(work))
    }
}

async fn joined<T>(task: tokio::task::JoinHandle<T>) -> T {
    task.await.expect("the task does not panic")
}

impl Host for AsyncStd {
    fn new() -> Self {
        Self
    }

    fn block_on<F: Future>(&self, work: F) -> F::Output {
        async_std::task::block_on(work)
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        async_std::task::spawn(work)
    }
}

impl Host for Smol {
    fn new() -> Self {
        Self(smol::LocalExecutor::new())
    }

    fn block_on<F: Future>(&self, work: F) -> F::Output {
        async_io::block_on(self.0.run(work))
    }

    fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> impl Future<Output = T> {
        self.0.spawn(work)
    }
}
