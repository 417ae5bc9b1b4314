//! Each thread's memory for short messages, so that an idle flow holds none.

use std::cell::{Cell, RefCell};

use bytes::{Bytes, BytesMut};

/// How much fits. Longer messages are received into memory of their own.
pub(crate) const LEN: usize = 16 * 1024;

/// A block holds this many of the shortest chunks that are carved from it, so that a chunk that is kept keeps no more than this many
/// times its length in memory.
const CHUNKS: usize = 16;

/// Chunks are carved from blocks by the power of two below their length, from 16 bytes on. Shorter ones and longer ones have memory of their own.
const SMALLEST: u32 = 4;
const SIZES: usize = 7;

thread_local! {
    static BLOCKS: RefCell<[BytesMut; SIZES]> = RefCell::new(std::array::from_fn(|_| BytesMut::new()));
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer out. What is in it was left by whoever had it before.
pub(crate) fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    // A thread that is ending, or a caller inside `work`, gets one of its own.
    let mut buffer = SCRATCH
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; LEN].into());
    let result = work(&mut buffer);
    _ = SCRATCH.try_with(|scratch| scratch.set(Some(buffer)));
    result
}

/// A chunk of these bytes, carved from the thread's block for chunks of about this length. A block whose chunks are gone is used again.
pub(crate) fn carve(bytes: &[u8]) -> Bytes {
    let size = bytes
        .len()
        .checked_ilog2()
        .and_then(|log| log.checked_sub(SMALLEST));
    let carved = size.and_then(|size| {
        let carve = |blocks: &RefCell<[BytesMut; SIZES]>| {
            let mut blocks = blocks.borrow_mut();
            let block = blocks.get_mut(size as usize)?;
            if block.capacity() < bytes.len() && !block.try_reclaim(bytes.len()) {
                *block = BytesMut::with_capacity(CHUNKS << (size + SMALLEST));
            }
            block.extend_from_slice(bytes);
            Some(block.split().freeze())
        };
        BLOCKS.try_with(carve).ok().flatten()
    });
    carved.unwrap_or_else(|| Bytes::copy_from_slice(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chunks_are_what_they_were_carved_of_and_stay_so() {
        let lens = [
            0, 1, 15, 16, 17, 31, 32, 64, 100, 1023, 1024, 2047, 2048, 5000,
        ];
        let message = |round: u8, len: usize| vec![round; len];
        let kept: Vec<_> = (0..200)
            .flat_map(|round| lens.map(|len| (round, len, carve(&message(round, len)))))
            .collect();
        assert!(
            kept.iter()
                .all(|(round, len, chunk)| *chunk == message(*round, *len))
        );
    }

    #[test]
    fn a_block_is_no_longer_than_sixteen_of_its_chunks() {
        for len in [16, 31, 64, 1024, 2047] {
            let first = carve(&vec![0; len]);
            BLOCKS.with_borrow(|blocks| {
                let block = &blocks[(len.ilog2() - SMALLEST) as usize];
                assert!(first.len() + block.capacity() <= CHUNKS * len);
            });
        }
    }
}
