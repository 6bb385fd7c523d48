//! HTTP/2 upstreams, frame by frame: heads and bodies both ways, and what ends before its time.

use std::time::Duration;

use rustix::net::sockopt::set_socket_linger;
use tokio::time::Instant;

use crate::support::{
    client::Client,
    frame_upstream::Upstream,
    frames::{
        Wire, answer, ask, code, data, flag, frame, get, kind, post, reset, respond, setting, window_update,
    },
    hpack, trials,
};

trials![
    a_body_is_sent_when_the_upstream_asks_for_it,
    a_body_that_nobody_asks_for_goes_after_a_while,
    a_client_that_has_sent_all_is_waited_for_while_the_upstream_takes_it,
    a_client_that_leaves_an_upload_without_room_resets_its_stream,
    a_client_that_leaves_resets_its_stream,
    a_client_that_reads_nothing_can_go_on_to_send,
    a_request_that_breaks_off_resets_its_stream,
    an_early_answer_ends_the_upload,
    an_early_answer_leaves_nothing_behind,
    an_early_head_does_not_end_the_upload,
    answers_without_content_have_none,
    early_hints_reach_clients,
    lengths_are_said_once_and_kept_to,
    many_streams_that_clients_give_up_leave_the_others_alone,
    what_the_upstream_gets,
    trailers_pass_both_ways,
];

const IN_FLIGHT: &str = "status_normalize_in_flight";

fn literal_hint(stream: u32, link: &str) -> Vec<u8> {
    respond(stream, 0, "103", &[("link", link)])
}

fn what_the_upstream_gets() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("GET /a?b HTTP/1.1\r\nHost: api.test:81\r\nTE: trailers, gzip\r\nConnection: x-a\r\nX-A: 1\r\nX-B: 2\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    let head = peer.stream(stream);
    assert!(head.is_ended_by_headers, "{head:?}");
    for (name, value) in [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "api.test:81"),
        (":path", "/a?b"),
        ("te", "trailers"),
        ("x-b", "2"),
        ("via", "1.1 status-proxy"),
        ("x-forwarded-for", "127.0.0.1"),
        ("x-a", ""),
        ("host", ""),
    ] {
        assert_eq!(head.field(name), value, "{name}");
    }
    peer.send(answer(stream, "200", "fine"));
    let got = client.answer("GET");
    assert_eq!((got.status(), &*got.text(), &*got.field("via")), (200, "fine", "2 status-proxy"));
    client.send("OPTIONS * HTTP/1.1\r\nHost: api.test\r\n\r\n");
    let stream = peer.request();
    assert_eq!(peer.stream(stream).field(":path"), "*");
    peer.send(respond(stream, flag::END_STREAM, "204", &[]));
    assert_eq!(client.answer("OPTIONS").status(), 204);
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 1.0);
}

// T23
fn early_hints_reach_clients() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(literal_hint(stream, "</a.css>"));
    peer.send(respond(stream, 0, "102", &[("content-length", "0")]));
    peer.send([literal_hint(stream, "</b.css>"), answer(stream, "404", "<p>no</p>")].concat());
    let got = client.answer("GET");
    let seen: Vec<_> =
        got.interim.iter().map(|head| (head.status(), head.field("link").to_owned())).collect();
    assert_eq!(seen, [(103, "</a.css>".into()), (102, String::new()), (103, "</b.css>".into())]);
    assert!(!got.interim.iter().any(|head| head.has("content-length")), "RFC 9110, 8.6");
    assert_eq!((got.status(), &got.json()["status"]), (404, &404.into()), "described as ever");

    // Before the answer, each to its own stream.
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([get(1, &[]), get(3, &[])].concat());
    let (one, two) = (peer.request(), peer.request());
    peer.send([literal_hint(two, "two"), literal_hint(one, "one")].concat());
    let hints = |wire: &Wire, stream| wire.streams.get(&stream).map_or(0, |stream| stream.interim.len());
    wire.until("hints", |wire| hints(wire, 1) == 1 && hints(wire, 3) == 1);
    let link = |wire: &mut Wire, stream| {
        wire.stream(stream).interim[0].iter().find(|field| field.0 == "link").unwrap().1.clone()
    };
    let paths = [link(&mut wire, 1), link(&mut wire, 3)];
    assert!(paths == ["one", "two"], "{paths:?}");
    peer.send([answer(one, "200", "1"), answer(two, "200", "2")].concat());
    wire.over(1).assert_is(200, "1");
    wire.over(3).assert_is(200, "2");

    // HTTP/1.0 knows nothing of them.
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    let stream = peer.request();
    peer.send([literal_hint(stream, "x"), answer(stream, "200", "old")].concat());
    let got = client.answer("GET");
    assert_eq!((got.interim.len(), &*got.text()), (0, "old"));
}

