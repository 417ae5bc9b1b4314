//! The rows of `compare`, with their floors and aims.

use std::fmt;

use crate::once::Line;
use crate::workload::Workload;

use Buffers::{Fresh, Neither, TheirsReused};
use Floor::{Least, Most, MostBytes};

/// One comparison.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) workload: &'static str,
    pub(crate) ours: &'static str,
    pub(crate) theirs: &'static str,
    pub(crate) buffers: Buffers,
    pub(crate) floor: Option<Floor>,
    /// How many operations, where the workload's usual number takes too long on these streams.
    pub(crate) count: Option<u64>,
    /// On one thread of async-std's executor, where it has as many as processors ordinarily.
    pub(crate) one_thread: bool,
}

/// In how many pairs a row is run in each round where it is judged: the median of one pair for each round goes wrong by 3 %, which is what some floors are about.
const PAIRS_TO_JUDGE: u32 = 3;

/// What is read into.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Buffers {
    /// Both sides have a fresh buffer for each read.
    Fresh,
    /// Ours has, theirs uses one again.
    TheirsReused,
    /// Neither holds one.
    Neither,
}

/// What is asked of a row, and what is wanted.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Floor {
    /// Of the ratio, where more is better.
    Least(f64, f64),
    /// Of the ratio, where less is better.
    Most(f64, f64),
    /// Of ours, in bytes.
    MostBytes(f64, f64),
}

/// What a row is measured in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Thousand operations in a second.
    Rate,
    /// GiB in a second.
    Throughput,
    /// Nanoseconds for each operation.
    Cost,
    /// Bytes held by each.
    Bytes,
}

