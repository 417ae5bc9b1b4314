//! The flows of this backend, for every law: on async-std and smol, over sockets and pipes.

use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use flow_async_std::{AsyncStdFlow, connect, connect_with, from_pair, from_pair_with};
use flow_core::Switch;
use flow_testkit::fd::Wires;
use flow_testkit::{Harness, Link, Need, Refused, Room, Shared, Suite};

#[path = "../../../flow-unix/tests/backends/wired.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the flows of both backends are run by one program too"
)]
mod wired;
use wired::{Fifos, Over, Pipe, Tcp, TcpAtOnce, Unix, UnixAtOnce, Wired};

/// async-std or smol, each with its threads; over what is wired so. The reactor of both is async-io's, in a thread of its own.
struct AsyncIo<const SMOL: bool, W>(PhantomData<W>);

impl<const SMOL: bool, W> Default for AsyncIo<SMOL, W> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<const SMOL: bool, W: Wired> Harness for AsyncIo<SMOL, W> {
    type Flow = AsyncStdFlow;

    const LACKS: &'static [(Need, &'static str)] = W::LACKS_WITHOUT_END;
    const OFFERS: &'static [Need] = W::OFFERS;

    fn over(&self, fd: OwnedFd) -> Option<AsyncStdFlow> {
        matches!(W::OVER, Over::Socket(_)).then(|| connect(fd).expect("a connected socket"))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<AsyncStdFlow, OwnedFd>> {
        Some(connect_with(fd, switch).map_err(|e| e.into_fd()))
    }

    fn wires(&self) -> Wires {
        match W::OVER {
            Over::Socket(wires) => wires,
            Over::Pipes(_) => Wires::Unix,
        }
    }

    fn pair(&self) -> (AsyncStdFlow, AsyncStdFlow) {
        match W::OVER {
            Over::Socket(wires) => {
                let (a, b) = wires.pair(Room::Ample);
                (
                    connect(W::ready(a)).expect("a socket"),
                    connect(W::ready(b)).expect("a socket"),
                )
            }
            Over::Pipes(pipes) => {
                let (a, b) = pipes.pair(Room::Ample);
                (
                    from_pair(a.0, a.1).expect("two pipes"),
                    from_pair(b.0, b.1).expect("two pipes"),
                )
            }
        }
    }

    fn link(&self, room: Room) -> Link<AsyncStdFlow> {
        match W::OVER {
            Over::Socket(wires) => {
                let (ours, theirs) = wires.link(room);
                Link::new(connect(W::ready(ours)).expect("a socket"), theirs)
            }
            Over::Pipes(pipes) => {
                let ((read, write), theirs) = pipes.link(room);
                Link::new(from_pair(read, write).expect("two pipes"), theirs)
            }
        }
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<AsyncStdFlow>, Refused>> {
        Some(match W::OVER {
            Over::Socket(wires) => {
                let (ours, theirs) = wires.link(Room::Tight);
                match connect_with(W::ready(ours), switch) {
                    Ok(flow) => Ok(Link::new(flow, theirs)),
                    Err(e) => Err(Refused {
                        peer: Box::new(theirs),
                        back: Box::new(e.into_fd()),
                    }),
                }
            }
            Over::Pipes(pipes) => {
                let ((read, write), theirs) = pipes.link(Room::Tight);
                match from_pair_with(read, write, switch) {
                    Ok(flow) => Ok(Link::new(flow, theirs)),
                    Err(e) => Err(Refused {
                        peer: Box::new(theirs),
                        back: Box::new(e.into_fds()),
                    }),
                }
            }
        })
    }

    fn failing(&self) -> Option<AsyncStdFlow> {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        Some(connect(full).expect("a device"))
    }

    fn remade(&self, flow: AsyncStdFlow) -> Result<AsyncStdFlow, AsyncStdFlow> {
        Ok(match W::OVER {
            Over::Socket(_) => connect(flow.into_fd()?).expect("a socket"),
            Over::Pipes(_) => {
                let (read, write) = flow.into_fds()?;
                from_pair(read, write).expect("two pipes")
            }
        })
    }

    fn turn(&self) -> bool {
        // Each executor's own way to block also turns the reactor.
        if SMOL {
            smol::block_on(futures_lite::future::yield_now());
        } else {
            async_std::task::block_on(async_std::task::yield_now());
        }
        std::thread::yield_now();
        true
    }

    fn shared<'f>(&'f self, flow: &'f AsyncStdFlow) -> Option<Shared<'f, AsyncStdFlow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        Some(crate::heap::allocated())
    }
}

/// The flows of this backend.
pub(crate) fn add_to(suite: Suite) -> Suite {
    suite
        .flow::<AsyncIo<false, Unix>>("async-std/unix")
        .flow::<AsyncIo<false, TcpAtOnce>>("async-std/tcp")
        .flow::<AsyncIo<true, UnixAtOnce>>("smol/unix")
        .flow::<AsyncIo<true, Tcp>>("smol/tcp")
        .flow::<AsyncIo<true, Pipe>>("smol/pipes")
        .flow::<AsyncIo<true, Fifos>>("smol/fifos")
}
