//! Copying up to the end, left and gone on with.

use std::error::Error;

use flow_core::combinators::{CopyError, copy};
use flow_core::memory::{self, MemoryError};
use flow_core::{Bytes, Flow, FlowExt, WriteError};

use super::received;
use super::step::{Wakes, poll, ready};

#[test]
fn copies_up_to_the_end_and_does_not_end_the_destination() {
    let (src, mut from) = memory::with_wire(64);
    let (dst, mut to) = memory::with_wire(64);
    from.send(b"one");
    from.send(b"two");
    from.end();
    let stats = ready(copy(&src, &dst)).unwrap();
    assert_eq!((stats.read_bytes, stats.read_ops), (6, 2));
    assert_eq!((stats.written_bytes, stats.write_ops), (6, 2));
    assert_eq!(received(&mut to), (b"onetwo".to_vec(), false));
    ready(dst.write("more")).unwrap();
    assert_eq!(received(&mut to), (b"more".to_vec(), false));
}

#[test]
fn left_at_any_point_it_goes_on_without_loss() {
    let whole: Vec<u8> = (0..=255).collect();
    for room in [1, 3, 97] {
        let (src, mut from) = memory::with_wire(7);
        let (dst, mut to) = memory::with_wire(room);
        let mut copying = copy(&src, &dst);
        let (mut sent, mut arrived) = (0, Vec::new());
        let stats = loop {
            // A fresh task each time: whoever polled before has let go.
            if let std::task::Poll::Ready(result) = poll(&Wakes::new(), &mut copying) {
                break result.unwrap();
            }
            sent += from.send(&whole[sent..]);
            if sent == whole.len() {
                from.end();
            }
            arrived.extend(received(&mut to).0);
        };
        arrived.extend(received(&mut to).0);
        assert_eq!(arrived, whole, "room for {room}");
        assert_eq!((stats.read_bytes, stats.written_bytes), (256, 256));
    }
}

#[test]
fn what_was_not_taken_comes_back_and_can_be_copied_first() {
    let (src, mut from) = memory::with_wire(64);
    let (dst, mut to) = memory::with_wire(4);
    ready(dst.write("full")).unwrap();
    from.send(b"kept");
    let mut copying = copy(src, &dst);
    assert!(poll(&Wakes::new(), &mut copying).is_pending());
    let (src, _, unsent) = copying.into_parts();
    let unsent = unsent.unwrap();
    assert_eq!(unsent.first(), b"kept");

    assert_eq!(received(&mut to).0, b"full");
    from.end();
    let stats = ready(copy(src, &dst).with_first(unsent)).unwrap();
    assert_eq!((stats.read_bytes, stats.written_bytes), (0, 4));
    assert_eq!(received(&mut to).0, b"kept");
}

#[test]
fn what_a_closed_destination_refuses_comes_back() {
    let (src, mut from) = memory::with_wire(64);
    let (dst, to) = memory::with_wire(64);
    drop(to);
    from.send(b"kept");
    let mut copying = copy(&src, &dst);
    assert!(ready(&mut copying).is_err());
    assert!(copying.is_terminated());
    assert_eq!(copying.into_parts().2.unwrap().first(), b"kept");
}

#[test]
fn a_failure_says_which_side_and_keeps_the_statistics() {
    let (src, mut from) = memory::with_wire(64);
    let (dst, mut to) = memory::with_wire(64);
    from.send(b"part");
    from.tear();
    let error = ready(copy(&src, &dst)).unwrap_err();
    assert_eq!(error.to_string(), "reading from the source failed");
    assert_eq!(
        error.source().unwrap().to_string(),
        MemoryError::Torn.to_string()
    );
    assert_eq!(
        (error.stats().read_bytes, error.stats().written_bytes),
        (4, 4)
    );
    assert_eq!(received(&mut to), (b"part".to_vec(), false));

    let (src, mut from) = memory::with_wire(64);
    from.send(b"rest");
    dst.abort();
    let mut copying = copy(&src, &dst);
    let live = copying.live();
    let error = ready(&mut copying).unwrap_err();
    let CopyError::Write {
        cause: WriteError::Closed,
        stats,
    } = error
    else {
        panic!("{error:?}")
    };
    assert_eq!((stats.read_bytes, stats.written_bytes), (4, 0));
    assert_eq!(live.now(), stats);
    assert_eq!(copying.stats(), stats);
}

#[test]
fn statistics_are_there_while_it_goes_on() {
    let (src, mut from) = memory::with_wire(64);
    let (dst, _to) = memory::with_wire(64);
    let mut copying = copy(&src, &dst);
    let live = copying.live();
    from.send(b"123");
    assert!(poll(&Wakes::new(), &mut copying).is_pending());
    assert_eq!((live.now().read_bytes, live.now().written_bytes), (3, 3));
    from.send(b"45");
    assert!(poll(&Wakes::new(), &mut copying).is_pending());
    assert_eq!((live.now().read_ops, live.now().written_bytes), (2, 5));
}

#[test]
fn chunks_are_handed_on_uncopied() {
    let (before, src) = memory::pair(64);
    let (dst, after) = memory::pair(64);
    let chunk = Bytes::from(vec![7; 32]);
    let place = chunk.as_ptr();
    ready(before.write(chunk)).unwrap();
    assert!(poll(&Wakes::new(), &mut copy(&src, &dst)).is_pending());
    assert_eq!(ready(after.read()).unwrap().unwrap().as_ptr(), place);
}

#[test]
#[should_panic(expected = "polled after it was ready")]
fn polled_after_the_end_it_panics() {
    let (src, mut from) = memory::with_wire(64);
    from.end();
    let mut copying = copy(&src, &src);
    ready(&mut copying).unwrap();
    let _ = poll(&Wakes::new(), &mut copying);
}
