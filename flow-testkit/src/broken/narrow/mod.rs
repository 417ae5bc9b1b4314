//! Broken flows that go wrong only now and then: after the peer's end, with two waiters, from a size on, after a dropped call, on the
//! second flow of a process. Each is the narrow twin of a plainer one, and narrow triggers are what tests miss.
//!
//! The letters in the comments are those of the catalogue of faults that the laws were made from.

mod cancel;
mod close;
mod delivery;
mod end;
mod fd;
mod quiet;
mod read;
mod shutdown;
mod tasks;
mod write;

use super::Broken;

pub(super) fn all() -> Vec<Broken> {
    let files = [
        read::all,
        write::all,
        cancel::all,
        shutdown::all,
        close::all,
        delivery::all,
        end::all,
        tasks::all,
        quiet::all,
        fd::all,
    ];
    files.into_iter().flat_map(|file| file()).collect()
}
