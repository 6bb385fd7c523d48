//! What a gateway takes off and puts on, in both directions; T10.

use crate::support::{
    backend::{Backend, Step, answer},
    h2,
    proxy::Proxy,
    trials,
};

trials![
    a_path_prefix_is_prepended,
    forwarded_fields_are_appended,
    forwarded_fields_of_those_not_trusted_are_replaced,
    host_is_kept_or_set,
    hop_by_hop_request_fields_end_here,
    hop_by_hop_response_fields_end_here,
    location_is_not_rewritten,
    proxy_authorization_passes,
    request_bodies_arrive_as_they_were,
    request_ids_are_passed_and_made_on_demand,
];

fn fine() -> Backend {
    Backend::says(answer("200 OK", &[], "fine"))
}

// T10
fn hop_by_hop_request_fields_end_here() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    let lines = [
        "Connection: x-foo, close, X-Bar",
        "X-Foo: 1",
        "X-Bar: 2",
        "X-Kept: 3",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: keep-alive",
        "TE: gzip, trailers;q=0.5",
        "Upgrade-Insecure-Requests: 1",
    ];
    proxy.ask("GET", "/", &lines);
    let seen = &backend.seen()[0];
    for name in ["x-foo", "x-bar", "keep-alive", "proxy-connection"] {
        assert!(!seen.has(name), "{name}: {:?}", seen.fields);
    }
    assert!(["", "trailers"].contains(&seen.field("te").as_str()), "{:?}", seen.fields);
    assert_eq!(seen.field("x-kept"), "3");
    assert_eq!(
        seen.field("upgrade-insecure-requests"),
        "1",
        "an end-to-end field that only looks like another"
    );
    assert!(
        !seen.tokens("connection").iter().any(|token| token == "x-foo" || token == "close"),
        "{:?}",
        seen.fields
    );
    // Framing and Host cannot be named away.
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nConnection: host, content-length, x-forwarded-for\r\nContent-Length: 4\r\n\r\nbody");
    assert_eq!(client.answer("POST").status(), 200);
    let seen = &backend.seen()[1];
    assert_eq!((seen.field("host").as_str(), seen.text().as_str()), ("a", "body"));
    assert_eq!(seen.field("x-forwarded-for"), "127.0.0.1");
}

// T10
fn hop_by_hop_response_fields_end_here() {
    let lines = [
        "Connection: x-foo",
        "X-Foo: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: x",
        "TE: gzip",
        "Upgrade: h2c",
        "X-Kept: 3",
    ];
    for status in ["200 OK", "404 No"] {
        let backend = Backend::says(answer(status, &lines, "x"));
        let answer = Proxy::start(&backend.url()).get("/");
        for name in ["x-foo", "keep-alive", "proxy-connection", "te", "upgrade"] {
            assert!(!answer.has(name), "{status} {name}");
        }
        assert_eq!(answer.field("x-kept"), "3");
    }
}

fn proxy_authorization_passes() {
    let backend = Backend::says(answer("200 OK", &["Proxy-Authenticate: Basic"], ""));
    let answer = Proxy::start(&backend.url()).ask("GET", "/", &["Proxy-Authorization: Basic eA=="]);
    assert_eq!(backend.seen()[0].field("proxy-authorization"), "Basic eA==");
    assert_eq!(answer.field("proxy-authenticate"), "Basic");
}

fn forwarded_fields_are_appended() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    proxy.get("/");
    proxy.ask(
        "GET",
        "/",
        &["X-Forwarded-For: 192.0.2.7", "X-Forwarded-Proto: https", "X-Forwarded-Host: edge.test"],
    );
    let seen = backend.seen();
    assert_eq!(seen[0].field("x-forwarded-for"), "127.0.0.1");
    assert_eq!(seen[0].field("x-forwarded-proto"), "http");
    assert_eq!(seen[0].field("x-forwarded-host"), "api.test");
    assert!(!seen[0].has("forwarded"), "only by option");
    assert_eq!(seen[1].tokens("x-forwarded-for"), ["192.0.2.7", "127.0.0.1"]);
    assert_eq!(seen[1].tokens("x-forwarded-proto")[0], "https");
    assert_eq!(seen[1].tokens("x-forwarded-host")[0], "edge.test");
}

