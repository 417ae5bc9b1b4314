//! SIGPIPE: as the system has it, on every kind that somebody may stop receiving from.

use super::kinds::Kind;
use super::law::{Law, unless};
use super::lies::Lie;
use super::steps::{closed, finish, stuck, woken};
use crate::support::backend::FlowExt as _;
use crate::support::run;

pub(crate) const LAWS: &[Law] = &[Law {
    name: "sigpipe_is_not_raised",
    promise: "With SIGPIPE at its default, writing to a far end that is gone kills nobody; disposition and mask stay as they were.",
    not_for: |kind| unless(kind.waits_to_write(), "nobody receives"),
    run: no_sigpipe,
    broken: &[
        (Lie::RaisesSigpipe, "unix"),
        (Lie::RaisesSigpipe, "tcp"),
        (Lie::RaisesSigpipe, "pipe-writer"),
        (Lie::RaisesSigpipe, "two-fifos"),
    ],
}];

/// What a file of `/proc` says under a name.
pub(crate) fn field(path: &str, name: &str) -> Option<String> {
    let all = std::fs::read_to_string(path).ok()?;
    let said = all.lines().find_map(|line| line.strip_prefix(name))?;
    Some(said.trim().to_owned())
}

/// What is blocked, ignored, caught and pending, for the thread and the process.
pub(crate) fn signals() -> Vec<String> {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
    let of_signals = |line: &&str| line.starts_with("Sig") || line.starts_with("Shd");
    let lines = status.lines().filter(of_signals);
    // How many are queued is another matter.
    let lines = lines.filter(|line| !line.starts_with("SigQ"));
    lines.map(str::to_owned).collect()
}

/// Whether a write to nobody would kill this process.
pub(crate) fn sigpipe_kills() -> bool {
    const SIGPIPE: u64 = 1 << 12;

    let set = |name: &str| {
        let lines = signals();
        let line = lines.iter().find_map(|line| line.strip_prefix(name));
        u64::from_str_radix(line.unwrap().trim(), 16).unwrap() & SIGPIPE != 0
    };
    !["SigBlk:", "SigIgn:", "SigCgt:"].into_iter().any(set)
}

fn no_sigpipe(kind: &Kind) {
    assert!(sigpipe_kills(), "this would show nothing");
    let before = signals();
    run(async {
        let (flow, far) = kind.link();
        drop(far);
        // TCP may accept one, which is answered by a reset.
        for _ in 0..1000 {
            if finish(&mut flow.write("x")).await.is_err() {
                break;
            }
            crate::support::settle().await;
        }
        closed(finish(&mut flow.write("x")).await);
        let (flow, far) = kind.link();
        drop(far);
        while finish(&mut flow.writev([vec![0; 70_000], vec![0; 3000]]))
            .await
            .is_ok()
        {}
        let (flow, far) = kind.link();
        let (mut write, writer, _) = stuck(kind, &flow);
        drop(far);
        woken(&writer).await;
        closed(finish(&mut write).await);
    });
    assert_eq!(signals(), before);
}
