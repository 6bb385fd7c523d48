//! HEAD, answers without a body, trailers, 103 and 100, ranges; T20 to T23, T26, T28.

use std::time::Duration;

use crate::support::{
    backend::{Backend, PAGE, Step, answer, chunk, head, page},
    frames::{Wire, get},
    message::Framing,
    proxy::Proxy,
    trials,
};

trials![
    a_204_with_bytes_on_the_wire_desynchronises_nothing,
    a_205_with_content_loses_it,
    a_304_keeps_its_fields,
    a_body_gained_by_the_status_map_is_whole,
    a_body_lost_by_the_status_map_is_gone,
    a_head_without_any_hint_counts_as_empty,
    a_partial_answer_is_untouched,
    an_early_answer_says_that_the_connection_ends,
    answers_without_a_body_have_none,
    early_hints_reach_http11_and_the_final_answer_is_rewritten,
    expect_continue_is_forwarded,
    head_answers_have_no_body_and_the_length_of_get,
    interim_answers_never_reach_http10,
    no_transform_protects_the_body,
    trailers_of_a_replaced_body_are_gone,
    trailers_pass_to_those_who_ask,
    unasked_trailers_are_dropped,
];

// T20
fn head_answers_have_no_body_and_the_length_of_get() {
    let backend = Backend::scripted(|request| {
        let mut bytes = page(404);
        if request.method() == "HEAD" {
            bytes.truncate(bytes.len() - PAGE.len());
        }
        vec![Step::Send(bytes)]
    });
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for accept in ["*/*", "application/json", "text/html", "text/plain", "application/xml"] {
        let accept = format!("Accept: {accept}");
        let got = client.ask("GET", "/", &[&accept]);
        let asked = client.ask("HEAD", "/", &[&accept]);
        assert_eq!(asked.status(), 404, "{accept}");
        for field in
            ["content-length", "content-type", "content-language", "x-content-type-options", "cache-control"]
        {
            assert_eq!(asked.field(field), got.field(field), "{accept} {field}");
        }
        assert_ne!(got.body.len(), PAGE.len());
    }
    proxy.wait_for("status_normalize_responses_total", &[("action", "rewrite")], 10.0);
}

// T20
fn a_head_without_any_hint_counts_as_empty() {
    // Fields of a HEAD answer, whether it is rewritten, the reason that is counted.
    let cases: [(&[&str], bool, &str); 5] = [
        (&[], true, "empty"),
        (&["Content-Length: 0"], true, "empty"),
        (&["Content-Type: text/html"], true, "media_type"),
        (&["Content-Type: application/json"], false, ""),
        (&["Content-Type: application/json", "Content-Length: 40"], false, ""),
    ];
    for (lines, rewritten, reason) in cases {
        let backend = Backend::says(head("404 Gone", lines));
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        let answer = client.ask("HEAD", "/", &[]);
        let again = client.ask("HEAD", "/", &[]);
        assert_eq!(again.status(), 404, "{lines:?}");
        assert_eq!(answer.field("content-type") == "application/problem+json", rewritten, "{lines:?}");
        if rewritten {
            assert_eq!(answer.reason(), "Not Found");
            proxy.wait_for("status_normalize_nonstandard_total", &[("reason", reason)], 2.0);
        } else {
            assert_eq!(answer.reason(), "Gone");
            assert_eq!(proxy.scrape().sum("status_normalize_nonstandard_total", &[]), 0.0, "{lines:?}");
        }
    }
}

// T21
fn answers_without_a_body_have_none() {
    for status in ["204 No Content", "205 Reset Content", "304 Not Modified"] {
        let lines: &[&str] =
            if status.starts_with("205") { &["Content-Length: 0", "X-A: b"] } else { &["X-A: b"] };
        let backend = Backend::says(head(status, lines));
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.start, format!("HTTP/1.1 {status}"));
            assert_eq!(answer.text(), "");
            assert_eq!(answer.field("x-a"), "b");
            assert!(!answer.has("content-type"));
            if status.starts_with("204") {
                assert!(!answer.has("content-length"));
            }
            assert!(!answer.has("transfer-encoding"), "{status}");
        }
    }
}

