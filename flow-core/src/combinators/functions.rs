//! Flows out of functions and buffers: what is read comes from one, what is written goes to another.

use std::collections::VecDeque;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker, ready};

use bytes::BytesMut;

use super::forward::forward;
use crate::sync::{Mutex, lock};
use crate::{
    Aborted, Bytes, Chunks, CloseOp, Engine, Flow, Payload, PeerEnd, Shutdown, ShutdownOp,
    Transport, WriteError,
};

/// How much room an input function is given at most.
const BLOCK: usize = 4096;

/// A chunk that is kept keeps at most this many times its size of the block; smaller ones are copied out.
const PINNED: usize = 16;

/// What a [`FunctionFlow`] is made of: where its reads come from, where its writes go, what to do at the end. Each is optional.
///
/// | | input | output |
/// | --- | --- | --- |
/// | a function | [`input`](Self::input) | [`output`](Self::output) |
/// | one that may have to wait | [`input_polled`](Self::input_polled) | [`output_polled`](Self::output_polled) |
/// | buffers: strings, vectors, `Bytes` | [`input_buffers`](Self::input_buffers) | [`output_buffers`](Self::output_buffers) |
/// | none | reads are at the end | writes are `Closed`, empty ones too |
///
/// # The end of the output
///
/// An output that takes nothing more is full for good: the write that meets that is [`WriteError::Closed`], with what fitted before it accepted, and
/// so is everything after. A write that fits exactly is `Ok`, and the next one is `Closed`.
///
/// # Closing
///
/// After `shutdown(Write)`, `close` or an abort the output is dropped. `close` waits until a function of input has come to its end, reading ahead as any flow
/// does; buffers, and an input that is missing, have no end to wait for. Then it waits for what [`on_close`](Self::on_close) makes.
///
/// # Errors
///
/// These flows fail in no other way than by an abort.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{Buffers, Functions};
/// use flow_core::{FlowExt as _, WriteError};
///
/// # futures_lite::future::block_on(async {
/// let output = Buffers::new([vec![b'.'; 3], vec![], vec![b'.'; 4]]);
/// let flow = Functions::new()
///     .input_buffers(["123", "", "45"])
///     .output_buffers(&output)
///     .flow();
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"123"[..]));
/// assert_eq!(flow.read().await?.as_deref(), Some(&b"45"[..]));
/// assert_eq!(flow.read().await?, None);
/// flow.write("hello").await?;
/// assert_eq!(output.contents(), [&b"hel"[..], b"", b"lo.."]);
///
/// // The failing case: no more room than that.
/// assert_eq!(flow.write(" world").await, Err(WriteError::Closed));
/// assert_eq!(output.contents(), [&b"hel"[..], b"", b"lo w"]);
///
/// // Of functions: zeros without end, into nothing.
/// let flow = Functions::new()
///     .input(|buffer| buffer.len()) // a buffer comes zeroed
///     .output(|data| data.len())
///     .flow();
/// assert_eq!(flow.read().await?.map(|zeros| zeros[0]), Some(0));
/// flow.write("into nothing").await?;
/// # Ok::<_, WriteError<_>>(())
/// # }).unwrap();
/// ```
#[derive(Default)]
#[must_use = "it is no flow before `flow` is called"]
pub struct Functions {
    input: Option<Input>,
    output: Option<Output>,
    close: Option<Hook>,
}

