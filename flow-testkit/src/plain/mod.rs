//! A flow over a descriptor with a reactor of its own, as small as one can be: the good twin of the broken flows over descriptors, and
//! an example of a harness for a flow that has a reactor.
//!
//! Edge-triggered and on one thread. For tests; real flows over descriptors are in the crates for the runtimes.

mod reactor;
mod socket;

use std::os::fd::OwnedFd;

use flow_core::Engine;

use crate::fd::Wires;
use crate::harness::{Harness, Need, engine_remade};

#[cfg(feature = "broken")]
pub(crate) use self::reactor::Which;
pub use self::socket::{PlainError, Socket};

/// A flow over a stream socket.
pub type PlainFlow = Engine<Socket>;

/// Makes plain flows over Unix sockets, or over TCP.
#[derive(Clone, Copy, Debug, Default)]
pub struct Plain<const TCP: bool>;

impl<const TCP: bool> Harness for Plain<TCP> {
    type Flow = PlainFlow;

    const LACKS: &'static [(Need, &'static str)] = &[
        if TCP {
            (
                Need::CleanLeave,
                "a TCP peer that leaves with input unread resets",
            )
        } else {
            (
                Need::Reset,
                "a Unix socket loses nothing when the peer leaves",
            )
        },
        if TCP {
            (Need::Switch, "a plain flow stays on one thread")
        } else {
            (
                Need::TornAbort,
                "a Unix socket has no way to say that a stream was cut off",
            )
        },
        (
            Need::Delivery,
            "nobody asks the kernel what the peer has read",
        ),
        (Need::Switch, "a plain flow stays on one thread"),
        (Need::Threads, "a plain flow stays on one thread"),
        (Need::Allocated, "this binary does not count its heap"),
    ];

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn over(&self, fd: OwnedFd) -> Option<PlainFlow> {
        Some(Engine::new(Socket::new(fd), (), ()))
    }

    fn wires(&self) -> Wires {
        if TCP { Wires::Tcp } else { Wires::Unix }
    }

    fn failing(&self) -> Option<PlainFlow> {
        // A pipe is no socket, says every system call.
        let (_, pipe) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).expect("pipe");
        self.over(pipe)
    }

    fn remade(&self, flow: PlainFlow) -> Result<PlainFlow, PlainFlow> {
        engine_remade(flow)
    }

    fn turn(&self) -> bool {
        turn(TCP)
    }

    fn end_runtime(&self) -> bool {
        reactor::end();
        true
    }
}

/// Lets the reactor of this thread run once. Bytes on a Unix socket are there as soon as they are sent; on TCP more may come at any time.
pub(crate) fn turn(tcp: bool) -> bool {
    reactor::turn() || (tcp && !reactor::is_ended())
}
