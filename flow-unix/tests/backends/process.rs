//! The process around the flows: its limit of descriptors, the programs that it starts, and its exit.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsFd as _;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::{Child, Command, Stdio};
use std::rc::Rc;

use rustix::net::sockopt::set_socket_recv_buffer_size;

use crate::support;
use crate::support::backend::{
    ErrorKind, FdFlow, FlowExt as _, Switch, connect_tcp, connect_unix, listen_tcp, listen_unix,
    listen_unix_replacing_stale, socketpair, socketpair_with, stdio,
};
use crate::support::{
    Ends, KINDS, Kind, Limited, Peer, WATCHDOG, again, alone, census, finish, leaves_nothing,
    out_of_descriptors_but, park, put, rest, run, settle, task,
};

type Failure = Box<dyn Error>;

/// A way to get something that needs descriptors.
struct Row {
    name: &'static str,
    /// How many it takes.
    takes: usize,
    /// What the error says was being done.
    words: &'static str,
    make: Box<dyn Fn() -> Making>,
}

type Making = Pin<Box<dyn Future<Output = Result<(), Failure>>>>;

fn row<T, E: Into<Failure>, F: Future<Output = Result<T, E>> + 'static>(
    name: &'static str,
    takes: usize,
    words: &'static str,
    make: impl Fn() -> F + 'static,
) -> Row {
    let make = move || -> Making {
        let made = make();
        Box::pin(async { made.await.map(drop).map_err(Into::into) })
    };
    Row {
        name,
        takes,
        words,
        make: Box::new(make),
    }
}

/// A path that nobody has.
fn place(name: &str) -> PathBuf {
    std::env::temp_dir().join(format!("flow-process-{name}-{}", std::process::id()))
}

/// The error and its causes, in one line.
fn told(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}

/// With too few descriptors it fails and says why, with just enough it works, and either way nothing is left.
async fn needs_no_more_than_it_says(row: &Row) {
    let Row {
        name, takes, words, ..
    } = row;
    let before = census();
    for left in 0..*takes {
        let limited = Limited::to(left);
        let made = finish(&mut (row.make)()).await;
        drop(limited);
        let error = made.expect_err(&format!("{name} with {left} descriptors left"));
        let told = told(&*error);
        assert!(told.starts_with(words), "{name} with {left} left: {told}");
        let errno = std::io::Error::from(rustix::io::Errno::MFILE).to_string();
        assert!(told.contains(&errno), "{name} with {left} left: {told}");
        assert_eq!(census(), before, "{name} with {left} descriptors left");
    }
    let limited = Limited::to(*takes);
    let made = finish(&mut (row.make)()).await;
    drop(limited);
    if let Err(error) = made {
        panic!("{name} with {takes} descriptors left: {}", told(&*error));
    }
    settle().await;
}

#[test]
fn without_descriptors_every_constructor_says_so() {
    leaves_nothing(async || {
        let (unix_place, stale) = (place("limit"), place("stale"));
        let (new, replaced) = (place("new"), place("replaced"));
        let unix = Rc::new(listen_unix(&unix_place).unwrap());
        let tcp = Rc::new(listen_tcp("127.0.0.1:0").await.unwrap());
        let address = tcp.local_addr().unwrap();
        // Those that are accepted.
        let _near = UnixStream::connect(&unix_place).unwrap();
        let _far = TcpStream::connect(address).unwrap();
        drop(std::os::unix::net::UnixListener::bind(&stale).unwrap());
        let could_not_listen = "could not listen";
        let rows = [
            row(
                "socketpair",
                2,
                "could not make a pair of sockets",
                || async { socketpair() },
            ),
            row(
                "socketpair_with",
                2,
                "could not make a pair of sockets",
                || async { socketpair_with(&Switch::new()) },
            ),
            row("connect_unix", 1, "could not connect", {
                let place = unix_place.clone();
                move || connect_unix(place.clone())
            }),
            row("connect_tcp", 1, "could not connect", move || {
                connect_tcp(address)
            }),
            row("listen_unix", 1, could_not_listen, move || {
                let listening = listen_unix(&new);
                async { listening }
            }),
            row(
                "listen_unix_replacing_stale",
                1,
                could_not_listen,
                move || {
                    let listening = listen_unix_replacing_stale(&replaced);
                    async { listening }
                },
            ),
            row("listen_tcp", 1, could_not_listen, || {
                listen_tcp("127.0.0.1:0")
            }),
            row("accept at a path", 1, "could not accept a connection", {
                let unix = Rc::clone(&unix);
                move || {
                    let unix = Rc::clone(&unix);
                    async move { unix.accept().await.map(|(flow, _)| flow) }
                }
            }),
            row("accept over TCP", 1, "could not accept a connection", {
                let tcp = Rc::clone(&tcp);
                move || {
                    let tcp = Rc::clone(&tcp);
                    async move { tcp.accept().await.map(|(flow, _)| flow) }
                }
            }),
        ];
        for row in &rows {
            needs_no_more_than_it_says(row).await;
        }
        // A stale path takes one to look who is there.
        for left in 0..2 {
            let error = out_of_descriptors_but(left, || listen_unix_replacing_stale(&stale));
            let told = told(&error.unwrap_err());
            assert!(told.contains("(os error 24)"), "{left} left: {told}");
        }
        drop(out_of_descriptors_but(2, || listen_unix_replacing_stale(&stale)).unwrap());
    });
}

