//! The stream from the flow to its peer: which bytes of which writes must come, may come, and must not.

use super::model::Fault;
use crate::pattern::Pattern;

/// What became of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It waits to be taken: nothing of it may arrive.
    Waiting,
    /// The flow has taken it: all of it comes, in its place.
    Taken,
    /// It was answered `Ok`: the transport has accepted all of it.
    Accepted,
    /// It was dropped or refused before it was taken: nothing of it may ever arrive.
    Void,
    /// It had been taken when the write side failed or was aborted: it ends anywhere, and nothing comes after it.
    Cut,
}

/// One write.
#[derive(Clone, Debug)]
pub(super) struct Write {
    pub(super) len: usize,
    pub(super) fate: Fate,
    /// A flush that came later is done.
    pub(super) flushed: bool,
}

/// All writes of a script in the order of their first polls, and how much of them the peer has.
#[derive(Debug, Default)]
pub(super) struct Writes {
    pub(super) all: Vec<Write>,
    /// The write whose bytes come next, and how many of it have come.
    next: usize,
    offset: usize,
    total: usize,
}

impl Writes {
    /// The bytes of each write are of a stream of its own.
    pub(super) fn pattern(number: usize) -> Pattern {
        // 1 and 2 are the streams of other laws; scripts are shorter than the rest.
        Pattern(u8::try_from(number + 3).unwrap_or(u8::MAX))
    }

    pub(super) fn push(&mut self, len: usize) -> usize {
        self.all.push(Write {
            len,
            fate: Fate::Waiting,
            flushed: false,
        });
        self.all.len() - 1
    }

    /// How many writes there are up to the last that was taken.
    pub(super) fn taken(&self) -> usize {
        let was = |write: &Write| matches!(write.fate, Fate::Taken | Fate::Accepted | Fate::Cut);
        self.all.iter().rposition(was).map_or(0, |last| last + 1)
    }

    pub(super) fn has(&self, number: usize, fate: Fate) -> bool {
        self.all[number].fate == fate
    }

    /// Whether nothing is on its way inside the flow: all that was taken has been answered, or dropped with nothing left.
    pub(super) fn nothing_is_owed(&self) -> bool {
        self.all
            .iter()
            .all(|write| !matches!(write.fate, Fate::Taken | Fate::Cut) || write.flushed)
    }

    /// Writes before the one of this number that still wait to be taken.
    pub(super) fn waiting_before(&self, number: usize) -> Option<usize> {
        self.all[..number]
            .iter()
            .position(|write| write.fate == Fate::Waiting)
    }

    /// Passes over writes that are complete and those of which nothing comes.
    fn skip(&mut self) {
        while let Some(write) = self.all.get(self.next) {
            let over = match write.fate {
                Fate::Void => true,
                Fate::Waiting => false,
                Fate::Taken | Fate::Accepted | Fate::Cut => self.offset >= write.len,
            };
            if !over {
                return;
            }
            self.next += 1;
            self.offset = 0;
        }
    }

    /// Whether the peer has every byte that must come.
    pub(super) fn all_arrived(&mut self) -> bool {
        self.skip();
        self.all[self.next.min(self.all.len())..]
            .iter()
            .all(|write| matches!(write.fate, Fate::Void | Fate::Waiting | Fate::Cut))
    }

    /// Whether the peer has every byte that the transport is known to have accepted.
    pub(super) fn accepted_arrived(&mut self) -> bool {
        self.skip();
        self.all[self.next.min(self.all.len())..]
            .iter()
            .all(|write| write.fate != Fate::Accepted && !write.flushed)
    }

    /// All bytes that must arrive, as far as that is known.
    pub(super) fn expected(&self) -> Vec<u8> {
        let comes = |write: &Write| matches!(write.fate, Fate::Taken | Fate::Accepted);
        let writes = self.all.iter().enumerate();
        writes
            .filter(|(_, write)| comes(write))
            .flat_map(|(number, write)| Self::pattern(number).bytes(0, write.len))
            .collect()
    }

    /// How far the peer has come, for messages.
    pub(super) fn place(&self) -> String {
        match self.all.get(self.next) {
            Some(write) => format!(
                "{} bytes have arrived, {} of the {} of write {}",
                self.total,
                self.offset,
                write.len,
                self.next + 1
            ),
            None => format!("{} bytes have arrived, which is all", self.total),
        }
    }

    /// The peer received these bytes.
    pub(super) fn receive(&mut self, mut seen: &[u8]) -> Result<(), Fault> {
        while !seen.is_empty() {
            self.skip();
            let Some(write) = self.all.get(self.next) else {
                return Err(self.stray(seen, "after the last write"));
            };
            if write.fate == Fate::Waiting {
                let of = format!("while write {} waits to be taken", self.next + 1);
                return Err(self.stray(seen, &of));
            }
            let part = seen.len().min(write.len - self.offset);
            let pattern = Self::pattern(self.next);
            if let Some(fault) = pattern.diagnose(self.offset as u64, &seen[..part]) {
                let of = format!("in write {}: {fault}", self.next + 1);
                return Err(self.stray(seen, &of));
            }
            self.offset += part;
            self.total += part;
            seen = &seen[part..];
        }
        Ok(())
    }

    /// The peer received what it should not. Whose bytes are they?
    fn stray(&self, seen: &[u8], place: &str) -> Fault {
        // Shorter than that, many writes look alike.
        let whose = (seen.len() >= 4)
            .then(|| {
                (0..self.all.len()).find(|&number| {
                    number != self.next
                        && (0..self.all[number].len.min(4096)).any(|from| {
                            let len = seen.len().min(8).min(self.all[number].len - from);
                            len >= 4 && Self::pattern(number).bytes(from as u64, len) == seen[..len]
                        })
                })
            })
            .flatten();
        let clause = match whose.map(|number| self.all[number].fate) {
            Some(Fate::Void | Fate::Waiting) => "cancel_untaken_write_sends_nothing",
            Some(_) => "write_whole_under_concurrency",
            None => "write_accepts_every_byte",
        };
        let of = whose.map_or_else(String::new, |number| {
            format!(
                ": those of write {} ({:?})",
                number + 1,
                self.all[number].fate
            )
        });
        Fault::new(
            clause,
            format!("the peer got wrong bytes {place}{of}; {}", self.place()),
        )
    }
}
