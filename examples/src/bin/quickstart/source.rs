//! What is sent: a file, or bytes that are made up.

use std::fs;
use std::io;
use std::path::Path;

use flow_core::Bytes;
use sha2::{Digest, Sha256};

use crate::transfer::Sum;

const CHUNK: usize = 256 * 1024;
const GENERATED: usize = 64 * 1024 * 1024;

/// The bytes to send, and their digest.
pub(crate) struct Source {
    pub(crate) name: String,
    bytes: Bytes,
    pub(crate) sum: Sum,
}

impl Source {
    pub(crate) fn file(path: &Path) -> io::Result<Self> {
        Ok(Self::new(path.display().to_string(), fs::read(path)?))
    }

    /// 64 MiB in which no two chunks are alike (xorshift).
    pub(crate) fn generated() -> Self {
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut bytes = Vec::with_capacity(GENERATED);
        while bytes.len() < GENERATED {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            bytes.extend_from_slice(&state.to_le_bytes());
        }
        Self::new("64 MiB generated".to_owned(), bytes)
    }

    fn new(name: String, bytes: Vec<u8>) -> Self {
        Self {
            name,
            sum: Sha256::digest(&bytes).into(),
            bytes: bytes.into(),
        }
    }

    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn chunks(&self) -> impl Iterator<Item = Bytes> {
        let mut rest = self.bytes.clone();
        std::iter::from_fn(move || {
            let len = rest.len().min(CHUNK);
            (len > 0).then(|| rest.split_to(len))
        })
    }
}
