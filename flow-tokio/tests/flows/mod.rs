//! The flows of this backend, for every law: on runtimes of one thread and of several, over sockets and pipes.

use std::cell::RefCell;
use std::fs::File;
use std::marker::PhantomData;
use std::os::fd::OwnedFd;

use flow_core::memory::{self, MemoryFlow};
use flow_core::{Engine, Switch};
use flow_testkit::fd::Wires;
use flow_testkit::memory::WirePeer;
use flow_testkit::{Harness, Link, Need, Refused, Room, Shared, Suite, engine_remade};
use flow_tokio::{
    TokioFlow, TokioIo, TokioIoTransport, connect, connect_with, from_pair, from_pair_with,
    from_tokio_io, socketpair,
};
use tokio::runtime::{Builder, Runtime};

#[path = "../../../flow-unix/tests/backends/wired.rs"]
#[allow(
    clippy::duplicate_mod,
    reason = "the flows of both backends are run by one program too"
)]
mod wired;
use wired::{Fifos, Over, Pipe, Tcp, TcpAtOnce, Unix, UnixAtOnce, Wired};

/// A runtime of one thread, driven by the law itself, or of several; over what is wired so.
struct Tokio<const THREADS: bool, W>(RefCell<Option<Runtime>>, PhantomData<W>);

impl<const THREADS: bool, W> Default for Tokio<THREADS, W> {
    fn default() -> Self {
        let mut builder = match THREADS {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        let runtime = builder.worker_threads(1).enable_io().build();
        Self(RefCell::new(Some(runtime.expect("a runtime"))), PhantomData)
    }
}

impl<const THREADS: bool, W: Wired> Harness for Tokio<THREADS, W> {
    type Flow = TokioFlow;

    const LACKS: &'static [(Need, &'static str)] = W::LACKS;
    const OFFERS: &'static [Need] = W::OFFERS;

    fn over(&self, fd: OwnedFd) -> Option<TokioFlow> {
        matches!(W::OVER, Over::Socket(_)).then(|| connect(fd).expect("a connected socket"))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<TokioFlow, OwnedFd>> {
        Some(connect_with(fd, switch).map_err(|e| e.into_fd()))
    }

    fn wires(&self) -> Wires {
        match W::OVER {
            Over::Socket(wires) => wires,
            Over::Pipes(_) => Wires::Unix,
        }
    }

    fn pair(&self) -> (TokioFlow, TokioFlow) {
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

    fn link(&self, room: Room) -> Link<TokioFlow> {
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

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<TokioFlow>, Refused>> {
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

    fn failing(&self) -> Option<TokioFlow> {
        let full = File::options()
            .write(true)
            .open("/dev/full")
            .expect("/dev/full");
        Some(connect(full).expect("a device"))
    }

    fn remade(&self, flow: TokioFlow) -> Result<TokioFlow, TokioFlow> {
        Ok(match W::OVER {
            Over::Socket(_) => connect(flow.into_fd()?).expect("a socket"),
            Over::Pipes(_) => {
                let (read, write) = flow.into_fds()?;
                from_pair(read, write).expect("two pipes")
            }
        })
    }

    fn turn(&self) -> bool {
        match &*self.0.borrow() {
            Some(_) if THREADS => std::thread::yield_now(),
            // A task that yields lets the reactor be asked without waiting.
            Some(runtime) => runtime.block_on(tokio::task::yield_now()),
            None => return false,
        }
        true
    }

    fn tasks(&self) -> usize {
        let runtime = self.0.borrow();
        runtime
            .as_ref()
            .map_or(0, |runtime| runtime.metrics().num_alive_tasks())
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        let handle = self
            .0
            .borrow()
            .as_ref()
            .map(|runtime| runtime.handle().clone());
        let _inside = handle.as_ref().map(|handle| handle.enter());
        call()
    }

    fn end_runtime(&self) -> bool {
        // Dropping it waits for its threads.
        self.0.take().is_some()
    }

    fn shared<'f>(&'f self, flow: &'f TokioFlow) -> Option<Shared<'f, TokioFlow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        Some(crate::heap::allocated())
    }
}

/// A flow that `socketpair` has made, on a runtime of one thread.
#[derive(Default)]
struct Paired(Tokio<false, Unix>);

impl Harness for Paired {
    type Flow = TokioFlow;

    const LACKS: &'static [(Need, &'static str)] = wired::PAIR_LACKS;
    const KNOWN: &'static [(&'static str, &'static str)] = wired::PAIR_KNOWN;

    fn pair(&self) -> (TokioFlow, TokioFlow) {
        self.0.enter(|| socketpair().expect("a pair"))
    }

    fn turn(&self) -> bool {
        self.0.turn()
    }

    fn tasks(&self) -> usize {
        self.0.tasks()
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        self.0.enter(call)
    }

    fn end_runtime(&self) -> bool {
        self.0.end_runtime()
    }

    fn shared<'f>(&'f self, flow: &'f TokioFlow) -> Option<Shared<'f, TokioFlow>> {
        self.0.shared(flow)
    }

    fn allocated(&self) -> Option<usize> {
        self.0.allocated()
    }
}

