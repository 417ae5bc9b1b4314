//! The buffers of a vectored write: short ones that follow each other are copied together, which costs less than to carry each of them along.

use alloc::vec::Vec;
use core::mem;

use bytes::Bytes;

use crate::{Chunks, Payload};

/// Buffers shorter than this are copied together. A copy of so many bytes costs about what it costs to list a buffer, here and in the kernel.
const SHORT: usize = 256;

/// No more than this is copied into one buffer.
const MOST: usize = 16 * 1024;

/// What has come so far.
#[derive(Default)]
struct Gathered {
    list: Vec<Bytes>,
    /// A short buffer that may stay alone.
    short: Option<Bytes>,
    /// Short buffers, together. Nothing is `short` then.
    copied: Vec<u8>,
}

impl Gathered {
    /// Whatever comes next does not join what was short before it.
    fn end_run(&mut self) {
        if !self.copied.is_empty() {
            self.list.push(mem::take(&mut self.copied).into());
        } else if let Some(short) = self.short.take() {
            self.list.push(short);
        }
    }

    /// Adds a short buffer, behind which at least `others` come.
    #[inline]
    fn add_short(&mut self, buffer: Bytes, others: usize) {
        if self.copied.is_empty() {
            let Some(first) = self.short.take() else {
                self.short = Some(buffer);
                return;
            };
            // An iterator may say anything of itself.
            let behind = buffer.len().saturating_mul(others.saturating_add(1));
            self.copied
                .reserve_exact(behind.saturating_add(first.len()).min(MOST));
            self.copied.extend_from_slice(&first);
        } else if self.copied.len() + buffer.len() > MOST {
            self.end_run();
            self.short = Some(buffer);
            return;
        }
        self.copied.extend_from_slice(&buffer);
    }
}

/// The bytes of all `buffers` in order.
pub(crate) fn gather<P: Payload>(buffers: impl IntoIterator<Item = P>) -> Chunks {
    let mut buffers = buffers.into_iter();
    let mut gathered = Gathered::default();
    while let Some(buffer) = buffers.next() {
        let buffer = buffer.into_bytes();
        if buffer.len() < SHORT {
            if !buffer.is_empty() {
                gathered.add_short(buffer, buffers.size_hint().0);
            }
        } else {
            gathered.end_run();
            gathered.list.push(buffer);
        }
    }
    if gathered.list.is_empty() {
        return match gathered.short {
            Some(short) => short.into(),
            None => Bytes::from(gathered.copied).into(),
        };
    }
    gathered.end_run();
    gathered.list.into()
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    /// The lengths of what so many buffers of these lengths become, and all their bytes.
    fn lengths(buffers: &[usize]) -> (Vec<usize>, Vec<u8>) {
        let mut next = 0_u8;
        let buffers = buffers.iter().map(|&len| {
            let bytes = (0..len).map(|i| next.wrapping_add(i as u8));
            let bytes: Vec<_> = bytes.collect();
            next = next.wrapping_add(len as u8);
            bytes
        });
        let chunks = gather(buffers);
        let lens: Vec<_> = chunks.slices().map(<[u8]>::len).collect();
        assert_eq!(chunks.len(), lens.iter().sum::<usize>());
        (lens, chunks.slices().flatten().copied().collect())
    }

    #[test]
    fn short_ones_that_follow_each_other_become_one() {
        for (buffers, expected) in [
            (vec![], vec![]),
            (vec![0, 0], vec![]),
            (vec![0, 5, 0], vec![5]),
            (vec![64; 16], vec![1024]),
            (vec![255, 255], vec![510]),
            (vec![256, 255], vec![256, 255]),
            (vec![4, 70_000, 2], vec![4, 70_000, 2]),
            (vec![1, 0, 2, 300, 3, 300, 0, 4, 5], vec![3, 300, 3, 300, 9]),
            (vec![16; 1025], vec![MOST, 16]),
            (vec![255; 65], vec![64 * 255, 255]),
        ] {
            let (lens, bytes) = lengths(&buffers);
            assert_eq!(lens, expected, "{buffers:?}");
            let all = (0..buffers.iter().sum()).map(|i: usize| i as u8);
            assert!(bytes.into_iter().eq(all), "{buffers:?}");
        }
    }

    #[test]
    fn what_an_iterator_says_of_itself_need_not_be_true() {
        struct Two(u8);

        impl Iterator for Two {
            type Item = Vec<u8>;

            fn next(&mut self) -> Option<Vec<u8>> {
                self.0 += 1;
                (self.0 <= 2).then(|| vec![self.0; 3])
            }

            fn size_hint(&self) -> (usize, Option<usize>) {
                (usize::MAX, None)
            }
        }

        assert_eq!(gather(Two(0)).first(), [1, 1, 1, 2, 2, 2]);
    }

    #[test]
    fn the_first_alone_is_handed_on_as_it_is() {
        let alone = Bytes::from(vec![7; 10]);
        let chunks = gather([alone.clone(), Bytes::new()]);
        assert_eq!(chunks.first().as_ptr(), alone.as_ptr());
    }
}
