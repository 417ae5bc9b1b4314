//! Bytes that stay outside of memory: who gets them, in which order, and what comes back.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use flow_core::combinators::{Counted, Inspect, Named, Peekable, boxed, copy};
use flow_core::{
    Bytes, Chunks, Engine, Flow, FlowExt as _, Outside, ReadOp, SharedError, Shutdown, Transport,
    WriteError, WriteOp, memory,
};

use super::received;
use super::step::{Wakes, poll, ready};

/// Bytes that are in another place.
#[derive(Debug)]
struct Elsewhere(Bytes);

impl Outside for Elsewhere {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        Some(std::mem::take(&mut self.0))
    }
}

/// Bytes that are nowhere any more.
#[derive(Debug)]
struct Lost;

impl Outside for Lost {
    fn len(&self) -> usize {
        7
    }

    fn bring_in(&mut self) -> Option<Bytes> {
        None
    }
}

#[derive(Default)]
struct State {
    input: VecDeque<Bytes>,
    ended: bool,
    /// What was sent, from memory and from elsewhere.
    sent: Vec<u8>,
    sent_outside: usize,
    /// How many bytes it takes before it fails.
    room: usize,
    fails: bool,
    direct_reads: usize,
    wakers: Vec<Waker>,
}

/// A flow that can receive and send from elsewhere.
#[derive(Clone, Default)]
struct Place(Arc<Mutex<State>>);

impl Place {
    fn new(input: &[&'static [u8]]) -> Self {
        let place = Self::default();
        place.with(|state| {
            state.input = input.iter().copied().map(Bytes::from_static).collect();
            state.room = usize::MAX;
        });
        place
    }

    fn with<R>(&self, work: impl FnOnce(&mut State) -> R) -> R {
        work(&mut self.0.lock().unwrap())
    }

    fn flow(&self) -> Engine<Self> {
        Engine::new(self.clone(), (), ())
    }

    fn push(&self, chunk: &'static [u8]) {
        let woken = self.with(|state| {
            state.input.push_back(Bytes::from_static(chunk));
            std::mem::take(&mut state.wakers)
        });
        woken.into_iter().for_each(Waker::wake);
    }
}

impl Transport for Place {
    type Error = SharedError;
    type Rx = ();
    type Tx = ();

