//! The far end: bare descriptors. What may wait is done on a thread.

use std::fs::File;
use std::io::{Read as _, Seek as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::thread::{self, JoinHandle};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::{Errno, retry_on_intr, write};
use rustix::net::{Shutdown, shutdown};

use super::kinds::set_nonblocking;

pub(crate) struct Far {
    /// Where to write what the flow reads.
    pub(crate) input: Option<File>,
    /// Where to read what the flow has written.
    pub(crate) output: Option<File>,
    /// Where what the flow has written is stored.
    storage: Option<File>,
    /// How much of that was there before.
    skipped: usize,
    is_socket: bool,
}

impl Far {
    /// Separate descriptors, or none.
    pub(crate) fn two(input: Option<OwnedFd>, output: Option<OwnedFd>) -> Self {
        Self {
            input: input.map(File::from),
            output: output.map(File::from),
            storage: None,
            skipped: 0,
            is_socket: false,
        }
    }

    /// One for both directions.
    pub(crate) fn one(fd: OwnedFd) -> Self {
        Self::two(Some(fd.try_clone().unwrap()), Some(fd))
    }

    pub(crate) fn socket(fd: OwnedFd) -> Self {
        Self {
            is_socket: true,
            ..Self::one(fd)
        }
    }

    /// Where what the flow reads is sent by a socket, which is shut down.
    pub(crate) fn ending_a_socket(self) -> Self {
        Self {
            is_socket: true,
            ..self
        }
    }

    /// What is written is looked up, what is read was put there.
    pub(crate) fn stored(output: File, input: File) -> Self {
        Self::two(None, None).with_stored(output).with_input(input)
    }

    pub(crate) fn with_stored(self, storage: File) -> Self {
        let storage = Some(storage);
        Self { storage, ..self }
    }

    pub(crate) fn with_input(self, input: File) -> Self {
        let input = Some(input);
        Self { input, ..self }
    }

    pub(crate) fn behind(self, skipped: usize) -> Self {
        Self { skipped, ..self }
    }

    /// Sends what there is room for.
    pub(crate) fn send(&self, data: &[u8]) {
        let mut input = self.input.as_ref().expect("an input");
        input.write_all(data).unwrap();
    }

    /// Sends as much as there is room for, and says how much that was.
    pub(crate) fn fill(&self) -> usize {
        let input = self.input.as_ref().expect("an input");
        set_nonblocking(input, true);
        let data = vec![7; 64 * 1024];
        let mut sent = 0;
        loop {
            match write(input, &data) {
                Ok(len) => sent += len,
                Err(Errno::AGAIN) => break,
                Err(e) => panic!("filling: {e}"),
            }
        }
        set_nonblocking(input, false);
        sent
    }

    /// Sends piece by piece, each waiting for room.
    pub(crate) fn sending(&self, pieces: Vec<Vec<u8>>) -> JoinHandle<()> {
        let input = self.input.as_ref().expect("an input");
        let mut input = input.try_clone().unwrap();
        thread::spawn(move || {
            for piece in pieces {
                input.write_all(&piece).unwrap();
            }
        })
    }

    /// So many bytes of what was written; of what is stored, all.
    pub(crate) fn receiving(&self, len: usize) -> JoinHandle<Vec<u8>> {
        if let Some(storage) = &self.storage {
            let (mut storage, skipped) = (storage.try_clone().unwrap(), self.skipped);
            return thread::spawn(move || {
                let mut got = Vec::new();
                storage.rewind().unwrap();
                storage.read_to_end(&mut got).unwrap();
                got.split_off(skipped)
            });
        }
        let output = self.output.as_ref().expect("an output");
        let mut output = output.try_clone().unwrap();
        thread::spawn(move || {
            let mut got = vec![0; len];
            output.read_exact(&mut got).unwrap();
            got
        })
    }

    /// All that comes up to the end.
    pub(crate) fn receiving_all(&self) -> JoinHandle<Vec<u8>> {
        let output = self.output.as_ref().expect("an output");
        let mut output = output.try_clone().unwrap();
        thread::spawn(move || {
            let mut got = Vec::new();
            match output.read_to_end(&mut got) {
                Ok(_) => got,
                // The word of a pseudoterminal for it.
                Err(e) if e.raw_os_error() == Some(Errno::IO.raw_os_error()) => got,
                Err(e) => panic!("instead of an end: {e}"),
            }
        })
    }

    /// What shows that the flow has ended, or is gone: the socket, where there is one.
    fn witness(&self) -> &File {
        let fds = match self.is_socket {
            true => [&self.input, &self.output],
            false => [&self.output, &self.input],
        };
        let fd = fds.into_iter().find_map(Option::as_ref);
        fd.expect("somebody there")
    }

    /// Waits for the system to say that the flow has ended, or is gone.
    pub(crate) fn seeing_the_end(&self) -> JoinHandle<()> {
        let fd = self.witness().try_clone().unwrap();
        thread::spawn(move || {
            let mut fds = [PollFd::from_borrowed_fd(fd.as_fd(), PollFlags::RDHUP)];
            retry_on_intr(|| poll(&mut fds, None)).unwrap();
        })
    }

    /// Whether the flow has ended, or is gone.
    pub(crate) fn sees_the_end(&self) -> bool {
        let fd = self.witness().as_fd();
        let now = rustix::event::Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::RDHUP)];
        retry_on_intr(|| poll(&mut fds, Some(&now))).unwrap() > 0
    }

    /// Ends sending, and goes on receiving where that can be done.
    pub(crate) fn end(&mut self) {
        if let Some(input) = self.input.take()
            && self.is_socket
        {
            shutdown(&input, Shutdown::Write).unwrap();
        }
    }

    /// Ends sending in the way of the kind, which may be to leave.
    pub(crate) fn end_or_leave(mut self, said: bool) -> Option<Self> {
        if said {
            self.end();
            return Some(self);
        }
        None
    }
}
