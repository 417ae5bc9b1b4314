//! Who keeps it and who does not: wrappers, those who look at bytes, other kinds.

use std::io::{Read as _, Seek as _, Write as _};

use flow_core::combinators::{Counted, Inspect, Named, Traffic, boxed, copy, proxy};
use flow_core::memory;

use super::lanes::{self, Bare, Kind, fill, sink, source};
use super::run;
use crate::support::backend::{FdFlow, connect};
use crate::support::{Count, finish, pattern, poll, settle};

/// More than any kernel holds.
const LEN: usize = 3 << 20;

/// A source with much in it and its end, and a destination with enough room for all of it. The peers are kept.
fn ready_pair() -> (FdFlow, FdFlow, Vec<u8>, Bare) {
    let whole = pattern(100_000);
    let src = ready_source(&whole);
    let (dst, taken) = sink(Kind::Unix);
    (src, dst, whole, taken)
}

fn ready_source(whole: &[u8]) -> FdFlow {
    let (src, mut feed) = source(Kind::Unix);
    assert_eq!(fill(&mut feed, whole), whole.len());
    src
}

#[test]
fn wrappers_keep_it_and_count_exactly() {
    run(async {
        let (src, dst, whole, mut taken) = ready_pair();
        let src = Named::new(Counted::new(boxed(src)), "from");
        let dst = Counted::new(Named::new(boxed(std::sync::Arc::new(dst)), "to"));
        let stats = finish(&mut copy(&src, Box::new(&dst))).await.unwrap();
        assert_eq!(stats.written_bytes, whole.len() as u64);
        assert!(stats.direct_bytes > 0, "{stats:?}");
        let read = src.inner().stats();
        assert_eq!(
            (read.read_bytes, read.read_ops),
            (stats.read_bytes, stats.read_ops)
        );
        assert_eq!(read.direct_bytes, stats.direct_bytes);
        let written = dst.stats();
        assert_eq!(
            (written.written_bytes, written.write_ops),
            (stats.written_bytes, stats.write_ops)
        );
        drop(dst);
        assert!(taken.up_to_the_end() == whole);
    });
}

#[test]
fn who_looks_at_bytes_sees_them_all() {
    let seen = std::sync::Mutex::new([0, 0]);
    let look = |traffic: Traffic<'_>| {
        let mut seen = seen.lock().unwrap();
        match traffic {
            Traffic::Read(chunk) => seen[0] += chunk.len(),
            Traffic::Written(chunk) => seen[1] += chunk.len(),
            _ => {}
        }
    };
    for side in [0, 1] {
        run(async {
            *seen.lock().unwrap() = [0, 0];
            let (src, dst, whole, mut taken) = ready_pair();
            let stats = if side == 0 {
                finish(&mut copy(Inspect::new(src, look), &dst))
                    .await
                    .unwrap()
            } else {
                finish(&mut copy(src, Inspect::new(&dst, look)))
                    .await
                    .unwrap()
            };
            assert_eq!(stats.direct_bytes, 0);
            assert_eq!(seen.lock().unwrap()[side], whole.len());
            drop(dst);
            assert!(taken.up_to_the_end() == whole);
        });
    }
}

#[test]
fn it_can_be_switched_off() {
    run(async {
        let (src, dst, whole, mut taken) = ready_pair();
        let stats = finish(&mut copy(src, &dst).through_memory()).await.unwrap();
        assert_eq!(
            (stats.direct_bytes, stats.written_bytes),
            (0, whole.len() as u64)
        );
        drop(dst);
        assert!(taken.up_to_the_end() == whole);

        let (src, dst, whole, mut taken) = ready_pair();
        let proxied = {
            let mut proxying = proxy(&src, &dst).through_memory();
            while poll(&mut proxying, &Count::new()).is_pending() && taken.waiting() < whole.len() {
                settle().await;
            }
            proxying.stats()
        };
        assert_eq!(proxied.a_to_b.direct_bytes, 0);
        assert!(taken.all() == whole);
    });
}

