//! A session of rustls in futures-rustls, between two sessions of which one is dropped.

use std::io::{self, ErrorKind};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};

use futures_io::{AsyncRead as _, AsyncWrite as _};
use futures_rustls::{TlsAcceptor, TlsConnector, client, server};

use crate::by_hand::{Carrier, poll};
use crate::tls_keys::{client_config, server_config};

fn connected() -> (client::TlsStream<Carrier>, server::TlsStream<Carrier>) {
    let (here, there) = Carrier::pair();
    let name = "peer".try_into().expect("a name");
    let mut connect = pin!(TlsConnector::from(client_config()).connect(name, here));
    let mut accept = pin!(TlsAcceptor::from(server_config()).accept(there));
    let (mut ours, mut theirs) = (None, None);
    while ours.is_none() || theirs.is_none() {
        if ours.is_none()
            && let Poll::Ready(session) = poll(connect.as_mut())
        {
            ours = Some(session.expect("a handshake"));
        }
        if theirs.is_none()
            && let Poll::Ready(session) = poll(accept.as_mut())
        {
            theirs = Some(session.expect("a handshake"));
        }
    }
    ours.zip(theirs).expect("both")
}

fn written(session: &mut client::TlsStream<Carrier>) -> Poll<io::Result<usize>> {
    let mut cx = Context::from_waker(Waker::noop());
    let result = Pin::new(&mut *session).poll_write(&mut cx, b"all");
    assert!(matches!(
        Pin::new(session).poll_flush(&mut cx),
        Poll::Ready(Ok(()))
    ));
    result
}

#[test]
fn rustls_dropped_is_no_end() {
    let mut cx = Context::from_waker(Waker::noop());
    let mut read = |session: &mut server::TlsStream<Carrier>| match Pin::new(session)
        .poll_read(&mut cx, &mut [0; 64])
    {
        Poll::Ready(result) => result,
        Poll::Pending => panic!("nothing to read"),
    };
    let (mut ours, mut theirs) = connected();
    assert!(matches!(written(&mut ours), Poll::Ready(Ok(3))));
    // Nothing is left unread, so that the carrier ends in order.
    let idle = Pin::new(&mut ours).poll_read(&mut Context::from_waker(Waker::noop()), &mut [0; 64]);
    assert!(idle.is_pending());
    drop(ours);
    assert_eq!(read(&mut theirs).expect("bytes"), 3);
    assert_eq!(
        read(&mut theirs).expect_err("the end").kind(),
        ErrorKind::UnexpectedEof
    );
}

#[test]
fn rustls_close_tells_nobody_and_says_so() {
    let mut cx = Context::from_waker(Waker::noop());
    let (mut ours, theirs) = connected();
    drop(theirs);
    let Poll::Ready(Err(error)) = Pin::new(&mut ours).poll_close(&mut cx) else {
        panic!("a goodbye to nobody was sent");
    };
    assert_eq!(error.kind(), ErrorKind::BrokenPipe);
}
