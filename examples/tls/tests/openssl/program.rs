//! The `tls` program between pipes: with itself, and with openssl at the other side.

use std::process::Command;
use std::thread;

use libtest_mimic::Failed;

use super::support::keys;
use super::support::running::Running;
use super::{data, digest, folder, s_client, s_server};

fn tls(args: &[&str]) -> Running {
    Running::start(Command::new(env!("CARGO_BIN_EXE_tls")).args(args))
}

fn paths() -> [String; 2] {
    ["cert.pem", "key.pem"].map(|name| folder().join(name).display().to_string())
}

/// A server of the program, and its address.
fn tls_server(runtime: &str) -> (Running, String) {
    let [cert, key] = paths();
    let args = ["--cert", &cert, "--key", &key, "--runtime", runtime];
    let mut server = tls(&[&["server", "127.0.0.1:0"][..], &args].concat());
    let line = server.error_line();
    let address = line.strip_prefix("listening on ");
    (server, address.expect("its first line").to_owned())
}

fn tls_client(runtime: &str, address: &str) -> Running {
    let [cert, _] = paths();
    let args = ["--name", keys::NAME, "--ca", &cert, "--runtime", runtime];
    tls(&[&["client", address][..], &args].concat())
}

/// Client and server of the program, a file each way, on these runtimes.
pub(crate) fn program(server: &str, client: &str) -> Result<(), Failed> {
    let (mut server, address) = tls_server(server);
    let mut client = tls_client(client, &address);
    let (up, down) = (data(), data().into_iter().rev().collect::<Vec<_>>());
    server.write_and_end(down.clone());
    client.write_and_end(up.clone());
    let (got, sent) = thread::scope(|scope| {
        let server = scope.spawn(|| server.rest());
        (client.rest(), server.join().expect("no panic"))
    });
    assert_eq!(digest(got), digest(down));
    assert_eq!(digest(sent), digest(up));
    for side in [&mut client, &mut server] {
        let (status, errors) = side.end();
        assert!(status.success() && errors.is_empty(), "{errors}");
    }
    Ok(())
}

/// openssl as the program's client, which the program's output ends with.
pub(crate) fn program_with_s_client() -> Result<(), Failed> {
    for runtime in ["tokio", "async-std"] {
        let (mut server, address) = tls_server(runtime);
        let mut client = s_client(&address, &["-quiet", "-no_ign_eof", "-nocommands"]);
        client.write_and_end(data());
        assert_eq!(digest(server.rest()), digest(data()));
        server.end_input();
        let (status, errors) = server.end();
        assert!(status.success() && errors.is_empty(), "{errors}");
    }
    Ok(())
}

/// What cannot be is one line and a bad exit.
pub(crate) fn program_fails_in_one_line() -> Result<(), Failed> {
    // A killed server.
    for runtime in ["tokio", "async-std"] {
        let (mut server, address) = s_server();
        let mut client = tls_client(runtime, &address);
        server.write(b"half a mess");
        assert_eq!(client.output(11), b"half a mess");
        server.kill();
        client.end_input();
        let (status, errors) = client.end();
        assert_eq!(status.code(), Some(1), "{errors}");
        assert_eq!(errors.lines().count(), 1, "{errors}");
        assert!(
            errors.starts_with("tls: ") && errors.contains("close_notify"),
            "{errors}"
        );
    }
    // One that is not trusted, or is not there.
    let (_server, address) = s_server();
    let mut client = tls(&[
        "client",
        &address,
        "--name",
        "elsewhere",
        "--ca",
        &paths()[0],
    ]);
    let (status, errors) = client.end();
    assert_eq!(status.code(), Some(1));
    assert!(
        errors.starts_with("tls: no TLS session with elsewhere: "),
        "{errors}"
    );
    let mut client = tls(&["client", "127.0.0.1:1", "--ca", &paths()[0]]);
    let (status, errors) = client.end();
    assert_eq!(status.code(), Some(1));
    assert!(
        errors.starts_with("tls: no connection to 127.0.0.1:1: "),
        "{errors}"
    );
    let mut client = tls(&["client", "127.0.0.1:1", "--ca", "/nowhere/at/all"]);
    let (status, errors) = client.end();
    assert_eq!(status.code(), Some(1));
    assert!(errors.contains("/nowhere/at/all"), "{errors}");
    Ok(())
}
