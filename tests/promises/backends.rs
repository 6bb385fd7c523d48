//! Backends of every habit: old ones, hasty ones, careless ones.

use std::{
    io::{BufReader, Read, Write},
    time::Duration,
};

use crate::support::{
    backend::{Backend, PAGE, Seen, Step, answer, chunk, head, page},
    message::{Framing, Message},
    proxy::Proxy,
    trials,
};

trials![
    a_close_delimited_error_is_read_to_its_end,
    answers_before_the_request_is_read_arrive,
    bytes_after_an_answer_cost_the_connection_only,
    closed_idle_connections_fail_no_request,
    double_framing_is_made_one,
    http10_backends_are_understood,
    many_clients_share_few_connections,
    unknown_transfer_codings_are_malformed,
];

fn http10_backends_are_understood() {
    let backend = Backend::scripted(|request| {
        let bytes: &[u8] = match request.target() {
            "/length" => b"HTTP/1.0 200 OK\r\nContent-Length: 4\r\n\r\nfine",
            "/close" => b"HTTP/1.0 200 OK\r\nContent-Type: text/plain\r\n\r\nfine",
            "/keep" => b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 4\r\n\r\nfine",
            _ => b"HTTP/1.0 404 NOT FOUND\r\nContent-Type: text/html\r\n\r\n<html>",
        };
        let mut steps = vec![Step::Send(bytes.to_vec())];
        if request.target() != "/keep" {
            steps.push(Step::Close);
        }
        steps
    });
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        for path in ["/length", "/close", "/keep"] {
            let answer = client.get(path);
            assert_eq!(
                (answer.text().as_str(), answer.start.as_str()),
                ("fine", "HTTP/1.1 200 OK"),
                "{path}"
            );
        }
        assert_eq!(client.get("/error").json()["status"], 404);
    }
}

fn a_close_delimited_error_is_read_to_its_end() {
    let standard = r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#;
    let mut bytes = head("404 No", &["Content-Type: application/json", "Connection: close"]);
    bytes.extend(standard.as_bytes());
    let backend = Backend::does(vec![Step::Send(bytes), Step::Close]);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_eq!(client.get("/").text(), standard);
    }
}

fn double_framing_is_made_one() {
    let mut both = head("200 OK", &["Content-Length: 3", "Transfer-Encoding: chunked"]);
    both.extend(chunk("whole body"));
    both.extend(b"0\r\n\r\n");
    let twice = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\nContent-Length: 10\r\n\r\nwhole body".to_vec();
    for bytes in [both, twice] {
        let backend = Backend::says(bytes);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.get("/");
            // RFC 9112, 6.3: the coding wins, or the answer is refused; never both reach the client.
            if answer.status() == 200 {
                assert_eq!(answer.text(), "whole body");
                let lengths = answer.all("content-length").len();
                assert!(lengths + usize::from(answer.framing() == Framing::Chunked) <= 2 && lengths <= 1);
                assert!(lengths == 0 || !answer.has("transfer-encoding"), "{:?}", answer.fields);
            } else {
                assert_eq!(answer.json()["status"], 502);
            }
        }
    }
}

fn unknown_transfer_codings_are_malformed() {
    for coding in ["gzip", "gzip, chunked", "chunked, gzip", "xchunked"] {
        let mut bytes = head("200 OK", &[&format!("Transfer-Encoding: {coding}")]);
        bytes.extend(chunk("abc"));
        bytes.extend(b"0\r\n\r\n");
        let backend = Backend::does(vec![Step::Send(bytes), Step::Close]);
        assert_eq!(Proxy::start(&backend.url()).get("/").json()["status"], 502, "{coding}");
    }
}

fn closed_idle_connections_fail_no_request() {
    // Closes a moment after each answer, without having said so.
    let backend = Backend::does(vec![
        Step::Send(answer("200 OK", &[], "fine")),
        Step::Wait(Duration::from_millis(5)),
        Step::Close,
    ]);
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    for round in 0..20 {
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
        assert_eq!(client.answer("POST").text(), "fine", "{round}");
        std::thread::sleep(Duration::from_millis(25));
    }
    assert_eq!(backend.connections(), 20);
}

fn answers_before_the_request_is_read_arrive() {
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        remember(Seen { message, connection });
        let refusal = answer("403 No", &["Content-Type: text/html", "Connection: close"], PAGE);
        reader.get_mut().write_all(&refusal).unwrap();
        // Takes a little more, as servers that linger do.
        let mut sink = vec![0; 1 << 16];
        for _ in 0..8 {
            if reader.read(&mut sink).is_ok_and(|count| count == 0) {
                return;
            }
        }
    });
    let proxy = Proxy::start(&backend.url());
    for _ in 0..3 {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 50000000\r\n\r\n");
        client.send(vec![b'x'; 200_000]);
        let answer = client.answer("POST");
        assert_eq!(answer.status(), 403);
        assert_eq!(answer.json()["status"], 403);
    }
    proxy.wait_for("status_normalize_responses_total", &[("source", "upstream"), ("status", "403")], 3.0);
}

fn bytes_after_an_answer_cost_the_connection_only() {
    let mut bytes = answer("200 OK", &[], "fine");
    bytes.extend(answer("200 OK", &[], "forged"));
    let backend = Backend::says(bytes);
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.get("/").text(), "fine");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn many_clients_share_few_connections() {
    let backend = Backend::says(page(404));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    for _ in 0..50 {
        assert_eq!(proxy.get("/").json()["status"], 404);
    }
    assert_eq!(backend.connections(), 1, "one after another on the same connection");
}
