//! A flow that is idle, in whatever state, wakes nobody and lets the reactor sleep.

use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, epoll, eventfd};
use rustix::net::sockopt::set_socket_linger;
use rustix::process::{PidfdFlags, PidfdGetfdFlags, getpid, pidfd_getfd, pidfd_open};

use crate::support::backend::{FdFlow, Flow as _, FlowExt as _, Shutdown, socketpair};
use crate::support::{
    Count, KINDS, Kind, Peer, WATCHDOG, alone, finish, park, poll, put, run, say, settle,
};

/// A state in which a flow may be left for as long as one likes.
#[derive(Clone, Copy, Debug)]
enum State {
    Fresh,
    InputUnread,
    EndUnread,
    EndRead,
    HalfClosedByUs,
    HalfClosedByBoth,
    HangUpUnread,
    HangUpRead,
    ResetUnread,
    ReadFailed,
    WriteFailed,
    CancelledRead,
    CancelledClose,
    Closing,
    Closed,
    ClosedWithInputUnread,
    Aborted,
}

const STATES: [State; 17] = [
    State::Fresh,
    State::InputUnread,
    State::EndUnread,
    State::EndRead,
    State::HalfClosedByUs,
    State::HalfClosedByBoth,
    State::HangUpUnread,
    State::HangUpRead,
    State::ResetUnread,
    State::ReadFailed,
    State::WriteFailed,
    State::CancelledRead,
    State::CancelledClose,
    State::Closing,
    State::Closed,
    State::ClosedWithInputUnread,
    State::Aborted,
];

impl State {
    /// Where the state is not reached by ending writing.
    fn may_have_a_write_before(self) -> bool {
        !matches!(
            self,
            Self::HalfClosedByUs
                | Self::HalfClosedByBoth
                | Self::WriteFailed
                | Self::CancelledClose
                | Self::Closing
                | Self::Closed
                | Self::ClosedWithInputUnread
        )
    }

    /// Where no input or end is to stay unread, and nobody else reads.
    fn may_have_a_read_before(self) -> bool {
        matches!(
            self,
            Self::Fresh | Self::HalfClosedByUs | Self::WriteFailed | Self::Closing | Self::Aborted
        )
    }
}

/// More than any socket holds.
const MUCH: usize = 16 << 20;

/// The runtime's own epoll instances.
struct Reactor(Vec<OwnedFd>);

impl Reactor {
    /// To be asked for before there are flows, which may make instances of theirs. `None` where the system does not lend them.
    async fn find() -> Option<Self> {
        drop(socketpair().unwrap());
        settle().await;
        let this = pidfd_open(getpid(), PidfdFlags::empty()).ok()?;
        let entries = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
        let numbers = entries.filter_map(|entry| {
            let target = std::fs::read_link(entry.path()).ok()?;
            let is_epoll = target.as_os_str() == "anon_inode:[eventpoll]";
            is_epoll.then(|| entry.file_name().to_str().unwrap().parse().unwrap())
        });
        let lent = numbers.map(|number| pidfd_getfd(&this, number, PidfdGetfdFlags::empty()));
        let instances: Vec<_> = lent.collect::<Result<_, _>>().ok()?;
        assert!(!instances.is_empty(), "a runtime without epoll");
        Some(Self(instances))
    }

    /// Whether it would come back at once if it waited now.
    fn has_events(&self) -> bool {
        let mut fds: Vec<_> = self
            .0
            .iter()
            .map(|fd| PollFd::new(fd, PollFlags::IN))
            .collect();
        let now = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        rustix::event::poll(&mut fds, Some(&now)).unwrap() > 0
    }

    /// Whether it comes to rest: nothing to do so often in a row, with turns in between.
    async fn rests(&self, patience: Duration) -> bool {
        let begun = Instant::now();
        let mut quiet = 0;
        while quiet < 20 {
            if begun.elapsed() > patience {
                return false;
            }
            settle().await;
            quiet = if self.has_events() { 0 } else { quiet + 1 };
        }
        true
    }
}

#[test]
fn an_idle_flow_wakes_nobody_and_lets_the_reactor_sleep() {
    let _alone = alone();
    run(async {
        let reactor = Reactor::find().await;
        if reactor.is_none() {
            say("whether the reactor sleeps: this system does not lend its epoll instance");
        }
        for kind in KINDS {
            for state in STATES {
                is_idle(kind, state, reactor.as_ref()).await;
            }
        }
    });
}

/// A call that was parked before, and what its waker counts. It may come to its end, and is kept all the same.
struct Parked<'f> {
    call: Box<dyn Future<Output = ()> + Unpin + 'f>,
    count: Arc<Count>,
    wakes: usize,
    is_done: bool,
}

