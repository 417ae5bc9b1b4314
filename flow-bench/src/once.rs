//! One run, and its line.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::args::Run;
use crate::counting;
use crate::work::Done;
use crate::workload::Workload;

/// What one run came to.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
pub(crate) struct Line {
    implementation: String,
    workload: String,
    /// What one operation is.
    operation: String,
    pub(crate) operations: u64,
    pub(crate) seconds: f64,
    /// Of the processors, the kernel in this process's calls included.
    pub(crate) cpu_seconds: f64,
    /// How many bytes were moved, where that is what matters.
    pub(crate) bytes: u64,
    /// How many bytes of memory each holds, where that is what matters.
    pub(crate) held: Option<u64>,
    /// How many allocations the whole program made until now, if they were counted.
    pub(crate) allocations: Option<u64>,
}

/// Runs and prints.
///
/// # Errors
///
/// The implementation cannot do this work.
pub(crate) fn run(run: &Run) -> Result<(), String> {
    let Run {
        implementation,
        workload,
        ..
    } = run;
    if run.allocations || matches!(workload, Workload::Idle { .. }) {
        counting::start();
    }
    let count = run.n.unwrap_or_else(|| workload.usual_count()).max(1);
    let Done {
        operations,
        took,
        bytes,
        held,
    } = implementation.run(*workload, count)?;
    let line = Line {
        implementation: implementation.to_string(),
        workload: workload.to_string(),
        operation: workload.operation().to_owned(),
        operations,
        seconds: took.wall.as_secs_f64(),
        cpu_seconds: took.cpu.as_secs_f64(),
        bytes,
        held,
        allocations: counting::calls().filter(|_| run.allocations),
    };
    if run.json {
        let json = serde_json::to_string(&line).map_err(|e| e.to_string())?;
        println!("{json}");
    } else {
        println!("{line}");
    }
    Ok(())
}

impl Line {
    /// Operations in a second.
    pub(crate) fn rate(&self) -> f64 {
        self.operations as f64 / self.seconds
    }

    /// GiB in a second.
    pub(crate) fn gib(&self) -> f64 {
        self.bytes as f64 / self.seconds / f64::from(1 << 30)
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            implementation,
            workload,
            operation,
            operations,
            ..
        } = self;
        write!(f, "{implementation} {workload}: {operations} {operation}s")?;
        if let Some(held) = self.held {
            return write!(f, ", {held} bytes each");
        }
        let each = self.seconds * 1e9 / *operations as f64;
        write!(f, ", {each:.0} ns each, {:.1} k/s", self.rate() / 1e3)?;
        let each = self.cpu_seconds * 1e9 / *operations as f64;
        write!(f, ", {each:.0} ns of processors")?;
        if self.bytes > 0 {
            write!(f, ", {:.2} GiB/s", self.gib())?;
        }
        match self.allocations {
            Some(allocations) => write!(f, ", {allocations} allocations in all"),
            None => Ok(()),
        }
    }
}
