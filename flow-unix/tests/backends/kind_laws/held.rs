//! What a flow holds of the process: descriptors that are released once and that no child gets, and nobody's attention while nothing happens.

use std::collections::BTreeMap;
use std::fs::{File, read_dir, read_link};
use std::io::Read as _;
use std::net::TcpStream;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::net::UnixStream;

use flow_core::Delivered;

use super::cases::patience;
use super::kinds::{Kind, Near, OurEnd, TheirEnd};
use super::law::{Law, unless};
use super::lies::{Lie, Subject};
use super::process::field;
use super::steps::{finish, joined, park, stuck_for_good, to_the_end, until, warm_up};
use crate::support::backend::{FdFlow, Flow as _, FlowExt as _, Shutdown};
use crate::support::{Count, poll, run, settle, status};

pub(crate) const LAWS: &[Law] = &[
    Law {
        name: "descriptors_are_released_once",
        promise: "However a flow ends, nothing of it stays open, and what gets its numbers then stays open; an aborted one holds nothing while it lives.",
        not_for: |_| None,
        run: released_once,
        broken: &[
            (Lie::LeaksDescriptor, "unix"),
            (Lie::LeaksDescriptor, "file-read"),
            (Lie::LeaksDescriptor, "fifo-reader"),
            (Lie::AbortDoesNothing, "tcp"),
        ],
    },
    Law {
        name: "everything_made_is_close_on_exec",
        promise: "No descriptor that a flow makes, at connect or later, is inherited by a child.",
        not_for: |_| None,
        run: close_on_exec,
        broken: &[(Lie::Inherits, "fifo-reader"), (Lie::Inherits, "file-read")],
    },
    Law {
        name: "given_back_as_it_came",
        promise: "A flow is taken apart into as many descriptors as it has, of the same files, with their flags, or into the stream of std that it is, and nobody sees an end; with input that a close has taken in not before it was read.",
        not_for: |_| None,
        run: given_back,
        broken: &[
            (Lie::ChangesFlags, "pipe-reader"),
            (Lie::ChangesFlags, "pty-slave"),
            (Lie::DropsTheUnread, "unix"),
        ],
    },
    Law {
        name: "delivered_is_told",
        promise: "What is written is not delivered before it was read, and is then; over TCP it has arrived, and elsewhere nothing is known.",
        not_for: |kind| unless(kind.writes(), "what is written goes nowhere"),
        run: delivered,
        broken: &[
            (Lie::SaysDelivered, "unix"),
            (Lie::SaysDelivered, "tcp"),
            (Lie::SaysDelivered, "pipe-writer"),
            (Lie::SaysDelivered, "pty-master"),
        ],
    },
    Law {
        name: "idle_wakes_nobody",
        promise: "While nothing happens nobody is woken: open, after our end, after theirs, closing.",
        not_for: |kind| unless(kind.has_far_end(), "nothing waits"),
        run: idle,
        broken: &[
            (Lie::WakesIdle, "unix"),
            (Lie::WakesIdle, "pty-master"),
            (Lie::WakesIdle, "pipe-writer"),
        ],
    },
];

/// What is open, by number.
fn open() -> BTreeMap<i32, String> {
    let entries = read_dir("/proc/self/fd").unwrap();
    let number = |entry: std::io::Result<std::fs::DirEntry>| {
        let entry = entry.ok()?;
        let number = entry.file_name().to_str()?.parse().ok()?;
        // The listing's own descriptor is gone by now.
        let target = read_link(entry.path()).ok()?;
        Some((number, target.display().to_string()))
    };
    let all: Vec<_> = entries.collect();
    let all = all.into_iter().filter_map(number);
    all.filter(|(_, target)| !target.starts_with("/proc/"))
        .collect()
}

fn use_it(flow: &Subject, kind: &Kind) {
    if kind.reads() {
        once(&mut flow.read());
    }
    if kind.writes() {
        once(&mut flow.write(vec![0; 1 << 20]));
    }
}

