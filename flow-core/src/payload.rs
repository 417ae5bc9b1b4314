//! What a write accepts: anything that becomes owned bytes without surprise.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::{Bytes, BytesMut};

/// Data that can be handed to [`write`](crate::FlowExt::write): owned buffers, and what lives for ever.
///
/// Nothing is copied but arrays by value, and [what is short](crate::FlowExt::writev) in a vectored write. Borrowed data goes through [`write_copy`](crate::FlowExt::write_copy).
pub trait Payload {
    /// The data as one owned buffer.
    fn into_bytes(self) -> Bytes;
}

impl<const N: usize> Payload for [u8; N] {
    fn into_bytes(self) -> Bytes {
        Bytes::copy_from_slice(&self)
    }
}

impl<const N: usize> Payload for &'static [u8; N] {
    fn into_bytes(self) -> Bytes {
        Bytes::from_static(self)
    }
}

macro_rules! payloads {
    ($($from:ty),*) => {$(
        impl Payload for $from {
            fn into_bytes(self) -> Bytes {
                self.into()
            }
        }
    )*};
}

payloads!(
    Bytes,
    BytesMut,
    Vec<u8>,
    Box<[u8]>,
    String,
    &'static [u8],
    &'static str
);
