//! Every script up to a bound, over every kind of stream.

use std::rc::Rc;
use std::time::Duration;

use flow_core::{Engine, Shutdown};

use super::print::program;
use super::stream::{Far, Quirks, stream};
use super::watched::{Complaint, Watch, Watched};
use super::{Bound, Explored, Failure, Over};
use crate::case::Case;
use crate::harness::{Harness, Link, Room};
use crate::journal::Journal;
use crate::law::watchdog;
use crate::row::{Row, Wakers};
use crate::script::{Act, Broken, Fault, Ground, Order, Script, Stage, Terms, run};

/// The streams, the plainest first.
const STREAMS: [Quirks; 6] = {
    let plain = Quirks {
        room: 64,
        at_once: 0,
        puts_off: false,
        wakes_late: false,
    };
    [
        plain,
        Quirks { room: 2, ..plain },
        Quirks {
            at_once: 1,
            ..plain
        },
        Quirks {
            room: 2,
            wakes_late: true,
            ..plain
        },
        Quirks {
            puts_off: true,
            ..plain
        },
        Quirks {
            room: 2,
            at_once: 1,
            puts_off: true,
            wakes_late: true,
        },
    ]
};

/// What scripts are made of.
fn acts() -> [Act; 14] {
    [
        Act::Read,
        Act::Write(3),
        Act::PeerSends(3),
        Act::PeerReceives(1),
        Act::PeerEnds,
        Act::Settle,
        Act::Drop(0),
        Act::Flush,
        Act::Shutdown(Shutdown::Write),
        Act::Shutdown(Shutdown::Read),
        Act::Close,
        Act::PeerVanishes,
        Act::PeerResets,
        Act::Abort,
    ]
}

/// Whether `act` at the end of `before` could change anything.
fn matters(before: &[Act], act: &Act) -> bool {
    let had = |act: &Act| before.contains(act);
    let left = had(&Act::PeerVanishes) || had(&Act::PeerResets);
    match act {
        Act::Settle => !matches!(before.last(), None | Some(Act::Settle | Act::Abort)),
        Act::PeerReceives(_) | Act::PeerVanishes | Act::PeerResets => !left && !before.is_empty(),
        Act::PeerSends(_) | Act::PeerEnds => !left && !had(&Act::PeerEnds),
        Act::Drop(_) => before.iter().any(|act| {
            matches!(
                act,
                Act::Read
                    | Act::Write(_)
                    | Act::WriteMuch
                    | Act::Flush
                    | Act::Close
                    | Act::Shutdown(_)
            )
        }),
        Act::Abort => !had(&Act::Abort),
        _ => true,
    }
}

/// The stream's far end delivers wakes when everything settles.
struct Shore {
    /// A second handle of the far end.
    far: Far,
    complaint: Complaint,
}

impl Ground for Shore {
    fn enter(&self, call: &mut dyn FnMut()) {
        call();
    }

    fn settle(&self) {
        while self.far.deliver() {}
    }

    fn turn(&self) -> bool {
        false
    }

