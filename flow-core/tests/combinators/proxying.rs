//! Both directions, each with an end and a failure of its own.

use std::error::Error;
use std::task::Poll;

use flow_core::combinators::{CopyError, ProxyError, proxy};
use flow_core::memory::{self, MemoryError};
use flow_core::{Bytes, CloseOp, Flow, FlowExt, FlushOp, ReadOp, ShutdownOp, WriteError, WriteOp};

use super::received;
use super::step::{Wakes, poll, ready};

#[test]
fn each_end_is_carried_over_on_its_own() {
    let (a, mut client) = memory::with_wire(64);
    let (b, mut server) = memory::with_wire(64);
    let mut proxying = proxy(&a, &b);
    client.send(b"question");
    client.end();
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    assert_eq!(received(&mut server), (b"question".to_vec(), true));
    assert_eq!(received(&mut client), (vec![], false));

    for part in [b"late ", b"reply"] {
        server.send(part);
        assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    }
    assert_eq!(received(&mut client), (b"late reply".to_vec(), false));
    server.end();
    let proxied = ready(&mut proxying).unwrap();
    assert!(proxying.is_terminated());
    assert_eq!(received(&mut client), (vec![], true));
    assert_eq!(proxied.a_to_b.written_bytes, 8);
    assert_eq!(
        (proxied.b_to_a.written_bytes, proxied.b_to_a.write_ops),
        (10, 2)
    );
    assert_eq!(proxying.stats(), proxied);
}

#[test]
fn left_at_any_point_it_goes_on_without_loss() {
    let whole: Vec<u8> = (0..=255).collect();
    let (a, mut client) = memory::with_wire(5);
    let (b, mut server) = memory::with_wire(3);
    let mut proxying = proxy(a, b);
    let (mut asked, mut answered) = (0, 0);
    let (mut at_server, mut at_client) = (Vec::new(), Vec::new());
    let proxied = loop {
        if let Poll::Ready(result) = poll(&Wakes::new(), &mut proxying) {
            break result.unwrap();
        }
        asked += client.send(&whole[asked..]);
        answered += server.send(&whole[answered..]);
        if asked == whole.len() {
            client.end();
        }
        if answered == whole.len() {
            server.end();
        }
        at_server.extend(received(&mut server).0);
        at_client.extend(received(&mut client).0);
    };
    at_server.extend(received(&mut server).0);
    at_client.extend(received(&mut client).0);
    assert_eq!((&at_server, &at_client), (&whole, &whole));
    assert_eq!(proxied.a_to_b.read_bytes + proxied.b_to_a.read_bytes, 512);
}