const HELD: &str = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

fn a_body_is_sent_when_the_upstream_asks_for_it() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let (mut client, mut wire) = (proxy.client(), Wire::open(proxy.listen, &[]));
    let start = Instant::now();
    client.send(HELD);
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    assert_eq!(peer.stream(stream).field("expect"), "100-continue");
    peer.send(respond(stream, 0, "100", &[]));
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(peer.over(stream).body, b"body");
    peer.send(answer(stream, "200", "thanks"));
    assert_eq!(client.answer("POST").text(), "thanks");

    wire.send(post(1, "/", &[("expect", "100-continue"), ("content-length", "4")]));
    let stream = peer.request();
    peer.send(respond(stream, 0, "100", &[]));
    wire.until("100", |wire| wire.streams.get(&1).is_some_and(|stream| stream.interim.len() == 1));
    wire.send(data(1, flag::END_STREAM, "more"));
    assert_eq!(peer.over(stream).body, b"more");
    peer.send(answer(stream, "200", "thanks"));
    wire.over(1).assert_is(200, "thanks");
    assert!(start.elapsed() < Duration::from_millis(900), "not when it has been waited for: {start:?}");

    // One that is not asked for is not sent.
    client.send(HELD);
    let stream = peer.request();
    peer.send(answer(stream, "417", "no"));
    let got = client.answer("POST");
    assert_eq!((got.interim.len(), got.status()), (0, 417));
    assert_eq!((peer.reset_of(stream), peer.body_len(stream)), (code::CANCEL, 0));
}

fn a_body_that_nobody_asks_for_goes_after_a_while() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send(HELD);
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    assert_eq!(client.bytes(25), b"HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(peer.over(stream).body, b"body");
    peer.send(answer(stream, "200", "thanks"));
    assert_eq!(client.answer("POST").text(), "thanks");
}

/// A client that sends a body without end until the connection is closed, and what it is told first.
fn send_without_end(client: &mut Client) {
    let mut head = String::from("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    head.push_str(&"x".repeat(100_000));
    client.send(head);
}

fn an_early_answer_ends_the_upload() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    send_without_end(&mut client);
    // What fits into the window comes, and no more room is made.
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.until("the window is full", |peer| peer.body_len(stream) == 65_535);
    peer.send(answer(stream, "413", "too much"));
    let got = client.answer("POST");
    assert_eq!((got.status(), &*got.text()), (413, "too much"));
    client.assert_closed();
    assert_eq!(peer.reset_of(stream), code::CANCEL);
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);

    // By a head alone, and before any of the body was taken; the client's own connection goes on over HTTP/2.
    let mut wire = Wire::open(proxy.listen, &[]);
    for number in [1, 3] {
        wire.send(post(number, "/", &[]));
        wire.upload(number, &[b'x'; 10_000]);
        let stream = peer.request();
        peer.send(respond(stream, flag::END_STREAM, "200", &[("x-early", "1")]));
        let got = wire.over(number);
        assert_eq!((got.status(), got.field("x-early")), (200, "1"));
        assert_eq!(peer.reset_of(stream), code::CANCEL);
    }
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
    wire.round_trip();
    peer.round_trip();
}

