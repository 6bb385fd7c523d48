//! What is passed on is passed on at once, and never held; T25, T29, T58, T63.

use std::{
    io::{self, BufReader, Write},
    time::Duration,
};

use rustix::net::sockopt::{set_socket_linger, set_socket_recv_buffer_size};

use crate::support::{
    backend::{Backend, Step, chunk, head},
    client::request,
    eventually,
    message::{Framing, Message},
    proxy::Proxy,
    trials,
};

trials![
    a_body_that_breaks_off_is_never_presented_as_whole,
    a_client_that_leaves_before_an_answer_begins_that_falls_silent_cancels_it,
    a_client_that_leaves_cancels_the_upstream_request,
    a_client_that_leaves_with_more_sent_ahead_than_is_taken_cancels_its_request,
    a_client_that_leaves_within_its_upload_cancels_an_answer_that_has_begun,
    a_client_that_has_ended_its_side_may_pause_within_its_answer,
    a_large_body_passes_through_a_slow_reader_in_constant_memory,
    a_large_upload_passes_to_a_slow_backend_in_constant_memory,
    a_request_body_streams_while_the_answer_does,
    streams_are_never_buffered,
];

const BODY_ERRORS: &str = "status_normalize_body_errors_total";

// T25
fn streams_are_never_buffered() {
    for (status, kind) in [
        ("200 OK", "text/event-stream"),
        ("200 OK", "application/x-ndjson"),
        ("200 OK", "multipart/x-mixed-replace; boundary=x"),
        ("200 OK", "application/octet-stream"),
        ("200 OK", "application/json"),
        ("299 Odd", "text/event-stream"),
        ("418 Teapot", "text/html"),
        ("599 Odd", "application/json"),
    ] {
        for length in ["Transfer-Encoding: chunked", "Content-Length: 10", "Connection: close"] {
            let frame =
                |data: &str| if length.contains("chunked") { chunk(data) } else { data.as_bytes().to_vec() };
            let kind = format!("Content-Type: {kind}");
            let backend = Backend::does(vec![
                Step::Send(head(status, &[&kind, length])),
                Step::Wait(Duration::from_millis(20)),
                Step::Send(frame("first")),
                // The second half would come long after the test gave up.
                Step::Hold,
            ]);
            let proxy = Proxy::start(&backend.url());
            let mut client = proxy.client();
            client.set_read_timeout(Duration::from_secs(5));
            client.send(request("GET", "/", &[]));
            let answer = client.head();
            assert_eq!(answer.start, format!("HTTP/1.1 {status}"), "{kind} {length}");
            let expected =
                if answer.framing() == Framing::Chunked { chunk("first") } else { b"first".to_vec() };
            assert_eq!(client.bytes(expected.len()), expected, "{status} {kind} {length}");
        }
    }
}

// T29
fn a_large_body_passes_through_a_slow_reader_in_constant_memory() {
    let backend = Backend::does(vec![
        Step::Send(head("200 OK", &["Content-Type: application/octet-stream"])),
        Step::Repeat(vec![b'x'; 1 << 16], Duration::ZERO),
    ]);
    let proxy = Proxy::start(&backend.url());
    proxy.get_and_leave();
    let before = proxy.memory("VmRSS");
    let mut clients: Vec<_> = (0..8).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(request("GET", "/", &[]));
        client.head();
    }
    // Readers that take a little every now and then, and are far behind a backend without end.
    for _ in 0..40 {
        for client in &mut clients {
            client.bytes(4_096);
        }
        std::thread::sleep(Duration::from_millis(25));
    }
    let grown = proxy.memory("VmRSS").saturating_sub(before);
    assert!(grown < 8 * 1024, "eight slow readers cost {grown} KiB");
}

