//! What bare sockets see: halves that end, clients that vanish, too many of them.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::process::Command;

use crate::content::{Digest, blocks};
use crate::server::{Server, greeting};
use crate::{Case, Needs, case};

pub(crate) const CASES: &[Case] = &[
    case(
        "a_half_closed_client_gets_its_answer",
        Needs::Nothing,
        a_half_closed_client_gets_its_answer,
    ),
    case(
        "1000_requests_at_once_and_the_end_get_1000_answers_and_the_end",
        Needs::Nothing,
        a_thousand_at_once,
    ),
    case(
        "clients_that_vanish_before_a_request_leave_nothing",
        Needs::Nothing,
        |server| vanishing(server, |_| {}),
    ),
    case(
        "clients_that_vanish_in_a_head_leave_nothing",
        Needs::Nothing,
        |server| vanishing(server, |stream| put(stream, b"GET / HTTP/1.1\r\nho")),
    ),
    case(
        "clients_that_vanish_in_an_upload_leave_nothing",
        Needs::Nothing,
        |server| {
            vanishing(server, |stream| {
                put(stream, b"PUT /digest HTTP/1.1\r\nhost: flow\r\n");
                put(stream, b"content-length: 1073741824\r\n\r\n");
                blocks(1 << 20).for_each(|block| put(stream, &block));
            });
        },
    ),
    case(
        "clients_that_vanish_in_a_chunk_leave_nothing",
        Needs::Nothing,
        |server| {
            vanishing(server, |stream| {
                put(stream, b"PUT /digest HTTP/1.1\r\nhost: flow\r\n");
                put(stream, b"transfer-encoding: chunked\r\n\r\n40000000\r\n");
                blocks(1 << 20).for_each(|block| put(stream, &block));
            });
        },
    ),
    case(
        "clients_that_vanish_in_a_download_leave_nothing",
        Needs::Nothing,
        |server| {
            vanishing(server, |mut stream| {
                put(stream, b"GET /bytes/1073741824 HTTP/1.1\r\n");
                put(stream, b"host: flow\r\n\r\n");
                stream.read_exact(&mut vec![0; 1 << 20]).unwrap();
            });
        },
    ),
    case(
        "clients_that_vanish_in_http2_leave_nothing",
        Needs::Nothing,
        |server| {
            vanishing(server, |stream| {
                put(stream, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
                // A frame of settings that are as they are, and half a frame.
                put(stream, b"\0\0\0\x04\0\0\0\0\0\0\0");
            });
        },
    ),
    case(
        "a_path_that_is_taken_is_told_in_one_line",
        Needs::Nothing,
        a_path_that_is_taken_is_told_in_one_line,
    ),
    case(
        "more_clients_than_descriptors_are_served_later",
        Needs::Nothing,
        more_clients_than_descriptors,
    ),
];

type Stream<'s> = &'s std::os::unix::net::UnixStream;

fn put(mut stream: Stream<'_>, data: &[u8]) {
    stream.write_all(data).unwrap();
}

/// All that comes up to the end, as head and body.
fn answer(mut stream: Stream<'_>) -> (String, Vec<u8>) {
    let mut all = vec![];
    let end = stream.read_to_end(&mut all);
    let len = all.len();
    assert!(end.is_ok(), "after {len} bytes: {end:?}");
    let head = all.windows(4).position(|four| four == b"\r\n\r\n");
    let head = head.unwrap_or_else(|| panic!("{len} bytes and no whole head"));
    let body = all.split_off(head + 4);
    (String::from_utf8(all).unwrap(), body)
}

/// Everything is there, and the client's end, before the client begins to read: no answer fits into the socket.
fn a_half_closed_client_gets_its_answer(server: &Server) {
    const LEN: usize = (4 << 20) + 1;

    let stream = server.connect();
    let request = format!("GET /bytes/{LEN} HTTP/1.1\r\nhost: flow\r\n\r\n");
    put(&stream, request.as_bytes());
    stream.shutdown(Shutdown::Write).unwrap();
    let (head, body) = answer(&stream);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let mut digest = Digest::default();
    digest.add(&body);
    digest.assert_is_content(LEN, "what was sent after the half-close");

    let stream = server.connect();
    let request = format!("PUT /digest HTTP/1.1\r\nhost: flow\r\ncontent-length: {LEN}\r\n\r\n");
    put(&stream, request.as_bytes());
    blocks(LEN).for_each(|block| put(&stream, &block));
    stream.shutdown(Shutdown::Write).unwrap();
    let (head, body) = answer(&stream);
    assert!(head.starts_with("HTTP/1.1 200 OK\r\n"), "{head}");
    let digest = String::from_utf8(body).unwrap();
    assert_eq!(digest.trim_end(), Digest::of(blocks(LEN)).hex());
}

fn a_thousand_at_once(server: &Server) {
    let stream = server.connect();
    put(
        &stream,
        "GET / HTTP/1.1\r\nhost: flow\r\n\r\n"
            .repeat(1000)
            .as_bytes(),
    );
    stream.shutdown(Shutdown::Write).unwrap();
    let (head, rest) = answer(&stream);
    let all = head + &String::from_utf8(rest).unwrap();
    let greetings: Vec<_> = all
        .split_inclusive('\n')
        .filter(|line| line.starts_with("Hello"))
        .map(|line| greeting(line.as_bytes(), server.runtime))
        .collect();
    let wanted: Vec<_> = (1..=1000).map(|number| (1, number)).collect();
    let first = greetings.iter().zip(&wanted).position(|(a, b)| a != b);
    assert_eq!(
        (greetings.len(), first),
        (1000, None),
        "answers, the wrong one"
    );
}

/// Many clients go this far and are gone. Each is seen to hold a descriptor of the server, and to give it back; others are served on.
fn vanishing(server: &Server, this_far: impl Fn(Stream<'_>)) {
    let mut other = server.client();
    assert_eq!(other.greeted(), 1);
    // The listener's and the other's, and the runtime's.
    let before = server.descriptors();
    for round in 0..10 {
        let stream = server.connect();
        this_far(&stream);
        server.comes_to(before + 1, &format!("while client {round} is here"));
        drop(stream);
        server.comes_to(before, &format!("after client {round}"));
    }
    // Together.
    let streams: Vec<_> = (0..10).map(|_| server.connect()).collect();
    streams.iter().for_each(&this_far);
    server.comes_to(before + 10, "while 10 clients are here");
    assert_eq!(other.greeted(), 1);
    drop(streams);
    server.comes_to(before, "after 10 clients");
    assert_eq!(other.greeted(), 1);
    assert_eq!(server.client().greeted(), 22);
}

fn more_clients_than_descriptors(server: &Server) {
    let server = Server::start(server.runtime, Some(32));
    let mut other = server.client();
    other.greeted();
    let before = server.descriptors();
    let mut streams: Vec<_> = (0..40).map(|_| server.client()).collect();
    let refused = || {
        let told = server.errors();
        (!told.contains("no flow accepted")).then(|| format!("it does not say so: {told:?}"))
    };
    server.waits_for(refused);
    assert_eq!(other.greeted(), 1, "those that it has are served");
    // Whoever is waiting comes in when others leave.
    let waiting = streams.split_off(32);
    drop(streams);
    for mut client in waiting {
        client.greeted();
    }
    server.comes_to(before, "after all");
}

fn a_path_that_is_taken_is_told_in_one_line(server: &Server) {
    let second = Command::new(env!("CARGO_BIN_EXE_flow-http"))
        .arg(&server.path)
        .args(["--runtime", server.runtime])
        .output()
        .unwrap();
    assert_eq!(second.status.code(), Some(1));
    let told = String::from_utf8(second.stderr).unwrap();
    assert_eq!(told.lines().count(), 1, "{told}");
    assert!(
        told.starts_with("error: ") && told.contains("in use"),
        "{told}"
    );
    // The first has not been disturbed: this is the first connection that comes to it.
    assert_eq!(server.client().greeted(), 1);
}