impl<'f> Parked<'f> {
    fn now<T>(call: impl Future<Output = T> + 'f) -> Self {
        let mut call = Box::new(Box::pin(async { drop(call.await) }));
        Self {
            count: park(&mut call),
            call,
            wakes: 0,
            is_done: false,
        }
    }

    /// Polls it if it was woken, or `anyway`.
    fn ask(&mut self, anyway: bool) {
        let woken = self.count.get() > self.wakes;
        self.wakes = self.count.get();
        if (woken || anyway) && !self.is_done {
            self.is_done = poll(&mut self.call, &self.count).is_ready();
        }
    }
}

async fn is_idle(kind: Kind, state: State, reactor: Option<&Reactor>) {
    let name = kind.name;
    let (ours, peer) = (kind.pair)();
    let flow = ours.flow();
    let mut calls = vec![];
    if state.may_have_a_write_before() {
        calls.push(Parked::now(flow.write(vec![0; MUCH])));
        calls.push(Parked::now(flow.write("in line")));
    }
    if state.may_have_a_read_before() {
        calls.push(Parked::now(flow.read()));
    }
    if let State::Closing = state {
        calls.push(Parked::now(flow.close()));
    }
    let _peer = bring(&flow, peer, state).await;
    // What the change itself woke is looked at, and done with after everybody has asked once more.
    for round in 0..10 {
        settle().await;
        calls.iter_mut().for_each(|call| call.ask(round == 0));
    }
    if let Some(reactor) = reactor {
        let rests = reactor.rests(WATCHDOG).await;
        assert!(rests, "{name} {state:?}: the reactor does not sleep");
    }
    calls.iter_mut().for_each(|call| call.ask(false));
    let wakes = |calls: &[Parked<'_>]| calls.iter().map(|call| call.count.get()).sum::<usize>();
    let before = wakes(&calls);
    for _ in 0..20 {
        settle().await;
        calls.iter_mut().for_each(|call| call.ask(false));
    }
    let woken = wakes(&calls) - before;
    assert_eq!(woken, 0, "{name} {state:?}: woken for nothing");
}

/// Brings the flow there. The peer comes back where it is still there.
async fn bring(flow: &FdFlow, peer: Peer, state: State) -> Option<Peer> {
    let reset = |peer: Peer| {
        _ = set_socket_linger(peer.as_fd(), Some(Duration::ZERO));
        drop(peer);
    };
    match state {
        State::Fresh | State::Closing => {}
        State::InputUnread => put(&peer, b"unread"),
        State::EndUnread => peer.end(),
        State::EndRead => {
            peer.end();
            assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        }
        State::HalfClosedByUs => finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap(),
        State::HalfClosedByBoth => {
            finish(&mut flow.shutdown(Shutdown::Write)).await.unwrap();
            peer.end();
        }
        State::HangUpUnread => {
            put(&peer, b"unread");
            drop(peer);
            return None;
        }
        State::HangUpRead => {
            drop(peer);
            while let Ok(Some(_)) = finish(&mut flow.read()).await {}
            return None;
        }
        State::ResetUnread => {
            reset(peer);
            return None;
        }
        State::ReadFailed => {
            reset(peer);
            _ = finish(&mut flow.read()).await;
            return None;
        }
        State::WriteFailed => {
            drop(peer);
            while finish(&mut flow.write("x")).await.is_ok() {}
            return None;
        }
        State::CancelledRead => {
            park(&mut flow.read());
            put(&peer, b"unread");
        }
        State::CancelledClose => {
            put(&peer, b"unread");
            park(&mut flow.close());
        }
        State::Closed | State::ClosedWithInputUnread => {
            if matches!(state, State::ClosedWithInputUnread) {
                put(&peer, b"unread");
            }
            let mut close = flow.close();
            park(&mut close);
            peer.end();
            finish(&mut close).await.unwrap();
        }
        State::Aborted => flow.abort(),
    }
    Some(peer)
}

/// The oracle itself: a reactor that is told again and again of something that nobody takes.
#[test]
fn a_reactor_that_does_not_sleep_is_found() {
    let _alone = alone();
    run(async {
        let Some(reactor) = Reactor::find().await else {
            say("that a reactor which does not sleep is found");
            return;
        };
        assert!(reactor.rests(WATCHDOG).await);
        // Without edges it stays. tokio does not turn before it is gone again, and by this number async-io knows what only wakes it.
        let event = eventfd(1, EventfdFlags::CLOEXEC).unwrap();
        let stranger = epoll::EventData::new_u64(u64::MAX);
        epoll::add(&reactor.0[0], &event, stranger, epoll::EventFlags::IN).unwrap();
        assert!(reactor.has_events());
        epoll::delete(&reactor.0[0], &event).unwrap();
        assert!(reactor.rests(WATCHDOG).await);
    });
}
