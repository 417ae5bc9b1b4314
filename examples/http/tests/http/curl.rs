//! What `curl` gets.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::content::{Digest, blocks};
use crate::server::{Server, greeting};
use crate::{Case, Needs, case};

pub(crate) const CASES: &[Case] = &[
    case("curl_is_greeted", Needs::Curl, is_greeted),
    case(
        "curl_gets_1000_answers_on_one_connection",
        Needs::Curl,
        gets_1000_answers_on_one_connection,
    ),
    case("curl_sends_256_mib", Needs::Curl, |server| {
        sends(server, "--http1.1", 256 << 20);
    }),
    case("curl_gets_256_mib", Needs::Curl, |server| {
        gets(server, "--http1.1", 256 << 20);
    }),
    case("curl_sends_16_mib_in_http2", Needs::CurlHttp2, |server| {
        sends(server, "--http2-prior-knowledge", 16 << 20);
    }),
    case("curl_gets_16_mib_in_http2", Needs::CurlHttp2, |server| {
        gets(server, "--http2-prior-knowledge", 16 << 20);
    }),
    case(
        "curl_asks_for_the_head",
        Needs::CurlHttp2,
        asks_for_the_head,
    ),
    case(
        "curl_is_told_what_there_is_not",
        Needs::Curl,
        is_told_what_there_is_not,
    ),
];

/// What the server may take at most, in KiB, whatever passes through it.
const MEMORY: usize = 64 << 10;

/// Whether what `curl` says of itself has that word.
pub(crate) fn has(word: &str) -> bool {
    let said = Command::new("curl").arg("--version").output();
    said.is_ok_and(|said| String::from_utf8_lossy(&said.stdout).contains(word))
}

fn curl(server: &Server, arguments: &[&str]) -> Command {
    let mut command = Command::new("curl");
    command.args(["--disable", "--silent", "--show-error", "--fail"]);
    command.args(["--max-time", "60", "--unix-socket"]);
    command.arg(&server.path).args(arguments);
    command.stdin(Stdio::null());
    command
}

/// Runs it to its end, which must be a good one.
fn output(mut command: Command) -> (Vec<u8>, String) {
    let output = command.output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "curl: {}: {told}", output.status);
    (output.stdout, told)
}

fn is_greeted(server: &Server) {
    for connection in 1..=3 {
        let (body, _) = output(curl(server, &["http://flow/"]));
        assert_eq!(greeting(&body, server.runtime), (connection, 1));
    }
}

fn gets_1000_answers_on_one_connection(server: &Server) {
    let opened = "%{stderr}%{num_connects}\n";
    let (bodies, opened) = output(curl(server, &["-w", opened, "http://flow/?[1-1000]"]));
    for (number, body) in bodies.split_inclusive(|b| *b == b'\n').enumerate() {
        assert_eq!(greeting(body, server.runtime), (1, number as u64 + 1));
    }
    let opened: Vec<u32> = opened.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!((opened.len(), opened.iter().sum()), (1000, 1), "opened");
}

fn sends(server: &Server, version: &str, len: usize) {
    let mut command = curl(server, &[version, "-T", "-", "http://flow/digest"]);
    let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut curl = Killed(command.spawn().unwrap());
    let mut input = curl.0.stdin.take().unwrap();
    let sending = thread::spawn(move || {
        let mut digest = Digest::default();
        for block in blocks(len) {
            // curl says what is wrong with it.
            if input.write_all(&block).is_err() {
                break;
            }
            digest.add(&block);
        }
        digest.hex()
    });
    let mut answer = String::new();
    let mut output = curl.0.stdout.take().unwrap();
    output.read_to_string(&mut answer).unwrap();
    curl.ends_well();
    assert_eq!(answer.trim_end(), sending.join().unwrap(), "digest");
    assert!(server.peak_memory() < MEMORY, "{} kB", server.peak_memory());
}

fn gets(server: &Server, version: &str, len: usize) {
    let mut command = curl(server, &[version, &format!("http://flow/bytes/{len}")]);
    let mut curl = Killed(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut output = curl.0.stdout.take().unwrap();
    let mut digest = Digest::default();
    let mut piece = vec![0; 1 << 16];
    loop {
        match output.read(&mut piece).unwrap() {
            0 => break,
            count => digest.add(&piece[..count]),
        }
    }
    digest.assert_is_content(len, "what curl got");
    curl.ends_well();
    assert!(server.peak_memory() < MEMORY, "{} kB", server.peak_memory());
}

fn asks_for_the_head(server: &Server) {
    for version in ["--http1.1", "--http2-prior-knowledge"] {
        let (head, _) = output(curl(server, &[version, "-I", "http://flow/bytes/99"]));
        let head = String::from_utf8(head).unwrap();
        assert!(head.contains("content-length: 99\r\n"), "{head}");
        assert!(head.ends_with("\r\n\r\n"), "{head}");
    }
}

fn is_told_what_there_is_not(server: &Server) {
    for (method, place, code) in [
        ("GET", "nothing", "404"),
        ("GET", "bytes/many", "404"),
        ("DELETE", "", "405"),
        ("GET", "digest", "405"),
        ("POST", "bytes/1", "405"),
    ] {
        let url = format!("http://flow/{place}");
        let wanted = ["--no-fail", "-X", method, "-w", "%{http_code}"];
        let mut command = curl(server, &wanted);
        command.args(["-o", "/dev/null", &url]);
        let (got, _) = output(command);
        assert_eq!(String::from_utf8_lossy(&got), code, "{method} {url}");
    }
}

/// A process that does not outlive its case.
struct Killed(Child);

impl Killed {
    fn ends_well(&mut self) {
        let status = self.0.wait().unwrap();
        assert!(status.success(), "curl: {status}");
    }
}

impl Drop for Killed {
    fn drop(&mut self) {
        _ = self.0.kill();
        _ = self.0.wait();
    }
}
