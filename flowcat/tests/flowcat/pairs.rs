//! Every pair of addresses: bytes there and back, and each side's end passed on by itself.

use std::fs;
use std::io::Write as _;
use std::thread;

use libtest_mimic::Trial;
use tempfile::TempDir;

use crate::on_each_runtime;
use crate::support::{Finished, Kind, Place, Program, exchange, pattern, same, until};

/// More than what fits in the buffers on the way.
pub(crate) const MUCH: usize = 400_000;

pub(crate) fn trials(trials: &mut Vec<Trial>) {
    for from in Kind::ALL {
        for to in Kind::ALL {
            if (from, to) == (Kind::Stdio, Kind::Stdio) {
                continue;
            }
            let pair = format!("pairs::{}::{}", from.name(), to.name());
            for there_first in [true, false] {
                let first = if there_first { "there" } else { "back" };
                on_each_runtime(trials, &format!("{pair}::{first}_first"), move |runtime| {
                    both_ways(from, to, there_first, runtime);
                });
            }
        }
    }
    for kind in Kind::ALL {
        let name = kind.name();
        on_each_runtime(trials, &format!("pairs::{name}::file"), move |runtime| {
            to_file(kind, runtime);
        });
        on_each_runtime(trials, &format!("pairs::file::{name}"), move |runtime| {
            from_file(kind, runtime);
        });
    }
    on_each_runtime(trials, "pairs::file::file", file_to_file);
    on_each_runtime(trials, "pairs::stdio::stdio", stdio_to_stdio);
}

/// A program that relays between two addresses.
pub(crate) trait Relay {
    fn start(&self, from: &str, to: &str) -> Program;

    /// Both listen before either is opened.
    const LISTENS_AT_ONCE: bool;

    fn listening(program: &mut Program) -> String;
}

/// On a runtime.
struct Flowcat(&'static str);

impl Relay for Flowcat {
    fn start(&self, from: &str, to: &str) -> Program {
        Program::flowcat(["-v", "--runtime", self.0, from, to])
    }

    const LISTENS_AT_ONCE: bool = true;

    fn listening(program: &mut Program) -> String {
        program.listening()
    }
}

fn both_ways(from: Kind, to: Kind, there_first: bool, runtime: &'static str) {
    // While both are still held, and without a word.
    through(&Flowcat(runtime), from, to, there_first).is_fine();
}

/// Everything one way and then its end, and only then everything the other way.
pub(crate) fn through<R: Relay>(relay: &R, from: Kind, to: Kind, there_first: bool) -> Finished {
    let dir = TempDir::new().unwrap();
    let from = Place::new(from, dir.path(), "from");
    let to = Place::new(to, dir.path(), "to");
    let mut program = relay.start(&from.address, &to.address);
    let said =
        |place: &Place, program: &mut Program| place.listens().then(|| R::listening(program));
    let from_said = said(&from, &mut program);
    let (from, to) = if R::LISTENS_AT_ONCE {
        let to_said = said(&to, &mut program);
        let from = from.end(&mut program, from_said);
        (from, to.end(&mut program, to_said))
    } else {
        let from = from.end(&mut program, from_said);
        let to_said = said(&to, &mut program);
        (from, to.end(&mut program, to_said))
    };
    let (mut first, mut second) = if there_first { (from, to) } else { (to, from) };
    exchange(&mut first, &mut second, &pattern(MUCH, 1));
    assert!(first.is_silent(), "the end came back");
    exchange(&mut second, &mut first, &pattern(MUCH, 2));
    let finished = program.finish();
    assert!(finished.status.success(), "{}", finished.stderr);
    finished
}

fn to_file(kind: Kind, runtime: &str) {
    let (dir, data) = (TempDir::new().unwrap(), pattern(MUCH, 3));
    let path = dir.path().join("copy");
    fs::write(&path, pattern(MUCH + 1, 4)).unwrap();
    let from = Place::new(kind, dir.path(), "from");
    let to = format!("file:{}", path.display());
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, &from.address, &to]);
    let said = from.listens().then(|| flowcat.listening());
    let mut from = from.end(&mut flowcat, said);
    from.send(&data).unwrap();
    until(|| fs::metadata(&path).unwrap().len() == MUCH as u64);
    // Nothing is said to it before it has ended.
    assert!(from.is_silent());
    from.end();
    if kind == Kind::Exec {
        // Its input is not relayed: it is flowcat's own.
        let mut stdin = flowcat.stdin.take();
        stdin.as_mut().unwrap().write_all(b"typed").unwrap();
        drop(stdin);
        assert_eq!(from.receive().unwrap(), b"typed");
    } else {
        assert_eq!(from.receive().unwrap(), b"");
    }
    flowcat.finish().is_fine();
    same(&fs::read(path).unwrap(), &data);
}

fn from_file(kind: Kind, runtime: &str) {
    let (dir, data) = (TempDir::new().unwrap(), pattern(MUCH, 5));
    let path = dir.path().join("original");
    fs::write(&path, &data).unwrap();
    let from = format!("file:{}", path.display());
    let to = Place::new(kind, dir.path(), "to");
    let mut flowcat = Program::flowcat(["-v", "--runtime", runtime, &from, &to.address]);
    let said = to.listens().then(|| flowcat.listening());
    let mut to = to.end(&mut flowcat, said);
    if kind.is_socket() {
        // It is thrown away, however much it is, and whether or not this side has been heard.
        to.send(&pattern(MUCH, 6)).unwrap();
    }
    same(&to.receive().unwrap(), &data);
    if kind == Kind::Exec {
        // Its output is not relayed: it is flowcat's own.
        to.send(b"printed").unwrap();
        to.end();
    }
    if kind.is_socket() {
        to.end();
    }
    let finished = flowcat.finish();
    finished.is_fine();
    if kind == Kind::Exec {
        assert_eq!(finished.stdout, b"printed");
    }
}

fn file_to_file(runtime: &str) {
    let (dir, data) = (TempDir::new().unwrap(), pattern(MUCH, 7));
    let [from, to] = ["from", "to"].map(|name| dir.path().join(name));
    fs::write(&from, &data).unwrap();
    let [from, file] = [&from, &to].map(|path| format!("file:{}", path.display()));
    let flowcat = Program::flowcat(["--runtime", runtime, &from, &file]);
    flowcat.finish().is_fine();
    same(&fs::read(to).unwrap(), &data);
}

fn stdio_to_stdio(runtime: &str) {
    let data = pattern(MUCH, 8);
    let mut flowcat = Program::flowcat(["--runtime", runtime, "-", "-"]);
    let mut stdin = flowcat.stdin.take().unwrap();
    let finished = thread::scope(|scope| {
        scope.spawn(|| {
            stdin.write_all(&data).unwrap();
            drop(stdin);
        });
        flowcat.finish()
    });
    finished.is_fine();
    same(&finished.stdout, &data);
}
