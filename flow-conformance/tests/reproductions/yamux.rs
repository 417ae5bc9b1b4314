//! Substreams of rust-yamux.

use std::cell::RefCell;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_io::{AsyncRead as _, AsyncWrite as _};
use yamux::{Config, Connection, Mode, Stream};

use crate::by_hand::{Carrier, released};

/// Two connections, and the two ends of one stream.
struct Connected {
    client: Connection<Carrier>,
    server: Connection<Carrier>,
    ours: Stream,
    theirs: Option<Stream>,
}

impl Connected {
    fn new() -> Self {
        let (here, there) = Carrier::pair();
        let mut client = Connection::new(here, Config::default(), Mode::Client);
        let mut server = Connection::new(there, Config::default(), Mode::Server);
        let mut cx = Context::from_waker(Waker::noop());
        let Poll::Ready(Ok(mut ours)) = client.poll_new_outbound(&mut cx) else {
            panic!("no stream could be opened");
        };
        assert!(write(&mut ours, b"hello").is_ready());
        let theirs = loop {
            let _ = client.poll_next_inbound(&mut cx);
            if let Poll::Ready(Some(Ok(theirs))) = server.poll_next_inbound(&mut cx) {
                break Some(theirs);
            }
        };
        Self {
            client,
            server,
            ours,
            theirs,
        }
    }

    fn theirs(&mut self) -> &mut Stream {
        self.theirs.as_mut().expect("the peer has left")
    }

    /// Moves every frame that there is.
    fn settle(&mut self) {
        let mut cx = Context::from_waker(Waker::noop());
        for _ in 0..10 {
            assert!(self.client.poll_next_inbound(&mut cx).is_pending());
            assert!(self.server.poll_next_inbound(&mut cx).is_pending());
        }
    }
}

fn write(stream: &mut Stream, data: &[u8]) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_write(&mut Context::from_waker(Waker::noop()), data)
}

fn read(stream: &mut Stream) -> Poll<io::Result<usize>> {
    Pin::new(stream).poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 64])
}

#[test]
fn yamux_reads_a_reset_as_the_end() {
    let mut both = Connected::new();
    assert!(matches!(
        write(both.theirs(), b"half a mess"),
        Poll::Ready(Ok(11))
    ));
    // Dropping a stream that was not closed is a reset: the frame says so.
    both.theirs = None;
    both.settle();
    assert!(matches!(read(&mut both.ours), Poll::Ready(Ok(11))));
    assert!(matches!(read(&mut both.ours), Poll::Ready(Ok(0))));
}

#[test]
fn yamux_writes_after_a_reset_are_write_zero() {
    let mut both = Connected::new();
    both.theirs = None;
    both.settle();
    let Poll::Ready(Err(error)) = write(&mut both.ours, b"x") else {
        panic!("a write to nobody was accepted");
    };
    assert_eq!(error.kind(), ErrorKind::WriteZero);
}

/// A task that looks at its stream as soon as it is woken, as an executor without a queue does.
struct AtOnce(Mutex<Sender<()>>);

thread_local! {
    static OURS: RefCell<Option<Stream>> = const { RefCell::new(None) };
}

impl Wake for AtOnce {
    fn wake(self: Arc<Self>) {
        self.0
            .lock()
            .expect("one thread")
            .send(())
            .expect("somebody waits");
        OURS.with_borrow_mut(|ours| read(ours.as_mut().expect("a stream")).is_ready());
    }
}

#[test]
fn yamux_wakes_while_the_stream_is_locked() {
    let came_back = released(
        |there| {
            let mut both = Connected::new();
            assert!(write(both.theirs(), b"x").is_ready());
            let Connected {
                mut client,
                mut server,
                mut ours,
                theirs: _theirs,
            } = both;
            let waker = Waker::from(Arc::new(AtOnce(Mutex::new(there))));
            let mut cx = Context::from_waker(&waker);
            assert!(
                Pin::new(&mut ours)
                    .poll_read(&mut cx, &mut [0; 64])
                    .is_pending()
            );
            OURS.set(Some(ours));
            let mut cx = Context::from_waker(Waker::noop());
            let _ = server.poll_next_inbound(&mut cx);
            // Receives the frame and wakes the reader, which reads, and never comes back.
            let _ = client.poll_next_inbound(&mut cx);
        },
        || {},
    );
    assert_eq!(came_back, None, "the reader came back");
}
