//! Carrying out a script: the calls under way, the peer, and the model beside them.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use std::task::Poll;
use std::time::Instant;

use flow_core::{Bytes, Chunks, Flow, FlowExt};

use super::call::{Answer, Call, Kind, Pending};
use super::ground::{Ground, Terms};
use super::log::{Evidence, Line};
use super::model::{Fault, Model, PeerIs};
use super::received::Writes;
use super::{Act, Broken, Order, Script};
use crate::harness::Link;
use crate::law::text;
use crate::moves::feed_in;
use crate::pattern::Feed;
use crate::peer::{Peer, Recv};

/// More polls than this while everything settles, and bytes do not account for them: somebody spins.
const MOST_POLLS: usize = 2000;
/// How many writes a script can have: each is of a pattern of its own.
const MOST_WRITES: usize = 250;

pub(crate) fn run<F: Flow>(
    script: &Script,
    link: Link<F>,
    ground: &impl Ground,
    terms: Terms,
) -> Result<(), Broken> {
    let Link { flow, peer } = link;
    let mut run = Run {
        flow: &flow,
        peer: Some(peer),
        ground,
        terms,
        model: Model::new(script.room),
        order: script.order,
        feed: feed_in(),
        calls: Vec::new(),
        clock: Arc::default(),
        polls: 0,
        made: 0,
        buffers: Vec::new(),
        log: Vec::new(),
    };
    let at = Cell::new(None);
    let mut body = || {
        for (i, act) in script.acts.iter().enumerate() {
            ground.at(act.what());
            at.set(Some(i + 1));
            run.act(act)?;
            ground.check()?;
        }
        ground.at("the end of a script");
        at.set(None);
        run.finish()?;
        ground.check()
    };
    let result = catch_unwind(AssertUnwindSafe(&mut body))
        .unwrap_or_else(|panic| {
            let why = format!("the flow panicked: {}", text(&*panic));
            Err(Fault::new("random_calls_follow_the_model", why))
        })
        .map_err(|fault| Broken {
            clause: fault.clause,
            act: at.get(),
            why: fault.why,
            evidence: fault.evidence,
            log: std::mem::take(&mut run.log),
        });
    let Run { calls, peer, .. } = run;
    let mut calls = Some(calls);
    ground.enter(&mut || drop(calls.take()));
    drop(calls);
    let mut flow = Some(flow);
    ground.enter(&mut || drop(flow.take()));
    drop(peer);
    result
}

pub(super) struct Run<'f, F: Flow, G> {
    flow: &'f F,
    /// `None` once it has left.
    pub(super) peer: Option<Box<dyn Peer>>,
    pub(super) ground: &'f G,
    terms: Terms,
    pub(super) model: Model,
    order: Order,
    feed: Feed,
    pub(super) calls: Vec<Call<'f, F>>,
    clock: Arc<AtomicUsize>,
    polls: usize,
    /// How many calls were made.
    made: usize,
    /// What is just being written.
    buffers: Vec<Vec<u8>>,
    log: Vec<Line>,
}

type Done = Result<(), Fault>;

