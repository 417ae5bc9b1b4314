//! Bytes in either direction, and what dropping a read or a write means for them.

use flow_core::{Bytes, Chunks};

use super::kinds::{Kind, Output};
use super::law::{Law, unless};
use super::lies::Lie;
use super::steps::{
    closed, finish, gather, joined, park, same, stuck, stuck_for_good, to_the_end, until, woken,
};
use crate::support::backend::FlowExt as _;
use crate::support::{Count, pattern, poll, run};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "input_arrives_once_and_in_order",
        promise: "What the far end sends, in pieces of many sizes, is read once and in order.",
        not_for: reads,
        run: input_arrives,
        broken: &[
            (Lie::LosesBytes, "unix"),
            (Lie::LosesBytes, "file-read"),
            (Lie::EndsBeforeLast, "pipe-reader"),
        ],
    },
    Law {
        name: "output_arrives_once_and_in_order",
        promise: "What is written, one buffer or a list, arrives once and in order.",
        not_for: writes,
        run: output_arrives,
        broken: &[
            (Lie::ForgetsHalf, "pipe-writer"),
            (Lie::ForgetsHalf, "file-append"),
        ],
    },
    Law {
        name: "write_goes_on_with_room",
        promise: "A write that has used all the room up, be it by a thread of the pool, goes on once somebody receives, and arrives whole; so does list after list while there is room.",
        not_for: |kind| unless(kind.waits_to_write(), "a write waits for nobody"),
        run: goes_on_with_room,
        broken: &[
            (Lie::Deaf, "unix"),
            (Lie::Deaf, "pty-master"),
            (Lie::ForgetsHalf, "two-fifos"),
        ],
    },
    Law {
        name: "dropped_read_loses_nothing",
        promise: "Reads that are dropped, also while a thread of the pool reads, lose nothing.",
        not_for: reads,
        run: dropped_read,
        broken: &[
            (Lie::LosesAfterWaiting, "pty-master"),
            (Lie::LosesAfterWaiting, "pipe-reader"),
        ],
    },
    Law {
        name: "dropped_untaken_write_sends_nothing",
        promise: "A write that is dropped while it waits behind another one sends nothing.",
        not_for: writes,
        run: dropped_untaken_write,
        broken: &[
            (Lie::SendsDropped, "unix"),
            (Lie::SendsDropped, "file-write"),
        ],
    },
    Law {
        name: "dropped_taken_write_is_whole",
        promise: "A write that is dropped after some of it was accepted is sent whole, before anything later.",
        not_for: writes,
        run: dropped_taken_write,
        broken: &[
            (Lie::ForgetsHalf, "pty-slave"),
            (Lie::ForgetsHalf, "file-write"),
        ],
    },
    Law {
        name: "missing_direction_is_over",
        promise: "What cannot be read is at its end, what cannot be written to is closed.",
        not_for: |kind| {
            let one_way =
                kind.output == Output::Nowhere || kind.input == super::kinds::Input::Nothing;
            unless(one_way, "goes both ways")
        },
        run: missing_direction,
        broken: &[
            (Lie::ReadsNothing, "pipe-writer"),
            (Lie::WritesNowhere, "fifo-reader"),
        ],
    },
];

fn reads(kind: &Kind) -> Option<&'static str> {
    unless(kind.reads(), "nothing is sent to it")
}

fn writes(kind: &Kind) -> Option<&'static str> {
    unless(kind.writes(), "what is written goes nowhere")
}

/// Around the sizes of pages, pipes, terminals' queues and our own buffers.
const SIZES: [usize; 11] = [
    1, 2, 255, 256, 4095, 4096, 4097, 16_385, 65_535, 65_536, 65_537,
];

fn pieces() -> Vec<Vec<u8>> {
    let all = pattern(SIZES.iter().sum());
    let mut rest = &all[..];
    let cut = |len| {
        let (piece, behind) = rest.split_at(len);
        rest = behind;
        piece.to_vec()
    };
    SIZES.map(cut).to_vec()
}

fn input_arrives(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let pieces = pieces();
        let sent = pieces.concat();
        let sending = far.sending(pieces);
        if !kind.waits_to_read() {
            joined("all is stored", sending).await;
            same(&to_the_end(&flow).await, &sent);
            return;
        }
        same(&gather(&flow, sent.len()).await, &sent);
        joined("all was sent", sending).await;
    });
}

