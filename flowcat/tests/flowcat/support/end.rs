//! The far end of each kind of address, as a bare descriptor.

use std::env;
use std::fs::File;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::{ChildStdin, ChildStdout};
use std::thread;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::stdio::dup2_stdout;

use super::{Program, quote};

const WATCHDOG: Duration = Duration::from_secs(60);

/// The addresses that bytes go both ways through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Stdio,
    Unix,
    UnixListen,
    Tcp,
    TcpListen,
    Exec,
}

impl Kind {
    pub(crate) const ALL: [Self; 6] = [
        Self::Stdio,
        Self::Unix,
        Self::UnixListen,
        Self::Tcp,
        Self::TcpListen,
        Self::Exec,
    ];

    pub(crate) fn is_socket(self) -> bool {
        !matches!(self, Self::Stdio | Self::Exec)
    }

    /// As part of a test's name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Stdio => "stdio",
            Self::Unix => "unix",
            Self::UnixListen => "unix_listen",
            Self::Tcp => "tcp",
            Self::TcpListen => "tcp_listen",
            Self::Exec => "exec",
        }
    }
}

/// An address, and what is needed for being its other end.
pub(crate) struct Place {
    pub(crate) address: String,
    far: Far,
}

enum Far {
    Stdio,
    Unix(UnixListener),
    Tcp(TcpListener),
    /// flowcat listens there, and says so.
    UnixListens,
    TcpListens,
}

impl Place {
    /// Paths are in `dir`, and begin with `name`.
    pub(crate) fn new(kind: Kind, dir: &Path, name: &str) -> Self {
        let path = dir.join(format!("{name}.sock"));
        let shown = path.display();
        let (address, far) = match kind {
            Kind::Stdio => ("-".to_owned(), Far::Stdio),
            Kind::Unix => (
                format!("unix:{shown}"),
                Far::Unix(UnixListener::bind(&path).unwrap()),
            ),
            Kind::UnixListen => (format!("unix-listen:{shown}"), Far::UnixListens),
            Kind::Tcp => {
                let listener = TcpListener::bind("127.0.0.1:0").unwrap();
                let address = listener.local_addr().unwrap();
                (format!("tcp:{address}"), Far::Tcp(listener))
            }
            Kind::TcpListen => ("tcp-listen:127.0.0.1:0".to_owned(), Far::TcpListens),
            Kind::Exec => {
                let bridge = quote(env::current_exe().unwrap().to_str().unwrap());
                let to = quote(path.to_str().unwrap());
                (
                    format!("exec:exec {bridge} --bridge {to}"),
                    Far::Unix(UnixListener::bind(&path).unwrap()),
                )
            }
        };
        Self { address, far }
    }

    /// Whether it is flowcat that listens there.
    pub(crate) const fn listens(&self) -> bool {
        matches!(self.far, Far::UnixListens | Far::TcpListens)
    }

    /// The other end, once flowcat has come here, or has been called where it said.
    pub(crate) fn end(self, program: &mut Program, said: Option<String>) -> End {
        let end = match self.far {
            Far::Stdio => End::Pipes(program.stdin.take(), program.stdout.take().unwrap()),
            Far::Unix(listener) => {
                wait_for(listener.as_fd());
                End::Unix(listener.accept().unwrap().0)
            }
            Far::Tcp(listener) => {
                wait_for(listener.as_fd());
                End::Tcp(listener.accept().unwrap().0)
            }
            Far::UnixListens => End::Unix(UnixStream::connect(said.unwrap()).unwrap()),
            Far::TcpListens => End::Tcp(TcpStream::connect(said.unwrap()).unwrap()),
        };
        match &end {
            End::Unix(socket) => socket.set_read_timeout(Some(WATCHDOG)).unwrap(),
            End::Tcp(socket) => socket.set_read_timeout(Some(WATCHDOG)).unwrap(),
            // The watchdog of the program ends it.
            End::Pipes(..) => {}
        }
        end
    }
}

fn wait_for(listener: BorrowedFd<'_>) {
    let time = Timespec::try_from(WATCHDOG).unwrap();
    let mut fds = [PollFd::from_borrowed_fd(listener, PollFlags::IN)];
    assert_eq!(poll(&mut fds, Some(&time)), Ok(1), "nobody came");
}

/// The far end of an address.
pub(crate) enum End {
    Unix(UnixStream),
    Tcp(TcpStream),
    /// What is written is flowcat's standard input, what is read its standard output.
    Pipes(Option<ChildStdin>, ChildStdout),
}

