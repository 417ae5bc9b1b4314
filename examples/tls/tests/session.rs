//! What is true of sessions beyond the contract of flows: truncation, half-close, tampering, how much is held.

#[path = "session/handshake.rs"]
mod handshake;
mod support;

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use flow_core::combinators::Faults;
use flow_core::memory::{self, MemoryError, MemoryFlow};
use flow_core::{Bytes, Chunks, Delivered, Flow, FlowExt as _, Shutdown, WriteError};
use flow_testkit::memory::WirePeer;
use flow_testkit::{Peer as _, Recv};
use flow_tls::rustls::{AlertDescription, Error, ServerConfig};
use flow_tls::{HandshakeCause, TlsError, TlsFlow, accept, connect};
use futures_lite::future::{block_on, poll_once, zip};
use support::breakable::{Broken, breakable};
use support::keys;
use support::peer::TlsPeer;

/// Two ends of one session.
async fn sessions<F: Flow<Error: Clone>>(here: F, there: F) -> (TlsFlow<F>, TlsFlow<F>) {
    let connected = connect(here, keys::client(), keys::name());
    let accepted = accept(there, keys::server());
    let (here, there) = zip(connected, accepted).await;
    (here.expect("a client"), there.expect("a server"))
}

/// A client's session over a flow that `make` makes, and its server by hand.
fn linked<F: Flow<Error: Clone>>(
    capacity: usize,
    config: Arc<ServerConfig>,
    make: impl FnOnce(MemoryFlow) -> F,
) -> (TlsFlow<F>, TlsPeer<WirePeer>) {
    let (flow, wire) = memory::with_wire(capacity);
    let server = flow_tls::rustls::ServerConnection::new(config).expect("a server");
    let mut peer = TlsPeer::new(server.into(), WirePeer::new(wire));
    let mut handshake = pin!(connect(make(flow), keys::client(), keys::name()));
    let mut cx = Context::from_waker(Waker::noop());
    loop {
        if let Poll::Ready(session) = handshake.as_mut().poll(&mut cx) {
            let session = session.expect("a handshake");
            while peer.drive() {}
            return (session, peer);
        }
        peer.drive();
    }
}

fn link(capacity: usize) -> (TlsFlow<MemoryFlow>, TlsPeer<WirePeer>) {
    linked(capacity, keys::server(), |flow| flow)
}

/// What a peer receives now.
fn received(peer: &mut TlsPeer<WirePeer>) -> (Vec<u8>, Recv) {
    let (mut all, mut buf) = (Vec::new(), [0; 4096]);
    loop {
        match peer.recv(&mut buf) {
            Recv::Data(count) => all.extend_from_slice(&buf[..count]),
            other => return (all, other),
        }
    }
}

/// The answer of a call that has nothing to wait for.
fn now<T>(call: impl Future<Output = T>) -> T {
    block_on(poll_once(call)).expect("nothing to wait for")
}

#[test]
fn an_end_without_close_notify_is_an_error_and_not_an_end() {
    let (flow, mut peer) = link(64 * 1024);
    assert_eq!(peer.send(b"half a mess"), 11);
    peer.reset();
    let chunk = now(flow.read()).unwrap();
    assert_eq!(chunk.as_deref(), Some(&b"half a mess"[..]));
    for _ in 0..3 {
        assert_eq!(now(flow.read()), Err(TlsError::Truncated));
    }
    // The peer is gone, and nothing is owed to it.
    assert!(now(flow.close()).is_ok());
}

#[test]
fn an_end_inside_a_record_is_truncation_too() {
    let (here, mut wire) = memory::with_wire(64 * 1024);
    let mut handshake = connect(here, keys::client(), keys::name());
    assert!(block_on(poll_once(&mut handshake)).is_none());
    wire.send(&[22, 3, 3, 0, 100, 2]);
    drop(wire);
    let error = now(handshake).unwrap_err();
    assert_eq!(*error.cause(), HandshakeCause::Ended);

    let (flow, mut peer) = link(64 * 1024);
    peer.send(b"whole");
    // The head of a record of 100 bytes, and not one of these.
    peer.raw().send(&[23, 3, 3, 0, 100]);
    peer.reset();
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"whole"[..]));
    assert_eq!(now(flow.read()), Err(TlsError::Truncated));
}

