//! Opening the two sides: listeners first, then FROM, then TO.

use std::ffi::OsStr;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use flow_core::{Flow as _, FlowExt as _, Shutdown, WriteError};
use flow_unix::ErrorKind;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use crate::address::Address;
use crate::args::Args;
use crate::backend::Backend;
use crate::failure::{Failure, say};
use crate::gone::Gone;

/// One side of a relay, open.
pub(crate) struct Side<'a, B: Backend> {
    pub(crate) address: &'a Address,
    pub(crate) flow: B::Flow,
    pub(crate) gone: Gone,
    pub(crate) child: Option<Child>,
}

/// What of a side is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Both,
    Source,
    Destination,
}

/// A listener, or nothing: everything else is opened when its turn comes.
enum Bound<B: Backend> {
    Nothing,
    Unix(B::Unix),
    Tcp(B::Tcp),
}

/// Opens FROM and then TO; so nobody is called, and no file is truncated, for a side that does not come. Listeners are there from the beginning,
/// and end with their first connection.
pub(crate) async fn open<B: Backend>(args: &Args) -> Result<(Side<'_, B>, Side<'_, B>), Failure> {
    let (source, destination) = if args.is_one_way() {
        (Part::Source, Part::Destination)
    } else {
        (Part::Both, Part::Both)
    };
    let from_listener = Bound::<B>::at(&args.from, args.verbose).await?;
    let to_listener = Bound::<B>::at(&args.to, args.verbose).await?;
    let from = side(&args.from, from_listener, source, None).await?;
    let read = B::with_fd(&from.flow, |fd| fd.try_clone_to_owned());
    let to = side(
        &args.to,
        to_listener,
        destination,
        read.and_then(Result::ok),
    )
    .await?;
    Ok((from, to))
}

impl<B: Backend> Bound<B> {
    async fn at(address: &Address, verbose: bool) -> Result<Self, Failure> {
        let (bound, place) = match address {
            Address::UnixListen(path) => {
                let listener = B::listen_unix(path).map_err(|e| Failure::at(address, &e))?;
                (Self::Unix(listener), path.display().to_string())
            }
            Address::TcpListen(host) => {
                let failed = |e| Failure::at(address, &e);
                let listener = B::listen_tcp(host).await.map_err(failed)?;
                let place = B::local_addr(&listener).map_err(failed)?.to_string();
                (Self::Tcp(listener), place)
            }
            _ => return Ok(Self::Nothing),
        };
        if verbose {
            say(&format!("listening at {place}"));
        }
        Ok(bound)
    }
}

async fn side<B: Backend>(
    address: &Address,
    bound: Bound<B>,
    part: Part,
    other: Option<OwnedFd>,
) -> Result<Side<'_, B>, Failure> {
    let failed = |e| Failure::at(address, &e);
    let os = |e: io::Error| {
        Failure::because(
            address,
            Errno::from_io_error(&e).map_or_else(|| e.to_string(), |errno| errno.to_string()),
        )
    };
    let connect = |fd| B::connect(fd).map_err(|e| Failure::at(address, &e));
    let flow = match (address, bound) {
        (Address::UnixListen(_), Bound::Unix(listener)) => {
            B::accept_unix(&listener).await.map_err(failed)?
        }
        (Address::TcpListen(_), Bound::Tcp(listener)) => {
            B::accept_tcp(&listener).await.map_err(failed)?
        }
        (Address::UnixListen(_) | Address::TcpListen(_), _) => unreachable!("it was bound"),
        (Address::Unix(path), _) => B::connect_unix(path).await.map_err(failed)?,
        (Address::Tcp(host), _) => B::connect_tcp(host).await.map_err(failed)?,
        (Address::Stdio, _) => match part {
            Part::Both => B::stdio().map_err(failed)?,
            Part::Source => connect(io::stdin().as_fd().try_clone_to_owned().map_err(os)?)?,
            Part::Destination => connect(io::stdout().as_fd().try_clone_to_owned().map_err(os)?)?,
        },
        (Address::File(path), _) => {
            let path = path.clone();
            // A FIFO waits for its other end.
            let file = blocking::unblock(move || match part {
                Part::Destination => create(path, other),
                _ => File::open(path),
            });
            connect(file.await.map_err(os)?.into())?
        }
        (Address::Exec(command), _) => return start(address, command, part),
    };
    let gone = if address.is_socket() {
        B::with_fd(&flow, Gone::of).unwrap_or(Gone::never())
    } else {
        Gone::never()
    };
    Ok(Side {
        address,
        flow,
        gone,
        child: None,
    })
}