impl<'f, F: Flow, G: Ground> Run<'f, F, G> {
    pub(super) fn act(&mut self, act: &Act) -> Done {
        let flow = self.flow;
        match act {
            Act::Read => self.call(Kind::Read, Pending::Read(flow.read())),
            Act::Write(len) => self.write(&[*len]),
            Act::WriteMuch => self.write(&[self.terms.much]),
            Act::Writev(lens) => self.write(lens),
            Act::WriteNothing => self.call(Kind::Nothing, Pending::Write(flow.write(Bytes::new()))),
            Act::Flush => {
                let taken = self.model.writes.taken();
                self.call(Kind::Flush(taken), Pending::Flush(flow.flush()))
            }
            Act::Shutdown(how) => {
                self.call(Kind::Shutdown(*how), Pending::Shutdown(flow.shutdown(*how)))
            }
            Act::Close => self.call(Kind::Close, Pending::Close(flow.close())),
            Act::Abort => {
                self.note_taken()?;
                self.model.abort();
                self.log.push(Line::Abort);
                self.ground.enter(&mut || flow.abort());
                Ok(())
            }
            Act::Drop(i) => self.drop_call(*i),
            Act::Poll(i) => match self.calls.len() {
                0 => Ok(()),
                count => {
                    let i = i % count;
                    self.log.push(Line::Poll(self.calls[i].id));
                    self.poll(i).map(|_| ())
                }
            },
            Act::PollWoken(order) => {
                self.log.push(Line::PollWoken);
                self.poll_woken(*order).map(|_| ())
            }
            Act::PeerSends(len) => {
                self.peer_sends(*len);
                Ok(())
            }
            Act::PeerReceives(len) => self.peer_receives(*len).map(|_| ()),
            Act::PeerEnds => {
                self.peer_ends();
                Ok(())
            }
            Act::PeerVanishes => {
                self.peer_leaves(Line::Leave, |mut peer| peer.vanish());
                Ok(())
            }
            Act::PeerResets => {
                self.model.cut = self.terms.told && self.model.peer == PeerIs::Open;
                self.peer_leaves(Line::Cut, |mut peer| peer.reset());
                Ok(())
            }
            Act::Settle => self.settle(),
        }
    }

    // Calls.

    fn call(&mut self, kind: Kind, pending: Pending<'f, F>) -> Done {
        self.log.push(match kind {
            Kind::Read => Line::Read,
            Kind::Nothing => Line::Write(vec![vec![]]),
            Kind::Write(_) => Line::Write(std::mem::take(&mut self.buffers)),
            Kind::Flush(_) => Line::Flush,
            Kind::Shutdown(how) => Line::Shutdown(how),
            Kind::Close => Line::Close,
        });
        self.calls.push(Call::new(self.made, kind, pending));
        self.made += 1;
        self.poll(self.calls.len() - 1).map(|_| ())
    }

    fn write(&mut self, lens: &[usize]) -> Done {
        let all: usize = lens.iter().sum();
        if all == 0 {
            let nothing = lens.iter().map(|_| Bytes::new());
            return self.call(
                Kind::Nothing,
                Pending::Write(self.flow.write_chunks(nothing.collect::<Chunks>())),
            );
        }
        if self.model.writes.all.len() >= MOST_WRITES {
            return Ok(());
        }
        let number = self.model.writes.push(all);
        let mut whole = Writes::pattern(number).bytes(0, all);
        if self.terms.logs {
            let mut left = whole.clone();
            let buffers = lens.iter().map(|len| left.split_to(*len).to_vec());
            self.buffers = buffers.collect();
        }
        let write = match lens {
            [_] => self.flow.write(whole),
            _ => self.flow.write_chunks(
                lens.iter()
                    .map(|len| whole.split_to(*len))
                    .collect::<Chunks>(),
            ),
        };
        self.call(Kind::Write(number), Pending::Write(write))
    }

    fn drop_call(&mut self, i: usize) -> Done {
        if self.calls.is_empty() {
            return Ok(());
        }
        self.note_taken()?;
        let call = self.calls.remove(i % self.calls.len());
        let kind = call.kind;
        self.log.push(Line::Drop(call.id));
        let (mut call, mut back) = (Some(call), None);
        self.ground
            .enter(&mut || back = call.take().and_then(Call::cancel));
        let Kind::Write(number) = kind else {
            return Ok(());
        };
        let back: Option<Vec<u8>> = back.map(|back| back.slices().flatten().copied().collect());
        self.model.dropped(number, back.is_none());
        let len = self.model.writes.all[number].len;
        match back {
            Some(back) if back != Writes::pattern(number).bytes(0, len) => Err(Fault::new(
                "cancel_untaken_write_sends_nothing",
                format!(
                    "{kind} of {len} bytes gave back other bytes, {}",
                    back.len()
                ),
            )),
            _ => Ok(()),
        }
    }

