//! Flows as streams of tokio, with tokio's own tools, and streams of tokio as flows. The far ends are bare.

use std::io::{IoSlice, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::pin::Pin;

use flow_core::memory::{self, Received};
use flow_core::{FlowExt as _, Shutdown, WriteError};
use flow_tokio::{TokioIo, connect, from_tokio_io};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite as _, AsyncWriteExt as _};

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
}

#[test]
fn reading_lines_and_the_end() {
    runtime().block_on(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut io = TokioIo::new(connect(near).unwrap());
        far.write_all(b"one\ntwo\nrest").unwrap();
        drop(far);
        let mut lines = (&mut io).lines();
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("one"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("two"));
        assert_eq!(lines.next_line().await.unwrap().as_deref(), Some("rest"));
        assert_eq!(lines.next_line().await.unwrap(), None);
        assert_eq!(io.read(&mut [0; 4]).await.unwrap(), 0);
    });
}

#[test]
fn a_read_into_nothing_takes_nothing() {
    runtime().block_on(async {
        let (flow, mut far) = memory::with_wire(16);
        let mut io = TokioIo::new(flow);
        assert_eq!(
            io.read(&mut []).await.unwrap(),
            0,
            "although nothing is there"
        );
        far.send(b"abc");
        let mut two = [0; 2];
        io.read_exact(&mut two).await.unwrap();
        assert_eq!((&two, io.buffer()), (b"ab", &b"c"[..]));
    });
}

#[test]
fn shutting_down_leaves_reading() {
    runtime().block_on(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut io = TokioIo::new(connect(near).unwrap());
        io.write_all(b"request").await.unwrap();
        io.shutdown().await.unwrap();
        let mut request = String::new();
        far.read_to_string(&mut request).unwrap();
        assert_eq!(request, "request");
        far.write_all(b"answer").unwrap();
        drop(far);
        let mut answer = String::new();
        io.read_to_string(&mut answer).await.unwrap();
        assert_eq!(answer, "answer");
        let late = io.write(b"late").await.unwrap_err();
        assert_eq!(late.kind(), std::io::ErrorKind::BrokenPipe);
    });
}

#[test]
fn a_vectored_write_is_one_write() {
    runtime().block_on(async {
        let (near, far) = UnixStream::pair().unwrap();
        let mut io = TokioIo::new(connect(near).unwrap());
        assert!(io.is_write_vectored());
        let parts = [
            IoSlice::new(b"one "),
            IoSlice::new(b""),
            IoSlice::new(b"message"),
        ];
        assert_eq!(io.write_vectored(&parts).await.unwrap(), 11);
        io.flush().await.unwrap();
        let mut got = [0; 32];
        let len = (&far).read(&mut got).unwrap();
        assert_eq!(&got[..len], b"one message");
    });
}

#[test]
fn a_pending_write_that_is_given_up_sends_nothing() {
    runtime().block_on(async {
        let (flow, mut far) = memory::with_wire(4);
        let mut io = TokioIo::new(flow);
        io.write_all(b"full").await.unwrap();
        let late = io.write(b"never");
        let late = std::pin::pin!(late);
        assert!(futures_lite_poll(late).is_none());
        io.shutdown().await.unwrap();
        let mut got = [0; 16];
        assert_eq!(far.recv(&mut got), Received::Data(4));
        assert_eq!(far.recv(&mut got), Received::End);
    });
}

/// Polls once.
fn futures_lite_poll<T>(future: Pin<&mut impl Future<Output = T>>) -> Option<T> {
    let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
    match future.poll(&mut cx) {
        std::task::Poll::Ready(output) => Some(output),
        std::task::Poll::Pending => None,
    }
}

