//! What the process holds: its descriptors and threads, before a law and after it.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::time::{Duration, Instant};

/// What the process holds at one moment.
#[derive(Clone, Debug, Default)]
pub struct Census {
    /// Number and target of each open descriptor.
    descriptors: BTreeSet<(u32, String)>,
    /// Number and name of each thread. A thread names itself when it runs for the first time, so it is its number that counts.
    threads: BTreeMap<u32, String>,
}

impl Census {
    /// Counts. `None` where the system does not tell: elsewhere than on Linux.
    #[must_use]
    pub fn take() -> Option<Self> {
        let list = |path: &str| {
            let entries = fs::read_dir(path).ok()?.flatten();
            let named = entries.filter_map(|entry| {
                let number = entry.file_name().to_str()?.parse().ok()?;
                Some((number, entry.path()))
            });
            Some(named.collect::<Vec<(u32, _)>>())
        };
        let descriptors = list("/proc/self/fd")?
            .into_iter()
            // The one that reads this very folder is gone by now.
            .filter_map(|(number, path)| {
                let target = fs::read_link(path).ok()?;
                Some((number, target.to_string_lossy().into_owned()))
            });
        let threads = list("/proc/self/task")?
            .into_iter()
            .filter_map(|(number, path)| {
                let name = fs::read_to_string(path.join("comm")).ok()?;
                Some((number, name.trim_end().to_owned()))
            });
        Some(Self {
            descriptors: descriptors.collect(),
            threads: threads.collect(),
        })
    }

    /// What there is now and was not then. Waits a little for threads that are on their way out: a thread that has been joined is listed
    /// until the kernel has put it away.
    #[must_use]
    pub fn left_since(then: &Self) -> Option<String> {
        let begun = Instant::now();
        loop {
            let left = Self::take()?.beyond(then)?;
            if begun.elapsed() > Duration::from_secs(2) {
                return Some(left);
            }
            std::thread::yield_now();
        }
    }

    fn beyond(&self, then: &Self) -> Option<String> {
        let mut left = vec![];
        for (number, target) in self.descriptors.difference(&then.descriptors) {
            left.push(format!("descriptor {number} ({target})"));
        }
        let new = |(number, _): &(&u32, &String)| !then.threads.contains_key(number);
        for (number, name) in self.threads.iter().filter(new) {
            left.push(format!("thread {number} ({name})"));
        }
        (!left.is_empty()).then(|| left.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_new_is_told() {
        let named = |items: &[(u32, &str)]| {
            items
                .iter()
                .map(|(number, name)| (*number, (*name).to_owned()))
                .collect()
        };
        let then = Census {
            descriptors: named(&[(0, "a"), (3, "b")]),
            threads: [(7, "main".to_owned())].into(),
        };
        assert_eq!(then.beyond(&then), None);
        let now = Census {
            // One is another under the old number.
            descriptors: named(&[(0, "a"), (3, "c"), (4, "d")]),
            threads: [(7, "renamed".to_owned()), (8, "stray".to_owned())].into(),
        };
        let left = now.beyond(&then).expect("something is left");
        assert_eq!(left, "descriptor 3 (c), descriptor 4 (d), thread 8 (stray)");
    }
}
