//! The ring: one thread that owns the buffers of what was submitted, moves the bytes when the kernel is ready, and hands the results in.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use flow_core::Bytes;
use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::plain::PlainError;

/// How much a receive asks for.
const PORTION: usize = 4096;

/// What the ring is asked to do.
pub(super) enum Job {
    /// Fill a buffer of the ring's own with what has arrived.
    Receive,
    /// Send all of this.
    Send(Bytes),
    /// Wait until the peer has ended.
    PeerEnd,
}

impl Job {
    const fn interest(&self) -> PollFlags {
        match self {
            Self::Receive => PollFlags::IN,
            Self::Send(_) => PollFlags::OUT,
            Self::PeerEnd => PollFlags::RDHUP,
        }
    }

    /// Goes on with it as far as it goes: what came of it, or nothing yet. Of a receive, the chunk; of others, an empty one.
    fn run(&mut self, fd: &OwnedFd) -> Option<Result<Bytes, Errno>> {
        loop {
            let moved = match self {
                Self::PeerEnd => return Some(Ok(Bytes::new())),
                Self::Receive => {
                    let mut buffer = vec![0; PORTION];
                    recv(fd, &mut buffer[..], RecvFlags::DONTWAIT).map(|(_, count)| {
                        buffer.truncate(count);
                        Some(Bytes::from(buffer))
                    })
                }
                Self::Send(data) => {
                    send(fd, data, SendFlags::DONTWAIT | SendFlags::NOSIGNAL).map(|count| {
                        drop(data.split_to(count));
                        data.is_empty().then(Bytes::new)
                    })
                }
            };
            match moved {
                Ok(Some(done)) => return Some(Ok(done)),
                Ok(None) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return None,
                Err(e) => return Some(Err(e)),
            }
        }
    }
}

/// Where the result of one job arrives.
#[derive(Default)]
pub(super) struct Slot(Mutex<Waiting>);

#[derive(Default)]
struct Waiting {
    result: Option<Result<Bytes, PlainError>>,
    waker: Option<Waker>,
}

impl Slot {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The result, once. Whoever asks before it is there is woken.
    pub(super) fn poll(&self, cx: &Context<'_>) -> Poll<Result<Bytes, PlainError>> {
        let mut waiting = self.lock();
        if let Some(result) = waiting.result.take() {
            return Poll::Ready(result);
        }
        let displaced = waiting.waker.replace(cx.waker().clone());
        // Wakers are foreign code, and not dropped under a lock.
        drop(waiting);
        drop(displaced);
        Poll::Pending
    }

    /// Puts the result there, and gives the waker to be woken.
    fn complete(&self, result: Result<Bytes, PlainError>) -> Option<Waker> {
        let mut waiting = self.lock();
        waiting.result = Some(result);
        waiting.waker.take()
    }
}

/// A job under way. Its descriptor stays open until it is done, its buffer stays the ring's.
struct Entry {
    fd: Arc<OwnedFd>,
    job: Job,
    slot: Arc<Slot>,
}

#[derive(Default)]
struct Queue {
    submitted: VecDeque<Entry>,
    over: bool,
}

/// The way to the ring, for those who submit.
pub(super) struct Submitter {
    queue: Mutex<Queue>,
    bell: OwnedFd,
}

impl Submitter {
    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a job to the ring, with all that belongs to it.
    pub(super) fn submit(&self, fd: &Arc<OwnedFd>, job: Job) -> Arc<Slot> {
        let slot = Arc::new(Slot::default());
        let entry = Entry {
            fd: Arc::clone(fd),
            job,
            slot: Arc::clone(&slot),
        };
        let mut queue = self.lock();
        if queue.over {
            drop(queue);
            // Nobody has waited yet.
            let _ = slot.complete(Err(PlainError::NoReactor));
        } else {
            queue.submitted.push_back(entry);
            drop(queue);
            self.ring_the_bell();
        }
        slot
    }

    fn ring_the_bell(&self) {
        // It can only fail by being rung already.
        let _ = rustix::io::write(&self.bell, &1_u64.to_ne_bytes());
    }
}

/// The thread that does what was submitted, while this is there.
pub(super) struct Ring {
    submitter: Arc<Submitter>,
    thread: Option<JoinHandle<()>>,
}

impl Ring {
    pub(super) fn start() -> Self {
        let bell = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).expect("eventfd");
        let submitter = Arc::new(Submitter {
            queue: Mutex::default(),
            bell,
        });
        let work = Arc::clone(&submitter);
        let thread = thread::Builder::new()
            .name("ring".to_owned())
            .spawn(move || serve(&work))
            .expect("a thread for the ring");
        Self {
            submitter,
            thread: Some(thread),
        }
    }

    pub(super) const fn submitter(&self) -> &Arc<Submitter> {
        &self.submitter
    }
}

impl Drop for Ring {
    /// What is under way ends with an error.
    fn drop(&mut self) {
        self.submitter.lock().over = true;
        self.submitter.ring_the_bell();
        if let Some(thread) = self.thread.take() {
            thread.join().expect("the ring does not panic");
        }
    }
}

fn serve(submitter: &Submitter) {
    let mut under_way: Vec<Entry> = vec![];
    loop {
        let over = {
            let mut queue = submitter.lock();
            under_way.extend(queue.submitted.drain(..));
            queue.over
        };
        // All that is ready is done before anybody is woken: who has seen a late event finds the results of earlier ones there.
        let mut woken = vec![];
        if over {
            for entry in under_way {
                woken.extend(entry.slot.complete(Err(PlainError::NoReactor)));
            }
            woken.into_iter().for_each(Waker::wake);
            return;
        }
        for (mut entry, ready) in wait(submitter, mem::take(&mut under_way)) {
            match ready.then(|| entry.job.run(&entry.fd)).flatten() {
                Some(result) => woken.extend(entry.slot.complete(result.map_err(PlainError::Os))),
                None => under_way.push(entry),
            }
        }
        woken.into_iter().for_each(Waker::wake);
    }
}

/// Waits until one of these is ready, or the bell rings; which are.
fn wait(submitter: &Submitter, entries: Vec<Entry>) -> Vec<(Entry, bool)> {
    // A descriptor cannot be borrowed and moved with its entry at once: answers first.
    let ready: Vec<bool> = {
        let mut fds = vec![PollFd::new(&submitter.bell, PollFlags::IN)];
        for Entry { fd, job, .. } in &entries {
            fds.push(PollFd::from_borrowed_fd(fd.as_fd(), job.interest()));
        }
        match poll(&mut fds, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => panic!("poll failed: {e}"),
        }
        let _ = rustix::io::read(&submitter.bell, &mut [0; 8]);
        fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect()
    };
    entries.into_iter().zip(ready).collect()
}
