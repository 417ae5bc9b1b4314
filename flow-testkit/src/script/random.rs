//! Scripts at random, and the smallest one that fails.

use std::cell::{Cell, RefCell};
use std::fmt;

use flow_core::Shutdown;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy};
use proptest::strategy::{BoxedStrategy, Union};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

use super::{Act, Broken, Order, Script};
use crate::asked;
use crate::harness::Room;

/// A search for a script that breaks a flow. The same seed tries the same scripts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Search {
    /// What the scripts follow from.
    pub seed: u64,
    /// How many scripts are tried.
    pub cases: u32,
}

impl Default for Search {
    /// The same scripts each time, and so few that a law takes no second.
    fn default() -> Self {
        Self {
            seed: 1,
            cases: 256,
        }
    }
}

/// A script that breaks a flow, as small as it could be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The script.
    pub script: Script,
    /// What it shows.
    pub broken: Broken,
    /// The search that found it.
    pub search: Search,
}

/// The fault, the script and how to see it again.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            script,
            broken,
            search,
        } = self;
        writeln!(f, "{broken}")?;
        write!(f, "{script}")?;
        write!(
            f,
            "replay: FLOW_TESTKIT_SEED={} FLOW_TESTKIT_CASES={}",
            search.seed, search.cases
        )
    }
}

impl Search {
    /// The search that the environment asks for: `FLOW_TESTKIT_SEED`, a number or `random`, and `FLOW_TESTKIT_CASES`.
    ///
    /// # Panics
    ///
    /// If the variables are something else.
    #[must_use]
    pub fn from_env() -> Self {
        let default = Self::default();
        Self {
            seed: asked::seed().unwrap_or(default.seed),
            cases: asked::cases().unwrap_or(default.cases),
        }
    }

    /// Tries scripts until one fails, then makes that one smaller for as long as it still fails.
    ///
    /// `run` is told whether the script is one of those tries: a call that waits for ever need not be waited for as long in each of them.
    ///
    /// # Errors
    ///
    /// The smallest script that was found to fail.
    pub fn run(self, run: impl Fn(&Script, bool) -> Result<(), Broken>) -> Result<(), Box<Found>> {
        let mut seed = [0; 32];
        seed[..8].copy_from_slice(&self.seed.to_le_bytes());
        let config = Config {
            cases: self.cases,
            max_shrink_iters: 1000,
            failure_persistence: None,
            ..Config::default()
        };
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(config, rng);
        let shrinking = Cell::new(false);
        let first = RefCell::new(None);
        let verdict = runner.run(&scripts(), |script| {
            run(&script, shrinking.get()).map_err(|broken| {
                if !shrinking.replace(true) {
                    *first.borrow_mut() = Some((script, broken.clone()));
                }
                TestCaseError::fail(broken.clause)
            })
        });
        let smallest = match verdict {
            Ok(()) => return Ok(()),
            Err(TestError::Fail(_, script)) => {
                without_needless_acts(script, |script| run(script, true))
            }
            Err(TestError::Abort(why)) => panic!("no scripts could be drawn: {why}"),
        };
        let (script, broken) = match (run(&smallest, false), first.into_inner()) {
            (Err(broken), _) => (smallest, broken),
            // It only failed because it was not given the time.
            (Ok(()), Some(first)) => first,
            (Ok(()), None) => unreachable!("the first failure is kept"),
        };
        Err(Box::new(Found {
            script,
            broken,
            search: self,
        }))
    }
}

/// Leaves out each act without which the script still fails, until none is left.
fn without_needless_acts(
    mut script: Script,
    run: impl Fn(&Script) -> Result<(), Broken>,
) -> Script {
    let mut i = 0;
    while i < script.acts.len() {
        let mut less = script.clone();
        less.acts.remove(i);
        if run(&less).is_err() {
            script = less;
            i = 0;
        } else {
            i += 1;
        }
    }
    script
}

/// Lengths around real edges: less than any buffer holds, and about as much as the smallest holds.
fn length() -> BoxedStrategy<usize> {
    Union::new_weighted(vec![
        (5, (1..10_usize).boxed()),
        (3, (80..300_usize).boxed()),
        (2, (3000..10_000_usize).boxed()),
    ])
    .boxed()
}

fn order() -> impl Strategy<Value = Order> {
    proptest::sample::select(vec![Order::OldestFirst, Order::NewestFirst])
}

fn act() -> impl Strategy<Value = Act> {
    let just = |act: Act| Just(act).boxed();
    let shutdown = |how| Just(Act::Shutdown(how)).boxed();
    Union::new_weighted(vec![
        (4, just(Act::Settle)),
        (6, just(Act::Read)),
        (6, length().prop_map(Act::Write).boxed()),
        (2, just(Act::WriteMuch)),
        (2, just(Act::WriteNothing)),
        (
            2,
            vec((0..4_usize, length()), 1..5)
                .prop_map(|lens| {
                    // Every fourth buffer is empty.
                    let len = |(one, len): (usize, usize)| if one == 0 { 0 } else { len };
                    Act::Writev(lens.into_iter().map(len).collect())
                })
                .boxed(),
        ),
        (5, length().prop_map(Act::PeerSends).boxed()),
        (4, length().prop_map(Act::PeerReceives).boxed()),
        (4, order().prop_map(Act::PollWoken).boxed()),
        (4, (0..8_usize).prop_map(Act::Drop).boxed()),
        (2, (0..8_usize).prop_map(Act::Poll).boxed()),
        (3, just(Act::Flush)),
        (4, just(Act::PeerEnds)),
        (4, shutdown(Shutdown::Read)),
        (3, shutdown(Shutdown::Write)),
        (1, shutdown(Shutdown::Both)),
        (3, just(Act::Close)),
        (1, just(Act::PeerVanishes)),
        (1, just(Act::PeerResets)),
        (1, just(Act::Abort)),
    ])
}

fn scripts() -> impl Strategy<Value = Script> {
    let room = proptest::sample::select(vec![Room::Ample, Room::Tight]);
    let ends = proptest::num::u8::ANY;
    (room, order(), ends, vec(act(), 1..40)).prop_map(|(room, order, ends, mut acts)| {
        // Each script has some of the acts after which little can happen, and no others: what needs two of them is met more often.
        acts.retain(|act| {
            let which = match act {
                Act::PeerEnds => 0,
                Act::Shutdown(Shutdown::Read) => 1,
                Act::Shutdown(Shutdown::Write) => 2,
                Act::Shutdown(Shutdown::Both) => 3,
                Act::Close => 4,
                Act::PeerVanishes => 5,
                Act::PeerResets => 6,
                Act::Abort => 7,
                _ => return true,
            };
            ends & (1 << which) != 0
        });
        Script { room, order, acts }
    })
}
