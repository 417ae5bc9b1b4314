//! What the engine promises beyond the laws that every flow obeys: how it uses its transport.
#![cfg(feature = "std")]

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use flow_core::memory::{self, MemoryFlow, Received};
use flow_core::{Flow, FlowExt, ReadOp, Shutdown, WriteError, WriteOp};

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

struct Task {
    count: Arc<Count>,
    waker: Waker,
}

impl Task {
    fn new() -> Self {
        let count = Arc::new(Count::default());
        Self {
            waker: count.clone().into(),
            count,
        }
    }

    fn cx(&self) -> Context<'_> {
        Context::from_waker(&self.waker)
    }

    fn wakes(&self) -> usize {
        self.count.0.swap(0, Ordering::SeqCst)
    }
}

fn read(flow: &MemoryFlow, task: &Task, op: &mut ReadOp) -> Poll<Option<Vec<u8>>> {
    flow.poll_read(&mut task.cx(), op)
        .map(|r| r.expect("read").map(|b| b.to_vec()))
}

#[test]
fn bytes_cross_and_the_end_is_final() {
    let (flow, mut wire) = memory::with_wire(16);
    let task = Task::new();
    let mut op = ReadOp::new();
    assert_eq!(read(&flow, &task, &mut op), Poll::Pending);
    assert_eq!(wire.send(b"abc"), 3);
    assert_eq!(task.wakes(), 1);
    assert_eq!(
        read(&flow, &task, &mut op),
        Poll::Ready(Some(b"abc".to_vec()))
    );
    wire.end();
    for _ in 0..3 {
        assert_eq!(read(&flow, &task, &mut op), Poll::Ready(None));
    }
    let mut write = pin!(flow.write("still open"));
    assert!(write.as_mut().poll(&mut task.cx()).is_ready());
    let mut buffer = [0; 32];
    assert_eq!(wire.recv(&mut buffer), Received::Data(10));
}

#[test]
fn a_dropped_write_is_driven_by_a_parked_read() {
    let (flow, mut wire) = memory::with_wire(4);
    let (reader, writer) = (Task::new(), Task::new());
    let mut op = WriteOp::from("abcdefghij");
    assert!(flow.poll_write(&mut writer.cx(), &mut op).is_pending());
    assert!(op.is_taken());
    let mut reading = ReadOp::new();
    assert_eq!(read(&flow, &reader, &mut reading), Poll::Pending);
    drop(op);
    let mut got = Vec::new();
    let mut buffer = [0; 3];
    for _ in 0..10 {
        if let Received::Data(n) = wire.recv(&mut buffer) {
            got.extend_from_slice(&buffer[..n]);
        }
        if reader.wakes() > 0 {
            assert_eq!(read(&flow, &reader, &mut reading), Poll::Pending);
        }
    }
    assert_eq!(got, b"abcdefghij");
    assert_eq!(writer.wakes(), 0);
}

#[test]
fn readers_are_served_in_order_and_one_at_a_time() {
    let (flow, mut wire) = memory::with_wire(64);
    let tasks: Vec<_> = (0..1000).map(|_| Task::new()).collect();
    let mut ops: Vec<_> = tasks.iter().map(|_| ReadOp::new()).collect();
    for (task, op) in tasks.iter().zip(&mut ops) {
        assert_eq!(read(&flow, task, op), Poll::Pending);
    }
    let mut polls = 0;
    for i in 0..1000 {
        let message = [(i % 251) as u8];
        assert_eq!(wire.send(&message), 1);
        for (j, (task, op)) in tasks.iter().zip(&mut ops).enumerate() {
            if task.wakes() > 0 {
                polls += 1;
                match read(&flow, task, op) {
                    Poll::Ready(got) => assert_eq!((j, got), (i, Some(message.to_vec()))),
                    Poll::Pending => assert_eq!(j, i + 1),
                }
            }
        }
    }
    assert!(polls <= 2000, "{polls}");
}

#[test]
fn close_waits_for_the_peer_and_leaves_input() {
    let (flow, mut wire) = memory::with_wire(64);
    let task = Task::new();
    let mut close = pin!(flow.close());
    assert!(close.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(wire.recv(&mut [0; 4]), Received::End);
    wire.send(b"late");
    assert!(close.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(task.wakes(), 0);
    wire.end();
    assert_eq!(task.wakes(), 1);
    assert!(close.as_mut().poll(&mut task.cx()).is_ready());
    assert_eq!(
        read(&flow, &task, &mut ReadOp::new()),
        Poll::Ready(Some(b"late".to_vec()))
    );
    assert_eq!(read(&flow, &task, &mut ReadOp::new()), Poll::Ready(None));
}

#[test]
fn shutdown_read_discards_and_writing_goes_on() {
    let (flow, mut wire) = memory::with_wire(4);
    let task = Task::new();
    wire.send(b"junk");
    let mut op = ReadOp::new();
    assert!(
        pin!(flow.shutdown(Shutdown::Read))
            .poll(&mut task.cx())
            .is_ready()
    );
    assert_eq!(read(&flow, &task, &mut op), Poll::Ready(None));
    assert_eq!(wire.send(b"more"), 4);
    let mut write = pin!(flow.write("abcdefgh"));
    assert!(write.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(wire.send(b"more"), 4);
    assert_eq!(task.wakes(), 1);
    let mut buffer = [0; 4];
    assert!(write.as_mut().poll(&mut task.cx()).is_pending());
    assert_eq!(wire.recv(&mut buffer), Received::Data(4));
    assert!(write.as_mut().poll(&mut task.cx()).is_ready());
    let mut close = pin!(flow.close());
    assert!(close.as_mut().poll(&mut task.cx()).is_pending());
    task.wakes();
    wire.send(b"junk");
    assert_eq!(task.wakes(), 1);
    assert!(close.as_mut().poll(&mut task.cx()).is_pending());
    wire.end();
    assert_eq!(task.wakes(), 1);
    assert!(close.as_mut().poll(&mut task.cx()).is_ready());
}

#[test]
fn abort_is_an_error_here_and_the_end_there() {
    let (flow, mut wire) = memory::with_wire(4);
    let (reader, writer) = (Task::new(), Task::new());
    let mut reading = ReadOp::new();
    assert!(flow.poll_read(&mut reader.cx(), &mut reading).is_pending());
    let mut writing = WriteOp::from("abcdef");
    assert!(flow.poll_write(&mut writer.cx(), &mut writing).is_pending());
    flow.abort();
    assert_eq!((reader.wakes(), writer.wakes()), (1, 1));
    assert!(matches!(
        flow.poll_read(&mut reader.cx(), &mut reading),
        Poll::Ready(Err(_))
    ));
    assert_eq!(
        flow.poll_write(&mut writer.cx(), &mut writing),
        Poll::Ready(Err(WriteError::Closed))
    );
    let mut buffer = [0; 8];
    assert_eq!(wire.recv(&mut buffer), Received::Data(4));
    assert_eq!(wire.recv(&mut buffer), Received::Torn);
}
