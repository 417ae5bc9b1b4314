//! From and to other streams, in the middle of a conversation.

mod support;

use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::fs::OFlags;
use support::backend::{FdFlow, FlowExt as _, connect};
use support::{Peer, finish, pairs, put, run};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Says something on a flow, and leaves something unread.
async fn begin(flow: &FdFlow, peer: &Peer) {
    flow.write("one").await.unwrap();
    put(peer, b"unread");
}

/// The same stream goes on, nothing lost.
async fn go_on(flow: FdFlow, peer: &Peer) {
    flow.write("two").await.unwrap();
    let mut said = [0; 6];
    std::io::Read::read_exact(&mut &*peer, &mut said).unwrap();
    assert_eq!(&said, b"onetwo");
    assert_eq!(
        finish(&mut flow.read()).await.unwrap().as_deref(),
        Some(&b"unread"[..])
    );
}

#[test]
fn std_streams_there_and_back() {
    run(async {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();

        let flow = FdFlow::try_from(UnixStream::from(unix)).unwrap();
        begin(&flow, &unix_peer).await;
        let stream = UnixStream::try_from(flow).unwrap();
        assert!(
            !support::status(stream.as_fd()).contains(OFlags::NONBLOCK),
            "its flags were changed"
        );
        go_on(stream.try_into().unwrap(), &unix_peer).await;

        let flow = FdFlow::try_from(TcpStream::from(tcp)).unwrap();
        begin(&flow, &tcp_peer).await;
        flow.with_fd(|fd| support::arrived(fd, 6)).unwrap();
        let stream = TcpStream::try_from(flow).unwrap();
        go_on(stream.try_into().unwrap(), &tcp_peer).await;
    });
}

#[test]
fn descriptors_there_and_back() {
    run(async {
        for (fd, peer) in pairs() {
            let flow = FdFlow::try_from(fd).unwrap();
            begin(&flow, &peer).await;
            flow.with_fd(|fd| support::arrived(fd, 6)).unwrap();
            go_on(OwnedFd::try_from(flow).unwrap().try_into().unwrap(), &peer).await;
        }
    });
}

#[test]
fn a_stream_of_the_wrong_kind_gives_the_flow_back() {
    run(async {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();
        let flow = connect(unix).unwrap();
        begin(&flow, &unix_peer).await;
        let error = TcpStream::try_from(flow).unwrap_err();
        assert!(error.to_string().contains("another kind"), "{error}");
        go_on(error.into_flow().unwrap(), &unix_peer).await;

        let flow = connect(tcp).unwrap();
        begin(&flow, &tcp_peer).await;
        let error = UnixStream::try_from(flow).unwrap_err();
        go_on_after_arrival(error.into_flow().unwrap(), &tcp_peer).await;
    });
}

async fn go_on_after_arrival(flow: FdFlow, peer: &Peer) {
    flow.with_fd(|fd| support::arrived(fd, 6)).unwrap();
    go_on(flow, peer).await;
}

#[test]
fn the_streams_of_the_runtime_there_and_back() {
    run(async {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();

        let flow = connect(unix).unwrap();
        flow.write("o").await.unwrap();
        let mut stream = tokio::net::UnixStream::try_from(flow).unwrap();
        stream.write_all(b"ne").await.unwrap();
        put(&unix_peer, b"!unread");
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        go_on(stream.try_into().unwrap(), &unix_peer).await;

        let flow = connect(tcp).unwrap();
        flow.write("o").await.unwrap();
        let mut stream = tokio::net::TcpStream::try_from(flow).unwrap();
        stream.write_all(b"ne").await.unwrap();
        put(&tcp_peer, b"!unread");
        assert_eq!(stream.read_u8().await.unwrap(), b'!');
        support::arrived(stream.as_fd(), 6);
        go_on(stream.try_into().unwrap(), &tcp_peer).await;
    });
}

#[test]
fn outside_of_a_runtime_the_flow_comes_back() {
    let runtime = support::runtime();
    let [(unix, peer), _] = pairs();
    let flow = runtime.block_on(async { connect(unix) }).unwrap();
    let error = tokio::net::UnixStream::try_from(flow).unwrap_err();
    assert!(error.to_string().contains("runtime"), "{error}");
    runtime.block_on(async {
        let flow = error.into_flow().unwrap();
        begin(&flow, &peer).await;
        go_on(flow, &peer).await;
    });
}

#[test]
fn in_a_runtime_without_io_the_flow_comes_back() {
    let runtime = support::runtime();
    let without_io = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let [(unix, peer), _] = pairs();
    let flow = runtime.block_on(async { connect(unix) }).unwrap();
    let error = without_io
        .block_on(async { tokio::net::UnixStream::try_from(flow) })
        .unwrap_err();
    runtime.block_on(async {
        let flow = error.into_flow().unwrap();
        begin(&flow, &peer).await;
        go_on(flow, &peer).await;
    });
}
