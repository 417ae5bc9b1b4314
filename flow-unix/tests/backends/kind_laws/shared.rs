//! Open files that others have as well: their flags, calls that might block, and events that are somebody else's.

use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::thread;

use flow_unix::{Attempt, Direction, Interest, Readiness};

use super::kinds::{Kind, Near, set_nonblocking};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::process::field;
use super::steps::{finish, gather, joined, park, same, stuck, until, woken};
use crate::Watch;
use crate::support::backend::FlowExt as _;
use crate::support::{Count, pattern, put, run, settle, status};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "flags_stay_as_found",
        promise: "The status flags of the open file are as found, during and after, seen here and from another process.",
        not_for: |_| None,
        run: flags,
        broken: &[
            (Lie::ChangesFlags, "unix"),
            (Lie::ChangesFlags, "pty-master"),
            (Lie::ChangesFlags, "file-append"),
        ],
    },
    Law {
        name: "thread_never_blocks",
        promise: "No call blocks its thread, whether O_NONBLOCK was set or not, and when somebody changes it while calls wait.",
        not_for: |_| None,
        run: never_blocks,
        broken: &[
            (Lie::Blocks, "unix"),
            (Lie::Blocks, "pipe-writer"),
            (Lie::Blocks, "pty-slave"),
            (Lie::Blocks, "file-write"),
        ],
    },
    Law {
        name: "thread_never_blocks_while_flags_change",
        promise: "Nor when somebody changes it all the time.",
        not_for: |kind| unless(kind.has_far_end(), "nothing waits"),
        run: flags_change,
        broken: &[
            (Lie::Blocks, "pty-master-nonblocking"),
            (Lie::Blocks, "two-fifos"),
        ],
    },
    Law {
        name: "two_flows_of_one_open_file",
        promise: "Of two flows over duplicates each byte goes to one; when one is taken apart, the other goes on.",
        not_for: |kind| unless(kind.waits_to_read(), "a read waits for nobody"),
        run: two_flows,
        broken: &[(Lie::Deaf, "pipe-reader"), (Lie::EndsEarly, "unix")],
    },
    Law {
        name: "registered_elsewhere_too",
        promise: "A duplicate that the runtime watches for somebody else takes no event away, nor does its going.",
        not_for: |kind| unless(kind.waits_to_read(), "a read waits for nobody"),
        run: elsewhere,
        broken: &[(Lie::Deaf, "tcp"), (Lie::Deaf, "fifo-reader")],
    },
    Law {
        name: "closed_while_a_duplicate_lives",
        promise: "Events of an open file that a duplicate keeps do not reach the flow that has the number now.",
        not_for: |kind| unless(kind.waits_to_read(), "a read waits for nobody"),
        run: number_again,
        broken: &[(Lie::WakesIdle, "unix"), (Lie::Deaf, "pty-slave")],
    },
];

/// A process that has a duplicate, for as long as this lives.
struct Elsewhere(Child);

impl Elsewhere {
    fn with(fd: &OwnedFd) -> Self {
        let mut sleeper = Command::new("sleep");
        sleeper
            .arg("1000")
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        Self(sleeper.stdout(fd.try_clone().unwrap()).spawn().unwrap())
    }

    fn flags(&self) -> u32 {
        let flags = field(&format!("/proc/{}/fdinfo/1", self.0.id()), "flags:");
        u32::from_str_radix(&flags.unwrap(), 8).unwrap()
    }
}

