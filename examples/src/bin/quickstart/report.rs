//! The progress line and the table.

use std::fmt::Write as _;
use std::io::{IsTerminal, Write as _, stderr};
use std::sync::Mutex;

use crate::runtimes::Failure;
use crate::source::Source;
use crate::transfer::Seen;

const MIB: u64 = 1024 * 1024;

/// One line of the table.
pub(crate) struct Row {
    runtime: &'static str,
    transport: &'static str,
    expected: u64,
    /// MiB shown last.
    shown: Mutex<u64>,
    pub(crate) text: String,
    pub(crate) ok: bool,
}

impl Row {
    pub(crate) fn start(runtime: &'static str, transport: &'static str, expected: u64) -> Self {
        let (text, shown) = (String::new(), Mutex::new(u64::MAX));
        Self {
            runtime,
            transport,
            expected,
            shown,
            text,
            ok: false,
        }
    }

    /// Shows how far this transfer is, if somebody watches.
    pub(crate) fn progress(&self, echoed: u64) {
        let mib = echoed / MIB;
        let mut shown = self.shown.lock().expect("progress never panics");
        if *shown != mib && stderr().is_terminal() {
            *shown = mib;
            let (runtime, transport) = (self.runtime, self.transport);
            let all = self.expected.div_ceil(MIB);
            let _ = write!(
                stderr(),
                "\r\x1b[K{runtime}, {transport}: {mib} of {all} MiB"
            );
        }
    }

    /// Judges what was seen.
    pub(crate) fn done(mut self, seen: Result<Seen, Failure>, source: &Source) -> Self {
        if stderr().is_terminal() {
            let _ = write!(stderr(), "\r\x1b[K");
        }
        let _ = write!(self.text, "{:<21} {:<17}", self.runtime, self.transport);
        let seen = match seen {
            Ok(seen) => seen,
            Err(e) => {
                let _ = write!(self.text, "failed: {}", chain(&*e));
                return self;
            }
        };
        let sums = seen.sum == source.sum && seen.told == Some(source.sum);
        self.ok = sums && seen.echoed == source.len() && seen.end && seen.closed;
        let gib = seen.echoed as f64 / (1024.0 * MIB as f64) / seen.took.as_secs_f64();
        let _ = write!(
            self.text,
            "{:>10} {gib:>6.2}  {}… {:<8} {:<5} {}",
            seen.echoed,
            hex(&seen.sum[..6]),
            if sums { "matches" } else { "DIFFERS" },
            yes(seen.end),
            yes(seen.closed),
        );
        self
    }
}

/// Prints the table. Whether every row is as it should be.
pub(crate) fn print(rows: &[Row], source: &Source) -> bool {
    println!(
        "{}, {} bytes, SHA-256 {}",
        source.name,
        source.len(),
        hex(&source.sum)
    );
    println!("Each row: there and back again, hashed on both sides; GiB/s of the file.\n");
    println!(
        "{:<21} {:<17}{:>10} {:>6}  {:<22} {:<5} closed",
        "runtime", "transport", "bytes", "GiB/s", "SHA-256 received", "end"
    );
    for row in rows {
        println!("{}", row.text);
    }
    let bad = rows.iter().filter(|row| !row.ok).count();
    if bad > 0 {
        eprintln!("quickstart: {bad} of {} rows are wrong", rows.len());
    }
    bad == 0 && !rows.is_empty()
}

/// An error and its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(e) = cause {
        let _ = write!(text, ": {e}");
        cause = e.source();
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

const fn yes(is: bool) -> &'static str {
    if is { "yes" } else { "NO" }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn seen(source: &Source) -> Seen {
        Seen {
            echoed: source.len(),
            sum: source.sum,
            told: Some(source.sum),
            end: true,
            closed: true,
            took: Duration::from_secs(1),
        }
    }

    #[test]
    fn a_row_is_right_only_if_everything_is() {
        let source = Source::generated();
        let faults: [fn(&mut Seen); 6] = [
            |seen| seen.echoed -= 1,
            |seen| seen.sum[31] ^= 1,
            |seen| seen.told = None,
            |seen| seen.told = Some([0; 32]),
            |seen| seen.end = false,
            |seen| seen.closed = false,
        ];
        let judge = |seen| Row::start("runtime", "transport", source.len()).done(seen, &source);
        assert!(print(&[judge(Ok(seen(&source)))], &source));
        for fault in faults {
            let mut seen = seen(&source);
            fault(&mut seen);
            assert!(!print(&[judge(Ok(seen))], &source));
        }
        let failed = judge(Err("the wire was cut".into()));
        assert!(failed.text.ends_with("failed: the wire was cut"));
        assert!(!print(&[failed], &source));
        assert!(!print(&[], &source));
    }
}
