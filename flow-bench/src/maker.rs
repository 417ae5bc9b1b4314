//! Connected pairs of each stream, and the executor that each lives on.

use std::fmt::Debug;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;

use async_io::Async;
use flow_async_std::AsyncStdFlow;
use flow_core::combinators::{Counted, MapErr, Named};
use flow_core::memory::{self, MemoryFlow};
use flow_core::{BoxFlow, SharedError};
use flow_tokio::TokioFlow;
use tokio::io::DuplexStream;

use crate::host::{AsyncStd, Host, Smol, TokioCurrent, TokioMulti};
use crate::links::{FlowLink, FuturesLink, Link, TokioLink};
use crate::work::room;

/// What connects the two ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wire {
    /// A pair of `AF_UNIX` sockets.
    Unix,
    /// TCP over the loopback device, small writes sent at once.
    Tcp,
}

/// Makes pairs of one kind of stream.
pub(crate) trait Maker: Debug + 'static {
    type Host: Host;
    type Link: Link;

    /// Two connected ends, made within the host. Streams that are told how much to read at most read `room` bytes.
    fn pair(wire: Wire, room: usize) -> (Self::Link, Self::Link);

    /// How much they read at most where messages have `len` bytes.
    fn room(len: usize) -> usize {
        room(len)
    }
}

/// Two ends of a TCP connection that block no thread.
fn tcp() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a listener");
    let address = listener.local_addr().expect("an address");
    let near = TcpStream::connect(address).expect("connected");
    let (far, _) = listener.accept().expect("accepted");
    for socket in [&near, &far] {
        socket.set_nodelay(true).expect("a socket");
        socket.set_nonblocking(true).expect("a socket");
    }
    (near, far)
}

fn both<A, B>((a, b): (A, A), link: impl Fn(A) -> B) -> (B, B) {
    (link(a), link(b))
}

fn tokio_flows(wire: Wire) -> (TokioFlow, TokioFlow) {
    match wire {
        Wire::Unix => flow_tokio::socketpair().expect("two flows"),
        Wire::Tcp => both(tcp(), |s| flow_tokio::connect(s).expect("a flow")),
    }
}

fn async_std_flows(wire: Wire) -> (AsyncStdFlow, AsyncStdFlow) {
    match wire {
        Wire::Unix => flow_async_std::socketpair().expect("two flows"),
        Wire::Tcp => both(tcp(), |s| flow_async_std::connect(s).expect("a flow")),
    }
}

macro_rules! makers {
    ($($(#[$doc:meta])* $name:ident on $host:ty: $link:ty = |$wire:ident, $room:ident| $pair:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug)]
        pub(crate) struct $name;

        impl Maker for $name {
            type Host = $host;
            type Link = $link;

            fn pair($wire: Wire, $room: usize) -> ($link, $link) {
                $pair
            }
        }
    )*};
}

/// Through three wrappers.
type Wrapped = Named<Counted<MapErr<TokioFlow, fn(flow_tokio::Error) -> SharedError>>>;

fn wrapped(flow: TokioFlow) -> Wrapped {
    Named::new(
        Counted::new(MapErr::new(flow, SharedError::new as fn(_) -> _)),
        "wrapped",
    )
}

makers! {
    FlowTokio on TokioCurrent: FlowLink<TokioFlow> = |wire, _room| both(tokio_flows(wire), FlowLink);
    FlowTokioConnected on TokioCurrent: FlowLink<TokioFlow> = |_wire, _room| {
        both(UnixStream::pair().expect("a pair"), |s| FlowLink(flow_tokio::connect(s).expect("a flow")))
    };
    FlowTokioMulti on TokioMulti: FlowLink<TokioFlow> = |wire, _room| both(tokio_flows(wire), FlowLink);
    FlowAsyncStd on AsyncStd: FlowLink<AsyncStdFlow> = |wire, _room| both(async_std_flows(wire), FlowLink);
    FlowSmol on Smol: FlowLink<AsyncStdFlow> = |wire, _room| both(async_std_flows(wire), FlowLink);
    /// As much in each direction as a socket holds by default.
    FlowMemory on TokioCurrent: FlowLink<MemoryFlow> = |_wire, _room| both(memory::pair(IN_MEMORY), FlowLink);
    FlowBoxed on TokioCurrent: FlowLink<BoxFlow<flow_tokio::Error>> = |wire, _room| {
        both(tokio_flows(wire), |flow| FlowLink(Box::new(flow) as BoxFlow<_>))
    };
    FlowWrapped on TokioCurrent: FlowLink<Wrapped> = |wire, _room| {
        both(tokio_flows(wire), |flow| FlowLink(wrapped(flow)))
    };
    FlowWrappedBoxed on TokioCurrent: FlowLink<BoxFlow<flow_core::combinators::NamedError<SharedError>>> = |wire, _room| {
        both(tokio_flows(wire), |flow| FlowLink(Box::new(wrapped(flow)) as BoxFlow<_>))
    };
    TokioDuplex on TokioCurrent: DuplexLink = |_wire, room| {
        both(tokio::io::duplex(IN_MEMORY), |s| TokioLink::new(s, room))
    };
}

/// Of tokio's streams in memory.
type DuplexLink = TokioLink<DuplexStream, false>;

/// How much a pair in memory holds in each direction.
const IN_MEMORY: usize = 208 * 1024;

macro_rules! peers {
    ($($name:ident on $host:ty: $link:ident<$unix:ty, $tcp:ty>, |$is:ident| $from_tcp:expr;)*) => {$(
        /// The runtime's own streams.
        #[derive(Debug)]
        pub(crate) struct $name<const REUSED: bool, const TCP: bool>;

        impl<const REUSED: bool> Maker for $name<REUSED, false> {
            type Host = $host;
            type Link = $link<$unix, REUSED>;

            fn pair(wire: Wire, room: usize) -> (Self::Link, Self::Link) {
                assert_eq!(wire, Wire::Unix);
                both(<$unix>::pair().expect("a pair"), |s| $link::new(s, room))
            }
        }

        impl<const REUSED: bool> Maker for $name<REUSED, true> {
            type Host = $host;
            type Link = $link<$tcp, REUSED>;

            fn pair(wire: Wire, room: usize) -> (Self::Link, Self::Link) {
                assert_eq!(wire, Wire::Tcp);
                both(tcp(), |$is| $link::new($from_tcp, room))
            }
        }
    )*};
}

peers! {
    Tokio on TokioCurrent: TokioLink<tokio::net::UnixStream, tokio::net::TcpStream>,
        |s| tokio::net::TcpStream::from_std(s).expect("a stream");
    TokioOnMulti on TokioMulti: TokioLink<tokio::net::UnixStream, tokio::net::TcpStream>,
        |s| tokio::net::TcpStream::from_std(s).expect("a stream");
    AsyncStdOwn on AsyncStd: FuturesLink<async_std::os::unix::net::UnixStream, async_std::net::TcpStream>,
        |s| s.into();
    AsyncIo on Smol: FuturesLink<Async<UnixStream>, Async<TcpStream>>,
        |s| Async::new(s).expect("a stream");
}

/// tokio's own streams, read into buffers of just the size of the message: who knows the size and no more.
#[derive(Debug)]
pub(crate) struct TokioExact;

impl Maker for TokioExact {
    type Host = TokioCurrent;
    type Link = TokioLink<tokio::net::UnixStream, false>;

    fn pair(wire: Wire, room: usize) -> (Self::Link, Self::Link) {
        Tokio::<false, false>::pair(wire, room)
    }

    fn room(len: usize) -> usize {
        len
    }
}
