//! System calls alone, each made when it is known to succeed: no waiting, no loop.

use std::hint::black_box;
use std::io::{IoSlice, Read as _, Write as _};
use std::os::unix::net::UnixStream;

use crate::clock::Clock;
use crate::work::{Done, data};

/// A pair of sockets and one buffer for what is read.
#[derive(Debug)]
pub(crate) struct Direct {
    near: UnixStream,
    far: UnixStream,
    buffer: Vec<u8>,
}

impl Direct {
    pub(crate) fn new(room: usize) -> Self {
        let (near, far) = UnixStream::pair().expect("a pair");
        for socket in [&near, &far] {
            socket.set_nonblocking(true).expect("a socket");
        }
        Self {
            near,
            far,
            buffer: vec![0; room],
        }
    }

    pub(crate) fn ping_pong(&mut self, len: usize, count: u64) -> Done {
        measured(count, 0, || {
            send(&self.near, data(len));
            let came = receive(&self.far, &mut self.buffer, len);
            send(&self.far, &self.buffer[..came]);
            receive(&self.near, &mut self.buffer, len);
        })
    }

    pub(crate) fn bulk(&mut self, len: usize, count: u64) -> Done {
        measured(count, len, || {
            let mut left = data(len);
            while !left.is_empty() {
                let sent = (&self.near).write(left).expect("room");
                left = &left[sent..];
                receive(&self.far, &mut self.buffer, sent);
            }
        })
    }

    pub(crate) fn vectored(&mut self, parts: usize, len: usize, count: u64) -> Done {
        let parts = vec![data(len); parts];
        let size = parts.len() * len;
        measured(count, size, || {
            let slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let sent = (&self.near).write_vectored(&slices).expect("room");
            assert_eq!(sent, size);
            receive(&self.far, &mut self.buffer, size);
        })
    }
}

fn send(mut socket: &UnixStream, bytes: &[u8]) {
    assert_eq!(socket.write(bytes).expect("room"), bytes.len());
}

/// Reads `len` bytes, which are there.
fn receive(mut socket: &UnixStream, buffer: &mut [u8], len: usize) -> usize {
    let mut left = len;
    while left > 0 {
        left -= socket.read(black_box(buffer)).expect("bytes");
    }
    len
}

fn measured(count: u64, bytes: usize, mut operation: impl FnMut()) -> Done {
    let begun = Clock::start();
    for _ in 0..count {
        operation();
    }
    Done {
        operations: count,
        took: begun.took(),
        bytes: count * bytes as u64,
        ..Done::default()
    }
}
