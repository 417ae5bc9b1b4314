//! A transport alone: good ones pass, broken ones are found, and the program that is printed shows the fault without the kit.

#[path = "transport/layer.rs"]
#[allow(
    unreachable_pub,
    dead_code,
    missing_debug_implementations,
    reason = "a crate of its own, elsewhere"
)]
mod layer;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use flow_core::Engine;
use flow_testkit::memory::Memory;
use flow_testkit::plain::Plain;
use flow_testkit::transport::{Bound, Explored, Failure, Over, Stream, explore, explore_flows};

use layer::{Fault, Layer};

/// The stream itself.
struct Itself;

impl Over for Itself {
    type Transport = Stream;
    const SETUP: &'static str = "Engine::new(stream, (), ())";

    fn engine(stream: Stream) -> Engine<Stream> {
        Engine::new(stream, (), ())
    }
}

macro_rules! layers {
    ($($fault:ident)*) => {$(
        struct $fault;

        impl Over for $fault {
            type Transport = Layer<Engine<Stream>>;
            const SETUP: &'static str = concat!(
                "layer::flow(Engine::new(stream, (), ()), layer::Fault::",
                stringify!($fault),
                ")"
            );

            fn engine(stream: Stream) -> Engine<Self::Transport> {
                layer::flow(Engine::new(stream, (), ()), Fault::$fault)
            }
        }
    )*};
}

layers! { None LosesTheTail ForgetsToWake EndOvertakes CutIsAnEnd EmptyChunks }

fn found<P: Over>() -> Failure {
    match explore::<P>(Bound { acts: 3 }) {
        Ok(Explored { scripts }) => panic!("{scripts} scripts found nothing"),
        Err(failure) => *failure,
    }
}

#[test]
fn good_transports_pass() {
    for explored in [
        explore::<Itself>(Bound { acts: 3 }),
        explore::<None>(Bound { acts: 3 }),
    ] {
        let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(explored.scripts > 5000, "{explored:?}");
    }
}

#[test]
fn good_flows_pass() {
    let explored = [
        explore_flows::<Memory>(Bound { acts: 3 }),
        explore_flows::<Plain<false>>(Bound { acts: 2 }),
    ];
    for explored in explored {
        let explored = explored.unwrap_or_else(|failure| panic!("{failure}"));
        assert!(explored.scripts > 200, "{explored:?}");
    }
}

#[test]
fn a_rule_that_no_caller_sees_is_told() {
    let failure = found::<EmptyChunks>();
    assert_eq!(failure.broken.clause, "Transport::poll_recv");
    assert_eq!(failure.program, Option::None);
}

/// A crate with the layer and these programs.
fn project(programs: &[(&str, String)]) -> PathBuf {
    let kit = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join("printed");
    fs::create_dir_all(root.join("src/bin")).expect("a folder");
    let core = kit.join("../flow-core");
    let manifest = format!(
        "[package]\nname = \"layer\"\nversion = \"0.0.0\"\nedition = \"2024\"\n\
         [dependencies]\nflow-core = {{ path = {core:?} }}\n[workspace]\n"
    );
    fs::write(root.join("Cargo.toml"), manifest).expect("Cargo.toml");
    fs::copy(kit.join("../Cargo.lock"), root.join("Cargo.lock")).expect("Cargo.lock");
    fs::write(root.join("src/lib.rs"), include_str!("transport/layer.rs")).expect("the layer");
    for (name, text) in programs {
        fs::write(root.join(format!("src/bin/{name}.rs")), text).expect("a program");
    }
    root
}

fn run(binary: &Path) -> Output {
    Command::new(binary).output().expect("the program")
}

#[test]
fn printed_programs_show_the_fault_without_the_kit() {
    let failures = [
        ("tail", "LosesTheTail", found::<LosesTheTail>()),
        ("wake", "ForgetsToWake", found::<ForgetsToWake>()),
        ("end", "EndOvertakes", found::<EndOvertakes>()),
        ("cut", "CutIsAnEnd", found::<CutIsAnEnd>()),
    ];
    let mut programs = Vec::new();
    for (name, fault, failure) in &failures {
        let program = failure.program.clone().expect("a program");
        programs.push((
            format!("{name}_fixed"),
            program.replace(&format!("Fault::{fault}"), "Fault::None"),
        ));
        programs.push(((*name).to_owned(), program));
        assert!(failure.script.acts.len() <= 4, "{failure}");
    }
    let programs: Vec<_> = programs
        .iter()
        .map(|(name, text)| (&name[..], text.clone()))
        .collect();
    let root = project(&programs);
    let target = root.join("target");
    let built = Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--bins"])
        .current_dir(&root)
        .env("CARGO_TARGET_DIR", &target)
        .env_remove("RUSTFLAGS")
        .output()
        .expect("cargo");
    assert!(
        built.status.success(),
        "{}",
        String::from_utf8_lossy(&built.stderr)
    );
    let mut wrong = String::new();
    for (name, _, failure) in &failures {
        let shown = run(&target.join("debug").join(name));
        let said = String::from_utf8_lossy(&shown.stderr);
        if shown.status.success() || !said.contains(failure.broken.clause) {
            let _ = writeln!(wrong, "{name} shows nothing: {said}\n{failure}");
        }
        let fixed = run(&target.join("debug").join(format!("{name}_fixed")));
        if !fixed.status.success() {
            let said = String::from_utf8_lossy(&fixed.stderr);
            let _ = writeln!(wrong, "{name} fails when it is fixed: {said}\n{failure}");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