impl Drop for Elsewhere {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn flags(kind: &Kind) {
    for nonblocking in [None, Some(false), Some(true)] {
        run(async {
            let (near, far) = (kind.make)();
            let dups = near.dups();
            if let Some(set) = nonblocking {
                dups.iter().for_each(|dup| set_nonblocking(dup, set));
            }
            let others: Vec<_> = dups.iter().map(Elsewhere::with).collect();
            let look = || -> Vec<_> {
                let here = dups.iter().map(|dup| status(dup.as_fd()).bits());
                here.chain(others.iter().map(Elsewhere::flags)).collect()
            };
            let before = look();
            let unchanged = |when| assert_eq!(look(), before, "changed by {when}");
            let flow = near.connect();
            unchanged("connect");
            if kind.waits_to_read() {
                let mut read = flow.read();
                park(&mut read);
                unchanged("a read that waits");
                far.send(b"x");
                same(&finish(&mut read).await.unwrap().unwrap(), b"x");
            } else {
                let _ = finish(&mut flow.read()).await;
            }
            unchanged("a read");
            if kind.waits_to_write() {
                let (mut write, _, sent) = stuck(kind, &flow);
                unchanged("a write that waits");
                let receiving = far.receiving(sent.len());
                finish(&mut write).await.unwrap();
                joined("all has come", receiving).await;
            } else {
                let _ = finish(&mut flow.write("x")).await;
            }
            unchanged("a write");
            if kind.close_waits() {
                park(&mut flow.close());
            } else {
                let _ = finish(&mut flow.close()).await;
            }
            unchanged("close");
            drop(flow);
            unchanged("drop");
        });
    }
}

fn never_blocks(kind: &Kind) {
    for first in [false, true] {
        run(async {
            let (near, far) = (kind.make)();
            let dups = near.dups();
            let set = |to| dups.iter().for_each(|dup| set_nonblocking(dup, to));
            set(first);
            let flow = near.connect();
            if kind.waits_to_read() {
                for flipped in [!first, first] {
                    let mut read = flow.read();
                    park(&mut read);
                    set(flipped);
                    park(&mut read);
                    settle().await;
                    let reader = park(&mut read);
                    far.send(b"x");
                    woken(&reader).await;
                    same(&finish(&mut read).await.unwrap().unwrap(), b"x");
                }
            } else {
                let _ = finish(&mut flow.read()).await;
            }
            if !kind.writes() {
                let _ = finish(&mut flow.write("x")).await;
                return;
            }
            let (mut write, _, sent) = stuck(kind, &flow);
            set(!first);
            if kind.waits_to_write() {
                park(&mut write);
            }
            settle().await;
            set(first);
            let receiving = kind.waits_to_write().then(|| far.receiving(sent.len()));
            finish(&mut write).await.unwrap();
            if let Some(receiving) = receiving {
                same(&joined("all has come", receiving).await, &sent);
            }
        });
    }
}

/// Changes `O_NONBLOCK` all the time.
struct Restless(Arc<AtomicBool>, Option<thread::JoinHandle<()>>);

impl Restless {
    fn over(dups: Vec<OwnedFd>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let ended = Arc::clone(&over);
        let changing = thread::spawn(move || {
            while !ended.load(Ordering::Relaxed) {
                for set in [true, false] {
                    dups.iter().for_each(|dup| set_nonblocking(dup, set));
                }
            }
        });
        Self(over, Some(changing))
    }
}

impl Drop for Restless {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
        self.1.take().map(thread::JoinHandle::join);
    }
}

fn flags_change(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let restless = Restless::over(near.dups());
        let flow = near.connect();
        let sent = pattern(20_000);
        if kind.waits_to_read() {
            for piece in sent.chunks(50) {
                let mut read = flow.read();
                park(&mut read);
                far.send(piece);
                let first = finish(&mut read).await.unwrap().unwrap();
                let rest = gather(&flow, piece.len() - first.len()).await;
                same(&[&first[..], &rest].concat(), piece);
            }
        }
        if kind.waits_to_write() {
            let sent = pattern(kind.much().min(1 << 20));
            let receiving = far.receiving(sent.len());
            for piece in sent.chunks(1 << 14) {
                finish(&mut flow.write(piece.to_vec())).await.unwrap();
            }
            same(&joined("all has come", receiving).await, &sent);
            park(&mut flow.write(vec![b'x'; kind.much()]));
        }
        drop(restless);
    });
}