/// What cannot be moved without waiting, or by the kernel, goes through memory.
#[test]
fn other_kinds_go_through_memory() {
    run(async {
        // Sockets that would make a call wait.
        let (src, dst, whole, mut taken) = ready_pair();
        src.with_fd(|fd| rustix::io::ioctl_fionbio(fd, false).unwrap());
        let stats = finish(&mut copy(&src, &dst)).await.unwrap();
        assert_eq!(stats.direct_bytes, 0);
        assert!(taken.all() == whole);
        // What a destination takes is seen by trying once.
        dst.with_fd(|fd| rustix::io::ioctl_fionbio(fd, false).unwrap());
        for tried in [false, true] {
            let src = ready_source(&whole);
            let stats = finish(&mut copy(&src, &dst)).await.unwrap();
            assert_eq!(stats.direct_bytes == 0, tried);
            assert!(taken.all() == whole);
        }
        // Files.
        let whole = pattern(300_000);
        let mut file = tempfile();
        file.write_all(&whole).unwrap();
        file.rewind().unwrap();
        let (dst, mut taken) = sink(Kind::Unix);
        let taker = std::thread::spawn(move || {
            let mut all = Vec::new();
            taken.blocking().read_to_end(&mut all).unwrap();
            all
        });
        let stats = finish(&mut copy(connect(file).unwrap(), &dst))
            .await
            .unwrap();
        assert_eq!((stats.direct_bytes, stats.read_bytes), (0, 300_000));
        drop(dst);
        assert!(taker.join().unwrap() == whole);

        let (src, mut feed) = source(Kind::Unix);
        let sent = fill(&mut feed, &whole);
        drop(feed);
        let mut file = tempfile();
        let written = connect(file.try_clone().unwrap()).unwrap();
        let stats = finish(&mut copy(&src, written)).await.unwrap();
        assert_eq!((stats.direct_bytes, stats.written_bytes), (0, sent as u64));
        let mut all = Vec::new();
        file.rewind().unwrap();
        file.read_to_end(&mut all).unwrap();
        assert!(all == whole[..sent]);

        // Memory.
        let (src, mut feed) = source(Kind::Unix);
        let sent = fill(&mut feed, &whole);
        drop(feed);
        let (dst, mut wire) = memory::with_wire(LEN);
        let stats = finish(&mut copy(&src, &dst)).await.unwrap();
        assert_eq!((stats.direct_bytes, stats.written_bytes), (0, sent as u64));
        let mut all = vec![0; LEN];
        let mut len = 0;
        while let memory::Received::Data(count) = wire.recv(&mut all[len..]) {
            len += count;
        }
        assert!(all[..len] == whole[..sent]);
    });
}

/// Of splice(2) a pipe would keep that it can no longer be asked not to wait.
#[test]
fn pipes_of_others_stay_as_they_are() {
    use rustix::io::{Errno, ReadWriteFlags, preadv2, pwritev2};

    run(async {
        let ((src, mut feed), (dst, mut taken)) = (source(Kind::Pipe), sink(Kind::Pipe));
        let (near, mut far) = sink(Kind::Unix);
        let (other, mut more) = source(Kind::Unix);
        let whole = pattern(60_000);
        for (flow, into) in [(&src, &near), (&other, &dst)] {
            let mut copying = copy(flow, into);
            fill(&mut feed, &whole);
            fill(&mut more, &whole);
            lanes::stand_still(async || {
                drop((far.all(), taken.all()));
                assert!(poll(&mut copying, &Count::new()).is_pending());
                copying.stats().written_bytes
            })
            .await;
            assert_eq!(copying.stats().direct_bytes, 0);
        }
        let (nowait, here) = (ReadWriteFlags::NOWAIT, u64::MAX);
        let read = src.with_fd(|fd| {
            let mut buffer = [0];
            let buffers = &mut [std::io::IoSliceMut::new(&mut buffer)];
            preadv2(fd, buffers, here, nowait).err()
        });
        assert_ne!(read.unwrap(), Some(Errno::OPNOTSUPP));
        let written = dst.with_fd(|fd| pwritev2(fd, &[std::io::IoSlice::new(b"x")], here, nowait));
        assert_eq!(written.unwrap(), Ok(1));
    });
}

fn tempfile() -> std::fs::File {
    tempfile::tempfile().unwrap()
}