#[test]
#[should_panic(expected = "a pair of sockets with 1 descriptors left: could not make")]
fn a_constructor_that_takes_more_than_it_says_is_found() {
    let words = "could not make a pair of sockets";
    let takes_two = row("a pair of sockets", 1, words, || async { socketpair() });
    leaves_nothing(async || needs_no_more_than_it_says(&takes_two).await);
}

#[test]
fn a_descriptor_that_is_there_needs_no_other() {
    leaves_nothing(async || {
        for kind in KINDS {
            let [first, second] = [(); 2].map(|()| (kind.pair)());
            let switch = Switch::new();
            let (flow, attached) = out_of_descriptors_but(0, || {
                let flow = first.0.flow();
                (flow, second.0.flow_with(&switch))
            });
            put(&first.1, b"x");
            assert!(flow.read().await.unwrap().is_some(), "{}", kind.name);
            drop(attached);
            // Two descriptors do not come out as one.
            drop(out_of_descriptors_but(0, || flow.into_fd()));
            assert_eq!(rest(&second.1).unwrap(), b"", "{}", kind.name);
        }
    });
}

#[test]
fn without_descriptors_standard_input_and_output_stay_as_they_are() {
    use rustix::stdio::{dup2_stdin, stdin};

    leaves_nothing(async || {
        let saved = stdin().try_clone_to_owned().unwrap();
        let (reader, writer) = std::io::pipe().unwrap();
        dup2_stdin(&reader).unwrap();
        let inode = |fd: std::os::fd::BorrowedFd<'_>| rustix::fs::fstat(fd).unwrap().st_ino;
        let told = [0, 1].map(|left| {
            let error = out_of_descriptors_but(left, stdio).unwrap_err();
            (told(&error), inode(stdin()) == inode(reader.as_fd()))
        });
        dup2_stdin(&saved).unwrap();
        for ((told, same), which) in told.iter().zip(["input", "output"]) {
            let words = format!("could not use standard {which}: ");
            assert!(
                told.starts_with(&words) && told.contains("(os error 24)"),
                "{told}"
            );
            assert!(same, "standard input was replaced");
        }
        drop(writer);
    });
}

/// The system's resolver opens what it needs. That it could not, it does not say: it knows no such name then.
#[test]
fn without_descriptors_a_name_has_no_address() {
    leaves_nothing(async || {
        let tcp = listen_tcp("127.0.0.1:0").await.unwrap();
        let name = format!("localhost:{}", tcp.local_addr().unwrap().port());
        let limited = Limited::to(0);
        let error = finish(&mut Box::pin(connect_tcp(&*name)))
            .await
            .unwrap_err();
        drop(limited);
        assert_eq!(error.kind(), ErrorKind::Unresolved, "{error}");
        finish(&mut Box::pin(connect_tcp(&*name))).await.unwrap();
    });
}

