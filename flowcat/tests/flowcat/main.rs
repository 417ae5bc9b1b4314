//! flowcat from outside: started as a program, with bare descriptors, commands and `socat` at its other ends.

mod ends;
mod help;
mod pairs;
mod paths;
mod socat;
mod support;
mod terminal;
mod usage;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libtest_mimic::{Arguments, Failed, Trial};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// What is started here must not inherit that they are ignored, as they are for a job in the background of a script: what this program catches, its
/// children find at the default.
fn signals_are_not_ignored() {
    let always = Arc::new(AtomicBool::new(true));
    for signal in [SIGINT, SIGTERM] {
        let registered = flag::register_conditional_shutdown(signal, 128 + signal, always.clone());
        registered.expect("a signal that can be caught");
    }
}

fn main() {
    if support::serve_bridge() {
        return;
    }
    signals_are_not_ignored();
    let args = Arguments::from_args();
    let mut trials = Vec::new();
    for subject in [
        ends::trials,
        help::trials,
        pairs::trials,
        paths::trials,
        socat::trials,
        terminal::trials,
        usage::trials,
    ] {
        subject(&mut trials);
    }
    libtest_mimic::run(&args, trials).exit();
}

/// A test that panics if it fails.
fn test(name: impl Into<String>, run: impl FnOnce() + Send + 'static) -> Trial {
    Trial::test(name, move || {
        run();
        Ok::<_, Failed>(())
    })
}

/// One test on each runtime.
fn on_each_runtime(
    trials: &mut Vec<Trial>,
    name: &str,
    run: impl Fn(&'static str) + Clone + Send + 'static,
) {
    for runtime in support::RUNTIMES {
        let run = run.clone();
        trials.push(test(format!("{name}::{runtime}"), move || run(runtime)));
    }
}
