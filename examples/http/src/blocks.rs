//! A body of any length that is never in memory as a whole, and whose bytes tell where they belong.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::LazyLock;
use std::task::{Context, Poll};

use hyper::body::{Body, Bytes, Frame, SizeHint};

/// The length of a block.
const BLOCK: usize = 64 * 1024;

/// What every block holds after its number.
static FILLING: LazyLock<Vec<u8>> =
    LazyLock::new(|| (8..BLOCK).map(|i| ((i * i) >> 5) as u8).collect());

/// Blocks of 64 KiB. Each begins with its number, in eight bytes with the lowest first; byte `i` of it is the low byte of `i * i >> 5`.
#[derive(Debug)]
pub(crate) struct Blocks {
    /// The number of the next one.
    next: u64,
    /// How many bytes are still to come.
    left: u64,
}

impl Blocks {
    pub(crate) const fn new(len: u64) -> Self {
        Self { next: 0, left: len }
    }
}

impl Body for Blocks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let this = self.get_mut();
        if this.left == 0 {
            return Poll::Ready(None);
        }
        let mut block = Vec::with_capacity(BLOCK);
        block.extend_from_slice(&this.next.to_le_bytes());
        block.extend_from_slice(&FILLING);
        block.truncate(usize::try_from(this.left).unwrap_or(BLOCK).min(BLOCK));
        this.next += 1;
        this.left -= block.len() as u64;
        Poll::Ready(Some(Ok(Frame::data(block.into()))))
    }

    fn is_end_stream(&self) -> bool {
        self.left == 0
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}