/// Polls once, whatever comes of it.
fn once<F: Future + Unpin>(call: &mut F) {
    let _ = poll(call, &Count::new());
}

fn released_once(kind: &Kind) {
    run(async {
        warm_up().await;
        let before = open();
        for way in 0..6 {
            let (flow, far) = kind.link();
            let mut held = None;
            match way {
                0 => {}
                1 => use_it(&flow, kind),
                2 => {
                    use_it(&flow, kind);
                    flow.abort();
                }
                3 => {
                    let _ = finish(&mut flow.shutdown(Shutdown::Both)).await;
                }
                4 => {
                    once(&mut flow.close());
                    flow.abort();
                    settle().await;
                    held = Some(open());
                }
                _ => {
                    once(&mut flow.close());
                }
            }
            drop(flow);
            if let Some(held) = held {
                assert_eq!(open(), held, "an aborted flow held something");
            }
            drop(far);
            // A thread of the pool lets go when its call is over.
            let begun = std::time::Instant::now();
            while open() != before {
                assert!(
                    begun.elapsed() < patience(),
                    "way {way}: {before:#?} became {:#?}",
                    open()
                );
                settle().await;
            }
            // Strangers have the numbers now, and keep them.
            let strangers: Vec<_> = (0..8).map(|_| File::open("/dev/null").unwrap()).collect();
            let theirs = open();
            settle().await;
            assert_eq!(open(), theirs, "a stranger's descriptor was closed");
            drop(strangers);
        }
    });
}

/// Those that a child would get.
fn inherited() -> Vec<String> {
    let is_inherited = |number: &i32| {
        let flags = field(&format!("/proc/self/fdinfo/{number}"), "flags:");
        let flags = flags.map(|flags| u32::from_str_radix(&flags, 8).unwrap());
        flags.is_some_and(|flags| flags & rustix::fs::OFlags::CLOEXEC.bits() == 0)
    };
    let open = open().into_iter();
    open.filter(|(number, _)| is_inherited(number))
        .map(|(number, target)| format!("{number} {target}"))
        .collect()
}

fn close_on_exec(kind: &Kind) {
    run(async {
        let before = inherited();
        let (flow, far) = kind.link();
        assert_eq!(inherited(), before, "made by connect");
        use_it(&flow, kind);
        assert_eq!(inherited(), before, "made by reading or writing");
        once(&mut flow.close());
        assert_eq!(inherited(), before, "made by close");
        drop(far);
    });
}

fn given_back(kind: &Kind) {
    run(async {
        let (near, far) = (kind.make)();
        let same = |fd: &OwnedFd| {
            let stat = rustix::fs::fstat(fd).unwrap();
            (stat.st_dev, stat.st_ino, stat.st_rdev, status(fd.as_fd()))
        };
        let dups = near.dups();
        let before: Vec<_> = dups.iter().map(same).collect();
        drop(dups);
        let is_pair = matches!(near, Near::Two(..));
        let flow = near.connect().into_inner();
        // Into another number of descriptors than it has is refused, and changes nothing.
        let flow = match is_pair {
            true => flow.into_fd().map(drop),
            false => flow.into_fds().map(drop),
        };
        let flow = flow.expect_err("descriptors of another number");
        let flow = into_the_right_stream(kind, flow);
        let back = match is_pair {
            true => flow.into_fds().map(|(read, write)| vec![read, write]),
            false => flow.into_fd().map(|fd| vec![fd]),
        };
        let back = back.expect("a flow that nobody has used");
        assert_eq!(back.iter().map(same).collect::<Vec<_>>(), before);
        if kind.has_far_end() {
            settle().await;
            assert!(!far.sees_the_end());
        }
        if kind.close_waits() && kind.their_end == TheirEnd::Said && !is_pair {
            unread_is_not_lost(kind).await;
        }
    });
}

