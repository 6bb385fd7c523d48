//! Requests that cannot be read get a documented answer and are counted; ambiguous ones go nowhere.

use std::time::Duration;

use crate::support::{
    backend::{Backend, answer, page},
    catalogs::{catalog, iana_phrase},
    client::{Answer, request},
    proxy::Proxy,
    trials,
};

trials![
    ambiguous_framing_never_reaches_the_backend_as_two_requests,
    bare_line_feeds_are_refused_or_made_unambiguous,
    fields_beyond_the_limits_are_431,
    hosts_that_are_missing_or_double_are_refused,
    malformed_requests_are_400,
    obsolete_and_odd_targets,
    partial_heads_time_out_with_408,
    pipelined_requests_are_answered_in_order,
    the_default_routes_catalog_describes_what_was_never_read,
    too_long_a_target_is_answered_in_documented_form,
    unreadable_after_readable_is_answered_last,
];

const RESPONSES: &str = "status_normalize_responses_total";

fn fine() -> Backend {
    Backend::says(answer("200 OK", &[], "fine"))
}

/// The answer to bytes, after which the connection is closed.
#[track_caller]
fn last_answer(proxy: &Proxy, bytes: impl AsRef<[u8]>) -> Answer {
    let mut client = proxy.client();
    client.send(bytes);
    let answer = client.answer("GET");
    client.assert_closed();
    answer
}

#[track_caller]
fn assert_described(answer: &Answer, status: u16, case: &str) {
    assert_eq!(answer.status(), status, "{case}");
    assert_eq!(answer.field("content-type"), "application/problem+json", "{case}");
    assert_eq!(answer.field("content-length"), answer.body.len().to_string(), "{case}");
    assert_eq!(answer.field("connection").to_ascii_lowercase(), "close", "{case}");
    assert_eq!(answer.field("cache-control"), "no-store", "{case}");
    assert!(answer.has("date"), "{case}");
    assert_eq!(answer.json()["status"], status, "{case}");
    assert_eq!(answer.json()["type"], "about:blank", "{case}");
    if status == 400 || status == 408 {
        assert_eq!(answer.json()["detail"], catalog("sfs").description(status), "{case}");
        assert_eq!(answer.reason(), iana_phrase(status), "{case}");
    }
}

#[track_caller]
fn assert_counted(proxy: &Proxy, status: &str, class: &str, count: f64) {
    let labels = [
        ("source", "proxy"),
        ("status", status),
        ("upstream_status", "none"),
        ("class", class),
        ("route", "default"),
        ("catalog", "sfs"),
    ];
    proxy.wait_for(RESPONSES, &labels, count);
}

fn malformed_requests_are_400() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    let cases: [&[u8]; 23] = [
        b"nonsense\r\n\r\n",
        b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET\r\n\r\n",
        b"GET / HTTP/1.1 extra\r\nHost: a\r\n\r\n",
        b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET / HTTX/1.1\r\nHost: a\r\n\r\n",
        b"GET /a b HTTP/1.1\r\nHost: a\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03 a TLS hello\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nNo colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX : space before the colon\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: folded\r\n over lines\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: nul\0l\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\n: no name\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: a\r\nX\x01: control\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: abc\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3, 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let case = String::from_utf8_lossy(bytes);
        let answer = last_answer(&proxy, bytes);
        assert_described(&answer, 400, &case);
        assert_counted(&proxy, "400", "abnormal", number as f64 + 1.0);
    }
    let answer = last_answer(&proxy, "GET / HTTP/9.9\r\nHost: a\r\n\r\n");
    assert_described(&answer, 505, "a version that nobody speaks");
    assert_counted(&proxy, "505", "undocumented", 1.0);
    assert_eq!(backend.seen().len(), 0, "none of it went on");
}

fn hosts_that_are_missing_or_double_are_refused() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    let cases = [
        "GET / HTTP/1.1\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a:port\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
    ];
    for (number, bytes) in cases.iter().enumerate() {
        let mut client = proxy.client();
        client.send(bytes);
        let answer = client.answer("GET");
        assert_eq!(answer.status(), 400, "{bytes}");
        assert_eq!(answer.json()["detail"], catalog("sfs").description(400), "{bytes}");
        assert_counted(&proxy, "400", "abnormal", number as f64 + 1.0);
    }
    assert_eq!(backend.seen().len(), 0, "none of it went on");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(client.answer("GET").status(), 200, "HTTP/1.0 needs none");
}