/// How many epoll instances the process has.
fn instances() -> usize {
    let is_epoll = |target: &&String| target.contains("eventpoll");
    census().iter().filter(is_epoll).count()
}

/// Its own descriptor spares a close that waits the reading of input. Without one it reads ahead.
#[test]
fn close_does_with_and_without_a_descriptor_of_its_own() {
    leaves_nothing(async || {
        for kind in KINDS {
            for left in [0, 1] {
                let (ours, peer) = (kind.pair)();
                let flow = ours.flow();
                put(&peer, b"unread");
                settle().await;
                let before = instances();
                let mut close = flow.close();
                let closer = out_of_descriptors_but(left, || park(&mut close));
                // A pipe that ends its writing gives one back.
                let expected = if kind.name == "two pipes" { 1 } else { left };
                assert_eq!(instances() - before, expected, "{}", kind.name);
                peer.end();
                support::woken(&closer).await;
                finish(&mut close).await.unwrap();
                drop(close);
                assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"unread"[..]));
                assert_eq!(flow.read().await.unwrap(), None);
                flow.close().await.unwrap();
            }
        }
    });
}

/// A program that sleeps until it is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn start() -> Self {
        let mut command = Command::new("cat");
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // It answers once it has been loaded, for which it opens files of its own.
        child.stdin.as_ref().unwrap().write_all(b"x").unwrap();
        let out = child.stdout.as_mut().unwrap();
        out.read_exact(&mut [0]).unwrap();
        Self(child)
    }

    /// What it has inherited.
    fn descriptors(&self) -> BTreeSet<String> {
        let folder = format!("/proc/{}/fd", self.0.id());
        let entries = std::fs::read_dir(folder).unwrap().flatten();
        let inherited = entries.filter_map(|entry| {
            let number = entry.file_name().into_string().unwrap();
            let target = std::fs::read_link(entry.path()).ok()?;
            let is_standard = matches!(&*number, "0" | "1" | "2");
            (!is_standard).then(|| format!("{number}: {}", target.display()))
        });
        inherited.collect()
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        _ = self.0.wait();
    }
}

#[test]
fn a_program_that_is_started_inherits_nothing() {
    leaves_nothing(async || {
        let before = Sleeper::start().descriptors();
        let mut made: Vec<(&str, FdFlow, FdFlow)> = vec![];
        let (a, b) = socketpair().unwrap();
        made.push(("socketpair", a, b));
        let switch = Switch::new();
        let (a, b) = socketpair_with(&switch).unwrap();
        made.push(("socketpair_with", a, b));
        let place = place("exec");
        let unix = listen_unix(&place).unwrap();
        let near = connect_unix(&place).await.unwrap();
        made.push(("Unix", near, unix.accept().await.unwrap().0));
        let tcp = listen_tcp("127.0.0.1:0").await.unwrap();
        let address = tcp.local_addr().unwrap();
        let near = connect_tcp(address).await.unwrap();
        made.push(("TCP", near, tcp.accept().await.unwrap().0));
        // What a waiting close makes.
        let mut closes: Vec<_> = made.iter().map(|(_, near, _)| near.close()).collect();
        for close in &mut closes {
            park(close);
        }
        let sleeper = Sleeper::start();
        assert_eq!(sleeper.descriptors(), before, "inherited");
        drop(closes);
        drop((unix, tcp));
        connect_tcp(address).await.expect_err("nobody listens");
        for (name, near, far) in made {
            drop(near);
            let end = finish(&mut far.read()).await;
            assert_eq!(end.unwrap(), None, "{name}");
        }
        drop(sleeper);
    });
}

#[test]
fn a_program_that_is_started_keeps_no_peer_waiting() {
    leaves_nothing(async || {
        for kind in KINDS {
            let (ours, peer) = (kind.pair)();
            let flow = ours.flow();
            let _sleeper = Sleeper::start();
            drop(flow);
            assert_eq!(rest(&peer).unwrap(), b"", "{}", kind.name);
        }
    });
}

/// More than any socket holds.
const MUCH: usize = 12 << 20;

