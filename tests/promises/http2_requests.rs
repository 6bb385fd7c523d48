//! Requests over HTTP/2, held against RFC 9113, section 8: which are malformed, and what looks like it.

use std::time::Duration;

use crate::support::{
    backend::{Backend, Step, answer},
    client::Client,
    conversations::{
        FINE, MALFORMED, Outcome::Answered, Outcomes, PIECES, STREAM, backend, case, check, hold_malformed,
    },
    frames::{MAX_FRAME, Wire, ask, data, flag, frame, get, kind, post, request_block},
    hpack,
    proxy::Proxy,
    trials,
};

trials![
    an_end_behind_the_answer,
    an_end_that_is_not_told,
    fields,
    lengths,
    long_targets,
    pseudo_fields,
    targets,
    trailers,
];

/// All of a body, answered before its end is told in a frame of its own: nothing is left that a reset would stop (8.1).
fn an_end_behind_the_answer() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    for stream in [1, 3] {
        wire.send([post(stream, "/", &[("content-length", "5")]), data(stream, 0, "whole")].concat());
        wire.over(stream).assert_is(200, "whole");
    }
    // Some clients tell the end apart, and others leave it at that.
    wire.send(data(1, flag::END_STREAM, ""));
    wire.assert_goes_on(5, "");
    assert_eq!([1, 3].map(|stream| wire.streams[&stream].reset), [None; 2]);
    assert_eq!(backend.connections(), 1, "the upstream has had each request whole");
}

/// With all of the body there it is the upstream that is waited for.
fn an_end_that_is_not_told() {
    let backend = Backend::does(vec![Step::Wait(Duration::from_secs(5))]);
    let timeouts = "[timeouts]\nrequest_body = '100ms'\nresponse_head = '500ms'\n";
    let proxy = Proxy::configured(&format!("upstream = '{}'\n{timeouts}", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([post(1, "/", &[("content-length", "5")]), data(1, 0, "whole")].concat());
    assert_eq!(wire.over(1).status(), 504);
    wire.send([post(3, "/", &[("content-length", "6")]), data(3, 0, "whole")].concat());
    assert_eq!(wire.over(3).status(), 408);
}

/// RFC 9113, 8.2.
fn fields() {
    let raw = |name, (field, value): (&[u8], &[u8]), outcomes| {
        let block = [request_block("GET", "/", &[]), hpack::literals(&[(field, value)])].concat();
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, block), outcomes)
    };
    let bad = |name, field: &str, value: &str| raw(name, (field.as_bytes(), value.as_bytes()), MALFORMED);
    hold_malformed(
        &[
            raw("te: trailers", (b"te", b"trailers"), FINE),
            raw("an empty value", (b"x-a", b""), FINE),
            raw("a value beyond ASCII", (b"x-a", b"\x80\xff"), FINE),
            raw("a value with a tab", (b"x-a", b"b\tc"), FINE),
            case("cookies apart", get(STREAM, &[("cookie", "a=1"), ("cookie", "b=2")]), FINE),
            bad("connection", "connection", "close"),
            bad("an empty connection", "connection", ""),
            bad("keep-alive", "keep-alive", "timeout=5"),
            bad("proxy-connection", "proxy-connection", "close"),
            bad("transfer-encoding", "transfer-encoding", "chunked"),
            bad("transfer-encoding: identity", "transfer-encoding", "identity"),
            bad("upgrade", "upgrade", "websocket"),
            bad("te: gzip", "te", "gzip"),
            bad("te: trailers, gzip", "te", "trailers, gzip"),
            raw("an upper-case name", (b"X-Upper", b"b"), MALFORMED),
            raw("an upper-case letter", (b"x-uppeR", b"b"), MALFORMED),
            raw("no name", (b"", b"b"), MALFORMED),
            raw("a name with a blank", (b"x a", b"b"), MALFORMED),
            raw("a name with a colon", (b"x:a", b"b"), MALFORMED),
            raw("a name beyond ASCII", (b"x\xff", b"b"), MALFORMED),
            raw("a name with NUL", (b"x\0", b"b"), MALFORMED),
            raw("a name with DEL", (b"x\x7f", b"b"), MALFORMED),
            raw("a name with a line break", (b"x: y\r\nz", b"b"), MALFORMED),
            raw("a value with NUL", (b"x", b"a\0b"), MALFORMED),
            raw("a value with CR", (b"x", b"a\rb"), MALFORMED),
            raw("a value with LF", (b"x", b"a\nb"), MALFORMED),
            raw("a value with a line break", (b"x", b"a\r\nz: b"), MALFORMED),
        ],
        &[1, PIECES],
    );
}

