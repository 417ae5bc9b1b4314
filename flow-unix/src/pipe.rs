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

    if !UNKNOWN.load(Ordering::Relaxed) && !is_older_system() {
        match flags::write(fd, list, flags.union(flags::NOSIGNAL)) {
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

/// Whether to do as if there were no such flag.
#[cfg(all(target_os = "linux", not(test)))]
const fn is_older_system() -> bool {
    false
}

#[cfg(all(target_os = "linux", test))]
use tests::is_older_system;

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
    use std::cell::Cell;
    use std::os::fd::{AsFd as _, OwnedFd};

    use rustix::fs::{CWD, Mode, OFlags, mkfifoat, open, unlink};
    use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
    use rustix::pipe::{PipeFlags, pipe_with};

    use super::*;

    thread_local! {
        static OLDER: Cell<bool> = const { Cell::new(false) };
    }

    /// Whether this thread does as if the system had no `RWF_NOSIGNAL`.
    #[cfg(target_os = "linux")]
    pub(super) fn is_older_system() -> bool {
        OLDER.get()
    }

    /// A FIFO's writer whose reader is gone.
    fn fifo() -> OwnedFd {
        let path = std::env::temp_dir().join(format!("flow-pipe-{}", std::process::id()));
        mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).unwrap();
        let reader = open(
            &path,
            OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
            Mode::empty(),
        );
        let writer = open(&path, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()).unwrap();
        unlink(&path).unwrap();
        drop(reader);
        writer
    }

    fn socket() -> OwnedFd {
        let (flags, kind) = (SocketFlags::CLOEXEC, SocketType::STREAM);
        socketpair(AddressFamily::UNIX, kind, flags, None)
            .unwrap()
            .0
    }

    /// In a thread of its own, which sees whether the signal was raised: blocked, it stays pending, whatever the process does about it.
    #[test]
    fn no_signal_with_the_flag_or_without_it() {
        let _alone = quiet::tests::alone();
        for older in [false, true] {
            for pending in [false, true] {
                std::thread::spawn(move || {
                    OLDER.set(older);
                    quiet::tests::block();
                    let list = [IoSlice::new(b"x")];
                    if pending {
                        quiet::tests::raise();
                    }
                    let (pipe, fifo) = (pipe_with(PipeFlags::CLOEXEC).unwrap().1, fifo());
                    for writer in [&pipe, &fifo, &socket()] {
                        assert_eq!(write(writer.as_fd(), &list), Err(Errno::PIPE));
                        assert_eq!(quiet::tests::is_raised(), pending, "{older}");
                    }
                    if cfg!(target_os = "linux") {
                        assert_eq!(write_nowait(pipe.as_fd(), &list), Err(Errno::PIPE));
                        assert_eq!(quiet::tests::is_raised(), pending, "{older}");
                    }
                    assert!(quiet::tests::is_blocked());
                })
                .join()
                .unwrap();
            }
        }
    }

    /// The process that the next test starts: the disposition is the system's, so that the signal kills.
    #[test]
    #[ignore = "run by the next one, in a process of its own"]
    fn with_the_default_disposition() {
        quiet::tests::restore_default();
        for older in [false, true] {
            OLDER.set(older);
            let list = [IoSlice::new(b"x")];
            let pipe = pipe_with(PipeFlags::CLOEXEC).unwrap().1;
            for writer in [&pipe, &fifo(), &socket()] {
                assert_eq!(write(writer.as_fd(), &list), Err(Errno::PIPE));
            }
            assert!(!quiet::tests::is_blocked());
        }
        if std::env::var_os("FLOW_PIPE_LIES").is_some() {
            let pipe = pipe_with(PipeFlags::CLOEXEC).unwrap().1;
            _ = rustix::io::write(pipe, b"x");
        }
    }

    #[test]
    fn nobody_is_killed() {
        let _alone = quiet::tests::alone();
        let run = |lies: bool| {
            let mut this = std::process::Command::new(std::env::current_exe().unwrap());
            let name = "pipe::tests::with_the_default_disposition";
            this.args(["--ignored", "--exact", name]);
            if lies {
                this.env("FLOW_PIPE_LIES", "1");
            }
            this.output().unwrap().status.success()
        };
        assert!(run(false));
        assert!(!run(true), "a plain write should kill");
    }

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
