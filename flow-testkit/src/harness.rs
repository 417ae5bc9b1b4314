//! What the author of a flow supplies: how to make one, and how to let its runtime run.

use std::any::Any;
use std::fmt;
use std::os::fd::OwnedFd;

use flow_core::{Engine, Flow, Switch, Transport};

use crate::fd::Wires;
use crate::fragile::Break;
use crate::peer::{FlowPeer, Peer};
use crate::row::End;

/// How much a link buffers between its flow and its peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Room {
    /// At least 64 KiB each way.
    Ample,
    /// As little as the kind can: a write of 256 KiB cannot be accepted while the peer does not read.
    Tight,
}

/// A flow, and its far end driven by hand.
pub struct Link<F> {
    /// The flow on which the law looks.
    pub flow: F,
    /// The other end: not a flow under test where that can be had, because equal faults on both ends cancel out.
    pub peer: Box<dyn Peer>,
}

impl<F> Link<F> {
    /// This flow, and that far end of it.
    pub fn new(flow: F, peer: impl Peer + 'static) -> Self {
        Self {
            flow,
            peer: Box::new(peer),
        }
    }

    /// The same link with the flow wrapped.
    pub fn map<G>(self, wrap: impl FnOnce(F) -> G) -> Link<G> {
        Link {
            flow: wrap(self.flow),
            peer: self.peer,
        }
    }
}

impl<F> fmt::Debug for Link<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Link").finish_non_exhaustive()
    }
}

/// A flow that several threads use: what [`Harness::shared`] gives.
pub type Shared<'f, F> = Box<dyn Flow<Error = <F as Flow>::Error> + Sync + 'f>;

/// What is left where a flow could not be made because its switch was off.
pub struct Refused {
    /// The far end of what was to become a flow.
    pub peer: Box<dyn Peer>,
    /// What was given back, and what keeps the stream open.
    pub back: Box<dyn Any>,
}

impl fmt::Debug for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused").finish_non_exhaustive()
    }
}

/// What a law may need beyond a connected pair. A harness that lacks one says so where it lists its tests, with the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Need {
    /// The peer can reset, bytes may be lost by it, and a reader is told: TCP.
    Reset,
    /// A peer that leaves with input unread loses nothing that it sent, so that its leaving is a plain end: `AF_UNIX`, memory.
    CleanLeave,
    /// The flow can tell whether the peer has read everything, and what it threw away: memory, `AF_UNIX`.
    Delivery,
    /// The peer can tell a stream that was cut off from one that ended.
    TornAbort,
    /// Flows over descriptors: [`Harness::over`].
    Descriptors,
    /// Flows can be attached to a switch: [`Harness::link_with`].
    Switch,
    /// There are flows whose writes fail for a reason that is not the peer's: [`Harness::failing`].
    Failing,
    /// Flows can be made that fail at a given byte, for a reason that is not the peer's: [`Harness::breaking`]. Asked only of harnesses that
    /// [offer](Harness::OFFERS) it.
    Breaking,
    /// Direct reads give something where 64 KiB have arrived: [`Flow::direct`]. Asked only of harnesses that [offer](Harness::OFFERS) it.
    Direct,
    /// Flows can be taken apart, and flows be made of what comes out: [`Harness::remade`]. Asked only of harnesses that
    /// [offer](Harness::OFFERS) it.
    Remade,
    /// The runtime can be ended while flows live: [`Harness::end_runtime`].
    Runtime,
    /// Flows can be used from several threads at once: [`Harness::shared`].
    Threads,
    /// The heap of this thread is counted: [`Harness::allocated`].
    Allocated,
    /// The law is alone in its process, so that descriptors and threads can be counted: [`main`](crate::main()) sees to that.
    Alone,
    /// Each call is a task of its own. A matter of the ways in which laws are run ([`Row`](crate::Row)), not of the flow.
    OwnTasks,
    /// No call is polled but where the law says so. A matter of the ways in which laws are run, not of the flow.
    ExactPolls,
}

