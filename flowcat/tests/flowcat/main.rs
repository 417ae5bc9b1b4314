//! flowcat from outside: started as a program, with bare descriptors, commands and `socat` at its other ends.

mod ends;
mod help;
mod pairs;
mod paths;
mod socat;
mod support;
mod terminal;
mod usage;

use libtest_mimic::{Arguments, Failed, Trial};

fn main() {
    if support::serve_bridge() {
        return;
    }
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
