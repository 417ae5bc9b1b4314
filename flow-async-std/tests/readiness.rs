//! Which attempts are made: one at each poll, so that what is there needs no event.

mod support;

use support::backend::{FlowExt as _, connect};
use support::{finish, pairs, park, put, run, woken};

#[test]
fn what_is_there_needs_no_event() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut read = flow.read();
            park(&mut read);
            put(&peer, b"one");
            flow.with_fd(|fd| support::arrived(fd, 3)).unwrap();
            assert!(support::poll(&mut read, &support::Count::new()).is_ready());
            put(&peer, b"two");
            flow.with_fd(|fd| support::arrived(fd, 3)).unwrap();
            assert!(support::poll(&mut flow.read(), &support::Count::new()).is_ready());
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
