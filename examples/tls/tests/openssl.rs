//! Sessions with `openssl` and with Python's `ssl` at the other side, and the `tls` program between pipes.
//!
//! A machine without these programs shows the cases as ignored; with `FLOW_REQUIRE_PEERS=1` in the environment they fail there.

#[path = "openssl/program.rs"]
mod program;
mod support;

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, process};

use flow_core::{Flow as _, FlowExt as _, Shutdown};
use flow_tls::{TlsError, TlsFlow, accept, connect};
use flow_tokio::TokioFlow;
use futures_lite::future::zip;
use libtest_mimic::{Arguments, Failed, Trial};
use sha2::{Digest as _, Sha256};
use support::keys;
use support::running::{Running, is_there};
use tempfile::TempDir;

const ALL: usize = 3 << 20;

/// The certificate and its key as files.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<TempDir> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = tempfile::tempdir().expect("a folder");
        let certified = keys::certified();
        let files = [
            ("cert.pem", certified.cert.pem()),
            ("key.pem", certified.signing_key.serialize_pem()),
        ];
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).expect("a file");
        }
        folder
    });
    folder.path()
}

/// Bytes of which no part is another.
fn data() -> Vec<u8> {
    let mut state = 1_u32;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        // No letter that means something to openssl at the beginning of a line.
        b"abcdefghij klmnop\n"[(state >> 16) as usize % 18]
    };
    (0..ALL).map(|_| next()).collect()
}

fn digest(data: impl AsRef<[u8]>) -> Vec<u8> {
    Sha256::digest(data).to_vec()
}

fn run<T>(body: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build();
    runtime.expect("a runtime").block_on(body)
}

/// `openssl s_server`, and a client's session with it. Over a Unix socket, because it says nothing but its input when it is to be quiet.
async fn connected() -> (TlsFlow<TokioFlow>, Running) {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let name = format!("socket{}", COUNT.fetch_add(1, Ordering::Relaxed));
    let path = folder().join(name);
    let unix = path.to_str().expect("a path");
    let mut server = openssl_server(&["-quiet", "-unix", unix]);
    let flow = loop {
        match flow_tokio::connect_unix(&path).await {
            Ok(flow) => break flow,
            // Not there yet.
            Err(_) if server.is_alive() => tokio::task::yield_now().await,
            Err(e) => panic!("{e}"),
        }
    };
    let session = connect(flow, keys::client(), keys::name()).await;
    (session.expect("a handshake"), server)
}

/// A server's session with the client that `start` starts.
async fn accepted(start: impl FnOnce(&str) -> Running) -> (TlsFlow<TokioFlow>, Running) {
    let listener = flow_tokio::listen_tcp(([127, 0, 0, 1], 0)).await;
    let listener = listener.expect("a port");
    let client = start(&listener.local_addr().expect("an address").to_string());
    let (flow, _) = listener.accept().await.expect("a client");
    let session = accept(flow, keys::server()).await;
    (session.expect("a handshake"), client)
}

/// Everything up to the end.
async fn read_all(session: &TlsFlow<TokioFlow>) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(chunk) = session.read().await.expect("a chunk") {
        all.extend_from_slice(&chunk);
    }
    all
}

/// `openssl s_server` for one client.
fn openssl_server(args: &[&str]) -> Running {
    let mut command = Command::new("openssl");
    command.args(["s_server", "-naccept", "1"]);
    command.arg("-cert").arg(folder().join("cert.pem"));
    command.arg("-key").arg(folder().join("key.pem"));
    Running::start(command.args(args))
}

/// The same on a port, and its address.
fn s_server() -> (Running, String) {
    let mut server = openssl_server(&["-accept", "127.0.0.1:0"]);
    let address = loop {
        let line = server.output_line();
        if let Some(address) = line.strip_prefix("ACCEPT ") {
            break address.trim().to_owned();
        }
    };
    (server, address)
}

fn s_client(address: &str, args: &[&str]) -> Running {
    let ca = folder().join("cert.pem");
    let ca = ca.to_str().expect("a path");
    let first = ["s_client", "-connect", address, "-CAfile", ca];
    let checks = ["-verify_return_error", "-servername", keys::NAME];
    Running::start(Command::new("openssl").args(first).args(checks).args(args))
}