// T21
fn a_304_keeps_its_fields() {
    let lines = [
        "ETag: \"v1\"",
        "Content-Length: 1234",
        "Cache-Control: max-age=60",
        "Vary: Accept-Encoding",
        "Expires: Thu, 01 Dec 2033 16:00:00 GMT",
        "Date: Tue, 15 Nov 1994 08:12:31 GMT",
        "Last-Modified: Tue, 15 Nov 1994 08:12:31 GMT",
    ];
    let backend = Backend::says(head("304 Not Modified", &lines));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for method in ["GET", "HEAD", "GET"] {
        let answer = client.ask(method, "/", &["If-None-Match: \"v1\""]);
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(answer.field(name), value, "{name}");
        }
    }
    // A length that is none is not in the way.
    for line in ["Content-Length: +1", "Content-Length: x", "Content-Length: 1\r\nContent-Length: 2"] {
        let backend = Backend::says(head("304 Not Modified", &[line]));
        assert_eq!(Proxy::start(&backend.url()).get("/").status(), 304, "{line:?}");
    }
}

// T21
fn a_204_with_bytes_on_the_wire_desynchronises_nothing() {
    let mut bad = answer("204 No Content", &[], "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nforged");
    bad.extend(b"");
    let backend = Backend::scripted(move |request| match request.target() {
        "/bad" => vec![Step::Send(bad.clone())],
        _ => vec![Step::Send(answer("200 OK", &[], "honest"))],
    });
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    for _ in 0..5 {
        assert_eq!(client.ask("DELETE", "/bad", &[]).status(), 204);
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(client.get("/good").text(), "honest");
    }
}

// T21
fn a_205_with_content_loses_it() {
    let chunked =
        [head("205 Reset Content", &["Transfer-Encoding: chunked"]), chunk("<p>hi"), chunk("")].concat();
    for bytes in [answer("205 Reset Content", &["X-A: b"], "<p>hi"), chunked] {
        let backend = Backend::says(bytes);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!((answer.status(), &*answer.field("content-length"), &*answer.text()), (205, "0", ""));
        }
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(get(1, &[]));
        wire.over(1).assert_is(205, "");
    }
}

/// RFC 9112, 9.6. Where the rest of the request is read on, the connection stays.
fn an_early_answer_says_that_the_connection_ends() {
    use std::io::{BufReader, Read, Write};

    use crate::support::message::Message;
    let backend = Backend::raw(|_, stream, _| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        let bytes = match message.start.split(' ').nth(1) {
            Some("/refused") => answer("413 Too Large", &["Connection: close"], PAGE),
            Some("/moved") => answer("307 Temporary Redirect", &["Connection: close"], "moved"),
            _ => answer("200 OK", &["Connection: close"], ""),
        };
        let _ = reader.get_mut().write_all(&bytes);
        let _ = reader.read_to_end(&mut Vec::new());
    });
    let proxy = Proxy::start(&backend.url());
    for (path, status) in [("/refused", 413), ("/moved", 307), ("/done", 200)] {
        for part in ["Content-Length: 500000\r\n\r\nabc", "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"] {
            let mut client = proxy.client();
            client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\n{part}"));
            let answer = client.answer("POST");
            assert_eq!((answer.status(), &*answer.field("connection")), (status, "close"), "{path} {part}");
            client.assert_closed();
        }
        let mut client = proxy.client();
        client.send(format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"));
        let answer = client.answer("POST");
        assert_eq!((answer.status(), answer.has("connection")), (status, false), "{path}");
    }
}

// T22
fn a_body_gained_by_the_status_map_is_whole() {
    let backend = Backend::says(head("204 No Content", &[]));
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\nstatus_map = [{{ codes = 204, to = 404 }}, {{ codes = 304, to = 500 }}]\n",
        backend.url()
    ));
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.field("content-length"), answer.body.len().to_string());
        assert_eq!(answer.json()["status"], 404);
    }
    proxy.wait_for("status_normalize_responses_total", &[("status", "404"), ("upstream_status", "204")], 2.0);
}

