//! Flows in other processes than the one that made their descriptors: inherited ones, standard input and output, another user's; and flows over
//! what a child process reads and writes.

use std::env;
use std::fs::File;
use std::io::Read as _;
use std::os::fd::{AsFd as _, AsRawFd as _, FromRawFd as _, OwnedFd};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use rustix::fs::OFlags;
use rustix::io::{FdFlags, fcntl_setfd};

use super::calls::write_calls;
use super::cases::{lie, not_shown};
use super::far::Far;
use super::kinds::{Fifo, KINDS, Near, TheirEnd, pipe, pty};
use super::lies::{Lie, Subject};
use super::singles::Single;
use super::steps::{finish, joined, same, until};
use crate::support::backend::{ErrorKind, FlowExt as _, Shutdown, WriteError, stdio};
use crate::support::{pattern, put, run, status};

pub(crate) const SINGLES: &[Single] = &[
    Single {
        name: "inherited::descriptors_of_every_kind_by_number",
        run: inherited,
        broken: &[Lie::LosesBytes, Lie::ChangesFlags],
    },
    Single {
        name: "child::of_std_is_a_pair",
        run: child_of_std,
        broken: &[Lie::ForgetsHalf, Lie::ShutdownSaysOk],
    },
    Single {
        name: "child::of_the_runtime_is_a_pair",
        run: child_of_the_runtime,
        broken: &[Lie::ForgetsHalf, Lie::ShutdownSaysOk],
    },
    Single {
        name: "stdio::pipes",
        run: stdio_pipes,
        broken: &[Lie::LeaksDescriptor, Lie::ShutdownSaysOk],
    },
    Single {
        name: "stdio::files",
        run: stdio_files,
        broken: &[Lie::ForgetsHalf],
    },
    Single {
        name: "stdio::terminal",
        run: stdio_terminal,
        broken: &[Lie::ShutdownSaysOk],
    },
    Single {
        name: "stdio::one_socket",
        run: stdio_socket,
        broken: &[Lie::ShutdownSaysOk],
    },
    Single {
        name: "stdio::mixed",
        run: stdio_mixed,
        broken: &[Lie::LosesBytes, Lie::ForgetsHalf],
    },
    Single {
        name: "exit::of_the_process_destroys_nothing_behind_a_close",
        run: exit_after_close,
        broken: &[Lie::CloseSaysOk],
    },
    Single {
        name: "another_user::fifo_and_terminal_go_by_the_pool",
        run: another_user,
        broken: &[Lie::ForgetsHalf],
    },
];

/// What another process is to be, and which descriptors it is to use.
const ROLE: &str = "FLOW_KIND_ROLE";
const NUMBERS: &str = "FLOW_KIND_NUMBERS";

/// If this process is to be another than one that runs a case, what came of it.
pub(crate) fn serve() -> Option<i32> {
    let role = env::var(ROLE).ok()?;
    run(async {
        match &*role {
            "echo" => {
                echo(&numbered().connect()).await;
            }
            "closer" => {
                let flow = numbered().connect();
                finish(&mut flow.write("accepted")).await.unwrap();
                finish(&mut flow.close()).await.unwrap();
                // The process ends with it.
                std::mem::forget(flow);
            }
            _ => {
                if lie() == Some(Lie::LeaksDescriptor) {
                    let stdout = std::io::stdout().as_fd().try_clone_to_owned();
                    std::mem::forget(stdout);
                }
                let flow = Subject::new(stdio().unwrap(), vec![]);
                echo(&flow).await;
                println!("goes nowhere, or to where it always went");
                // Alive until it is killed, so that nothing of the above was the work of its end.
                loop {
                    std::thread::park();
                }
            }
        }
    });
    Some(0)
}

/// The descriptors of which this process was told the numbers.
fn numbered() -> Near {
    let numbers = env::var(NUMBERS).unwrap();
    let mut fds = numbers.split(',').map(|number| {
        // SAFETY: the process was started with these descriptors for this flow alone.
        unsafe { OwnedFd::from_raw_fd(number.parse().unwrap()) }
    });
    let first = fds.next().unwrap();
    match fds.next() {
        Some(second) => Near::Two(first, second),
        None => Near::One(first),
    }
}

