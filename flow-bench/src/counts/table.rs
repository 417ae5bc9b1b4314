//! The bounds, and the table of what was counted.

use std::fmt::Write as _;
use std::path::Path;

use super::{Bound, Figure, Missing, Than, Verdict, What};

/// Every bound that does not depend on how fast a machine is.
pub const BOUNDS: &[Bound] = &[
    Bound {
        name: "instructions-ping-pong",
        what: What::Instructions,
        ours: "flow-tokio",
        workload: "ping-pong-64",
        than: Than::Times("tokio-exact"),
        floor: 1.30,
        aim: 1.05,
        gap: None,
    },
    Bound {
        name: "instructions-ping-pong-connected",
        what: What::Instructions,
        ours: "flow-tokio-connected",
        workload: "ping-pong-64",
        than: Than::Times("tokio-exact"),
        floor: 1.30,
        aim: 1.05,
        gap: None,
    },
    Bound {
        name: "instructions-boxed",
        what: What::Instructions,
        ours: "flow-boxed",
        workload: "ping-pong-64",
        than: Than::Times("flow-tokio"),
        floor: 1.03,
        aim: 1.01,
        gap: None,
    },
    Bound {
        name: "instructions-wrapped-boxed",
        what: What::Instructions,
        ours: "flow-wrapped-boxed",
        workload: "ping-pong-64",
        than: Than::Times("flow-tokio"),
        floor: 1.03,
        aim: 1.01,
        gap: None,
    },
    Bound {
        name: "system-calls-ping-pong",
        what: What::SystemCalls,
        ours: "flow-tokio",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 6.0,
        aim: 6.0,
        gap: None,
    },
    Bound {
        name: "failed-calls-ping-pong",
        what: What::FailedCalls,
        ours: "flow-tokio",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 0.0,
        aim: 0.0,
        gap: None,
    },
    Bound {
        name: "system-calls-ping-pong-connected",
        what: What::SystemCalls,
        ours: "flow-tokio-connected",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 6.0,
        aim: 6.0,
        gap: None,
    },
    Bound {
        name: "failed-calls-ping-pong-connected",
        what: What::FailedCalls,
        ours: "flow-tokio-connected",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 0.0,
        aim: 0.0,
        gap: None,
    },
    Bound {
        name: "system-calls-ping-pong-tcp",
        what: What::SystemCalls,
        ours: "flow-tokio",
        workload: "tcp-ping-pong-64",
        than: Than::Nothing,
        floor: 6.0,
        aim: 6.0,
        gap: None,
    },
    Bound {
        name: "system-calls-ping-pong-smol",
        what: What::SystemCalls,
        ours: "flow-smol",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 18.0,
        aim: 14.0,
        gap: None,
    },
    Bound {
        name: "system-calls-bulk",
        what: What::SystemCalls,
        ours: "flow-tokio",
        workload: "bulk-64k",
        than: Than::Nothing,
        floor: 2.5,
        aim: 2.1,
        gap: None,
    },
    Bound {
        name: "system-calls-bulk-connected",
        what: What::SystemCalls,
        ours: "flow-tokio-connected",
        workload: "bulk-64k",
        than: Than::Nothing,
        floor: 2.5,
        aim: 2.1,
        gap: None,
    },
    Bound {
        name: "allocations-ping-pong",
        what: What::Allocations,
        ours: "flow-tokio",
        workload: "ping-pong-64",
        than: Than::Nothing,
        floor: 0.1,
        aim: 0.0,
        gap: None,
    },
    Bound {
        name: "allocations-boxed",
        what: What::Allocations,
        ours: "flow-boxed",
        workload: "ping-pong-64",
        than: Than::Plus("flow-tokio"),
        floor: 0.0,
        aim: 0.0,
        gap: None,
    },
    Bound {
        name: "allocations-wrapped-boxed",
        what: What::Allocations,
        ours: "flow-wrapped-boxed",
        workload: "ping-pong-64",
        than: Than::Plus("flow-tokio"),
        floor: 0.0,
        aim: 0.0,
        gap: None,
    },
    Bound {
        name: "memory-idle",
        what: What::Memory,
        ours: "flow-tokio",
        workload: "idle-waiting",
        than: Than::Nothing,
        floor: 2600.0,
        aim: 2200.0,
        gap: None,
    },
];

