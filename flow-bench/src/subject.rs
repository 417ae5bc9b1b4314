//! Who can be measured, by name.

use std::fmt;
use std::str::FromStr;

use crate::host::{Host, TokioCurrent};
use crate::maker::{self, Maker, Wire};
use crate::raw::{Direct, Epoll};
use crate::work::{self, Copying, Done, room};
use crate::workload::Workload;

macro_rules! subjects {
    ($($subject:ident $name:literal $about:literal,)*) => {
        /// A stream on its executor.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Subject {
            $($subject,)*
        }

        const ALL: &[(&str, Subject, &str)] = &[$(($name, Subject::$subject, $about),)*];
    };
}

subjects! {
    FlowTokio "flow-tokio" "a flow on tokio, of one thread",
    FlowTokioConnected "flow-tokio-connected" "the same over sockets that it was given, so that others may have them too",
    FlowTokioCopied "flow-tokio-copied" "a proxy of two flows on tokio that is told to go through memory",
    FlowTokioMulti "flow-tokio-mt" "a flow on tokio, of as many threads as processors",
    FlowAsyncStd "flow-async-std" "a flow on async-std's executor",
    FlowSmol "flow-smol" "a flow on smol's executor, of one thread",
    FlowMemory "flow-memory" "a flow in memory, on tokio of one thread",
    FlowBoxed "flow-boxed" "BoxFlow of a flow on tokio, of one thread",
    FlowWrapped "flow-wrapped" "Named, Counted and MapErr around a flow on tokio, of one thread",
    FlowWrappedBoxed "flow-wrapped-boxed" "the same in a box",
    Tokio "tokio" "tokio's own stream, one thread; a fresh buffer for each read",
    TokioExact "tokio-exact" "the same; each buffer of just the message's size, without room to spare",
    TokioReused "tokio-reused" "tokio's own stream, one thread; one buffer, used again",
    TokioCopy8k "tokio-copy-8k" "tokio's copy_bidirectional with its usual buffers",
    TokioMulti "tokio-mt" "tokio's own stream, as many threads as processors; fresh buffers",
    TokioDuplex "tokio-duplex" "tokio's own stream in memory, one thread; fresh buffers",
    AsyncStd "async-std" "async-std's own stream on its executor; fresh buffers",
    AsyncStdReused "async-std-reused" "the same; one buffer, used again",
    AsyncIo "async-io" "Async<UnixStream> on smol's executor, one thread; fresh buffers",
    AsyncIoReused "async-io-reused" "the same; one buffer, used again",
    Epoll "epoll" "one epoll by hand on one thread; one buffer",
    Direct "direct" "system calls alone, without waiting; one buffer",
}

impl Subject {
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        ALL.iter().map(|(_, subject, _)| *subject)
    }

    fn entry(self) -> &'static (&'static str, Self, &'static str) {
        let found = ALL.iter().find(|(_, subject, _)| *subject == self);
        found.expect("every subject stands in the table")
    }

    /// What it is.
    pub(crate) fn about(self) -> &'static str {
        self.entry().2
    }

    /// One run of so many operations.
    ///
    /// # Errors
    ///
    /// It cannot do this work.
    pub(crate) fn run(self, workload: Workload, count: u64) -> Result<Done, String> {
        let tcp = workload.is_tcp();
        if tcp && matches!(self, Self::FlowMemory | Self::TokioDuplex) {
            return Err(format!("{self} goes over no wire"));
        }
        let done = match self {
            Self::FlowTokio => any::<maker::FlowTokio>(workload, count),
            Self::FlowTokioConnected if !tcp => {
                streams::<maker::FlowTokioConnected>(workload, count)
            }
            Self::FlowTokioMulti => sockets::<maker::FlowTokioMulti>(workload, count),
            Self::FlowAsyncStd => sockets::<maker::FlowAsyncStd>(workload, count),
            Self::FlowSmol => any::<maker::FlowSmol>(workload, count),
            Self::FlowMemory => any::<maker::FlowMemory>(workload, count),
            Self::FlowBoxed => sockets::<maker::FlowBoxed>(workload, count),
            Self::FlowWrapped => sockets::<maker::FlowWrapped>(workload, count),
            Self::FlowWrappedBoxed => sockets::<maker::FlowWrappedBoxed>(workload, count),
            Self::Tokio if tcp => streams::<maker::Tokio<false, true>>(workload, count),
            Self::Tokio => any::<maker::Tokio<false, false>>(workload, count),
            Self::TokioExact if !tcp => exact(workload, count),
            Self::TokioReused if tcp => streams::<maker::Tokio<true, true>>(workload, count),
            Self::TokioReused => sockets::<maker::Tokio<true, false>>(workload, count),
            Self::TokioMulti if tcp => streams::<maker::TokioOnMulti<false, true>>(workload, count),
            Self::TokioMulti => sockets::<maker::TokioOnMulti<false, false>>(workload, count),
            Self::TokioDuplex => sockets::<maker::TokioDuplex>(workload, count),
            Self::AsyncStd if tcp => streams::<maker::AsyncStdOwn<false, true>>(workload, count),
            Self::AsyncStd => sockets::<maker::AsyncStdOwn<false, false>>(workload, count),
            Self::AsyncStdReused if tcp => {
                streams::<maker::AsyncStdOwn<true, true>>(workload, count)
            }
            Self::AsyncStdReused => sockets::<maker::AsyncStdOwn<true, false>>(workload, count),
            Self::AsyncIo if tcp => streams::<maker::AsyncIo<false, true>>(workload, count),
            Self::AsyncIo => any::<maker::AsyncIo<false, false>>(workload, count),
            Self::AsyncIoReused if tcp => streams::<maker::AsyncIo<true, true>>(workload, count),
            Self::AsyncIoReused => sockets::<maker::AsyncIo<true, false>>(workload, count),
            Self::Epoll => epoll(workload, count),
            Self::Direct => direct(workload, count),
            Self::FlowTokioConnected
            | Self::FlowTokioCopied
            | Self::TokioCopy8k
            | Self::TokioExact => None,
        };
        let done = match (workload, self) {
            (Workload::Proxy, Self::FlowTokio) => Some(proxy(Copying::Flows, count)),
            (Workload::Proxy, Self::FlowTokioCopied) => {
                Some(proxy(Copying::FlowsThroughMemory, count))
            }
            (Workload::Proxy, Self::TokioReused) => Some(proxy(Copying::TokioLarge, count)),
            (Workload::Proxy, Self::TokioCopy8k) => Some(proxy(Copying::Tokio, count)),
            _ => done,
        };
        done.ok_or_else(|| format!("{self} cannot do {workload}"))
    }
}