    fn poll_recv(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, SharedError>> {
        self.with(|state| match state.input.pop_front() {
            Some(chunk) => Poll::Ready(Ok(Some(chunk))),
            None if state.ended => Poll::Ready(Ok(None)),
            None => {
                state.wakers.push(cx.waker().clone());
                Poll::Pending
            }
        })
    }

    fn recv_direct(&self, (): &mut ()) -> Option<Chunks> {
        self.with(|state| {
            state.direct_reads += 1;
            state.input.pop_front().map(Elsewhere).map(Chunks::outside)
        })
    }

    fn takes(&self, data: &Chunks) -> bool {
        data.outside_ref::<Elsewhere>().is_some()
    }

    fn poll_send(
        &self,
        (): &mut (),
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        self.with(|state| {
            let part = data.len().min(state.room);
            state.room -= part;
            if let Some(outside) = data.outside_mut::<Elsewhere>() {
                state.sent.extend(outside.0.split_to(part));
                state.sent_outside += part;
            } else {
                state.sent.extend(data.slices().flatten().take(part));
            }
            data.advance(part);
            match data.is_empty() {
                true => Poll::Ready(Ok(())),
                false if state.fails => Poll::Ready(Err(WriteError::Closed)),
                false => {
                    state.wakers.push(cx.waker().clone());
                    Poll::Pending
                }
            }
        })
    }

    fn poll_finish(
        &self,
        (): &mut (),
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<SharedError>>> {
        Poll::Ready(Ok(()))
    }
}

/// Long enough to be worth it.
const LONG: &[u8] = &[b'x'; 16 * 1024];

fn outside(bytes: &'static [u8]) -> Chunks {
    Chunks::outside(Elsewhere(Bytes::from_static(bytes)))
}

fn write<F: Flow>(flow: &F, op: &mut WriteOp) -> Poll<Result<(), WriteError<F::Error>>> {
    flow.poll_write(&mut Context::from_waker(Waker::noop()), op)
}

fn read_direct<F: Flow>(flow: &F, op: &mut ReadOp) -> Option<Chunks> {
    let direct = flow.direct().unwrap();
    direct.read_direct(&mut Context::from_waker(Waker::noop()), op)
}

#[test]
fn any_engine_writes_what_is_outside() {
    let (flow, mut peer) = memory::with_wire(64);
    assert!(!flow.direct().unwrap().takes(&outside(b"far")));
    assert!(write(&flow, &mut WriteOp::new(outside(b"far away"))).is_ready());
    assert_eq!(received(&mut peer).0, b"far away");

    // What can be had no more is not sent in part.
    let sent = write(&flow, &mut WriteOp::new(Chunks::outside(Lost)));
    assert!(matches!(sent, Poll::Ready(Err(WriteError::Closed))));
    assert_eq!(received(&mut peer).0, b"");
}

#[test]
fn chunks_outside_are_counted_passed_and_brought_in() {
    let mut chunks = outside(b"12345");
    assert!(chunks.is_outside() && !chunks.is_single() && chunks.slices().next().is_none());
    assert_eq!(format!("{chunks:?}"), r#"Outside(Elsewhere(b"12345"))"#);
    // Passed by somebody who has not moved them: they are not sent twice.
    chunks.advance(2);
    assert_eq!(chunks.len(), 3);
    assert_eq!(chunks.take_at_most(1).as_deref(), Some(&b"3"[..]));
    assert!(!chunks.is_outside());
    assert_eq!(chunks.take_first().as_deref(), Some(&b"45"[..]));

    let mut lost = Chunks::outside(Lost);
    assert!(!lost.bring_in());
    assert_eq!((lost.take_first(), lost.take_at_most(1)), (None, None));
    assert_eq!(lost.len(), 7);
}

#[test]
fn long_chunks_are_followed_by_direct_reads_and_short_ones_are_not() {
    let (src, dst) = (Place::new(&[LONG, b"one", b"two"]), Place::new(&[]));
    src.with(|state| state.ended = true);
    let stats = ready(copy(src.flow(), dst.flow())).unwrap();
    assert_eq!(stats.direct_bytes, 6);
    assert_eq!((stats.read_ops, stats.write_ops), (3, 3));
    assert_eq!(dst.with(|state| state.sent_outside), 6);
    assert_eq!(
        dst.with(|state| state.sent.split_off(LONG.len())),
        b"onetwo"
    );

    let src = Place::new(&[b"short", b"one", b"two"]);
    src.with(|state| state.ended = true);
    let stats = ready(copy(src.flow(), dst.flow())).unwrap();
    assert_eq!((stats.direct_bytes, stats.read_bytes), (0, 11));
    assert_eq!(src.with(|state| state.direct_reads), 0);

    let src = Place::new(&[LONG, b"one"]);
    src.with(|state| state.ended = true);
    let stats = ready(copy(src.flow(), dst.flow()).through_memory()).unwrap();
    assert_eq!(stats.direct_bytes, 0);
    assert_eq!(src.with(|state| state.direct_reads), 0);
}

#[test]
fn a_destination_that_does_not_take_them_is_asked_once() {
    let src = Place::new(&[LONG, b"one", b"two"]);
    src.with(|state| state.ended = true);
    let (dst, mut to) = memory::with_wire(1 << 20);
    let stats = ready(copy(src.flow(), &dst)).unwrap();
    assert_eq!(stats.direct_bytes, 0);
    assert_eq!(stats.read_bytes, LONG.len() as u64 + 6);
    assert_eq!(src.with(|state| state.direct_reads), 1);
    assert!(received(&mut to).0.ends_with(b"onetwo"));
}

#[test]
fn a_direct_read_takes_its_turn() {
    let place = Place::new(&[]);
    let flow = place.flow();
    let mut first = flow.read();
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut first).is_pending());
    place.push(b"for the first");
    let mut op = ReadOp::new();
    assert!(read_direct(&flow, &mut op).is_none());
    assert_eq!(
        ready_with(&wakes, &mut first),
        Some(b"for the first".to_vec())
    );

    // And is given up for one that comes after it, like any other.
    place.push(b"for us");
    assert_eq!(read_direct(&flow, &mut op).unwrap().len(), 6);
}

fn ready_with<F>(wakes: &Arc<Wakes>, future: &mut F) -> Option<Vec<u8>>
where
    F: Future<Output = Result<Option<Bytes>, SharedError>> + Unpin,
{
    match poll(wakes, future) {
        Poll::Ready(chunk) => chunk.unwrap().map(Into::into),
        Poll::Pending => panic!("should be ready"),
    }
}

#[test]
fn a_place_in_line_is_left_by_a_direct_read() {
    let place = Place::new(&[]);
    let flow = place.flow();
    let (ours, theirs) = (Wakes::new(), Wakes::new());
    let mut op = ReadOp::new();
    let waker = Waker::from(ours.clone());
    let mut cx = Context::from_waker(&waker);
    assert!(flow.poll_read(&mut cx, &mut op).is_pending());
    let mut behind = flow.read();
    assert!(poll(&theirs, &mut behind).is_pending());
    place.push(b"ours");
    assert_eq!((ours.take(), theirs.take()), (1, 0));
    let chunks = flow
        .direct()
        .unwrap()
        .read_direct(&mut cx, &mut op)
        .unwrap();
    assert_eq!(chunks.len(), 4);
    // The next one is to ask.
    assert_eq!(theirs.take(), 1);
    place.push(b"theirs");
    assert_eq!(ready_with(&theirs, &mut behind), Some(b"theirs".to_vec()));
}

#[test]
fn what_a_close_has_read_ahead_comes_first() {
    let place = Place::new(&[b"ahead", b"also"]);
    let flow = place.flow();
    let mut close = flow.close();
    assert!(poll(&Wakes::new(), &mut close).is_pending());
    let mut op = ReadOp::new();
    place.push(b"now");
    assert!(read_direct(&flow, &mut op).is_none());
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"ahead"[..]));
    assert_eq!(ready(flow.read()).unwrap().as_deref(), Some(&b"also"[..]));
    assert_eq!(read_direct(&flow, &mut op).unwrap().len(), 3);
}

