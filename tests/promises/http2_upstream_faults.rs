//! HTTP/2 upstreams, frame by frame, that break the rules of RFC 9113: clients get a documented answer, or see that one
//! broke off, and the program goes on.

use crate::support::{
    frame_upstream::Upstream,
    frames::{
        Wire, answer, code, data, flag, frame, get, goaway, kind, reset, respond, setting, settings,
        window_update,
    },
    hpack,
    proxy::Proxy,
    trials,
};

trials![
    answers_that_cannot_be_read_are_502,
    answers_that_end_before_their_time_are_502,
    bodies_that_break_the_rules_are_cut,
    interim_responses_without_end_are_502,
    one_malformed_answer_leaves_the_others_alone,
    what_is_odd_and_allowed_is_no_fault,
    what_speaks_no_http2_is_502,
];

const LOCAL: &str = "status_proxy_local_replies_total";

/// HEADERS that are a whole response, whatever they say.
fn head(fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flag::WHOLE, 1, hpack::literals(fields))
}

/// A request on a connection of its own is answered with these bytes, and its client by the program.
#[track_caller]
fn assert_502(upstream: &Upstream, proxy: &Proxy, case: &str, bytes: &[u8]) {
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    assert_eq!(peer.request(), 1, "{case}");
    peer.send(bytes);
    let got = client.try_answer("GET").unwrap_or_else(|error| panic!("{case}: {error}"));
    assert_eq!((got.status(), &*got.field("content-type")), (502, "application/problem+json"), "{case}");
    assert!(got.text().contains("502"), "{case}: {got:?}");
    // It must not take the next request.
    drop(peer);
}