fn a_client_that_has_ended_its_side_may_pause_within_its_answer() {
    // Below and above what goes around memory.
    for len in [3 << 20, 20 << 20] {
        let backend = Backend::does(vec![
            Step::Send(head("200 OK", &[&format!("Content-Length: {len}")])),
            Step::Repeat(vec![b'x'; 1 << 16], Duration::ZERO),
        ]);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        set_socket_recv_buffer_size(client.stream(), 1 << 16).unwrap();
        client.send(request("GET", "/", &[]));
        client.head();
        client.bytes(100_000);
        // Until neither socket takes more.
        std::thread::sleep(Duration::from_millis(300));
        client.finish();
        std::thread::sleep(Duration::from_millis(1_500));
        assert_eq!(client.rest().len(), len - 100_000);
    }
}

impl Proxy {
    /// Warms up: one request whose body is left behind.
    fn get_and_leave(&self) {
        let mut client = self.client();
        client.send(request("GET", "/", &[]));
        client.head();
        client.bytes(100_000);
    }
}

// T29, the other way
fn a_large_upload_passes_to_a_slow_backend_in_constant_memory() {
    let backend = Backend::raw(|_, stream, _| {
        let mut buffer = [0; 4_096];
        for _ in 0..40 {
            if std::io::Read::read(&mut &stream, &mut buffer).is_err() {
                return;
            }
            std::thread::sleep(Duration::from_millis(25));
        }
    });
    let proxy = Proxy::start(&backend.url());
    let before = proxy.memory("VmRSS");
    let mut uploads = Vec::new();
    for _ in 0..8 {
        let mut client = proxy.client();
        uploads.push(std::thread::spawn(move || {
            client.send("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1073741824\r\n\r\n");
            let stream = client.stream();
            stream.set_write_timeout(Some(Duration::from_millis(800))).unwrap();
            let mut sent = 0_usize;
            while let Ok(count) = std::io::Write::write(&mut &*stream, &[b'x'; 1 << 16]) {
                sent += count;
            }
            sent
        }));
    }
    let sent: Vec<_> = uploads.into_iter().map(|upload| upload.join().unwrap()).collect();
    let grown = proxy.memory("VmHWM").saturating_sub(before);
    assert!(grown < 8 * 1024, "eight uploads, {sent:?} bytes taken, cost {grown} KiB");
}

fn a_request_body_streams_while_the_answer_does() {
    use std::io::{BufReader, Read, Write};
    let backend = Backend::raw(|_, stream, _| {
        let mut reader = BufReader::new(stream);
        crate::support::message::Message::read_head(&mut reader).unwrap().unwrap();
        reader.get_mut().write_all(&head("200 OK", &["Transfer-Encoding: chunked"])).unwrap();
        for _ in 0..3 {
            let mut line = [0; 8];
            reader.read_exact(&mut line).unwrap();
            reader.get_mut().write_all(&chunk(&line[3..6])).unwrap();
        }
        let _ = reader.read(&mut [0; 16]);
    });
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (number, word) in ["one", "two", "six"].into_iter().enumerate() {
        client.send(chunk(word));
        if number == 0 {
            assert_eq!(client.head().status(), 200);
        }
        assert_eq!(client.bytes(8), chunk(word), "an echo while the request goes on");
    }
}

// T63
fn a_body_that_breaks_off_is_never_presented_as_whole() {
    for (line, piece) in
        [("Content-Length: 100", b"half".to_vec()), ("Transfer-Encoding: chunked", chunk("half"))]
    {
        for end in [Step::Close, Step::Reset] {
            let backend = Backend::does(vec![
                Step::Send(head("200 OK", &["Content-Type: text/plain", line])),
                Step::Send(piece.clone()),
                Step::Wait(Duration::from_millis(50)),
                end,
            ]);
            let proxy = Proxy::start(&backend.url());
            let mut client = proxy.client();
            client.send(request("GET", "/", &[]));
            let mut answer = client.head();
            assert_eq!(answer.status(), 200);
            let framing = answer.framing();
            client.body(&mut answer, framing).expect_err("the body does not end as it should");
            proxy.wait_for(BODY_ERRORS, &[("kind", "upstream")], 1.0);
            let scrape = proxy.wait_for(
                "status_normalize_responses_total",
                &[("class", "normal"), ("action", "pass")],
                1.0,
            );
            let durations =
                scrape.sum("status_normalize_response_duration_seconds_count", &[("class", "normal")]);
            assert_eq!(durations, 1.0);
        }
    }
}

