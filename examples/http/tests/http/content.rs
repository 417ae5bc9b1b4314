//! The bytes that the server gives, made once more after what its README says of them, and digests.

use sha2::{Digest as _, Sha256};

const BLOCK: usize = 64 * 1024;

/// Blocks of `len` bytes together.
pub(crate) fn blocks(len: usize) -> impl Iterator<Item = Vec<u8>> {
    let filling: Vec<u8> = (0..BLOCK).map(|i| ((i * i) >> 5) as u8).collect();
    (0..len.div_ceil(BLOCK)).map(move |number| {
        let mut block = filling.clone();
        block[..8].copy_from_slice(&(number as u64).to_le_bytes());
        block.truncate(len - number * BLOCK);
        block
    })
}

/// Hashes piece by piece, and counts.
#[derive(Default)]
pub(crate) struct Digest {
    hash: Sha256,
    len: usize,
}

impl Digest {
    pub(crate) fn of(pieces: impl Iterator<Item = Vec<u8>>) -> Self {
        let mut digest = Self::default();
        pieces.for_each(|piece| digest.add(&piece));
        digest
    }

    pub(crate) fn add(&mut self, piece: &[u8]) {
        self.hash.update(piece);
        self.len += piece.len();
    }

    /// As `sha256sum` prints it.
    pub(crate) fn hex(self) -> String {
        self.hash
            .finalize()
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect()
    }

    /// Against the content of that length.
    pub(crate) fn assert_is_content(self, len: usize, what: &str) {
        assert_eq!(self.len, len, "{what}: bytes");
        let right = self.hex() == Self::of(blocks(len)).hex();
        assert!(right, "{what}: the length is right and the digest is wrong");
    }
}