fn answers_that_cannot_be_read_are_502() {
    let ok = (":status", "200");
    let large = "x".repeat(150_000);
    let long: Vec<_> = (0..300).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = [ok].into_iter().chain(long.iter().map(|name| (&**name, "y"))).collect();
    let too_large: Vec<u8> = {
        let block = hpack::literals(&[ok, ("x-large", &large)]);
        let mut frames = block.chunks(16_000).enumerate().map(|(number, part)| {
            frame(if number == 0 { kind::HEADERS } else { kind::CONTINUATION }, 0, 1, part)
        });
        let mut bytes: Vec<u8> = frames.by_ref().flatten().collect();
        bytes.extend(frame(kind::CONTINUATION, flag::END_HEADERS, 1, ""));
        bytes
    };
    let cases: Vec<(&str, Vec<u8>)> = vec![
        // 8.1 to 8.3: what a response is.
        ("no status", head(&[("x-a", "b")])),
        ("two statuses", head(&[ok, ok])),
        ("a status of two digits", head(&[(":status", "99")])),
        ("a status of four digits", head(&[(":status", "1000")])),
        ("a status in words", head(&[(":status", "fine")])),
        ("a status behind a field", head(&[("x-a", "b"), ok])),
        ("an unknown pseudo-field", head(&[ok, (":fine", "1")])),
        ("a name in capitals", head(&[ok, ("X-A", "b")])),
        ("an empty name", head(&[ok, ("", "b")])),
        ("a space in a name", head(&[ok, ("x a", "b")])),
        ("a line end in a value", head(&[ok, ("x-a", "b\r\nx-c: d")])),
        ("NUL in a value", head(&[ok, ("x-a", "b\0")])),
        ("connection", head(&[ok, ("connection", "close")])),
        ("transfer-encoding", head(&[ok, ("transfer-encoding", "chunked")])),
        ("keep-alive", head(&[ok, ("keep-alive", "timeout=1")])),
        ("proxy-connection", head(&[ok, ("proxy-connection", "close")])),
        ("upgrade", head(&[ok, ("upgrade", "h2c")])),
        ("a length without content", head(&[ok, ("content-length", "5")])),
        ("an empty length", head(&[ok, ("content-length", "")])),
        ("a length in words", head(&[ok, ("content-length", "all")])),
        ("a negative length", head(&[ok, ("content-length", "-1")])),
        ("two lengths", head(&[ok, ("content-length", "0"), ("content-length", "1")])),
        ("101", respond(1, 0, "101", &[("x-a", "b")])),
        ("101 and its end", respond(1, flag::END_STREAM, "101", &[])),
        ("an interim response that ends the stream", respond(1, flag::END_STREAM, "103", &[])),
        ("too many fields", head(&many)),
        ("too large a head", too_large),
        ("DATA before the head", data(1, flag::END_STREAM, "body")),
        ("DATA behind an interim response", [respond(1, 0, "103", &[]), data(1, 0, "body")].concat()),
        // 4.3: fields that cannot be read.
        ("no block", frame(kind::HEADERS, flag::WHOLE, 1, [0x80])),
        ("an index out of the table", frame(kind::HEADERS, flag::WHOLE, 1, [0xff, 0x7f])),
        ("a block that ends early", frame(kind::HEADERS, flag::WHOLE, 1, [0x00, 0x05, b'a'])),
        ("a bad code", frame(kind::HEADERS, flag::WHOLE, 1, [0x00, 0x84, 0xff, 0xff, 0xff, 0xff, 0x00])),
        ("a table too large", frame(kind::HEADERS, flag::WHOLE, 1, [0x3f, 0xe1, 0xff, 0x7f])),
        // 5.1: streams in a state that does not allow it.
        ("a head on a stream of nobody", respond(99, 0, "200", &[])),
        ("a head on the last stream of all", respond(0x7fff_ffff, 0, "200", &[("connection", "close")])),
        ("a head on an even stream", respond(2, 0, "200", &[])),
        ("a head on no stream", respond(0, 0, "200", &[])),
        ("DATA on a stream of nobody", data(99, 0, "body")),
        ("DATA on no stream", data(0, 0, "body")),
        ("a reset of a stream of nobody", reset(99, code::CANCEL)),
        ("a reset of no stream", reset(0, code::CANCEL)),
        ("room on a stream of nobody", window_update(99, 1)),
        // 6: frames.
        ("too long a frame", frame(kind::DATA, 0, 1, vec![0; 16_385])),
        ("more padding than frame", frame(kind::HEADERS, flag::WHOLE | flag::PADDED, 1, [200, 0x88])),
        ("a head in pieces with something between", {
            [frame(kind::HEADERS, 0, 1, [0x88]), frame(kind::PING, 0, 0, [0; 8])].concat()
        }),
        ("a piece of another head", {
            [frame(kind::HEADERS, 0, 1, [0x88]), frame(kind::CONTINUATION, flag::END_HEADERS, 3, [])].concat()
        }),
        ("a piece of no head", frame(kind::CONTINUATION, flag::END_HEADERS, 1, [0x88])),
        ("pieces without end", {
            let pieces = (0..2000).flat_map(|_| frame(kind::CONTINUATION, 0, 1, []));
            frame(kind::HEADERS, 0, 1, [0x88]).into_iter().chain(pieces).collect()
        }),
        ("a push", {
            let block = [&[0, 0, 0, 2][..], &crate::support::frames::request_block("GET", "/", &[])].concat();
            frame(kind::PUSH_PROMISE, flag::END_HEADERS, 1, block)
        }),
        ("a short reset", frame(kind::RST_STREAM, 0, 1, [0; 3])),
        ("settings on a stream", frame(kind::SETTINGS, 0, 1, [])),
        ("settings in part", frame(kind::SETTINGS, 0, 0, [0; 5])),
        ("an acknowledgement with settings", frame(kind::SETTINGS, flag::ACK, 0, [0; 6])),
        ("push as two", settings(&[(setting::ENABLE_PUSH, 2)])),
        ("too large a window", settings(&[(setting::INITIAL_WINDOW_SIZE, 1 << 31)])),
        ("too small a frame", settings(&[(setting::MAX_FRAME_SIZE, 100)])),
        ("a ping on a stream", frame(kind::PING, 0, 1, [0; 8])),
        ("a short ping", frame(kind::PING, 0, 0, [0; 7])),
        ("a short goaway", frame(kind::GOAWAY, 0, 0, [0; 7])),
        ("a goaway on a stream", frame(kind::GOAWAY, 0, 1, [0; 8])),
        ("no room", window_update(0, 0)),
        ("no room on the stream", window_update(1, 0)),
        ("too much room", window_update(0, 0x7fff_ffff)),
        ("a short update", frame(kind::WINDOW_UPDATE, 0, 0, [0; 3])),
        ("more than there is room for", {
            let body = (0..20).flat_map(|_| data(3, 0, vec![0; 16_384]));
            body.collect()
        }),
    ];
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let count = cases.len();
    for (case, bytes) in cases {
        assert_502(&upstream, &proxy, case, &bytes);
    }
    proxy.wait_for(LOCAL, &[("cause", "invalid_reply")], count as f64);
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(answer(stream, "200", "fine"));
    assert_eq!(client.answer("GET").text(), "fine");
    assert!(!proxy.log().contains("panick"), "{}", proxy.log());
}

