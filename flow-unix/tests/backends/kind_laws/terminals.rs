//! Terminals in their modes, devices that nobody can watch, and files that are large.

use std::fs::File;
use std::io::Read as _;

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, OptionalActions, SpecialCodeIndex, tcgetattr, tcsetattr};

use super::cases::not_shown;
use super::kinds::{Near, pty};
use super::lies::Lie;
use super::process::field;
use super::singles::Single;
use super::steps::{finish, park, same, to_the_end, woken};
use crate::support::backend::FlowExt as _;
use crate::support::{put, run, settle};

pub(crate) const SINGLES: &[Single] = &[
    Single {
        name: "terminal::canonical_mode_gives_lines_and_ends_by_control_d",
        run: canonical,
        broken: &[Lie::EndsEarly, Lie::EndIsNotFinal],
    },
    Single {
        name: "terminal::that_answers_nothing_at_once_has_no_end",
        run: no_minimum,
        broken: &[Lie::EndsEarly],
    },
    Single {
        name: "terminal::master_before_its_first_slave_waits",
        run: before_the_first_slave,
        broken: &[Lie::EndsEarly],
    },
    Single {
        name: "device::that_cannot_be_watched_goes_by_the_pool",
        run: unwatched,
        broken: &[Lie::EndsEarly, Lie::Blocks],
    },
    Single {
        name: "file::of_two_gibibytes_is_read_to_its_end",
        run: sparse,
        broken: &[Lie::EndsBeforeLast],
    },
];

const END_OF_TRANSMISSION: &[u8] = b"\x04";

fn canonical() {
    // In this mode the number says nothing.
    for (flags, minimum) in [
        (OFlags::empty(), 1),
        (OFlags::empty(), 0),
        (OFlags::NONBLOCK, 0),
    ] {
        run(async {
            let (master, slave) = pty(OFlags::empty(), flags);
            let mut modes = tcgetattr(&slave).unwrap();
            modes.local_modes |= LocalModes::ICANON;
            modes.special_codes[SpecialCodeIndex::VMIN] = minimum;
            tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
            let flow = Near::One(slave).connect();
            let master = File::from(master);
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&master, b"not yet");
            settle().await;
            let reader = match reader.get() {
                0 => reader,
                _ => park(&mut read),
            };
            put(&master, b" a line\n");
            woken(&reader).await;
            let line = finish(&mut read).await.unwrap().unwrap();
            same(&line, b"not yet a line\n");
            // Two are there before anybody looks, and no event tells of the second.
            put(&master, b"one\ntwo\n");
            for line in [b"one\n", b"two\n"] {
                same(&finish(&mut flow.read()).await.unwrap().unwrap(), line);
            }
            // In the middle of a line it hands out what is there, at its beginning it is the end.
            put(&master, b"half");
            put(&master, END_OF_TRANSMISSION);
            same(&finish(&mut flow.read()).await.unwrap().unwrap(), b"half");
            let mut read = flow.read();
            let reader = park(&mut read);
            put(&master, END_OF_TRANSMISSION);
            woken(&reader).await;
            assert_eq!(finish(&mut read).await.unwrap(), None);
            put(&master, b"too late\n");
            assert_eq!(to_the_end(&flow).await, b"");
        });
    }
}

fn no_minimum() {
    for flags in [OFlags::empty(), OFlags::NONBLOCK] {
        run(async {
            let (master, slave) = pty(OFlags::empty(), flags);
            let mut modes = tcgetattr(&slave).unwrap();
            modes.special_codes[SpecialCodeIndex::VMIN] = 0;
            modes.special_codes[SpecialCodeIndex::VTIME] = 0;
            tcsetattr(&slave, OptionalActions::Now, &modes).unwrap();
            let flow = Near::One(slave).connect();
            let master = File::from(master);
            for data in [b"one", b"two"] {
                let mut read = flow.read();
                let reader = park(&mut read);
                settle().await;
                assert_eq!(reader.get(), 0);
                put(&master, data);
                woken(&reader).await;
                same(&finish(&mut read).await.unwrap().unwrap(), data);
            }
            drop(master);
            assert_eq!(to_the_end(&flow).await, b"");
        });
    }
}

fn before_the_first_slave() {
    for flags in [
        OpenptFlags::empty(),
        OpenptFlags::from_bits_retain(OFlags::NONBLOCK.bits()),
    ] {
        run(async {
            let flags = flags | OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
            let master = openpt(flags).unwrap();
            grantpt(&master).unwrap();
            unlockpt(&master).unwrap();
            let name = ptsname(&master, Vec::new()).unwrap();
            let flow = Near::One(master).connect();
            let mut read = flow.read();
            let reader = park(&mut read);
            settle().await;
            assert_eq!(reader.get(), 0);
            let flags = OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC;
            let slave = File::from(open(name, flags, Mode::empty()).unwrap());
            put(&slave, b"here");
            drop(slave);
            woken(&reader).await;
            same(&finish(&mut read).await.unwrap().unwrap(), b"here");
            assert_eq!(to_the_end(&flow).await, b"");
        });
    }
}

/// What the processor may take to wake up: four bytes, which say nothing as long as nobody writes.
fn unwatched() {
    let open = || File::open("/dev/cpu_dma_latency");
    let Ok(device) = open() else {
        not_shown("this machine has no such device, or it is root's");
    };
    let mut said = vec![];
    open().unwrap().read_to_end(&mut said).unwrap();
    assert_eq!(said.len(), 4);
    run(async {
        let flow = Near::One(device.into()).connect();
        same(&to_the_end(&flow).await, &said);
    });
}

fn sparse() {
    const LEN: u64 = (2 << 30) + 5;
    /// In kilobytes: far less than the file.
    const MOST: u64 = 200_000;

    run(async {
        let file = tempfile::tempfile().unwrap();
        file.set_len(LEN).unwrap();
        let flow = Near::One(file.into()).connect();
        let mut len = 0;
        while let Some(chunk) = finish(&mut flow.read()).await.unwrap() {
            len += chunk.len() as u64;
        }
        assert_eq!(len, LEN);
    });
    let peak = field("/proc/self/status", "VmHWM:").unwrap();
    let peak: u64 = peak.trim_end_matches(" kB").parse().unwrap();
    assert!(peak < MOST, "{peak} kB at once");
}
