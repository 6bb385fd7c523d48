//! HTTP/2 in front: what happens to streams, each for itself.

use std::{
    collections::BTreeSet,
    io::{BufReader, Read, Write},
    time::Duration,
};

use crate::support::{
    backend::{Backend, Gate, PAGE, Seen, Step, answer, chunk, head},
    eventually,
    frames::{
        PREFACE, Wire, ask, code, data, flag, frame, get, kind, post, request_block, reset, setting,
        settings, window_update,
    },
    h2::{self, Scripted},
    hpack,
    message::Message,
    proxy::Proxy,
    refused, trials,
};

trials![
    a_body_beyond_the_limit_is_413,
    a_body_that_breaks_off_is_a_reset,
    a_burst_of_small_frames_arrives,
    a_client_that_asks_again_and_again_is_served,
    a_client_that_has_seen_enough_again_and_again_is_served,
    a_client_that_resets_again_and_again_is_stopped,
    a_client_that_resets_cancels_its_own_request_only,
    a_client_that_waits_for_100_is_told,
    a_connection_that_fails_cancels_its_requests,
    a_conversation_byte_by_byte_is_the_same,
    a_hundred_streams_in_one_write_are_answered,
    an_early_answer_is_whole_and_nothing_hangs,
    an_upstream_is_told_one_length,
    answers_without_a_body_end_with_their_head,
    early_hints_reach_their_own_stream,
    early_hints_without_end_are_cut_short,
    no_hop_by_hop_field_reaches_a_client,
    streams_beyond_the_limit_are_refused,
    tables_of_fields_are_as_large_as_the_client_allows,
    trailers_pass_both_ways,
    what_a_client_cancels_at_once_is_not_held,
];

const IN_FLIGHT: &str = "status_normalize_in_flight";

/// Waits until so many requests have reached the backend.
#[track_caller]
fn wait_for_requests(backend: &Backend, count: usize) {
    eventually(|| match backend.seen().len() {
        seen if seen == count => Ok(()),
        seen => Err(format!("{seen} requests, not {count}")),
    });
}

/// Waits until so many connections to the backend are open.
#[track_caller]
fn wait_for_open(backend: &Backend, count: usize) {
    eventually(|| match backend.open() {
        open if open == count => Ok(()),
        open => Err(format!("{open} connections, not {count}")),
    });
}