fn answers_that_end_before_their_time_are_502() {
    let codes = [
        code::NO_ERROR,
        code::PROTOCOL_ERROR,
        code::INTERNAL_ERROR,
        code::FLOW_CONTROL_ERROR,
        code::STREAM_CLOSED,
        code::CANCEL,
        code::ENHANCE_YOUR_CALM,
        0xd,
        0xffff_ffff,
    ];
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    for code in codes {
        assert_502(&upstream, &proxy, &format!("reset {code}"), &reset(1, code));
        assert_502(&upstream, &proxy, &format!("goaway {code}"), &[goaway(1, code), reset(1, code)].concat());
    }
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    // Before anything was sent it is tried once more.
    for _ in 0..2 {
        drop(upstream.accept_silently());
    }
    assert_eq!(client.answer("GET").status(), 502);
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    peer.request();
    peer.send(&respond(1, 0, "200", &[])[..20]);
    drop(peer);
    assert_eq!(client.answer("GET").status(), 502);
    proxy.wait_for(LOCAL, &[("cause", "disconnected")], 2.0 * codes.len() as f64 + 2.0);
}

fn what_speaks_no_http2_is_502() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nresponse_head = '2s'\n");
    let mut client = proxy.client();
    for words in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2p1\r\n",
        "\u{15}\u{3}\u{1}\0\u{2}\u{2}\n-----------",
    ] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut peer = upstream.accept_silently();
        peer.send(words);
        assert_eq!(client.answer("GET").status(), 502, "{words:?}");
    }
    proxy.wait_for(LOCAL, &[("cause", "invalid_reply")], 3.0);
}

fn interim_responses_without_end_are_502() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    let mut peer: Option<Wire> = None;
    for (hints, status) in [(64, 200), (65, 502)] {
        client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
        let peer = peer.get_or_insert_with(|| upstream.accept(&[]));
        let stream = peer.request();
        peer.send(
            (0..hints).flat_map(|_| respond(stream, 0, "103", &[("link", "</a>")])).collect::<Vec<_>>(),
        );
        if status == 200 {
            peer.send(answer(stream, "200", "fine"));
        } else {
            assert_eq!(peer.reset_of(stream), code::CANCEL);
        }
        let got = client.answer("GET");
        assert_eq!((got.status(), got.interim.len()), (status, 64));
    }
    proxy.wait_for(LOCAL, &[("cause", "invalid_reply")], 1.0);
}

fn one_malformed_answer_leaves_the_others_alone() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.is_generous = true;
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let kept = peer.request();
    peer.send(respond(kept, 0, "200", &[]));
    // However many.
    for round in 0..1100 {
        let number = 2 * round + 3;
        wire.send(get(number, &[]));
        let stream = peer.request();
        peer.send(respond(stream, flag::END_STREAM, "200", &[("connection", "close")]));
        assert_eq!(wire.over(number).status(), 502);
        assert_eq!(peer.reset_of(stream), code::PROTOCOL_ERROR);
    }
    peer.send(data(kept, flag::END_STREAM, "whole"));
    wire.over(1).assert_is(200, "whole");
    assert!(peer.goaways.is_empty());
}