/// Gives back what comes, to the end, and tells how it went.
async fn echo(flow: &Subject) {
    let mut len = 0;
    while let Some(chunk) = finish(&mut flow.read()).await.unwrap() {
        len += chunk.len();
        finish(&mut flow.write(chunk)).await.unwrap();
    }
    let ended = match finish(&mut flow.shutdown(Shutdown::Write)).await {
        Ok(()) => "shown",
        Err(WriteError::Transport(e)) if e.kind() == ErrorKind::Unsupported => "unsupported",
        Err(_) => "failed",
    };
    eprintln!("{len} {ended}.");
}

/// A process of another role; killed at last.
struct Other(Child);

impl Other {
    fn start(role: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        let mut command = Command::new("/proc/self/exe");
        command.env(ROLE, role).stderr(Stdio::piped());
        prepare(&mut command);
        Self(command.spawn().unwrap())
    }

    /// What it tells when it is done.
    fn telling(&mut self) -> JoinHandle<String> {
        let mut told = self.0.stderr.take().unwrap();
        std::thread::spawn(move || {
            let mut all = String::new();
            let mut byte = [0];
            while !all.ends_with('.') && told.read(&mut byte).unwrap() > 0 {
                all.push(char::from(byte[0]));
            }
            all
        })
    }

    fn is_alive(&mut self) -> bool {
        self.0.try_wait().unwrap().is_none()
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn inherited() {
    for kind in KINDS {
        if !(kind.waits_to_read() && kind.waits_to_write()) {
            continue;
        }
        run(async {
            let (near, far) = (kind.make)();
            let dups = near.dups();
            for dup in &dups {
                fcntl_setfd(dup, FdFlags::empty()).unwrap();
            }
            let numbers: Vec<_> = dups.iter().map(|fd| fd.as_raw_fd().to_string()).collect();
            let flags = || -> Vec<_> { near.dups().iter().map(|fd| status(fd.as_fd())).collect() };
            let before = flags();
            let mut other = Other::start("echo", |command| {
                command.env(NUMBERS, numbers.join(","));
            });
            drop(dups);
            let told = other.telling();
            let sent = pattern(30_000);
            let sending = far.sending(sent.chunks(999).map(<[u8]>::to_vec).collect());
            let got = joined("all has come back", far.receiving(sent.len())).await;
            same(&got, &sent);
            joined("all was sent", sending).await;
            assert_eq!(flags(), before, "{}", kind.name);
            drop(near);
            let far = far.end_or_leave(kind.their_end == TheirEnd::Said);
            let ended = match far {
                Some(_) => "shown",
                None => "unsupported",
            };
            assert_eq!(joined("the report", told).await, format!("30000 {ended}."));
            until("the process ends", || !other.is_alive()).await;
        });
    }
}

async fn through_a_child(output: OwnedFd, input: OwnedFd) {
    let flow = Near::Two(output, input).connect();
    let sent = pattern(300_000);
    let mut got = Vec::new();
    for piece in sent.chunks(30_000) {
        finish(&mut flow.write(piece.to_vec())).await.unwrap();
        if let Some(chunk) = finish(&mut flow.read()).await.unwrap() {
            got.extend_from_slice(&chunk);
        }
    }
    finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
    got.extend_from_slice(&super::steps::to_the_end(&flow).await);
    same(&got, &sent);
    finish(&mut flow.close()).await.unwrap();
}

fn child_of_std() {
    run(async {
        let mut cat = Command::new("cat");
        let mut cat = cat
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (output, input) = (cat.stdout.take().unwrap(), cat.stdin.take().unwrap());
        through_a_child(output.into(), input.into()).await;
        assert!(cat.wait().unwrap().success());
    });
}

fn child_of_the_runtime() {
    crate::run_with_child(async {
        let (output, input, _child) = crate::child("cat");
        through_a_child(output, input).await;
    });
}

fn stdio_of(input: OwnedFd, output: OwnedFd) -> Other {
    Other::start("stdio", |command| {
        command.stdin(input).stdout(output);
    })
}

fn stdio_pipes() {
    run(async {
        let ((near_in, far_in), (far_out, near_out)) = (pipe(), pipe());
        let mut other = stdio_of(near_in, near_out);
        let far = Far::two(Some(far_in), Some(far_out));
        let receiving = far.receiving_all();
        far.send(b"through");
        drop(far);
        same(&joined("the end", receiving).await, b"through");
        let told = other.telling();
        assert_eq!(joined("the report", told).await, "7 shown.");
        assert!(other.is_alive());
    });
}

fn stdio_files() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let (input, output) = (folder.path().join("in"), folder.path().join("out"));
        std::fs::write(&input, pattern(300_000)).unwrap();
        let (read, write) = (File::open(&input).unwrap(), File::create(&output).unwrap());
        let mut other = stdio_of(read.into(), write.into());
        let told = other.telling();
        assert_eq!(joined("the report", told).await, "300000 shown.");
        same(
            &std::fs::read(&output).unwrap()[..300_000],
            &pattern(300_000),
        );
    });
}

