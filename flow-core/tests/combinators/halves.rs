//! Two halves of one flow, and what dropping one does.

use std::sync::Arc;

use flow_core::combinators::split;
use flow_core::{FlowExt, memory};

use super::received;
use super::step::ready;

#[test]
fn halves_of_a_borrowed_flow_go_and_the_flow_stays() {
    let (flow, mut peer) = memory::with_wire(64);
    {
        let (reader, writer) = split(&flow);
        peer.send(b"in");
        assert_eq!(ready(reader.read()).unwrap().unwrap(), b"in"[..]);
        ready(writer.writev(["o", "ut"])).unwrap();
    }
    ready(flow.write(" and more")).unwrap();
    assert_eq!(received(&mut peer), (b"out and more".to_vec(), false));
}

#[test]
fn a_dropped_half_ends_nothing_and_the_last_one_everything() {
    let (flow, mut peer) = memory::with_wire(64);
    let (reader, writer) = split(Arc::new(flow));
    drop(reader);
    ready(writer.write("x")).unwrap();
    assert_eq!(received(&mut peer), (b"x".to_vec(), false));
    assert_eq!(peer.send(b"y"), 1);
    drop(writer);
    assert_eq!(received(&mut peer), (vec![], true));
    assert_eq!(peer.send(b"z"), 0);
}

#[test]
fn a_writing_half_may_end_writing_when_it_is_dropped() {
    let (flow, mut peer) = memory::with_wire(64);
    let (reader, writer) = split(Arc::new(flow));
    let writer = writer.ends_when_dropped();
    ready(writer.write("x")).unwrap();
    assert_eq!(received(&mut peer), (b"x".to_vec(), false));
    drop(writer);
    assert_eq!(received(&mut peer), (vec![], true));
    peer.send(b"y");
    assert_eq!(ready(reader.read()).unwrap().unwrap(), b"y"[..]);
}

#[test]
fn taken_apart_a_half_ends_nothing() {
    let (flow, mut peer) = memory::with_wire(64);
    let (reader, writer) = split(Arc::new(flow));
    let flow = writer.ends_when_dropped().into_inner();
    drop(reader.into_inner());
    ready(flow.write("x")).unwrap();
    assert_eq!(received(&mut peer), (b"x".to_vec(), false));
}

#[test]
fn halves_end_their_own_direction() {
    let (flow, mut peer) = memory::with_wire(64);
    let (reader, writer) = split(&flow);
    ready(writer.shutdown()).unwrap();
    assert!(received(&mut peer).1);
    peer.send(b"y");
    assert!(ready(reader.read()).unwrap().is_some());
    ready(reader.shutdown()).unwrap();
    assert_eq!(ready(reader.read()).unwrap(), None);
}
