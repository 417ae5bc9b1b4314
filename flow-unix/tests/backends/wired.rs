//! What the flows of a backend are wired with, for the laws: sockets of two families, and a pipe for each direction of two makes.

#![allow(dead_code, reason = "whether a runtime ends is the backend's matter")]

use std::os::fd::OwnedFd;

use flow_testkit::Need;
use flow_testkit::fd::Wires;
use flow_testkit::pipes::Pipes;
use rustix::io::ioctl_fionbio;

/// What both ends of a link are made of.
pub(crate) enum Over {
    /// One descriptor for both directions.
    Socket(Wires),
    /// One for each.
    Pipes(Pipes),
}

pub(crate) trait Wired: 'static {
    const OVER: Over;
    const LACKS: &'static [(Need, &'static str)];
    /// The same on a runtime that never ends.
    const LACKS_WITHOUT_END: &'static [(Need, &'static str)];
    const OFFERS: &'static [Need];
    /// Whether calls on the sockets never wait, whoever makes them: `O_NONBLOCK` is set when the flow is handed them.
    const AT_ONCE: bool;

    fn ready(fd: OwnedFd) -> OwnedFd {
        if Self::AT_ONCE {
            ioctl_fionbio(&fd, true).expect("a socket");
        }
        fd
    }
}

macro_rules! wired {
    ($($(#[$doc:meta])* $name:ident = $over:expr, at_once $at_once:literal, offers [$($offer:ident),*], lacks [$(($need:ident, $why:literal)),* $(,)?];)*) => {$(
        $(#[$doc])*
        pub(crate) struct $name;

        impl Wired for $name {
            const OVER: Over = $over;
            const LACKS: &'static [(Need, &'static str)] = &[$((Need::$need, $why),)*];
            const LACKS_WITHOUT_END: &'static [(Need, &'static str)] =
                &[$((Need::$need, $why),)* RUNTIME];
            const OFFERS: &'static [Need] = if cfg!(any(target_os = "linux", target_os = "android")) {
                &[$(Need::$offer,)* Need::Remade]
            } else {
                &[Need::Remade]
            };
            const AT_ONCE: bool = $at_once;
        }
    )*};
}

const RUNTIME: (Need, &str) = (Need::Runtime, "the reactor lives as long as the process");

/// What two flows that `socketpair` has made cannot show. The far end is the other flow: a bare one would have to be taken out of it, and
/// both ends know then that somebody else has had a descriptor of theirs, and receive otherwise.
pub(crate) const PAIR_LACKS: &[(Need, &str)] = &[
    (
        Need::Reset,
        "a Unix socket loses nothing when the peer leaves",
    ),
    (Need::TornAbort, "a Unix socket has no reset"),
    (Need::Descriptors, "it is made, and not handed in"),
    (Need::Failing, "a pair of sockets does not fail"),
    (Need::Switch, "a switch would close the far end too"),
    (
        Need::Delivery,
        "a far end that is a flow takes in what is unread when it is let go of",
    ),
];

/// What they cannot be asked.
pub(crate) const PAIR_KNOWN: &[(&str, &str)] = &[(
    "tasks_parked_are_quiet",
    "a far end that is a flow makes room for more than it was asked to, by a chunk of up to 256 KiB",
)];

wired! {
    /// A pair of `AF_UNIX` sockets.
    Unix = Over::Socket(Wires::Unix), at_once false, offers [], lacks [
        (Reset, "a Unix socket loses nothing when the peer leaves"),
        (TornAbort, "a Unix socket has no reset"),
    ];
    /// The same, non-blocking, so that splice(2) moves what comes.
    UnixAtOnce = Over::Socket(Wires::Unix), at_once true, offers [Direct], lacks [
        (Reset, "a Unix socket loses nothing when the peer leaves"),
        (TornAbort, "a Unix socket has no reset"),
    ];
    /// A connection over the loopback.
    Tcp = Over::Socket(Wires::Tcp), at_once false, offers [], lacks [
        (CleanLeave, "TCP resets when the peer leaves with input unread"),
        (Delivery, "over TCP the peer's system takes what the peer has not read"),
    ];
    /// The same, non-blocking.
    TcpAtOnce = Over::Socket(Wires::Tcp), at_once true, offers [Direct], lacks [
        (CleanLeave, "TCP resets when the peer leaves with input unread"),
        (Delivery, "over TCP the peer's system takes what the peer has not read"),
    ];
    /// Two anonymous pipes.
    Pipe = Over::Pipes(Pipes::Anonymous), at_once false, offers [], lacks [
        (Reset, "a pipe loses nothing when the peer leaves"),
        (TornAbort, "a pipe has no reset"),
        (Delivery, "a pipe is closed to end it, and nobody can ask it then"),
        (Descriptors, "the flow is over two descriptors, these laws hand it one"),
    ];
    /// Two FIFOs.
    Fifos = Over::Pipes(Pipes::Named), at_once false, offers [Direct], lacks [
        (Reset, "a FIFO loses nothing when the peer leaves"),
        (TornAbort, "a FIFO has no reset"),
        (Delivery, "a FIFO is closed to end it, and nobody can ask it then"),
        (Descriptors, "the flow is over two descriptors, these laws hand it one"),
    ];
}
