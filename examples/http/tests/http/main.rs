//! `flow-http` as its users meet it: `curl`, hyper's client and bare sockets against the program, on both runtimes.
//!
//! Where there is no `curl`, its cases are listed as ignored; with `FLOW_REQUIRE_PEERS=1` in the environment they fail.

mod bare;
mod content;
mod curl;
mod hyper;
mod server;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};

use server::Server;

/// What a case needs that this machine may not have.
#[derive(Clone, Copy, PartialEq)]
enum Needs {
    Nothing,
    Curl,
    /// One that was built with HTTP/2.
    CurlHttp2,
}

impl Needs {
    /// Why it cannot be run here.
    fn missing(self) -> Option<&'static str> {
        match self {
            Self::Nothing => None,
            Self::Curl => (!curl::has("curl")).then_some("no curl here"),
            Self::CurlHttp2 => (!curl::has("HTTP2")).then_some("no curl with HTTP/2 here"),
        }
    }
}

struct Case {
    name: &'static str,
    needs: Needs,
    run: fn(&Server),
}

const fn case(name: &'static str, needs: Needs, run: fn(&Server)) -> Case {
    Case { name, needs, run }
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let required = std::env::var_os("FLOW_REQUIRE_PEERS").is_some_and(|v| v == "1");
    let mut trials = vec![];
    for runtime in ["tokio", "async-std"] {
        for case in curl::CASES.iter().chain(bare::CASES).chain(hyper::CASES) {
            let name = format!("{runtime}::{}", case.name);
            let told = name.clone();
            let missing = case.needs.missing();
            let trial = Trial::test(name, move || match missing {
                Some(why) => Err(why.into()),
                None => {
                    server::with(&told, runtime, case.run);
                    Ok(())
                }
            });
            trials.push(match missing {
                Some(why) if !required => trial.with_kind(why).with_ignored_flag(true),
                _ => trial,
            });
        }
    }
    libtest_mimic::run(&args, trials).exit_code()
}
