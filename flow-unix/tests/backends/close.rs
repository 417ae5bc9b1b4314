//! Closing: both sides at once, against silence, and in every order, over and over. The far end is a bare socket.

use std::io::{Read as _, Write as _};
use std::net::Shutdown as How;
use std::os::unix::net::UnixStream;

use crate::support::backend::{
    ErrorKind, Flow as _, FlowExt as _, Shutdown, WriteError, connect, socketpair,
};
use crate::support::{Count, WATCHDOG};
use crate::support::{finish, pairs, park, pattern, poll, put, rest, run, settle, tcp, woken};

/// How often both sides close at once. Connections of TCP leave a port behind for a minute, so there are fewer of them.
const UNIX: usize = 10_000;
const TCP: usize = 500;

#[test]
fn both_sides_close_at_once() {
    run(async {
        for round in 0..UNIX {
            let (a, b) = socketpair().unwrap();
            both_close(round, &a, &b).await;
        }
        for round in 0..TCP {
            let (a, b) = tcp();
            both_close(round, &connect(a).unwrap(), &connect(b).unwrap()).await;
        }
    });
}

/// Each sends a little, and both close with it unread; the order of the polls differs from round to round.
async fn both_close(
    round: usize,
    a: &crate::support::backend::FdFlow,
    b: &crate::support::backend::FdFlow,
) {
    let (a, b) = if round.is_multiple_of(2) {
        (a, b)
    } else {
        (b, a)
    };
    let (here, there) = ([round as u8; 3], [!round as u8; 5]);
    finish(&mut a.write(here)).await.unwrap();
    finish(&mut b.write(there)).await.unwrap();
    let (mut one, mut other) = (a.close(), b.close());
    let count = Count::new();
    let first = poll(&mut one, &count);
    let second = finish(&mut other).await;
    if first.is_pending() {
        finish(&mut one).await.unwrap();
    }
    second.unwrap();
    // What was unread stays readable.
    assert_eq!(
        finish(&mut b.read()).await.unwrap().as_deref(),
        Some(&here[..])
    );
    assert_eq!(
        finish(&mut a.read()).await.unwrap().as_deref(),
        Some(&there[..])
    );
    assert_eq!(finish(&mut a.read()).await.unwrap(), None);
    assert_eq!(finish(&mut b.read()).await.unwrap(), None);
}

#[test]
fn against_silence_close_is_given_up_by_dropping_it() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            finish(&mut flow.write("last words")).await.unwrap();
            let mut close = flow.close();
            let closer = park(&mut close);
            settle().await;
            assert_eq!(closer.get(), 0, "nobody has answered");
            drop(close);
            // Still closing: nothing can be written, and the rest can be read.
            assert!(matches!(flow.write("more").await, Err(WriteError::Closed)));
            put(&peer, b"late answer");
            assert_eq!(
                finish(&mut flow.read()).await.unwrap().as_deref(),
                Some(&b"late answer"[..])
            );
            flow.abort();
            assert_eq!(flow.read().await.unwrap_err().kind(), ErrorKind::Aborted);
            drop(flow);
            assert_eq!(rest(&peer).unwrap(), b"last words");
        }
    });
}

#[test]
fn against_silence_close_is_ended_by_an_abort_beside_it() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let (mut close, mut read) = (flow.close(), flow.read());
            let (closer, reader) = (park(&mut close), park(&mut read));
            flow.abort();
            woken(&closer).await;
            woken(&reader).await;
            assert!(matches!(finish(&mut close).await, Err(WriteError::Closed)));
            assert_eq!(
                finish(&mut read).await.unwrap_err().kind(),
                ErrorKind::Aborted
            );
            assert_eq!(rest(&peer).unwrap(), b"");
        }
    });
}

#[test]
fn a_peer_that_never_reads_is_given_up_with_the_write_unfinished() {
    run(async {
        for (near, peer) in pairs() {
            let flow = connect(near).unwrap();
            let mut write = flow.write(pattern(16 << 20));
            park(&mut write);
            assert!(write.is_taken());
            let mut close = flow.close();
            let closer = park(&mut close);
            settle().await;
            assert_eq!(closer.get(), 0, "it is not sent yet");
            drop((write, close));
            flow.abort();
            drop(flow);
            // What was sent is a beginning of it, and then the end or a reset, but not all.
            let mut got = Vec::new();
            let mut buffer = vec![0; 1 << 16];
            while let Ok(1..) = (&peer).read(&mut buffer).inspect(|&len| {
                got.extend_from_slice(&buffer[..len]);
            }) {}
            assert!(got.len() < 16 << 20);
            assert!(got == pattern(16 << 20)[..got.len()]);
        }
    });
}

/// Each of the four ends is closed at another time: flow and peer, reading and writing, with bytes before and after.
#[test]
fn half_closes_in_every_order() {
    const ORDERS: usize = 24;
    run(async {
        for round in 0..ORDERS * 40 {
            let (near, mut far) = UnixStream::pair().unwrap();
            far.set_read_timeout(Some(WATCHDOG)).unwrap();
            let flow = connect(near).unwrap();
            let (mut sent, mut received) = (Vec::new(), Vec::new());
            let (mut fed, mut got) = (Vec::new(), Vec::new());
            let (mut we_write, mut we_read, mut they_write, mut they_read) =
                (true, true, true, true);
            for step in order(round % ORDERS) {
                let data = [round as u8, step as u8, 7];
                if we_write && they_read {
                    finish(&mut flow.write(data)).await.unwrap();
                    sent.extend_from_slice(&data);
                    let mut buffer = [0; 3];
                    far.read_exact(&mut buffer).unwrap();
                    received.extend_from_slice(&buffer);
                }
                if they_write && we_read {
                    far.write_all(&data).unwrap();
                    fed.extend_from_slice(&data);
                    got.extend_from_slice(&finish(&mut flow.read()).await.unwrap().unwrap());
                }
                match step {
                    0 => {
                        let shut = finish(&mut flow.shutdown(Shutdown::Write)).await;
                        // After a write that failed the stream has no orderly end.
                        assert_eq!(shut.is_ok(), they_read, "{shut:?}");
                        we_write = false;
                        if they_read {
                            assert_eq!(far.read(&mut [0]).unwrap(), 0, "the end is seen at once");
                        }
                    }
                    1 => {
                        finish(&mut flow.shutdown(Shutdown::Read)).await.unwrap();
                        we_read = false;
                        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
                    }
                    2 => {
                        far.shutdown(How::Write).unwrap();
                        they_write = false;
                        assert_eq!(finish(&mut flow.read()).await.unwrap(), None);
                    }
                    _ => {
                        far.shutdown(How::Read).unwrap();
                        they_read = false;
                        if we_write {
                            let closed = finish(&mut flow.write("x")).await;
                            assert!(matches!(closed, Err(WriteError::Closed)), "{closed:?}");
                            we_write = false;
                        }
                    }
                }
            }
            assert_eq!((sent, fed), (received, got));
        }
    });
}

/// The orders of 0 to 3, by number.
fn order(mut number: usize) -> Vec<usize> {
    let mut left = vec![0, 1, 2, 3];
    let mut order = Vec::new();
    for count in (1..=4).rev() {
        order.push(left.remove(number % count));
        number /= count;
    }
    order
}
