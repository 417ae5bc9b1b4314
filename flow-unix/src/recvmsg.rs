//! The one call that says whether a receive stopped behind a byte that a descriptor was passed with: recvmsg(2).

#![allow(
    unsafe_code,
    reason = "no crate offers it for memory that is not initialised, and zeroing 64 KiB costs half as much as receiving them"
)]

use std::io;
use std::mem;
use std::os::fd::{AsRawFd as _, BorrowedFd};
use std::ptr;

use rustix::io::{Errno, retry_on_intr};

/// How many bytes came, and whether nothing was cut off: descriptors, for which there is no room here. The kernel closes them.
type Came = (usize, bool);

/// Receives into `buffer`, without waiting.
#[inline]
pub(crate) fn into_slice(fd: BorrowedFd<'_>, buffer: &mut [u8]) -> Result<Came, Errno> {
    // SAFETY: the memory is that of a slice which is borrowed mutably until the call is over.
    retry_on_intr(|| unsafe { receive(fd, buffer.as_mut_ptr(), buffer.len()) })
}

/// Receives behind what is in `buffer`, as much as it has room for, without waiting.
pub(crate) fn append(fd: BorrowedFd<'_>, buffer: &mut Vec<u8>) -> Result<Came, Errno> {
    let room = buffer.spare_capacity_mut();
    let (start, room) = (room.as_mut_ptr().cast(), room.len());
    // SAFETY: the memory is the vector's spare capacity, which nobody else uses until the call is over.
    let (len, whole) = retry_on_intr(|| unsafe { receive(fd, start, room) })?;
    let len_now = buffer.len() + len.min(room);
    // SAFETY: the kernel has written the first `len` bytes of the spare capacity, and never more than there was room for.
    unsafe { buffer.set_len(len_now) };
    Ok((len, whole))
}

/// # Safety
///
/// The `room` bytes from `start` on may be written until this returns. They need not be initialised.
#[inline]
unsafe fn receive(fd: BorrowedFd<'_>, start: *mut u8, room: usize) -> Result<Came, Errno> {
    let mut list = libc::iovec {
        iov_base: start.cast(),
        iov_len: room,
    };
    // SAFETY: a message header is integers and pointers, of which zero and null are values; the padding that some systems have is to be zero.
    let mut message: libc::msghdr = unsafe { mem::zeroed() };
    message.msg_iov = &raw mut list;
    message.msg_iovlen = 1;
    message.msg_control = ptr::null_mut();
    // SAFETY: the header and its list of one buffer live on this stack until the call is over, the buffer may be written as the caller
    // says, and there are neither an address nor control data to be written. The descriptor is open, because it is borrowed.
    let answer = unsafe { libc::recvmsg(fd.as_raw_fd(), &raw mut message, libc::MSG_DONTWAIT) };
    match usize::try_from(answer) {
        Ok(len) => Ok((len, message.msg_flags & libc::MSG_CTRUNC == 0)),
        Err(_) => Err(last_error()),
    }
}

fn last_error() -> Errno {
    Errno::from_io_error(&io::Error::last_os_error()).unwrap_or(Errno::IO)
}

#[cfg(test)]
mod tests {
    use std::io::{IoSlice, Write as _};
    use std::mem::MaybeUninit;
    use std::os::fd::AsFd as _;
    use std::os::unix::net::UnixStream;

    use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

    use super::*;

    /// "a", "b" with a descriptor, "c".
    fn passed() -> (UnixStream, UnixStream) {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(b"a").unwrap();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let fds = [near.as_fd()];
        assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
        let list = [IoSlice::new(b"b")];
        sendmsg(&far, &list, &mut control, SendFlags::empty()).unwrap();
        far.write_all(b"c").unwrap();
        (near, far)
    }

    #[test]
    fn a_receive_that_stopped_at_a_descriptor_says_so() {
        let (near, far) = passed();
        let mut buffer = [0; 8];
        assert_eq!(into_slice(near.as_fd(), &mut buffer), Ok((2, false)));
        assert_eq!(into_slice(near.as_fd(), &mut buffer), Ok((1, true)));
        assert_eq!(into_slice(near.as_fd(), &mut buffer), Err(Errno::AGAIN));
        drop(far);
        assert_eq!(into_slice(near.as_fd(), &mut buffer), Ok((0, true)));
    }

    #[test]
    fn what_is_appended_stands_behind_what_was_there() {
        let (near, far) = passed();
        let mut buffer = Vec::with_capacity(16);
        buffer.push(b'0');
        assert_eq!(append(near.as_fd(), &mut buffer), Ok((2, false)));
        assert_eq!(append(near.as_fd(), &mut buffer), Ok((1, true)));
        assert_eq!(append(near.as_fd(), &mut buffer), Err(Errno::AGAIN));
        assert_eq!(buffer, b"0abc");
        drop(far);
        assert_eq!(append(near.as_fd(), &mut buffer), Ok((0, true)));
    }

    #[test]
    fn no_more_is_received_than_there_is_room_for() {
        let (near, mut far) = UnixStream::pair().unwrap();
        far.write_all(&[7; 64]).unwrap();
        let mut buffer = Vec::with_capacity(10);
        let room = buffer.capacity();
        assert_eq!(append(near.as_fd(), &mut buffer), Ok((room, true)));
        assert_eq!((buffer.len(), buffer.capacity()), (room, room));
    }
}
