//! The kinds: how one is made with a bare far end, and what it can do.

use std::fs::File;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;

use flow_core::Delivered;
use rustix::fs::{CWD, Mode, OFlags, fcntl_setfl, memfd_create, mkfifoat, open};
use rustix::pipe::{PipeFlags, pipe_with};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::far::Far;
use super::lies::Subject;
use crate::support::backend::{connect, from_pair};
use crate::support::{status, tcp};

pub(crate) struct Kind {
    pub(crate) name: &'static str,
    pub(crate) make: fn() -> (Near, Far),
    pub(crate) input: Input,
    pub(crate) output: Output,
    pub(crate) our_end: OurEnd,
    pub(crate) their_end: TheirEnd,
}

/// Where what is read comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    Nothing,
    /// Somebody sends it: a read can wait.
    Live,
    /// It is stored.
    Stored,
    /// A device makes it, or says that there is none.
    Made,
    /// A read fails, each time.
    Refused,
}

/// Where what is written goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    Nowhere,
    /// Somebody receives it: a write can wait.
    Live,
    Stored,
    /// A device takes it, and it is gone.
    Swallowed,
    /// A device that has no room, ever.
    Refused,
    /// The flow itself reads it.
    Itself,
}

/// What `shutdown(Write)` does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum OurEnd {
    /// Nothing: it never wrote.
    None,
    /// The peer sees the end.
    Shown,
    /// Done after the flush, with nobody to show it to.
    Done,
    Unsupported,
}

/// What shows that no more comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TheirEnd {
    /// Nothing ever: it never reads, or it never ends.
    None,
    /// The peer says so, and may go on receiving.
    Said,
    /// Nobody is left who could send.
    Gone,
    /// The end of what is stored.
    Stored,
}

pub(crate) enum Near {
    One(OwnedFd),
    Two(OwnedFd, OwnedFd),
}

impl Near {
    /// More descriptors of the same open files.
    pub(crate) fn dups(&self) -> Vec<OwnedFd> {
        let dup = |fd: &OwnedFd| fd.try_clone().unwrap();
        match self {
            Self::One(fd) => vec![dup(fd)],
            Self::Two(read, write) => vec![dup(read), dup(write)],
        }
    }

    pub(crate) fn set_nonblocking(&self, set: bool) {
        self.dups().iter().for_each(|fd| set_nonblocking(fd, set));
    }

    pub(crate) fn again(&self) -> Self {
        let mut dups = self.dups().into_iter();
        let first = dups.next().unwrap();
        match dups.next() {
            None => Self::One(first),
            Some(second) => Self::Two(first, second),
        }
    }

    pub(crate) fn connect(self) -> Subject {
        Subject::over(self, |near| match near {
            Self::One(fd) => connect(fd).unwrap(),
            Self::Two(read, write) => from_pair(read, write).unwrap(),
        })
    }
}

