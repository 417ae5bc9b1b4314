//! One thread with one epoll, edge-triggered, written for the one workload.

use std::hint::black_box;
use std::io::{self, ErrorKind, IoSlice, Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use rustix::buffer::spare_capacity;
use rustix::event::epoll;

use crate::clock::Clock;
use crate::work::{Done, data};

const NEAR: u64 = 0;
const FAR: u64 = 1;

/// A pair of sockets in one epoll, and one buffer for what is read.
pub(crate) struct Epoll {
    near: UnixStream,
    far: UnixStream,
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
    buffer: Vec<u8>,
}

impl Epoll {
    pub(crate) fn new(room: usize) -> Self {
        let (near, far) = UnixStream::pair().expect("a pair");
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC).expect("an epoll");
        let edge = epoll::EventFlags::IN | epoll::EventFlags::OUT | epoll::EventFlags::ET;
        for (socket, name) in [(&near, NEAR), (&far, FAR)] {
            socket.set_nonblocking(true).expect("a socket");
            epoll::add(&epoll, socket, epoll::EventData::new_u64(name), edge).expect("watched");
        }
        Self {
            near,
            far,
            epoll,
            events: Vec::with_capacity(64),
            buffer: vec![0; room],
        }
    }

    /// Waits, and says what came at the near and at the far end.
    fn wait(&mut self) -> [epoll::EventFlags; 2] {
        self.events.clear();
        epoll::wait(&self.epoll, spare_capacity(&mut self.events), None).expect("events");
        let mut came = [epoll::EventFlags::empty(); 2];
        for event in &self.events {
            came[usize::from(event.data.u64() == FAR)] |= event.flags;
        }
        came
    }

    pub(crate) fn ping_pong(&mut self, len: usize, count: u64) -> Done {
        let begun = Clock::start();
        for _ in 0..count {
            send(&self.near, data(len));
            let mut back = 0;
            while back < len {
                let [near, far] = self.wait();
                // A short read says that no more is there, so each is read once.
                if far.contains(epoll::EventFlags::IN) {
                    let came = (&self.far).read(&mut self.buffer).expect("bytes");
                    send(&self.far, &self.buffer[..came]);
                }
                if near.contains(epoll::EventFlags::IN) {
                    back += (&self.near).read(&mut self.buffer).expect("bytes");
                }
            }
        }
        Done {
            operations: count,
            took: begun.took(),
            ..Done::default()
        }
    }

    pub(crate) fn bulk(&mut self, len: usize, count: u64) -> Done {
        self.one_way(len, count, |mut near, sent| near.write(&data(len)[sent..]))
    }

    pub(crate) fn vectored(&mut self, parts: usize, len: usize, count: u64) -> Done {
        let parts = vec![data(len); parts];
        self.one_way(parts.len() * len, count, |mut near, sent| {
            let mut slices: Vec<_> = parts.iter().map(|part| IoSlice::new(part)).collect();
            let mut left = &mut slices[..];
            IoSlice::advance_slices(&mut left, sent);
            near.write_vectored(left)
        })
    }

    /// Sends `count` messages of `size` bytes; `write` sends what is left of one behind so many bytes of it.
    fn one_way(
        &mut self,
        size: usize,
        count: u64,
        write: impl Fn(&UnixStream, usize) -> io::Result<usize>,
    ) -> Done {
        let all = count * size as u64;
        let (mut sent, mut came) = (0, 0);
        let mut writable = true;
        let begun = Clock::start();
        while came < all {
            while writable && sent < all {
                let before = usize::try_from(sent % size as u64).expect("within a message");
                match write(&self.near, before) {
                    Ok(len) => sent += len as u64,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => writable = false,
                    Err(e) => panic!("not written: {e}"),
                }
            }
            let [near, far] = self.wait();
            writable |= near.contains(epoll::EventFlags::OUT);
            while far.contains(epoll::EventFlags::IN) {
                match (&self.far).read(black_box(&mut self.buffer)) {
                    Ok(len) => came += len as u64,
                    Err(e) if e.kind() == ErrorKind::WouldBlock => break,
                    Err(e) => panic!("not read: {e}"),
                }
            }
        }
        Done {
            operations: count,
            took: begun.took(),
            bytes: all,
            ..Done::default()
        }
    }
}

fn send(mut socket: &UnixStream, bytes: &[u8]) {
    assert_eq!(socket.write(bytes).expect("room"), bytes.len());
}
