//! What other tasks do with the two flows while a copy goes on is seen by it, in its place.

use std::os::unix::net::UnixStream;
use std::task::Poll;

use flow_core::combinators::{CopyError, Copying, copy};

use super::lanes::{Bare, Kind, fill, fill_up, sink, source, stand_still};
use super::run;
use crate::support::backend::{
    Delivered, ErrorKind, FdFlow, Flow as _, FlowExt as _, Shutdown, Switch, WriteError, connect,
    connect_with,
};
use crate::support::{Count, arrived, finish, park, pass, pattern, poll, settle, tcp};

const LEN: usize = 60_000;

/// A copy that has moved `LEN` bytes directly, and waits for more. What else it is made of is kept by the caller.
pub(super) async fn warm<'a>(
    (src, feed): (&'a FdFlow, &mut Bare),
    (dst, taken): (&'a FdFlow, &mut Bare),
) -> Copying<&'a FdFlow, &'a FdFlow> {
    let mut copying = copy(src, dst);
    assert_eq!(fill(feed, &pattern(LEN)), LEN);
    let mut got = 0;
    stand_still(async || {
        assert!(poll(&mut copying, &Count::new()).is_pending());
        got += taken.all().len() as u64;
        got
    })
    .await;
    assert_eq!(got, LEN as u64);
    assert!(copying.stats().direct_bytes > 0, "this would show nothing");
    copying
}

/// A copy that holds a chunk in a pipe of which the destination, which is full, has taken nothing.
macro_rules! held_up {
    ($src:ident, $dst:ident, $copying:ident, $held:ident, $taken:ident) => {
        let (($src, mut feed), ($dst, mut $taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let mut $copying = warm((&$src, &mut feed), (&$dst, &mut $taken)).await;
        fill_up(&$dst).await;
        let whole = pattern(2 * LEN);
        fill(&mut feed, &whole);
        settle().await;
        assert!(poll(&mut $copying, &Count::new()).is_pending());
        let $held = $copying.stats().read_bytes as usize - LEN;
        assert!($held > 0 && $copying.stats().written_bytes == LEN as u64);
    };
}

#[test]
fn a_read_that_waits_in_front_is_served_first() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let mut copying = warm((&src, &mut feed), (&dst, &mut taken)).await;
        // The copy waits with a write, the other with a read; then the write gets through.
        fill_up(&dst).await;
        let whole = pattern(3 * LEN);
        fill(&mut feed, &whole[..LEN]);
        settle().await;
        assert!(poll(&mut copying, &Count::new()).is_pending());
        let first = copying.stats().read_bytes as usize - LEN;
        assert!(first >= 32 << 10, "{first}");
        // What it has left of the first part.
        let mut mine = Vec::new();
        while first + mine.len() < LEN {
            mine.extend(finish(&mut src.read()).await.unwrap().unwrap());
        }
        let mut other = src.read();
        // Kept, so that no later task passes for this one.
        let _task = park(&mut other);
        fill(&mut feed, &whole[LEN..2 * LEN]);
        let mut got = Vec::new();
        stand_still(async || {
            got.extend(taken.all());
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().written_bytes
        })
        .await;
        assert_eq!(copying.stats().read_bytes as usize, LEN + first);
        let chunk = finish(&mut other).await.unwrap().unwrap();
        assert!(whole[LEN..].starts_with(&chunk));
        // And it goes on with what comes behind that.
        stand_still(async || {
            got.extend(taken.all());
            assert!(poll(&mut copying, &Count::new()).is_pending());
            got.len() as u64
        })
        .await;
        assert!(got.ends_with(&whole[LEN + chunk.len()..2 * LEN]));
    });
}

#[test]
fn a_write_that_waits_in_front_goes_first() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let mut copying = warm((&src, &mut feed), (&dst, &mut taken)).await;
        let others = fill_up(&dst).await;
        let mut other = dst.write(vec![b'!'; 1000]);
        // Kept, so that no later task passes for this one.
        let _task = park(&mut other);
        let whole = pattern(LEN);
        fill(&mut feed, &whole);
        settle().await;
        assert!(poll(&mut copying, &Count::new()).is_pending());
        let mut got = Vec::new();
        stand_still(async || {
            got.extend(taken.all());
            assert!(poll(&mut copying, &Count::new()).is_pending());
            got.len() as u64
        })
        .await;
        assert_eq!(got.len(), others);
        finish(&mut other).await.unwrap();
        stand_still(async || {
            got.extend(taken.all());
            assert!(poll(&mut copying, &Count::new()).is_pending());
            got.len() as u64
        })
        .await;
        assert!(got[others..others + 1000].iter().all(|byte| *byte == b'!'));
        assert!(got[others + 1000..] == whole);
    });
}