impl Kind {
    pub(crate) fn named(name: &str) -> &'static Self {
        let kind = KINDS.iter().find(|kind| kind.name == name);
        kind.expect("no such kind")
    }

    pub(crate) fn link(&self) -> (Subject, Far) {
        let (near, far) = (self.make)();
        (near.connect(), far)
    }

    pub(crate) fn reads(&self) -> bool {
        matches!(self.input, Input::Live | Input::Stored)
    }

    pub(crate) fn writes(&self) -> bool {
        matches!(self.output, Output::Live | Output::Stored)
    }

    /// Whether a read can wait for somebody.
    pub(crate) fn waits_to_read(&self) -> bool {
        self.input == Input::Live
    }

    pub(crate) fn waits_to_write(&self) -> bool {
        self.output == Output::Live
    }

    /// Whether somebody is there who can leave.
    pub(crate) fn has_far_end(&self) -> bool {
        self.waits_to_read() || self.waits_to_write()
    }

    /// Whether close waits for the peer's end.
    pub(crate) fn close_waits(&self) -> bool {
        self.has_peer() && self.waits_to_read()
    }

    /// Sockets, and pipes that are not their own peer. What is no socket and has no half-close has no end of its own either.
    fn has_peer(&self) -> bool {
        self.our_end != OurEnd::Unsupported
    }

    /// Whether a direction is a socket's, which can be ended while others hold the open file.
    pub(crate) fn has_socket(&self) -> bool {
        matches!(
            self.name,
            "unix" | "tcp" | "socket-and-file" | "file-and-socket" | "socket-and-pipe"
        )
    }

    pub(crate) fn is_terminal(&self) -> bool {
        self.name.starts_with("pty")
    }

    /// Whether a read of a blocking open file that others may have goes by the pool.
    pub(crate) fn is_read_by_the_pool(&self) -> bool {
        self.is_terminal() || self.name.contains("fifo")
    }

    /// What is known of bytes that were written and read.
    pub(crate) fn delivery(&self) -> Delivered {
        match self.name {
            "tcp" => Delivered::Arrived,
            "unix" | "pipe-writer" | "fifo-writer" | "two-pipes" | "two-fifos"
            | "file-and-socket" | "socket-and-pipe" => Delivered::Yes,
            _ => Delivered::Unknown,
        }
    }

    /// More than any buffer between the two ends takes. (Terminals take little at a time, and take long.)
    pub(crate) fn much(&self) -> usize {
        match self.output {
            Output::Live if self.is_terminal() => 150_000,
            Output::Live => 8 << 20,
            // More than a thread of the pool writes at a time.
            _ => 4 << 20,
        }
    }
}

macro_rules! kinds {
    ($($name:literal $make:expr, $input:ident, $output:ident, $ours:ident, $theirs:ident;)*) => {
        pub(crate) const KINDS: &[Kind] = &[$(Kind {
            name: $name,
            make: $make,
            input: Input::$input,
            output: Output::$output,
            our_end: OurEnd::$ours,
            their_end: TheirEnd::$theirs,
        },)*];
    };
}

kinds! {
    "unix" unix, Live, Live, Shown, Said;
    "tcp" tcp_socket, Live, Live, Shown, Said;
    "pipe-reader" pipe_reader, Live, Nowhere, None, Gone;
    "pipe-writer" pipe_writer, Nothing, Live, Shown, None;
    "fifo-reader" fifo_reader, Live, Nowhere, None, Gone;
    "fifo-writer" fifo_writer, Nothing, Live, Shown, None;
    "fifo-both" fifo_both, Live, Itself, Unsupported, None;
    "pty-slave" || slave(OFlags::empty()), Live, Live, Unsupported, Gone;
    "pty-slave-nonblocking" || slave(OFlags::NONBLOCK), Live, Live, Unsupported, Gone;
    "pty-slave-without-minimum" slave_without_minimum, Live, Live, Unsupported, Gone;
    "pty-master" || master(OFlags::empty()), Live, Live, Unsupported, Gone;
    "pty-master-nonblocking" || master(OFlags::NONBLOCK), Live, Live, Unsupported, Gone;
    "dev-null" || device("/dev/null"), Made, Swallowed, Done, Stored;
    "dev-zero" || device("/dev/zero"), Made, Swallowed, Done, None;
    "dev-full" || device("/dev/full"), Made, Refused, Done, None;
    "dev-urandom" || device("/dev/urandom"), Made, Swallowed, Done, None;
    "file-read" || file(OFlags::RDONLY), Stored, Nowhere, None, Stored;
    "file-unreadable" unreadable, Refused, Nowhere, None, None;
    "file-write" || file(OFlags::WRONLY), Nothing, Stored, Done, None;
    "file-append" || file(OFlags::WRONLY.union(OFlags::APPEND)), Nothing, Stored, Done, None;
    "file-read-write" || file(OFlags::RDWR), Stored, Stored, Done, Stored;
    "memfd" memory, Stored, Stored, Done, Stored;
    "two-pipes" two_pipes, Live, Live, Shown, Said;
    "two-fifos" two_fifos, Live, Live, Shown, Said;
    "two-files" two_files, Stored, Stored, Done, Stored;
    "socket-and-file" socket_and_file, Live, Stored, Done, Said;
    "file-and-socket" file_and_socket, Stored, Live, Shown, Stored;
    "socket-and-pipe" socket_and_pipe, Live, Live, Shown, Said;
}