/// Into a stream of std only where it is one of that kind, and the descriptor of that is the flow's.
fn into_the_right_stream(kind: &Kind, flow: FdFlow) -> FdFlow {
    let flow = match UnixStream::try_from(flow) {
        Ok(stream) => {
            assert_eq!(kind.name, "unix", "is no Unix socket");
            return FdFlow::try_from(stream).unwrap();
        }
        Err(e) => e.into_flow().expect("the flow as it was"),
    };
    match TcpStream::try_from(flow) {
        Ok(stream) => {
            assert_eq!(kind.name, "tcp", "is no TCP socket");
            FdFlow::try_from(stream).unwrap()
        }
        Err(e) => {
            assert!(!matches!(kind.name, "unix" | "tcp"), "{e}");
            e.into_flow().expect("the flow as it was")
        }
    }
}

/// What was unread when the flow was closed stays with the flow, or with the descriptor.
async fn unread_is_not_lost(kind: &Kind) {
    let (flow, mut far) = kind.link();
    far.send(b"unread");
    far.end();
    finish(&mut flow.close()).await.unwrap();
    let unread = match flow.into_inner().into_fd() {
        Ok(fd) => {
            let mut unread = vec![];
            File::from(fd).read_to_end(&mut unread).unwrap();
            unread
        }
        Err(flow) => {
            let flow = Subject::new(flow, vec![]);
            let unread = to_the_end(&flow).await;
            let back = flow.into_inner().into_fd();
            back.expect("a flow of which everything was read");
            unread
        }
    };
    assert_eq!(unread, b"unread", "what is left of the input");
}

fn delivered(kind: &Kind) {
    run(async {
        let (flow, far) = kind.link();
        finish(&mut flow.write("told")).await.unwrap();
        let receives = || joined("all has come", far.receiving(4));
        match kind.delivery() {
            Delivered::Yes => {
                assert_eq!(flow.delivered(), Delivered::No, "unread");
                receives().await;
                until("all was read", || flow.delivered() == Delivered::Yes).await;
            }
            Delivered::Arrived => {
                until("all has arrived", || {
                    let delivered = flow.delivered();
                    assert_ne!(delivered, Delivered::Yes, "unread");
                    delivered == Delivered::Arrived
                })
                .await;
                receives().await;
                assert_eq!(flow.delivered(), Delivered::Arrived);
            }
            known => {
                assert_eq!(flow.delivered(), known);
                receives().await;
                assert_eq!(flow.delivered(), known);
            }
        }
    });
}

fn idle(kind: &Kind) {
    run(async {
        if kind.waits_to_read() {
            let (flow, far) = kind.link();
            quiet("a read of an open flow", &mut flow.read()).await;
            if kind.our_end == OurEnd::Shown {
                finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
                quiet("a read after our end", &mut flow.read()).await;
            }
            if kind.close_waits() {
                quiet("a close", &mut flow.close()).await;
            }
            drop(far);
        }
        if kind.waits_to_write() {
            let (flow, mut far) = kind.link();
            let (mut write, _, _) = stuck_for_good(kind, &flow).await;
            quiet("a write", &mut write).await;
            if kind.their_end == TheirEnd::Said {
                far.end();
                assert_eq!(to_the_end(&flow).await, b"");
                quiet("a write after their end", &mut write).await;
                drop(write);
                quiet("a flush after their end", &mut flow.flush()).await;
            }
        }
    });
}

/// Lets events that were under way come, and then counts on none.
async fn quiet<F>(what: &str, call: &mut F)
where
    F: Future<Output: std::fmt::Debug> + Unpin,
{
    let mut woken = 0;
    for _ in 0..3 {
        let count = park(call);
        // Threads of the pool, should one be at it, are to come to their word.
        for _ in 0..100 {
            settle().await;
            std::thread::yield_now();
        }
        woken = count.get();
        if woken == 0 {
            return;
        }
    }
    panic!("{what} is woken {woken} times though nothing happens");
}
