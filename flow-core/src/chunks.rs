//! The bytes of one write: owned buffers and a cursor.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::any::Any;
use core::fmt;
use core::mem;

use bytes::{Buf, Bytes};

use crate::Outside;

/// The bytes of one write that are still to be sent: owned buffers in order, and a cursor that a
/// [`Transport`](crate::Transport) moves from the front.
///
/// Buffers that the cursor has passed are kept until the whole is dropped, because dropping a [`Bytes`] may run the
/// code of whoever made it, and a transport runs under a lock.
///
/// The bytes of a [direct](crate::Direct) read are [outside](Self::is_outside) of memory. They have a length, and are not seen by
/// [`first`](Self::first) and [`slices`](Self::slices) until they are [brought in](Self::bring_in).
#[derive(Default)]
pub struct Chunks {
    /// The buffer under the cursor, its front already cut off. Empty buffers are skipped as soon as they are met.
    head: Bytes,
    /// Bytes in front of the cursor, `head` included.
    len: usize,
    /// In a box, because most writes are of one buffer, and are handed on by value.
    more: Option<Box<More>>,
}

/// What chunks have that are more than one buffer.
enum More {
    /// Further buffers. Those before `next` are behind the cursor.
    Buffers { rest: Vec<Bytes>, next: usize },
    /// The bytes are outside of memory; there is no buffer then.
    Outside(Box<dyn Outside>),
}

