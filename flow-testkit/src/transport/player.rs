//! What plays a script: calls in tasks of their own, polled when they are woken.
#![allow(dead_code)]

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use flow_core::{Bytes, Chunks, Flow, FlowExt, Shutdown};

use super::stream::{Far, Met};

static CLOCK: AtomicUsize = AtomicUsize::new(0);

/// When it was woken; 0 for never.
#[derive(Default)]
struct Alarm(AtomicUsize);

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        let now = CLOCK.fetch_add(1, Ordering::SeqCst) + 1;
        let _ = self
            .0
            .compare_exchange(0, now, Ordering::SeqCst, Ordering::SeqCst);
    }
}

struct Call<'f> {
    future: Option<Pin<Box<dyn Future<Output = String> + 'f>>>,
    alarm: Arc<Alarm>,
    answer: Option<String>,
}

/// Plays on one flow and its far end. Calls are numbered from 0, as they are made.
pub struct Player<'f, F> {
    flow: &'f F,
    pub far: Far,
    calls: Vec<Call<'f>>,
    pub received: Vec<u8>,
    pub met_end: bool,
}

impl<'f, F: Flow> Player<'f, F> {
    pub fn new(flow: &'f F, far: Far) -> Self {
        Self {
            flow,
            far,
            calls: Vec::new(),
            received: Vec::new(),
            met_end: false,
        }
    }

    fn call(&mut self, future: impl Future<Output = String> + 'f) {
        let alarm = Arc::default();
        self.calls.push(Call {
            future: Some(Box::pin(future)),
            alarm,
            answer: None,
        });
        self.poll(self.calls.len() - 1);
    }

    pub fn read(&mut self) {
        let read = self.flow.read();
        self.call(async { format!("{:?}", read.await.map(|chunk| chunk.map(|c| c.to_vec()))) });
    }

    pub fn write(&mut self, buffers: &[&[u8]]) {
        let write = self
            .flow
            .write_chunks(buffers.iter().map(|b| Bytes::copy_from_slice(b)).collect::<Chunks>());
        self.call(async { format!("{:?}", write.await) });
    }

    pub fn flush(&mut self) {
        let flush = self.flow.flush();
        self.call(async { format!("{:?}", flush.await) });
    }

    pub fn shutdown(&mut self, how: Shutdown) {
        let shutdown = self.flow.shutdown(how);
        self.call(async { format!("{:?}", shutdown.await) });
    }

    pub fn close(&mut self) {
        let close = self.flow.close();
        self.call(async { format!("{:?}", close.await) });
    }

    pub fn drop_call(&mut self, call: usize) {
        self.calls[call].future = None;
    }

    pub fn poll(&mut self, call: usize) {
        let call = &mut self.calls[call];
        call.alarm = Arc::default();
        let waker = Arc::clone(&call.alarm).into();
        if let Some(future) = &mut call.future
            && let Poll::Ready(answer) = future.as_mut().poll(&mut Context::from_waker(&waker))
        {
            call.answer = Some(answer);
            call.future = None;
        }
    }

    /// What that call has answered.
    pub fn answer(&self, call: usize) -> Option<&str> {
        self.calls[call].answer.as_deref()
    }

    fn woken(&self, call: usize) -> usize {
        match &self.calls[call] {
            Call {
                future: Some(_),
                alarm,
                ..
            } => alarm.0.load(Ordering::SeqCst),
            _ => 0,
        }
    }

    /// Polls each call that was woken, once, as they were woken.
    pub fn poll_woken(&mut self) -> bool {
        let mut woken: Vec<_> = (0..self.calls.len())
            .map(|call| (self.woken(call), call))
            .filter(|woken| woken.0 > 0)
            .collect();
        woken.sort_unstable();
        for &(_, call) in &woken {
            self.poll(call);
        }
        !woken.is_empty()
    }

    /// All wakes come, and all woken calls are polled, until nothing moves.
    pub fn settle(&mut self) {
        loop {
            while self.poll_woken() {}
            if !self.far.deliver() {
                return;
            }
        }
    }

    /// Polls each call that waits and was not woken.
    pub fn poll_all(&mut self) {
        for call in 0..self.calls.len() {
            if self.woken(call) == 0 {
                self.poll(call);
            }
        }
    }

    /// The far end receives.
    pub fn receive(&mut self, most: usize) {
        match self.far.recv(most) {
            Met::Bytes(bytes) => self.received.extend(bytes),
            Met::Nothing => {}
            Met::End => self.met_end = true,
        }
    }
}
