//! The process around the flows: its limit of descriptors, the programs that it starts, and its exit.

mod support;

#[path = "../../flow-unix/tests/backends/process.rs"]
mod process;

use std::error::Error as _;

use support::backend::{FdFlow, connect};
use support::{leaves_nothing, out_of_descriptors_but, pairs, put, rest, tcp};

/// Whether tokio would take the stream can be asked only with a descriptor to spare.
#[test]
fn without_descriptors_a_conversion_to_tokio_gives_the_flow_back() {
    leaves_nothing(async || {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();
        let (unix, tcp) = (connect(unix).unwrap(), connect(tcp).unwrap());
        let error = out_of_descriptors_but(0, || tokio::net::UnixStream::try_from(unix));
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "the runtime did not take the stream");
        let cause = error.source().expect("a cause").to_string();
        assert!(cause.contains("(os error 24)"), "{cause}");
        let unix = error.into_flow().expect("the flow");
        let error = out_of_descriptors_but(0, || tokio::net::TcpStream::try_from(tcp));
        let tcp = error.unwrap_err().into_flow().expect("the flow");

        let unix = out_of_descriptors_but(1, || tokio::net::UnixStream::try_from(unix)).unwrap();
        let tcp = out_of_descriptors_but(1, || tokio::net::TcpStream::try_from(tcp)).unwrap();
        put(&unix_peer, b"x");
        put(&tcp_peer, b"x");
        unix.readable().await.unwrap();
        tcp.readable().await.unwrap();
        // And back, with none.
        let unix = out_of_descriptors_but(0, || FdFlow::try_from(unix)).unwrap();
        let tcp = out_of_descriptors_but(0, || FdFlow::try_from(tcp)).unwrap();
        drop((unix, tcp));
        assert_eq!(rest(&unix_peer).unwrap(), b"");
        assert_eq!(rest(&tcp_peer).unwrap(), b"");
    });
}

/// Streams of std are the descriptor itself.
#[test]
fn without_descriptors_conversions_from_and_to_std_work() {
    leaves_nothing(async || {
        let (ours, theirs) = tcp();
        let flow = out_of_descriptors_but(0, || FdFlow::try_from(ours)).unwrap();
        let back = out_of_descriptors_but(0, || std::net::TcpStream::try_from(flow)).unwrap();
        drop(back);
        assert_eq!(rest(theirs).unwrap(), b"");
    });
}