fn an_early_answer_leaves_nothing_behind() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer =
        upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 1000), (setting::MAX_CONCURRENT_STREAMS, 1)]);
    let stream = peer.request();
    peer.send(answer(stream, "200", "known"));
    wire.over(1).assert_is(200, "known");
    // All of the body has come, and less than all of it has room: the stream is not kept for the rest.
    for number in [3, 5, 7] {
        wire.send([post(number, "/", &[]), data(number, flag::END_STREAM, [b'x'; 5000])].concat());
        let stream = peer.request();
        peer.until("what fits", |peer| peer.body_len(stream) == 1000);
        peer.send(answer(stream, "200", "enough"));
        wire.over(number).assert_is(200, "enough");
        assert_eq!(peer.reset_of(stream), code::CANCEL);
    }
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

fn an_early_head_does_not_end_the_upload() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    wire.until("a head", |wire| wire.streams.get(&1).is_some_and(|stream| stream.head.is_some()));
    for round in 1..=20 {
        wire.send(data(1, 0, "ping"));
        peer.until("a message", |peer| peer.body_len(stream) == 4 * round);
        peer.send(data(stream, 0, "pong"));
        wire.until("an answer", |wire| wire.body_len(1) == 4 * round);
    }
    wire.send(data(1, flag::END_STREAM, "last"));
    assert_eq!(peer.over(stream).body.len(), 84);
    peer.send(data(stream, flag::END_STREAM, ""));
    wire.over(1).assert_is(200, "pong".repeat(20));
}

fn a_client_that_reads_nothing_can_go_on_to_send() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[]));
    let mut peer = upstream.accept(&[]);
    peer.is_generous = true;
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    // More than the client's window.
    for _ in 0..7 {
        peer.send(data(stream, 0, vec![b'y'; 16_384]));
    }
    wire.until("the window is full", |wire| wire.body_len(1) == 65_535);
    let body = vec![b'x'; 65_000];
    for round in 1..=10 {
        let mut rest = &body[..];
        while !rest.is_empty() {
            wire.until("a window opens", |wire| wire.room(1) > 0);
            rest = wire.upload(1, rest);
            // What is let through is made room for when it has arrived.
            peer.round_trip();
        }
        peer.until("all of it", |peer| peer.body_len(stream) == 65_000 * round);
    }
    wire.send(reset(1, code::CANCEL));
    assert_eq!(peer.reset_of(stream), code::CANCEL);
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

// T58
fn a_client_that_leaves_resets_its_stream() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let waiting = peer.request();
    drop(client);
    assert_eq!(peer.reset_of(waiting), code::CANCEL);

    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let streaming = peer.request();
    peer.send([respond(streaming, 0, "200", &[]), data(streaming, 0, "begun")].concat());
    client.head();
    drop(client);
    assert_eq!(peer.reset_of(streaming), code::CANCEL);

    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([post(1, "/", &[]), data(1, 0, "half"), get(3, &[])].concat());
    let (uploading, other) = (peer.request(), peer.request());
    peer.until("half", |peer| peer.body_len(uploading) == 4);
    wire.send(reset(1, code::CANCEL));
    assert_eq!(peer.reset_of(uploading), code::CANCEL);
    // While head and body are under way at the same time.
    wire.send([post(5, "/", &[]), data(5, 0, "half")].concat());
    let both = peer.request();
    peer.send([respond(both, 0, "200", &[]), data(both, 0, "begun")].concat());
    wire.until("a body", |wire| wire.body_len(5) == 5);
    wire.send(reset(5, code::CANCEL));
    assert_eq!(peer.reset_of(both), code::CANCEL);
    peer.send(answer(other, "200", "goes on"));
    wire.over(3).assert_is(200, "goes on");
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
    proxy.wait_for("status_proxy_upstream_connections_total", &[], 1.0);
}

// T58
fn a_client_that_leaves_an_upload_without_room_resets_its_stream() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let stream = peer.request();
    peer.send(answer(stream, "200", ""));
    client.answer("GET");
    let mut left = Vec::new();
    for framing in ["Content-Length: 5000", "Transfer-Encoding: chunked"] {
        for is_reset in [false, true] {
            let mut client = proxy.client();
            client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{framing}\r\n\r\n4\r\nfour\r\n"));
            let stream = peer.request();
            peer.send(
                [respond(stream, 0, "200", &[("content-length", "9")]), data(stream, 0, "begun")].concat(),
            );
            client.head();
            client.bytes(5);
            client.send("4\r\nmore\r\n");
            if is_reset {
                set_socket_linger(client.stream(), Some(Duration::ZERO)).expect("a socket takes SO_LINGER");
            }
            left.push((stream, framing, is_reset));
        }
    }
    for (stream, framing, is_reset) in left {
        assert_eq!(peer.reset_of(stream), code::CANCEL, "{framing} {is_reset}");
    }
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

