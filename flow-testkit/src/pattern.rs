//! Position-coded bytes: a mismatch says whether bytes were lost, repeated, swapped or foreign, and where.

use bytes::Buf;
use flow_core::Bytes;

/// An endless stream of bytes, each a function of the stream and of its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pattern(pub u8);

/// How many bytes are looked at to recognise a place.
const WINDOW: usize = 8;
/// How far around the expected place bytes are searched for.
const REACH: u64 = 1 << 20;

impl Pattern {
    /// The byte at `offset`.
    #[must_use]
    pub const fn byte(self, offset: u64) -> u8 {
        self.word(offset / 8)[(offset % 8) as usize]
    }

    /// Eight bytes at a time, by splitmix64: no two places of a stream, nor of two streams, look alike.
    const fn word(self, index: u64) -> [u8; 8] {
        let mut word = (((self.0 as u64) << 56) | index).wrapping_add(0x9e37_79b9_7f4a_7c15);
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)).to_le_bytes()
    }

    /// The bytes from `offset` on.
    #[must_use]
    pub fn bytes(self, offset: u64, len: usize) -> Bytes {
        let front = (offset % 8) as usize;
        let mut bytes = vec![0; (front + len).next_multiple_of(8)];
        for (word, index) in bytes.as_chunks_mut().0.iter_mut().zip(offset / 8..) {
            *word = self.word(index);
        }
        Bytes::from(bytes).slice(front..front + len)
    }

    /// Where in this stream, near `around`, the bytes are found.
    fn find(self, seen: &[u8], around: u64) -> Option<u64> {
        let is_at = |at: u64| seen.iter().zip(at..).all(|(&b, at)| b == self.byte(at));
        (0..REACH)
            .flat_map(|far| [around.checked_add(far), around.checked_sub(far)])
            .flatten()
            .find(|&at| is_at(at))
    }

    /// What is wrong with `seen`, which should be the bytes at `offset`; `None` if nothing is.
    #[must_use]
    pub fn diagnose(self, offset: u64, seen: &[u8]) -> Option<String> {
        // Most often nothing is wrong, and that is quickly said.
        let right = self.bytes(offset, seen.len());
        if seen == right {
            return None;
        }
        let wrong = seen.iter().zip(&right).position(|(a, b)| a != b)?;
        let at = offset + wrong as u64;
        let rest = &seen[wrong..];
        let window = &rest[..rest.len().min(WINDOW)];
        if window.len() < 3 {
            return Some(format!("wrong bytes at offset {at}"));
        }
        Some(match self.find(window, at) {
            Some(found) if found < at => {
                format!("bytes repeated at offset {at}: those of offset {found} came again")
            }
            Some(found) => {
                let missing = self.bytes(at, WINDOW);
                let later = rest.windows(WINDOW).any(|w| w == &missing[..]);
                let what = if later { "swapped" } else { "lost" };
                format!(
                    "bytes {what} at offset {at}: those of offset {found} came instead, {} further on",
                    found - at
                )
            }
            None => {
                let other = (0..=u8::MAX)
                    .map(Self)
                    .find(|p| *p != self && p.find_near(window));
                match other {
                    Some(Self(stream)) => {
                        format!("foreign bytes at offset {at}: they are of stream {stream}")
                    }
                    None => format!("foreign bytes at offset {at}: {window:?}"),
                }
            }
        })
    }

    /// Whether the bytes are at the front of this stream, where those of a stray write would be.
    fn find_near(self, seen: &[u8]) -> bool {
        (0..4096).any(|start| seen.iter().zip(start..).all(|(&b, at)| b == self.byte(at)))
    }
}

/// Bytes of a pattern to be sent, handed out in order.
#[derive(Debug)]
pub struct Feed {
    pattern: Pattern,
    at: u64,
    /// The next bytes, of which a peer takes as many as it can: made once, also where it can take few at a time.
    window: Bytes,
}

/// How many bytes a peer is offered at a time.
const MOST_OFFER: usize = 16 * 1024;
/// So many are never cut in two that a peer might have taken as one.
const LEAST_OFFER: usize = 4 * 1024;