// T58
fn a_client_that_leaves_cancels_the_upstream_request() {
    let stages: [Vec<Step>; 3] = [
        vec![Step::Hold],
        vec![
            Step::Send(head("500 Oops", &["Content-Type: application/json", "Content-Length: 99"])),
            Step::Send(b"{".to_vec()),
            Step::Hold,
        ],
        vec![Step::Send(head("200 OK", &["Content-Length: 99"])), Step::Send(b"{".to_vec()), Step::Hold],
    ];
    for (stage, steps) in stages.into_iter().enumerate() {
        let backend = Backend::does(steps);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(request("GET", "/", &[]));
        eventually(
            || if backend.seen().len() == 1 { Ok(()) } else { Err("the backend was not asked".into()) },
        );
        proxy.wait_for("status_normalize_in_flight", &[], 1.0);
        if stage == 2 {
            client.head();
            client.bytes(1);
        }
        drop(client);
        eventually(|| {
            if backend.open() == 0 { Ok(()) } else { Err(format!("stage {stage}: upstream still works")) }
        });
        proxy.wait_for(BODY_ERRORS, &[("kind", "client_cancelled")], 1.0);
        eventually(|| match proxy.scrape().sum("status_normalize_in_flight", &[]) {
            0.0 => Ok(()),
            more => Err(format!("stage {stage}: {more} in flight")),
        });
        let counted = proxy.scrape().sum("status_normalize_responses_total", &[]);
        // Dropped before the client had a head, it was no response.
        assert_eq!(counted, if stage == 2 { 1.0 } else { 0.0 }, "stage {stage}");
    }
}

// T58
fn a_client_that_leaves_before_an_answer_begins_that_falls_silent_cancels_it() {
    let steps = [
        Step::Wait(Duration::from_millis(100)),
        Step::Send(head("200 OK", &["Content-Length: 99"])),
        Step::Hold,
    ];
    let backend = Backend::does(steps.to_vec());
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send(request("GET", "/", &[]));
    drop(client);
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("the backend was not asked".into()) });
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the upstream still works".into()) });
    proxy.wait_for("status_normalize_in_flight", &[], 0.0);
}

// T58
fn a_client_that_leaves_with_more_sent_ahead_than_is_taken_cancels_its_request() {
    for is_reset in [false, true] {
        let backend = Backend::does(vec![Step::Hold]);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(request("GET", "/", &[]));
        eventually(
            || if backend.seen().len() == 1 { Ok(()) } else { Err("the backend was not asked".into()) },
        );
        // More than is taken in, and when it is for us to see the end behind it, no more than the system takes.
        client.send(request("GET", "/", &[]).repeat(if is_reset { 5_000 } else { 2_200 }));
        std::thread::sleep(Duration::from_millis(200));
        if is_reset {
            set_socket_linger(client.stream(), Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
        }
        drop(client);
        eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the upstream still works".into()) });
    }
}

// T58
fn a_client_that_leaves_within_its_upload_cancels_an_answer_that_has_begun() {
    for is_reset in [false, true] {
        let backend = Backend::raw(|_, stream, _| {
            let mut reader = BufReader::new(stream);
            if let Ok(Some(_)) = Message::read_head(&mut reader) {
                let _ = reader
                    .get_mut()
                    .write_all(&[head("200 OK", &["Content-Length: 9"]), b"x".to_vec()].concat());
                let _ = io::copy(&mut reader, &mut io::sink());
            }
        });
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(request("POST", "/", &["Content-Length: 9"]) + "x");
        client.head();
        if is_reset {
            set_socket_linger(client.stream(), Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
        }
        drop(client);
        eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the upstream still works".into()) });
    }
}