/// A pair, and how much is not read before the writer has exited, so that it waits on the writer's side. Of a Unix socket's buffer only a
/// quarter may be full, or no room is reported.
fn pair_and_late(kind: &Kind) -> (Ends, Peer, usize) {
    if kind.name != "TCP" {
        let (ours, peer) = (kind.pair)();
        return (ours, peer, 16 << 10);
    }
    // What has arrived is safe. The window must be small before it is first told.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    set_socket_recv_buffer_size(&listener, 16 << 10).unwrap();
    let ours = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let theirs = listener.accept().unwrap().0;
    theirs.set_read_timeout(Some(WATCHDOG)).unwrap();
    (Ends::One(ours.into()), Peer::new(theirs), 128 << 10)
}

/// What the peer does before the other process begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Nothing,
    Ends,
    SendsAndEnds,
}

/// Every byte of a process that exits right after its close arrives, and then the end.
fn exits_right_after_close(before: Before) {
    let _alone = alone();
    for kind in KINDS {
        let (ours, peer, late) = pair_and_late(&kind);
        if before == Before::SendsAndEnds {
            put(&peer, b"nobody reads this");
        }
        if before != Before::Nothing {
            peer.end();
        }
        let mut child = start_writer(ours);
        let mut got = vec![];
        let early = u64::try_from(MUCH - late).unwrap();
        let mut end = (&peer).take(early).read_to_end(&mut got);
        if before == Before::Nothing {
            // Only now, because its close waits for it.
            peer.end();
        }
        let status = child.wait().unwrap();
        assert!(status.success(), "{} {before:?}: {status}", kind.name);
        end = end.and_then(|_| (&peer).read_to_end(&mut got));
        let all = got == support::pattern(MUCH);
        assert!(
            all && end.is_ok(),
            "{} {before:?}: {} of {MUCH} bytes, then {end:?}",
            kind.name,
            got.len()
        );
    }
}

/// The descriptors are its standard input, and where there are two, its standard error: what is tested prints to the standard output.
fn start_writer(ours: Ends) -> Child {
    let (task, input, output) = match ours {
        Ends::One(fd) => ("one", fd, None),
        Ends::Two(read, write) => ("two", read, Some(write)),
    };
    let mut command = again("process::writes_closes_and_exits", task);
    command.stdin(Stdio::from(input));
    if let Some(output) = output {
        command.stderr(Stdio::from(output));
    }
    command.spawn().unwrap()
}

#[test]
fn exit_right_after_close_loses_nothing() {
    exits_right_after_close(Before::Nothing);
}

#[test]
fn exit_right_after_close_loses_nothing_where_the_peer_has_ended() {
    exits_right_after_close(Before::Ends);
}

#[test]
fn exit_right_after_close_with_input_unread_loses_nothing() {
    exits_right_after_close(Before::SendsAndEnds);
}

#[test]
fn a_program_that_does_not_wait_is_seen_to_lose() {
    let _alone = alone();
    let (ours, peer, _) = pair_and_late(&KINDS[0]);
    let Ends::One(fd) = ours else {
        panic!("a socket is one descriptor");
    };
    let mut child = again("process::writes_closes_and_exits", "hasty")
        .stdin(Stdio::from(fd))
        .spawn()
        .unwrap();
    let mut got = vec![];
    _ = (&peer).read_to_end(&mut got);
    assert!(child.wait().unwrap().success());
    assert!(got.len() < MUCH, "nothing is missing");
}

#[test]
#[ignore = "the other process of `exit_right_after_close_loses_nothing`"]
fn writes_closes_and_exits() {
    let input = std::io::stdin().as_fd().try_clone_to_owned().unwrap();
    let ours = if task() == "two" {
        let output = std::io::stderr().as_fd().try_clone_to_owned().unwrap();
        Ends::Two(input, output)
    } else {
        Ends::One(input)
    };
    run(async {
        let flow = ours.flow();
        if task() == "hasty" {
            park(&mut flow.write(support::pattern(MUCH)));
            std::process::exit(0);
        }
        flow.write(support::pattern(MUCH)).await.unwrap();
        flow.close().await.unwrap();
        // Here: nothing is dropped any more.
        std::process::exit(0);
    });
}