impl Feed {
    /// The pattern from its start.
    #[must_use]
    pub const fn new(pattern: Pattern) -> Self {
        Self {
            pattern,
            at: 0,
            window: Bytes::new(),
        }
    }

    /// The next `len` bytes.
    pub fn next(&mut self, len: usize) -> Bytes {
        let bytes = self.peek(len);
        self.sent(len);
        bytes
    }

    /// The next bytes for a peer that takes as many as it can: `most` of them, or as many as it is offered at a time. What it leaves is offered again.
    pub fn offer(&mut self, most: usize, take: impl FnOnce(&[u8]) -> usize) -> usize {
        if self.window.len() < most.min(LEAST_OFFER) {
            self.window = self.peek(MOST_OFFER);
        }
        let offered = most.min(self.window.len());
        let taken = take(&self.window[..offered]);
        self.sent(taken);
        if taken == offered {
            // Who has room is offered as much as ever.
            self.window = Bytes::new();
        }
        taken
    }

    /// The next `len` bytes, which stay the next.
    #[must_use]
    pub fn peek(&self, len: usize) -> Bytes {
        self.pattern.bytes(self.at, len)
    }

    /// Says that `len` bytes of what was peeked at went out.
    pub fn sent(&mut self, len: usize) {
        self.at += len as u64;
        self.window.advance(len.min(self.window.len()));
    }

    /// How many bytes were handed out.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }
}

/// Bytes that arrived, checked against a pattern as they come.
#[derive(Debug)]
pub struct Tape {
    who: &'static str,
    pattern: Pattern,
    at: u64,
}

impl Tape {
    /// Expects the pattern from its start; `who` receives it, for messages.
    #[must_use]
    pub const fn new(who: &'static str, pattern: Pattern) -> Self {
        Self {
            who,
            pattern,
            at: 0,
        }
    }

    /// Checks the bytes that came next.
    ///
    /// # Panics
    ///
    /// If they are not the pattern's, or none.
    #[track_caller]
    pub fn check(&mut self, seen: &[u8]) {
        assert!(!seen.is_empty(), "{} got an empty chunk", self.who);
        if let Some(fault) = self.pattern.diagnose(self.at, seen) {
            panic!("{} got {fault}", self.who);
        }
        self.at += seen.len() as u64;
    }

    /// How many bytes came.
    #[must_use]
    pub const fn at(&self) -> u64 {
        self.at
    }

    /// Who receives.
    #[must_use]
    pub const fn who(&self) -> &'static str {
        self.who
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Pattern = Pattern(1);

    fn diagnose(seen: &[u8]) -> String {
        A.diagnose(0, seen).unwrap_or_default()
    }

    #[test]
    fn each_kind_of_fault_is_told_apart() {
        let whole = A.bytes(0, 400);
        assert_eq!(A.diagnose(0, &whole), None);
        assert_eq!(A.diagnose(100, &whole[100..]), None);
        let joined = |parts: &[&[u8]]| parts.concat();
        assert!(diagnose(&joined(&[&whole[..100], &whole[150..]])).contains("lost at offset 100"));
        assert!(
            diagnose(&joined(&[&whole[..100], &whole[50..]])).contains("repeated at offset 100")
        );
        let swapped = joined(&[&whole[..100], &whole[200..300], &whole[100..200]]);
        assert!(diagnose(&swapped).contains("swapped at offset 100"));
        let stray = joined(&[&whole[..100], &Pattern(2).bytes(16, 9)]);
        assert!(diagnose(&stray).contains("of stream 2"));
        assert!(
            diagnose(&joined(&[&whole[..100], &[0; 9]])).contains("foreign bytes at offset 100")
        );
    }

    #[test]
    fn a_tape_goes_on_where_it_stopped() {
        let mut feed = Feed::new(A);
        let mut tape = Tape::new("the reader", A);
        for len in [1, 7, 8, 9, 100] {
            tape.check(&feed.next(len));
        }
        assert_eq!(tape.at(), feed.at());
    }
}
