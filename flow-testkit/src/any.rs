//! Flows of every kind behind one type, so that the laws are compiled once, and not again for each kind.

use std::any::Any;
use std::cell::Cell;
use std::error::Error;
use std::fmt;
use std::os::fd::OwnedFd;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};

use flow_core::{
    Bytes, CloseOp, Delivered, Direct, Flow, FlushOp, ReadOp, ShutdownOp, Switch, WriteError,
    WriteOp,
};

use crate::fd::Wires;
use crate::fragile::Break;
use crate::harness::{Harness, Link, Refused, Room, Shared};
use crate::journal::{self, Answer, Event};
use crate::peer::{Peer, Recv};

/// The error of any flow.
#[derive(Clone)]
pub struct AnyError(Arc<dyn Error + Send + Sync>);

impl fmt::Debug for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

impl fmt::Display for AnyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Error for AnyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.0.source()
    }
}

/// A flow of any kind. The flow inside is that of its harness, and gone when this is.
pub struct AnyFlow {
    flow: Rc<dyn Flow<Error = AnyError>>,
    /// The same flow, for the harness that made it.
    made: Rc<dyn Any>,
    /// Its name in the journal.
    number: Number,
}

/// The name of a flow, as long as it lives.
struct Number(u32);

impl Drop for Number {
    fn drop(&mut self) {
        journal::note(Event::Dropped(self.0));
    }
}

thread_local! {
    static MADE: Cell<u32> = const { Cell::new(0) };
}

impl AnyFlow {
    fn new<F: Flow + 'static>(flow: F) -> Self {
        let made = Rc::new(Inside(flow));
        let number = MADE.replace(MADE.get() + 1);
        journal::note(Event::Made(number));
        Self {
            flow: Rc::<Inside<F>>::clone(&made),
            made,
            number: Number(number),
        }
    }

    /// The flow itself. Its name ends.
    fn into_made<F: 'static>(self) -> F {
        let Self { flow, made, .. } = self;
        drop(flow);
        let made = made.downcast::<Inside<F>>();
        let made = made.ok().and_then(Rc::into_inner);
        made.expect("a flow of this harness, held by nobody else").0
    }
}

/// A link whose events go into the journal.
fn watched<F: Flow + 'static>(link: Link<F>) -> Link<AnyFlow> {
    Link {
        flow: AnyFlow::new(link.flow),
        peer: Box::new(Watched(link.peer)),
    }
}

/// What a poll answered, for the journal.
trait Told {
    fn answer(&self) -> Answer;
}

impl<E> Told for Result<Option<Bytes>, E> {
    fn answer(&self) -> Answer {
        match self {
            Ok(Some(chunk)) => Answer::Chunk(chunk.len()),
            Ok(None) => Answer::End,
            Err(_) => Answer::Failed,
        }
    }
}

impl<E> Told for Result<(), WriteError<E>> {
    fn answer(&self) -> Answer {
        match self {
            Ok(()) => Answer::Done,
            Err(WriteError::Closed) => Answer::Closed,
            Err(_) => Answer::Failed,
        }
    }
}

impl fmt::Debug for AnyFlow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyFlow").finish_non_exhaustive()
    }
}

/// Gives a flow's errors the common type.
struct Inside<F>(F);

macro_rules! forward {
    ($($method:ident($op:ty) -> $output:ty, $error:expr;)*) => {
        #[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded is lost")]
        impl<F: Flow> Flow for Inside<F> {
            type Error = AnyError;

            $(fn $method(&self, cx: &mut Context<'_>, op: &mut $op) -> Poll<$output> {
                self.0.$method(cx, op).map_err($error)
            })*

            fn abort(&self) {
                self.0.abort();
            }

            fn delivered(&self) -> Delivered {
                self.0.delivered()
            }

            fn direct(&self) -> Option<&dyn Direct> {
                self.0.direct()
            }
        }

        #[deny(clippy::missing_trait_methods, reason = "a method that is not forwarded is lost")]
        impl Flow for AnyFlow {
            type Error = AnyError;

            $(fn $method(&self, cx: &mut Context<'_>, op: &mut $op) -> Poll<$output> {
                let result = self.flow.$method(cx, op);
                let answer = match &result {
                    Poll::Pending => Answer::Pending,
                    Poll::Ready(result) => result.answer(),
                };
                journal::note(Event::Poll(self.number.0, stringify!($method), answer));
                result
            })*

            fn abort(&self) {
                journal::note(Event::Abort(self.number.0));
                self.flow.abort();
            }

            fn delivered(&self) -> Delivered {
                let answer = self.flow.delivered();
                journal::note(Event::Poll(self.number.0, "delivered", Answer::Told(answer)));
                answer
            }

            fn direct(&self) -> Option<&dyn Direct> {
                self.flow.direct()
            }
        }
    };
}