// T22
fn a_body_lost_by_the_status_map_is_gone() {
    let backend = Backend::says(page(404));
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\nstatus_map = [{{ codes = 404, to = 204 }}]\n",
        backend.url()
    ));
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.ask("DELETE", "/", &[]);
        assert_eq!(answer.status(), 204);
        assert!(
            !answer.has("content-length") && !answer.has("content-type") && !answer.has("transfer-encoding")
        );
    }
}

// T23
fn early_hints_reach_http11_and_the_final_answer_is_rewritten() {
    let mut bytes = head("103 Early Hints", &["Link: </style.css>; rel=preload"]);
    bytes.extend(head("103 Early Hints", &["Content-Length: 7", "Link: </two.css>; rel=preload"]));
    let backend =
        Backend::does(vec![Step::Send(bytes), Step::Wait(Duration::from_millis(50)), Step::Send(page(404))]);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        let hints: Vec<_> = answer.interim.iter().map(|hint| (hint.status(), hint.field("link"))).collect();
        assert_eq!(
            hints,
            [(103, "</style.css>; rel=preload".into()), (103, "</two.css>; rel=preload".into())]
        );
        assert!(!answer.interim.iter().any(|hint| hint.has("content-length")), "RFC 9110, 8.6");
        assert_eq!(answer.status(), 404);
        assert_eq!(answer.json()["status"], 404);
    }
    proxy.wait_for("status_normalize_responses_total", &[], 2.0);
}

// T23
fn interim_answers_never_reach_http10() {
    let mut bytes = head("103 Early Hints", &["Link: </style.css>; rel=preload"]);
    bytes.extend(page(404));
    let backend = Backend::says(bytes);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    client.send("GET / HTTP/1.0\r\nHost: api.test\r\n\r\n");
    let answer = client.answer("GET");
    assert_eq!(answer.interim.len(), 0);
    assert_eq!(answer.json()["status"], 404);
}

// T23: the backend decides whether the body is wanted.
fn expect_continue_is_forwarded() {
    use std::io::{BufReader, Read, Write};

    use crate::support::message::Message;
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(mut message)) = Message::read_head(&mut reader) {
            remember(crate::support::backend::Seen { message: message.clone(), connection });
            if message.start.contains("/wanted") {
                reader.get_mut().write_all(b"HTTP/1.1 100 Continue\r\n\r\n").unwrap();
                let framing = message.framing();
                message.read_body(&mut reader, framing).unwrap();
                reader.get_mut().write_all(&answer("200 OK", &[], &message.body)).unwrap();
            } else {
                let refusal = answer("403 No", &["Content-Type: text/html", "Connection: close"], PAGE);
                reader.get_mut().write_all(&refusal).unwrap();
                let _ = reader.read(&mut [0; 64]);
                return;
            }
        }
    });
    let proxy = Proxy::start(&backend.url());
    let ask = |path: &str| {
        format!("POST {path} HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    };
    let mut client = proxy.client();
    client.send(ask("/wanted"));
    let mut interim = [0; 25];
    interim.copy_from_slice(&client.bytes(25));
    assert_eq!(String::from_utf8_lossy(&interim), "HTTP/1.1 100 Continue\r\n\r\n");
    client.send("body");
    assert_eq!(client.answer("POST").text(), "body");

    let mut client = proxy.client();
    client.send(ask("/refused"));
    let answer = client.answer("POST");
    assert_eq!(answer.interim.len(), 0, "nobody asked for the body");
    assert_eq!(answer.status(), 403);
    assert_eq!(answer.json()["status"], 403);
    assert_eq!(backend.seen()[1].field("expect"), "100-continue");
}

// T26
fn a_partial_answer_is_untouched() {
    let multipart = "--b\r\nContent-Range: bytes 0-0/9\r\n\r\n1\r\n--b--\r\n";
    for (status, lines, body) in [
        ("206 Part", vec!["Content-Range: bytes 0-3/9", "Content-Type: text/plain"], "0123"),
        ("206 Part", vec!["Content-Type: multipart/byteranges; boundary=b"], multipart),
        ("416 Nope", vec!["Content-Range: bytes */9", "Content-Type: text/html"], PAGE),
    ] {
        let backend = Backend::says(answer(status, &lines, body));
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.ask("GET", "/", &["Range: bytes=0-3"]);
        assert_eq!(answer.start, format!("HTTP/1.1 {status}"));
        assert_eq!(answer.text(), body);
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(answer.field(name), value);
        }
    }
}

