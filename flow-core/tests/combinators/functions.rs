//! Flows of functions and buffers, and what they do when the output is full.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::task::Poll;

use flow_core::combinators::{Buffers, FunctionFlow, Functions};
use flow_core::{Bytes, Flow, FlowExt, Shutdown, WriteError};

use super::step::{Wakes, poll, ready};

fn reads(flow: &FunctionFlow) -> Vec<Bytes> {
    std::iter::from_fn(|| ready(flow.read()).unwrap()).collect()
}

#[test]
fn input_alone_is_read_up_to_its_end_and_takes_no_writes() {
    let forms = [
        Functions::new().input_buffers(["", "123", "45", "", "6789", "0", ""]),
        Functions::new().input_buffers([
            Vec::new(),
            b"123".to_vec(),
            b"45".to_vec(),
            b"6789".to_vec(),
            b"0".to_vec(),
        ]),
        Functions::new().input_buffers(["123", "45", "6789", "0"].map(Bytes::from_static_str)),
    ];
    for form in forms {
        let flow = form.flow();
        assert_eq!(ready(flow.write("")), Err(WriteError::Closed));
        assert_eq!(reads(&flow), [&b"123"[..], b"45", b"6789", b"0"]);
        assert_eq!(ready(flow.read()), Ok(None));
        assert_eq!(ready(flow.write("hihi")), Err(WriteError::Closed));
        assert_eq!(ready(flow.write("")), Err(WriteError::Closed));
    }
}

trait FromStaticStr {
    fn from_static_str(s: &'static str) -> Self;
}

impl FromStaticStr for Bytes {
    fn from_static_str(s: &'static str) -> Self {
        Self::from_static(s.as_bytes())
    }
}

#[test]
fn a_full_output_accepts_what_fits_and_is_closed_from_then_on() {
    let forms = [
        (vec![10], vec!["hello! wor"]),
        (vec![3, 0, 2, 5], vec!["hel", "", "lo", "! wor"]),
    ];
    for (lengths, contents) in forms {
        let output = Buffers::new(lengths.into_iter().map(|len| vec![b'x'; len]));
        let flow = Functions::new().output_buffers(&output).flow();
        assert_eq!(ready(flow.write("hell")), Ok(()));
        assert_eq!(
            ready(flow.write_chunks(["o", "", "! "].map(Bytes::from).to_vec())),
            Ok(())
        );
        assert_eq!(output.written(), b"hello! ");
        assert_eq!(ready(flow.write("world")), Err(WriteError::Closed));
        let shown: Vec<_> = output
            .contents()
            .into_iter()
            .map(|b| String::from_utf8(b).unwrap())
            .collect();
        assert_eq!(shown, contents);
        for _ in 0..2 {
            assert_eq!(ready(flow.write("x")), Err(WriteError::Closed));
            assert_eq!(ready(flow.write("")), Err(WriteError::Closed));
        }
        assert_eq!(ready(flow.read()), Ok(None));
    }
}

#[test]
fn an_output_that_is_filled_exactly_is_closed_for_the_next() {
    let output = Buffers::zeroed(5);
    let flow = Functions::new().output_buffers(&output).flow();
    assert_eq!(ready(flow.write("hello")), Ok(()));
    assert_eq!(ready(flow.write("")), Ok(()));
    assert_eq!(ready(flow.write("!")), Err(WriteError::Closed));
    assert_eq!(output.contents(), [b"hello"]);
}

#[test]
fn functions_are_asked_until_they_answer_none() {
    let left = Arc::new(AtomicUsize::new(5000));
    let (input, output) = (left.clone(), left.clone());
    let flow = Functions::new()
        .input(move |buffer| {
            let count = buffer.len().min(input.load(SeqCst));
            input.fetch_sub(count, SeqCst);
            buffer[..count].fill(b'i');
            count
        })
        .output(move |data| {
            let count = data.len().min(3);
            output.fetch_add(count, SeqCst);
            count
        })
        .flow();
    let lengths: Vec<_> = reads(&flow).iter().map(Bytes::len).collect();
    assert_eq!(lengths, [4096, 904]);
    ready(flow.write("a write that is taken in parts")).unwrap();
    assert_eq!(left.load(SeqCst), 30);
    // The end is final, though the function has more.
    assert_eq!(ready(flow.read()), Ok(None));
}

#[test]
fn counts_beyond_the_buffer_are_cut_down() {
    let calls = Arc::new(AtomicUsize::new(0));
    let called = calls.clone();
    let flow = Functions::new()
        .input(|buffer| buffer.len() + 1)
        .output(move |data| {
            called.fetch_add(1, SeqCst);
            data.len() + 1
        })
        .flow();
    assert_eq!(ready(flow.read()).unwrap().unwrap().len(), 4096);
    ready(flow.write_chunks(["ab", "c"].map(Bytes::from).to_vec())).unwrap();
    assert_eq!(calls.load(SeqCst), 2);
}

#[test]
fn functions_may_have_to_wait() {
    let turns = Arc::new(AtomicUsize::new(0));
    let (input, output) = (turns.clone(), turns.clone());
    let wait = move |turns: &AtomicUsize| turns.load(SeqCst) == 0;
    let flow = Functions::new()
        .input_polled(move |_, buffer| {
            if wait(&input) {
                return Poll::Pending;
            }
            buffer[0] = b'x';
            Poll::Ready(1)
        })
        .output_polled(move |_, data| {
            if wait(&output) {
                Poll::Pending
            } else {
                Poll::Ready(data.len())
            }
        })
        .flow();
    let (mut read, mut write) = (flow.read(), flow.write("y"));
    assert!(poll(&Wakes::new(), &mut read).is_pending());
    assert!(poll(&Wakes::new(), &mut write).is_pending());
    assert!(!write.is_taken());
    turns.store(1, SeqCst);
    assert_eq!(ready(&mut read).unwrap().unwrap(), b"x"[..]);
    ready(&mut write).unwrap();
}

#[test]
fn close_waits_once_for_what_was_to_be_done_then() {
    let (done, runs) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (hook_done, hook_runs) = (done.clone(), runs.clone());
    let flow = Functions::new()
        .input_buffers(["unread"])
        .output(|data| data.len())
        .on_close(move || {
            hook_runs.fetch_add(1, SeqCst);
            poll_fn(move |_| {
                if hook_done.load(SeqCst) == 0 {
                    Poll::Pending
                } else {
                    Poll::Ready(())
                }
            })
        })
        .flow();
    ready(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(runs.load(SeqCst), 0);
    let (mut close, mut again) = (flow.close(), flow.close());
    assert!(poll(&Wakes::new(), &mut close).is_pending());
    assert!(poll(&Wakes::new(), &mut again).is_pending());
    drop(close);
    assert_eq!(ready(flow.write("x")), Err(WriteError::Closed));
    done.store(1, SeqCst);
    ready(&mut again).unwrap();
    ready(flow.close()).unwrap();
    assert_eq!(runs.load(SeqCst), 1);
    assert_eq!(reads(&flow), [&b"unread"[..]]);
}

#[test]
fn the_output_is_dropped_at_the_end_of_writing() {
    for abort in [false, true] {
        let held = Arc::new(());
        let owned = held.clone();
        let flow = Functions::new()
            .output(move |data| {
                let _ = &owned;
                data.len()
            })
            .flow();
        assert_eq!(Arc::strong_count(&held), 2);
        if abort {
            flow.abort();
        } else {
            ready(flow.shutdown(Shutdown::Write)).unwrap();
        }
        assert_eq!(Arc::strong_count(&held), 1);
    }
}
