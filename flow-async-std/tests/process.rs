//! The process around the flows: its limit of descriptors, the programs that it starts, and its exit.

mod support;

#[path = "../../flow-unix/tests/backends/process.rs"]
mod process;

use async_io::Async;
use support::backend::{FdFlow, connect};
use support::{leaves_nothing, out_of_descriptors_but, pairs, rest, tcp};

/// Streams of async-io are the descriptor itself.
#[test]
fn without_descriptors_conversions_from_and_to_async_io_work() {
    leaves_nothing(async || {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();
        let (unix, tcp) = (connect(unix).unwrap(), connect(tcp).unwrap());
        let unix: Async<std::os::unix::net::UnixStream> =
            out_of_descriptors_but(0, || unix.try_into()).unwrap();
        let tcp: Async<std::net::TcpStream> = out_of_descriptors_but(0, || tcp.try_into()).unwrap();
        let unix = out_of_descriptors_but(0, || FdFlow::try_from(unix)).unwrap();
        let tcp = out_of_descriptors_but(0, || FdFlow::try_from(tcp)).unwrap();
        drop((unix, tcp));
        assert_eq!(rest(&unix_peer).unwrap(), b"");
        assert_eq!(rest(&tcp_peer).unwrap(), b"");
    });
}

/// Streams of async-std keep what they are made of, and are duplicated on the way in.
#[test]
fn without_descriptors_a_stream_of_async_std_is_refused() {
    leaves_nothing(async || {
        let [(unix, unix_peer), (tcp, tcp_peer)] = pairs();
        let (unix, tcp) = (connect(unix).unwrap(), connect(tcp).unwrap());
        // Out needs none.
        let unix: async_std::os::unix::net::UnixStream =
            out_of_descriptors_but(0, || unix.try_into()).unwrap();
        let tcp: async_std::net::TcpStream = out_of_descriptors_but(0, || tcp.try_into()).unwrap();
        for error in [
            out_of_descriptors_but(0, || FdFlow::try_from(unix.clone())).unwrap_err(),
            out_of_descriptors_but(0, || FdFlow::try_from(tcp.clone())).unwrap_err(),
        ] {
            assert_eq!(error.raw_os_error(), Some(24), "{error}");
        }
        let unix = out_of_descriptors_but(1, || FdFlow::try_from(unix)).unwrap();
        let tcp = out_of_descriptors_but(1, || FdFlow::try_from(tcp)).unwrap();
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