/// openssl sends a file and says goodbye: the digest is that of the file, and then it is the end.
fn s_client_sends() -> Result<(), Failed> {
    run(async {
        let (session, mut client) = accepted(|address| {
            let mut client = s_client(address, &["-quiet", "-no_ign_eof", "-nocommands"]);
            client.write_and_end(data());
            client
        })
        .await;
        assert_eq!(digest(read_all(&session).await), digest(data()));
        session.close().await.expect("a close");
        let (status, errors) = client.end();
        assert!(status.success(), "{errors}");
        Ok(())
    })
}

/// openssl gets all of it, then our close_notify: it is content, as it is not after an abort.
fn s_client_receives() -> Result<(), Failed> {
    run(async {
        let args = &["-ign_eof", "-nocommands", "-brief"];
        let (session, mut client) = accepted(|address| s_client(address, args)).await;
        let sends = async {
            session.write(data()).await.expect("a write");
            session.shutdown(Shutdown::Write).await.expect("a goodbye");
            session.close().await.expect("a close");
        };
        let receives = blocking(move || (client.rest(), client.end()));
        let ((), (all, (status, errors))) = zip(sends, receives).await;
        assert_eq!(digest(all), digest(data()));
        assert!(status.success(), "{errors}");
        assert!(!errors.contains("unexpected eof"), "{errors}");
        Ok(())
    })
}

/// openssl tells an abort from a goodbye.
fn s_client_sees_no_goodbye_of_an_abort() -> Result<(), Failed> {
    run(async {
        let args = &["-ign_eof", "-nocommands", "-brief"];
        let (session, mut client) = accepted(|address| s_client(address, args)).await;
        session.write("half a mess").await.expect("a write");
        assert_eq!(client.output(11), b"half a mess");
        session.abort();
        let (status, errors) = client.end();
        assert!(!status.success(), "{errors}");
        assert!(errors.contains("unexpected eof"), "{errors}");
        Ok(())
    })
}

/// openssl sends and receives as a server, and says goodbye when we did.
fn s_server_echoes() -> Result<(), Failed> {
    run(async {
        let (session, mut server) = connected().await;
        let sends = async { session.write(data()).await.expect("a write") };
        let receives = blocking(move || {
            let all = server.output(ALL);
            (all, server)
        });
        let ((), (all, mut server)) = zip(sends, receives).await;
        assert_eq!(digest(all), digest(data()));

        let sends = blocking(move || {
            server.write(&data());
            server
        });
        let receives = async {
            let mut all = Vec::new();
            while all.len() < ALL {
                let chunk = session.read().await.expect("a chunk");
                all.extend_from_slice(&chunk.expect("more"));
            }
            all
        };
        let (all, mut server) = zip(receives, sends).await;
        assert_eq!(digest(all), digest(data()));

        session.close().await.expect("a close");
        assert_eq!(session.read().await, Ok(None));
        let (status, errors) = server.end();
        assert!(status.success(), "{errors}");
        Ok(())
    })
}

/// A server that is killed has not said goodbye: what it sent is there, and then an error.
fn s_server_killed_is_truncation() -> Result<(), Failed> {
    run(async {
        let (session, mut server) = connected().await;
        server.write(b"half a mess");
        let mut got = Vec::new();
        while got.len() < 11 {
            got.extend(session.read().await.expect("a chunk").expect("bytes"));
        }
        assert_eq!(got, b"half a mess");
        server.kill();
        assert_eq!(session.read().await, Err(TlsError::Truncated));
        assert_eq!(session.read().await, Err(TlsError::Truncated));
        Ok(())
    })
}

/// The far end says goodbye, and gets megabytes after that.
fn half_close_of_the_peer() -> Result<(), Failed> {
    run(async {
        let (session, mut client) = accepted(|address| python("ends_then_reads", address)).await;
        assert_eq!(read_all(&session).await, b"question");
        let sends = async {
            session.write(data()).await.expect("a write");
            session.shutdown(Shutdown::Write).await.expect("a goodbye");
            session.close().await.expect("a close");
        };
        let receives = blocking(move || (client.rest(), client.end()));
        let ((), (all, (status, errors))) = zip(sends, receives).await;
        assert!(status.success(), "{errors}");
        assert_eq!(digest(all), digest(data()), "{errors}");
        Ok(())
    })
}