impl Need {
    /// Whether it is for the runner to meet, and not for the flow.
    #[must_use]
    pub const fn is_of_runner(self) -> bool {
        matches!(self, Self::Alone | Self::OwnTasks | Self::ExactPolls)
    }

    /// Whether few flows have it, so that it is lacking where a harness does not [offer](Harness::OFFERS) it.
    #[must_use]
    pub const fn is_rare(self) -> bool {
        matches!(self, Self::Breaking | Self::Direct | Self::Remade)
    }
}

/// How the kit makes flows of one kind, and lets what drives them run.
///
/// One value serves one law. Laws poll by hand and never sleep; wherever one has to wait it calls [`turn`](Self::turn). Either
/// [`over`](Self::over) or [`pair`](Self::pair) is enough; [`link`](Self::link) is for flows that are neither over descriptors nor should be tested
/// against themselves.
pub trait Harness: 'static {
    /// The flow under test.
    type Flow: Flow + 'static;

    /// What these flows lack, each with the reason: laws that need it are shown as ignored, and never as passed. One that is not lacking after
    /// all is reported.
    const LACKS: &'static [(Need, &'static str)] = &[];

    /// What these flows have that few have ([`Need::is_rare`]): laws that need it are shown as ignored where it is not here.
    const OFFERS: &'static [Need] = &[];

    /// Laws that these flows are known to break, each with the reason: they are not run unless asked for. One that is kept after all is reported.
    const KNOWN: &'static [(&'static str, &'static str)] = &[];

    /// Two connected flows. By default made of [`over`](Self::over).
    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = self.wires().pair(Room::Ample);
        match (self.over(a), self.over(b)) {
            (Some(a), Some(b)) => (a, b),
            _ => panic!("this harness has neither `pair` nor `over`"),
        }
    }

    /// A flow over this descriptor, one end of [`wires`](Self::wires). `None` if the flow is not over descriptors.
    fn over(&self, fd: OwnedFd) -> Option<Self::Flow> {
        drop(fd);
        None
    }

    /// What the kit connects the two ends with, for [`over`](Self::over).
    fn wires(&self) -> Wires {
        Wires::Unix
    }

    /// A flow and its bare far end.
    ///
    /// By default a descriptor driven by system calls, where [`over`](Self::over) makes flows; otherwise the second flow of
    /// [`pair`](Self::pair), driven by hand.
    fn link(&self, room: Room) -> Link<Self::Flow> {
        let (ours, theirs) = self.wires().link(room);
        match self.over(ours) {
            Some(flow) => Link::new(flow, theirs),
            None => {
                let (first, second) = self.pair();
                let (flow, other) = End::current().of(first, second);
                Link::new(flow, FlowPeer::new(other))
            }
        }
    }

    /// A flow over this descriptor, tied to `switch`; where the switch is off, the descriptor that was given back. `None` if these
    /// flows know no switch, or no descriptors.
    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<Self::Flow, OwnedFd>> {
        let _ = (fd, switch);
        None
    }

    /// A link whose flow is tied to `switch`; where the switch is off, the peer and what was given back. `None` if these flows
    /// know no switch.
    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let (ours, theirs) = self.wires().link(Room::Tight);
        Some(match self.over_with(ours, switch)? {
            Ok(flow) => Ok(Link::new(flow, theirs)),
            Err(back) => Err(Refused {
                peer: Box::new(theirs),
                back: Box::new(back),
            }),
        })
    }

    /// A flow whose writes fail by an error that is not about the peer: one over `/dev/full`, say. `None` if there is no such flow of
    /// this kind.
    fn failing(&self) -> Option<Self::Flow> {
        None
    }

    /// A link whose flow fails there, for a reason that is not the peer's. `None` if these flows cannot be made to.
    ///
    /// Flows over a [`Transport`](flow_core::Transport) can: [`Fragile`](crate::Fragile) is one that does so round another one.
    fn breaking(&self, room: Room, at: Break) -> Option<Link<Self::Flow>> {
        let _ = (room, at);
        None
    }

    /// Takes a flow apart and makes one of what comes out; the flow as it was where it does not come apart.
    ///
    /// For flows that give their insides back: by `into_inner`, as a descriptor or as the stream below them. It must not wait for anything.
    ///
    /// ```
    /// use flow_core::memory::{self, MemoryFlow};
    /// use flow_testkit::{Harness, Need, engine_remade};
    ///
    /// struct MyHarness;
    ///
    /// impl Harness for MyHarness {
    ///     type Flow = MemoryFlow; // your flow
    ///
    ///     const OFFERS: &'static [Need] = &[Need::Remade];
    ///
    ///     fn pair(&self) -> (MemoryFlow, MemoryFlow) {
    ///         memory::pair(64 * 1024)
    ///     }
    ///
    ///     fn remade(&self, flow: MemoryFlow) -> Result<MemoryFlow, MemoryFlow> {
    ///         engine_remade(flow) // an `Engine`; others by their own `into_inner`
    ///     }
    /// }
    ///
    /// let (flow, _peer) = MyHarness.pair();
    /// assert!(MyHarness.remade(flow).is_ok());
    /// ```
    ///
    /// # Errors
    ///
    /// The flow, if it holds bytes that would be lost, or is over.
    fn remade(&self, flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        Err(flow)
    }

    /// Lets what delivers events to these flows run once, without waiting long.
    ///
    /// False if nothing came and, unless someone makes a further call, nothing ever will: always so for a flow that has no reactor. A law
    /// that waits for such a flow fails at once instead of hanging.
    fn turn(&self) -> bool {
        false
    }

    /// Lets everything happen that happens without further calls, and says whether that is certain.
    ///
    /// Where it is, a law that still waits afterwards has found a lost wake, at once and without a doubt. Where it is not, which is the default, laws
    /// settle by events of their own, and a hang is told by the watchdog alone.
    fn settle(&self) -> bool {
        false
    }

    /// Runs `call` where flows of this kind can be made and polled: inside the runtime, where there is one.
    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        call()
    }

    /// Ends the runtime under the flows that live. False if there is none.
    fn end_runtime(&self) -> bool {
        false
    }

    /// The flow for use from several threads at once. `None` if flows of this kind stay on one thread.
    ///
    /// Where they do not, the body is `Some(Box::new(flow))`: that it compiles is the proof that the flow is `Sync`. The kit has
    /// threads of its own.
    ///
    /// ```
    /// use flow_core::memory::{self, MemoryFlow};
    /// use flow_testkit::{Harness, Shared};
    ///
    /// struct MyHarness;
    ///
    /// impl Harness for MyHarness {
    ///     type Flow = MemoryFlow; // your flow
    ///
    ///     fn pair(&self) -> (MemoryFlow, MemoryFlow) {
    ///         memory::pair(64 * 1024)
    ///     }
    ///
    ///     fn shared<'f>(&'f self, flow: &'f MemoryFlow) -> Option<Shared<'f, MemoryFlow>> {
    ///         Some(Box::new(flow))
    ///     }
    /// }
    ///
    /// let (flow, _peer) = MyHarness.pair();
    /// let shared = MyHarness.shared(&flow).expect("it is `Sync`");
    /// std::thread::scope(|s| s.spawn(|| shared.abort()).join()).expect("no panic");
    /// ```
    ///
    /// Calls are polled outside of [`enter`](Self::enter) there. A flow that can be polled nowhere but inside its runtime is given in a wrapper that
    /// goes inside for each call.
    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        let _ = flow;
        None
    }

    /// How many tasks live on the runtime. Those that were not there before a law and are left after it are reported.
    fn tasks(&self) -> usize {
        0
    }

    /// How many bytes of heap this thread has allocated and not freed, if the test binary counts them.
    fn allocated(&self) -> Option<usize> {
        None
    }
}

/// An engine taken apart, and one made of its parts: [`Harness::remade`] of every flow that is an [`Engine`].
///
/// # Errors
///
/// The flow, as from [`Engine::into_parts`].
pub fn engine_remade<T: Transport>(flow: Engine<T>) -> Result<Engine<T>, Engine<T>> {
    let parts = flow.into_parts()?;
    Ok(Engine::new(parts.transport, parts.rx, parts.tx))
}
