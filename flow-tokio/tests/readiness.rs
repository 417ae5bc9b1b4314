//! Which attempts are made: none without an event but the very first, and none after a read that came back short.

mod support;

use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::task::{Context, Waker};

use flow_unix::{Attempt, Direction, Interest, Readiness as _};
use support::backend::{FlowExt as _, TokioReadiness, connect};
use support::{finish, pairs, park, put, run, woken};

#[test]
fn the_first_attempts_need_no_event() {
    run(async {
        let (ours, peer) = UnixStream::pair().unwrap();
        put(&peer, b"x");
        let flow = connect(ours).unwrap();
        let count = support::Count::new();
        assert!(support::poll(&mut flow.write("x"), &count).is_ready());
        assert!(support::poll(&mut flow.read(), &count).is_ready());
    });
}

#[test]
fn a_short_read_is_followed_by_an_event_and_not_by_an_attempt() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&peer, b"one");
            woken(&reader).await;
            assert_eq!(
                finish(&mut read).await.unwrap().as_deref(),
                Some(&b"one"[..])
            );
            // An attempt would find this, which the reactor does not know of yet.
            put(&peer, b"two");
            flow.with_fd(|fd| support::arrived(fd, 3)).unwrap();
            let mut read = flow.read();
            let reader = park(&mut read);
            woken(&reader).await;
            assert_eq!(
                finish(&mut read).await.unwrap().as_deref(),
                Some(&b"two"[..])
            );
        }
    });
}

#[test]
fn an_event_during_the_attempt_is_not_lost() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            for _ in 0..1000 {
                let mut read = flow.read();
                let reader = park(&mut read);
                put(&peer, b"one");
                woken(&reader).await;
                // The reactor has reported the first, and not the second.
                put(&peer, b"two");
                let mut len = 0;
                while len < 6 {
                    len += finish(&mut read).await.unwrap().unwrap().len();
                    read = flow.read();
                }
            }
            peer.end();
            assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
        }
    });
}

#[test]
fn an_event_that_stays_does_not_keep_a_poll() {
    run(async {
        let (ours, peer) = UnixStream::pair().unwrap();
        let runtime = TokioReadiness::runtime().unwrap();
        let io = TokioReadiness::register(&runtime, Arc::new(ours.into()), Interest::Both).unwrap();
        drop(peer);
        support::settle().await;
        let count = support::Count::new();
        let waker = Waker::from(Arc::clone(&count));
        let mut attempts = 0;
        let polled = io.poll_io::<()>(Direction::Read, &mut Context::from_waker(&waker), || {
            attempts += 1;
            Attempt::WouldBlock
        });
        assert!(polled.is_pending());
        assert!(attempts < 10, "{attempts} attempts");
        assert_eq!(count.get(), 1, "a stall");
    });
}