fn stdio_terminal() {
    run(async {
        let (master, slave) = pty(OFlags::empty(), OFlags::empty());
        let mut other = stdio_of(slave.try_clone().unwrap(), slave);
        let master = Far::one(master);
        master.send(b"typed");
        same(&joined("the echo", master.receiving(5)).await, b"typed");
        drop(master);
        let told = other.telling();
        assert_eq!(joined("the report", told).await, "5 unsupported.");
    });
}

fn stdio_socket() {
    run(async {
        let (near, far) = UnixStream::pair().unwrap();
        let mut other = stdio_of(near.try_clone().unwrap().into(), near.into());
        put(&far, b"through");
        let mut far = Far::socket(far.into());
        let receiving = far.receiving_all();
        far.end();
        same(&joined("the end", receiving).await, b"through");
        let told = other.telling();
        assert_eq!(joined("the report", told).await, "7 shown.");
        assert!(other.is_alive());
    });
}

/// A pipe into a file, and a file into a pipe.
fn stdio_mixed() {
    run(async {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        let (near_in, far_in) = pipe();
        let mut other = stdio_of(near_in, File::create(&path).unwrap().into());
        for _ in 0..100 {
            put(File::from(far_in.try_clone().unwrap()), &pattern(1000));
        }
        drop(far_in);
        let told = other.telling();
        assert_eq!(joined("the report", told).await, "100000 shown.");
        same(
            &std::fs::read(&path).unwrap()[..100_000],
            &pattern(1000).repeat(100),
        );

        let (far_out, near_out) = pipe();
        std::fs::write(&path, pattern(1000)).unwrap();
        let mut other = stdio_of(File::open(&path).unwrap().into(), near_out);
        let receiving = Far::two(None, Some(far_out)).receiving_all();
        same(&joined("the end", receiving).await, &pattern(1000));
        assert!(other.is_alive());
    });
}

/// The kernel answers input that nobody has read with a reset, which destroys what was sent. The peer's came before its end.
fn exit_after_close() {
    run(async {
        let sockets = KINDS
            .iter()
            .filter(|kind| matches!(kind.name, "unix" | "tcp"));
        for kind in sockets {
            let (near, mut far) = (kind.make)();
            far.send(b"unread");
            far.end();
            let mut other = Other::start("closer", |command| {
                command.env(NUMBERS, "0").stdin(near.dups().remove(0));
            });
            drop(near);
            until("the process ends", || !other.is_alive()).await;
            same(&joined("the end", far.receiving_all()).await, b"accepted");
        }
    });
}

/// Where this process may be somebody else: what that one cannot open again, it uses as it is.
fn another_user() {
    const NOBODY: u32 = 65_534;

    if !rustix::process::geteuid().is_root() {
        not_shown("only root can be another user");
    }
    let through = |near_in: OwnedFd, near_out: OwnedFd, far: Far| {
        run(async {
            let mut other = Other::start("echo", |command| {
                command.env(NUMBERS, "0,1").uid(NOBODY);
                command.stdin(near_in).stdout(near_out);
            });
            let told = other.telling();
            let sent = pattern(20_000);
            let sending = far.sending(sent.chunks(500).map(<[u8]>::to_vec).collect());
            let got = joined("all has come back", far.receiving(sent.len())).await;
            same(&got, &sent);
            joined("all was sent", sending).await;
            drop(far);
            let told = joined("the report", told).await;
            assert!(told.starts_with("20000 "), "{told:?}");
            write_calls(other.0.id())
        })
    };
    let (there, back) = (Fifo::new(), Fifo::new());
    let ((near_in, far_in), (far_out, near_out)) = (back.ends(), there.ends());
    let calls = through(near_in, near_out, Far::two(Some(far_in), Some(far_out)));
    // By the page, and not by the byte.
    assert!(calls.is_none_or(|calls| calls < 5000), "{calls:?} calls");
    let (master, slave) = pty(OFlags::empty(), OFlags::empty());
    through(slave.try_clone().unwrap(), slave, Far::one(master));
}