/// What is written to, unless it is what is read.
fn create(path: PathBuf, source: Option<OwnedFd>) -> io::Result<File> {
    let file = File::options()
        .write(true)
        .create(true)
        .truncate(false)
        .open(path)?;
    let ours = file.metadata()?;
    if !ours.is_file() {
        return Ok(file);
    }
    if let Some(source) = source {
        let theirs = File::from(source).metadata()?;
        if (ours.dev(), ours.ino()) == (theirs.dev(), theirs.ino()) {
            return Err(io::Error::other("it is the source itself"));
        }
    }
    file.set_len(0)?;
    Ok(file)
}

fn start<'a, B: Backend>(
    address: &'a Address,
    command: &OsStr,
    part: Part,
) -> Result<Side<'a, B>, Failure> {
    let piped = |is| if is { Stdio::piped() } else { Stdio::inherit() };
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .stdin(piped(part != Part::Source))
        .stdout(piped(part != Part::Destination))
        .spawn()
        .map_err(|e| Failure::at(address, &e))?;
    let input = child.stdin.take().map(OwnedFd::from);
    let output = child.stdout.take().map(OwnedFd::from);
    let gone = input
        .as_ref()
        .map_or(Gone::never(), |input| Gone::of(input.as_fd()));
    let connect = |fd| B::connect(fd).map_err(|e| Failure::at(address, &e));
    let flow = match (output, input) {
        (Some(output), Some(input)) => {
            B::from_pair(output, input).map_err(|e| Failure::at(address, &e))?
        }
        (Some(one), None) | (None, Some(one)) => connect(one)?,
        (None, None) => unreachable!("one of the two was piped"),
    };
    Ok(Side {
        address,
        flow,
        gone,
        child: Some(child),
    })
}

impl<B: Backend> Side<'_, B> {
    /// Whether a read would not wait.
    pub(crate) fn has_input(&self) -> bool {
        const NOW: Timespec = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let ready = B::with_fd(&self.flow, |fd| {
            poll(
                &mut [PollFd::from_borrowed_fd(fd, PollFlags::IN)],
                Some(&NOW),
            )
        });
        matches!(ready, Some(Ok(1..)))
    }

    /// Passes an end on. Where there is no such thing, on a terminal, that is all.
    pub(crate) async fn end(&self) -> Option<Failure> {
        match self.flow.shutdown(Shutdown::Write).await {
            Ok(()) => None,
            Err(WriteError::Transport(e)) if e.kind() == ErrorKind::Unsupported => None,
            Err(e) => self.refusal(e),
        }
    }

    /// What it is that this side takes nothing any more. For a command that is ordinary: it need not read all of its input.
    pub(crate) fn refusal(&self, error: WriteError<flow_unix::Error>) -> Option<Failure> {
        match (error, self.address) {
            (WriteError::Closed, Address::Stdio) => Some(Failure::Quiet),
            (WriteError::Closed, Address::Exec(_)) => None,
            (WriteError::Transport(e), _) => Some(Failure::at(self.address, &e)),
            (e, _) if e.is_closed() => {
                let why = "the peer is gone, or takes nothing any more";
                Some(Failure::because(self.address, why))
            }
            (e, _) => Some(Failure::at(self.address, &e)),
        }
    }

    /// What was lost where the peer has gone by itself. Nothing, as far as a command is concerned.
    pub(crate) fn loss(&self) -> Option<Failure> {
        let lost = self.address.is_socket() && self.flow.delivered().is_no();
        lost.then(|| Failure::because(self.address, "the peer left without having read everything"))
    }

    /// Reads up to the end, for nobody.
    pub(crate) async fn discard(&self) -> Result<(), Failure> {
        loop {
            match self.flow.read().await {
                Ok(Some(_)) => {}
                Ok(None) => return Ok(()),
                Err(e) => return Err(Failure::at(self.address, &e)),
            }
        }
    }
}
