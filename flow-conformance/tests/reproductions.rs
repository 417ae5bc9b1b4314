//! What `docs/third-party.md` states, shown with the stream alone: std, system calls, no flow and no adapter.
//!
//! Each test asserts the behaviour as it is. One that fails has met a stream that does better than the table says.

#[path = "reproductions/async_io.rs"]
mod async_io;
#[path = "reproductions/by_hand.rs"]
mod by_hand;
#[path = "reproductions/compio.rs"]
mod compio;
#[path = "reproductions/monoio.rs"]
mod monoio;
#[path = "reproductions/rustls.rs"]
mod rustls;
#[path = "third_party/tls_keys.rs"]
mod tls_keys;
#[path = "reproductions/tokio.rs"]
mod tokio;
#[path = "reproductions/yamux.rs"]
mod yamux;
