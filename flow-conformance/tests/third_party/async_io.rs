//! `UnixStream` of async-std, and `Async<UnixStream>` of async-io, as they are.

use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use async_io::Async;
use flow_core::{Engine, FuturesIoTransport, from_futures_io};
use flow_testkit::{Harness, Shared};

macro_rules! harness {
    ($($(#[$doc:meta])* $name:ident: $stream:ty = $make:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Default)]
        pub(crate) struct $name;

        impl Harness for $name {
            type Flow = Engine<FuturesIoTransport<$stream>>;

            fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
                Some(from_futures_io($make(fd)))
            }

            fn turn(&self) -> bool {
                // Blocking on anything turns the reactor, which otherwise has a thread.
                async_std::task::block_on(async_std::task::yield_now());
                std::thread::yield_now();
                true
            }

            fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
                Some(Box::new(flow))
            }
        }
    )*};
}

harness! {
    /// Unix sockets of async-std.
    AsyncStdUnix: async_std::os::unix::net::UnixStream = |fd| UnixStream::from(fd).into();
    /// Unix sockets of std in async-io's `Async`.
    AsyncIoUnix: Async<UnixStream> = |fd| Async::new(UnixStream::from(fd)).expect("a socket");
}
