//! Programs over Flow: see `src/bin`. The programs in the README and in `docs` are compiled and run as tests of this crate.

#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
struct Readme;

#[cfg(doctest)]
#[doc = include_str!("../../docs/test-your-own-flow.md")]
struct TestYourOwnFlow;
