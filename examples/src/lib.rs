//! Programs over Flow: see `src/bin`. The programs in the README are compiled and run as tests of this crate.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;
