//! Which fields a rewrite removes, sets and keeps.

use http::{HeaderName, Method, header};

use crate::support::*;

#[tokio::test]
async fn fields_that_described_the_old_body_are_removed() {
    // T8, T9, T48
    let fields = [
        ("content-type", "text/html"),
        ("content-type", "text/plain"),
        ("content-length", "999"),
        ("content-encoding", "identity"),
        ("content-language", "de"),
        ("content-range", "bytes 0-1/2"),
        ("accept-ranges", "bytes"),
        ("etag", "\"1\""),
        ("last-modified", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ("content-md5", "x"),
        ("digest", "x"),
        ("content-digest", "x"),
        ("repr-digest", "x"),
        ("content-disposition", "attachment"),
        ("content-location", "/error"),
        ("transfer-encoding", "chunked"),
        ("trailer", "x-checksum"),
    ];
    let answer = answer(&enforcing(), get(), backend_says(502, &fields, text(HTML))).await;
    let mut names: Vec<_> = answer.headers.keys().map(HeaderName::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["cache-control", "content-language", "content-length", "content-type", "vary"]);
    answer.assert_described(BAD_GATEWAY);
}

#[tokio::test]
async fn all_other_fields_are_kept_in_order() {
    // T1, T2, T4, T5, T6, T7
    let fields = [
        ("www-authenticate", "Basic realm=\"a\""),
        ("www-authenticate", "Bearer"),
        ("proxy-authenticate", "Basic"),
        ("allow", "GET, HEAD"),
        ("retry-after", "120"),
        ("ratelimit-remaining", "0"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
        ("access-control-allow-origin", "*"),
        ("timing-allow-origin", "*"),
        ("location", "/b"),
        ("link", "</help>; rel=help"),
        ("deprecation", "@1"),
        ("sunset", "x"),
        ("strict-transport-security", "max-age=1"),
        ("x-request-id", "7f3a"),
        ("traceparent", "00-1-2-01"),
        ("age", "3"),
        ("date", "Mon, 01 Jan 2024 00:00:00 GMT"),
        ("via", "1.1 a"),
        ("cache-status", "a; hit"),
    ];
    for status in [401, 405, 407, 503] {
        let answer = answer(&enforcing(), get(), backend_says(status, &fields, text(HTML))).await;
        for (name, _) in &fields {
            let expected: Vec<_> =
                fields.iter().filter(|(other, _)| other == name).map(|(_, value)| *value).collect();
            assert_eq!(answer.lines(name), expected, "{status} {name}");
        }
        assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{status}");
    }
}

#[tokio::test]
async fn more_fields_than_anyone_sends_are_removed_and_kept() {
    let names: Vec<String> = (0..60).map(|number| format!("x-{number}")).collect();
    let mut fields: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "1")).collect();
    fields.extend([("etag", "1"), ("digest", "1"), ("trailer", "x")]);
    let mut settings = settings();
    for name in &names[..30] {
        settings = settings.drop_header(name.parse().unwrap());
    }
    let answer = answer(&built(settings), get(), backend_says(502, &fields, text(HTML))).await;
    for (number, name) in names.iter().enumerate() {
        assert_eq!(answer.field(name).is_some(), number >= 30, "{name}");
    }
    assert_eq!(answer.headers.len(), 30 + 5);
}

#[tokio::test]
async fn vary_is_merged() {
    // T5, T44
    let cases: [(&[&str], &[&str]); 6] = [
        (&[], &["Accept"]),
        (&["Origin"], &["Origin, Accept"]),
        (&["Origin", "Cookie"], &["Origin, Cookie, Accept"]),
        (&["origin, ACCEPT"], &["origin, ACCEPT"]),
        (&["*"], &["*"]),
        (&["Accept-Encoding"], &["Accept-Encoding, Accept"]),
    ];
    for (before, after) in cases {
        let fields: Vec<_> = before.iter().map(|line| ("vary", *line)).collect();
        let answer = answer(&enforcing(), get(), backend_says(502, &fields, text(HTML))).await;
        assert_eq!(answer.lines("vary"), after);
    }
}

