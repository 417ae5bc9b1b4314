//! A flow that shows what goes through it.

use std::error::Error;
use std::fmt;
use std::io::Write;
use std::mem;
use std::task::{Context, Poll};

use super::forward::{forward, inner};
use crate::sync::{Mutex, lock};
use crate::{
    Bytes, Chunks, CloseOp, Direct, Flow, ReadOp, Shutdown, ShutdownOp, WriteError, WriteOp,
};

/// A flow that shows everything that goes through it to a function: see [`trace_to`] for one that writes lines.
///
/// What is read is shown before it is handed out. What is written is shown when the flow takes it: once, also if the write is dropped then, and not
/// at all if it never is taken. One task's calls are shown in their order; the function may be called from several threads at the
/// same time where the flow is used so. It may use the flow.
///
/// # Errors
///
/// Those of the flow inside.
///
/// # Panics
///
/// If the function does.
///
/// # Examples
///
/// ```
/// use std::sync::Mutex;
///
/// use flow_core::combinators::{Inspect, Traffic};
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let (flow, mut peer) = memory::with_wire(1024);
/// let seen = Mutex::new(Vec::new());
/// let flow = Inspect::new(flow, |traffic: Traffic<'_>| {
///     seen.lock().unwrap().push(traffic.to_string());
/// });
/// flow.write("GET /\r\n").await?;
/// peer.send(b"200");
/// flow.read().await?;
///
/// // The failing case: it is shown as well.
/// drop(peer);
/// assert!(flow.write("more").await.is_err());
/// let shown = [r"> GET /\r\n", "< 200", "> failed: the flow is closed for writing"];
/// assert_eq!(*seen.lock().unwrap(), shown);
/// # Ok::<_, flow_core::WriteError<_>>(())
/// # }).unwrap();
/// ```
#[must_use = "a flow that is dropped is gone, for the peer too"]
pub struct Inspect<F, T> {
    flow: F,
    trace: T,
}

/// What an [`Inspect`] shows. `Display` is one line, with bytes escaped.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Traffic<'a> {
    /// A chunk was read.
    Read(&'a [u8]),
    /// A read found the end.
    End,
    /// A read failed.
    ReadFailed(&'a dyn Error),
    /// One buffer of a write was taken.
    Written(&'a [u8]),
    /// A write failed.
    WriteFailed(&'a dyn Error),
    /// A shutdown of that direction is done.
    Shutdown(Shutdown),
    /// A close is done.
    Closed,
    /// This side aborts.
    Aborted,
}

impl fmt::Display for Traffic<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Read(data) => write!(f, "< {}", data.escape_ascii()),
            Self::End => f.write_str("< end"),
            Self::ReadFailed(e) => write!(f, "< failed: {e}"),
            Self::Written(data) => write!(f, "> {}", data.escape_ascii()),
            Self::WriteFailed(e) => write!(f, "> failed: {e}"),
            Self::Shutdown(Shutdown::Read) => f.write_str("shut down for reading"),
            Self::Shutdown(Shutdown::Write) => f.write_str("shut down for writing"),
            Self::Shutdown(Shutdown::Both) => f.write_str("shut down"),
            Self::Closed => f.write_str("closed"),
            Self::Aborted => f.write_str("aborted"),
        }
    }
}

/// How [`trace_to`] writes bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// As text, on one line, with what is not ASCII or not printable escaped.
    Escaped,
    /// In lines of sixteen: the offset in the chunk, the bytes in hex, and as text.
    Hex,
    /// Not the bytes: how many there are.
    Lengths,
}

/// A function for [`Inspect`] that writes a line or more for everything that goes through.
///
/// Several flows may be traced to clones of one `&File` or `Stderr`. What the writer fails to take is missing in the trace, and the flow goes on.
///
/// # Examples
///
/// ```
/// use flow_core::combinators::{Inspect, Style, trace_to};
/// use flow_core::{FlowExt as _, memory};
///
/// # futures_lite::future::block_on(async {
/// let mut trace = Vec::new();
/// let (flow, _peer) = memory::with_wire(1024);
/// let flow = Inspect::new(flow, trace_to(&mut trace, Style::Hex));
/// flow.write("one line of hex, and more").await?;
/// drop(flow);
/// let lines = "\
/// > 25 bytes
///   0000  6f 6e 65 20 6c 69 6e 65  20 6f 66 20 68 65 78 2c  one line of hex,
///   0010  20 61 6e 64 20 6d 6f 72  65                        and more
/// ";
/// assert_eq!(String::from_utf8(trace).unwrap(), lines);
/// # Ok::<_, flow_core::WriteError<memory::MemoryError>>(())
/// # }).unwrap();
/// ```
pub fn trace_to<W: Write>(writer: W, style: Style) -> impl Fn(Traffic<'_>) {
    let writer = Mutex::new(writer);
    move |traffic| {
        // In one piece, so that lines of several flows do not mix.
        let mut lines = match (traffic, style) {
            (Traffic::Read(data), Style::Hex | Style::Lengths) => lengths('<', data),
            (Traffic::Written(data), Style::Hex | Style::Lengths) => lengths('>', data),
            _ => format!("{traffic}\n"),
        };
        if let (Traffic::Read(data) | Traffic::Written(data), Style::Hex) = (traffic, style) {
            lines.push_str(&Hex(data).to_string());
        }
        let _ = lock(&writer).write_all(lines.as_bytes());
    }
}