/// What each of these means is disputed between implementations. Either it is refused, or the backend sees exactly
/// one request and the connection is closed after it.
fn ambiguous_framing_never_reaches_the_backend_as_two_requests() {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n";
    let cases = [
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \"chunked\"\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!(
            "GET /outer HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n{smuggled}"
        ),
        format!("POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n{smuggled}"),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n{smuggled}"
        ),
        format!("POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n{smuggled}"),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffffff1\r\n\r\n{smuggled}"
        ),
        format!(
            "POST /outer HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;x=\"\n\"\r\na\r\n0\r\n\r\n{smuggled}"
        ),
    ];
    for bytes in cases {
        let backend = fine();
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(&bytes);
        let answer = client.answer("POST");
        client.rest();
        let seen = backend.seen();
        assert!(
            seen.iter().all(|request| request.target() == "/outer"),
            "{bytes}\nreached the backend as {seen:?}"
        );
        assert!(seen.len() <= 1, "{bytes}");
        if answer.status() == 400 {
            assert_eq!(answer.json()["status"], 400, "{bytes}");
        }
        for request in seen {
            let (length, coded) = (request.has("content-length"), request.has("transfer-encoding"));
            assert!(!(length && coded), "forwarded in one form: {:?}", request.fields);
        }
        if bytes.contains("Content-Length") && bytes.contains("Transfer-Encoding: chunked\r\n") {
            assert!([200, 400].contains(&answer.status()), "{bytes}");
        }
    }
    // The same length twice is one length.
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc");
    let answer = client.answer("POST");
    if answer.status() == 200 {
        assert_eq!(backend.seen()[0].all("content-length"), ["3"]);
    } else {
        assert_eq!(answer.status(), 400);
    }
}

fn bare_line_feeds_are_refused_or_made_unambiguous() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    for bytes in [
        "GET / HTTP/1.1\nHost: a\n\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\nTransfer-Encoding: chunked\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\n\nGET /smuggled HTTP/1.1\r\nHost: a\r\n\r\n",
        "GET / HTTP/1.1\r\nHost: a\r\nX: y\rZ: w\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(bytes);
        let answer = client.answer("GET");
        assert_eq!(answer.status(), 400, "{bytes:?}");
        assert_eq!(answer.json()["status"], 400, "{bytes:?}");
    }
    assert!(backend.seen().iter().all(|request| request.target() != "/smuggled"));
}

fn fields_beyond_the_limits_are_431() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    let large = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "x".repeat(140_000));
    let many = format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X-A: b\r\n".repeat(300));
    for (number, bytes) in [large, many].iter().enumerate() {
        let answer = last_answer(&proxy, bytes);
        assert_described(&answer, 431, &bytes[..60]);
        assert_eq!(answer.json()["title"], "Request Header Fields Too Large");
        assert_counted(&proxy, "431", "undocumented", number as f64 + 1.0);
    }
    // What just fits, passes.
    let mut client = proxy.client();
    client.send(format!(
        "GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n{}\r\n",
        "x".repeat(100_000),
        "X-A: b\r\n".repeat(240)
    ));
    assert_eq!(client.answer("GET").status(), 200);
    assert_eq!(backend.seen().len(), 1);
}

fn too_long_a_target_is_answered_in_documented_form() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    // Longer than any URI that is passed on, but not than a head.
    let answer = last_answer(&proxy, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(70_000)));
    assert_described(&answer, 414, "a target of 70,000 bytes");
    assert_eq!(answer.json()["title"], "URI Too Long");
    assert_counted(&proxy, "414", "undocumented", 1.0);
    let answer = last_answer(&proxy, format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "x".repeat(200_000)));
    assert!([414, 431].contains(&answer.status()), "{}", answer.start);
    assert_eq!(answer.json()["status"], answer.status());
    assert_eq!(proxy.get(&format!("/{}", "x".repeat(8_000))).status(), 200);
}

