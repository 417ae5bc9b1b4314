//! Close sees the peer's end past unread input, beside readers, and changes nothing for them.

use std::io::Read as _;

use crate::support;
use crate::support::backend::{FlowExt as _, connect};
use crate::support::{finish, pairs, park, put, run, settle, woken};

#[test]
fn close_is_done_when_the_peer_ends_past_unread_input() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            put(&peer, b"unread");
            let mut close = flow.close();
            let closer = park(&mut close);
            put(&peer, b", more");
            settle().await;
            assert_eq!(closer.get(), 0, "input is no end");
            peer.end();
            woken(&closer).await;
            finish(&mut close).await.unwrap();
            let mut got = Vec::new();
            while let Some(chunk) = flow.read().await.unwrap() {
                got.extend(chunk);
            }
            assert_eq!(got, b"unread, more");
        }
    });
}

#[test]
fn close_is_done_at_once_if_the_peer_has_ended() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            put(&peer, b"unread");
            peer.end();
            flow.with_fd(|fd| support::arrived(fd, 6)).unwrap();
            finish(&mut flow.close()).await.unwrap();
            assert_eq!(flow.read().await.unwrap().as_deref(), Some(&b"unread"[..]));
        }
    });
}

#[test]
fn a_reader_beside_a_waiting_close_is_served() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let (mut read, mut close) = (flow.read(), flow.close());
            let (reader, closer) = (park(&mut read), park(&mut close));
            put(&peer, b"data");
            woken(&reader).await;
            assert_eq!(
                finish(&mut read).await.unwrap().as_deref(),
                Some(&b"data"[..])
            );
            settle().await;
            assert_eq!(closer.get(), 0, "input is no end");
            let mut read = flow.read();
            let reader = park(&mut read);
            peer.end();
            woken(&closer).await;
            finish(&mut close).await.unwrap();
            woken(&reader).await;
            assert_eq!(finish(&mut read).await.unwrap(), None);
        }
    });
}

#[test]
fn a_peer_that_leaves_with_everything_unread_ends_close() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            flow.write("never read").await.unwrap();
            let mut close = flow.close();
            let closer = park(&mut close);
            drop(peer);
            woken(&closer).await;
            finish(&mut close).await.unwrap();
        }
    });
}

#[test]
fn our_own_end_is_not_taken_for_the_peers() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut close = flow.close();
            let closer = park(&mut close);
            assert_eq!((&peer).read(&mut [0]).unwrap(), 0);
            settle().await;
            assert_eq!(closer.get(), 0);
            peer.end();
            woken(&closer).await;
            finish(&mut close).await.unwrap();
        }
    });
}

#[test]
fn an_idle_close_is_idle() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            put(&peer, b"unread");
            flow.with_fd(|fd| support::arrived(fd, 6)).unwrap();
            let mut close = flow.close();
            let closer = park(&mut close);
            settle().await;
            assert_eq!(closer.get(), 0, "woken for nothing");
        }
    });
}
