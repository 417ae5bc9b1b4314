//! What is told of one kind alone, or of a whole process.

use super::lies::Lie;
use super::{elsewhere, fifos, terminals};

pub(crate) struct Single {
    pub(crate) name: &'static str,
    pub(crate) run: fn(),
    /// The flows that it rejects.
    pub(crate) broken: &'static [Lie],
}

pub(crate) fn all() -> impl Iterator<Item = &'static Single> {
    [fifos::SINGLES, terminals::SINGLES, elsewhere::SINGLES]
        .into_iter()
        .flatten()
}
