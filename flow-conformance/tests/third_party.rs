//! Streams that nobody here wrote, under every law: what each breaks is in `docs/third-party.md`, and nothing else may break.

#[path = "third_party/async_io.rs"]
mod async_io;
#[path = "third_party/check.rs"]
mod check;
#[path = "third_party/compio.rs"]
mod compio;
#[path = "third_party/completion.rs"]
mod completion;
#[path = "third_party/io_peer.rs"]
mod io_peer;
#[path = "third_party/monoio.rs"]
mod monoio;
#[path = "third_party/page.rs"]
mod page;
#[path = "third_party/table.rs"]
mod table;
#[path = "third_party/tls.rs"]
mod tls;
#[path = "third_party/tls_keys.rs"]
mod tls_keys;
#[path = "third_party/tokio.rs"]
mod tokio;
#[path = "third_party/yamux.rs"]
mod yamux;

use crate::check::check;

macro_rules! streams {
    ($($test:ident: $harness:ty = $stream:ident;)*) => {$(
        #[test]
        fn $test() {
            check::<$harness>(&table::$stream);
        }
    )*};
}

streams! {
    tokio_unix_stream: tokio::Unix = TOKIO_UNIX;
    tokio_duplex_stream: tokio::Duplex = TOKIO_DUPLEX;
    async_std_unix_stream: async_io::AsyncStdUnix = ASYNC_STD_UNIX;
    async_io_unix_stream: async_io::AsyncIoUnix = ASYNC_IO_UNIX;
    compio_unix_stream: compio::Kept = COMPIO_UNIX;
    compio_unix_stream_with_dropped_reads: compio::Dropped = COMPIO_DROPPED;
    monoio_unix_stream: monoio::Monoio = MONOIO_UNIX;
    yamux_stream: yamux::Yamux = YAMUX;
    rustls_session: tls::Tls = RUSTLS;
}