#[test]
fn a_taken_write_of_a_copy_that_was_dropped_is_finished() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let mut copying = warm((&src, &mut feed), (&dst, &mut taken)).await;
        super::lanes::squeeze(&dst, &taken);
        let whole = pattern(3 * LEN);
        let sent = fill(&mut feed, &whole);
        stand_still(async || {
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().read_bytes
        })
        .await;
        let read = copying.stats().read_bytes as usize - LEN;
        // In the middle of a chunk: it is the flow's.
        assert!(copying.into_parts().2.is_none());
        let mut end = dst.shutdown(Shutdown::Write);
        let mut got = Vec::new();
        while poll(&mut end, &Count::new()).is_pending() {
            got.extend(taken.all());
            settle().await;
        }
        got.extend(taken.up_to_the_end());
        assert!(got == whole[..read], "{} of {read}", got.len());
        drop(feed);
        while let Some(chunk) = finish(&mut src.read()).await.unwrap() {
            got.extend(chunk);
        }
        assert!(got == whole[..sent]);
    });
}

/// A pipe in which something was left is not used again.
#[test]
fn what_a_dropped_copy_held_comes_to_nobody_else() {
    run(async {
        held_up!(src, dst, copying, held, taken);
        drop(copying);
        taken.all();
        let _kept = (src, dst, held);
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let whole: Vec<u8> = pattern(LEN).into_iter().rev().collect();
        assert_eq!(fill(&mut feed, &whole), LEN);
        drop(feed);
        let stats = finish(&mut copy(&src, &dst)).await.unwrap();
        assert!(stats.direct_bytes > 0, "this would show nothing");
        assert!(taken.all() == whole);
    });
}

/// A reader who takes a part of a packet loses the rest of it.
#[test]
fn what_came_in_packets_comes_back_whole() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Fifo), sink(Kind::Unix));
        let mut copying = warm((&src, &mut feed), (&dst, &mut taken)).await;
        fill_up(&dst).await;
        feed.in_packets();
        let whole = pattern(LEN);
        assert_eq!(fill(&mut feed, &whole), LEN);
        settle().await;
        assert!(poll(&mut copying, &Count::new()).is_pending());
        let stats = copying.stats();
        let held = stats.read_bytes as usize - LEN;
        // More than one packet, and straight from the pipe.
        assert!(
            held > 32 << 10 && stats.direct_bytes > held as u64,
            "{stats:?}"
        );
        let unsent = copying.into_parts().2.unwrap();
        assert!(unsent.slices().flatten().eq(&whole[..held]));
    });
}

#[test]
fn what_was_delivered_is_known_all_the_same() {
    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Unix), sink(Kind::Unix));
        let mut copying = warm((&src, &mut feed), (&dst, &mut taken)).await;
        assert_eq!(dst.delivered(), Delivered::Yes);
        assert_eq!(fill(&mut feed, &pattern(LEN)), LEN);
        stand_still(async || {
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().written_bytes
        })
        .await;
        assert_eq!(copying.stats().written_bytes, 2 * LEN as u64);
        assert_eq!(dst.delivered(), Delivered::No);
        taken.some(LEN - 1);
        assert_eq!(dst.delivered(), Delivered::No);
        taken.all();
        assert_eq!(dst.delivered(), Delivered::Yes);
        drop(taken);
        assert_eq!(dst.delivered(), Delivered::Yes);
    });
}

#[test]
fn an_end_of_the_destination_gives_the_chunk_back() {
    run(async {
        for how in 0..3 {
            held_up!(src, dst, copying, held, _taken);
            match how {
                0 => drop(poll(&mut dst.shutdown(Shutdown::Write), &Count::new())),
                1 => drop(poll(&mut dst.close(), &Count::new())),
                _ => dst.abort(),
            };
            let error = finish(&mut copying).await.unwrap_err();
            let CopyError::Write {
                cause: WriteError::Closed,
                stats,
            } = error
            else {
                panic!("{how}: {error:?}")
            };
            assert_eq!(stats.read_bytes as usize, LEN + held);
            let unsent = copying.into_parts().2.unwrap();
            assert!(unsent.slices().flatten().eq(&pattern(2 * LEN)[..held]));
        }
    });
}