// T27
fn no_transform_protects_the_body() {
    let cases: [&[&str]; 6] = [
        &["Cache-Control: no-transform"],
        &["Cache-Control: No-Transform"],
        &["Cache-Control: max-age=0, no-transform ,private"],
        &["Cache-Control: private", "Cache-Control: no-transform"],
        &["Cache-Control: private=\"Set-Cookie, X\", no-transform"],
        &[r#"Cache-Control: x="\"\\", no-transform, y="""#],
    ];
    for lines in cases {
        let mut all = vec!["Content-Type: text/html"];
        all.extend(lines);
        let backend = Backend::says(answer("500 Oops", &all, PAGE));
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.get("/");
        assert_eq!(answer.start, "HTTP/1.1 500 Oops", "{lines:?}");
        assert_eq!(answer.text(), PAGE, "{lines:?}");
        proxy.wait_for("status_normalize_skipped_total", &[("reason", "no_transform")], 1.0);
        proxy.wait_for("status_normalize_responses_total", &[("action", "skip"), ("class", "abnormal")], 1.0);
        let proxy = Proxy::configured(&format!("upstream = '{}'\nno_transform = false\n", backend.url()));
        assert_eq!(proxy.get("/").json()["status"], 500, "{lines:?}, the rule turned off");
    }
    // What only looks like it.
    for line in [
        r#"no-transformer, x="no-transform""#,
        r#"no-cache="a, no-transform""#,
        r#"no-cache="a, no-transform, b""#,
        r#"x="\", no-transform, ", y"#,
        r#"x="\\\", no-transform, ", y"#,
    ] {
        let lines = ["Content-Type: text/html", &format!("Cache-Control: {line}")];
        let backend = Backend::says(answer("500 Oops", &lines, PAGE));
        assert_eq!(Proxy::start(&backend.url()).get("/").json()["status"], 500, "{line}");
    }
}

fn with_trailers(status: &str, kind: &str, body: &str) -> Vec<u8> {
    let kind = format!("Content-Type: {kind}");
    let mut bytes = head(status, &[&kind, "Transfer-Encoding: chunked", "Trailer: X-Checksum"]);
    bytes.extend(chunk(body));
    bytes.extend(b"0\r\nX-Checksum: 17\r\n\r\n");
    bytes
}

// T28
fn trailers_pass_to_those_who_ask() {
    let standard = r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#;
    for (status, kind, body) in [("200 OK", "text/html", PAGE), ("404 No", "application/json", standard)] {
        let backend = Backend::says(with_trailers(status, kind, body));
        let answer = Proxy::start(&backend.url()).ask("GET", "/", &["TE: trailers", "Connection: TE"]);
        assert_eq!(answer.text(), body);
        assert_eq!(answer.field("trailer").to_ascii_lowercase(), "x-checksum");
        let [(name, value)] = &answer.trailers[..] else { panic!("one trailer, not {:?}", answer.trailers) };
        assert_eq!((name.to_ascii_lowercase().as_str(), value.as_slice()), ("x-checksum", b"17".as_slice()));
        assert_eq!(backend.seen()[0].field("te"), "trailers", "passed on");
    }
}

fn unasked_trailers_are_dropped() {
    let backend = Backend::says(with_trailers("200 OK", "text/html", PAGE));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.get("/");
        assert_eq!(answer.text(), PAGE);
        assert!(answer.trailers.is_empty(), "{:?}", answer.trailers);
    }
}

// T28
fn trailers_of_a_replaced_body_are_gone() {
    let backend = Backend::says(with_trailers("404 No", "text/html", PAGE));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        let answer = client.ask("GET", "/", &["TE: trailers", "Connection: TE"]);
        assert_eq!(answer.json()["status"], 404);
        assert!(!answer.has("trailer"));
        assert_eq!(answer.framing(), Framing::Length(answer.body.len()));
    }
    assert_eq!(backend.connections(), 1, "the trailers were drained too");
}
