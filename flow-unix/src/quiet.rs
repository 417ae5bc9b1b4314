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
    let was_pending = is_pending();
    let mut before = MaybeUninit::uninit();
    // SAFETY: both pointers are to signal sets of ours, of which the call reads the first and writes the second. It fails only for an unknown
    // first argument.
    unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const sigpipe, before.as_mut_ptr()) };
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
mod tests {
    use rustix::io::write;
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    /// A thread of its own with the signal blocked sees whether it was left pending: the disposition of the test's process does not matter, because
    /// a blocked signal is not thrown away.
    #[test]
    fn the_signal_is_taken_away() {
        let pending = std::thread::spawn(|| {
            let set = sigpipe();
            // SAFETY: as above.
            unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, ptr::null_mut()) };
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
