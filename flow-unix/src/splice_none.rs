//! Other systems have no splice(2): bytes go through memory.

use std::os::fd::BorrowedFd;

use flow_core::Chunks;
use rustix::io::Errno;

use crate::kind::Kind;
use crate::way::{Refusal, Way};

#[derive(Debug, Default)]
pub(crate) struct Receiver;

impl Receiver {
    pub(crate) fn receive(&mut self, _: BorrowedFd<'_>, _: Kind) -> Result<Option<Chunks>, Errno> {
        Ok(None)
    }
}

pub(crate) fn moves(_: Kind, _: Way) -> bool {
    false
}

pub(crate) fn takes(_: Kind, _: Way, _: &Chunks) -> bool {
    false
}

pub(crate) fn send(
    _: BorrowedFd<'_>,
    _: Kind,
    _: Way,
    _: &mut Chunks,
) -> Option<Result<usize, Refusal>> {
    None
}