fn partial_heads_time_out_with_408() {
    let backend = fine();
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\n[timeouts]\nrequest_head = '300ms'\nidle = '600ms'\n",
        backend.url()
    ));
    for (number, bytes) in ["G", "GET / HTTP/1.1\r\nHost: a\r\nX-Ha"].into_iter().enumerate() {
        let mut client = proxy.client();
        client.send(bytes);
        let answer = client.answer("GET");
        client.assert_closed();
        assert_described(&answer, 408, bytes);
        assert_counted(&proxy, "408", "abnormal", number as f64 + 1.0);
    }
    // After an answered request as well.
    let mut client = proxy.client();
    assert_eq!(client.get("/").status(), 200);
    client.send("GET / HT");
    assert_described(&client.answer("GET"), 408, "the second of a connection");
    assert_counted(&proxy, "408", "abnormal", 3.0);
    // Drop by drop is no excuse.
    let mut client = proxy.client();
    let started = tokio::time::Instant::now();
    client.set_read_timeout(Duration::from_millis(20));
    let answer = loop {
        client.send("X");
        match client.try_answer("GET") {
            Ok(answer) => break answer,
            Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::WouldBlock),
        }
        assert!(started.elapsed() < Duration::from_secs(10), "no 408");
    };
    assert_eq!(answer.status(), 408);
    // A connection that says nothing is closed without a word.
    let mut client = proxy.client();
    client.assert_closed();
    let mut client = proxy.client();
    client.get("/");
    client.assert_closed();
    assert_counted(&proxy, "408", "abnormal", 4.0);
}

fn pipelined_requests_are_answered_in_order() {
    let backend = Backend::scripted(|request| {
        vec![crate::support::backend::Step::Send(match request.target() {
            "/404" => page(404),
            "/standard" => answer(
                "500 X",
                &["Content-Type: application/json"],
                r#"{"error_code": "A", "error_msg": "b"}"#,
            ),
            target => answer("200 OK", &[], target),
        })]
    });
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    let paths = ["/1", "/404", "/2", "/standard", "/404", "/3"];
    client.send(paths.map(|path| request("GET", path, &[])).concat());
    for path in paths {
        let answer = client.answer("GET");
        match path {
            "/404" => assert_eq!(answer.json()["status"], 404),
            "/standard" => assert_eq!(answer.json()["error_code"], "A"),
            path => assert_eq!(answer.text(), path),
        }
    }
}

fn unreadable_after_readable_is_answered_last() {
    let backend = Backend::does(vec![
        crate::support::backend::Step::Wait(Duration::from_millis(150)),
        crate::support::backend::Step::Send(page(404)),
    ]);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    // The bad one is there long before the good one is answered.
    client.send(format!("{}G@T / HTTP/1.1\r\n\r\n", request("GET", "/", &[])));
    assert_eq!(client.answer("GET").json()["status"], 404);
    let bad = client.answer("GET");
    assert_described(&bad, 400, "pipelined");
    client.assert_closed();
    let scrape = proxy.wait_for(RESPONSES, &[], 2.0);
    assert_eq!(scrape.sum(RESPONSES, &[("source", "proxy"), ("status", "400")]), 1.0);
    assert_eq!(scrape.sum(RESPONSES, &[("source", "upstream"), ("status", "404")]), 1.0);
}

fn the_default_routes_catalog_describes_what_was_never_read() {
    let backend = fine();
    let proxy = Proxy::configured(&format!(
        "upstream = '{url}'\ncatalog = 'dns'\n[[route]]\nname = 'all'\npath = '/{{*rest}}'\ncatalog = 'ecs'\nupstream = '{url}'\n",
        url = backend.url()
    ));
    let answer = last_answer(&proxy, "G@T / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(answer.json()["detail"], catalog("dns").description(400));
    proxy.wait_for(
        RESPONSES,
        &[("catalog", "dns"), ("route", "default"), ("status", "400"), ("source", "proxy")],
        1.0,
    );
}

fn obsolete_and_odd_targets() {
    let backend = fine();
    let proxy = Proxy::start(&backend.url());
    // Forms of a target that belong to other methods (RFC 9112, 3.2.3 and 3.2.4).
    for target in ["foo", "foo:80", "*"] {
        let mut client = proxy.client();
        client.send(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"));
        let answer = client.answer("GET");
        assert_eq!(answer.status(), 400, "{target}");
        assert_eq!(answer.json()["status"], 400, "{target}");
    }
    // The absolute form names the host, whatever Host says (RFC 9112, 3.2.2).
    let mut client = proxy.client();
    client.send("GET http://named.test/path?q HTTP/1.1\r\nHost: other.test\r\n\r\n");
    assert_eq!(client.answer("GET").status(), 200);
    let seen = &backend.seen()[0];
    assert_eq!(seen.target(), "/path?q");
    assert_eq!(seen.field("host"), "named.test");
    // OPTIONS of the whole server.
    client.send("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer("OPTIONS").status(), 200);
    assert_eq!(backend.seen()[1].target(), "*");
    // Nothing of a path is decoded, merged or resolved.
    client.send("GET /a/../b//c/%2e%2E/%41?x=%20&y HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer("GET").status(), 200);
    assert_eq!(backend.seen()[2].target(), "/a/../b//c/%2e%2E/%41?x=%20&y");
}
