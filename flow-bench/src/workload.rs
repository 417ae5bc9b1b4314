//! What can be measured, by name.

use std::fmt;
use std::str::FromStr;

use crate::maker::Wire;

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Workload {
    PingPong(Wire, usize),
    Bulk(Wire, usize),
    Vectored(usize, usize),
    Active(usize),
    Idle { waiting: bool },
    Churn { close: bool },
    Proxy,
}

use Workload::{Active, Bulk, Churn, Idle, PingPong, Proxy, Vectored};

/// A name, what it means in words, and how many operations take about a tenth of a second.
const ALL: [(&str, Workload, &str, u64); 18] = [
    (
        "ping-pong-1",
        PingPong(Wire::Unix, 1),
        "1 byte there and back, between two tasks",
        15_000,
    ),
    (
        "ping-pong-64",
        PingPong(Wire::Unix, 64),
        "64 bytes there and back, between two tasks",
        15_000,
    ),
    (
        "ping-pong-4k",
        PingPong(Wire::Unix, 4096),
        "4 KiB there and back, between two tasks",
        12_000,
    ),
    (
        "bulk-64k",
        Bulk(Wire::Unix, 64 * 1024),
        "writes of 64 KiB in one direction",
        10_000,
    ),
    (
        "bulk-1m",
        Bulk(Wire::Unix, 1024 * 1024),
        "writes of 1 MiB in one direction",
        600,
    ),
    (
        "vectored-16x64",
        Vectored(16, 64),
        "messages of 16 buffers of 64 bytes in one direction",
        50_000,
    ),
    (
        "vectored-1000x8",
        Vectored(1000, 8),
        "messages of 1000 buffers of 8 bytes in one direction",
        5_000,
    ),
    (
        "active-1",
        Active(1),
        "64 bytes there and back on 1 pair",
        15_000,
    ),
    (
        "active-100",
        Active(100),
        "64 bytes there and back on 100 pairs at once",
        20_000,
    ),
    (
        "active-10000",
        Active(10_000),
        "64 bytes there and back on 10,000 pairs at once, or as many as there may be descriptors for",
        40_000,
    ),
    (
        "idle",
        Idle { waiting: false },
        "memory of a pair that has exchanged a message",
        10_000,
    ),
    (
        "idle-waiting",
        Idle { waiting: true },
        "the same with a task at each end that waits in a read",
        10_000,
    ),
    (
        "churn",
        Churn { close: false },
        "pairs made, used once, ended and read to the end",
        6_000,
    ),
    (
        "churn-close",
        Churn { close: true },
        "the same, ended in the stream's own way to close",
        6_000,
    ),
    (
        "proxy",
        Proxy,
        "writes of 64 KiB in one direction through a proxy",
        2_000,
    ),
    (
        "tcp-ping-pong-64",
        PingPong(Wire::Tcp, 64),
        "64 bytes there and back over TCP",
        8_000,
    ),
    (
        "tcp-bulk-64k",
        Bulk(Wire::Tcp, 64 * 1024),
        "writes of 64 KiB in one direction over TCP",
        6_000,
    ),
    (
        "tcp-bulk-1m",
        Bulk(Wire::Tcp, 1024 * 1024),
        "writes of 1 MiB in one direction over TCP",
        400,
    ),
];

impl Workload {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ALL.into_iter().map(|(_, workload, ..)| workload)
    }

    fn entry(self) -> &'static (&'static str, Self, &'static str, u64) {
        let found = ALL.iter().find(|(_, workload, ..)| *workload == self);
        found.expect("every workload stands in the table")
    }

    /// What is done.
    pub(crate) fn about(self) -> &'static str {
        self.entry().2
    }

    /// How often, if nobody says.
    pub(crate) fn usual_count(self) -> u64 {
        self.entry().3
    }

    /// What one operation is.
    pub(crate) const fn operation(self) -> &'static str {
        match self {
            PingPong(..) | Active(_) => "round trip",
            Bulk(..) | Proxy => "write",
            Vectored(..) => "message",
            Idle { .. } | Churn { .. } => "pair",
        }
    }

    /// Over TCP.
    pub(crate) const fn is_tcp(self) -> bool {
        matches!(self, PingPong(Wire::Tcp, _) | Bulk(Wire::Tcp, _))
    }
}

impl fmt::Display for Workload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.entry().0)
    }
}

impl FromStr for Workload {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(known, ..)| *known == name);
        found
            .map(|(_, workload, ..)| *workload)
            .ok_or_else(|| format!("there is no workload of this name: {name}"))
    }
}
