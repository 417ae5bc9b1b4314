//! The four runtimes and the ways to connect on each. The backends have the same names, so that one macro serves both.

use std::error::Error;
use std::pin::Pin;
use std::sync::Arc;

use flow_core::{BoxFlow, Flow};
use futures_lite::future;

use crate::report::Row;
use crate::source::Source;
use crate::transfer::{self, Seen};

pub(crate) type Failure = Box<dyn Error + Send + Sync>;
type Task<T> = Pin<Box<dyn Future<Output = T> + Send>>;
/// How a runtime runs a task beside this one: the future ends with the task's result.
type Spawn = fn(Task<Result<u64, Failure>>) -> Task<Result<u64, Failure>>;

/// Both halves over one connection: the server in a task of its own, the client here.
async fn run<F>(
    (client, server): (F, F),
    source: &Source,
    row: &Row,
    spawn: Spawn,
) -> Result<Seen, Failure>
where
    F: Flow + Send + Sync + 'static,
{
    let server = spawn(Box::pin(
        async move { Ok(transfer::answer(&server).await?) },
    ));
    let seen = transfer::ask(&client, source, |echoed| row.progress(echoed)).await?;
    let received = server.await?;
    if received != source.len() {
        return Err(format!("the server received {received} bytes").into());
    }
    Ok(seen)
}

/// The lines of one runtime.
struct Rows {
    runtime: &'static str,
    source: Arc<Source>,
    spawn: Spawn,
    rows: Vec<Row>,
}

impl Rows {
    async fn add<F>(&mut self, transport: &'static str, flows: (F, F))
    where
        F: Flow + Send + Sync + 'static,
    {
        let row = Row::start(self.runtime, transport, self.source.len());
        let seen = run(flows, &self.source, &row, self.spawn).await;
        self.rows.push(row.done(seen, &self.source));
    }
}

macro_rules! transports {
    ($name:ident, $backend:ident) => {
        async fn $name(
            runtime: &'static str,
            source: Arc<Source>,
            spawn: Spawn,
        ) -> Result<Vec<Row>, Failure> {
            let rows = Vec::new();
            let mut table = Rows {
                runtime,
                source,
                spawn,
                rows,
            };

            table.add("socketpair", $backend::socketpair()?).await;

            let folder = tempfile::tempdir()?;
            let path = folder.path().join("quickstart");
            let listener = $backend::listen_unix(&path)?;
            let (client, server) =
                future::zip($backend::connect_unix(&path), listener.accept()).await;
            table.add("unix listener", (client?, server?.0)).await;

            let listener = $backend::listen_tcp(([127, 0, 0, 1], 0)).await?;
            let address = listener.local_addr()?;
            let (client, server) =
                future::zip($backend::connect_tcp(address), listener.accept()).await;
            table.add("tcp loopback", (client?, server?.0)).await;

            let (client, server) = $backend::socketpair()?;
            let flows: (BoxFlow<_>, BoxFlow<_>) = (Box::new(client), Box::new(server));
            table.add("boxed socketpair", flows).await;
            Ok(table.rows)
        }
    };
}

transports!(on_tokio, flow_tokio);
transports!(on_async_io, flow_async_std);

fn spawn_tokio(task: Task<Result<u64, Failure>>) -> Task<Result<u64, Failure>> {
    let task = tokio::spawn(task);
    Box::pin(async { task.await? })
}

fn spawn_async_std(task: Task<Result<u64, Failure>>) -> Task<Result<u64, Failure>> {
    Box::pin(async_std::task::spawn(task))
}

fn spawn_smol(task: Task<Result<u64, Failure>>) -> Task<Result<u64, Failure>> {
    Box::pin(smol::spawn(task))
}

/// Every transport on every runtime.
pub(crate) fn all(source: &Arc<Source>) -> Result<Vec<Row>, Failure> {
    let current_thread = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let multi_thread = tokio::runtime::Builder::new_multi_thread()
        .enable_io()
        .build()?;
    let source = || Arc::clone(source);

    let mut rows =
        current_thread.block_on(on_tokio("tokio current-thread", source(), spawn_tokio))?;
    let task = multi_thread.spawn(on_tokio("tokio multi-thread", source(), spawn_tokio));
    rows.extend(multi_thread.block_on(task)??);
    let task = on_async_io("async-std", source(), spawn_async_std);
    rows.extend(async_std::task::block_on(async_std::task::spawn(task))?);
    let task = on_async_io("smol", source(), spawn_smol);
    rows.extend(smol::block_on(smol::spawn(task))?);
    Ok(rows)
}
