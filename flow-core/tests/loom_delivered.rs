//! Whether what was written has come to the peer, asked while other threads are told, under every interleaving.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test --release -p flow-core --test loom_delivered`.
#![cfg(loom)]

mod model;

use std::sync::Arc;
use std::task::{Context, Poll};

use flow_core::{
    Bytes, Chunks, Delivered, Engine, Flow, FlowExt, SharedError, Transport, WriteError, memory,
};
use loom::sync::atomic::{AtomicBool, Ordering::SeqCst};
use loom::thread;

use model::block_on;

/// Its peer left without reading, and the one receive that is told so takes the news away, as a system call does, and then keeps it in mind.
struct ToldOnce {
    news: AtomicBool,
    kept: AtomicBool,
}

impl Transport for ToldOnce {
    type Error = SharedError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        if self.news.swap(false, SeqCst) {
            self.kept.store(true, SeqCst);
        }
        Poll::Ready(Ok(None))
    }

    fn poll_send(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
        _: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        Poll::Ready(Err(WriteError::Closed))
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        Poll::Ready(Ok(()))
    }

    fn delivered(&self) -> Delivered {
        if self.news.load(SeqCst) || self.kept.load(SeqCst) {
            Delivered::No
        } else {
            Delivered::Yes
        }
    }
}

#[test]
fn news_of_a_loss_is_not_missed_while_a_read_is_told() {
    model::run(
        "news_of_a_loss_is_not_missed_while_a_read_is_told",
        || {
            let transport = ToldOnce {
                news: AtomicBool::new(true),
                kept: AtomicBool::new(false),
            };
            let flow = Arc::new(Engine::new(transport, (), ()));
            let reading = Arc::clone(&flow);
            let reader = thread::spawn(move || block_on(reading.read()).unwrap());
            assert_eq!(flow.delivered(), Delivered::No);
            assert_eq!(reader.join().unwrap(), None);
        },
        &["asks_beside_a_receive"],
    );
}

#[test]
fn asking_beside_an_abort_is_answered_and_releases_everything() {
    model::run(
        "asking_beside_an_abort_is_answered_and_releases_everything",
        || {
            let (flow, mut wire) = memory::with_wire(4);
            let flow = Arc::new(flow);
            block_on(flow.write("x")).unwrap();
            let aborting = Arc::clone(&flow);
            let aborter = thread::spawn(move || aborting.abort());
            assert_eq!(flow.delivered(), Delivered::No);
            aborter.join().unwrap();
            assert_eq!(wire.recv(&mut [0; 4]), memory::Received::Data(1));
            assert_eq!(wire.recv(&mut [0; 4]), memory::Received::End);
            // The receiving side is let go of as well.
            assert_eq!(wire.send(b"y"), 0);
            assert_eq!(flow.delivered(), Delivered::Yes);
        },
        &["asking_forgets_the_abort"],
    );
}