impl Chunks {
    /// No bytes.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            head: Bytes::new(),
            len: 0,
            more: None,
        }
    }

    /// Bytes that are outside of memory.
    #[must_use]
    pub fn outside(bytes: impl Outside) -> Self {
        Self {
            len: bytes.len(),
            more: Some(Box::new(More::Outside(Box::new(bytes)))),
            ..Self::new()
        }
    }

    /// Whether these bytes are outside of memory.
    #[must_use]
    #[inline]
    pub fn is_outside(&self) -> bool {
        matches!(self.more.as_deref(), Some(More::Outside(_)))
    }

    /// What holds the bytes outside of memory, if it is of this type.
    #[must_use]
    pub fn outside_ref<O: Outside>(&self) -> Option<&O> {
        let More::Outside(bytes) = self.more.as_deref()? else {
            return None;
        };
        let bytes: &dyn Any = &**bytes;
        bytes.downcast_ref()
    }

    /// What holds the bytes outside of memory, if it is of this type. Who moves bytes from there also [advances](Self::advance).
    #[must_use]
    pub fn outside_mut<O: Outside>(&mut self) -> Option<&mut O> {
        let More::Outside(bytes) = self.more.as_deref_mut()? else {
            return None;
        };
        let bytes: &mut dyn Any = &mut **bytes;
        bytes.downcast_mut()
    }

    /// Brings bytes that are outside into memory, in their place. False if they cannot be had any more; then all stays as it is.
    ///
    /// # Examples
    ///
    /// ```
    /// use flow_core::{Bytes, Chunks, Outside};
    ///
    /// #[derive(Debug)]
    /// struct Elsewhere(&'static [u8]);
    ///
    /// impl Outside for Elsewhere {
    ///     fn len(&self) -> usize {
    ///         self.0.len()
    ///     }
    ///
    ///     fn bring_in(&mut self) -> Option<Bytes> {
    ///         Some(Bytes::from_static(std::mem::take(&mut self.0)))
    ///     }
    /// }
    ///
    /// let mut chunks = Chunks::outside(Elsewhere(b"far away"));
    /// assert_eq!((chunks.len(), chunks.first()), (8, &b""[..]));
    /// assert!(chunks.bring_in());
    /// assert_eq!(chunks.first(), b"far away");
    /// ```
    pub fn bring_in(&mut self) -> bool {
        let Some(More::Outside(outside)) = self.more.as_deref_mut() else {
            return true;
        };
        let Some(mut bytes) = outside.bring_in() else {
            return false;
        };
        // What the cursor has passed without being moved is not sent after all.
        let Some(passed) = bytes.len().checked_sub(self.len) else {
            return false;
        };
        bytes.advance(passed);
        *self = bytes.into();
        true
    }

    /// How many bytes are still to be sent.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is left to send.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes at the cursor that lie in one buffer: empty only if nothing is left, or all is [outside](Self::is_outside).
    #[must_use]
    pub fn first(&self) -> &[u8] {
        &self.head
    }

    /// The same as a buffer that shares the memory, of at least one byte if anything is left.
    ///
    /// For transports that hand buffers on by ownership inside [`poll_send`](crate::Transport::poll_send), to somebody who may drop them there:
    /// followed by [`advance`](Self::advance), so that the writer's own goes after the flow's lock.
    #[must_use]
    pub fn first_chunk(&self) -> Bytes {
        self.head.clone()
    }

    /// Whether everything that is left lies in one buffer, so that [`first`](Self::first) is the whole.
    #[must_use]
    pub fn is_single(&self) -> bool {
        self.head.len() == self.len
    }

    /// How many buffers are left, at most: some of them may be empty.
    #[must_use]
    pub fn count_at_most(&self) -> usize {
        match self.more.as_deref() {
            Some(More::Buffers { rest, next }) => 1 + rest.len() - next,
            _ => 1,
        }
    }

    /// The buffers that are left, in order, none of them empty.
    #[inline]
    pub fn slices(&self) -> impl Iterator<Item = &[u8]> {
        let rest = match self.more.as_deref() {
            Some(More::Buffers { rest, next }) => rest.get(*next..).unwrap_or_default(),
            _ => &[],
        };
        core::iter::once(&self.head)
            .chain(rest)
            .map(|b| &b[..])
            .filter(|b| !b.is_empty())
    }

    /// Moves the cursor over `count` bytes, which have been sent. A count beyond the end moves it to the end.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        if count < self.len {
            self.advance_within(count);
            return;
        }
        // All of them at once, however many buffers they are.
        self.len = 0;
        self.head.advance(self.head.len());
        if let Some(More::Buffers { rest, next }) = self.more.as_deref_mut() {
            *next = rest.len();
        }
    }

    fn advance_within(&mut self, mut count: usize) {
        self.len -= count;
        loop {
            let here = count.min(self.head.len());
            self.head.advance(here);
            count -= here;
            if !self.head.is_empty() || !self.next_head() {
                return;
            }
        }
    }

    /// Takes the buffer at the cursor out, as one owned chunk of at least one byte; `None` if nothing is left. Bytes that are outside
    /// are brought in.
    ///
    /// For transports that hand buffers on by ownership: channels, completion queues. Taking is sending: what was taken
    /// is no longer the flow's, and is dropped by whoever holds it. Not inside [`poll_send`](crate::Transport::poll_send): there the flow's
    /// lock is held, and a buffer whose owner uses the flow when it is dropped would wait for it for ever. [`advance`](Self::advance) sees to that.
    pub fn take_first(&mut self) -> Option<Bytes> {
        if self.len == 0 || !self.bring_in() {
            return None;
        }
        self.len -= self.head.len();
        let taken = mem::take(&mut self.head);
        while self.head.is_empty() && self.next_head() {}
        Some(taken)
    }

    /// Takes at most `most` bytes out, of the buffer at the cursor: `None` if nothing is left or `most` is 0. Copies nothing.
    ///
    /// A part that is kept keeps the whole buffer in memory; a transport whose receiver may keep it copies small parts.
    pub fn take_at_most(&mut self, most: usize) -> Option<Bytes> {
        if !self.bring_in() {
            return None;
        }
        if self.head.len() <= most {
            return self.take_first();
        }
        if most == 0 {
            return None;
        }
        self.len -= most;
        Some(self.head.split_to(most))
    }

    /// Puts the next buffer under the cursor, and what was there behind it.
    fn next_head(&mut self) -> bool {
        let Some(More::Buffers { rest, next }) = self.more.as_deref_mut() else {
            return false;
        };
        match rest.get_mut(*next) {
            Some(buffer) => {
                mem::swap(&mut self.head, buffer);
                *next += 1;
                true
            }
            None => false,
        }
    }
}

