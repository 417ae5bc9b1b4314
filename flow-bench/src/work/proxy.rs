//! Much in one direction through a proxy, all on one thread.

use flow_core::combinators::proxy as proxy_flows;
use std::os::unix::net::UnixStream as Socket;
use tokio::net::UnixStream;

use super::{Done, data};
use crate::clock::Clock;
use crate::host::{Host as _, TokioCurrent};
use crate::links::{Link as _, TokioLink};

/// What is written by one call, and what is read at most by one.
const CHUNK: usize = 64 * 1024;

/// What goes before the clock starts.
const WARM_UP: u64 = 64;

/// What the proxy is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Copying {
    /// Two flows.
    Flows,
    /// Two flows, without splice(2).
    FlowsThroughMemory,
    /// Two streams of tokio, copied by its `copy_bidirectional`.
    Tokio,
    /// The same with buffers of 64 KiB.
    TokioLarge,
}

/// `count` chunks of 64 KiB from a client through the proxy to a server. Both are tokio's streams and use their buffers again, whatever the
/// proxy is.
pub(crate) async fn proxy(host: &TokioCurrent, copying: Copying, count: u64) -> Done {
    let (client, a) = pair();
    let (b, server) = pair();
    let copying = host.spawn(copy(copying, a, b));
    let mut client = link(client);
    let mut server = link(server);
    let writing = host.spawn(async move {
        for _ in 0..WARM_UP + count {
            client.send(data(CHUNK)).await;
        }
        client.end().await;
        assert_eq!(client.receive().await, 0);
    });
    let reading = host.spawn(async move {
        let mut came = 0;
        while came < WARM_UP * CHUNK as u64 {
            came += server.receive().await as u64;
        }
        let (begun, first) = (Clock::start(), came);
        loop {
            match server.receive().await {
                0 => break,
                more => came += more as u64,
            }
        }
        let took = begun.took();
        server.end().await;
        (came - first, took)
    });
    let (bytes, took) = reading.await;
    writing.await;
    assert_eq!(copying.await, (WARM_UP + count) * CHUNK as u64);
    Done {
        operations: count,
        took,
        bytes,
        ..Done::default()
    }
}

/// Says how many bytes went from `a` to `b`.
async fn copy(how: Copying, a: Socket, b: Socket) -> u64 {
    match how {
        Copying::Flows | Copying::FlowsThroughMemory => {
            let a = flow_tokio::connect(a).expect("a flow");
            let b = flow_tokio::connect(b).expect("a flow");
            let copied = match how {
                Copying::Flows => proxy_flows(a, b).await,
                _ => proxy_flows(a, b).through_memory().await,
            };
            copied.expect("copied").a_to_b.written_bytes
        }
        Copying::Tokio => {
            let (mut a, mut b) = (stream(a), stream(b));
            let copied = tokio::io::copy_bidirectional(&mut a, &mut b).await;
            copied.expect("copied").0
        }
        Copying::TokioLarge => {
            let (mut a, mut b) = (stream(a), stream(b));
            let copied =
                tokio::io::copy_bidirectional_with_sizes(&mut a, &mut b, CHUNK, CHUNK).await;
            copied.expect("copied").0
        }
    }
}

fn pair() -> (Socket, Socket) {
    let (a, b) = Socket::pair().expect("a pair");
    for socket in [&a, &b] {
        socket.set_nonblocking(true).expect("a socket");
    }
    (a, b)
}

fn stream(socket: Socket) -> UnixStream {
    UnixStream::from_std(socket).expect("a stream")
}

fn link(socket: Socket) -> TokioLink<UnixStream, true> {
    TokioLink::new(stream(socket), CHUNK)
}
