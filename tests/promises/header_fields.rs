//! Which fields a rewrite keeps, removes and sets; T1 to T12.

use crate::support::{
    backend::{Backend, PAGE, answer},
    proxy::Proxy,
    trials,
};

trials![
    a_405_keeps_allow_and_a_407_its_challenge,
    challenges_survive_in_order,
    cookies_stay_apart,
    cors_fields_survive_and_vary_is_merged,
    fields_of_the_old_body_are_removed,
    fields_of_a_passed_answer_are_untouched,
    fields_that_are_not_utf8_pass,
    links_and_limits_survive,
    made_html_and_text_are_not_sniffed,
    missing_mandatory_fields_are_counted_not_invented,
    nothing_of_the_request_is_echoed,
    one_length_and_one_type,
    kept_and_dropped_fields_are_configurable,
    request_ids_survive_and_match_the_body,
    vary_star_is_left_alone,
];

/// An HTML error with these lines, answered through the proxy.
fn rewritten(status: &str, lines: &[&str]) -> crate::support::client::Answer {
    let mut all = vec!["Content-Type: text/html"];
    all.extend_from_slice(lines);
    let backend = Backend::says(answer(status, &all, PAGE));
    let answer = Proxy::start(&backend.url()).get("/");
    assert_eq!(answer.field("content-type"), "application/problem+json", "{status} is rewritten");
    answer
}

// T1
fn challenges_survive_in_order() {
    let lines =
        ["WWW-Authenticate: Basic realm=\"first\"", "X-Between: 1", "WWW-Authenticate: Bearer, Negotiate"];
    let answer = rewritten("401 Unauthorized", &lines);
    assert_eq!(answer.all("www-authenticate"), ["Basic realm=\"first\"", "Bearer, Negotiate"]);
    assert_eq!(answer.field("x-between"), "1");
}

// T2
fn a_405_keeps_allow_and_a_407_its_challenge() {
    assert_eq!(rewritten("405 Nope", &["Allow: GET, HEAD"]).field("allow"), "GET, HEAD");
    let answer = rewritten("407 Nope", &["Proxy-Authenticate: Basic realm=\"p\""]);
    assert_eq!(answer.field("proxy-authenticate"), "Basic realm=\"p\"");
}

// T3
fn missing_mandatory_fields_are_counted_not_invented() {
    for (status, field) in [(401, "www-authenticate"), (405, "allow"), (407, "proxy-authenticate")] {
        let bare = crate::support::backend::page(status);
        let with = answer(&format!("{status} X"), &["Content-Type: text/html", &format!("{field}: x")], PAGE);
        let backend = Backend::scripted(move |request| {
            vec![crate::support::backend::Step::Send(if request.target() == "/bare" {
                bare.clone()
            } else {
                with.clone()
            })]
        });
        let proxy = Proxy::start(&backend.url());
        assert!(!proxy.get("/bare").has(field), "{status}");
        assert!(proxy.get("/with").has(field), "{status}");
        proxy.wait_for("status_normalize_responses_total", &[], 2.0);
        let promise = "status_normalize_broken_promises_total";
        proxy.wait_for(promise, &[("kind", "missing_header")], 1.0);
    }
}

// T4
fn links_and_limits_survive() {
    let lines = [
        "Retry-After: 120",
        "RateLimit-Limit: 10",
        "RateLimit-Remaining: 0",
        "RateLimit: \"default\";r=0;t=30",
        "Location: /elsewhere",
        "Link: </docs>; rel=\"help\"",
        "Deprecation: @1688169599",
        "Sunset: Sat, 31 Dec 2033 23:59:59 GMT",
        "Strict-Transport-Security: max-age=31536000",
        "Server: legacy/1.0",
    ];
    let answer = rewritten("503 Busy", &lines);
    for line in lines {
        let (name, value) = line.split_once(": ").unwrap();
        assert_eq!(answer.field(name), value, "{name}");
    }
}

// T5
fn cors_fields_survive_and_vary_is_merged() {
    let lines = [
        "Access-Control-Allow-Origin: https://app.test",
        "Access-Control-Allow-Credentials: true",
        "Access-Control-Expose-Headers: X-Request-Id",
        "Timing-Allow-Origin: *",
        "Vary: Origin, accept",
        "Vary: Accept-Encoding",
    ];
    let answer = rewritten("403 No", &lines);
    assert_eq!(answer.field("access-control-allow-origin"), "https://app.test");
    assert_eq!(answer.field("access-control-allow-credentials"), "true");
    assert_eq!(answer.field("access-control-expose-headers"), "X-Request-Id");
    assert_eq!(answer.field("timing-allow-origin"), "*");
    let mut vary = answer.tokens("vary");
    vary.sort();
    assert_eq!(vary, ["accept", "accept-encoding", "origin"], "merged, each name once");
    assert_eq!(rewritten("403 No", &[]).tokens("vary"), ["accept"], "set where there was none");
}

// T5
fn vary_star_is_left_alone() {
    assert_eq!(rewritten("404 No", &["Vary: *"]).all("vary"), ["*"]);
}

// T6
fn cookies_stay_apart() {
    let answer =
        rewritten("401 No", &["WWW-Authenticate: Basic", "Set-Cookie: a=1; Path=/", "Set-Cookie: b=2, 3"]);
    assert_eq!(answer.all("set-cookie"), ["a=1; Path=/", "b=2, 3"]);
}

// T7
fn request_ids_survive_and_match_the_body() {
    let trace = "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    let body = r#"{"detail": {"oops": 1}, "request_id": "id-17", "error_code": "SFS.0007"}"#;
    let lines = ["Content-Type: application/json", "X-Request-Id: id-17", trace];
    let backend = Backend::says(answer("500 Oops", &lines, body));
    let answer = Proxy::start(&backend.url()).get("/");
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert_eq!(answer.field("x-request-id"), "id-17");
    assert_eq!(answer.field("traceparent"), &trace[13..]);
    assert_eq!(answer.json()["request_id"], "id-17");
}

