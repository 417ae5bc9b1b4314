//! Each thread's buffer for short messages, so that an idle flow holds none.

use std::cell::Cell;

/// How much fits. Longer messages are received into memory of their own.
pub(crate) const LEN: usize = 16 * 1024;

thread_local! {
    static SCRATCH: Cell<Option<Box<[u8]>>> = const { Cell::new(None) };
}

/// Lends the buffer out. What is in it was left by whoever had it before.
pub(crate) fn with<T>(work: impl FnOnce(&mut [u8]) -> T) -> T {
    // A thread that is ending, or a caller inside `work`, gets one of its own.
    let mut buffer = SCRATCH
        .try_with(Cell::take)
        .ok()
        .flatten()
        .unwrap_or_else(|| vec![0; LEN].into());
    let result = work(&mut buffer);
    _ = SCRATCH.try_with(|scratch| scratch.set(Some(buffer)));
    result
}
