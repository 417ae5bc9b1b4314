//! One round of cancelled operations: each is polled so many times, found waiting, and dropped.
//!
//! The peer is a bare socket. In the end it has got every byte that was taken, and none of those that were not.

use std::fmt::Debug;
use std::future::poll_fn;
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::Shutdown as How;
use std::os::unix::net::UnixStream;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

use flow_core::{Flow, FlowExt as _, Shutdown};
use flow_testkit::pattern::{Feed, Pattern};
use rustix::net::sockopt::set_socket_send_buffer_size;

use crate::Failure;
use crate::args::Leak;
use crate::backend::Backend;

/// More than a squeezed socket holds.
const MUCH: usize = 16 * 1024;

/// One round on a fresh flow, and how many operations were cancelled in it.
pub(crate) async fn round<B: Backend>(number: u64, leak: Option<Leak>) -> Result<u64, Failure> {
    let (ours, theirs) = UnixStream::pair()?;
    theirs.set_nonblocking(true)?;
    set_socket_send_buffer_size(&ours, 1)?;
    let flow = B::connect(ours)?;
    let mut peer = Peer::new(theirs);
    let mut cancels = Cancels::new(number, leak);
    let mut feed = Feed::new(Pattern(3));
    for _ in 0..4 {
        cancels.several("a read", || flow.read())?;
        cancels.one("a write", flow.write(feed.next(MUCH)))?;
        cancels.several("a write behind it", || flow.write("nobody shall see this"))?;
        cancels.several("a flush", || flow.flush())?;
        drain(flow.flush(), &mut peer).await?;
        peer.has(feed.at())?;
    }
    // One that is woken, and dropped before it looks.
    cancels.after("a read", flow.read(), || peer.socket.write_all(b"kept"))?;
    let kept = flow.read().await?;
    if kept.as_deref() != Some(b"kept") {
        return Err(format!("a dropped read left {kept:?}").into());
    }
    cancels.one("a last write", flow.write(feed.next(MUCH)))?;
    if number.is_multiple_of(3) {
        // Bytes are owed that will never be sent.
        flow.abort();
    } else if number % 3 == 1 {
        cancels.several("a shutdown", || flow.shutdown(Shutdown::Write))?;
        cancels.several("a close", || flow.close())?;
        peer.socket.shutdown(How::Write)?;
        drain(flow.close(), &mut peer).await?;
        peer.has(feed.at())?;
        if !peer.ended {
            return Err("the peer did not see the end".into());
        }
    }
    drop(flow);
    cancels.end()
}

/// Drops operations, and counts them.
struct Cancels {
    waker: Arc<Quiet>,
    count: u64,
    /// Changes how often the next one is polled.
    seed: u64,
    leak: Option<Leak>,
}

/// A waker that does nothing but to be there.
#[derive(Debug)]
struct Quiet;

impl Wake for Quiet {
    fn wake(self: Arc<Self>) {}
}

impl Cancels {
    fn new(seed: u64, leak: Option<Leak>) -> Self {
        Self {
            waker: Arc::new(Quiet),
            count: 0,
            seed,
            leak,
        }
    }

    fn several<C>(&mut self, what: &str, mut call: impl FnMut() -> C) -> Result<(), Failure>
    where
        C: Future<Output: Debug> + Unpin,
    {
        for _ in 0..3 {
            self.one(what, call())?;
        }
        Ok(())
    }

    fn one<C>(&mut self, what: &str, call: C) -> Result<(), Failure>
    where
        C: Future<Output: Debug> + Unpin,
    {
        self.after(what, call, || Ok(()))
    }

    /// Polls one to three times, then lets something happen, then drops.
    fn after<C>(
        &mut self,
        what: &str,
        mut call: C,
        happen: impl FnOnce() -> std::io::Result<()>,
    ) -> Result<(), Failure>
    where
        C: Future<Output: Debug> + Unpin,
    {
        let waker = Waker::from(Arc::clone(&self.waker));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..=(self.seed + self.count) % 3 {
            if let Poll::Ready(result) = Pin::new(&mut call).poll(&mut cx) {
                return Err(format!("{what} should wait, but is {result:?}").into());
            }
        }
        happen()?;
        if self.leak == Some(Leak::Waker) {
            std::mem::forget(waker);
        }
        self.count += 1;
        Ok(())
    }

    /// The flow is gone: so must be every waker that it was given.
    fn end(self) -> Result<u64, Failure> {
        match Arc::strong_count(&self.waker) {
            1 => Ok(self.count),
            more => Err(format!("{} wakers were kept", more - 1).into()),
        }
    }
}

/// The far end, and what it has got.
struct Peer {
    socket: UnixStream,
    pattern: Pattern,
    at: u64,
    ended: bool,
}

impl Peer {
    const fn new(socket: UnixStream) -> Self {
        Self {
            socket,
            pattern: Pattern(3),
            at: 0,
            ended: false,
        }
    }

    /// Receives what there is.
    fn pull(&mut self) -> Result<(), Failure> {
        let mut buffer = [0; MUCH];
        loop {
            match self.socket.read(&mut buffer) {
                Ok(0) => {
                    self.ended = true;
                    return Ok(());
                }
                Ok(len) => {
                    if let Some(fault) = self.pattern.diagnose(self.at, &buffer[..len]) {
                        return Err(fault.into());
                    }
                    self.at += len as u64;
                }
                Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(e) => return Err(e.into()),
            }
        }
    }

    fn has(&self, len: u64) -> Result<(), Failure> {
        if self.at != len {
            return Err(format!("the peer got {} of {len} bytes", self.at).into());
        }
        Ok(())
    }
}

/// Waits for a call while the peer receives.
async fn drain<C, T, E>(mut call: C, peer: &mut Peer) -> Result<T, Failure>
where
    C: Future<Output = Result<T, E>> + Unpin,
    Failure: From<E>,
{
    poll_fn(|cx| {
        let polled = Pin::new(&mut call).poll(cx);
        // Room that is made after the poll is an event, by which the call is woken.
        peer.pull()?;
        polled.map_err(Failure::from)
    })
    .await
}