fn a_client_that_has_sent_all_is_waited_for_while_the_upstream_takes_it() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nhello");
    let mut peer = upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let stream = peer.request();
    client.send("world");
    client.finish();
    std::thread::sleep(Duration::from_millis(1500));
    peer.send(window_update(stream, 5));
    std::thread::sleep(Duration::from_millis(600));
    peer.send(answer(stream, "200", "enough"));
    assert_eq!(client.answer("POST").body, b"enough");
}

fn many_streams_that_clients_give_up_leave_the_others_alone() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let kept = peer.request();
    peer.send(respond(kept, 0, "200", &[]));
    for round in 0..30 {
        let mut client = Wire::open(proxy.listen, &[]);
        client.send((0..100).flat_map(|number| get(2 * number + 1, &[])).collect::<Vec<_>>());
        let streams: Vec<_> = (0..100).map(|_| peer.request()).collect();
        drop(client);
        for stream in &streams {
            assert_eq!(peer.reset_of(*stream), code::CANCEL, "{round}");
        }
        // These were under way already.
        peer.send(streams.iter().flat_map(|stream| answer(*stream, "200", "late")).collect::<Vec<_>>());
        peer.round_trip();
    }
    peer.send(data(kept, flag::END_STREAM, "whole"));
    wire.over(1).assert_is(200, "whole");
    assert!(peer.goaways.is_empty() && !peer.is_closed);
}

fn a_request_that_breaks_off_resets_its_stream() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[limits]\nrequest_body = '10B'\n");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.until("a part", |peer| peer.body_len(stream) == 4);
    client.send("no chunk\r\n");
    assert_eq!(client.answer("POST").status(), 400);
    assert_eq!(peer.reset_of(stream), code::CANCEL);

    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n");
    let stream = peer.request();
    peer.until("a part", |peer| peer.body_len(stream) == 4);
    client.send("7\r\ntoomuch\r\n0\r\n\r\n");
    assert_eq!(client.answer("POST").status(), 413);
    assert_eq!(peer.reset_of(stream), code::CANCEL);
    // After the head of the answer: neither side is told that it got all.
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nfour\r\n");
    let stream = peer.request();
    peer.send([respond(stream, 0, "200", &[]), data(stream, 0, "begun")].concat());
    client.head();
    client.send("7\r\ntoomuch\r\n0\r\n\r\n");
    assert_eq!(peer.reset_of(stream), code::CANCEL);
    let rest = client.rest();
    assert!(!rest.ends_with(b"0\r\n\r\n"), "{}", String::from_utf8_lossy(&rest));
}

// T28
fn trailers_pass_both_ways() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 1\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    let seen = peer.over(stream);
    assert_eq!((&*seen.body, seen.field("te")), (&b"hi"[..], "trailers"));
    assert_eq!(seen.trailers.as_deref(), Some(&[("x-sum".to_owned(), "1".to_owned())][..]));
    let trailers = |stream| frame(kind::HEADERS, flag::WHOLE, stream, hpack::literals(&[("x-sum", "2")]));
    let named = [("trailer", "x-sum")];
    peer.send([respond(stream, 0, "200", &named), data(stream, 0, "ok"), trailers(stream)].concat());
    let got = client.answer("POST");
    assert_eq!(
        (&*got.text(), got.trailers.iter().any(|(name, value)| name == "x-sum" && value == b"2")),
        ("ok", true)
    );

    let mut wire = Wire::open(proxy.listen, &[]);
    let end = frame(kind::HEADERS, flag::WHOLE, 1, hpack::literals(&[("x-sum", "3")]));
    wire.send([post(1, "/", &[("te", "trailers")]), data(1, 0, "hi"), end].concat());
    let stream = peer.request();
    let seen = peer.over(stream);
    assert_eq!(seen.trailers.as_deref(), Some(&[("x-sum".to_owned(), "3".to_owned())][..]));
    peer.send([respond(stream, 0, "200", &[]), trailers(stream)].concat());
    let got = wire.over(1);
    assert_eq!(got.trailers.as_deref(), Some(&[("x-sum".to_owned(), "2".to_owned())][..]));
}