#[test]
fn an_end_of_the_source_comes_after_what_is_held() {
    run(async {
        for how in 0..2 {
            held_up!(src, dst, copying, held, taken);
            if how == 0 {
                finish(&mut src.shutdown(Shutdown::Read)).await.unwrap();
            } else {
                src.abort();
            }
            let mut got = 0;
            let result = loop {
                got += taken.all().len();
                if let Poll::Ready(result) = poll(&mut copying, &Count::new()) {
                    break result;
                }
                settle().await;
            };
            let stats = match (how, result) {
                (0, Ok(stats)) => stats,
                (1, Err(CopyError::Read { cause, stats }))
                    if cause.kind() == ErrorKind::Aborted =>
                {
                    stats
                }
                (_, result) => panic!("{how}: {result:?}"),
            };
            assert_eq!(stats.written_bytes as usize, LEN + held);
            got += taken.all().len();
            assert!(got >= held);
        }
    });
}

#[test]
fn a_switch_ends_it() {
    run(async {
        let switch = Switch::new();
        let (near, far) = UnixStream::pair().unwrap();
        near.set_nonblocking(true).unwrap();
        let src = connect_with(near, &switch).unwrap();
        let (dst, mut taken) = sink(Kind::Unix);
        let mut copying = copy(&src, &dst);
        crate::support::put(&far, &pattern(LEN));
        stand_still(async || {
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().written_bytes
        })
        .await;
        assert!(copying.stats().direct_bytes > 0);
        let count = park(&mut copying);
        finish(&mut Box::pin(switch.turn_off())).await.unwrap();
        crate::support::woken(&count).await;
        let error = finish(&mut copying).await.unwrap_err();
        assert!(matches!(error, CopyError::Read { .. }), "{error:?}");
        assert!(taken.all() == pattern(LEN));
    });
}

/// What a direct read takes away from the socket, its error, is reported all the same, behind all bytes that came before it.
#[test]
fn a_reset_of_the_source_is_no_end() {
    run(async {
        let (near, far) = tcp();
        near.set_nonblocking(true).unwrap();
        let src = connect(near).unwrap();
        let (dst, mut taken) = sink(Kind::Unix);
        crate::support::put(&far, &pattern(LEN));
        src.with_fd(|fd| arrived(fd, LEN as u64)).unwrap();
        let mut copying = copy(&src, &dst);
        stand_still(async || {
            assert!(poll(&mut copying, &Count::new()).is_pending());
            copying.stats().written_bytes
        })
        .await;
        assert!(copying.stats().direct_bytes > 0);
        rustix::net::sockopt::set_socket_linger(&far, Some(std::time::Duration::ZERO)).unwrap();
        drop(far);
        let error = finish(&mut copying).await.unwrap_err();
        let CopyError::Read { cause, .. } = error else {
            panic!("{error:?}")
        };
        assert_eq!(cause.kind(), ErrorKind::Reset);
        assert!(taken.all() == pattern(LEN));
    });
}

/// As by ordinary reads: who wants none has them closed, who wants some gets them all.
#[test]
fn passed_descriptors_are_closed_or_kept() {
    run(async {
        for kept in [false, true] {
            let (near, far) = UnixStream::pair().unwrap();
            near.set_nonblocking(true).unwrap();
            let src = connect(near).unwrap();
            let (dst, mut taken) = sink(Kind::Unix);
            let (reader, writer) =
                rustix::pipe::pipe_with(rustix::pipe::PipeFlags::NONBLOCK).unwrap();
            if kept {
                src.receive_fds(8);
            }
            for part in pattern(LEN).chunks(20_000) {
                pass(&far, part, &[&writer]);
            }
            drop(writer);
            let mut copying = copy(&src, &dst);
            let mut got = Vec::new();
            stand_still(async || {
                got.extend(taken.all());
                assert!(poll(&mut copying, &Count::new()).is_pending());
                got.len() as u64
            })
            .await;
            assert!(got == pattern(LEN));
            assert_eq!(copying.stats().direct_bytes > 0, !kept);
            let closed = || rustix::io::read(&reader, &mut [0; 1]) == Ok(0);
            assert_eq!(closed(), !kept);
            if kept {
                assert_eq!(src.take_fds().len(), 3);
                assert!(closed());
            }
        }
    });
}