#[test]
fn a_read_that_fails_leaves_the_other_direction() {
    let (a, mut client) = memory::with_wire(64);
    let (b, mut server) = memory::with_wire(64);
    let mut proxying = proxy(&a, &b);
    client.send(b"half");
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    server.send(b"answer");
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    assert_eq!(received(&mut client).0, b"answer");
    client.tear();
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    // Nobody is left waiting.
    assert_eq!(received(&mut server), (b"half".to_vec(), true));
    server.end();
    let error = ready(&mut proxying).unwrap_err();
    let ProxyError::A {
        cause: CopyError::Read { .. },
        b_to_a,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(b_to_a.written_bytes, 6);
    assert_eq!(error.stats().a_to_b.written_bytes, 4);
    assert!(ready(a.read()).is_err(), "it goes on saying so");
}

#[test]
fn a_write_that_fails_leaves_the_other_direction() {
    let (a, mut client) = memory::with_wire(4);
    let (b, mut server) = memory::with_wire(64);
    let mut proxying = proxy(&a, &b);
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    ready(b.shutdown(flow_core::Shutdown::Write)).unwrap();
    client.send(b"lost");
    server.send(b"kept");
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    assert_eq!(received(&mut client).0, b"kept");
    // What nobody takes does not stop its sender.
    for _ in 0..3 {
        assert_eq!(client.send(b"lost"), 4);
        server.send(b"more");
        assert!(poll(&Wakes::new(), &mut proxying).is_pending());
        assert_eq!(received(&mut client).0, b"more");
    }
    server.end();
    let error = ready(&mut proxying).unwrap_err();
    assert_eq!(received(&mut client), (vec![], true));
    let ProxyError::A {
        cause: CopyError::Write { cause, .. },
        b_to_a,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((cause, b_to_a.written_bytes), (WriteError::Closed, 16));
}

#[test]
fn errors_of_both_are_told() {
    let (a, mut client) = memory::with_wire(64);
    let (b, mut server) = memory::with_wire(64);
    client.send(b"123");
    server.send(b"45678");
    client.tear();
    server.tear();
    let error = ready(proxy(&a, &b)).unwrap_err();
    let ProxyError::Both {
        a: from_a,
        b: from_b,
    } = &error
    else {
        panic!("{error:?}")
    };
    assert_eq!(error.source().unwrap().to_string(), from_a.to_string());
    assert!(error.to_string().contains(&from_b.to_string()), "{error}");
    let stats = error.stats();
    assert_eq!((stats.a_to_b.read_bytes, stats.b_to_a.read_bytes), (3, 5));
}

#[test]
fn an_error_of_b_is_of_b() {
    let (a, mut client) = memory::with_wire(64);
    let (b, server) = memory::with_wire(64);
    client.end();
    server.tear();
    let error = ready(proxy(&a, &b)).unwrap_err();
    let cause = CopyError::Read {
        cause: MemoryError::Torn,
        stats: error.stats().b_to_a,
    };
    assert_eq!(
        error,
        ProxyError::B {
            cause,
            a_to_b: error.stats().a_to_b
        }
    );
    assert_eq!(error.to_string(), "copying from b to a failed");
}

/// A flow that cannot end one direction alone, as a terminal.
struct Whole(memory::MemoryFlow);

impl Flow for Whole {
    type Error = MemoryError;

    fn poll_shutdown(
        &self,
        _: &mut std::task::Context<'_>,
        _: &mut ShutdownOp,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        Poll::Ready(Err(MemoryError::Torn.into()))
    }

    fn poll_read(
        &self,
        cx: &mut std::task::Context<'_>,
        op: &mut ReadOp,
    ) -> Poll<Result<Option<Bytes>, MemoryError>> {
        self.0.poll_read(cx, op)
    }

    fn poll_write(
        &self,
        cx: &mut std::task::Context<'_>,
        op: &mut WriteOp,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        self.0.poll_write(cx, op)
    }

    fn poll_flush(
        &self,
        cx: &mut std::task::Context<'_>,
        op: &mut FlushOp,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        self.0.poll_flush(cx, op)
    }

    fn poll_close(
        &self,
        cx: &mut std::task::Context<'_>,
        op: &mut CloseOp,
    ) -> Poll<Result<(), WriteError<MemoryError>>> {
        self.0.poll_close(cx, op)
    }

    fn abort(&self) {
        self.0.abort();
    }
}

#[test]
fn an_end_that_cannot_be_passed_on_is_told() {
    let (a, mut client) = memory::with_wire(64);
    let (b, mut server) = memory::with_wire(64);
    client.send(b"x");
    client.end();
    server.end();
    let b = Whole(b);
    let error = ready(proxy(&a, &b)).unwrap_err();
    let ProxyError::A {
        cause: CopyError::End { stats, .. },
        ..
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!(stats.written_bytes, 1);
    assert_eq!(received(&mut server), (b"x".to_vec(), false));
    assert_eq!(received(&mut client), (vec![], true));
}

#[test]
fn given_up_it_hands_back_what_was_on_its_way() {
    let (a, mut client) = memory::with_wire(64);
    let (b, mut server) = memory::with_wire(64);
    ready(a.write(vec![0; 64])).unwrap();
    ready(b.write(vec![0; 64])).unwrap();
    client.send(b"to b");
    server.send(b"to a");
    let mut proxying = proxy(&a, &b);
    assert!(poll(&Wakes::new(), &mut proxying).is_pending());
    let ((_, to_b), (_, to_a)) = proxying.into_parts();
    assert_eq!(to_b.unwrap().first(), b"to b");
    assert_eq!(to_a.unwrap().first(), b"to a");
}
