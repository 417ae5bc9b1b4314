//! hyper's own client, over tokio's stream and over flows.

use std::convert::Infallible;

use flow_core::FuturesIo;
use futures_lite::{future, stream};
use http_body_util::{BodyExt as _, Empty, StreamBody};
use hyper::Request;
use hyper::body::{Body, Bytes, Frame, Incoming};
use hyper::client::conn::{http1, http2};
use hyper::rt::{Read, Write};
use hyper_util::rt::{TokioExecutor, TokioIo};

use crate::content::{Digest, blocks};
use crate::server::{Server, greeting};
use crate::{Case, Needs, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "hyper_gets_1000_answers_on_one_connection",
        Needs::Nothing,
        |server| {
            on_tokio(async {
                asks_1000_times(bare(server).await, server).await;
            });
        },
    ),
    case("hyper_sends_and_gets_32_mib", Needs::Nothing, |server| {
        on_tokio(async {
            sends_and_gets(bare(server).await, 32 << 20).await;
        });
    }),
    case(
        "hyper_sends_and_gets_beside_each_other_in_http2",
        Needs::Nothing,
        |server| on_tokio(beside_each_other_in_http2(server)),
    ),
    case("hyper_over_a_flow_on_tokio", Needs::Nothing, |server| {
        on_tokio(async {
            let flow = || async { flow_tokio::connect_unix(&server.path).await.unwrap() };
            asks_1000_times(flow_tokio::TokioIo::new(flow().await), server).await;
            sends_and_gets(flow_tokio::TokioIo::new(flow().await), 4 << 20).await;
        });
    }),
    case("hyper_over_a_flow_on_async_std", Needs::Nothing, |server| {
        async_std::task::block_on(async {
            let flow = || async { flow_async_std::connect_unix(&server.path).await.unwrap() };
            asks_1000_times(FuturesIo::new(flow().await), server).await;
            sends_and_gets(FuturesIo::new(flow().await), 4 << 20).await;
        });
    }),
];

fn on_tokio(work: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    runtime.unwrap().block_on(work);
}

async fn bare(server: &Server) -> TokioIo<tokio::net::UnixStream> {
    TokioIo::new(tokio::net::UnixStream::connect(&server.path).await.unwrap())
}

fn get(place: &str) -> Request<Empty<Bytes>> {
    let request = Request::get(place).header("host", "flow");
    request.body(Empty::new()).unwrap()
}

/// Runs the connection beside what is done with it, and ends with that.
async fn beside<E: std::fmt::Debug>(
    connection: impl Future<Output = Result<(), E>>,
    work: impl Future<Output = ()>,
) {
    let connection = async {
        let ended = connection.await;
        panic!("the connection ended in the middle: {ended:?}");
    };
    future::or(work, connection).await;
}

async fn asks_1000_times(io: impl Read + Write + Unpin, server: &Server) {
    let (mut to, connection) = http1::handshake(io).await.unwrap();
    beside(connection, async {
        for number in 1..=1000 {
            let answer = to.send_request(get("/")).await.unwrap();
            let body = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(greeting(&body, server.runtime), (1, number));
        }
    })
    .await;
}

/// The content, in one frame for each block.
fn content(len: usize) -> impl Body<Data = Bytes, Error = Infallible> + Unpin {
    let frames = blocks(len).map(|block| Ok(Frame::data(block.into())));
    StreamBody::new(stream::iter(frames))
}

async fn hashed(mut body: Incoming) -> Digest {
    let mut digest = Digest::default();
    while let Some(frame) = body.frame().await {
        digest.add(&frame.unwrap().into_data().unwrap_or_default());
    }
    digest
}

async fn sends_and_gets(io: impl Read + Write + Unpin, len: usize) {
    let (mut to, connection) = http1::handshake(io).await.unwrap();
    beside(connection, async {
        let request = Request::put("/digest").header("host", "flow");
        let request = request.body(content(len).boxed_unsync()).unwrap();
        let answer = to.send_request(request).await.unwrap();
        let digest = answer.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(digest, Digest::of(blocks(len)).hex() + "\n");

        to.ready().await.unwrap();
        let request = get(&format!("/bytes/{len}")).map(|body| body.boxed_unsync());
        let answer = to.send_request(request).await.unwrap();
        let digest = hashed(answer.into_body()).await;
        digest.assert_is_content(len, "what hyper got");
    })
    .await;
}

/// Eight bodies at once on one connection, four each way.
async fn beside_each_other_in_http2(server: &Server) {
    const LEN: usize = (2 << 20) + 1;

    let io = bare(server).await;
    let (to, connection) = http2::handshake(TokioExecutor::new(), io).await.unwrap();
    let one = async |number: usize| {
        let mut to = to.clone();
        // Each has a length of its own.
        let len = LEN + number;
        if number.is_multiple_of(2) {
            let request = Request::put("http://flow/digest");
            let request = request.body(content(len).boxed_unsync()).unwrap();
            let answer = to.send_request(request).await.unwrap();
            let digest = answer.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(digest, Digest::of(blocks(len)).hex() + "\n");
        } else {
            let request = get(&format!("http://flow/bytes/{len}"));
            let answer = to.send_request(request.map(|body| body.boxed_unsync()));
            let digest = hashed(answer.await.unwrap().into_body()).await;
            digest.assert_is_content(len, "what hyper got in HTTP/2");
        }
    };
    let all = async {
        let pairs = |n| future::zip(one(n), one(n + 1));
        future::zip(
            future::zip(pairs(0), pairs(2)),
            future::zip(pairs(4), pairs(6)),
        )
        .await;
    };
    beside(connection, all).await;
    // It was one connection: this is the second.
    assert_eq!(server.client().greeted(), 2);
}
