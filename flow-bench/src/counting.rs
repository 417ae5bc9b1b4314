//! Counts what is allocated, where that was asked for. Otherwise an allocation costs one load and one branch more, on both sides of a row.

#![allow(
    unsafe_code,
    reason = "an allocator is unsafe to write; this one hands everything on"
)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

#[derive(Debug)]
struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

static ON: AtomicBool = AtomicBool::new(false);
static CALLS: AtomicU64 = AtomicU64::new(0);
static LIVE: AtomicI64 = AtomicI64::new(0);

/// Counts from now on, on all threads.
pub(crate) fn start() {
    ON.store(true, Ordering::Relaxed);
}

/// How many allocations there were, resized ones included. `None` if they were not counted.
pub(crate) fn calls() -> Option<u64> {
    ON.load(Ordering::Relaxed)
        .then(|| CALLS.load(Ordering::Relaxed))
}

/// How many bytes were allocated and not freed, as they were asked for.
pub(crate) fn live() -> i64 {
    LIVE.load(Ordering::Relaxed)
}

#[cold]
fn count(calls: u64, bytes: usize, sign: i64) {
    CALLS.fetch_add(calls, Ordering::Relaxed);
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    LIVE.fetch_add(sign * bytes, Ordering::Relaxed);
}

// SAFETY: every call is handed on to the system's allocator as it is, and what that answers is handed back. Counting touches nothing but
// atomics, so it allocates nothing itself.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if ON.load(Ordering::Relaxed) {
            count(1, layout.size(), 1);
        }
        // SAFETY: the caller keeps what this function asks for, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if ON.load(Ordering::Relaxed) {
            count(1, layout.size(), 1);
        }
        // SAFETY: as above.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, old: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if ON.load(Ordering::Relaxed) {
            count(0, layout.size(), -1);
            count(1, size, 1);
        }
        // SAFETY: as above.
        unsafe { System.realloc(old, layout, size) }
    }

    unsafe fn dealloc(&self, old: *mut u8, layout: Layout) {
        if ON.load(Ordering::Relaxed) {
            count(0, layout.size(), -1);
        }
        // SAFETY: as above.
        unsafe { System.dealloc(old, layout) }
    }
}