pub(crate) fn pipe() -> (OwnedFd, OwnedFd) {
    pipe_with(PipeFlags::CLOEXEC).unwrap()
}

fn unix() -> (Near, Far) {
    let (near, far) = UnixStream::pair().unwrap();
    (Near::One(near.into()), Far::socket(far.into()))
}

fn tcp_socket() -> (Near, Far) {
    let (near, far) = tcp();
    (Near::One(near.into()), Far::socket(far.into()))
}

fn pipe_reader() -> (Near, Far) {
    let (read, write) = pipe();
    (Near::One(read), Far::two(Some(write), None))
}

fn pipe_writer() -> (Near, Far) {
    let (read, write) = pipe();
    (Near::One(write), Far::two(None, Some(read)))
}

fn two_pipes() -> (Near, Far) {
    let ((near_in, far_out), (far_in, near_out)) = (pipe(), pipe());
    (
        Near::Two(near_in, near_out),
        Far::two(Some(far_out), Some(far_in)),
    )
}

pub(crate) struct Fifo {
    pub(crate) folder: tempfile::TempDir,
}

impl Fifo {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        mkfifoat(CWD, folder.path().join("fifo"), Mode::RUSR | Mode::WUSR).unwrap();
        Self { folder }
    }

    pub(crate) fn open(&self, flags: OFlags) -> OwnedFd {
        let path = self.folder.path().join("fifo");
        open(path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap()
    }

    /// Reader and writer, both blocking.
    pub(crate) fn ends(&self) -> (OwnedFd, OwnedFd) {
        let reader = self.open(OFlags::RDONLY | OFlags::NONBLOCK);
        let writer = self.open(OFlags::WRONLY);
        set_nonblocking(&reader, false);
        (reader, writer)
    }
}

/// By whoever has the open file. (`FIONBIO` is for sockets and the like.)
pub(crate) fn set_nonblocking(fd: &impl AsFd, set: bool) {
    let mut flags = status(fd.as_fd());
    flags.set(OFlags::NONBLOCK, set);
    fcntl_setfl(fd, flags).unwrap();
}

fn fifo_reader() -> (Near, Far) {
    let fifo = Fifo::new();
    let (read, write) = fifo.ends();
    (Near::One(read), Far::two(Some(write), None))
}

fn fifo_writer() -> (Near, Far) {
    let fifo = Fifo::new();
    let (read, write) = fifo.ends();
    (Near::One(write), Far::two(None, Some(read)))
}

fn fifo_both() -> (Near, Far) {
    let fifo = Fifo::new();
    let near = fifo.open(OFlags::RDWR);
    let far = fifo.open(OFlags::WRONLY);
    (Near::One(near), Far::two(Some(far), None))
}

fn two_fifos() -> (Near, Far) {
    let (there, back) = (Fifo::new(), Fifo::new());
    let ((near_in, far_out), (far_in, near_out)) = (back.ends(), there.ends());
    (
        Near::Two(near_in, near_out),
        Far::two(Some(far_out), Some(far_in)),
    )
}

