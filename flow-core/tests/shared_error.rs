//! The ready-made error looks like what it holds.

#![cfg(feature = "std")]

use std::error::Error;
use std::io;

use flow_core::{Aborted, SharedError};

#[derive(Debug, thiserror::Error)]
#[error("the outside")]
struct Outer(#[source] io::Error);

#[test]
fn it_prints_and_explains_like_the_error_inside() {
    let error = SharedError::new(Outer(io::Error::other("the inside")));
    assert_eq!(error.to_string(), "the outside");
    assert_eq!(error.source().unwrap().to_string(), "the inside");
    assert!(error.source().unwrap().source().is_none());
    assert!(format!("{error:?}").starts_with("SharedError(Outer("));
    let again = error.clone();
    assert!(std::ptr::eq(
        error.downcast_ref::<Outer>().unwrap(),
        again.downcast_ref::<Outer>().unwrap()
    ));
    assert!(error.downcast_ref::<io::Error>().is_none());
}

#[test]
fn an_abort_is_known_however_it_comes() {
    assert!(SharedError::from(Aborted).is_aborted());
    assert!(SharedError::new(Aborted).is_aborted());
    let shared = SharedError::new(SharedError::from(Aborted));
    assert!(shared.is_aborted());
    assert_eq!(shared.to_string(), Aborted.to_string());
    assert_eq!(shared.downcast_ref(), Some(&Aborted));
    assert!(!SharedError::from("something else").is_aborted());
}

#[test]
fn what_is_shared_is_not_wrapped_again() {
    let once = SharedError::from(io::Error::from(io::ErrorKind::TimedOut));
    let twice = SharedError::new(once.clone());
    assert_eq!(
        twice.downcast_ref::<io::Error>().unwrap().kind(),
        io::ErrorKind::TimedOut
    );
}

#[test]
fn an_io_error_keeps_its_kind_both_ways() {
    let kind = |error: SharedError| {
        let text = error.to_string();
        let error = io::Error::from(error);
        assert_eq!(error.to_string(), text);
        error.kind()
    };
    assert_eq!(
        kind(io::Error::from(io::ErrorKind::StorageFull).into()),
        io::ErrorKind::StorageFull
    );
    assert_eq!(kind(Aborted.into()), io::ErrorKind::ConnectionAborted);
    assert_eq!(kind("a message".into()), io::ErrorKind::Other);
    assert_eq!(kind(String::from("a message").into()), io::ErrorKind::Other);
}