    fn at(&self, _: &'static str) {}

    fn check(&self) -> Result<(), Fault> {
        match *self.complaint.borrow() {
            Some((rule, what)) => Err(Fault::new(rule, what)),
            None => Ok(()),
        }
    }
}

fn run_one<P: Over>(quirks: Quirks, script: &Script, watch: bool) -> Result<(), Broken> {
    let (near, far) = stream(quirks);
    let shore = Shore {
        far: far.handle(),
        complaint: Rc::default(),
    };
    let terms = Terms {
        patience: Duration::ZERO,
        much: 3,
        logs: true,
        told: true,
        wakers: Wakers::Fresh,
    };
    let flow = P::engine(near);
    if !watch {
        return run(script, Link::new(flow, far), &shore, terms);
    }
    match flow.into_parts() {
        Ok(parts) => {
            let transport = Watched {
                transport: parts.transport,
                complaint: Rc::clone(&shore.complaint),
            };
            let flow = Engine::new(transport, Watch::new(parts.rx), Watch::new(parts.tx));
            run(script, Link::new(flow, far), &shore, terms)
        }
        // It has things to send from the first, and cannot be taken apart.
        Err(flow) => run(script, Link::new(flow, far), &shore, terms),
    }
}

/// All scripts of one act more.
fn longer(shorter: &[Vec<Act>], acts: &[Act]) -> Vec<Vec<Act>> {
    let longer = |before: &Vec<Act>| -> Vec<Vec<Act>> {
        let next = acts.iter().filter(|act| matters(before, act));
        next.map(|act| [&before[..], std::slice::from_ref(act)].concat())
            .collect()
    };
    shorter.iter().flat_map(longer).collect()
}

/// Runs every script up to the bound over every kind of stream, the shortest first.
///
/// # Errors
///
/// The smallest failure that was found: one that callers can see, where there is one, otherwise a broken rule of [`Transport`](flow_core::Transport).
pub fn explore<P: Over>(bound: Bound) -> Result<Explored, Box<Failure>> {
    let mut scripts = 0;
    let mut rule = None;
    let mut level = vec![vec![]];
    for _ in 0..bound.acts {
        level = longer(&level, &acts());
        for acts in &level {
            for quirks in STREAMS {
                let script = Script {
                    room: match quirks.room {
                        2 => Room::Tight,
                        _ => Room::Ample,
                    },
                    order: Order::OldestFirst,
                    acts: acts.clone(),
                };
                scripts += 1;
                let Err(broken) = run_one::<P>(quirks, &script, rule.is_none()) else {
                    continue;
                };
                if broken.evidence.is_some() {
                    return Err(Box::new(smaller::<P>(quirks, script, broken, scripts)));
                }
                rule.get_or_insert(Failure {
                    quirks: Some(quirks),
                    script,
                    broken,
                    scripts,
                    program: None,
                });
            }
        }
    }
    match rule {
        Some(failure) => Err(Box::new(failure)),
        None => Ok(Explored { scripts }),
    }
}

/// The same for flows of a harness, with far ends of its own: a transport over a socket, say. Nothing is printed as a program.
///
/// # Errors
///
/// The first failure that was found, of the shortest script that fails.
pub fn explore_flows<H: Harness + Default>(bound: Bound) -> Result<Explored, Box<Failure>> {
    let case = Case::new(H::default(), Row::PLAIN, false, watchdog(), Journal::new());
    let stage = Stage::new(&case);
    let acts = [&acts()[..], &[Act::WriteMuch]].concat();
    let mut scripts = 0;
    let mut level = vec![vec![]];
    for _ in 0..bound.acts {
        level = longer(&level, &acts);
        for acts in &level {
            for room in [Room::Ample, Room::Tight] {
                let script = Script {
                    room,
                    order: Order::OldestFirst,
                    acts: acts.clone(),
                };
                scripts += 1;
                if let Err(broken) = stage.run(&script) {
                    return Err(Box::new(Failure {
                        quirks: None,
                        script,
                        broken,
                        scripts,
                        program: None,
                    }));
                }
            }
        }
    }
    case.leave();
    Ok(Explored { scripts })
}

/// Leaves acts out, lowers sizes and makes the stream plainer for as long as it still fails, and prints the program.
fn smaller<P: Over>(
    mut quirks: Quirks,
    mut script: Script,
    mut broken: Broken,
    scripts: usize,
) -> Failure {
    let fails = |quirks, script: &Script| {
        let broken = run_one::<P>(quirks, script, false).err();
        broken.filter(|broken| broken.evidence.is_some())
    };
    // As callers see it, not as the watch does.
    if let Some(seen) = fails(quirks, &script) {
        broken = seen;
    }
    'again: loop {
        for (quirks2, script2) in steps(quirks, &script) {
            if let Some(still) = fails(quirks2, &script2) {
                (quirks, script, broken) = (quirks2, script2, still);
                continue 'again;
            }
        }
        break;
    }
    let program = program::<P>(quirks, &broken);
    Failure {
        quirks: Some(quirks),
        script,
        broken,
        scripts,
        program,
    }
}

/// What is one step smaller.
fn steps(quirks: Quirks, script: &Script) -> Vec<(Quirks, Script)> {
    let mut steps = Vec::new();
    for i in 0..script.acts.len() {
        let mut less = script.clone();
        less.acts.remove(i);
        steps.push((quirks, less));
        let fewer = match script.acts[i] {
            Act::Write(len) if len > 1 => Act::Write(len - 1),
            Act::PeerSends(len) if len > 1 => Act::PeerSends(len - 1),
            _ => continue,
        };
        let mut less = script.clone();
        less.acts[i] = fewer;
        steps.push((quirks, less));
    }
    if quirks.puts_off {
        let puts_off = false;
        steps.push((Quirks { puts_off, ..quirks }, script.clone()));
    }
    if quirks.wakes_late {
        let wakes_late = false;
        steps.push((
            Quirks {
                wakes_late,
                ..quirks
            },
            script.clone(),
        ));
    }
    if quirks.at_once != 0 {
        steps.push((
            Quirks {
                at_once: 0,
                ..quirks
            },
            script.clone(),
        ));
    }
    steps
}