fn bodies_that_break_the_rules_are_cut() {
    let trailers = |flags, fields: &[(&str, &str)]| {
        frame(kind::HEADERS, flag::END_HEADERS | flags, 1, hpack::literals(fields))
    };
    let cases = [
        ("a reset", reset(1, code::INTERNAL_ERROR)),
        ("a reset that says that we are at fault", reset(1, code::PROTOCOL_ERROR)),
        ("a reset that says that nothing is wrong", reset(1, code::NO_ERROR)),
        ("trailers that do not end it", trailers(0, &[("x-a", "b")])),
        ("trailers with a name in capitals", trailers(flag::END_STREAM, &[("X-A", "b")])),
        ("more than there is room for", (0..20).flat_map(|_| data(1, 0, vec![0; 16_384])).collect()),
        ("a frame of no kind of length", frame(kind::DATA, flag::PADDED, 1, [])),
        ("a frame that ends early", data(1, 0, "body")[..11].to_vec()),
        ("nothing", Vec::new()),
    ];
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let count = cases.len();
    for (case, bytes) in cases {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.is_generous = true;
        wire.send(get(1, &[]));
        let mut client = proxy.client();
        let mut peer = upstream.accept(&[]);
        assert_eq!(peer.request(), 1);
        peer.send([respond(1, 0, "200", &[]), data(1, 0, "begun")].concat());
        wire.until("a part", |wire| wire.body_len(1) == 5);
        peer.send(bytes);
        let peer = case.starts_with("a reset").then_some(peer);
        assert_eq!(wire.over(1).reset, Some(code::INTERNAL_ERROR), "{case}");
        drop(peer);
        // And on a connection where its end would be the end of the body.
        client.send("GET / HTTP/1.0\r\n\r\n");
        let mut peer = upstream.accept(&[]);
        let stream = peer.request();
        peer.send(answer(stream, "200", "fine"));
        assert_eq!(client.answer("GET").text(), "fine", "{case}");
        drop(peer);
    }
    let labels = [("kind", "upstream")];
    let scrape = proxy.wait_for("status_normalize_body_errors_total", &labels, count as f64);
    assert_eq!(scrape.sum("status_proxy_malformed_streams_total", &[]), 0.0, "of clients there is none");
    assert!(!proxy.log().contains("panick"), "{}", proxy.log());
}

fn what_is_odd_and_allowed_is_no_fault() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept_silently();
    // Before the settings that are due, and with all that may be in between.
    peer.read_preface();
    peer.exchange_settings(
        settings(&[(0x99, 7), (setting::HEADER_TABLE_SIZE, 0), (setting::MAX_FRAME_SIZE, 20_000)]),
        &[],
    );
    let stream = peer.request();
    peer.send(frame(0xbe, 0xff, stream, "a frame that nobody knows"));
    peer.send(frame(kind::PRIORITY, 0, stream, [0, 0, 0, 0, 7]));
    peer.send(window_update(stream, 0x7000_0000));
    let block = hpack::literals(&[(":status", "200"), ("x-a", ""), ("content-length", "4")]);
    peer.send(frame(
        kind::HEADERS,
        flag::PADDED | flag::PRIORITY,
        stream,
        [&[3, 0, 0, 0, 0, 7][..], &block[..4], &[0; 3]].concat(),
    ));
    let mut pieces = block[4..].chunks(10).peekable();
    while let Some(piece) = pieces.next() {
        let flags = if pieces.peek().is_none() { flag::END_HEADERS } else { 0 };
        peer.send(frame(kind::CONTINUATION, flags, stream, piece));
    }
    peer.send(data(stream, 0, ""));
    peer.send(frame(kind::DATA, flag::PADDED, stream, [&[5][..], b"fo", &[0; 5]].concat()));
    peer.send(frame(kind::DATA, flag::PADDED | flag::END_STREAM, stream, [&[1][..], b"ur", &[0]].concat()));
    // What may come behind the end.
    peer.send([window_update(stream, 1), reset(stream, code::NO_ERROR)].concat());
    peer.send(frame(kind::PRIORITY, 0, stream, [0, 0, 0, 0, 7]));
    let got = client.answer("GET");
    assert_eq!((got.status(), &*got.text()), (200, "four"));
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = peer.request();
    peer.send(answer(stream, "599", "odd"));
    assert_eq!(client.answer("GET").status(), 599);
    // 8.2.1: a client of HTTP/2 would take it for a fault.
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let stream = peer.request();
    let trailers = hpack::literals(&[("grpc-message", "no such thing ")]);
    peer.send([respond(stream, 0, "200", &[("x-blank", " a b\t")]), data(stream, 0, "body")].concat());
    peer.send(frame(kind::HEADERS, flag::WHOLE, stream, trailers));
    let got = wire.over(1);
    assert_eq!((got.status(), got.field("x-blank")), (200, "a b"));
    assert_eq!(got.trailers.as_deref(), Some(&[("grpc-message".to_owned(), "no such thing".to_owned())][..]));
    // RFC 9113, 5.3.2: a priority is nothing to anybody, even one of itself.
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = peer.request();
    let itself = [&stream.to_be_bytes()[..], &[0, 0x88]].concat();
    peer.send(frame(kind::HEADERS, flag::WHOLE | flag::PRIORITY, stream, itself));
    assert_eq!(client.answer("GET").status(), 200);
}