fn lengths(way: char, data: &[u8]) -> String {
    let plural = if data.len() == 1 { "" } else { "s" };
    format!("{way} {} byte{plural}\n", data.len())
}

struct Hex<'a>(&'a [u8]);

impl fmt::Display for Hex<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ROW: usize = 16;

        for (row, bytes) in self.0.chunks(ROW).enumerate() {
            write!(f, "  {:04x}  ", row * ROW)?;
            for column in 0..ROW {
                match bytes.get(column) {
                    Some(byte) => write!(f, "{byte:02x} ")?,
                    None => f.write_str("   ")?,
                }
                if column == ROW / 2 - 1 {
                    f.write_str(" ")?;
                }
            }
            let shown = |byte: &u8| match byte {
                b' '..=b'~' => char::from(*byte),
                _ => '.',
            };
            writeln!(f, " {}", bytes.iter().map(shown).collect::<String>())?;
        }
        Ok(())
    }
}

impl<F, T: Fn(Traffic<'_>)> Inspect<F, T> {
    /// `flow`, with what goes through it shown to `trace`.
    pub const fn new(flow: F, trace: T) -> Self {
        Self { flow, trace }
    }

    inner!(flow: F);

    /// The flow inside.
    pub fn into_inner(self) -> F {
        self.flow
    }
}

/// The buffers of a write, shared: they are the flow's once it has taken them. None if they cannot be had, which is for the flow to tell.
fn share(chunks: &mut Chunks) -> Vec<Bytes> {
    if !chunks.bring_in() {
        return Vec::new();
    }
    let shared: Vec<Bytes> = mem::take(chunks).into_iter().collect();
    *chunks = shared.clone().into();
    shared
}

#[deny(
    clippy::missing_trait_methods,
    reason = "a method that is not forwarded is lost"
)]
impl<F: Flow, T: Fn(Traffic<'_>)> Flow for Inspect<F, T> {
    type Error = F::Error;

    fn poll_read(
        &self,
        cx: &mut Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, F::Error>> {
        let polled = self.flow.poll_read(cx, op);
        match &polled {
            Poll::Ready(Ok(Some(chunk))) => (self.trace)(Traffic::Read(chunk)),
            Poll::Ready(Ok(None)) => (self.trace)(Traffic::End),
            Poll::Ready(Err(e)) => (self.trace)(Traffic::ReadFailed(e)),
            Poll::Pending => {}
        }
        polled
    }

    fn poll_write(
        &self,
        cx: &mut Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        let was_taken = op.is_taken();
        let data = if was_taken {
            Vec::new()
        } else {
            share(op.chunks())
        };
        let polled = self.flow.poll_write(cx, op);
        if op.is_taken() || matches!(polled, Poll::Ready(Ok(()))) {
            for buffer in data {
                (self.trace)(Traffic::Written(&buffer));
            }
        }
        if let Poll::Ready(Err(e)) = &polled {
            (self.trace)(Traffic::WriteFailed(e));
        }
        polled
    }

    fn poll_shutdown(
        &self,
        cx: &mut Context<'_>,
        op: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        let polled = self.flow.poll_shutdown(cx, op);
        if let Poll::Ready(Ok(())) = polled {
            (self.trace)(Traffic::Shutdown(op.how()));
        }
        polled
    }

    fn poll_close(
        &self,
        cx: &mut Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<F::Error>>> {
        let polled = self.flow.poll_close(cx, op);
        if let Poll::Ready(Ok(())) = polled {
            (self.trace)(Traffic::Closed);
        }
        polled
    }

    fn abort(&self) {
        (self.trace)(Traffic::Aborted);
        self.flow.abort();
    }

    /// Every byte is shown, so every byte comes into memory.
    fn direct(&self) -> Option<&dyn Direct> {
        None
    }

    forward!(flow: poll_flush rest);
}

impl<F: fmt::Debug, T> fmt::Debug for Inspect<F, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inspect")
            .field("flow", &self.flow)
            .finish_non_exhaustive()
    }
}
