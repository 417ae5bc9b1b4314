//! Counts the heap of each thread, and of all. The kit has no unsafe code, so a test binary that wants this brings its own allocator: this one.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicUsize, Ordering};

struct Counting;

thread_local! {
    static HELD: Cell<isize> = const { Cell::new(0) };
}

static MADE: AtomicUsize = AtomicUsize::new(0);
static FREED: AtomicUsize = AtomicUsize::new(0);

/// Bytes that this thread has allocated and not freed.
#[allow(dead_code, reason = "each test program uses its part")]
pub(crate) fn allocated() -> usize {
    usize::try_from(HELD.get()).unwrap_or(0)
}

/// Bytes that all threads have allocated, and those of them that were not freed.
#[allow(dead_code, reason = "each test program uses its part")]
pub(crate) fn of_all() -> (usize, usize) {
    // In this order: what is freed meanwhile was made before.
    let freed = FREED.load(Ordering::Acquire);
    let made = MADE.load(Ordering::Acquire);
    (made, made - freed)
}

fn count(bytes: usize, sign: isize) {
    // A thread that is ending allocates without being counted.
    let _ = HELD.try_with(|held| held.set(held.get() + sign * bytes.cast_signed()));
}

#[allow(
    unsafe_code,
    reason = "an allocator is unsafe to implement; this one only counts"
)]
// SAFETY: every call goes to the system's allocator unchanged, and counting does not allocate.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        MADE.fetch_add(layout.size(), Ordering::AcqRel);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        FREED.fetch_add(layout.size(), Ordering::AcqRel);
        // SAFETY: the caller keeps the contract of `dealloc`, and the block is the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;
