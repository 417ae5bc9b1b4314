//! Each thread's memory for short messages, so that an idle flow holds none.

use std::cell::Cell;

use bytes::{Bytes, BytesMut};

use crate::memory::Buffer;

/// How much fits. Longer messages are received into memory of their own.
pub(crate) const LEN: usize = 16 * 1024;

/// A block holds this many of the shortest chunks that are carved from it, so that a chunk that is kept keeps no more than this many
/// times its length in memory.
const CHUNKS: usize = 16;

/// Chunks are carved from blocks by the power of two below their length, from 16 bytes on. Shorter ones and longer ones have memory of their own.
const SMALLEST: u32 = 4;
const SIZES: usize = 7;

/// What a thread has for short messages: a buffer to receive into, and blocks to carve chunks from.
pub(crate) struct Scratch {
    /// What is in it was left by whoever had it before.
    pub(crate) buffer: Box<Buffer<LEN>>,
    blocks: [BytesMut; SIZES],
}

thread_local! {
    static SCRATCH: Cell<Option<Box<Scratch>>> = const { Cell::new(None) };
}

/// Lends the thread's scratch memory out.
#[inline]
pub(crate) fn with<T>(work: impl FnOnce(&mut Scratch) -> T) -> T {
    // A thread that is ending, or a caller inside `work`, gets one of its own.
    let mut scratch = SCRATCH
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_else(Scratch::new);
    let result = work(&mut scratch);
    _ = SCRATCH.try_with(|kept| kept.set(Some(scratch)));
    result
}

impl Scratch {
    #[cold]
    fn new() -> Box<Self> {
        Box::new(Self {
            buffer: Box::new(Buffer::new()),
            blocks: std::array::from_fn(|_| BytesMut::new()),
        })
    }

    /// A chunk of the first `len` bytes of the buffer, carved from the block for chunks of about this length. A block whose chunks are gone is
    /// used again.
    #[inline]
    pub(crate) fn carve(&mut self, len: usize) -> Bytes {
        let bytes = &self.buffer[..len];
        let size = len
            .checked_ilog2()
            .and_then(|log| log.checked_sub(SMALLEST))
            .unwrap_or(u32::MAX);
        let Some(block) = self.blocks.get_mut(size as usize) else {
            return Bytes::copy_from_slice(bytes);
        };
        if block.capacity() < len && !block.try_reclaim(len) {
            *block = BytesMut::with_capacity(CHUNKS << (size + SMALLEST));
        }
        block.extend_from_slice(bytes);
        block.split().freeze()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn carve(scratch: &mut Scratch, message: &[u8]) -> Bytes {
        scratch.buffer[..message.len()].copy_from_slice(message);
        scratch.carve(message.len())
    }

    #[test]
    fn chunks_are_what_they_were_carved_of_and_stay_so() {
        let lens = [
            0, 1, 15, 16, 17, 31, 32, 64, 100, 1023, 1024, 2047, 2048, 5000,
        ];
        let message = |round: u8, len: usize| vec![round; len];
        let mut scratch = Scratch::new();
        let kept: Vec<_> = (0..200)
            .flat_map(|round| lens.map(|len| (round, len)))
            .map(|(round, len)| (round, len, carve(&mut scratch, &message(round, len))))
            .collect();
        assert!(
            kept.iter()
                .all(|(round, len, chunk)| *chunk == message(*round, *len))
        );
    }

    #[test]
    fn a_block_is_no_longer_than_sixteen_of_its_chunks() {
        for len in [16, 31, 64, 1024, 2047] {
            let mut scratch = Scratch::new();
            let first = scratch.carve(len);
            let block = &scratch.blocks[(len.ilog2() - SMALLEST) as usize];
            assert!(first.len() + block.capacity() <= CHUNKS * len);
        }
    }
}