const fn row(
    names: [&'static str; 4],
    buffers: Buffers,
    floor: Option<Floor>,
    count: Option<u64>,
) -> Row {
    let [name, workload, ours, theirs] = names;
    Row {
        name,
        workload,
        ours,
        theirs,
        buffers,
        floor,
        count,
        one_thread: false,
    }
}

/// All of them: name, workload, ours, theirs.
pub(crate) const ROWS: &[Row] = &[
    row(
        ["ping-pong-1", "ping-pong-1", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        ["ping-pong-64", "ping-pong-64", "flow-tokio", "tokio-exact"],
        Fresh,
        Some(Least(1.00, 1.08)),
        None,
    ),
    row(
        ["ping-pong-64-room", "ping-pong-64", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        [
            "ping-pong-64-connected",
            "ping-pong-64",
            "flow-tokio-connected",
            "tokio-exact",
        ],
        Fresh,
        None,
        None,
    ),
    row(
        [
            "ping-pong-64-reused",
            "ping-pong-64",
            "flow-tokio",
            "tokio-reused",
        ],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["ping-pong-4k", "ping-pong-4k", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        [
            "ping-pong-64-mt",
            "ping-pong-64",
            "flow-tokio-mt",
            "tokio-mt",
        ],
        Fresh,
        None,
        Some(8_000),
    ),
    row(
        ["ping-pong-64-epoll", "ping-pong-64", "flow-tokio", "epoll"],
        TheirsReused,
        None,
        None,
    ),
    row(
        [
            "ping-pong-64-direct",
            "ping-pong-64",
            "flow-tokio",
            "direct",
        ],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["bulk-64k", "bulk-64k", "flow-tokio", "tokio-reused"],
        TheirsReused,
        Some(Least(1.00, 1.08)),
        None,
    ),
    row(
        [
            "bulk-64k-connected",
            "bulk-64k",
            "flow-tokio-connected",
            "tokio-reused",
        ],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["bulk-64k-fresh", "bulk-64k", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        ["bulk-64k-mt", "bulk-64k", "flow-tokio-mt", "tokio-mt"],
        Fresh,
        None,
        Some(6_000),
    ),
    row(
        ["bulk-64k-epoll", "bulk-64k", "flow-tokio", "epoll"],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["bulk-64k-direct", "bulk-64k", "flow-tokio", "direct"],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["bulk-1m", "bulk-1m", "flow-tokio", "tokio-reused"],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["vectored-16x64", "vectored-16x64", "flow-tokio", "tokio"],
        Fresh,
        Some(Least(1.05, 1.20)),
        None,
    ),
    row(
        [
            "vectored-16x64-direct",
            "vectored-16x64",
            "flow-tokio",
            "direct",
        ],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["vectored-1000x8", "vectored-1000x8", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        ["active-1", "active-1", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        ["active-100", "active-100", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(
        ["active-10000", "active-10000", "flow-tokio", "tokio-exact"],
        Fresh,
        Some(Most(1.00, 0.95)),
        None,
    ),
    row(
        ["active-10000-room", "active-10000", "flow-tokio", "tokio"],
        Fresh,
        None,
        None,
    ),
    row(["idle", "idle", "flow-tokio", "tokio"], Neither, None, None),
    row(
        ["idle-waiting", "idle-waiting", "flow-tokio", "tokio"],
        Neither,
        Some(MostBytes(2600.0, 2200.0)),
        None,
    ),
    row(
        ["churn", "churn", "flow-tokio", "tokio"],
        Fresh,
        None,
        Some(3_000),
    ),
    row(
        ["churn-close", "churn-close", "flow-tokio", "tokio"],
        Fresh,
        None,
        Some(3_000),
    ),
    row(
        ["proxy", "proxy", "flow-tokio", "tokio-reused"],
        TheirsReused,
        Some(Least(1.0, 1.4)),
        None,
    ),
    row(
        ["proxy-copied", "proxy", "flow-tokio-copied", "tokio-reused"],
        TheirsReused,
        Some(Least(1.0, 1.0)),
        None,
    ),
    row(
        ["proxy-8k", "proxy", "flow-tokio", "tokio-copy-8k"],
        TheirsReused,
        None,
        None,
    ),
    row(
        [
            "tcp-ping-pong-64",
            "tcp-ping-pong-64",
            "flow-tokio",
            "tokio",
        ],
        Fresh,
        None,
        Some(5_000),
    ),
    row(
        ["tcp-bulk-64k", "tcp-bulk-64k", "flow-tokio", "tokio-reused"],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["tcp-bulk-1m", "tcp-bulk-1m", "flow-tokio", "tokio-reused"],
        TheirsReused,
        None,
        None,
    ),
    row(
        ["smol-ping-pong-64", "ping-pong-64", "flow-smol", "async-io"],
        Fresh,
        Some(Least(1.03, 1.20)),
        Some(7_000),
    ),
    row(
        [
            "smol-ping-pong-64-reused",
            "ping-pong-64",
            "flow-smol",
            "async-io-reused",
        ],
        TheirsReused,
        None,
        Some(7_000),
    ),
    row(
        ["smol-bulk-64k", "bulk-64k", "flow-smol", "async-io"],
        Fresh,
        Some(Least(1.03, 1.20)),
        Some(6_000),
    ),
    row(
        [
            "smol-bulk-64k-reused",
            "bulk-64k",
            "flow-smol",
            "async-io-reused",
        ],
        TheirsReused,
        None,
        Some(6_000),
    ),
    // With more threads it is chance which of them a task wakes on, and that is all that the time of a round trip depends on.
    Row {
        one_thread: true,
        ..row(
            [
                "async-std-ping-pong-64",
                "ping-pong-64",
                "flow-async-std",
                "async-std",
            ],
            Fresh,
            Some(Least(1.03, 1.20)),
            Some(10_000),
        )
    },
    row(
        [
            "async-std-ping-pong-64-mt",
            "ping-pong-64",
            "flow-async-std",
            "async-std",
        ],
        Fresh,
        None,
        Some(5_000),
    ),
    row(
        [
            "async-std-bulk-64k",
            "bulk-64k",
            "flow-async-std",
            "async-std-reused",
        ],
        TheirsReused,
        None,
        Some(5_000),
    ),
    row(
        [
            "async-std-vectored-16x64",
            "vectored-16x64",
            "flow-async-std",
            "async-std",
        ],
        Fresh,
        Some(Least(4.0, 8.0)),
        Some(5_000),
    ),
    row(
        [
            "memory-ping-pong-64",
            "ping-pong-64",
            "flow-memory",
            "tokio-duplex",
        ],
        Fresh,
        None,
        Some(50_000),
    ),
    row(
        ["memory-bulk-64k", "bulk-64k", "flow-memory", "tokio-duplex"],
        Fresh,
        None,
        Some(20_000),
    ),
    row(
        [
            "boxed-ping-pong-64",
            "ping-pong-64",
            "flow-boxed",
            "flow-tokio",
        ],
        Fresh,
        None,
        None,
    ),
    row(
        [
            "wrapped-ping-pong-64",
            "ping-pong-64",
            "flow-wrapped-boxed",
            "flow-tokio",
        ],
        Fresh,
        None,
        None,
    ),
];

impl Row {
    /// How many operations.
    ///
    /// # Errors
    ///
    /// There is no such workload.
    pub(crate) fn count(&self) -> Result<u64, String> {
        let workload: Workload = self.workload.parse()?;
        Ok(self.count.unwrap_or_else(|| workload.usual_count()))
    }

    /// In how many pairs it runs in this round.
    pub(crate) fn pairs(&self, round: u32) -> u32 {
        match (self.unit(), self.floor) {
            // The same each time.
            (Unit::Bytes, _) => u32::from(round == 0),
            (_, Some(_)) => PAIRS_TO_JUDGE,
            (_, None) => 1,
        }
    }

    /// What it is measured in.
    pub(crate) fn unit(&self) -> Unit {
        match self.workload.parse() {
            Ok(Workload::Bulk(..) | Workload::Proxy) => Unit::Throughput,
            Ok(Workload::Active(_)) => Unit::Cost,
            Ok(Workload::Idle { .. }) => Unit::Bytes,
            _ => Unit::Rate,
        }
    }
}

impl Unit {
    /// Of each run.
    pub(crate) fn of(self, lines: &[Line]) -> Vec<f64> {
        let each = |line: &Line| match self {
            Self::Rate => line.rate() / 1e3,
            Self::Throughput => line.gib(),
            Self::Cost => 1e9 / line.rate(),
            Self::Bytes => line.held.unwrap_or_default() as f64,
        };
        lines.iter().map(each).collect()
    }

    /// Less of it is better.
    pub(crate) const fn is_cost(self) -> bool {
        matches!(self, Self::Cost | Self::Bytes)
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Rate => "k/s",
            Self::Throughput => "GiB/s",
            Self::Cost => "ns",
            Self::Bytes => "bytes",
        })
    }
}

impl fmt::Display for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Fresh => "both fresh",
            TheirsReused => "ours fresh, theirs reused",
            Neither => "none",
        })
    }
}

impl Floor {
    /// The floor and the aim.
    pub(crate) const fn bounds(self) -> (f64, f64) {
        match self {
            Least(floor, aim) | Most(floor, aim) | MostBytes(floor, aim) => (floor, aim),
        }
    }
}

impl fmt::Display for Floor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Least(floor, aim) => write!(f, "at least {floor:.2}, aim {aim:.2}"),
            Most(floor, aim) => write!(f, "at most {floor:.2}, aim {aim:.2}"),
            MostBytes(floor, aim) => write!(f, "ours at most {floor:.0}, aim {aim:.0}"),
        }
    }
}