#[test]
fn close_notify_is_the_end_although_the_flow_below_goes_on() {
    let (flow, mut peer) = link(64 * 1024);
    peer.send(b"all");
    peer.connection().send_close_notify();
    let mut all = peer.records();
    // What comes after the goodbye is nobody's, be it with it or later.
    all.extend(b"no record".repeat(2000));
    peer.raw().send(&all);
    peer.raw().send(b"not even a record");
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"all"[..]));
    assert_eq!(now(flow.read()), Ok(None));
    assert_eq!(now(flow.read()), Ok(None));
    // Writing goes on.
    now(flow.write("still here")).unwrap();
    assert_eq!(received(&mut peer), (b"still here".to_vec(), Recv::Empty));
    // And a close needs no end of the flow below.
    assert_eq!(now(flow.close()), Ok(Delivered::Unknown));
    assert_eq!(received(&mut peer), (vec![], Recv::End));
    assert_eq!(flow.delivered(), Delivered::Arrived);
}

#[test]
fn shutdown_says_goodbye_and_reading_goes_on() {
    let (flow, mut peer) = link(64 * 1024);
    now(flow.write("question")).unwrap();
    now(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(received(&mut peer), (b"question".to_vec(), Recv::End));
    // The flow below ends too, for those who look at that.
    assert_eq!(peer.raw().recv(&mut [0]), Recv::End);
    for _ in 0..3 {
        peer.send(&[7; 5000]);
        let chunk = now(flow.read()).unwrap().expect("an answer");
        assert_eq!(chunk, [7; 5000][..]);
    }
    peer.end();
    assert_eq!(now(flow.read()), Ok(None));
}

#[test]
fn leaving_says_no_goodbye() {
    for aborts in [false, true] {
        let (flow, mut peer) = link(64 * 1024);
        now(flow.write("half a mess")).unwrap();
        if aborts {
            flow.abort();
        } else {
            drop(flow);
        }
        assert_eq!(received(&mut peer), (b"half a mess".to_vec(), Recv::Torn));
    }
}

#[test]
fn a_write_error_below_surfaces() {
    let (flow, mut peer) = linked(64 * 1024, keys::server(), breakable);
    now(flow.write("before")).unwrap();
    flow.transport().below().transport().fill();
    let full = WriteError::Transport(TlsError::Write(Broken::Full));
    assert_eq!(now(flow.write("after")), Err(full.clone()));
    assert_eq!(now(flow.flush()), Err(full.clone()));
    assert_eq!(now(flow.shutdown(Shutdown::Write)), Err(full));
    // Reading is spared, up to an end after which the error is told.
    peer.send(b"answer");
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"answer"[..]));
    peer.end();
    assert_eq!(now(flow.read()), Err(TlsError::Write(Broken::Full)));
}

#[test]
fn a_goodbye_to_nobody_is_no_error_and_bytes_for_nobody_are() {
    let (flow, mut peer) = link(64 * 1024);
    peer.reset();
    assert_eq!(now(flow.shutdown(Shutdown::Write)), Ok(()));

    // All of it is encrypted, and only a part is accepted below; or not even that.
    for len in [20_000, 1 << 20] {
        let (flow, mut peer) = link(10_000);
        let write = flow.write(vec![1; len]);
        assert!(block_on(poll_once(write)).is_none());
        peer.reset();
        assert_eq!(now(flow.flush()), Err(WriteError::Closed));
        assert_eq!(now(flow.shutdown(Shutdown::Write)), Err(WriteError::Closed));
    }
}

