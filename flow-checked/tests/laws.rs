//! All laws pass through [`Checked`], with and without watching over wakes: nothing is lost on the way, and no good flow is reported.

#[path = "../../flow-testkit/tests/heap/mod.rs"]
mod heap;

use std::os::fd::OwnedFd;

use flow_checked::Checked;
use flow_core::Switch;
use flow_testkit::fd::Wires;
use flow_testkit::memory::Memory;
use flow_testkit::plain::Plain;
use flow_testkit::{Harness, Link, Need, Refused, Room, Shared, Suite};

/// What is different for each kind of flow.
trait Kind: Harness + Default {
    /// What it has not, in a binary that counts its heap.
    const LACKS: &'static [(Need, &'static str)];

    /// A checked flow for several threads, where it may go there.
    fn shared(flow: &Checked<Self::Flow>) -> Option<Shared<'_, Checked<Self::Flow>>>;
}

impl Kind for Memory {
    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "bytes in memory are not lost when the peer leaves",
        ),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "there is nothing below that could fail"),
        (Need::Runtime, "there is no runtime"),
    ];

    fn shared(flow: &Checked<Self::Flow>) -> Option<Shared<'_, Checked<Self::Flow>>> {
        Some(Box::new(flow))
    }
}

impl Kind for Plain<false> {
    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "a Unix socket loses nothing when the peer leaves",
        ),
        (
            Need::TornAbort,
            "a Unix socket has no way to say that a stream was cut off",
        ),
        (
            Need::Delivery,
            "nobody asks the kernel what the peer has read",
        ),
        (Need::Switch, "a plain flow stays on one thread"),
        (Need::Threads, "a plain flow stays on one thread"),
    ];

    fn shared(_: &Checked<Self::Flow>) -> Option<Shared<'_, Checked<Self::Flow>>> {
        None
    }
}

impl Kind for Plain<true> {
    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::CleanLeave,
            "a TCP peer that leaves with input unread resets",
        ),
        (
            Need::Delivery,
            "nobody asks the kernel what the peer has read",
        ),
        (Need::Switch, "a plain flow stays on one thread"),
        (Need::Threads, "a plain flow stays on one thread"),
    ];

    fn shared(_: &Checked<Self::Flow>) -> Option<Shared<'_, Checked<Self::Flow>>> {
        None
    }
}

/// Flows of `H`, checked: the first breach is a panic.
#[derive(Default)]
struct Wrapped<H, const WATCHED: bool>(H);

impl<H: Kind, const WATCHED: bool> Wrapped<H, WATCHED> {
    fn wrap(flow: H::Flow) -> Checked<H::Flow> {
        let checked = Checked::new(flow);
        if WATCHED {
            checked.watch_wakes()
        } else {
            checked
        }
    }
}

impl<H: Kind, const WATCHED: bool> Harness for Wrapped<H, WATCHED> {
    type Flow = Checked<H::Flow>;

    const LACKS: &'static [(Need, &'static str)] = <H as Kind>::LACKS;

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = self.0.pair();
        (Self::wrap(a), Self::wrap(b))
    }

    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        self.0.over(fd).map(Self::wrap)
    }

    fn wires(&self) -> Wires {
        self.0.wires()
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        self.0.link(room).map(Self::wrap)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let made = self.0.link_with(switch)?;
        Some(made.map(|link| link.map(Self::wrap)))
    }

    fn failing(&self) -> Option<Self::Flow> {
        self.0.failing().map(Self::wrap)
    }

    fn turn(&self) -> bool {
        self.0.turn()
    }

    fn settle(&self) -> bool {
        self.0.settle()
    }

    fn end_runtime(&self) -> bool {
        self.0.end_runtime()
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        <H as Kind>::shared(flow)
    }

    fn allocated(&self) -> Option<usize> {
        Some(heap::allocated())
    }
}

fn main() {
    Suite::new()
        .flow::<Wrapped<Memory, false>>("memory")
        .flow::<Wrapped<Memory, true>>("memory_watched")
        .flow::<Wrapped<Plain<false>, false>>("unix")
        .flow::<Wrapped<Plain<false>, true>>("unix_watched")
        .flow::<Wrapped<Plain<true>, true>>("tcp_watched")
        .main()
}