    /// Polls one call. Whether it is done; then it is gone.
    fn poll(&mut self, i: usize) -> Result<bool, Fault> {
        self.note_taken()?;
        self.polls += 1;
        let call = &mut self.calls[i];
        let (kind, clock, wakers) = (call.kind, &self.clock, self.terms.wakers);
        self.model.begins(kind);
        let mut polled = Poll::Pending;
        self.ground.enter(&mut || polled = call.poll(clock, wakers));
        let Poll::Ready(answer) = polled else {
            self.note_taken()?;
            return Ok(false);
        };
        let id = self.calls.remove(i).id;
        let checked = match &answer {
            Answer::Read(got) => {
                let got = got.as_ref().map(|chunk| chunk.as_deref());
                self.model.read_gave(got)
            }
            Answer::Done(got) => self.model.done(kind, got.clone()),
        };
        checked.map_err(|fault| fault.shown_by(Evidence::Answer(id, answer.to_string())))?;
        Ok(true)
    }

    fn note_taken(&mut self) -> Done {
        for (number, taken) in self.calls.iter().filter_map(Call::taken) {
            self.model.note_taken(number, taken)?;
        }
        Ok(())
    }

    /// Polls each call that was woken, once. Whether there were any.
    fn poll_woken(&mut self, order: Order) -> Result<bool, Fault> {
        let mut woken: Vec<_> = self.calls.iter().filter_map(Call::woken).collect();
        woken.sort_unstable();
        if order == Order::NewestFirst {
            woken.reverse();
        }
        for &at in &woken {
            if let Some(i) = self.calls.iter().position(|call| call.woken() == Some(at)) {
                self.poll(i)?;
            }
        }
        Ok(!woken.is_empty())
    }

    // The peer.

    fn peer_sends(&mut self, len: usize) {
        if let (Some(peer), PeerIs::Open) = (&mut self.peer, self.model.peer) {
            let data = self.feed.peek(len);
            let sent = peer.send(&data);
            if self.terms.logs {
                self.log.push(Line::Send(data.to_vec()));
            }
            self.feed.sent(sent);
            self.model.peer_sent(sent);
        }
    }

    /// Whether anything came.
    pub(super) fn peer_receives(&mut self, len: usize) -> Result<bool, Fault> {
        self.note_taken()?;
        let Some(peer) = &mut self.peer else {
            return Ok(false);
        };
        if self.model.peer_met.is_some() || len == 0 {
            return Ok(false);
        }
        let mut buffer = vec![0; len.min(64 * 1024)];
        self.log.push(Line::Receive(buffer.len()));
        match peer.recv(&mut buffer) {
            Recv::Empty => return Ok(false),
            Recv::Data(count) => self.model.received(&buffer[..count]).map_err(|fault| {
                let expected = self.model.writes.expected();
                fault.shown_by(Evidence::Wrong(expected))
            })?,
            met => self.model.peer_meets(met).map_err(|fault| {
                let over = self.model.write_shut || self.model.aborted;
                fault.shown_by(match over {
                    true => Evidence::Received(self.model.writes.expected()),
                    false => Evidence::Ended,
                })
            })?,
        }
        Ok(true)
    }

    pub(super) fn peer_ends(&mut self) {
        if let (Some(peer), PeerIs::Open) = (&mut self.peer, self.model.peer) {
            self.model.peer = PeerIs::Ended;
            self.log.push(Line::End);
            peer.end();
        }
    }

    fn peer_leaves(&mut self, line: Line, leave: impl FnOnce(Box<dyn Peer>)) {
        if let Some(peer) = self.peer.take() {
            self.model.peer = PeerIs::Gone;
            self.log.push(line);
            leave(peer);
        }
    }

    // Everybody.

