//! Making flows of descriptors that are there already: of one, or of one to read and one to write.

use std::os::fd::OwnedFd;

use flow_core::Switch;

use crate::kind::{Access, Thing};
use crate::opened::Opened;
use crate::source::Source;
use crate::{ConnectError, FdEngine, FdTransport, PairError, Readiness, into_fd, into_fds};

/// Makes a flow of a descriptor, on the runtime of the code that is running.
///
/// Anything that carries a stream of bytes: a connected stream socket, either end of a pipe or FIFO, a terminal, a device, a file.
///
/// # Errors
///
/// [`ConnectError`], which gives the descriptor back.
///
/// # Panics
///
/// If a `Readiness` that was refused by its runtime keeps the descriptor.
pub fn connect<R: Readiness>(fd: OwnedFd) -> Result<FdEngine<R>, ConnectError> {
    let opened = Opened::new(fd, Access::BOTH)?;
    let runtime = match R::runtime() {
        Ok(runtime) => runtime,
        Err(e) => return Err(ConnectError::os(e, opened.into_original())),
    };
    let access = opened.access;
    match Source::register(&runtime, opened) {
        Ok(source) => Ok(FdTransport::of_one(runtime, source, access)),
        Err((e, fd)) => Err(ConnectError::os(e, fd)),
    }
}

/// Makes a flow that reads one descriptor and writes another: two pipes, a child's output and input.
///
/// # Errors
///
/// [`PairError`], which gives both back.
///
/// # Panics
///
/// If a `Readiness` that was refused by its runtime keeps the descriptor.
pub fn from_pair<R: Readiness>(read: OwnedFd, write: OwnedFd) -> Result<FdEngine<R>, PairError> {
    let reading = match Opened::new(read, Access::READ) {
        Ok(opened) if opened.access.read => opened,
        Ok(opened) => {
            return Err(PairError::read(
                ConnectError::wrong_way("reading", Thing::Of(opened.kind), opened.into_original()),
                write,
            ));
        }
        Err(e) => return Err(PairError::read(e, write)),
    };
    let writing = match Opened::new(write, Access::WRITE) {
        Ok(opened) if opened.access.write => opened,
        Ok(opened) => {
            return Err(PairError::write(
                reading.into_original(),
                ConnectError::wrong_way("writing", Thing::Of(opened.kind), opened.into_original()),
            ));
        }
        Err(e) => return Err(PairError::write(reading.into_original(), e)),
    };
    let runtime = match R::runtime() {
        Ok(runtime) => runtime,
        Err(e) => {
            return Err(PairError::read(
                ConnectError::os(e, reading.into_original()),
                writing.into_original(),
            ));
        }
    };
    let read = match Source::register(&runtime, reading) {
        Ok(source) => source,
        Err((e, fd)) => {
            return Err(PairError::read(
                ConnectError::os(e, fd),
                writing.into_original(),
            ));
        }
    };
    match Source::register(&runtime, writing) {
        Ok(write) => Ok(FdTransport::of_two(runtime, read, write)),
        Err((e, fd)) => Err(PairError::write(read.into_fd(), ConnectError::os(e, fd))),
    }
}

/// The same as [`connect`], tied to a switch: turning that off aborts the flow.
///
/// # Errors
///
/// [`ConnectError`], which gives the descriptor back, also where the switch is off.
///
/// # Panics
///
/// If a `Readiness` keeps the descriptor that it was to let go.
pub fn connect_with<R>(fd: OwnedFd, switch: &Switch) -> Result<FdEngine<R>, ConnectError>
where
    R: Readiness<Runtime: Send + Sync> + Send + Sync + 'static,
{
    let flow = connect(fd)?;
    match flow.attach(switch) {
        Ok(()) => Ok(flow),
        Err(off) => {
            let fd = into_fd(flow).expect("a flow that nobody has used is whole");
            Err(off.map(|()| fd).into())
        }
    }
}

/// The same as [`from_pair`], tied to a switch: turning that off aborts the flow.
///
/// # Errors
///
/// [`PairError`], which gives both descriptors back, also where the switch is off.
///
/// # Panics
///
/// If a `Readiness` keeps a descriptor that it was to let go.
pub fn from_pair_with<R>(
    read: OwnedFd,
    write: OwnedFd,
    switch: &Switch,
) -> Result<FdEngine<R>, PairError>
where
    R: Readiness<Runtime: Send + Sync> + Send + Sync + 'static,
{
    let flow = from_pair(read, write)?;
    match flow.attach(switch) {
        Ok(()) => Ok(flow),
        Err(off) => {
            let fds = into_fds(flow).expect("a flow that nobody has used is whole");
            Err(off.map(|()| fds).into())
        }
    }
}
