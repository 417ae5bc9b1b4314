//! Memory: what kept chunks pin, and what an idle flow holds.
//!
//! The only test of its program, because it counts what the whole program has allocated.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::io::Write as _;
use std::sync::atomic::{AtomicIsize, Ordering};

use bytes::Bytes;
use flow_core::FlowExt as _;
use support::{NotingFlow, now, take, unix};

struct Counting;

static LIVE: AtomicIsize = AtomicIsize::new(0);

#[allow(unsafe_code, reason = "an allocator is unsafe")]
// SAFETY: everything is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        LIVE.fetch_add(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, memory: *mut u8, layout: Layout) {
        LIVE.fetch_sub(layout.size() as isize, Ordering::Relaxed);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(memory, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

fn live() -> isize {
    LIVE.load(Ordering::Relaxed)
}

/// Sends messages of these sizes, one read each where the flow does so, and keeps the chunks that are chosen.
fn pinned(sizes: impl Iterator<Item = usize>, keep: impl Fn(&Bytes) -> bool) -> (usize, isize) {
    let (flow, mut peer) = unix();
    rustix::net::sockopt::set_socket_send_buffer_size(&peer, 4 << 20).unwrap();
    let message = vec![7; 1 << 20];
    let mut kept: Vec<Bytes> = Vec::with_capacity(100_000);
    let before = live();
    for size in sizes {
        peer.write_all(&message[..size]).unwrap();
        let mut got = 0;
        while got < size {
            let chunk = take(&flow).unwrap();
            got += chunk.len();
            if keep(&chunk) && kept.len() < kept.capacity() {
                kept.push(chunk);
            }
        }
    }
    let after = live();
    (kept.iter().map(Bytes::len).sum(), after - before)
}

fn check(what: &str, (kept, pinned): (usize, isize)) {
    let most = 16 * kept as isize + 64 * 1024;
    assert!(
        pinned <= most,
        "{what}: {kept} bytes kept, {pinned} pinned, {most} allowed"
    );
}

fn idle(flow: &NotingFlow) {
    assert!(now(flow.read()).is_pending());
}

#[test]
fn kept_chunks_pin_little_and_idle_flows_nothing() {
    // The thread's own buffer, once.
    let (flow, _peer) = unix();
    idle(&flow);

    check("single bytes", pinned((0..10_000).map(|_| 1), |_| true));
    check(
        "single bytes among long ones",
        pinned((0..500).map(|i| [1, 200_000][i % 2]), |c| c.len() == 1),
    );
    let odd = [
        1, 70_000, 3, 16_384, 300_000, 5, 65_536, 17, 100, 4096, 20_000, 1, 1, 150_000, 2,
    ];
    for least in [2, 10, 200, 5000, 30_000] {
        let kept = pinned((0..600).map(|i| odd[i % odd.len()]), |c| c.len() < least);
        check(&format!("those under {least}"), kept);
    }
    check(
        "all",
        pinned((0..100).map(|i| odd[i % odd.len()]), |_| true),
    );

    let (flow, mut peer) = unix();
    rustix::net::sockopt::set_socket_send_buffer_size(&peer, 4 << 20).unwrap();
    // Its line of waiting reads, once.
    idle(&flow);
    let before = live();
    let message = vec![7; 1 << 20];
    peer.write_all(&message).unwrap();
    drop(message);
    let mut got = 0;
    while got < 1 << 20 {
        got += take(&flow).unwrap().len();
        assert_eq!(live(), before, "held between reads");
    }
    idle(&flow);
    assert_eq!(live(), before, "held while idle");
}