forward! {
    poll_read(ReadOp) -> Result<Option<Bytes>, AnyError>, any;
    poll_write(WriteOp) -> Result<(), WriteError<AnyError>>, any_write;
    poll_flush(FlushOp) -> Result<(), WriteError<AnyError>>, any_write;
    poll_shutdown(ShutdownOp) -> Result<(), WriteError<AnyError>>, any_write;
    poll_close(CloseOp) -> Result<(), WriteError<AnyError>>, any_write;
}

fn any<E: Error + Send + Sync + 'static>(error: E) -> AnyError {
    AnyError(Arc::new(error))
}

fn any_write<E: Error + Send + Sync + 'static>(error: WriteError<E>) -> WriteError<AnyError> {
    error.map(any)
}

/// A peer whose moves go into the journal.
struct Watched(Box<dyn Peer>);

impl Peer for Watched {
    fn send(&mut self, data: &[u8]) -> usize {
        let sent = self.0.send(data);
        if sent > 0 {
            journal::note(Event::Sent(sent, data.len()));
        }
        sent
    }

    fn recv(&mut self, buf: &mut [u8]) -> Recv {
        let met = self.0.recv(buf);
        journal::note(Event::Received(met));
        met
    }

    fn queued(&mut self) -> usize {
        self.0.queued()
    }

    fn held(&self) -> usize {
        self.0.held()
    }

    fn end(&mut self) {
        journal::note(Event::Peer("ends"));
        self.0.end();
    }

    fn vanish(&mut self) {
        journal::note(Event::Peer("leaves"));
        self.0.vanish();
    }

    fn reset(&mut self) {
        journal::note(Event::Peer("resets"));
        self.0.reset();
    }
}

/// A harness of any kind.
pub struct AnyHarness(Box<dyn Erased>);

impl AnyHarness {
    /// This harness, made anew.
    #[must_use]
    pub fn of<H: Harness + Default>() -> Self {
        Self(Box::new(H::default()))
    }
}

impl fmt::Debug for AnyHarness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnyHarness").finish_non_exhaustive()
    }
}

/// A [`Harness`] without its type of flow.
trait Erased: 'static {
    fn pair(&self) -> (AnyFlow, AnyFlow);
    fn over(&self, fd: OwnedFd) -> Option<AnyFlow>;
    fn wires(&self) -> Wires;
    fn link(&self, room: Room) -> Link<AnyFlow>;
    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<AnyFlow, OwnedFd>>;
    fn link_with(&self, switch: &Switch) -> Option<Result<Link<AnyFlow>, Refused>>;
    fn failing(&self) -> Option<AnyFlow>;
    fn breaking(&self, room: Room, at: Break) -> Option<Link<AnyFlow>>;
    fn remade(&self, flow: AnyFlow) -> Result<AnyFlow, AnyFlow>;
    fn turn(&self) -> bool;
    fn settle(&self) -> bool;
    fn tasks(&self) -> usize;
    fn enter(&self, call: &mut dyn FnMut());
    fn end_runtime(&self) -> bool;
    fn shared<'f>(&'f self, flow: &'f AnyFlow) -> Option<Shared<'f, AnyFlow>>;
    fn allocated(&self) -> Option<usize>;
}