    /// Lets all events come and polls whoever was woken until nothing moves. Then nobody may be waiting who could go on.
    pub(super) fn settle(&mut self) -> Done {
        self.log.push(Line::Settle);
        let begun = Instant::now();
        let mut polls = self.polls;
        let unread = (self.model.sent - self.model.read) as usize;
        let mut nudges = 3 + unread;
        loop {
            while self.poll_woken(self.order)? {
                let many = self.polls - polls > MOST_POLLS + unread;
                if many && (begun.elapsed() > self.terms.patience || !self.ground.turn()) {
                    return Err(Fault::new(
                        "tasks_idle_is_idle",
                        format!(
                            "nothing moves, and calls are woken again and again: {}",
                            self.names()
                        ),
                    ));
                }
            }
            self.ground.settle();
            if self.anyone_woken() {
                continue;
            }
            if let Some(peer) = &mut self.peer
                && nudges > 0
            {
                // A peer that is a flow goes on with what it has taken. Others may wake calls by it, but not for ever.
                nudges -= 1;
                polls = self.polls;
                peer.send(&[]);
                if self.anyone_woken() {
                    continue;
                }
            }
            let Some(fault) = self.overdue() else { break };
            if self.anyone_woken() {
                continue;
            }
            if !self.ground.turn() || begun.elapsed() > self.terms.patience {
                return Err(fault);
            }
        }
        self.poll_unwoken()
    }

    pub(super) fn anyone_woken(&self) -> bool {
        self.calls.iter().any(|call| call.woken().is_some())
    }

    fn names(&self) -> String {
        let names: Vec<_> = self
            .calls
            .iter()
            .map(|call| call.kind.to_string())
            .collect();
        names.join(", ")
    }

    /// A call that waits and should not.
    fn overdue(&mut self) -> Option<Fault> {
        // Asking may move a peer that is a flow, so it is asked only where it matters.
        let drained = self.calls.iter().any(|call| call.kind != Kind::Read)
            && match (&mut self.peer, self.model.peer_met) {
                (Some(peer), None) => peer.queued() == 0,
                _ => false,
            };
        self.calls.iter().find_map(|call| {
            let fault = self.model.overdue(call.kind, drained)?;
            Some(fault.shown_by(Evidence::Waits(call.id)))
        })
    }

    /// Once all has settled, polling without a wake changes nothing. Where events come by themselves, one may just have come.
    fn poll_unwoken(&mut self) -> Done {
        if self.ground.turn() {
            return Ok(());
        }
        self.log.push(Line::PollAll);
        let mut i = 0;
        while i < self.calls.len() {
            let (id, kind) = (self.calls[i].id, self.calls[i].kind);
            if self.calls[i].woken().is_some() {
                i += 1;
            } else if self.poll(i)? {
                // That poll is what nobody should have had to make.
                self.log.pop();
                let why = format!("{kind} could be answered, and was not woken");
                let fault = Fault::new("tasks_all_waiters_are_served", why);
                return Err(fault.shown_by(Evidence::Waits(id)));
            } else {
                i += 1;
            }
        }
        Ok(())
    }

    /// Waits until `done`, with everything settling and the peer receiving.
    pub(super) fn drain_until(
        &mut self,
        mut done: impl FnMut(&mut Self) -> bool,
        fault: impl FnOnce(&mut Self) -> Fault,
    ) -> Done {
        let mut last = Instant::now();
        let mut idle = 0;
        loop {
            let mut moved = false;
            while self.peer_receives(64 * 1024)? {
                moved = true;
            }
            if !moved && done(self) {
                return Ok(());
            }
            if moved {
                last = Instant::now();
                idle = 0;
            }
            self.settle()?;
            // What settling moved is still to be received.
            idle += 1;
            if idle > 2 && (!self.ground.turn() || last.elapsed() > self.terms.patience) {
                return Err(fault(self));
            }
        }
    }
}
