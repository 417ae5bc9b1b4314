//! What moving bytes takes of the system: calls, and threads of the pool.

use flow_core::{Bytes, Chunks};
use rustix::pipe::fcntl_setpipe_size;

use super::cases::not_shown;
use super::kinds::{Input, Kind, Output};
use super::law::{Law, unless};
use super::lies::Lie;
use super::process::field;
use super::steps::{finish, gather, joined, same, warm_up};
use crate::support::backend::FlowExt as _;
use crate::support::{Count, pattern, poll, run};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "writes_take_few_calls",
        promise: "One call writes as much as there is room for, be it many short buffers or long ones; what the pool writes goes in parts of 256 KiB.",
        not_for: |kind| unless(is_counted(kind), "the system does not count these calls"),
        run: few_calls,
        broken: &[
            (Lie::CallsInVain, "fifo-writer"),
            (Lie::CallsInVain, "file-write"),
        ],
    },
    Law {
        name: "what_is_there_takes_no_thread",
        promise: "Reading what is there, and writing where there is room, is done without the pool, on open files that others may have as well.",
        not_for: |kind| {
            unless(
                is_the_threads_own(kind),
                "the pool makes its calls, or nobody is there",
            )
        },
        run: no_thread,
        broken: &[
            (Lie::TakesThreads, "unix"),
            (Lie::TakesThreads, "fifo-reader"),
            (Lie::TakesThreads, "pty-slave"),
        ],
    },
];

/// Calls of sockets are not counted, and what an anonymous pipe takes depends on the age of the system.
fn is_counted(kind: &Kind) -> bool {
    matches!(kind.name, "fifo-writer" | "two-fifos") || kind.output == Output::Stored
}

/// A master cannot be opened again, files are always the pool's to write, and older systems have no call that does not wait for anonymous pipes.
fn is_the_threads_own(kind: &Kind) -> bool {
    let is_stored = kind.input == Input::Stored || kind.output == Output::Stored;
    let others = kind.name.contains("pipe") || kind.name.starts_with("pty-master");
    (kind.reads() || kind.writes()) && !is_stored && !others
}

/// How often a process has asked the system to write. `None` where it does not say.
pub(crate) fn write_calls(process: u32) -> Option<u64> {
    field(&format!("/proc/{process}/io"), "syscw:")?
        .parse()
        .ok()
}

fn calls() -> u64 {
    let calls = write_calls(std::process::id());
    calls.unwrap_or_else(|| not_shown("this system does not count calls"))
}

fn few_calls(kind: &Kind) {
    run(async {
        if kind.output == Output::Stored {
            // Each part ends with a word or two to the runtime's thread.
            const MOST: u64 = 16 * 4;

            let (flow, far) = kind.link();
            let sent = pattern(4 << 20);
            let before = calls();
            finish(&mut flow.write(sent.clone())).await.unwrap();
            finish(&mut flow.flush()).await.unwrap();
            let took = calls() - before;
            assert!(took <= MOST, "{took} calls");
            same(&joined("what is stored", far.receiving(0)).await, &sent);
            return;
        }
        let (near, far) = (kind.make)();
        let room = near.dups().pop().expect("a descriptor");
        fcntl_setpipe_size(room, 1 << 20).unwrap();
        let flow = near.connect();
        // Whatever is found out about the system by the first call.
        finish(&mut flow.write("x")).await.unwrap();
        joined("all has come", far.receiving(1)).await;
        for (count, len) in [(1, 10_000), (2000, 8), (40, 16 * 1024)] {
            let sent = pattern(count * len);
            let list = sent.chunks(len).map(Bytes::copy_from_slice);
            let mut write = flow.write_chunks(list.collect::<Chunks>());
            let before = calls();
            let written = poll(&mut write, &Count::new());
            let took = calls() - before;
            assert!(written.is_ready(), "there is room for all of it");
            assert_eq!(took, 1, "calls for {count} buffers of {len} bytes");
            same(
                &joined("all has come", far.receiving(sent.len())).await,
                &sent,
            );
        }
    });
}

/// How many threads this process has.
fn threads() -> usize {
    let threads = field("/proc/self/status", "Threads:");
    threads.unwrap().parse().unwrap()
}

fn no_thread(kind: &Kind) {
    const MESSAGES: usize = 10;

    run(async {
        warm_up().await;
        let (flow, far) = kind.link();
        let before = threads();
        for _ in 0..MESSAGES {
            if kind.reads() {
                far.send(b"there");
                same(&gather(&flow, 5).await, b"there");
            }
            if kind.writes() {
                finish(&mut flow.write("room")).await.unwrap();
            }
        }
        assert!(threads() <= before, "{} threads, were {before}", threads());
        if kind.writes() {
            let got = joined("all has come", far.receiving(4 * MESSAGES)).await;
            same(&got, &b"room".repeat(MESSAGES));
        }
    });
}