// T20, T21
fn answers_without_content_have_none() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    let mut peer: Option<Wire> = None;
    for (method, status, length, ends) in [
        ("HEAD", "200", "4", true),
        ("HEAD", "200", "4", false),
        ("GET", "204", "", true),
        ("GET", "204", "", false),
        ("GET", "304", "4", true),
        ("GET", "304", "4", false),
    ] {
        client.send(format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n"));
        let peer = peer.get_or_insert_with(|| upstream.accept(&[]));
        let stream = peer.request();
        let fields = [("content-length", length), ("etag", "\"1\"")];
        let fields = if length.is_empty() { &fields[1..] } else { &fields[..] };
        peer.send(respond(stream, if ends { flag::END_STREAM } else { 0 }, status, fields));
        let got = client.head();
        assert_eq!((got.status().to_string(), &*got.field("etag")), (status.to_owned(), "\"1\""), "{method}");
        if method == "HEAD" {
            assert_eq!(got.field("content-length"), length);
        }
        if !ends {
            peer.send(data(stream, flag::END_STREAM, ""));
        }
    }
    // One that is not ended is not waited for.
    let mut peer = peer.unwrap();
    let mut wire = Wire::open(proxy.listen, &[]);
    for (number, method, status) in [(1, "HEAD", "200"), (3, "GET", "204"), (5, "GET", "304")] {
        wire.send(ask(number, method, "/", &[]));
        let stream = peer.request();
        peer.send(respond(stream, 0, status, &[]));
        assert_eq!(wire.over(number).status().to_string(), status);
        assert_eq!(peer.reset_of(stream), code::CANCEL);
    }
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = peer.request();
    peer.send(answer(stream, "200", "in step"));
    assert_eq!(client.answer("GET").text(), "in step");
    proxy.wait_for_gauge(IN_FLIGHT, 0.0);
}

// T9, T18
fn lengths_are_said_once_and_kept_to() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    let twice = [("content-length", "4"), ("content-length", "4")];
    wire.send(ask(1, "GET", "/", &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send([respond(stream, 0, "200", &twice), data(stream, flag::END_STREAM, "four")].concat());
    wire.over(1).assert_is(200, "four");
    assert_eq!(wire.stream(1).field("content-length"), "4");
    // Longer or shorter than said, by data or trailers: never complete, and the upstream is told.
    let trailers = |stream| frame(kind::HEADERS, flag::WHOLE, stream, hpack::literals(&[("x-sum", "2")]));
    let short = |stream| data(stream, flag::END_STREAM, "ree");
    let long = |stream| data(stream, 0, "longer");
    let rests: [&dyn Fn(u32) -> Vec<u8>; 3] = [&short, &long, &trailers];
    for (number, rest) in (1..).map(|number| 2 * number + 1).zip(rests) {
        wire.send(get(number, &[]));
        let stream = peer.request();
        peer.send([respond(stream, 0, "200", &[("content-length", "5")]), data(stream, 0, "f")].concat());
        wire.until("a byte", |wire| wire.body_len(number) == 1);
        peer.send(rest(stream));
        assert_eq!(wire.over(number).reset, Some(code::INTERNAL_ERROR), "not the client's fault");
        // One that has ended its side by trailers is not told.
        if number < 7 {
            assert_eq!(peer.reset_of(stream), code::PROTOCOL_ERROR);
        }
        let mut client = proxy.client();
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let stream = peer.request();
        peer.send([respond(stream, 0, "200", &[("content-length", "5")]), data(stream, 0, "f")].concat());
        client.head();
        peer.send(rest(stream));
        assert!(client.rest().len() < 5);
    }
    let labels = [("kind", "upstream")];
    let scrape = proxy.wait_for("status_normalize_body_errors_total", &labels, 6.0);
    assert_eq!(scrape.sum("status_proxy_malformed_streams_total", &[]), 0.0, "of clients there is none");
}