/// Master and slave, the latter raw: bytes go through as they are.
pub(crate) fn pty(master: OFlags, slave: OFlags) -> (OwnedFd, OwnedFd) {
    let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
    let master = openpt(OpenptFlags::from_bits_retain((flags | master).bits())).unwrap();
    grantpt(&master).unwrap();
    unlockpt(&master).unwrap();
    let name = ptsname(&master, Vec::new()).unwrap();
    let slave = open(name, flags | slave, Mode::empty()).unwrap();
    let mut raw = tcgetattr(&slave).unwrap();
    raw.make_raw();
    tcsetattr(&slave, OptionalActions::Now, &raw).unwrap();
    (master, slave)
}

fn slave(flags: OFlags) -> (Near, Far) {
    let (master, slave) = pty(OFlags::empty(), flags);
    (Near::One(slave), Far::one(master))
}

/// Read without waiting it gives nothing, which is not the end.
fn slave_without_minimum() -> (Near, Far) {
    let (master, slave) = pty(OFlags::empty(), OFlags::empty());
    let mut modes = tcgetattr(&slave).unwrap();
    modes.special_codes[SpecialCodeIndex::VMIN] = 0;
    tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
    (Near::One(slave), Far::one(master))
}

fn master(flags: OFlags) -> (Near, Far) {
    let (master, slave) = pty(flags, OFlags::empty());
    (Near::One(master), Far::one(slave))
}

fn device(path: &str) -> (Near, Far) {
    let file = File::options().read(true).write(true).open(path).unwrap();
    (Near::One(file.into()), Far::two(None, None))
}

/// What was in the file before anybody came. Only who appends leaves it there.
const BEFORE: &[u8] = b"before ";

fn file(flags: OFlags) -> (Near, Far) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    let appends = flags.contains(OFlags::APPEND);
    std::fs::write(&path, if appends { BEFORE } else { b"" }).unwrap();
    let near = open(&path, flags | OFlags::CLOEXEC, Mode::empty()).unwrap();
    let far = Far::stored(File::open(&path).unwrap(), appended(&path));
    (
        Near::One(near),
        far.behind(if appends { BEFORE.len() } else { 0 }),
    )
}

/// This process's memory, of which nothing is at the beginning.
fn unreadable() -> (Near, Far) {
    let file = File::open("/proc/self/mem").unwrap();
    (Near::One(file.into()), Far::two(None, None))
}

fn appended(path: &std::path::Path) -> File {
    File::options().append(true).open(path).unwrap()
}

fn memory() -> (Near, Far) {
    use std::os::fd::AsRawFd as _;

    let near = memfd_create("memory", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
    let path = format!("/proc/self/fd/{}", near.as_raw_fd());
    let far = Far::stored(File::open(&path).unwrap(), appended(path.as_ref()));
    (Near::One(near), far)
}

/// A descriptor to read what is stored, and the far end that stores it.
fn stored_input() -> (OwnedFd, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("input");
    let far = File::create(&path).unwrap();
    (File::open(path).unwrap().into(), far)
}

fn stored_output() -> (OwnedFd, File) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("output");
    let near = File::create(&path).unwrap();
    (near.into(), File::open(path).unwrap())
}

fn two_files() -> (Near, Far) {
    let ((read, far_in), (write, far_out)) = (stored_input(), stored_output());
    (Near::Two(read, write), Far::stored(far_out, far_in))
}

fn socket_and_file() -> (Near, Far) {
    let (near, far) = UnixStream::pair().unwrap();
    let (write, far_out) = stored_output();
    let far = Far::two(Some(far.into()), None).with_stored(far_out);
    (Near::Two(near.into(), write), far)
}

fn socket_and_pipe() -> (Near, Far) {
    let (near, far) = UnixStream::pair().unwrap();
    let (far_out, write) = pipe();
    let far = Far::two(Some(far.into()), Some(far_out)).ending_a_socket();
    (Near::Two(near.into(), write), far)
}

fn file_and_socket() -> (Near, Far) {
    let (near, far) = UnixStream::pair().unwrap();
    let (read, far_in) = stored_input();
    let far = Far::two(None, Some(far.into())).with_input(far_in);
    (Near::Two(read, near.into()), far)
}