fn a_hundred_streams_in_one_write_are_answered() {
    let backend = Backend::scripted(|request| {
        vec![Step::Send(answer("200 OK", &[], format!("at {}", request.target())))]
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    for round in 0..3 {
        let streams = || (0..100).map(|number| 200 * round + 2 * number + 1);
        let requests: Vec<u8> =
            streams().flat_map(|stream| ask(stream, "GET", &format!("/{stream}"), &[("x-a", "b")])).collect();
        wire.send(requests);
        for stream in streams() {
            wire.over(stream).assert_is(200, format!("at /{stream}"));
        }
    }
    let targets: BTreeSet<_> = backend.seen().iter().map(|seen| seen.target().to_owned()).collect();
    assert_eq!((targets.len(), backend.seen().len()), (300, 300));
    proxy.wait_for("status_normalize_responses_total", &[("status", "200")], 300.0);
}

fn streams_beyond_the_limit_are_refused() {
    let gate = Gate::default();
    let closed = gate.clone();
    let backend = Backend::scripted(move |request| match request.target() {
        "/held" => vec![Step::Await(closed.clone()), Step::Send(answer("200 OK", &[], "held"))],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let held = |number: u32| ask(2 * number + 1, "GET", "/held", &[]);
    wire.send((0..128).flat_map(held).collect::<Vec<_>>());
    wait_for_requests(&backend, 128);
    wire.send([held(128), held(129)].concat());
    for stream in [257, 259] {
        assert_eq!(wire.over(stream).reset, Some(code::REFUSED_STREAM));
    }
    // One that ends makes room for one.
    wire.send([reset(1, code::CANCEL), get(261, &[])].concat());
    wire.over(261).assert_is(200, "fine");
    // Refused ones do not take any.
    wire.send([held(131), held(132)].concat());
    wire.until("one is refused", |wire| wire.is_over(265));
    assert_eq!(wire.streams[&265].reset, Some(code::REFUSED_STREAM));
    wait_for_requests(&backend, 130);
    gate.open();
    for number in (1..128).chain([131]) {
        wire.over(2 * number + 1).assert_is(200, "held");
    }
    wire.assert_goes_on(301, "fine");
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

fn a_client_that_resets_cancels_its_own_request_only() {
    let gate = Gate::default();
    let closed = gate.clone();
    let backend = Backend::scripted(move |request| match request.target() {
        "/held" => vec![Step::Hold],
        "/streams" => vec![
            Step::Send(head("200 OK", &["Transfer-Encoding: chunked"])),
            Step::Repeat(chunk("some"), Duration::from_millis(1)),
        ],
        "/pauses" => {
            vec![
                Step::Send([head("200 OK", &["Transfer-Encoding: chunked"]), chunk("some")].concat()),
                Step::Hold,
            ]
        }
        "/large" => vec![Step::Send(answer("200 OK", &[], vec![b'x'; 32 << 20])), Step::Hold],
        "/waits" => vec![Step::Await(closed.clone()), Step::Send(answer("200 OK", &[], "waited"))],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let unfinished = [post(11, "/held", &[]), data(11, 0, "the first half")].concat();
    let asked = [("/held", 1), ("/streams", 3), ("/large", 5), ("/waits", 7), ("/pauses", 9)];
    wire.send(asked.map(|(path, stream)| ask(stream, "GET", path, &[])).concat());
    wire.send(unfinished);
    wire.until("bodies", |wire| [3, 5, 9].iter().all(|stream| wire.body_len(*stream) > 0));
    wait_for_open(&backend, 6);
    proxy.wait_for_gauge(IN_FLIGHT, 6.0);
    // Waiting for its head, within its body, within a body that pauses or has no window, within the request's body.
    for (left, stream) in [(5, 1), (4, 3), (3, 9), (2, 5), (1, 11)] {
        wire.send(reset(stream, code::CANCEL));
        wait_for_open(&backend, left);
        proxy.wait_for_gauge(IN_FLIGHT, left as f64);
    }
    proxy.wait_for("status_normalize_body_errors_total", &[("kind", "client_cancelled")], 5.0);
    let seen: BTreeSet<_> = backend.seen().iter().map(|seen| seen.start.clone()).collect();
    assert!(!seen.contains("POST /held HTTP/1.1"), "half a body does not pass for a whole one");
    gate.open();
    wire.allow(0, 1 << 20);
    wire.over(7).assert_is(200, "waited");
    wire.assert_goes_on(13, "fine");
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
    // A client that leaves takes all of its streams with it.
    wire.send([ask(15, "GET", "/held", &[]), ask(17, "GET", "/held", &[])].concat());
    proxy.wait_for_gauge(IN_FLIGHT, 2.0);
    drop(wire);
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
    proxy.wait_for("status_normalize_body_errors_total", &[("kind", "client_cancelled")], 7.0);
}

fn a_client_that_resets_again_and_again_is_stopped() {
    let backend = Backend::scripted(|request| match request.target() {
        "/held" => vec![Step::Hold],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    let proxy = Proxy::start(&backend.url());
    let mut other = Wire::open(proxy.listen, &[]);
    // By itself, or by having the server do it: what breaks only the stream is answered with RST_STREAM.
    let cancels: fn(u32) -> Vec<u8> = |stream| reset(stream, code::CANCEL);
    let provokes: fn(u32) -> Vec<u8> = |stream| window_update(stream, (1 << 31) - 1);
    for (name, end) in [("resets", cancels), ("provokes", provokes)] {
        let attack = |stream| [ask(stream, "GET", "/held", &[]), end(stream)].concat();
        let mut wire = Wire::open(proxy.listen, &[]);
        for round in 0..50 {
            wire.send((0..100).flat_map(|number| attack(200 * round + 2 * number + 1)).collect::<Vec<_>>());
        }
        wire.send(frame(kind::PING, 0, 0, [0; 8]));
        wire.until(name, |wire| wire.is_closed || !wire.pongs.is_empty());
        if wire.is_closed {
            assert_eq!(wire.closed(), Some(code::ENHANCE_YOUR_CALM), "{name}");
        } else {
            wire.assert_goes_on(20_001, "fine");
        }
        assert_eq!(proxy.get("/").text(), "fine", "{name}");
        proxy.wait_for_gauge(IN_FLIGHT, 0.0);
        eventually(|| match proxy.scrape().sum("status_proxy_upstream_connections_open", &[]) {
            0.0..=5.0 => Ok(()),
            open => Err(format!("{open} connections to the backend")),
        });
    }
    other.assert_goes_on(1, "fine");
}

/// The other side of it: what a proxy in front does for many clients.
fn a_client_that_asks_again_and_again_is_served() {
    let backend = Backend::scripted(|_| vec![Step::Send(answer("200 OK", &[], "fine"))]);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let block = request_block("GET", "/", &[("x-long", &"y".repeat(3_000))]);
    let (begin, rest) = block.split_at(100);
    let (more, last) = rest.split_at(1_500);
    for round in 0..30 {
        let streams = || (0..50).map(|number| 2 * (50 * round + number) + 1);
        let requests = streams().flat_map(|stream| {
            [
                frame(kind::HEADERS, flag::END_STREAM, stream, begin),
                frame(kind::CONTINUATION, 0, stream, more),
                frame(kind::CONTINUATION, flag::END_HEADERS, stream, last),
            ]
            .concat()
        });
        wire.send(requests.collect::<Vec<_>>());
        for stream in streams() {
            wire.over(stream).assert_is(200, "fine");
        }
    }
}

/// Of streams of events, and of videos.
fn a_client_that_has_seen_enough_again_and_again_is_served() {
    let backend = Backend::scripted(|request| match request.target() {
        "/events" => vec![
            Step::Send(head("200 OK", &["Content-Type: text/event-stream"])),
            Step::Send(b":\n\n".to_vec()),
            Step::Hold,
        ],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    for round in 0..15 {
        let streams = || (0..100).map(|number| 2 * (100 * round + number) + 1);
        wire.send(streams().flat_map(|stream| ask(stream, "GET", "/events", &[])).collect::<Vec<_>>());
        for stream in streams() {
            wire.until("an event", |wire| wire.body_len(stream) > 0);
        }
        wire.send(streams().flat_map(|stream| reset(stream, code::CANCEL)).collect::<Vec<_>>());
    }
    wire.assert_goes_on(3_001, "fine");
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

fn what_a_client_cancels_at_once_is_not_held() {
    let backend = Backend::does(vec![Step::Hold]);
    let proxy = Proxy::start(&backend.url());
    let short = |stream| frame(kind::HEADERS, flag::WHOLE, stream, b"\x82\x86\x84\x41\x01a");
    let mut wires: Vec<_> = (0..30).map(|_| Wire::open(proxy.listen, &[])).collect();
    wires.iter_mut().for_each(|wire| wire.send(get(1, &[])));
    proxy.wait_for_gauge(IN_FLIGHT, 30.0);
    let before = proxy.memory("VmRSS");
    for wire in &mut wires {
        let cancelled = |number: u32| [short(2 * number + 3), reset(2 * number + 3, code::CANCEL)].concat();
        wire.send((0..2_000).flat_map(cancelled).collect::<Vec<_>>());
        wire.round_trip();
    }
    let grown = proxy.memory("VmRSS").saturating_sub(before);
    assert!(grown < 4 * 1024, "{grown} KiB for 30 connections with one request each");
}

fn a_connection_that_fails_cancels_its_requests() {
    let backend = Backend::does(vec![Step::Hold]);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let requests = (0..20).flat_map(|number| get(2 * number + 1, &[])).collect::<Vec<_>>();
    wire.send([requests, post(41, "/", &[]), data(41, 0, "half")].concat());
    wait_for_open(&backend, 21);
    wire.send(frame(kind::DATA, 0, 0, "nonsense"));
    assert_eq!(wire.closed(), Some(code::PROTOCOL_ERROR));
    assert!(wire.streams.values().all(|stream| stream.head.is_none()));
    wait_for_open(&backend, 0);
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
    proxy.wait_for("status_normalize_body_errors_total", &[("kind", "client_cancelled")], 21.0);
}

fn early_hints_reach_their_own_stream() {
    let backend = Backend::scripted(|request| {
        let target = request.target();
        let hint = |place| {
            head(
                "103 Early Hints",
                &[&format!("Link: <{target}/{place}>"), "Connection: close", "Content-Length: 0"],
            )
        };
        vec![
            Step::Send(hint(1)),
            Step::Wait(Duration::from_millis(20)),
            Step::Send([hint(2), answer("200 OK", &[], target)].concat()),
        ]
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let streams = || (0..60).map(|number| 2 * number + 1);
    wire.send(
        streams().flat_map(|stream| ask(stream, "GET", &format!("/{stream}"), &[])).collect::<Vec<_>>(),
    );
    for stream in streams() {
        let path = format!("/{stream}");
        let answer = wire.over(stream);
        answer.assert_is(200, &path);
        let hints = [1, 2].map(|place| {
            vec![(":status".to_owned(), "103".to_owned()), ("link".to_owned(), format!("<{path}/{place}>"))]
        });
        assert_eq!(answer.interim, hints, "{path}");
    }
}

/// Of what a client may not read there is no more than a little.
fn early_hints_without_end_are_cut_short() {
    let hint = head("103 Early Hints", &[&format!("Link: <{}>", "x".repeat(10_000))]);
    let hints = (0..40).flat_map(|_| [Step::Send(hint.clone()), Step::Wait(Duration::from_millis(2))]);
    let backend = Backend::does(hints.chain([Step::Send(answer("200 OK", &[], "fine"))]).collect());
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let answer = wire.over(1);
    answer.assert_is(200, "fine");
    assert!((6..20).contains(&answer.interim.len()), "{}", answer.interim.len());
}

/// Within the windows all of it is the client's right: small messages of a stream, as gRPC sends them, in one burst.
fn a_burst_of_small_frames_arrives() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = Proxy::start(&backend.url());
    for (size, count) in [(1, 3_000), (10, 5_000), (20, 3_000)] {
        let mut wire = Wire::open(proxy.listen, &[]);
        let frames = data(1, 0, vec![b'm'; size]).repeat(count);
        wire.send([post(1, "/", &[]), frames, data(1, flag::END_STREAM, "")].concat());
        wire.over(1).assert_is(200, vec![b'm'; size * count]);
    }
}

/// RFC 9110, 8.6: one line, a number; what stands there over HTTP/1.1 decides where the next request begins.
fn an_upstream_is_told_one_length() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let twice = post(1, "/", &[("content-length", "4"), ("content-length", "04")]);
    wire.send([twice, data(1, flag::END_STREAM, "body"), post(3, "/", &[("content-length", "")])].concat());
    wire.send(data(3, flag::END_STREAM, ""));
    for stream in [1, 3] {
        let answer = wire.over(stream);
        assert!(
            answer.status() == 200 || answer.status() == 400 || answer.reset == Some(code::PROTOCOL_ERROR)
        );
    }
    for seen in backend.seen() {
        let lengths = seen.all("content-length");
        assert!(
            lengths.len() < 2 && lengths.iter().all(|length| length.parse::<u64>().is_ok()),
            "{lengths:?}"
        );
    }
}

/// RFC 9110, 10.1.1.
fn a_client_that_waits_for_100_is_told() {
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(mut message)) = Message::read_head(&mut reader) else { return };
        let _ = reader.get_mut().write_all(&head("100 Continue", &[]));
        let framing = message.framing();
        if message.read_body(&mut reader, framing).is_ok() {
            remember(Seen { message, connection });
            let _ = reader.get_mut().write_all(&answer("200 OK", &[], "fine"));
        }
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[("expect", "100-continue"), ("content-length", "4")]));
    wire.until("100", |wire| wire.streams.get(&1).is_some_and(|stream| !stream.interim.is_empty()));
    assert_eq!(wire.streams[&1].interim[0][0].1, "100");
    wire.send(data(1, flag::END_STREAM, "body"));
    wire.over(1).assert_is(200, "fine");
    assert_eq!(backend.seen()[0].text(), "body");
}

fn an_early_answer_is_whole_and_nothing_hangs() {
    // It answers when it has read the head, and then reads on, leaves the rest where it is, or closes.
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        let target = message.start.clone();
        remember(Seen { message, connection });
        let mut bytes = answer("200 OK", &[], vec![b'e'; 100_000]);
        if target.starts_with("GET") {
            bytes = answer("200 OK", &["Connection: close"], "fine");
        }
        if target.contains("/refused") {
            bytes = answer("413 Too Large", &["Content-Type: text/html", "Connection: close"], PAGE);
        }
        if reader.get_mut().write_all(&bytes).is_err() || target.contains("/closes") {
            return;
        }
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
    });
    let proxy = Proxy::start(&backend.url());
    for (path, status) in [("/reads", 200), ("/closes", 200), ("/refused", 413)] {
        for sent in [0, 10, 60_000] {
            let mut wire = Wire::open(proxy.listen, &[]);
            wire.is_generous = true;
            wire.send(post(1, path, &[("content-length", "1000000")]));
            wire.upload(1, &vec![b'u'; sent][..]);
            let stream = wire.over(1);
            assert_eq!((stream.status(), stream.is_ended), (status, true), "{path}: {stream:?}");
            if status == 200 {
                assert!(stream.body == vec![b'e'; 100_000], "{path} after {sent}");
            }
            // The client is in the middle of its body: told to stop, or allowed to go on, not left waiting.
            let rest = vec![b'u'; 1_000_000];
            let mut left = &rest[sent..];
            while !left.is_empty() && wire.streams[&1].reset.is_none() {
                wire.until(path, |wire| wire.room(1) > 0 || wire.streams[&1].reset.is_some());
                if wire.streams[&1].reset.is_none() {
                    left = wire.upload(1, left);
                }
            }
            assert!([None, Some(code::NO_ERROR)].contains(&wire.streams[&1].reset), "{path} after {sent}");
            wire.assert_goes_on(3, "fine");
        }
    }
}

fn a_body_beyond_the_limit_is_413() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[limits]\nrequest_body = '2KiB'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    let part = vec![b'u'; 1024];
    wire.send([post(1, "/", &[]), data(1, 0, &part), data(1, flag::END_STREAM, &part)].concat());
    wire.over(1).assert_is(200, vec![b'u'; 2048]);
    // Told by its length, and found out.
    let long = post(5, "/", &[("content-length", "2049")]);
    let found_out = [post(3, "/", &[]), data(3, 0, &part), data(3, 0, &part), data(3, 0, "x")].concat();
    wire.send([found_out, long].concat());
    for stream in [3, 5] {
        let answer = wire.over(stream);
        assert_eq!((answer.status(), answer.is_ended), (413, true), "{answer:?}");
        let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(json["status"], 413);
    }
    // Nothing more is wanted of the client.
    wire.until("it may stop", |wire| [3, 5].iter().all(|stream| wire.streams[stream].reset.is_some()));
    assert_eq!([3, 5].map(|stream| wire.streams[&stream].reset), [Some(code::NO_ERROR); 2]);
    // Of what is on its way meanwhile nobody complains.
    wire.send([data(3, 0, &part), data(5, 0, &part)].concat());
    wire.send([post(7, "/", &[]), data(7, flag::END_STREAM, "fine")].concat());
    wire.over(7).assert_is(200, "fine");
    assert_eq!(backend.seen().len(), 2);
}

fn a_body_that_breaks_off_is_a_reset() {
    let backend = Backend::scripted(|request| {
        let known = head("200 OK", &["Content-Length: 100"]);
        let chunked = head("200 OK", &["Transfer-Encoding: chunked"]);
        let part = b"part".to_vec();
        match request.target() {
            "/close" => vec![Step::Send([known, part].concat()), Step::Close],
            "/reset" => {
                vec![Step::Send([known, part].concat()), Step::Wait(Duration::from_millis(50)), Step::Reset]
            }
            "/chunked" => vec![Step::Send([chunked, chunk(part)].concat()), Step::Close],
            "/chunk" => vec![Step::Send([chunked, b"8\r\npart".to_vec()].concat()), Step::Close],
            "/no-chunk" => vec![Step::Send([chunked, chunk(part), b"x\r\n".to_vec()].concat()), Step::Hold],
            "/nothing" => vec![Step::Send(known), Step::Close],
            _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
        }
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let paths = ["/close", "/reset", "/chunked", "/chunk", "/no-chunk"];
    for (stream, path) in (0..).map(|number| 4 * number + 1).zip(paths) {
        wire.send(ask(stream, "GET", path, &[]));
        let broken = wire.over(stream);
        assert_eq!((broken.status(), &broken.body[..]), (200, &b"part"[..]), "{path}");
        assert_eq!((broken.is_ended, broken.reset), (false, Some(code::INTERNAL_ERROR)), "{path}");
        wire.assert_goes_on(stream + 2, "fine");
    }
    wire.send(ask(101, "GET", "/nothing", &[]));
    assert_eq!((wire.over(101).is_ended, wire.over(101).reset), (false, Some(code::INTERNAL_ERROR)));
    proxy.wait_for("status_normalize_body_errors_total", &[("kind", "upstream")], 6.0);
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

fn answers_without_a_body_end_with_their_head() {
    let backend = Backend::scripted(|request| match request.target() {
        "/204" => vec![Step::Send(head("204 No Content", &[]))],
        "/304" => vec![Step::Send(head("304 Not Modified", &["ETag: \"a\"", "Content-Length: 4"]))],
        "/chunked" if request.method() == "HEAD" => {
            vec![Step::Send(head("200 OK", &["Transfer-Encoding: chunked"]))]
        }
        "/empty" => vec![Step::Send(answer("200 OK", &[], ""))],
        "/404" => vec![Step::Send(answer("404 Whatever", &["Content-Type: text/html"], ""))],
        _ if request.method() == "HEAD" => vec![Step::Send(head("200 OK", &["Content-Length: 4"]))],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    for (stream, (method, path, status, length)) in (0..).map(|number| 2 * number + 1).zip([
        ("HEAD", "/", 200, "4"),
        ("HEAD", "/chunked", 200, ""),
        ("HEAD", "/204", 204, ""),
        ("GET", "/204", 204, ""),
        ("GET", "/304", 304, "4"),
        ("GET", "/empty", 200, "0"),
    ]) {
        wire.send(ask(stream, method, path, &[]));
        let answer = wire.over(stream);
        answer.assert_is(status, "");
        assert!(answer.is_ended_by_headers, "{method} {path}: {answer:?}");
        assert_eq!(answer.field("content-length"), length, "{method} {path}");
    }
    // What is rewritten or made here has the length that it would have.
    wire.send([ask(51, "GET", "/404", &[]), ask(53, "HEAD", "/404", &[])].concat());
    let length = wire.over(51).field("content-length").to_owned();
    assert_eq!(length, wire.over(51).body.len().to_string());
    wire.over(53).assert_is(404, "");
    assert!(wire.streams[&53].is_ended_by_headers);
    assert_eq!(wire.streams[&53].field("content-length"), length);
    wire.assert_goes_on(101, "fine");
}

/// `Wire` holds each head against T10, and for a `date`.
fn no_hop_by_hop_field_reaches_a_client() {
    const FIELDS: [&str; 6] = [
        "Connection: keep-alive, X-Hop",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: trailers",
        "X-Hop: 1",
        "X-Kept: 1",
    ];
    let backend = Backend::scripted(|request| {
        let status = &format!("{} Whatever", &request.target()[1..4]);
        if request.target().ends_with("chunked") {
            let fields = [&FIELDS[..], &["Transfer-Encoding: chunked"]].concat();
            return vec![Step::Send([head(status, &fields), chunk("fine"), b"0\r\n\r\n".to_vec()].concat())];
        }
        vec![Step::Send(answer(
            status,
            &[&FIELDS[..], &["Upgrade: h2c", "Content-Type: text/html"]].concat(),
            PAGE,
        ))]
    });
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[limits]\nrequest_body = '1KiB'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    let fields: Vec<_> = (0..300).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = fields.iter().map(|name| (name.as_str(), "y")).collect();
    let requests = [
        (200, ask(1, "GET", "/200", &[])),
        (200, ask(3, "GET", "/200/chunked", &[])),
        (404, ask(5, "GET", "/404", &[])),
        (502, ask(7, "GET", "/502/chunked", &[])),
        (418, ask(9, "GET", "/418", &[])),
        // The proxy's own.
        (413, post(11, "/200", &[("content-length", "5000")])),
        (431, ask(13, "GET", "/200", &many)),
        (
            501,
            frame(
                kind::HEADERS,
                flag::WHOLE,
                15,
                hpack::literals(&[(":method", "CONNECT"), (":authority", "a")]),
            ),
        ),
    ];
    for (stream, (status, request)) in (0..).map(|number| 2 * number + 1).zip(requests) {
        wire.send(request);
        let answer = wire.over(stream);
        assert_eq!((answer.status(), answer.is_ended), (status, true), "{answer:?}");
        assert_eq!(answer.field("x-hop"), "");
        assert_eq!(answer.field("x-kept"), if stream < 11 { "1" } else { "" });
        // Of what is chunked the length is known if it was made here.
        let length = if stream == 3 { String::new() } else { answer.body.len().to_string() };
        assert_eq!(answer.field("content-length"), length);
    }
    let nobody = Proxy::start(&format!("http://{}", refused()));
    let mut wire = Wire::open(nobody.listen, &[]);
    wire.send(get(1, &[]));
    assert_eq!(wire.over(1).status(), 502);
}

fn trailers_pass_both_ways() {
    let http1 = Backend::scripted(|request| {
        let mut bytes = head("200 OK", &["Transfer-Encoding: chunked", "Trailer: x-sum"]);
        bytes.extend(chunk("body"));
        if request.target() == "/none" {
            bytes.extend(b"0\r\n\r\n");
        } else {
            // HTTP/2 knows no fields of the connection, there either.
            bytes.extend(b"0\r\nx-sum: 4\r\nConnection: close\r\nTE: gzip\r\nX-More: 5\r\n\r\n");
        }
        vec![Step::Send(bytes)]
    });
    let http2 =
        h2::Backend::says(Scripted::new(200, &[], "body").with_trailers(&[("x-sum", "4"), ("x-more", "5")]));
    let upstreams = [
        format!("upstream = '{}'", http1.url()),
        format!("upstream = {{ url = '{}', protocol = 'http2' }}", http2.url()),
    ];
    for upstream in upstreams {
        let proxy = Proxy::configured(&upstream);
        let mut wire = Wire::open(proxy.listen, &[]);
        // RFC 9110, 6.5.1: what decides about a request stands in front of it.
        let fields = [("x-sum", "9"), ("host", "evil"), ("content-length", "9"), ("x-more", "8")];
        let fields = [&fields[..], &[("authorization", "evil"), ("x-forwarded-for", "192.0.2.9")]].concat();
        let trailers = frame(kind::HEADERS, flag::WHOLE, 1, hpack::literals(&fields));
        wire.send([post(1, "/", &[("trailer", "x-sum")]), data(1, 0, "up"), trailers].concat());
        wire.over(1).assert_is(200, "body");
        let mut found = wire.streams[&1].trailers.clone().expect("trailers");
        found.sort();
        assert_eq!(found, [("x-more".to_owned(), "5".to_owned()), ("x-sum".to_owned(), "4".to_owned())]);
    }
    let mut up = http1.seen()[0].trailers.clone();
    up.sort();
    assert_eq!(up, [("x-more".to_owned(), b"8".to_vec()), ("x-sum".to_owned(), b"9".to_vec())]);
    assert_eq!(http2.seen()[0].body, "up");
    // What has none ends with its body.
    let proxy = Proxy::start(&http1.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(ask(1, "GET", "/none", &[]));
    wire.over(1).assert_is(200, "body");
    assert_eq!(wire.streams[&1].trailers, None);
}

/// RFC 7541, 4.2. `Wire` holds each block against what it allowed.
fn tables_of_fields_are_as_large_as_the_client_allows() {
    let long = format!("X-Long: {}", "y".repeat(300));
    let backend = Backend::says(answer("200 OK", &["X-A: b", "X-C: d", &long], "fine"));
    let proxy = Proxy::start(&backend.url());
    for size in [0, 100, 4_096, 1 << 20] {
        let mut wire = Wire::open(proxy.listen, &[(setting::HEADER_TABLE_SIZE, size)]);
        for stream in [1, 3, 5] {
            wire.assert_goes_on(stream, "fine");
            assert_eq!(wire.streams[&stream].field("x-a"), "b");
            assert_eq!(wire.streams[&stream].field("x-long").len(), 300);
        }
    }
}

fn a_conversation_byte_by_byte_is_the_same() {
    let backend = Backend::scripted(|request| {
        let Message { start, fields, body, trailers, .. } = &request.message;
        let text = format!("{start} {fields:?} {} {trailers:?}", body.escape_ascii());
        vec![Step::Send(answer("200 OK", &["X-A: b"], text))]
    });
    let proxy = Proxy::start(&backend.url());
    let block = request_block("PUT", "/5", &[("x-long", &"y".repeat(200))]);
    let (one, two) = block.split_at(100);
    let padded = |flags, stream, text: &str| {
        data(stream, flags | flag::PADDED, [&[3][..], text.as_bytes(), &[0; 3]].concat())
    };
    let conversation = [
        PREFACE.to_vec(),
        settings(&[(setting::INITIAL_WINDOW_SIZE, 100_000), (setting::ENABLE_PUSH, 0)]),
        window_update(0, 100_000),
        get(1, &[("x-a", "b")]),
        frame(kind::PRIORITY, 0, 3, [0, 0, 0, 1, 7]),
        post(3, "/3", &[]),
        frame(kind::HEADERS, 0, 5, one),
        frame(kind::CONTINUATION, flag::END_HEADERS, 5, two),
        padded(0, 3, "of three "),
        data(5, 0, "of five "),
        frame(kind::PING, 0, 0, [7; 8]),
        frame(0x77, 0x77, 5, b"unknown"),
        padded(flag::END_STREAM, 5, "the end"),
        data(3, 0, "more"),
        frame(kind::HEADERS, flag::WHOLE, 3, hpack::literals(&[("x-sum", "1")])),
        post(7, "/7", &[("content-length", "4")]),
        data(7, flag::END_STREAM, "four"),
    ]
    .concat();
    let answers = |size: usize| {
        let mut wire = Wire::connect(proxy.listen);
        wire.send_pieces(&conversation, size);
        [1, 3, 5, 7].map(|stream| {
            let answer = wire.over(stream);
            assert_eq!((answer.status(), answer.field("x-a"), answer.is_ended), (200, "b", true));
            String::from_utf8_lossy(&answer.body).into_owned()
        })
    };
    let whole = answers(conversation.len());
    assert!(whole[1].contains(" of three more ") && whole[1].contains("x-sum"), "{whole:?}");
    for size in [1, 2, 3, 7, 9, 10, 100] {
        assert_eq!(answers(size), whole, "by {size}");
    }
}
