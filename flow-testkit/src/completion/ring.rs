//! The ring: one thread that owns the buffers of what was submitted, moves the bytes when the kernel is ready, and hands the results in.

use std::collections::VecDeque;
use std::mem;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::{self, JoinHandle};

use flow_core::Bytes;
use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use crate::plain::PlainError;

const NOW: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

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

    /// Bytes that are left to be sent.
    const fn len(&self) -> usize {
        match self {
            Self::Send(data) => data.len(),
            Self::Receive | Self::PeerEnd => 0,
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
    /// Rounds that somebody waits for, and how many of them are over.
    asked: u64,
    served: u64,
    /// Bytes that were moved and jobs that were done, ever.
    moved: usize,
}

/// The way to the ring, for those who submit.
pub(super) struct Submitter {
    queue: Mutex<Queue>,
    round: Condvar,
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

    /// Waits for a whole round: what was ready before it is done after it. What has been moved so far; `None` if the ring is over.
    pub(super) fn wait_for_a_round(&self) -> Option<usize> {
        let mut queue = self.lock();
        queue.asked += 1;
        let mine = queue.asked;
        drop(queue);
        self.ring_the_bell();
        let waiting = |queue: &mut Queue| queue.served < mine && !queue.over;
        let queue = self
            .round
            .wait_while(self.lock(), waiting)
            .unwrap_or_else(PoisonError::into_inner);
        (!queue.over).then_some(queue.moved)
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
            round: Condvar::new(),
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
        let (over, asked, in_a_hurry) = {
            let mut queue = submitter.lock();
            under_way.extend(queue.submitted.drain(..));
            (queue.over, queue.asked, queue.asked > queue.served)
        };
        let mut moved = 0;
        // All that is ready is done before anybody is woken: who has seen a late event finds the results of earlier ones there.
        let mut woken = vec![];
        if over {
            for entry in under_way {
                woken.extend(entry.slot.complete(Err(PlainError::NoReactor)));
            }
            woken.into_iter().for_each(Waker::wake);
            submitter.round.notify_all();
            return;
        }
        for (mut entry, ready) in wait(submitter, mem::take(&mut under_way), in_a_hurry) {
            let before = entry.job.len();
            match ready.then(|| entry.job.run(&entry.fd)).flatten() {
                Some(result) => {
                    moved += 1;
                    woken.extend(entry.slot.complete(result.map_err(PlainError::Os)));
                }
                None => {
                    moved += before - entry.job.len();
                    under_way.push(entry);
                }
            }
        }
        woken.into_iter().for_each(Waker::wake);
        let mut queue = submitter.lock();
        queue.served = asked;
        queue.moved += moved;
        drop(queue);
        submitter.round.notify_all();
    }
}

/// Waits until one of these is ready, or the bell rings, or not at all; which are ready.
fn wait(submitter: &Submitter, entries: Vec<Entry>, in_a_hurry: bool) -> Vec<(Entry, bool)> {
    // A descriptor cannot be borrowed and moved with its entry at once: answers first.
    let ready: Vec<bool> = {
        let mut fds = vec![PollFd::new(&submitter.bell, PollFlags::IN)];
        for Entry { fd, job, .. } in &entries {
            fds.push(PollFd::from_borrowed_fd(fd.as_fd(), job.interest()));
        }
        match poll(&mut fds, in_a_hurry.then_some(&NOW)) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(e) => panic!("poll failed: {e}"),
        }
        let _ = rustix::io::read(&submitter.bell, &mut [0; 8]);
        fds[1..].iter().map(|fd| !fd.revents().is_empty()).collect()
    };
    entries.into_iter().zip(ready).collect()
}
