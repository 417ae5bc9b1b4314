//! `Stream` and `Sink` of [`Bytes`](bytes::Bytes), both ways.

mod from;
mod to;

pub use self::from::{ByteStreamTransport, from_byte_stream, from_byte_stream_with};
pub use self::to::ByteStream;
