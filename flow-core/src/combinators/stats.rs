//! How much went each way, how often, and how long it took.

use std::fmt;
use std::time::Duration;

/// How many bytes went each way, in how many operations, and in what time.
///
/// Its `Display` is for people: `read 1.5 MiB (24 operations), wrote 1.5 MiB (24 operations) in 2.0s, 768.0 KiB/s`. The rate is that of
/// what was written; where no time has passed there is none.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use flow_core::combinators::Stats;
///
/// let mut stats = Stats::default();
/// (stats.read_bytes, stats.read_ops) = (2048, 2);
/// (stats.written_bytes, stats.write_ops) = (1536, 1);
/// assert_eq!(stats.to_string(), "read 2.0 KiB (2 operations), wrote 1.5 KiB (1 operation) in 0.0ns");
/// stats.duration = Duration::from_millis(500);
/// assert!(stats.to_string().ends_with(" in 500.0ms, 3.0 KiB/s"));
/// assert_eq!(stats.bytes_per_second(), Some(3072.0));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Bytes that were read.
    pub read_bytes: u64,
    /// Reads that gave a chunk.
    pub read_ops: u64,
    /// Those of `read_bytes` that were handed on without being brought into memory: see [`Flow::direct`](crate::Flow::direct).
    pub direct_bytes: u64,
    /// Bytes that were written.
    pub written_bytes: u64,
    /// Writes that were done.
    pub write_ops: u64,
    /// From the first poll to the end, or to now.
    pub duration: Duration,
}

impl Stats {
    /// Bytes written in a second, on average; `None` if no time has passed.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        let seconds = self.duration.as_secs_f64();
        (seconds > 0.0).then(|| self.written_bytes as f64 / seconds)
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "read {} ({}), wrote {} ({}) in {:.1?}",
            Size(self.read_bytes as f64),
            Operations(self.read_ops),
            Size(self.written_bytes as f64),
            Operations(self.write_ops),
            self.duration,
        )?;
        match self.bytes_per_second() {
            Some(rate) => write!(f, ", {}/s", Size(rate)),
            None => Ok(()),
        }
    }
}

struct Operations(u64);

impl fmt::Display for Operations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0 == 1 { "" } else { "s" };
        write!(f, "{} operation{plural}", self.0)
    }
}

/// Bytes, in the largest unit of which there is at least one.
struct Size(f64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const UNITS: [&str; 6] = ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];
        // Just below the next unit it would be rounded up to 1024.0 of this one.
        const FULL: f64 = 1023.95;

        let (mut size, mut unit) = (self.0, None);
        for next in UNITS {
            if size < if unit.is_none() { 1024.0 } else { FULL } {
                break;
            }
            (size, unit) = (size / 1024.0, Some(next));
        }
        match unit {
            Some(unit) => write!(f, "{size:.1} {unit}"),
            None if size == 1.0 => write!(f, "1 byte"),
            None => write!(f, "{size:.0} bytes"),
        }
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_in_the_unit_that_fits() {
        let sizes = [
            (0, "0 bytes"),
            (1, "1 byte"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1024 * 1024 - 1, "1.0 MiB"),
            (1 << 30, "1.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ];
        for (bytes, shown) in sizes {
            assert_eq!(Size(bytes as f64).to_string(), shown);
        }
    }

    #[test]
    fn no_time_is_no_rate() {
        let stats = Stats {
            written_bytes: 5,
            ..Stats::default()
        };
        assert_eq!(stats.bytes_per_second(), None);
        assert!(stats.to_string().ends_with("in 0.0ns"), "{stats}");
    }
}