// Three functions, because each stream that is put through a workload is compiled for it: what no row asks for costs minutes.

/// What is done over TCP too.
fn streams<M: Maker>(workload: Workload, count: u64) -> Option<Done> {
    let host = &M::Host::new();
    match workload {
        Workload::PingPong(wire, len) => {
            Some(host.block_on(work::ping_pong::<M>(host, wire, len, count)))
        }
        Workload::Bulk(wire, len) => Some(host.block_on(work::bulk::<M>(host, wire, len, count))),
        _ => None,
    }
}

/// What is done on one pair.
fn sockets<M: Maker>(workload: Workload, count: u64) -> Option<Done> {
    let Workload::Vectored(parts, len) = workload else {
        return streams::<M>(workload, count);
    };
    let host = &M::Host::new();
    let wire = Wire::Unix;
    Some(host.block_on(work::vectored::<M>(host, wire, parts, len, count)))
}

/// All but the proxy.
fn any<M: Maker>(workload: Workload, count: u64) -> Option<Done> {
    let host = &M::Host::new();
    let wire = Wire::Unix;
    Some(match workload {
        Workload::Active(pairs) => host.block_on(work::many::<M>(host, wire, pairs, count)),
        Workload::Idle { waiting } => host.block_on(work::idle::<M>(host, wire, waiting, count)),
        Workload::Churn { close } => host.block_on(work::churn::<M>(wire, close, count)),
        _ => return sockets::<M>(workload, count),
    })
}

/// Messages of which the reader knows the size.
fn exact(workload: Workload, count: u64) -> Option<Done> {
    let known = matches!(workload, Workload::PingPong(..) | Workload::Active(_));
    known
        .then(|| any::<maker::TokioExact>(workload, count))
        .flatten()
}

fn proxy(copying: Copying, count: u64) -> Done {
    let host = TokioCurrent::new();
    host.block_on(work::proxy(&host, copying, count))
}

fn epoll(workload: Workload, count: u64) -> Option<Done> {
    match workload {
        Workload::PingPong(Wire::Unix, len) => Some(Epoll::new(room(len)).ping_pong(len, count)),
        Workload::Bulk(Wire::Unix, len) => Some(Epoll::new(LARGE).bulk(len, count)),
        Workload::Vectored(parts, len) => Some(Epoll::new(LARGE).vectored(parts, len, count)),
        _ => None,
    }
}

fn direct(workload: Workload, count: u64) -> Option<Done> {
    match workload {
        Workload::PingPong(Wire::Unix, len) => Some(Direct::new(room(len)).ping_pong(len, count)),
        Workload::Bulk(Wire::Unix, len) => Some(Direct::new(LARGE).bulk(len, count)),
        Workload::Vectored(parts, len) => Some(Direct::new(LARGE).vectored(parts, len, count)),
        _ => None,
    }
}

/// As the other streams read it.
const LARGE: usize = 64 * 1024;

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.entry().0)
    }
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let found = ALL.iter().find(|(known, ..)| *known == name);
        found
            .map(|(_, subject, _)| *subject)
            .ok_or_else(|| format!("there is no implementation of this name: {name}"))
    }
}
