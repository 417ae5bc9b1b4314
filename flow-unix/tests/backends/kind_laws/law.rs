//! A law: what is promised, which kinds it is not for, and the flows that it has been seen to reject.

use super::kinds::Kind;
use super::lies::Lie;

pub(crate) struct Law {
    pub(crate) name: &'static str,
    /// One sentence, for the page.
    pub(crate) promise: &'static str,
    /// Why it cannot be asked of this kind.
    pub(crate) not_for: fn(&Kind) -> Option<&'static str>,
    pub(crate) run: fn(&Kind),
    /// What it rejects, and on which kind.
    pub(crate) broken: &'static [(Lie, &'static str)],
}

/// Why not, unless.
pub(crate) fn unless(can: bool, why_not: &'static str) -> Option<&'static str> {
    (!can).then_some(why_not)
}
