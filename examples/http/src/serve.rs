//! Accepting flows, and hyper on each of them.

use std::convert::Infallible;
use std::error::Error;
use std::io::{self, Write as _};
use std::marker::PhantomData;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use flow_core::FuturesIo;
use hyper::rt::Executor;
use hyper::service::service_fn;
use hyper_util::server::conn::auto;

use crate::Failure;
use crate::answers::answer;
use crate::backend::Backend;

/// How long to wait where no flow could be accepted, in most cases because there are no descriptors left.
const PAUSE: Duration = Duration::from_millis(100);

/// Serves whoever connects to `path`. Ends only if it cannot listen there.
pub(crate) async fn serve<B: Backend>(path: &Path) -> Result<Infallible, Failure> {
    let listener = B::listen(path)?;
    writeln!(
        io::stdout(),
        "listening on {} with {}",
        path.display(),
        B::NAME
    )?;
    for connection in 1_u64.. {
        let flow = loop {
            match B::accept(&listener).await {
                Ok(flow) => break flow,
                Err(e) => eprintln!("no flow accepted: {}", told(&e)),
            }
            B::sleep(PAUSE).await;
        };
        B::spawn(async move {
            // As when a client has gone in the middle: that is its own affair, and nobody else's.
            if let Err(e) = connected::<B>(flow, connection).await {
                eprintln!("connection {connection}: {}", told(&*e));
            }
        });
    }
    unreachable!("as many connections as there are numbers")
}

/// Answers everything that comes over one flow, in HTTP/1.1 or HTTP/2, whichever the client begins with.
async fn connected<B: Backend>(
    flow: B::Flow,
    connection: u64,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let requests = Arc::new(AtomicU64::new(0));
    let service = service_fn(move |request| {
        let number = requests.fetch_add(1, Ordering::Relaxed) + 1;
        answer(request, B::NAME, connection, number)
    });
    let mut http = auto::Builder::new(Spawn::<B>(PhantomData));
    // A client may end its direction after the request, and still wants the answer.
    http.http1().half_close(true);
    http.serve_connection(FuturesIo::new(flow), service).await
}

/// Where hyper runs the requests of one HTTP/2 connection beside each other.
#[derive(Clone)]
struct Spawn<B>(PhantomData<B>);

impl<B: Backend, F: Future<Output: Send> + Send + 'static> Executor<F> for Spawn<B> {
    fn execute(&self, work: F) {
        B::spawn(work);
    }
}

/// An error and its causes, in one line.
pub(crate) fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