const OF_THE_OLD_BODY: [&str; 13] = [
    "Content-Language: de",
    "Content-Range: bytes 0-1/2",
    "Accept-Ranges: bytes",
    "ETag: \"old\"",
    "Last-Modified: Wed, 21 Oct 2015 07:28:00 GMT",
    "Content-MD5: Q2hlY2sgSW50ZWdyaXR5IQ==",
    "Digest: sha-256=X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=",
    "Content-Digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    "Repr-Digest: sha-256=:X48E9qOokqqrvdts8nOJRJN3OWDUoyWxBf7kbu9DBPE=:",
    "Content-Disposition: attachment; filename=\"error.html\"",
    "Content-Location: /error.html",
    "Trailer: X-Checksum",
    "Content-Encoding: identity",
];

// T8
fn fields_of_the_old_body_are_removed() {
    let answer = rewritten("404 No", &OF_THE_OLD_BODY);
    for line in OF_THE_OLD_BODY.iter().filter(|line| !line.starts_with("Content-Language")) {
        let name = line.split(':').next().unwrap();
        assert!(!answer.has(name), "{name} is gone");
    }
    assert_eq!(answer.field("content-language"), "en", "that of the new body");
}

// T8
fn fields_of_a_passed_answer_are_untouched() {
    for (status, kind, body) in [
        ("200 Fine", "text/html", PAGE),
        ("404 No", "application/json", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        ("418 Teapot", "text/html", PAGE),
        // RFC 9110 renamed it.
        ("413 Payload Too Large", "text/html", PAGE),
        ("422 Unprocessable Content", "text/html", PAGE),
    ] {
        let mut lines: Vec<_> =
            OF_THE_OLD_BODY.into_iter().filter(|line| !line.starts_with("Content-Encoding")).collect();
        let kind = format!("Content-Type: {kind}");
        lines.extend([kind.as_str(), "Vary: Origin", "X-Odd:   spaced   value"]);
        let backend = Backend::says(answer(status, &lines, body));
        let answer = Proxy::start(&backend.url()).get("/");
        assert_eq!(answer.text(), body, "{status}");
        assert_eq!(answer.reason(), status.split_once(' ').unwrap().1);
        for line in lines {
            let (name, value) = line.split_once(':').unwrap();
            assert_eq!(answer.field(name), value.trim(), "{status}: {name}");
        }
    }
}

// T9
fn one_length_and_one_type() {
    let lines = ["Content-Type: text/plain", "Transfer-Encoding: chunked"];
    let mut bytes = crate::support::backend::head("500 No", &lines);
    bytes.extend(crate::support::backend::chunk("a stack trace"));
    bytes.extend(b"0\r\n\r\n");
    let backend = Backend::says(bytes);
    let answer = Proxy::start(&backend.url()).get("/");
    assert_eq!(answer.all("content-type"), ["application/problem+json"]);
    assert_eq!(answer.all("content-length"), [answer.body.len().to_string()]);
    assert!(!answer.has("transfer-encoding"));
}

// T11
fn fields_that_are_not_utf8_pass() {
    let odd: Vec<u8> = (0x80..=0xff).collect();
    for status in ["200 OK", "404 No", "418 T"] {
        let mut bytes =
            format!("HTTP/1.1 {status}\r\nContent-Type: text/html\r\nContent-Length: 0\r\nX-Odd: ")
                .into_bytes();
        bytes.extend(&odd);
        bytes.extend(b"\r\n\r\n");
        let backend = Backend::says(bytes);
        let answer = Proxy::start(&backend.url()).get("/");
        let found =
            answer.fields.iter().find(|(name, _)| name.eq_ignore_ascii_case("x-odd")).map(|(_, value)| value);
        assert_eq!(found, Some(&odd), "{status}");
    }
}

// T12
fn made_html_and_text_are_not_sniffed() {
    let backend = Backend::says(crate::support::backend::page(404));
    let proxy = Proxy::start(&backend.url());
    for (accept, sniffed) in [("text/html", false), ("text/plain", false), ("application/json", true)] {
        let answer = proxy.ask("GET", "/", &[&format!("Accept: {accept}")]);
        let expected = if sniffed { "" } else { "nosniff" };
        assert_eq!(answer.field("x-content-type-options"), expected, "{accept}");
    }
}

// T12
fn nothing_of_the_request_is_echoed() {
    let backend = Backend::says(crate::support::backend::page(404));
    let proxy = Proxy::start(&backend.url());
    for accept in ["text/html", "text/plain", "application/json", "application/problem+xml", "*/*"] {
        let accept = format!("Accept: {accept}");
        let lines =
            [accept.as_str(), "X-Request-Id: <script>alert(17)</script>", "Referer: http://x/<script>"];
        let answer = proxy.ask("GET", "/a%22%3Cscript%3E?q=%3Cscript%3Ealert(1)%3C/script%3E", &lines);
        assert_eq!(answer.status(), 404);
        assert!(!answer.text().contains("<script"), "{accept}: {}", answer.text());
        assert!(!answer.text().contains("alert("), "{accept}: {}", answer.text());
    }
}

fn kept_and_dropped_fields_are_configurable() {
    let backend =
        Backend::says(answer("404 No", &["Content-Type: text/html", "ETag: \"x\"", "Server: old"], PAGE));
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\nkeep_headers = ['etag']\ndrop_headers = ['server']\n",
        backend.url()
    ));
    let answer = proxy.get("/");
    assert_eq!(answer.field("etag"), "\"x\"");
    assert!(!answer.has("server"));
}