/// They are no malformed requests: what HTTP/1.1 has a status for is answered with it here.
fn long_targets() {
    let backend = backend();
    let status = |proxy: &Proxy, length: usize, fields: &[(&str, &str)]| {
        let target = format!("/{}", "a".repeat(length - 1));
        let block = request_block("GET", &target, fields);
        let mut bytes = frame(kind::HEADERS, flag::END_STREAM, 1, []);
        bytes.extend(block.chunks(MAX_FRAME).flat_map(|part| frame(kind::CONTINUATION, 0, 1, part)));
        bytes.extend(frame(kind::CONTINUATION, flag::END_HEADERS, 1, []));
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(bytes);
        let status = wire.over(1).status();
        wire.assert_goes_on(3, "fine");
        let lines: Vec<_> = fields.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        let lines: Vec<_> = lines.iter().map(String::as_str).collect();
        let http1 = Client::connect(proxy.listen).ask("GET", &target, &lines).status();
        assert_eq!(status, http1, "of {length} bytes, as over HTTP/1.1");
        status
    };
    let proxy = Proxy::start(&backend.url());
    assert_eq!(status(&proxy, 65_533, &[]), 200);
    for length in [65_535, 66_000, 120_000, 200_000] {
        assert_eq!(status(&proxy, length, &[]), 414, "{length}");
    }
    let labels = [("source", "proxy"), ("status", "414"), ("upstream_status", "none")];
    proxy.wait_for("status_normalize_responses_total", &labels, 8.0);
    let with_prefix = |limits| Proxy::configured(&format!("upstream = '{}/prefix'\n{limits}", backend.url()));
    let proxy = with_prefix("[limits]\nhead_size = '8KiB'\n");
    assert_eq!(status(&proxy, 7_000, &[]), 200);
    assert_eq!(status(&proxy, 9_000, &[]), 414, "longer than a head may be");
    assert_eq!(status(&proxy, 5_000, &[("x-a", &"y".repeat(5_000))]), 431, "together they are");
    assert_eq!(status(&with_prefix(""), 65_533, &[]), 414, "with the upstream's own path");
}

/// RFC 9113, 8.1.1.
fn lengths() {
    let body = |name, length: &str, frames: &[Vec<u8>], outcomes| {
        let head = post(STREAM, "/", &[("content-length", length)]);
        case(name, [&[head], frames].concat().concat(), outcomes)
    };
    let part = |bytes| data(STREAM, 0, bytes);
    let last = |bytes| data(STREAM, flag::END_STREAM, bytes);
    let none = |name, fields: &[(&str, &str)], outcomes| case(name, get(STREAM, fields), outcomes);
    hold_malformed(
        &[
            none("none", &[("content-length", "0")], FINE),
            none("none of 5", &[("content-length", "5")], MALFORMED),
            none("not a number", &[("content-length", "x")], MALFORMED),
            none("a sign", &[("content-length", "+0")], MALFORMED),
            none("a list", &[("content-length", "0, 0")], MALFORMED),
            none("two", &[("content-length", "0"), ("content-length", "1")], MALFORMED),
            body("as announced", "4", &[last("body")], FINE),
            body("in parts", "4", &[part("bo"), part(""), last("dy")], FINE),
            body("ended apart", "4", &[part("body"), last("")], FINE),
            body("longer", "4", &[last("body!")], MALFORMED),
            body("shorter", "4", &[last("bod")], MALFORMED),
            body("shorter in parts", "4", &[part("bo"), last("d")], MALFORMED),
            body("nothing", "4", &[last("")], MALFORMED),
            body("huge", "18446744073709551616", &[last("body")], MALFORMED),
        ],
        &[1, PIECES],
    );
    // In pieces they are answered before the excess comes.
    hold_malformed(
        &[
            body("longer in parts", "4", &[part("body"), last("!")], MALFORMED),
            body("something instead of nothing", "0", &[last("x")], MALFORMED),
        ],
        &[1],
    );
}

