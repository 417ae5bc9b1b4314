//! What is told of one law on one flow.

use std::fmt;
use std::time::Duration;

use crate::asked;
use crate::law::Law;

/// What became of a law on a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// The clause is kept in every way in which the law was run.
    Kept,
    /// An assertion failed.
    Broken,
    /// Nothing happened any more.
    Hang,
    /// The process that ran the law ended before its verdict: by a signal, or an exit.
    Crashed,
    /// Not run: the flow lacks what the law needs, and the reason is given.
    Lacking,
    /// Not run, because it is known to be broken, and the reason is given.
    Known,
}

impl Outcome {
    /// Each of them.
    pub const ALL: [Self; 6] = [
        Self::Kept,
        Self::Broken,
        Self::Hang,
        Self::Crashed,
        Self::Lacking,
        Self::Known,
    ];

    /// Whether a run of all laws may pass with this among its outcomes.
    #[must_use]
    pub const fn is_fine(self) -> bool {
        matches!(self, Self::Kept | Self::Lacking | Self::Known)
    }

    /// Whether the law was run: not where the flow lacks what it needs, or is known to break it.
    #[must_use]
    pub const fn is_run(self) -> bool {
        !matches!(self, Self::Lacking | Self::Known)
    }

    /// One word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Broken => "broken",
            Self::Hang => "hang",
            Self::Crashed => "crashed",
            Self::Lacking => "lacking",
            Self::Known => "known",
        }
    }

    pub(crate) fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.word() == word)
    }
}

/// One law on one flow.
#[derive(Clone, Debug)]
pub struct Report {
    /// The flow's name.
    pub subject: String,
    /// The clause's id.
    pub law: String,
    /// What the contract says under that id.
    pub promise: String,
    /// What became of it.
    pub outcome: Outcome,
    /// What was expected and came instead, or the reason for which the law was not run.
    pub message: String,
    /// The way in which it failed: its number, and what it is.
    pub row: Option<(usize, String)>,
    /// In how many ways it was run.
    pub rows: usize,
    /// The last events before it failed.
    pub events: Vec<String>,
    /// What the process that ran the law printed, where it was not kept.
    pub output: String,
    /// How long it took.
    pub took: Duration,
}

impl Report {
    pub(crate) fn new(subject: &str, law: &Law) -> Self {
        Self {
            subject: subject.to_owned(),
            law: law.name.to_owned(),
            promise: law.promise().to_owned(),
            outcome: Outcome::Kept,
            message: String::new(),
            row: None,
            rows: 0,
            events: vec![],
            output: String::new(),
            took: Duration::ZERO,
        }
    }

    /// The line that runs this law in this way again, where `command` runs the law: the variables that say the way come before it.
    #[must_use]
    pub fn replay_by(&self, command: &str) -> String {
        let mut line = String::new();
        if let Some((number, _)) = &self.row {
            line = format!("{}={number} ", asked::ROW);
        }
        let variables = [
            (asked::SEED, asked::seed()),
            (asked::CASES, asked::cases().map(u64::from)),
            (asked::ROUNDS, asked::rounds().map(|rounds| rounds as u64)),
        ];
        for (variable, value) in variables {
            if let Some(value) = value {
                line = format!("{line}{variable}={value} ");
            }
        }
        line + command
    }

    /// The command that runs this law in this way again, as far as the environment tells.
    #[must_use]
    pub fn replay(&self, test: &str) -> String {
        let package = std::env::var("CARGO_PKG_NAME").ok();
        let program = std::env::current_exe().ok();
        let target = program.as_deref().and_then(|program| {
            // cargo puts a hash behind the name of a test.
            let name = program.file_stem()?.to_str()?;
            let hashed = name.rsplit_once('-').filter(|(_, hash)| {
                hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit())
            });
            Some(hashed?.0.to_owned())
        });
        self.replay_by(&match (package, target) {
            (Some(package), Some(target)) => {
                format!("cargo test -p {package} --test {target} -- --exact '{test}'")
            }
            _ => format!("cargo test -- --exact '{test}'"),
        })
    }
}

/// For people: clause, what came, in which way, the last events.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "clause  {}", self.law)?;
        writeln!(f, "says    {}", self.promise)?;
        writeln!(f, "{:<7} {}", self.outcome.word(), self.message)?;
        if let Some((number, row)) = &self.row {
            writeln!(f, "way     {number}: {row}")?;
        }
        if !self.events.is_empty() {
            writeln!(f, "events  the last {}:", self.events.len())?;
            for event in &self.events {
                writeln!(f, "  {event}")?;
            }
        }
        if !self.output.is_empty() {
            writeln!(f, "output  of the process that ran it:")?;
            for line in self.output.lines() {
                writeln!(f, "  {line}")?;
            }
        }
        Ok(())
    }
}
