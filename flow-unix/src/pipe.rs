//! Writing to what is no socket without raising SIGPIPE.
//!
//! Linux has a flag for it since 6.18. Elsewhere the signal is blocked for the thread while it writes, and taken away if it came: see
//! [`quiet`]. The signal's disposition, which belongs to the whole process, is never changed.

use std::io::IoSlice;
use std::os::fd::BorrowedFd;

use rustix::io::{Errno, retry_on_intr, writev};

use crate::quiet;

/// Writes, and blocks if the descriptor is blocking.
pub(crate) fn write(fd: BorrowedFd<'_>, list: &[IoSlice<'_>]) -> Result<usize, Errno> {
    with_flags(fd, list, flags::empty(), || {
        retry_on_intr(|| writev(fd, list))
    })
}

/// Writes what there is room for, on an anonymous pipe. `EOPNOTSUPP` where the system or the descriptor has no such call.
#[cfg(target_os = "linux")]
pub(crate) fn write_nowait(fd: BorrowedFd<'_>, list: &[IoSlice<'_>]) -> Result<usize, Errno> {
    use rustix::io::ReadWriteFlags;

    let nowait = ReadWriteFlags::NOWAIT;
    with_flags(fd, list, nowait, || flags::write(fd, list, nowait))
}

#[cfg(not(target_os = "linux"))]
pub(crate) fn write_nowait(_: BorrowedFd<'_>, _: &[IoSlice<'_>]) -> Result<usize, Errno> {
    Err(Errno::OPNOTSUPP)
}

/// With the flag that keeps the signal away; where there is none, `otherwise` with the signal held back.
#[cfg(target_os = "linux")]
fn with_flags(
    fd: BorrowedFd<'_>,
    list: &[IoSlice<'_>],
    flags: rustix::io::ReadWriteFlags,
    otherwise: impl FnMut() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    use std::sync::atomic::{AtomicBool, Ordering};

    /// Set once the system was found to have no such flag.
    static UNKNOWN: AtomicBool = AtomicBool::new(false);

    if !UNKNOWN.load(Ordering::Relaxed) {
        match flags::write(fd, list, flags | flags::NOSIGNAL) {
            Err(Errno::OPNOTSUPP) => {}
            result => return result,
        }
    }
    // It may be the flag, the other flag, or the descriptor that has no such call.
    let result = quiet::with_sigpipe_held_back(otherwise);
    if !matches!(result, Err(Errno::OPNOTSUPP)) {
        UNKNOWN.store(true, Ordering::Relaxed);
    }
    result
}

#[cfg(not(target_os = "linux"))]
fn with_flags(
    _: BorrowedFd<'_>,
    _: &[IoSlice<'_>],
    (): (),
    otherwise: impl FnMut() -> Result<usize, Errno>,
) -> Result<usize, Errno> {
    quiet::with_sigpipe_held_back(otherwise)
}

#[cfg(target_os = "linux")]
mod flags {
    use rustix::io::{ReadWriteFlags, pwritev2};

    use super::*;

    /// `RWF_NOSIGNAL`, since Linux 6.18.
    pub(super) const NOSIGNAL: ReadWriteFlags = ReadWriteFlags::from_bits_retain(0x100);

    /// Where the file's position is.
    const HERE: u64 = u64::MAX;

    pub(super) const fn empty() -> ReadWriteFlags {
        ReadWriteFlags::empty()
    }

    pub(super) fn write(
        fd: BorrowedFd<'_>,
        list: &[IoSlice<'_>],
        flags: ReadWriteFlags,
    ) -> Result<usize, Errno> {
        retry_on_intr(|| pwritev2(fd, list, HERE, flags))
    }
}

#[cfg(not(target_os = "linux"))]
mod flags {
    pub(super) const fn empty() {}
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsFd as _;

    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    #[test]
    fn a_full_pipe_is_not_waited_for() {
        let (_reader, writer) = pipe_with(PipeFlags::CLOEXEC).unwrap();
        let data = vec![0; 1 << 20];
        let list = [IoSlice::new(&data)];
        let sent = write_nowait(writer.as_fd(), &list).unwrap();
        assert!(sent < data.len());
        assert_eq!(write_nowait(writer.as_fd(), &list), Err(Errno::AGAIN));
    }
}