type Fill = Box<dyn FnMut(&mut Context<'_>, &mut [u8]) -> Poll<usize> + Send>;
type Take = Box<dyn FnMut(&mut Context<'_>, &[u8]) -> Poll<usize> + Send>;
type Hook = Box<dyn FnOnce() -> Pin<Box<dyn Future<Output = ()> + Send>> + Send>;

enum Input {
    Function(Fill),
    Buffers(VecDeque<Bytes>),
}

enum Output {
    Function(Take),
    Buffers(Buffers),
}

impl Functions {
    /// Neither input nor output yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads are what this function puts at the front of the buffer that it is given, of which it answers the number of bytes: 0 is the end, for
    /// good. The buffer comes zeroed where it has not been written to before.
    pub fn input(self, mut fill: impl FnMut(&mut [u8]) -> usize + Send + 'static) -> Self {
        self.input_polled(move |_, buffer| Poll::Ready(fill(buffer)))
    }

    /// The same for a function that may have to wait: pending, with a wake arranged for. It runs under a lock of the flow, which it must not use.
    pub fn input_polled<I>(mut self, fill: I) -> Self
    where
        I: FnMut(&mut Context<'_>, &mut [u8]) -> Poll<usize> + Send + 'static,
    {
        self.input = Some(Input::Function(Box::new(fill)));
        self
    }

    /// Reads are these buffers, one after the other, uncopied. Empty ones are skipped.
    pub fn input_buffers<I>(mut self, buffers: I) -> Self
    where
        I: IntoIterator,
        I::Item: Payload,
    {
        let buffers = buffers.into_iter().map(Payload::into_bytes);
        self.input = Some(Input::Buffers(buffers.collect()));
        self
    }

    /// Writes go to this function, which answers how many bytes it took off the front: 0 says that it takes no more, for good. It is not
    /// called with nothing.
    pub fn output(self, mut take: impl FnMut(&[u8]) -> usize + Send + 'static) -> Self {
        self.output_polled(move |_, data| Poll::Ready(take(data)))
    }

    /// The same for a function that may have to wait: pending, with a wake arranged for, and nothing taken. It runs under a lock of the
    /// flow, which it must not use.
    pub fn output_polled<O>(mut self, take: O) -> Self
    where
        O: FnMut(&mut Context<'_>, &[u8]) -> Poll<usize> + Send + 'static,
    {
        self.output = Some(Output::Function(Box::new(take)));
        self
    }

    /// Writes fill these buffers, one after the other. The caller looks at them by a clone.
    pub fn output_buffers(mut self, buffers: &Buffers) -> Self {
        self.output = Some(Output::Buffers(buffers.clone()));
        self
    }

    /// What this makes is awaited by the first `close`, after everything else; a close that is dropped leaves it to the next. Not by an abort, nor when the
    /// flow is dropped.
    pub fn on_close<H, Fut>(mut self, hook: H) -> Self
    where
        H: FnOnce() -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.close = Some(Box::new(|| Box::pin(hook())));
        self
    }

    /// The flow.
    pub fn flow(self) -> FunctionFlow {
        let has_output = self.output.is_some();
        let endless = matches!(self.input, Some(Input::Function(_)));
        let rx = Receiving {
            input: self.input,
            block: BytesMut::new(),
        };
        let tx = Sending {
            output: self.output,
        };
        let hook = self.close.map(|hook| {
            let state = Closing::Hook(hook);
            Engine::new(OnClose, (), state)
        });
        let flow = FunctionFlow {
            engine: Engine::new(FunctionTransport { endless }, rx, tx),
            hook,
        };
        if !has_output {
            // Closed for writing from the start, for empty writes too.
            let mut op = ShutdownOp::new(Shutdown::Write);
            let mut cx = Context::from_waker(Waker::noop());
            let _ = flow.engine.poll_shutdown(&mut cx, &mut op);
        }
        flow
    }
}

/// A flow out of [`Functions`].
#[must_use = "a flow that is dropped is gone"]
pub struct FunctionFlow {
    engine: Engine<FunctionTransport>,
    /// Closed after the other, by the same operations: it has lines for those who wait.
    hook: Option<Engine<OnClose>>,
}

impl FunctionFlow {
    /// The engine of it, which can be attached to a switch.
    pub const fn engine(&self) -> &Engine<FunctionTransport> {
        &self.engine
    }
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl Flow for FunctionFlow {
    type Error = Aborted;

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<Aborted>>> {
        ready!(self.engine.poll_close(cx, op))?;
        match &self.hook {
            Some(hook) => hook.poll_close(cx, op),
            None => Poll::Ready(Ok(())),
        }
    }

    fn abort(&self) {
        self.engine.abort();
        if let Some(hook) = &self.hook {
            hook.abort();
        }
    }

    forward!(engine: poll_read poll_write poll_flush poll_shutdown direct rest);
}

/// The transport of a [`FunctionFlow`].
pub struct FunctionTransport {
    /// Input comes of a function: nobody knows its end before it is met.
    endless: bool,
}

/// The state of receiving.
pub struct Receiving {
    input: Option<Input>,
    /// Where input goes: zeroed once, written many times. Empty while nothing comes.
    block: BytesMut,
}

/// The state of sending.
pub struct Sending {
    output: Option<Output>,
}

impl Transport for FunctionTransport {
    type Error = Aborted;
    type Rx = Receiving;
    type Tx = Sending;

    fn poll_recv(
        &self,
        rx: &mut Receiving,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Bytes>, Aborted>> {
        let fill = match &mut rx.input {
            None => return Poll::Ready(Ok(None)),
            // Empty ones are skipped by the engine.
            Some(Input::Buffers(buffers)) => return Poll::Ready(Ok(buffers.pop_front())),
            Some(Input::Function(fill)) => fill,
        };
        if rx.block.is_empty() {
            rx.block = BytesMut::zeroed(BLOCK);
        }
        let Poll::Ready(count) = fill(cx, &mut rx.block) else {
            // An idle flow holds no block.
            rx.block = BytesMut::new();
            return Poll::Pending;
        };
        let count = count.min(rx.block.len());
        Poll::Ready(Ok(match count {
            0 => None,
            _ if count * PINNED < BLOCK => Some(Bytes::copy_from_slice(&rx.block[..count])),
            _ => Some(rx.block.split_to(count).freeze()),
        }))
    }

    fn poll_send(
        &self,
        tx: &mut Sending,
        cx: &mut Context<'_>,
        data: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Aborted>>> {
        while !data.is_empty() {
            let count = match &mut tx.output {
                None => 0,
                Some(Output::Buffers(buffers)) => buffers.fill(data.first()),
                Some(Output::Function(take)) => ready!(take(cx, data.first())),
            };
            if count == 0 {
                return Poll::Ready(Err(WriteError::Closed));
            }
            data.advance(count.min(data.first().len()));
        }
        Poll::Ready(Ok(()))
    }

    fn poll_finish(
        &self,
        tx: &mut Sending,
        _: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Aborted>>> {
        tx.output = None;
        Poll::Ready(Ok(()))
    }

    fn poll_peer_end(&self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Ready(if self.endless {
            PeerEnd::Unknown
        } else {
            PeerEnd::Ended
        })
    }
}

/// The transport of what is awaited by a close: it signals its end when that is ready.
struct OnClose;

enum Closing {
    Hook(Hook),
    UnderWay(Pin<Box<dyn Future<Output = ()> + Send>>),
    Done,
}

impl Transport for OnClose {
    type Error = Aborted;
    type Rx = ();
    type Tx = Closing;

    fn poll_recv(&self, _: &mut (), _: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Aborted>> {
        Poll::Ready(Ok(None))
    }

    fn poll_send(
        &self,
        _: &mut Closing,
        _: &mut Context<'_>,
        _: &mut Chunks,
    ) -> Poll<Result<(), WriteError<Aborted>>> {
        Poll::Ready(Err(WriteError::Closed))
    }

    fn poll_finish(
        &self,
        tx: &mut Closing,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<Aborted>>> {
        let mut under_way = match std::mem::replace(tx, Closing::Done) {
            Closing::Hook(hook) => hook(),
            Closing::UnderWay(under_way) => under_way,
            Closing::Done => return Poll::Ready(Ok(())),
        };
        let polled = under_way.as_mut().poll(cx);
        if polled.is_pending() {
            *tx = Closing::UnderWay(under_way);
        }
        polled.map(Ok)
    }

    fn poll_peer_end(&self, _: &mut Context<'_>) -> Poll<PeerEnd> {
        Poll::Ready(PeerEnd::Ended)
    }
}

/// Buffers that a [`FunctionFlow`] writes to, shared with whoever looks at them.
///
/// They keep their lengths: what is written replaces what was in them, from the first byte of the first one on.
#[derive(Clone)]
pub struct Buffers(Arc<Mutex<Filled>>);

struct Filled {
    buffers: Vec<Vec<u8>>,
    /// Bytes written to all of them.
    written: usize,
}

impl Buffers {
    /// These buffers. For one buffer, pass `[buffer]`.
    pub fn new(buffers: impl IntoIterator<Item = Vec<u8>>) -> Self {
        Self(Arc::new(Mutex::new(Filled {
            buffers: buffers.into_iter().collect(),
            written: 0,
        })))
    }

    /// One buffer of zeros.
    #[must_use]
    pub fn zeroed(len: usize) -> Self {
        Self::new([vec![0; len]])
    }

    /// All buffers as they are now, with what has not been written to.
    #[must_use]
    pub fn contents(&self) -> Vec<Vec<u8>> {
        lock(&self.0).buffers.clone()
    }

    /// What has been written, in one piece.
    #[must_use]
    pub fn written(&self) -> Vec<u8> {
        let filled = lock(&self.0);
        let all = filled.buffers.iter().flatten();
        all.take(filled.written).copied().collect()
    }

    /// Puts what fits of `data` into one of the buffers, and says how much.
    fn fill(&self, data: &[u8]) -> usize {
        let mut filled = lock(&self.0);
        let mut start = filled.written;
        for buffer in &mut filled.buffers {
            if start < buffer.len() {
                let room = &mut buffer[start..];
                let count = room.len().min(data.len());
                room[..count].copy_from_slice(&data[..count]);
                filled.written += count;
                return count;
            }
            start -= buffer.len();
        }
        0
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let filled = lock(&self.0);
        f.debug_struct("Buffers")
            .field(
                "lengths",
                &filled.buffers.iter().map(Vec::len).collect::<Vec<_>>(),
            )
            .field("written", &filled.written)
            .finish()
    }
}

macro_rules! debug {
    ($($name:ident)*) => {$(
        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

debug! { Functions FunctionFlow FunctionTransport Receiving Sending }