#[test]
fn over_is_over() {
    let over = |end: fn(&Engine<Place>)| {
        let place = Place::new(&[b"late"]);
        let flow = place.flow();
        end(&flow);
        assert!(read_direct(&flow, &mut ReadOp::new()).is_none());
        place.with(|state| state.direct_reads)
    };
    assert_eq!(over(|flow| flow.abort()), 0);
    assert_eq!(
        over(|flow| ready(flow.shutdown(Shutdown::Read)).unwrap()),
        0
    );
    let place = Place::new(&[]);
    place.with(|state| state.ended = true);
    let flow = place.flow();
    assert_eq!(ready(flow.read()).unwrap(), None);
    place.push(b"after the end");
    assert!(read_direct(&flow, &mut ReadOp::new()).is_none());
}

#[test]
fn a_source_that_always_has_more_lets_others_have_their_turn() {
    let (src, dst) = (Place::new(&[LONG; 300]), Place::new(&[]));
    let mut copying = copy(src.flow(), dst.flow());
    let wakes = Wakes::new();
    assert!(poll(&wakes, &mut copying).is_pending());
    assert!(copying.stats().direct_bytes > 0);
    assert!(copying.stats().read_ops <= 128);
    assert_eq!(wakes.take(), 1);
}

#[test]
fn wrappers_pass_it_on_or_stand_in_its_way() {
    let place = Place::new(&[]);
    let flow = Counted::new(Named::new(boxed(place.flow()), "far"));
    place.push(b"12345");
    assert_eq!(read_direct(&&flow, &mut ReadOp::new()).unwrap().len(), 5);
    assert!(read_direct(&&flow, &mut ReadOp::new()).is_none());
    assert!(flow.direct().unwrap().takes(&outside(b"1")));
    assert!(write(&flow, &mut WriteOp::new(outside(b"123"))).is_ready());
    let stats = flow.stats();
    assert_eq!(
        (stats.read_bytes, stats.read_ops, stats.direct_bytes),
        (5, 1, 5)
    );
    assert_eq!((stats.written_bytes, stats.write_ops), (3, 1));
    assert_eq!(place.with(|state| state.sent_outside), 3);

    let flow = Inspect::new(place.flow(), |_: flow_core::combinators::Traffic<'_>| ());
    assert!(flow.direct().is_none());

    let mut flow = Peekable::new(place.flow());
    assert!(flow.direct().is_some());
    place.push(b"seen");
    ready(flow.peek(1)).unwrap();
    assert!(flow.direct().is_none());
    ready(flow.read()).unwrap();
    assert!(flow.direct().is_some());
}

#[test]
fn what_is_left_of_a_write_that_failed_comes_back() {
    // At once, and after it was taken; from memory, and from elsewhere.
    for taken in [false, true] {
        for data in [
            Chunks::from(Bytes::from_static(b"12345678")),
            outside(b"12345678"),
        ] {
            let place = Place::new(&[]);
            place.with(|state| (state.room, state.fails) = (3, !taken));
            let flow = place.flow();
            let mut op = WriteOp::new(data).keeping_unsent();
            if taken {
                assert!(write(&flow, &mut op).is_pending());
                assert!(op.is_taken() && op.chunks().is_empty());
                place.with(|state| (state.room, state.fails) = (2, true));
            }
            let failed = write(&flow, &mut op);
            assert!(matches!(failed, Poll::Ready(Err(WriteError::Closed))));
            let gone = if taken { 5 } else { 3 };
            assert!(op.is_taken());
            let mut left = op.into_unsent().unwrap();
            assert_eq!(left.len(), 8 - gone);
            assert!(left.bring_in());
            assert_eq!(left.first(), &b"12345678"[gone..]);
        }
    }
    // Not what the flow goes on with, and not without being asked for.
    let place = Place::new(&[]);
    place.with(|state| state.room = 3);
    let flow = place.flow();
    let mut op = WriteOp::from("12345678").keeping_unsent();
    assert!(write(&flow, &mut op).is_pending());
    assert!(op.into_unsent().is_none());
    for taken in [false, true] {
        let place = Place::new(&[]);
        place.with(|state| (state.room, state.fails) = (3, !taken));
        let flow = place.flow();
        let mut op = WriteOp::from("12345678");
        if taken {
            assert!(write(&flow, &mut op).is_pending());
            place.with(|state| state.fails = true);
        }
        assert!(write(&flow, &mut op).is_ready());
        assert!(op.into_unsent().is_none());
    }
    assert_eq!(WriteOp::from("1").into_unsent().unwrap().first(), b"1");
}

#[test]
fn nobody_waits_for_it_so_it_is_dropped_where_the_write_fails() {
    struct Noted(Arc<Mutex<bool>>);

    impl AsRef<[u8]> for Noted {
        fn as_ref(&self) -> &[u8] {
            b"12345678"
        }
    }

    impl Drop for Noted {
        fn drop(&mut self) {
            *self.0.lock().unwrap() = true;
        }
    }

    let place = Place::new(&[]);
    place.with(|state| state.room = 3);
    let flow = place.flow();
    let dropped = Arc::default();
    let data = Bytes::from_owner(Noted(Arc::clone(&dropped)));
    let mut op = WriteOp::from(data).keeping_unsent();
    assert!(write(&flow, &mut op).is_pending());
    drop(op);
    assert!(!*dropped.lock().unwrap());
    place.with(|state| state.fails = true);
    assert!(ready(flow.flush()).is_err());
    assert!(*dropped.lock().unwrap());
}

#[test]
fn a_copy_whose_destination_fails_gives_back_what_was_outside() {
    let (src, dst) = (Place::new(&[LONG, b"12345678"]), Place::new(&[]));
    dst.with(|state| (state.room, state.fails) = (LONG.len() + 3, true));
    let mut copying = copy(src.flow(), dst.flow());
    let error = ready(&mut copying).unwrap_err();
    assert_eq!(error.stats().direct_bytes, 8);
    assert_eq!(error.stats().written_bytes, LONG.len() as u64);
    let unsent = copying.into_parts().2.unwrap();
    assert_eq!(unsent.first(), b"45678");
}
