//! The macro that makes one `#[test]` of each law.

use crate::any::AnyHarness;
use crate::harness::{Harness, Need};
use crate::laws;
use crate::{fd::Wires, harness::Room};

/// Makes one `#[test]` of each law, for flows of this harness, as they are, through `&F`, in an `Arc` and behind `dyn Flow`.
///
/// The harness is a type that is `Default`. `lacks` names what it has not, each with the reason, and the laws that need it are shown as
/// ignored. `known` names laws that are known to fail, each with the reason, and they are ignored as well; run them with
/// `--ignored`. Use it once per module.
///
/// ```no_run
/// # type MyHarness = flow_testkit::memory::Memory;
/// flow_testkit::conformance!(
///     MyHarness,
///     lacks {
///         Reset: "bytes in memory are not lost",
///         Descriptors: "there is no descriptor",
///     },
///     known {
///         tasks_parked_are_quiet: "wakes all readers",
///     },
/// );
/// ```
#[macro_export]
macro_rules! conformance {
    (
        $harness:ty
        $(, lacks { $($need:ident: $why:literal),* $(,)? })?
        $(, known { $($law:ident: $bug:literal),* $(,)? })?
        $(,)?
    ) => {
        $crate::__conformance! { ($) as_is $harness, { $($($need: $why,)*)? }, { $($($law: $bug,)*)? } }
        $crate::__conformance! { ($) by_ref $crate::ByRef<$harness>, { $($($need: $why,)*)? }, { $($($law: $bug,)*)? } }
        $crate::__conformance! { ($) in_arc $crate::InArc<$harness>, { $($($need: $why,)*)? }, { $($($law: $bug,)*)? } }
        $crate::__conformance! {
            ($) boxed $crate::Boxed<$harness>,
            { Threads: "a flow behind `dyn Flow` stays on its thread", $($($need: $why,)*)? },
            { $($($law: $bug,)*)? }
        }
    };
}

#[doc(hidden)]
#[macro_export]
macro_rules! __conformance {
    (
        ($d:tt) $form:ident $harness:ty,
        { $($need:ident: $why:literal,)* },
        { $($known:ident: $bug:literal,)* }
    ) => {
        mod $form {
            #[allow(unused_imports, reason = "the harness may be anywhere above")]
            use super::*;

            macro_rules! flow_law {
                $(
                    ($known $d needs:tt) => {
                        #[test]
                        #[ignore = $bug]
                        fn $known() {
                            $crate::test::<$harness>(stringify!($known));
                        }
                    };
                )*
                $(
                    ($d law:ident [$need $d ($d rest:ident)*]) => {
                        #[test]
                        #[ignore = $why]
                        fn $d law() {
                            $crate::test::<$harness>(stringify!($d law));
                        }
                    };
                )*
                ($d law:ident [$d met:ident $d ($d rest:ident)*]) => {
                    flow_law! { $d law [$d ($d rest)*] }
                };
                ($d law:ident []) => {
                    #[test]
                    fn $d law() {
                        $crate::test::<$harness>(stringify!($d law));
                    }
                };
            }

            macro_rules! flow_laws {
                ($d ($d file:ident $d law:ident $d needs:tt;)*) => { $d (flow_law! { $d law $d needs })* };
            }

            $crate::__with_laws! { flow_laws!() }

            #[test]
            fn what_is_lacking_is_not_there() {
                $crate::check_lacks::<$harness>(&[$($crate::Need::$need),*], &[$(stringify!($known)),*]);
            }
        }
    };
}

/// Runs the law of that name, as a test.
///
/// # Panics
///
/// If there is no such law, or the flow breaks it.
pub fn test<H: Harness + Default>(law: &str) {
    let law = laws::find::<AnyHarness>(law).unwrap_or_else(|| panic!("no law has the name {law}"));
    law.test(AnyHarness::of::<H>);
}

/// Checks what a list of tests says of its harness: that what is lacking is really not there, and that laws are left to be run.
///
/// # Panics
///
/// If that is not so.
pub fn check_lacks<H: Harness + Default>(lacks: &[Need], known: &[&str]) {
    let harness = H::default();
    let has = |need: Need| match need {
        Need::Descriptors => {
            let (ours, _theirs) = Wires::Unix.pair(Room::Ample);
            harness.enter(|| harness.over(ours)).is_some()
        }
        Need::Switch => harness
            .enter(|| harness.link_with(&flow_core::Switch::new()))
            .is_some(),
        Need::Failing => harness.enter(|| harness.failing()).is_some(),
        Need::Allocated => harness.allocated().is_some(),
        Need::Threads => {
            let (flow, _other) = harness.enter(|| harness.pair());
            harness.abort_elsewhere(&flow)
        }
        // What cannot be found out without running the laws.
        Need::Reset | Need::CleanLeave | Need::TornAbort | Need::Runtime => false,
    };
    for &need in lacks {
        assert!(!has(need), "{need:?} is said to be lacking, and is there");
    }
    let all = laws::all::<AnyHarness>();
    for name in known {
        assert!(
            all.iter().any(|law| law.name == *name),
            "no law has the name {name}"
        );
    }
    let run = all.iter().filter(|law| {
        !law.needs.iter().any(|need| lacks.contains(need)) && !known.contains(&law.name)
    });
    assert!(run.count() > 0, "no law is run");
}
