//! On what it was measured, and when.

use std::fmt;
use std::fs;
use std::process::Command;
use std::thread::available_parallelism;

use rustix::system::uname;
use serde::Serialize;

/// A machine on a day.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Machine {
    /// Year, month and day, UTC; empty if nobody knows.
    date: String,
    processor: String,
    processors: usize,
    system: String,
}

/// The name and the version, without what whoever built it has added.
fn system(name: &str, release: &str) -> String {
    let version = release.split('-').next().unwrap_or(release);
    format!("{name} {version}")
}

impl Machine {
    pub(crate) fn here() -> Self {
        let date = Command::new("date").args(["-u", "+%F"]).output();
        let date = date.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let model = cpuinfo.lines().find_map(|line| {
            let (name, model) = line.split_once(':')?;
            (name.trim() == "model name").then(|| model.trim().to_owned())
        });
        let uname = uname();
        Self {
            date: date.unwrap_or_default(),
            processor: model.unwrap_or_else(|| uname.machine().to_string_lossy().into_owned()),
            processors: available_parallelism().map_or(1, usize::from),
            system: system(
                &uname.sysname().to_string_lossy(),
                &uname.release().to_string_lossy(),
            ),
        }
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            date,
            processor,
            processors,
            system,
        } = self;
        write!(f, "{date}, {processors} processors, {processor}, {system}")
    }
}
