//! What is true until there is a session: handshakes that are left, refused, or overtaken.

use std::sync::Arc;

use flow_core::{FlowExt as _, memory};
use flow_testkit::Peer as _;
use flow_testkit::memory::WirePeer;
use flow_tls::rustls::ClientConfig;
use flow_tls::{HandshakeCause, accept, connect};
use futures_lite::future::{block_on, poll_once, zip};

use super::now;
use super::support::keys;
use super::support::peer::TlsPeer;

#[test]
fn a_handshake_may_be_left_and_gone_on_with() {
    block_on(async {
        // Room for a few bytes, so that each side waits hundreds of times.
        let (here, there) = memory::pair(16);
        let mut connecting = connect(here, keys::client(), keys::name());
        let mut accepting = accept(there, keys::server());
        let (mut client, mut server, mut waits) = (None, None, 0);
        while client.is_none() || server.is_none() {
            // Each time the future that waited is dropped, and the handshake is not.
            if client.is_none() {
                client = poll_once(&mut connecting).await;
                waits += 1;
            }
            if server.is_none() {
                server = poll_once(&mut accepting).await;
            }
        }
        assert!(waits > 20, "{waits} polls");
        let (client, server) = (client.unwrap().unwrap(), server.unwrap().unwrap());
        let (written, read) = zip(client.write("hello"), server.read()).await;
        written.unwrap();
        assert_eq!(read.unwrap().as_deref(), Some(&b"hello"[..]));
    });
}

#[test]
fn a_server_does_not_wait_for_its_tickets_to_be_read() {
    block_on(async {
        let (here, there) = memory::pair(16);
        let connected = connect(here, keys::client(), keys::name());
        let (client, server) = zip(connected, accept(there, keys::server())).await;
        let (client, server) = (client.unwrap(), server.unwrap());
        // The client writes first, and reads nothing before all is written.
        let all = vec![9; 5000];
        let (written, read) = zip(client.write(all.clone()), async {
            let mut read = Vec::new();
            while read.len() < 5000 {
                read.extend(server.read().await.unwrap().expect("bytes"));
            }
            read
        })
        .await;
        written.unwrap();
        assert_eq!(read, all);
        // What the server writes comes after the tickets.
        let (written, read) = zip(server.write("hello"), client.read()).await;
        written.unwrap();
        assert_eq!(read.unwrap().as_deref(), Some(&b"hello"[..]));
    });
}

#[test]
fn a_dropped_handshake_is_seen() {
    let (here, mut wire) = memory::with_wire(64 * 1024);
    let mut handshake = connect(here, keys::client(), keys::name());
    assert!(block_on(poll_once(&mut handshake)).is_none());
    drop(handshake);
    let mut hello = [0; 4096];
    assert!(matches!(wire.recv(&mut hello), memory::Received::Data(_)));
    assert_eq!(wire.recv(&mut hello), memory::Received::End);
}

/// What both sides say when the client has these settings.
fn refused(config: ClientConfig, name: &'static str) -> (String, String) {
    let (here, there) = memory::pair(64 * 1024);
    let name = name.try_into().expect("a name");
    let connected = connect(here, Arc::new(config), name);
    let accepted = accept(there, keys::server());
    let (here, there) = block_on(zip(connected, accepted));
    let here = here.expect_err("refused").to_string();
    // A server is done before it hears of it: then its first read tells.
    let there = match there {
        Err(e) => e.to_string(),
        Ok(flow) => block_on(flow.read()).unwrap_err().to_string(),
    };
    (here, there)
}

#[test]
fn a_failed_handshake_says_with_whom_why_and_what_to_do() {
    let mut other = rcgen::CertificateParams::new(["elsewhere".to_owned()]).unwrap();
    let named = rcgen::DnType::CommonName;
    other.distinguished_name.push(named, "somebody else");
    let key = rcgen::KeyPair::generate().unwrap();
    let other = other.self_signed(&key).unwrap();
    let strangers = keys::trusting([other.der().clone()]);
    let (here, there) = refused(strangers, "localhost");
    let hint = "; trust the certificate that signed the peer's, if you do";
    assert!(
        here.starts_with("no TLS session with localhost: invalid peer certificate")
            && here.ends_with(hint),
        "{here}"
    );
    let hint = "; the peer has to trust the certificate that signed ours";
    assert!(
        there.starts_with("no TLS session with the client: received fatal alert")
            && there.ends_with(hint),
        "{there}"
    );

    let ours = keys::trusting([keys::certified().cert.der().clone()]);
    let (here, _) = refused(ours, "elsewhere");
    assert!(
        here.starts_with("no TLS session with elsewhere: invalid peer certificate")
            && here.ends_with("; connect by a name that the certificate has"),
        "{here}"
    );

    // Something that is no TLS.
    let (here, mut wire) = memory::with_wire(64 * 1024);
    wire.send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    let error = now(connect(here, keys::client(), keys::name())).unwrap_err();
    let text = error.to_string();
    assert!(text.ends_with("; does the peer speak TLS there?"), "{text}");
    assert!(matches!(error.cause(), HandshakeCause::Tls(_)));

    // Nobody.
    let (here, wire) = memory::with_wire(64 * 1024);
    drop(wire);
    let error = now(connect(here, keys::client(), keys::name())).unwrap_err();
    assert_eq!(*error.cause(), HandshakeCause::Ended);
}

#[test]
fn what_comes_with_the_last_word_of_the_handshake_is_kept() {
    let (flow, wire) = memory::with_wire(1 << 20);
    let mut handshake = accept(flow, keys::server());
    let mut peer = TlsPeer::client(WirePeer::new(wire));
    peer.drive();
    assert!(block_on(poll_once(&mut handshake)).is_none());
    // All that the server says, and then everything at once: the last word, some records, a goodbye.
    peer.open().unwrap();
    let text = b"at once ".repeat(5000);
    peer.queue(&text);
    let mut all = peer.records();
    peer.connection().send_close_notify();
    all.extend(peer.records());
    assert_eq!(peer.raw().send(&all), all.len());

    let session = now(handshake).unwrap();
    let mut read = Vec::new();
    while let Some(chunk) = now(session.read()).unwrap() {
        read.extend_from_slice(&chunk);
    }
    assert_eq!(read, text);
}
