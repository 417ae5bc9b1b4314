//! What a checked flow remembers of each call: a small copy, turned into words only when a clause is broken.

use std::fmt;

/// How many events are kept.
pub(super) const KEPT: usize = 20;

/// Which method was called.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Call {
    #[default]
    Read,
    Write,
    Flush,
    ShutdownRead,
    ShutdownWrite,
    ShutdownBoth,
    Close,
    Abort,
}

impl Call {
    /// Whether it ends reading.
    pub(super) const fn shuts_reading(self) -> bool {
        matches!(self, Self::ShutdownRead | Self::ShutdownBoth)
    }

    /// Whether it ends writing, and waits until that is done.
    pub(super) const fn shuts_writing(self) -> bool {
        matches!(self, Self::ShutdownWrite | Self::ShutdownBoth)
    }
}

/// What it answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Outcome {
    #[default]
    Pending,
    /// A read gave [`Event::bytes`].
    Chunk,
    End,
    Done,
    Closed,
    Failed,
    /// An abort has begun.
    Begun,
}

/// One poll of an operation of a checked flow, or one abort, and what came of it.
///
/// It prints as one line: its number, how far the flow had come when it began if that was not the event before, what was called by which
/// task, and what was answered.
#[derive(Clone, Copy, Debug, Default)]
pub struct Event {
    /// Counts from 1, in the order in which the calls returned.
    pub(super) number: u64,
    /// The number of the last event when this one began.
    pub(super) began: u64,
    /// Tells tasks apart: where the data of the waker is.
    pub(super) task: usize,
    /// How many bytes a write still had when it was polled, or a read gave.
    pub(super) bytes: usize,
    pub(super) call: Call,
    pub(super) outcome: Outcome,
    /// It had been polled before.
    pub(super) parked: bool,
    /// The flow had taken the write when it was polled, and when the poll was over.
    pub(super) taken_before: bool,
    pub(super) taken_after: bool,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{} ", self.number)?;
        if self.began + 1 != self.number {
            write!(f, "(begun after #{}) ", self.began)?;
        }
        match self.call {
            Call::Read => f.write_str("read")?,
            Call::Write if self.taken_before => f.write_str("write, taken before")?,
            Call::Write => write!(f, "write of {}", Count(self.bytes))?,
            Call::Flush => f.write_str("flush")?,
            Call::ShutdownRead => f.write_str("shutdown(Read)")?,
            Call::ShutdownWrite => f.write_str("shutdown(Write)")?,
            Call::ShutdownBoth => f.write_str("shutdown(Both)")?,
            Call::Close => f.write_str("close")?,
            Call::Abort => f.write_str("abort")?,
        }
        if self.parked {
            f.write_str(", polled again")?;
        }
        if self.call != Call::Abort {
            write!(f, " (task {:x})", self.task)?;
        }
        write!(f, ": {}", self.answer())
    }
}

impl Event {
    /// What was answered, in words.
    pub(super) const fn answer(&self) -> Answer<'_> {
        Answer(self)
    }
}

/// What an event answered, in words.
pub(super) struct Answer<'a>(&'a Event);

impl fmt::Display for Answer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.outcome {
            Outcome::Pending if self.0.taken_after && !self.0.taken_before => {
                f.write_str("pending, and taken")
            }
            Outcome::Pending => f.write_str("pending"),
            Outcome::Chunk => write!(f, "a chunk of {}", Count(self.0.bytes)),
            Outcome::End => f.write_str("the end (None)"),
            Outcome::Done => f.write_str("Ok"),
            Outcome::Closed => f.write_str("Closed"),
            Outcome::Failed => f.write_str("an error"),
            Outcome::Begun => f.write_str("begun"),
        }
    }
}

struct Count(usize);

impl fmt::Display for Count {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} byte{plural}", self.0)
    }
}

/// The last events, the newest overwriting the oldest.
#[derive(Debug, Default)]
pub(super) struct Ring {
    events: [Event; KEPT],
    count: u64,
}

impl Ring {
    /// How many events there were in all.
    pub(super) const fn count(&self) -> u64 {
        self.count
    }

    /// Numbers an event and keeps it.
    pub(super) fn push(&mut self, event: &mut Event) {
        self.count += 1;
        event.number = self.count;
        self.events[(self.count % KEPT as u64) as usize] = *event;
    }

    /// The events that are kept, the oldest first.
    pub(super) fn last(&self) -> Vec<Event> {
        let first = self.count.saturating_sub(KEPT as u64) + 1;
        (first..=self.count)
            .map(|number| self.events[(number % KEPT as u64) as usize])
            .collect()
    }
}