impl End {
    pub(crate) fn send(&mut self, data: &[u8]) -> io::Result<()> {
        match self {
            Self::Unix(socket) => socket.write_all(data),
            Self::Tcp(socket) => socket.write_all(data),
            Self::Pipes(to, _) => to.as_mut().expect("it was not ended").write_all(data),
        }
    }

    pub(crate) fn end(&mut self) {
        match self {
            Self::Unix(socket) => socket.shutdown(Shutdown::Write).unwrap(),
            Self::Tcp(socket) => socket.shutdown(Shutdown::Write).unwrap(),
            Self::Pipes(to, _) => *to = None,
        }
    }

    /// Everything up to the end.
    pub(crate) fn receive(&mut self) -> io::Result<Vec<u8>> {
        let mut received = Vec::new();
        self.reader().read_to_end(&mut received)?;
        Ok(received)
    }

    pub(crate) fn receive_exactly(&mut self, count: usize) -> Vec<u8> {
        let mut received = vec![0; count];
        self.reader().read_exact(&mut received).unwrap();
        received
    }

    /// Whether neither a byte nor an end has come.
    pub(crate) fn is_silent(&self) -> bool {
        let fd = match self {
            Self::Unix(socket) => socket.as_fd(),
            Self::Tcp(socket) => socket.as_fd(),
            Self::Pipes(_, from) => from.as_fd(),
        };
        let mut fds = [PollFd::from_borrowed_fd(fd, PollFlags::IN)];
        poll(&mut fds, Some(&Timespec::default())) == Ok(0)
    }

    fn reader(&mut self) -> &mut dyn Read {
        match self {
            Self::Unix(socket) => socket,
            Self::Tcp(socket) => socket,
            Self::Pipes(_, from) => from,
        }
    }
}

/// Everything goes from one to the other, and then the end.
#[track_caller]
pub(crate) fn exchange(from: &mut End, to: &mut End, data: &[u8]) {
    let received = thread::scope(|scope| {
        scope.spawn(|| {
            from.send(data).unwrap();
            from.end();
        });
        to.receive().unwrap()
    });
    same(&received, data);
}

#[track_caller]
pub(crate) fn same(received: &[u8], sent: &[u8]) {
    if received == sent {
        return;
    }
    let differs = received.iter().zip(sent).position(|(a, b)| a != b);
    let (received, sent) = (received.len(), sent.len());
    panic!("{received} bytes of {sent}, the first difference at {differs:?}");
}

/// Looks again and again, for what nobody tells.
#[track_caller]
pub(crate) fn until(is: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is() {
        assert!(begun.elapsed() < WATCHDOG, "it never was");
        thread::yield_now();
    }
}

/// A socket whose listener is gone.
#[track_caller]
pub(crate) fn leave_stale(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
    // For a moment another process may have inherited it.
    until(|| UnixStream::connect(path).is_err());
}

/// Bytes in which nothing repeats soon.
pub(crate) fn pattern(count: usize, seed: u32) -> Vec<u8> {
    let mut state = seed.wrapping_mul(2_654_435_761) | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state.to_le_bytes()[1]
    };
    (0..count).map(|_| next()).collect()
}

/// If this process was started as a command of flowcat: everything between its standard streams and a socket, ends included.
pub(crate) fn serve_bridge() -> bool {
    let mut args = env::args_os().skip(1);
    if args.next().is_none_or(|word| word != "--bridge") {
        return false;
    }
    let mut from = UnixStream::connect(args.next().unwrap()).unwrap();
    let mut to = from.try_clone().unwrap();
    let input = thread::spawn(move || {
        // Refused once the test has seen enough.
        _ = carry(&mut io::stdin().lock(), &mut to);
        _ = to.shutdown(Shutdown::Write);
    });
    _ = carry(&mut from, &mut io::stdout().lock());
    // Closes the pipe.
    dup2_stdout(File::open("/dev/null").unwrap()).unwrap();
    input.join().unwrap();
    true
}

/// Not `io::copy`, which uses splice(2): while that waits for a socket it holds the lock of the pipe, and whoever reads the pipe waits too,
/// non-blocking or not.
fn carry(from: &mut impl Read, to: &mut impl Write) -> io::Result<()> {
    let mut part = [0; 65536];
    loop {
        match from.read(&mut part)? {
            0 => return Ok(()),
            count => to.write_all(&part[..count]).and_then(|()| to.flush())?,
        }
    }
}
