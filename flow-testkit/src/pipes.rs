//! Two pipes for the kit's own use: what a flow that reads one descriptor and writes another is tested over.

use std::os::fd::OwnedFd;

use rustix::fs::{CWD, Mode, OFlags, fcntl_getfl, fcntl_setfl, mkfifoat, open, unlink};
use rustix::io::{Errno, read, write};
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use crate::harness::Room;
use crate::peer::{Peer, Recv};

/// What the kit connects two ends with, one of it for each direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pipes {
    /// pipe(2).
    Anonymous,
    /// fifo(7).
    Named,
}

/// The descriptors of one end: the one to read from, the one to write to.
pub type Ends = (OwnedFd, OwnedFd);

impl Pipes {
    /// Two connected ends, close-on-exec, in blocking mode as a stranger would make them.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn pair(self, room: Room) -> (Ends, Ends) {
        let ((ours_in, theirs_out), (theirs_in, ours_out)) = (self.one(room), self.one(room));
        ((ours_in, ours_out), (theirs_in, theirs_out))
    }

    /// The descriptors for a flow, and its far end.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn link(self, room: Room) -> (Ends, PipePeer) {
        let (ours, theirs) = self.pair(room);
        (ours, PipePeer::new(theirs))
    }

    fn one(self, room: Room) -> Ends {
        let (reader, writer) = match self {
            Self::Anonymous => pipe_with(PipeFlags::CLOEXEC).expect("pipe"),
            Self::Named => named(),
        };
        let size = match room {
            Room::Ample => 128 * 1024,
            Room::Tight => 4096,
        };
        fcntl_setpipe_size(&writer, size).expect("F_SETPIPE_SZ");
        (reader, writer)
    }
}

/// Both ends of a FIFO, of which the name is gone again.
fn named() -> Ends {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static NEXT: AtomicUsize = AtomicUsize::new(0);
    let number = NEXT.fetch_add(1, Ordering::Relaxed);
    let name = format!("flow-testkit-{}-{number}", std::process::id());
    let path = std::env::temp_dir().join(name);
    mkfifoat(CWD, &path, Mode::RUSR | Mode::WUSR).expect("mkfifo");
    let end = |flags| open(&path, flags | OFlags::CLOEXEC, Mode::empty()).expect("a fifo");
    // Opening one end waits for the other, but for this flag, which is taken away again.
    let reader = end(OFlags::RDONLY | OFlags::NONBLOCK);
    let writer = end(OFlags::WRONLY);
    fcntl_setfl(&reader, OFlags::empty()).expect("F_SETFL");
    unlink(&path).expect("unlink");
    (reader, writer)
}

/// The far ends of two pipes, driven by system calls that never wait.
#[derive(Debug)]
pub struct PipePeer {
    reader: Option<OwnedFd>,
    writer: Option<OwnedFd>,
}

impl PipePeer {
    /// These descriptors as a far end. `O_NONBLOCK` is set on them: the two ends of a pipe do not share it.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    #[must_use]
    pub fn new((reader, writer): Ends) -> Self {
        for fd in [&reader, &writer] {
            let flags = fcntl_getfl(fd).expect("F_GETFL");
            fcntl_setfl(fd, flags | OFlags::NONBLOCK).expect("F_SETFL");
        }
        Self {
            reader: Some(reader),
            writer: Some(writer),
        }
    }

    fn reader(&self) -> &OwnedFd {
        self.reader.as_ref().expect("the peer has left")
    }
}

impl Peer for PipePeer {
    fn send(&mut self, data: &[u8]) -> usize {
        let Some(writer) = &self.writer else {
            return 0;
        };
        // The signal of a broken pipe is ignored in programs of std.
        match write(writer, data) {
            Ok(count) => count,
            Err(Errno::AGAIN | Errno::PIPE) => 0,
            Err(e) => panic!("the peer could not send: {e}"),
        }
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        match read(self.reader(), buf) {
            Ok(0) => Recv::End,
            Ok(count) => Recv::Data(count),
            Err(Errno::AGAIN) => Recv::Empty,
            Err(e) => panic!("the peer could not receive: {e}"),
        }
    }

    fn queued(&mut self) -> usize {
        let count = rustix::io::ioctl_fionread(self.reader()).expect("FIONREAD");
        usize::try_from(count).expect("a count of bytes in memory")
    }

    fn end(&mut self) {
        self.writer = None;
    }

    fn vanish(&mut self) {
        self.reader = None;
        self.writer = None;
    }
}