/// Counted for comparison, without a bound.
const OTHERS: &[(What, &str, &[&str])] = &[
    (
        What::Instructions,
        "ping-pong-64",
        &[
            "flow-smol",
            "async-io",
            "async-io-reused",
            "flow-async-std",
            "async-std",
            "flow-memory",
            "tokio-duplex",
            "tokio",
            "tokio-reused",
            "flow-wrapped",
        ],
    ),
    (
        What::Instructions,
        "tcp-ping-pong-64",
        &["flow-tokio", "tokio"],
    ),
    (
        What::Instructions,
        "bulk-64k",
        &["flow-tokio", "tokio", "tokio-reused", "flow-smol"],
    ),
    (
        What::Instructions,
        "vectored-16x64",
        &["flow-tokio", "tokio", "tokio-reused"],
    ),
    (What::Instructions, "churn", &["flow-tokio", "tokio"]),
    (
        What::Instructions,
        "proxy",
        &["flow-tokio", "tokio-reused", "tokio-copy-8k"],
    ),
    (
        What::SystemCalls,
        "ping-pong-64",
        &[
            "tokio-exact",
            "tokio",
            "async-io",
            "flow-async-std",
            "async-std",
            "epoll",
            "direct",
        ],
    ),
    (
        What::SystemCalls,
        "bulk-64k",
        &["tokio-reused", "flow-smol", "async-io-reused"],
    ),
    (
        What::SystemCalls,
        "vectored-16x64",
        &["flow-tokio", "tokio", "flow-async-std", "async-std"],
    ),
    (What::SystemCalls, "churn", &["flow-tokio", "tokio"]),
    (
        What::SystemCalls,
        "proxy",
        &["flow-tokio", "tokio-reused", "tokio-copy-8k"],
    ),
    (
        What::Allocations,
        "ping-pong-64",
        &["flow-tokio", "tokio", "flow-smol", "async-io"],
    ),
    (
        What::Allocations,
        "vectored-16x64",
        &["flow-tokio", "tokio"],
    ),
    (
        What::Memory,
        "idle",
        &[
            "flow-tokio",
            "tokio",
            "flow-smol",
            "async-io",
            "flow-memory",
        ],
    ),
    (What::Memory, "idle-waiting", &["tokio", "flow-smol"]),
];

/// The bounds as a table, then what else was counted; and whether all hold, or are known not to.
pub(crate) fn print(program: &Path, mut tell: impl FnMut(&str)) -> (String, bool) {
    let mut text = String::from(
        "| count, per operation | ours | against | value | floor | aim | |\n| --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut fine = true;
    for bound in BOUNDS {
        tell(bound.name);
        let (against, how) = match bound.than {
            Than::Nothing => ("", ""),
            Than::Times(other) => (other, "times "),
            Than::Plus(other) => (other, "plus "),
        };
        let (value, verdict) = match bound.count(program) {
            Ok(counted) => {
                let verdict = bound.judge(&counted);
                fine &= matches!(verdict, Verdict::Holds | Verdict::KnownGap);
                (counted.to_string(), verdict.word())
            }
            Err(why) => {
                fine &= matches!(why, Missing::Tool(_));
                (why.to_string(), "NOT CHECKED")
            }
        };
        let Bound {
            what,
            ours,
            workload,
            floor,
            aim,
            ..
        } = bound;
        let (floor, aim) = (Figure(*floor), Figure(*aim));
        let _ = writeln!(
            text,
            "| {what}, {workload} | {ours} | {against} | {value} | {how}{floor} | {aim} | {verdict} |"
        );
    }
    text += "\n| count, per operation | of | |\n| --- | --- | --- |\n";
    for (what, workload, subjects) in OTHERS {
        for subject in *subjects {
            tell(&format!("{what}, {workload}, {subject}"));
            let value = match super::tools::per_operation(program, *what, subject, workload) {
                Ok(value) => Figure(value).to_string(),
                Err(why) => why.to_string(),
            };
            let _ = writeln!(text, "| {what}, {workload} | {subject} | {value} |");
        }
    }
    (text, fine)
}

impl Verdict {
    /// In a table.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::KnownGap => "known gap",
            Self::Broken => "BROKEN",
            Self::GapIsOver => "HOLDS NOW, and is listed as a gap",
        }
    }
}
