//! What a round trip over a socket allocates: nothing, because short chunks are carved from blocks that are used again.

use allocation_counter::measure;
use flow_core::{BoxFlow, Flow, FlowExt as _};
use flow_tokio::{Error, socketpair};
use tokio::runtime::Builder;

static MESSAGE: &[u8] = &[7; 64];

async fn round_trips<F: Flow<Error = Error>>(near: &F, far: &F, count: usize) {
    for _ in 0..count {
        near.write(MESSAGE).await.expect("written");
        let chunk = far.read().await.expect("read").expect("no end yet");
        far.write(chunk).await.expect("written");
        assert_eq!(near.read().await.expect("read").as_deref(), Some(MESSAGE));
    }
}

#[test]
fn a_round_trip_allocates_nothing() {
    const TRIPS: u64 = 1000;
    let runtime = Builder::new_current_thread()
        .enable_io()
        .build()
        .expect("a runtime");
    let (near, far) = {
        let _inside = runtime.enter();
        socketpair().expect("two flows")
    };
    runtime.block_on(round_trips(&near, &far, 100));
    let bare = measure(|| runtime.block_on(round_trips(&near, &far, TRIPS as usize)));
    assert!(bare.count_total <= TRIPS / 100, "{bare:?}");

    let (near, far): (BoxFlow<Error>, BoxFlow<Error>) = (Box::new(near), Box::new(far));
    let boxed = measure(|| runtime.block_on(round_trips(&near, &far, TRIPS as usize)));
    assert!(
        boxed.count_total <= bare.count_total,
        "{boxed:?} against {bare:?}"
    );
}
