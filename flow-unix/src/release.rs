//! Letting go of a socket so that what was sent arrives, or so that the peer sees that not all of it will.

use std::os::fd::BorrowedFd;

use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv, sockopt};

#[cfg(any(target_os = "linux", target_os = "android"))]
use crate::hang_up::has_ended;
use crate::kind::Kind;
use crate::scratch;

/// How many times input is thrown away before release, [`scratch::LEN`] at a time: a peer that never stops sending is reset.
const DISCARDS: usize = 1024;

/// Closing a socket with unread input makes the kernel answer with a reset, which destroys what was sent and has not been read by the
/// peer, on TCP, and shows as an error to the peer, on `AF_UNIX`. So input is thrown away first.
pub(crate) fn before_closing(fd: BorrowedFd<'_>, kind: Kind) {
    discard_input(fd);
    if kind != Kind::Unix {
        do_not_linger(fd);
    }
}

/// Closing a socket that lingers would block the thread until the peer has acknowledged everything, or for that long.
fn do_not_linger(fd: BorrowedFd<'_>) {
    // Without time it is a reset that was asked for, and does not block.
    if matches!(sockopt::socket_linger(fd), Ok(Some(time)) if !time.is_zero()) {
        _ = sockopt::set_socket_linger(fd, None);
    }
}

fn discard_input(fd: BorrowedFd<'_>) {
    scratch::with(|scratch| {
        let buffer = &mut scratch.buffer[..];
        for round in 0_usize.. {
            // Once the peer has ended, no more comes than is there.
            if round == DISCARDS && !has_ended(fd) {
                return;
            }
            match retry_on_intr(|| recv(fd, &mut *buffer, RecvFlags::DONTWAIT)) {
                Ok((1.., _)) => {}
                _ => return,
            }
        }
    });
}

/// Where there is no event for it, a peer that has sent that much is taken for one that never stops.
#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn has_ended(_: BorrowedFd<'_>) -> bool {
    false
}

/// Makes the kernel tell a TCP peer that the stream was cut: now where it can be done, at any rate when the descriptor is closed.
pub(crate) fn reset(fd: BorrowedFd<'_>) {
    _ = sockopt::set_socket_linger(fd, Some(std::time::Duration::ZERO));
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        _ = rustix::net::connect_unspec(fd);
    }
}
