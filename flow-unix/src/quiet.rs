//! Holding SIGPIPE back for one thread while it writes.

#![allow(
    unsafe_code,
    reason = "no crate offers a thread's signal mask in a safe form"
)]

use std::mem::MaybeUninit;
use std::ptr;

use rustix::io::Errno;

/// Writes with SIGPIPE blocked for this thread, and takes the signal away if the write raised it.
///
/// The signal of a broken pipe goes to the thread that wrote. One that was waiting before is left waiting.
pub(crate) fn with_sigpipe_held_back<T>(
    mut write: impl FnMut() -> Result<T, Errno>,
) -> Result<T, Errno> {
    let sigpipe = sigpipe();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both pointers are to signal sets of ours, of which the call reads the first and writes the second. It fails only for an unknown
    // first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, before.as_mut_ptr()) };
    // SAFETY: the call has filled `before` in, and `sigismember` reads it.
    let was_blocked = unsafe { libc::sigismember(before.as_ptr(), libc::SIGPIPE) } == 1;
    // One that was not blocked until now would have been delivered and not wait.
    let was_pending = was_blocked && is_pending();
    let result = write();
    if matches!(result, Err(Errno::PIPE)) && !was_pending && is_pending() {
        let mut signal = 0;
        // SAFETY: the set is ours and the signal in it is blocked for this thread and pending, so that this returns at once.
        unsafe { libc::sigwait(&raw const sigpipe, &raw mut signal) };
    }
    // SAFETY: the first call has filled `before` in. With a null pointer the third argument is not written.
    unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, before.as_ptr(), ptr::null_mut()) };
    result
}

fn sigpipe() -> libc::sigset_t {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigemptyset` fills the set in, which `sigaddset` then adds a valid signal to.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        libc::sigaddset(set.as_mut_ptr(), libc::SIGPIPE);
        set.assume_init()
    }
}

fn is_pending() -> bool {
    let mut set = MaybeUninit::uninit();
    // SAFETY: `sigpending` fills the set in, which `sigismember` then reads.
    unsafe {
        libc::sigpending(set.as_mut_ptr());
        libc::sigismember(set.as_ptr(), libc::SIGPIPE) == 1
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Mutex, MutexGuard, PoisonError};

    use rustix::io::write;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// One at a time: a process that is being started has all descriptors for a moment, and so keeps a pipe from breaking.
    pub(crate) fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());

        ALONE.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Blocks the signal for this thread.
    pub(crate) fn block() {
        let set = sigpipe();
        // SAFETY: the set is ours and only read.
        unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
    }

    pub(crate) fn is_blocked() -> bool {
        let mut set = MaybeUninit::uninit();
        // SAFETY: without a new set the call fills `set` in with the present one, which `sigismember` then reads.
        unsafe {
            libc::pthread_sigmask(libc::SIG_BLOCK, ptr::null(), set.as_mut_ptr());
            libc::sigismember(set.as_ptr(), libc::SIGPIPE) == 1
        }
    }

    pub(crate) fn is_raised() -> bool {
        is_pending()
    }

    /// Raises the signal for this thread, which is to have it blocked.
    pub(crate) fn raise() {
        // SAFETY: a valid signal for the thread itself.
        unsafe { libc::raise(libc::SIGPIPE) };
    }

    /// Has the signal kill the process, as it does unless somebody has it ignored.
    pub(crate) fn restore_default() {
        // SAFETY: no handler is installed, so that nothing runs in one.
        unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    }

    /// A thread of its own with the signal blocked sees whether it was left pending: the disposition of the test's process does not matter, because
    /// a blocked signal is not thrown away.
    #[test]
    fn the_signal_is_taken_away() {
        let _alone = alone();
        let pending = std::thread::spawn(|| {
            block();
            let (reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
            drop(reader);
            let result = with_sigpipe_held_back(|| write(&writer, b"x"));
            assert_eq!(result, Err(Errno::PIPE));
            let after_ours = is_pending();
            assert_eq!(write(&writer, b"x"), Err(Errno::PIPE));
            (after_ours, is_pending())
        });
        assert_eq!(pending.join().unwrap(), (false, true));
    }
}
