//! Descriptors that travel with bytes, by bare sockets.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// `SCM_MAX_FD`: the most that go with one send.
const MOST: usize = 253;

/// Sends `data` with descriptors, in one call.
#[track_caller]
pub(crate) fn pass(far: impl AsFd, data: &[u8], fds: &[impl AsFd]) {
    let fds: Vec<_> = fds.iter().map(AsFd::as_fd).collect();
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(fds.len()))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    assert!(control.push(SendAncillaryMessage::ScmRights(&fds)));
    let sent = sendmsg(far, &[IoSlice::new(data)], &mut control, SendFlags::empty());
    assert_eq!(sent, Ok(data.len()));
}

/// Receives once: up to `room` bytes, and the descriptors that came with them.
pub(crate) fn receive(far: impl AsFd, room: usize) -> (Vec<u8>, Vec<OwnedFd>) {
    let mut data = vec![0; room];
    let mut space = vec![MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let buffers = &mut [IoSliceMut::new(&mut data)];
    let received = recvmsg(far, buffers, &mut control, RecvFlags::CMSG_CLOEXEC).unwrap();
    let fds = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(fds) => Some(fds),
        _ => None,
    });
    let fds = fds.flatten().collect();
    data.truncate(received.bytes);
    (data, fds)
}