#[tokio::test]
async fn what_nobody_said_how_to_cache_is_not_stored() {
    // T46, T47: what the backend says about caching stands, also about a 5xx.
    let cases: [(&[(&str, &str)], &[&str]); 3] = [
        (&[], &["no-store"]),
        (&[("cache-control", "public, max-age=3600")], &["public, max-age=3600"]),
        (&[("expires", "Mon, 01 Jan 2024 00:00:00 GMT")], &[]),
    ];
    for (fields, expected) in cases {
        for status in [404, 405, 501, 502] {
            let answer = answer(&enforcing(), get(), backend_says(status, fields, text(HTML))).await;
            assert_eq!(answer.lines("cache-control"), expected, "{status}");
        }
    }
}

#[tokio::test]
async fn a_route_keeps_and_drops_fields() {
    let layer = built(settings().keep_header(header::ETAG).drop_header(header::SERVER));
    let fields = [("etag", "\"1\""), ("server", "db-7"), ("last-modified", "x")];
    let rewritten = answer(&layer, get(), backend_says(502, &fields, text(HTML))).await;
    assert_eq!(rewritten.lines("etag"), ["\"1\""]);
    assert_eq!(rewritten.field("server"), None);
    assert_eq!(rewritten.field("last-modified"), None);
    let passed = answer(&layer, get(), backend_says(200, &fields, text(HTML))).await;
    assert_eq!(passed.field("server"), Some("db-7"), "only a rewrite drops");
}

#[tokio::test]
async fn a_missing_mandatory_field_is_counted_and_not_invented() {
    // T3
    for (status, name) in [(401, "www-authenticate"), (405, "allow"), (407, "proxy-authenticate")] {
        for body in [(HTML, "text/html"), (STANDARD, "application/json")] {
            let (recorded, _installed) = recording();
            let layer = enforcing();
            let without =
                answer(&layer, get(), backend_says(status, &[("content-type", body.1)], text(body.0))).await;
            assert_eq!(without.field(name), None);
            assert_eq!(recorded.sum(BROKEN_PROMISES, &[("kind", "missing_header")]), 1.0, "{status}");
            answer(
                &layer,
                get(),
                backend_says(status, &[("content-type", body.1), (name, "x")], text(body.0)),
            )
            .await;
            assert_eq!(recorded.sum(BROKEN_PROMISES, &[("kind", "missing_header")]), 1.0, "{status}");
        }
    }
    let (recorded, _installed) = recording();
    answer(&built(settings().count_missing_allow(false)), get(), html(405)).await;
    assert_eq!(recorded.sum(BROKEN_PROMISES, &[]), 0.0);
}

#[tokio::test]
async fn the_backend_opts_out_and_the_client_cannot() {
    // T66
    let name = HeaderName::from_static("x-own-errors");
    let layer = built(settings().opt_out(name));
    let (recorded, _installed) = recording();
    for status in [200, 429, 502] {
        let said = backend_says(status, &[("x-own-errors", "1"), ("x-own-errors", "2")], text(HTML));
        let answer = answer(&layer, get(), said).await;
        assert_eq!(answer.text(), HTML);
        assert_eq!(answer.field("x-own-errors"), None, "{status}");
    }
    assert_eq!(recorded.sum(SKIPPED, &[("reason", "opt_out")]), 1.0, "only the 502 would have been judged");
    let asked = request(Method::GET, &[("x-own-errors", "1")]);
    answer(&layer, asked, html(502)).await.assert_described(BAD_GATEWAY);
    let elsewhere =
        answer(&enforcing(), get(), backend_says(502, &[("x-own-errors", "1")], text(HTML))).await;
    elsewhere.assert_described(BAD_GATEWAY);
}