/// Takes a flow apart, so that the far end is told nothing.
async fn apart(flow: Subject) {
    let mut flow = Some(flow.into_inner());
    until("the flow can be taken apart", || {
        let whole = flow.take().expect("a flow");
        // Over one descriptor or over two.
        flow = whole.into_fd().err().and_then(|flow| flow.into_fds().err());
        flow.is_none()
    })
    .await;
}

fn two_flows(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let (one, other) = (near.again().connect(), near.connect());
        let mut reads = [one.read(), other.read()];
        let counts = reads.each_mut().map(park);
        far.send(b"x");
        until("somebody was woken", || {
            counts.iter().any(|count| count.get() > 0)
        })
        .await;
        settle().await;
        let mut got = [false; 2];
        until("somebody has it", || {
            for (index, read) in reads.iter_mut().enumerate() {
                if !got[index]
                    && let Poll::Ready(chunk) = crate::support::poll(read, &Count::new())
                {
                    same(&chunk.unwrap().unwrap(), b"x");
                    got[index] = true;
                }
            }
            got.contains(&true)
        })
        .await;
        settle().await;
        let winner = got[1];
        let [mut first, mut second] = reads;
        let loser = if winner { &mut first } else { &mut second };
        park(loser);
        drop((first, second));
        let (gone, stays) = if winner { (other, one) } else { (one, other) };
        let mut read = stays.read();
        let reader = park(&mut read);
        apart(gone).await;
        far.send(b"y");
        woken(&reader).await;
        same(&finish(&mut read).await.unwrap().unwrap(), b"y");
        if kind.waits_to_write() {
            finish(&mut stays.write("answer")).await.unwrap();
            same(&joined("the answer", far.receiving(6)).await, b"answer");
        }
    });
}

/// Waits for a duplicate in another way than by a flow: told whenever it may be readable.
fn watch(watch: &Watch) -> Arc<Count> {
    let count = Count::new();
    let waker = Waker::from(Arc::clone(&count));
    let cx = &mut Context::from_waker(&waker);
    let polled = watch.poll_io(Direction::Read, cx, || Attempt::<()>::WouldBlock);
    assert!(polled.is_pending());
    count
}

fn register<R: Readiness>(fd: OwnedFd) -> R {
    let runtime = R::runtime().unwrap();
    R::register(&runtime, Arc::new(fd), Interest::Read).unwrap()
}

fn elsewhere(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let dup = near.dups().swap_remove(0);
        let there: Watch = register(dup);
        let flow = near.connect();
        let told = watch(&there);
        let mut read = flow.read();
        let reader = park(&mut read);
        far.send(b"x");
        woken(&reader).await;
        woken(&told).await;
        same(&finish(&mut read).await.unwrap().unwrap(), b"x");
        drop(there);
        let mut read = flow.read();
        let reader = park(&mut read);
        far.send(b"y");
        woken(&reader).await;
        same(&finish(&mut read).await.unwrap().unwrap(), b"y");
    });
}

fn number_again(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let kept = near.again();
        let flow = near.connect();
        let number = flow.inner().with_fd(|fd| fd.as_raw_fd()).unwrap();
        park(&mut flow.read());
        apart(flow).await;
        // Made until one has the number.
        let mut others = vec![];
        let (stranger, peer) = loop {
            let (ours, theirs) = UnixStream::pair().unwrap();
            if ours.as_raw_fd() == number {
                break (Near::One(ours.into()), theirs);
            }
            if theirs.as_raw_fd() == number {
                break (Near::One(theirs.into()), ours);
            }
            others.push((ours, theirs));
            assert!(others.len() < 100, "the number is not free");
        };
        let stranger = stranger.connect();
        let mut read = stranger.read();
        let reader = park(&mut read);
        far.send(b"x");
        settle().await;
        settle().await;
        assert_eq!(reader.get(), 0, "woken by what is another's");
        put(&peer, b"ours");
        woken(&reader).await;
        same(&finish(&mut read).await.unwrap().unwrap(), b"ours");
        // The duplicate is as good as the first was.
        let flow = kept.connect();
        same(&gather(&flow, 1).await, b"x");
    });
}