fn forwarded_fields_of_those_not_trusted_are_replaced() {
    let backend = fine();
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\n[forwarding]\ntrust = 'none'\nforwarded = true\n",
        backend.url()
    ));
    let lines = [
        "X-Forwarded-For: 192.0.2.7",
        "X-Forwarded-Proto: https",
        "X-Forwarded-Host: evil.test",
        "Forwarded: for=192.0.2.7",
    ];
    proxy.ask("GET", "/", &lines);
    let seen = &backend.seen()[0];
    assert_eq!(seen.all("x-forwarded-for"), ["127.0.0.1"]);
    assert_eq!(seen.all("x-forwarded-proto"), ["http"]);
    assert_eq!(seen.all("x-forwarded-host"), ["api.test"]);
    let forwarded = seen.field("forwarded");
    assert!(!forwarded.contains("192.0.2.7"), "{forwarded}");
    assert!(forwarded.contains("for=127.0.0.1") && forwarded.contains("proto=http"), "{forwarded}");
}

fn host_is_kept_or_set() {
    let backend = fine();
    Proxy::start(&backend.url()).get("/");
    assert_eq!(backend.seen()[0].field("host"), "api.test");
    let proxy =
        Proxy::configured(&format!("upstream = {{ url = '{}', keep_host = false }}\n", backend.url()));
    proxy.get("/");
    h2::Client::connect(proxy.listen).ask("GET", "/", &[]);
    for seen in &backend.seen()[1..] {
        assert_eq!(seen.field("host"), backend.address.to_string());
        assert_eq!(seen.field("x-forwarded-host"), "api.test");
    }
    // `:authority` becomes Host.
    let proxy = Proxy::start(&backend.url());
    h2::Client::connect(proxy.listen).ask("GET", "/", &[]);
    assert_eq!(backend.seen()[3].field("host"), "api.test");
}

fn a_path_prefix_is_prepended() {
    let backend = fine();
    for (prefix, asked, expected) in [
        ("/base", "/a?b=/c", "/base/a?b=/c"),
        ("/base/", "/a", "/base/a"),
        ("/base", "/", "/base/"),
        ("/", "/a", "/a"),
        ("", "/a//b/", "/a//b/"),
    ] {
        let proxy = Proxy::start(&format!("{}{prefix}", backend.url()));
        proxy.get(asked);
        assert_eq!(backend.seen().last().unwrap().target(), expected, "{prefix:?} {asked}");
    }
}

fn location_is_not_rewritten() {
    for location in ["http://backend.internal:3000/x", "/relative", "//elsewhere.test/"] {
        let backend = Backend::says(answer("302 Found", &[&format!("Location: {location}")], ""));
        assert_eq!(Proxy::start(&backend.url()).get("/").field("location"), location);
    }
}

// T7
fn request_ids_are_passed_and_made_on_demand() {
    let backend = Backend::scripted(|request| {
        let line = format!("X-Seen: {}", request.field("x-request-id"));
        vec![Step::Send(answer("200 OK", &[&line], ""))]
    });
    let proxy = Proxy::start(&backend.url());
    assert_eq!(proxy.get("/").field("x-seen"), "", "not without the option");
    assert_eq!(proxy.ask("GET", "/", &["X-Request-Id: mine"]).field("x-seen"), "mine");
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[forwarding]\nrequest_id = true\n", backend.url()));
    assert_eq!(proxy.ask("GET", "/", &["X-Request-Id: mine"]).field("x-seen"), "mine");
    let made: std::collections::BTreeSet<_> = (0..50).map(|_| proxy.get("/").field("x-seen")).collect();
    assert_eq!(made.len(), 50, "each its own: {made:?}");
    assert!(made.iter().all(|id| id.len() >= 16));
}

fn request_bodies_arrive_as_they_were() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    let large: Vec<u8> = (0..300_000_u32).map(|number| (number % 251) as u8).collect();
    let mut sized =
        format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {}\r\n\r\n", large.len()).into_bytes();
    sized.extend(&large);
    client.send(sized);
    assert!(client.answer("POST").body == large);
    let mut chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".to_vec();
    for piece in large.chunks(7_001) {
        chunked.extend(crate::support::backend::chunk(piece));
    }
    chunked.extend(b"0\r\nX-Checksum: 17\r\n\r\n");
    client.send(chunked);
    assert!(client.answer("POST").body == large);
    let seen = backend.seen();
    assert_eq!(seen[0].field("content-length"), large.len().to_string());
    assert_eq!(seen[1].field("transfer-encoding"), "chunked");
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n");
    client.answer("POST");
    assert_eq!(backend.seen()[2].field("content-length"), "0");
    client.get("/");
    assert!(!backend.seen()[3].has("content-length") && !backend.seen()[3].has("transfer-encoding"));
    // Content has no meaning in a GET, but it is not ours to lose.
    client.send("GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n");
    assert_eq!(client.answer("GET").text(), "abc");
    client.send("GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc");
    assert_eq!(client.answer("GET").text(), "abc");
    let request = h2::request("GET", "/", &[], bytes::Bytes::from_static(b"abc"));
    assert_eq!(h2::block_on(h2::Client::connect(proxy.listen).send(request)).unwrap().body, b"abc");
}
