//! How long the chunks are that reads hand out, and what they cost in memory.

use flow_core::Bytes;

use super::kinds::{Input, Kind};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::steps::{finish, joined};
use crate::heap;
use crate::support::backend::FlowExt as _;
use crate::support::{pattern, run};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "kept_chunks_keep_little",
        promise: "Chunks that are kept keep at most 16 times their bytes and 64 KiB in memory, whoever has read them.",
        not_for: |kind| unless(kind.waits_to_read(), "no messages are sent to it"),
        run: keep_little,
        broken: &[
            (Lie::KeepsLongBuffers, "unix"),
            (Lie::KeepsLongBuffers, "fifo-reader"),
        ],
    },
    Law {
        name: "short_messages_cost_little",
        promise: "A message that is received without the pool costs at most twice its length in memory, also where long ones came before.",
        not_for: |kind| {
            unless(
                kind.waits_to_read() && !kind.is_read_by_the_pool(),
                "the pool reads, or nobody sends",
            )
        },
        run: cost_little,
        broken: &[
            (Lie::MakesLongBuffers, "unix"),
            (Lie::MakesLongBuffers, "pipe-reader"),
        ],
    },
    Law {
        name: "much_comes_in_long_chunks",
        promise: "Where much has come at once, what comes next at once is read in chunks of up to 256 KiB.",
        not_for: |kind| {
            let kept = kind.is_terminal() || kind.name == "tcp" || kind.input == Input::Made;
            unless(kind.reads() && !kept, "the kernel hands it out in parts")
        },
        run: long_chunks,
        broken: &[
            (Lie::ShortChunks, "unix"),
            (Lie::ShortChunks, "pipe-reader"),
            (Lie::ShortChunks, "file-read"),
        ],
    },
];

const MESSAGES: usize = 300;

/// So many times its bytes a chunk may keep.
const TIMES: usize = 16;

const FLOW: usize = 64 * 1024;

/// As much as there is room for has come at once and was read.
async fn after_a_burst(kind: &Kind) -> (Subject, super::far::Far) {
    let (flow, far) = kind.link();
    if !kind.is_terminal() {
        let filled = far.fill();
        assert!(filled > 0);
        chunks(&flow, filled).await;
    }
    (flow, far)
}

/// The chunks that so many bytes come in.
async fn chunks(flow: &Subject, len: usize) -> Vec<Bytes> {
    let (mut chunks, mut came) = (vec![], 0);
    while came < len {
        let chunk = finish(&mut flow.read()).await.expect("a read failed");
        let chunk = chunk.expect("no end yet");
        came += chunk.len();
        chunks.push(chunk);
    }
    chunks
}

fn keep_little(kind: &Kind) {
    run(async {
        for len in [1, 100, 3000] {
            let (flow, far) = after_a_burst(kind).await;
            let message = pattern(len);
            let mut kept = Vec::with_capacity(MESSAGES * len);
            let (_, before) = heap::of_all();
            for _ in 0..MESSAGES {
                far.send(&message);
                kept.extend(chunks(&flow, len).await);
            }
            let (_, after) = heap::of_all();
            let most = TIMES * MESSAGES * len + FLOW;
            let keeps = after.saturating_sub(before);
            assert!(
                keeps <= most,
                "{MESSAGES} messages of {len} bytes keep {keeps} bytes, more than {most}"
            );
        }
    });
}

fn cost_little(kind: &Kind) {
    run(async {
        for len in [100, 4096, 48_000] {
            let (flow, far) = after_a_burst(kind).await;
            let message = pattern(len);
            let (before, _) = heap::of_all();
            for _ in 0..MESSAGES {
                far.send(&message);
                chunks(&flow, len).await;
            }
            let (after, _) = heap::of_all();
            // The burst may have come again: the first message has room for it. A KiB is for what polling by hand makes.
            let most = 512 * 1024 + MESSAGES * (2 * len + 1024);
            let cost = after - before;
            assert!(
                cost <= most,
                "{MESSAGES} messages of {len} bytes cost {cost} bytes, more than {most}"
            );
        }
    });
}

fn long_chunks(kind: &Kind) {
    const LONG: usize = 256 * 1024;

    run(async {
        if !kind.waits_to_read() {
            let (flow, far) = kind.link();
            let len = 8 * LONG;
            joined("all is stored", far.sending(vec![pattern(len)])).await;
            let mut chunks = 0;
            while finish(&mut flow.read()).await.unwrap().is_some() {
                chunks += 1;
            }
            assert!(chunks <= 8 + 8, "{len} bytes in {chunks} chunks");
            return;
        }
        let (flow, far) = after_a_burst(kind).await;
        let filled = far.fill();
        let chunks = chunks(&flow, filled).await.len();
        assert!(
            chunks <= filled.div_ceil(LONG),
            "{filled} bytes in {chunks} chunks"
        );
    });
}