fn output_arrives(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let pieces = pieces();
        let sent = [pieces.concat(), pieces.concat(), pieces.concat()].concat();
        let receiving = kind.waits_to_write().then(|| far.receiving(sent.len()));
        for piece in pieces.clone() {
            finish(&mut flow.write(piece)).await.unwrap();
        }
        finish(&mut flow.writev(pieces.clone())).await.unwrap();
        let chunks: Chunks = pieces.into_iter().map(Bytes::from).collect();
        finish(&mut flow.write_chunks(chunks)).await.unwrap();
        finish(&mut flow.flush()).await.unwrap();
        let receiving = receiving.unwrap_or_else(|| far.receiving(sent.len()));
        same(&joined("all has come", receiving).await, &sent);
    });
}

fn goes_on_with_room(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let (mut write, writer, sent) = stuck_for_good(kind, &flow).await;
        let receiving = far.receiving(sent.len());
        woken(&writer).await;
        finish(&mut write).await.unwrap();
        same(&joined("all has come", receiving).await, &sent);
        // While there is room nobody tells so again: list after list, of buffers that are long for each kind.
        let (count, len) = if kind.is_terminal() { (2, 1) } else { (4, 500) };
        let list = pattern(count * len);
        for _ in 0..5 {
            let buffers = list.chunks(len).map(Bytes::copy_from_slice);
            let chunks = buffers.collect::<Chunks>();
            finish(&mut flow.write_chunks(chunks)).await.unwrap();
        }
        let all = joined("all has come", far.receiving(5 * list.len())).await;
        same(&all, &list.repeat(5));
    });
}

fn dropped_read(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let sent = pattern(600_000);
        if !kind.waits_to_read() {
            far.send(&sent);
            let mut got = Vec::new();
            for round in 0.. {
                // Polled once and dropped: a thread reads meanwhile, or has done so.
                if let std::task::Poll::Ready(chunk) = poll(&mut flow.read(), &Count::new()) {
                    match chunk.unwrap() {
                        Some(chunk) => got.extend_from_slice(&chunk),
                        None => break,
                    }
                } else if round % 2 == 1 {
                    match finish(&mut flow.read()).await.unwrap() {
                        Some(chunk) => got.extend_from_slice(&chunk),
                        None => break,
                    }
                }
            }
            return same(&got, &sent);
        }
        let mut got = Vec::new();
        for piece in sent[..50_000].chunks(1000) {
            let mut dropped = flow.read();
            let count = park(&mut dropped);
            far.send(piece);
            // Also when it was told already.
            until("a read was woken", || count.get() > 0).await;
            drop(dropped);
            got.extend_from_slice(&gather(&flow, piece.len()).await);
        }
        same(&got, &sent[..50_000]);
    });
}

fn dropped_untaken_write(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let (mut first, _, mut sent) = stuck(kind, &flow);
        let mut second = flow.write(vec![b'?'; 1000]);
        park(&mut second);
        assert!(first.is_taken() && !second.is_taken());
        drop(second);
        let last = b"the last";
        sent.extend_from_slice(last);
        let receiving = kind.waits_to_write().then(|| far.receiving(sent.len()));
        finish(&mut first).await.unwrap();
        finish(&mut flow.write(last)).await.unwrap();
        let receiving = receiving.unwrap_or_else(|| far.receiving(sent.len()));
        same(&joined("all has come", receiving).await, &sent);
    });
}

fn dropped_taken_write(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        let (first, _, mut sent) = stuck(kind, &flow);
        assert!(first.is_taken());
        drop(first);
        let last = b"the last";
        sent.extend_from_slice(last);
        let receiving = kind.waits_to_write().then(|| far.receiving(sent.len()));
        finish(&mut flow.write(last)).await.unwrap();
        let receiving = receiving.unwrap_or_else(|| far.receiving(sent.len()));
        same(&joined("all has come", receiving).await, &sent);
    });
}

fn missing_direction(kind: &Kind) {
    use crate::support::backend::Shutdown;

    run(async {
        let (flow, _far) = kind.link();
        if kind.output == Output::Nowhere {
            closed(finish(&mut flow.write("x")).await);
            closed(finish(&mut flow.write("")).await);
            finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
        } else {
            assert_eq!(to_the_end(&flow).await, b"");
            finish(&mut flow.shutdown(Shutdown::Read)).await.unwrap();
            finish(&mut flow.write("x")).await.unwrap();
        }
    });
}