/// RFC 9113, 8.3 and 8.5.
fn pseudo_fields() {
    let head = |name, fields: &[(&str, &str)], outcomes| {
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, hpack::literals(fields)), outcomes)
    };
    let bad = |name, fields: &[(&str, &str)]| head(name, fields, MALFORMED);
    let [method, scheme, path, authority] =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let connect = (":method", "CONNECT");
    hold_malformed(
        &[
            head("in another order", &[authority, path, scheme, method], FINE),
            head("a host instead of the authority", &[method, scheme, path, ("host", "a")], FINE),
            head("the same host", &[method, scheme, path, authority, ("host", "a")], FINE),
            head("https", &[method, (":scheme", "https"), path, authority], FINE),
            bad("no fields", &[]),
            bad("none", &[("x-a", "b")]),
            bad("no method", &[scheme, path, authority]),
            bad("no scheme", &[method, path, authority]),
            bad("no path", &[method, scheme, authority]),
            bad("an empty path", &[method, scheme, (":path", ""), authority]),
            bad("a path without slash", &[method, scheme, (":path", "x"), authority]),
            bad("a path with a blank", &[method, scheme, (":path", "/a b"), authority]),
            bad("a scheme that is none", &[method, (":scheme", "a b"), path, authority]),
            bad("an authority that is none", &[method, scheme, path, (":authority", "a b")]),
            bad("two methods", &[method, method, scheme, path, authority]),
            bad("two schemes", &[method, scheme, scheme, path, authority]),
            bad("two paths", &[method, scheme, path, path, authority]),
            bad("two authorities", &[method, scheme, path, authority, authority]),
            bad("behind a field", &[method, scheme, authority, ("x-a", "b"), path]),
            bad("of a response", &[method, scheme, path, authority, (":status", "200")]),
            bad("a protocol without CONNECT", &[method, scheme, path, authority, (":protocol", "websocket")]),
            bad("CONNECT with scheme and path", &[connect, scheme, path, authority]),
            bad("a protocol that is none", &[connect, scheme, path, authority, (":protocol", "websoc\0ket")]),
            head("unknown", &[method, scheme, path, authority, (":unknown", "x")], MALFORMED),
            head("no name", &[method, scheme, path, authority, (":", "x")], MALFORMED),
            head("an empty method", &[(":method", ""), scheme, path, authority], MALFORMED),
            head("a method with a blank", &[(":method", "G T"), scheme, path, authority], MALFORMED),
        ],
        &[1, PIECES],
    );
}

/// What is well-formed and answered here.
fn targets() {
    let head = |name, fields: &[(&str, &str)], status| {
        case(name, frame(kind::HEADERS, flag::WHOLE, STREAM, hpack::literals(fields)), status)
    };
    let [method, scheme, path, authority] =
        [(":method", "GET"), (":scheme", "http"), (":path", "/"), (":authority", "a")];
    let connect = (":method", "CONNECT");
    let protocol = (":protocol", "connect-udp");
    let [bad_request, not_implemented]: [Outcomes; 2] = [&[Answered(400)], &[Answered(501)]];
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let cases = [
        head("no host", &[method, scheme, path], bad_request),
        head("an empty host", &[method, scheme, path, ("host", "")], bad_request),
        head("two hosts", &[method, scheme, path, ("host", "a"), ("host", "b")], bad_request),
        head("the same host twice", &[method, scheme, path, ("host", "a"), ("host", "a")], bad_request),
        head("no path but *", &[method, scheme, (":path", "*"), authority], bad_request),
        head("CONNECT", &[connect, (":authority", "a:80")], not_implemented),
        head("an unknown protocol", &[connect, protocol, scheme, path, authority], not_implemented),
    ];
    check(&proxy, &cases, &[1, PIECES]);
    assert!(backend.seen().iter().all(|request| request.start == "GET / HTTP/1.1"));
    assert_eq!(backend.seen().len(), 2 * cases.len() + 1, "each time the one behind it, and the last");
    // What a server of one authority is told is one authority.
    for host in ["a", "b"] {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(get(1, &[("host", host)]));
        wire.over(1).assert_is(200, "fine");
        assert_eq!(backend.seen().last().unwrap().all("host"), ["a"]);
    }
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(ask(1, "OPTIONS", "*", &[]));
    wire.over(1).assert_is(200, "fine");
    assert_eq!(backend.seen().last().unwrap().start, "OPTIONS * HTTP/1.1");
}

/// RFC 9113, 8.1.
fn trailers() {
    let on = |flags, fields: &[(&str, &str)]| frame(kind::HEADERS, flags, STREAM, hpack::literals(fields));
    let posted = |bytes: Vec<u8>| [post(STREAM, "/", &[]), data(STREAM, 0, "body"), bytes].concat();
    let sum = ("x-sum", "1");
    let more = frame(kind::CONTINUATION, flag::END_HEADERS, STREAM, hpack::literals(&[("x-more", "2")]));
    let short =
        [post(STREAM, "/", &[("content-length", "5")]), data(STREAM, 0, "body"), on(flag::WHOLE, &[sum])];
    hold_malformed(
        &[
            case("behind a body", posted(on(flag::WHOLE, &[sum])), FINE),
            case("behind none", [post(STREAM, "/", &[]), on(flag::WHOLE, &[sum])].concat(), FINE),
            case("in two frames", posted([on(flag::END_STREAM, &[sum]), more].concat()), FINE),
            case("empty", posted(on(flag::WHOLE, &[])), FINE),
            case("that do not end the stream", posted(on(flag::END_HEADERS, &[sum])), MALFORMED),
            case("of the connection", posted(on(flag::WHOLE, &[sum, ("connection", "close")])), MALFORMED),
            case("in upper case", posted(on(flag::WHOLE, &[("X-Sum", "1")])), MALFORMED),
            case("behind a body too short", short.concat(), MALFORMED),
        ],
        &[1, PIECES],
    );
}