#[test]
fn an_error_of_the_flow_below_is_told_to_the_reader() {
    let (flow, mut peer) = link(64 * 1024);
    peer.send(b"some");
    peer.raw().tear();
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"some"[..]));
    assert_eq!(now(flow.read()), Err(TlsError::Read(MemoryError::Torn)));
    assert!(now(flow.close()).is_ok());
}

#[test]
fn a_changed_record_breaks_the_session_after_what_was_good() {
    let (flow, mut peer) = link(64 * 1024);
    peer.queue(b"good");
    let mut all = peer.records();
    // One of application data, which nobody encrypted, in one piece with the good one.
    all.extend([23, 3, 3, 0, 40]);
    all.extend([0x5a; 40]);
    peer.raw().send(&all);
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"good"[..]));
    let broken = TlsError::Tls(Error::DecryptError);
    assert_eq!(now(flow.read()), Err(broken.clone()));
    assert_eq!(now(flow.read()), Err(broken.clone()));
    // The peer has been told, and gets nothing more.
    assert_eq!(
        peer.open(),
        Err(Error::AlertReceived(AlertDescription::BadRecordMac))
    );
    assert_eq!(now(flow.write("more")), Err(WriteError::Transport(broken)));
}

#[test]
fn what_is_accepted_while_the_peer_does_not_read_is_bounded() {
    const CAPACITY: usize = 10_000;
    let (flow, _peer) = link(CAPACITY);
    let mut accepted = 0;
    // A write that is dropped is taken or it is not: what is taken is held by the flow.
    for _ in 0..1000 {
        let mut write = flow.write(vec![0; 1000]);
        let polled = block_on(poll_once(&mut write));
        if polled.is_some() || write.is_taken() {
            accepted += 1000;
        }
        if polled.is_none() {
            assert!(block_on(poll_once(flow.write("x"))).is_none());
            break;
        }
    }
    assert!(
        (CAPACITY / 2..CAPACITY + 1000).contains(&accepted),
        "{accepted} bytes were accepted"
    );
    // Of a large one, no more than a block is encrypted.
    let (flow, mut peer) = link(CAPACITY);
    let mut large = flow.write(vec![0; 1 << 20]);
    assert!(block_on(poll_once(&mut large)).is_none());
    assert!(large.is_taken());
    flow.abort();
    let (got, end) = received(&mut peer);
    assert!(got.len() <= CAPACITY, "{} bytes came", got.len());
    assert_eq!(end, Recv::Torn);
}

#[test]
fn megabytes_go_both_ways_at_once_through_little_room() {
    const ALL: usize = 2 << 20;
    block_on(async {
        let (here, there) = memory::pair(3001);
        let (client, server) = sessions(here, there).await;
        let pattern = |i: usize| (i * 7 + i / 251) as u8;
        let send = |flow: TlsFlow<MemoryFlow>| async move {
            let flow = Arc::new(flow);
            let writes = async {
                let mut at = 0;
                for size in [1, 16_384, 100, 70_000, 16_385].into_iter().cycle() {
                    let size = size.min(ALL - at);
                    let part: Vec<_> = (at..at + size).map(pattern).collect();
                    flow.write(part).await.expect("a write");
                    at += size;
                    if at == ALL {
                        break;
                    }
                }
                flow.shutdown(Shutdown::Write).await.expect("a goodbye");
            };
            let reads = async {
                let mut at = 0;
                while let Some(chunk) = flow.read().await.expect("a chunk") {
                    assert!(chunk.iter().enumerate().all(|(i, b)| *b == pattern(at + i)));
                    at += chunk.len();
                }
                assert_eq!(at, ALL);
            };
            zip(writes, reads).await;
        };
        zip(send(client), send(server)).await;
    });
}

#[test]
fn many_small_buffers_are_few_records() {
    let (flow, mut peer) = link(1 << 20);
    let parts: Vec<_> = (0..1000_u32).map(|i| i.to_be_bytes().to_vec()).collect();
    now(flow.write_chunks(parts.iter().cloned().map(Bytes::from).collect::<Chunks>())).unwrap();
    // 4000 bytes, in blocks of 64 buffers with 22 bytes around each.
    let raw = peer.raw().queued();
    assert!(raw <= 4000 + 16 * 22, "{raw} bytes below");
    assert_eq!(received(&mut peer).0, parts.concat());
}