/// A flow in memory as a stream of tokio, and that as a flow again.
#[derive(Default)]
struct ThereAndBack;

impl ThereAndBack {
    const fn room(room: Room) -> usize {
        match room {
            Room::Ample => 64 * 1024,
            Room::Tight => 97,
        }
    }
}

impl Harness for ThereAndBack {
    type Flow = Engine<TokioIoTransport<TokioIo<MemoryFlow>>>;

    const LACKS: &'static [(Need, &'static str)] = &[
        (
            Need::Reset,
            "bytes in memory are not lost when the peer leaves",
        ),
        (Need::Descriptors, "there is no descriptor"),
        (Need::Failing, "flows in memory fail in no other way"),
        (Need::Delivery, "nothing below says what the peer has read"),
        (Need::Runtime, "there is no runtime"),
    ];

    const OFFERS: &'static [Need] = &[Need::Remade];

    fn pair(&self) -> (Self::Flow, Self::Flow) {
        let (a, b) = memory::pair(Self::room(Room::Ample));
        (
            from_tokio_io(TokioIo::new(a)),
            from_tokio_io(TokioIo::new(b)),
        )
    }

    fn link(&self, room: Room) -> Link<Self::Flow> {
        let (flow, wire) = memory::with_wire(Self::room(room));
        Link::new(from_tokio_io(TokioIo::new(flow)), WirePeer::new(wire))
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<Self::Flow>, Refused>> {
        let Link { flow, peer } = self.link(Room::Tight);
        Some(match flow.attach(switch) {
            Ok(()) => Ok(Link { flow, peer }),
            Err(_) => Err(Refused {
                peer,
                back: Box::new(flow),
            }),
        })
    }

    fn remade(&self, flow: Self::Flow) -> Result<Self::Flow, Self::Flow> {
        engine_remade(flow)
    }

    fn shared<'f>(&'f self, flow: &'f Self::Flow) -> Option<Shared<'f, Self::Flow>> {
        Some(Box::new(flow))
    }

    fn allocated(&self) -> Option<usize> {
        Some(crate::heap::allocated())
    }
}

/// The flows of this backend.
pub(crate) fn add_to(suite: Suite) -> Suite {
    suite
        .flow::<Tokio<false, Unix>>("tokio/current-thread/unix")
        .flow::<Paired>("tokio/current-thread/socketpair")
        .flow::<Tokio<false, TcpAtOnce>>("tokio/current-thread/tcp")
        .flow::<Tokio<false, Pipe>>("tokio/current-thread/pipes")
        .flow::<Tokio<false, Fifos>>("tokio/current-thread/fifos")
        .flow::<Tokio<true, UnixAtOnce>>("tokio/multi-thread/unix")
        .flow::<Tokio<true, Tcp>>("tokio/multi-thread/tcp")
        .flow::<ThereAndBack>("tokio-io")
}