impl From<Bytes> for Chunks {
    #[inline]
    fn from(head: Bytes) -> Self {
        Self {
            len: head.len(),
            head,
            more: None,
        }
    }
}

impl From<Vec<Bytes>> for Chunks {
    fn from(mut rest: Vec<Bytes>) -> Self {
        if rest.len() <= 1 {
            return rest.pop().map_or_else(Self::new, Self::from);
        }
        let len = rest
            .iter()
            .fold(0, |sum: usize, b| sum.saturating_add(b.len()));
        let mut chunks = Self {
            len,
            more: Some(Box::new(More::Buffers { rest, next: 0 })),
            ..Self::new()
        };
        while chunks.head.is_empty() && chunks.next_head() {}
        chunks
    }
}

impl FromIterator<Bytes> for Chunks {
    fn from_iter<I: IntoIterator<Item = Bytes>>(buffers: I) -> Self {
        buffers.into_iter().collect::<Vec<_>>().into()
    }
}

/// The buffers that are left, in order, none of them empty.
impl IntoIterator for Chunks {
    type Item = Bytes;
    type IntoIter = IntoIter;

    fn into_iter(self) -> IntoIter {
        IntoIter(self)
    }
}

/// The buffers of a [`Chunks`], by value.
#[derive(Debug)]
pub struct IntoIter(Chunks);

impl Iterator for IntoIter {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        self.0.take_first()
    }
}

impl fmt::Debug for Chunks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(More::Outside(outside)) = self.more.as_deref() {
            return f.debug_tuple("Outside").field(outside).finish();
        }
        f.debug_list()
            .entries(self.slices().map(<[u8]>::len))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn left(chunks: &Chunks) -> Vec<u8> {
        chunks.slices().flatten().copied().collect()
    }

    #[test]
    fn cursor_passes_empty_buffers_and_boundaries() {
        let whole = b"abcdef";
        for step in 1..=whole.len() + 1 {
            let mut chunks: Chunks = ["", "a", "", "", "bcd", "ef", ""]
                .into_iter()
                .map(Bytes::from_static_str)
                .collect();
            let mut sent = 0;
            while !chunks.is_empty() {
                assert!(!chunks.first().is_empty());
                assert_eq!(left(&chunks), &whole[sent..]);
                chunks.advance(step);
                sent = (sent + step).min(whole.len());
                assert_eq!(chunks.len(), whole.len() - sent);
            }
            assert!(chunks.first().is_empty());
        }
    }

    #[test]
    fn a_count_beyond_the_end_stops_at_the_end() {
        let mut chunks = Chunks::from(Bytes::from_static(b"abc"));
        chunks.advance(usize::MAX);
        assert!(chunks.is_empty());
        chunks.advance(1);
        assert_eq!(chunks.len(), 0);
    }

    #[test]
    fn buffers_are_taken_whole_and_in_order() {
        let mut chunks = Chunks::from(vec![
            Bytes::new(),
            Bytes::from_static(b"ab"),
            Bytes::from_static(b"c"),
        ]);
        chunks.advance(1);
        assert!(!chunks.is_single());
        assert_eq!(chunks.take_first().as_deref(), Some(&b"b"[..]));
        assert!(chunks.is_single());
        assert_eq!(chunks.into_iter().collect::<Vec<_>>(), [&b"c"[..]]);
    }

    trait FromStaticStr {
        fn from_static_str(s: &'static str) -> Self;
    }

    impl FromStaticStr for Bytes {
        fn from_static_str(s: &'static str) -> Self {
            Self::from_static(s.as_bytes())
        }
    }
}