impl<H: Harness> Erased for H {
    fn pair(&self) -> (AnyFlow, AnyFlow) {
        let (here, there) = Harness::pair(self);
        (AnyFlow::new(here), AnyFlow::new(there))
    }

    fn over(&self, fd: OwnedFd) -> Option<AnyFlow> {
        Harness::over(self, fd).map(AnyFlow::new)
    }

    fn wires(&self) -> Wires {
        Harness::wires(self)
    }

    fn link(&self, room: Room) -> Link<AnyFlow> {
        watched(Harness::link(self, room))
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<AnyFlow, OwnedFd>> {
        Harness::over_with(self, fd, switch).map(|made| made.map(AnyFlow::new))
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<AnyFlow>, Refused>> {
        Harness::link_with(self, switch).map(|made| made.map(watched))
    }

    fn failing(&self) -> Option<AnyFlow> {
        Harness::failing(self).map(AnyFlow::new)
    }

    fn breaking(&self, room: Room, at: Break) -> Option<Link<AnyFlow>> {
        Harness::breaking(self, room, at).map(watched)
    }

    fn remade(&self, flow: AnyFlow) -> Result<AnyFlow, AnyFlow> {
        let remade = Harness::remade(self, flow.into_made());
        remade.map(AnyFlow::new).map_err(AnyFlow::new)
    }

    fn turn(&self) -> bool {
        Harness::turn(self)
    }

    fn settle(&self) -> bool {
        Harness::settle(self)
    }

    fn tasks(&self) -> usize {
        Harness::tasks(self)
    }

    fn enter(&self, call: &mut dyn FnMut()) {
        Harness::enter(self, call);
    }

    fn end_runtime(&self) -> bool {
        Harness::end_runtime(self)
    }

    fn shared<'f>(&'f self, flow: &'f AnyFlow) -> Option<Shared<'f, AnyFlow>> {
        let Inside(flow) = flow.made.downcast_ref().expect("a flow of this harness");
        Some(Box::new(Inside(Harness::shared(self, flow)?)))
    }

    fn allocated(&self) -> Option<usize> {
        Harness::allocated(self)
    }
}

impl Harness for AnyHarness {
    type Flow = AnyFlow;

    fn pair(&self) -> (AnyFlow, AnyFlow) {
        self.0.pair()
    }

    fn over(&self, fd: OwnedFd) -> Option<AnyFlow> {
        self.0.over(fd)
    }

    fn wires(&self) -> Wires {
        self.0.wires()
    }

    fn link(&self, room: Room) -> Link<AnyFlow> {
        self.0.link(room)
    }

    fn over_with(&self, fd: OwnedFd, switch: &Switch) -> Option<Result<AnyFlow, OwnedFd>> {
        self.0.over_with(fd, switch)
    }

    fn link_with(&self, switch: &Switch) -> Option<Result<Link<AnyFlow>, Refused>> {
        self.0.link_with(switch)
    }

    fn failing(&self) -> Option<AnyFlow> {
        self.0.failing()
    }

    fn breaking(&self, room: Room, at: Break) -> Option<Link<AnyFlow>> {
        self.0.breaking(room, at)
    }

    fn remade(&self, flow: AnyFlow) -> Result<AnyFlow, AnyFlow> {
        self.0.remade(flow)
    }

    fn turn(&self) -> bool {
        self.0.turn()
    }

    fn settle(&self) -> bool {
        self.0.settle()
    }

    fn tasks(&self) -> usize {
        self.0.tasks()
    }

    fn enter<R>(&self, call: impl FnOnce() -> R) -> R {
        let (mut call, mut result) = (Some(call), None);
        self.0
            .enter(&mut || result = call.take().map(|call| call()));
        result.expect("a harness runs what it is given")
    }

    fn end_runtime(&self) -> bool {
        self.0.end_runtime()
    }

    fn shared<'f>(&'f self, flow: &'f AnyFlow) -> Option<Shared<'f, AnyFlow>> {
        self.0.shared(flow)
    }

    fn allocated(&self) -> Option<usize> {
        self.0.allocated()
    }
}