#[test]
fn tokios_own_copy_goes_both_ways() {
    runtime().block_on(async {
        let data: Vec<u8> = (0..300_000_u32).map(|i| (i * 7) as u8).collect();
        let (a, mut left) = UnixStream::pair().unwrap();
        let (b, mut right) = UnixStream::pair().unwrap();
        let (mut a, mut b) = (
            TokioIo::new(connect(a).unwrap()),
            TokioIo::new(connect(b).unwrap()),
        );
        let sent = data.clone();
        let sending = std::thread::spawn(move || {
            left.write_all(&sent).unwrap();
            left.shutdown(std::net::Shutdown::Write).unwrap();
            let mut back = Vec::new();
            left.read_to_end(&mut back).unwrap();
            back
        });
        let echoing = std::thread::spawn(move || {
            let mut all = Vec::new();
            right.read_to_end(&mut all).unwrap();
            right.write_all(&all).unwrap();
        });
        let (there, back) = tokio::io::copy_bidirectional(&mut a, &mut b).await.unwrap();
        assert_eq!((there, back), (300_000, 300_000));
        assert!(sending.join().unwrap() == data);
        echoing.join().unwrap();
    });
}

#[test]
fn codecs_frame_a_flow() {
    use futures_util::{SinkExt as _, StreamExt as _};
    use tokio_util::codec::{Framed, LengthDelimitedCodec};

    runtime().block_on(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let io = TokioIo::new(connect(near).unwrap());
        let mut framed = Framed::new(io, LengthDelimitedCodec::new());
        framed.send(flow_core::Bytes::from("frame")).await.unwrap();
        let mut got = [0; 9];
        far.read_exact(&mut got).unwrap();
        assert_eq!(&got, b"\0\0\0\x05frame");
        far.write_all(b"\0\0\0\x02hi\0\0\0\x03cut").unwrap();
        assert_eq!(&framed.next().await.unwrap().unwrap()[..], b"hi");
        assert_eq!(&framed.next().await.unwrap().unwrap()[..], b"cut");
        drop(far);
        assert!(framed.next().await.is_none());
    });
}

#[test]
fn streams_of_tokio_are_flows() {
    runtime().block_on(async {
        let (near, mut far) = tokio::io::duplex(16);
        let flow = from_tokio_io(near);
        flow.writev([&b"a "[..], b"message"]).await.unwrap();
        flow.shutdown(Shutdown::Write).await.unwrap();
        let mut got = String::new();
        far.read_to_string(&mut got).await.unwrap();
        assert_eq!(got, "a message");
        far.write_all(b"answer").await.unwrap();
        drop(far);
        assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"answer"[..]));
        assert_eq!(flow.read().await.unwrap(), None);

        let (near, far) = tokio::io::duplex(16);
        let flow = from_tokio_io(near);
        drop(far);
        assert!(matches!(flow.write("x").await, Err(WriteError::Closed)));
    });
}

/// What is read and written is tested where it is written, in flow-core: this is that nothing is lost on the way there.
#[cfg(feature = "hyper")]
#[test]
fn hypers_words_go_through() {
    use std::future::poll_fn;

    use hyper::rt::{Read, ReadBuf, Write};

    runtime().block_on(async {
        let (near, mut far) = UnixStream::pair().unwrap();
        let mut io = TokioIo::new(connect(near).unwrap());
        assert!(Write::is_write_vectored(&io));
        let parts = [IoSlice::new(b"o"), IoSlice::new(b"ne ")];
        let count = poll_fn(|cx| Write::poll_write_vectored(Pin::new(&mut io), cx, &parts)).await;
        assert_eq!(count.unwrap(), 4);
        let count = poll_fn(|cx| Write::poll_write(Pin::new(&mut io), cx, b"two")).await;
        assert_eq!(count.unwrap(), 3);
        poll_fn(|cx| Write::poll_flush(Pin::new(&mut io), cx))
            .await
            .unwrap();
        poll_fn(|cx| Write::poll_shutdown(Pin::new(&mut io), cx))
            .await
            .unwrap();
        let mut got = String::new();
        far.read_to_string(&mut got).unwrap();
        assert_eq!(got, "one two");
        far.write_all(b"answer").unwrap();
        let mut space = [0; 16];
        let mut buf = ReadBuf::new(&mut space);
        poll_fn(|cx| Read::poll_read(Pin::new(&mut io), cx, buf.unfilled()))
            .await
            .unwrap();
        assert_eq!(buf.filled(), b"answer");
    });
}