#[test]
fn keys_change_under_way() {
    let (flow, mut peer) = link(64 * 1024);
    for _ in 0..3 {
        // It asks for ours to be changed as well.
        peer.connection().refresh_traffic_keys().unwrap();
        peer.send_records();
        peer.send(b"ping");
        assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"ping"[..]));
        now(flow.write("pong")).unwrap();
        assert_eq!(received(&mut peer), (b"pong".to_vec(), Recv::Empty));
    }
}

#[test]
fn a_session_of_tls_1_2_is_a_flow_too() {
    let config = ServerConfig::builder_with_provider(
        flow_tls::rustls::crypto::ring::default_provider().into(),
    )
    .with_protocol_versions(&[&flow_tls::rustls::version::TLS12])
    .unwrap()
    .with_no_client_auth()
    .with_single_cert(vec![keys::certified().cert.der().clone()], keys::private())
    .unwrap();
    let config = Arc::new(config);
    let (flow, mut peer) = linked(64 * 1024, Arc::clone(&config), |flow| flow);
    now(flow.write("question")).unwrap();
    now(flow.shutdown(Shutdown::Write)).unwrap();
    assert_eq!(received(&mut peer), (b"question".to_vec(), Recv::End));
    peer.send(b"answer");
    peer.end();
    assert_eq!(now(flow.read()).unwrap().as_deref(), Some(&b"answer"[..]));
    assert_eq!(now(flow.read()), Ok(None));

    // Its server has the last word of the handshake, and says it before the flow is there, however little room there is.
    block_on(async {
        let (here, there) = memory::pair(100);
        let connected = connect(here, keys::client(), keys::name());
        let (client, server) = zip(connected, accept(there, config)).await;
        let (client, server) = (client.expect("a client"), server.expect("a server"));
        server.write("hello").await.unwrap();
        assert_eq!(client.read().await.unwrap().as_deref(), Some(&b"hello"[..]));
    });
}

#[test]
fn a_chunk_is_no_larger_than_its_bytes() {
    let (flow, mut peer) = link(1 << 20);
    for size in [1, 1000, 16_384] {
        peer.send(&vec![3; size]);
        let chunk: Bytes = now(flow.read()).unwrap().expect("bytes");
        assert_eq!(chunk.len(), size);
        let buffer = chunk.try_into_mut().expect("nobody else has it");
        assert_eq!(buffer.capacity(), size);
    }
}

#[test]
fn a_session_lives_over_a_flow_at_its_worst() {
    for seed in 0..30 {
        let faults = Faults::new(seed).at_most(1000).pending(50);
        block_on(async {
            let (here, there) = memory::pair(64 * 1024);
            let faulty = |flow| faults.clone().delayed_wakes(1).wrap(flow);
            let (client, server) = sessions(faulty(here), faulty(there)).await;
            // What the server had still to say after its handshake comes before this.
            let (written, read) = zip(server.write("hello"), client.read()).await;
            written.unwrap();
            assert_eq!(read.unwrap().as_deref(), Some(&b"hello"[..]), "seed {seed}");
            let (ours, theirs) = zip(client.close(), server.close()).await;
            ours.and(theirs).unwrap();
        });
    }
}

#[test]
fn a_broken_record_after_our_goodbye_is_an_error() {
    let (flow, mut peer) = link(64 * 1024);
    now(flow.shutdown(Shutdown::Write)).unwrap();
    peer.raw().send(&[23, 3, 3, 0, 20]);
    peer.raw().send(&[0x5a; 20]);
    assert_eq!(now(flow.read()), Err(TlsError::Tls(Error::DecryptError)));
    assert_eq!(received(&mut peer), (vec![], Recv::End));
}
