//! How much of what was sent has not come to the peer: the one thing that needs `unsafe`.

#![allow(unsafe_code, reason = "no crate offers this ioctl in a safe form")]

use std::ffi::c_int;
use std::os::fd::BorrowedFd;

use rustix::io::Errno;
use rustix::ioctl::{Getter, Opcode, ioctl};

/// The kernel's `SIOCOUTQ`, which on terminals is called `TIOCOUTQ`.
const SIOCOUTQ: Opcode = if cfg!(any(
    target_arch = "mips",
    target_arch = "mips32r6",
    target_arch = "mips64",
    target_arch = "mips64r6"
)) {
    0x7472
} else if cfg!(any(
    target_arch = "powerpc",
    target_arch = "powerpc64",
    target_arch = "sparc",
    target_arch = "sparc64"
)) {
    0x4004_7473
} else {
    0x5411
};

/// Bytes in the send queue of a TCP socket: those that the peer's kernel has not acknowledged. On `AF_UNIX` the memory of what the peer has
/// not read. `None` where it cannot be told.
pub(crate) fn bytes(fd: BorrowedFd<'_>) -> Option<usize> {
    // SAFETY: SIOCOUTQ on a TCP or `AF_UNIX` socket writes one int to its argument, and does nothing else; so says tcp(7), and the kernel's
    // `unix_ioctl`. A descriptor of another
    // kind answers with an error, or, a terminal, likewise with one int.
    let queued: Result<c_int, Errno> = unsafe { ioctl(fd, Getter::<SIOCOUTQ, c_int>::new()) };
    queued.ok().and_then(|queued| usize::try_from(queued).ok())
}