/// We say goodbye, and get megabytes after that.
fn half_close_of_ours() -> Result<(), Failed> {
    run(async {
        let (session, mut client) = accepted(|address| {
            let mut client = python("reads_then_writes", address);
            client.write_and_end(data());
            client
        })
        .await;
        session.write("question").await.expect("a write");
        session.shutdown(Shutdown::Write).await.expect("a goodbye");
        assert_eq!(digest(read_all(&session).await), digest(data()));
        session.close().await.expect("a close");
        let (status, errors) = client.end();
        assert!(status.success(), "{errors}");
        assert_eq!(client.rest(), b"question");
        Ok(())
    })
}

/// Python's `ssl`, by records in memory, so that each goodbye is where it belongs.
const PYTHON: &str = r#"
import socket, ssl, sys

how, host, port, ca = sys.argv[1:]
context = ssl.create_default_context(cafile=ca)
plain = socket.create_connection((host, int(port)))
into, out = ssl.MemoryBIO(), ssl.MemoryBIO()
session = context.wrap_bio(into, out, server_hostname="localhost")

def flush():
    if out.pending:
        plain.sendall(out.read())

def until(step):
    while True:
        try:
            return step()
        except ssl.SSLWantReadError:
            flush()
            raw = plain.recv(65536)
            if raw:
                into.write(raw)
            else:
                into.write_eof()
        finally:
            flush()

def say_goodbye():
    try:
        session.unwrap()
    except ssl.SSLWantReadError:
        pass
    flush()

def read_all(write):
    while True:
        try:
            part = until(lambda: session.read(65536))
        except ssl.SSLZeroReturnError:
            return
        if not part:
            return
        write(part)

until(session.do_handshake)
if how == "ends_then_reads":
    session.write(b"question")
    say_goodbye()
    read_all(sys.stdout.buffer.write)
else:
    read_all(sys.stdout.buffer.write)
    data = sys.stdin.buffer.read()
    for at in range(0, len(data), 16384):
        session.write(data[at:at + 16384])
        flush()
    say_goodbye()
sys.stdout.flush()
"#;

fn python(how: &str, address: &str) -> Running {
    let (host, port) = address.split_once(':').expect("an address");
    let mut command = Command::new("python3");
    command.args(["-c", PYTHON, how, host, port]);
    Running::start(command.arg(folder().join("cert.pem")))
}

/// Runs what blocks beside a task.
async fn blocking<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    let body = tokio::task::spawn_blocking(body);
    body.await.expect("no panic")
}

type Case = fn() -> Result<(), Failed>;

fn main() {
    let with_openssl: &[(&str, Case)] = &[
        ("s_client_sends", s_client_sends),
        ("s_client_receives", s_client_receives),
        (
            "s_client_sees_no_goodbye_of_an_abort",
            s_client_sees_no_goodbye_of_an_abort,
        ),
        ("s_server_echoes", s_server_echoes),
        (
            "s_server_killed_is_truncation",
            s_server_killed_is_truncation,
        ),
        ("program_with_s_client", program::program_with_s_client),
        (
            "program_fails_in_one_line",
            program::program_fails_in_one_line,
        ),
    ];
    let with_python: &[(&str, Case)] = &[
        ("half_close_of_the_peer", half_close_of_the_peer),
        ("half_close_of_ours", half_close_of_ours),
    ];
    let alone: &[(&str, Case)] = &[
        ("program_on_tokio", || program::program("tokio", "tokio")),
        ("program_on_async_std", || {
            program::program("async-std", "async-std")
        }),
        ("program_on_both", || program::program("tokio", "async-std")),
    ];
    let mut trials = Vec::new();
    for (needs, cases) in [
        ("openssl", with_openssl),
        ("python3", with_python),
        ("", alone),
    ] {
        for (name, case) in cases {
            trials.push(trial(name, needs, *case));
        }
    }
    let code = libtest_mimic::run(&Arguments::from_args(), trials).exit_code();
    // The threads of runtimes and pipes end with the process.
    process::exit(i32::from(code != process::ExitCode::SUCCESS) * 101);
}

/// A case that needs a program: ignored with that as its reason where there is none, unless there has to be.
fn trial(name: &str, needs: &str, case: Case) -> Trial {
    let missing = !needs.is_empty() && !is_there(needs);
    let required = env::var_os("FLOW_REQUIRE_PEERS").is_some_and(|v| v == "1");
    let why = format!("there is no {needs}");
    let body = if missing { Err(why.clone()) } else { Ok(case) };
    let trial = Trial::test(name, move || body?());
    match missing {
        true => trial.with_kind(why).with_ignored_flag(!required),
        false => trial,
    }
}
