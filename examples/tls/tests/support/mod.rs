//! What the tests of this crate share: certificates, far ends, flows that break.

#![allow(dead_code, reason = "each test uses some of it")]

pub(crate) mod breakable;
pub(crate) mod keys;
pub(crate) mod peer;
pub(crate) mod running;
