//! Peers that are not Rust: Python's socket module, and pipelines of the shell.
//!
//! Python is not everywhere. Where it is missing its cases are listed as ignored; with `FLOW_REQUIRE_PEERS=1` in the environment they fail.

mod child;
mod python;
mod shell;

use std::future::Future;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::task::Poll;

use libtest_mimic::{Arguments, Trial};

/// How long the content is that goes both ways: more than sockets and pipes hold, and no multiple of anything.
const LEN: usize = 8 * 1024 * 1024 + 5;

/// The SHA-256 of it.
const DIGEST: &str = "fae48c29e34dec7d913a9dddb66183d9f75d01cef19f34cdde39c3e4bf09278c";

type Case = (String, Box<dyn FnOnce() + Send>);

/// What a flow does, in the runtime where it was made.
type Done = Pin<Box<dyn Future<Output = ()>>>;

/// The main function of the test program.
pub(crate) fn main() -> ExitCode {
    if shell::is_filter() {
        return ExitCode::SUCCESS;
    }
    let args = Arguments::from_args();
    let required = std::env::var_os("FLOW_REQUIRE_PEERS").is_some_and(|v| v == "1");
    let missing = !child::can_run("python3");
    let mut trials = vec![];
    for (name, run) in shell::cases() {
        trials.push(Trial::test(name, || {
            run();
            Ok(())
        }));
    }
    for (name, run) in python::cases() {
        let trial = Trial::test(name, move || {
            if missing {
                return Err("there is no python3".into());
            }
            run();
            Ok(())
        });
        trials.push(match missing && !required {
            true => trial.with_kind("no python3 here").with_ignored_flag(true),
            false => trial,
        });
    }
    libtest_mimic::run(&args, trials).exit_code()
}

/// Blocks of 64 KiB. Each begins with its number, so that nothing can be lost or moved unseen.
fn content() -> Vec<u8> {
    let filling: Vec<u8> = (8..65536).map(|i: u64| ((i * i) >> 5) as u8).collect();
    let mut content = Vec::with_capacity(LEN + filling.len());
    for number in 0_u64.. {
        if content.len() >= LEN {
            break;
        }
        content.extend_from_slice(&number.to_le_bytes());
        content.extend_from_slice(&filling);
    }
    content.truncate(LEN);
    content
}

/// Says what is lost.
#[track_caller]
fn assert_same(got: &[u8], wanted: &[u8], what: &str) {
    if got != wanted {
        let first = got.iter().zip(wanted).position(|(a, b)| a != b);
        let first = first.unwrap_or(got.len().min(wanted.len()));
        let (got, wanted) = (got.len(), wanted.len());
        panic!("{what}: got {got} of {wanted} bytes, the first wrong one at {first}");
    }
}

/// Both at the same time.
async fn both<A: Future, B: Future>(a: A, b: B) -> (A::Output, B::Output) {
    let (mut a, mut b) = (pin!(a), pin!(b));
    let (mut a_out, mut b_out) = (None, None);
    std::future::poll_fn(move |cx| {
        if a_out.is_none()
            && let Poll::Ready(out) = a.as_mut().poll(cx)
        {
            a_out = Some(out);
        }
        if b_out.is_none()
            && let Poll::Ready(out) = b.as_mut().poll(cx)
        {
            b_out = Some(out);
        }
        match (a_out.take(), b_out.take()) {
            (Some(a), Some(b)) => Poll::Ready((a, b)),
            (a, b) => {
                (a_out, b_out) = (a, b);
                Poll::Pending
            }
        }
    })
    .await
}
