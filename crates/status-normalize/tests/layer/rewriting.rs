//! What takes the place of a nonstandard answer.

use http::{Method, StatusCode};
use http_body::Body;
use serde_json::json;
use status_normalize::{LocalReply, Mode};
use status_test_util::{ScriptedBody, Step};

use crate::support::*;

#[tokio::test]
async fn every_abnormal_status_of_every_catalog_is_described() {
    // T33, T35, T36
    for name in status_catalog::BUILTIN {
        let catalog = catalog(name);
        let layer = built(settings().catalog(catalog.clone()));
        let mut described = 0;
        for entry in catalog.entries() {
            let answer = answer(&layer, get(), html(entry.code())).await;
            assert_eq!(answer.status, entry.code(), "{name}");
            if entry.class() == status_catalog::Class::Abnormal {
                answer.assert_described(entry.description());
                described += 1;
            } else {
                assert_eq!(answer.text(), HTML, "{name} {}", entry.code());
            }
        }
        assert_eq!(described, 14, "{name}");
    }
}

#[tokio::test]
async fn the_media_type_is_the_one_that_the_client_prefers() {
    // T12, T43, T45
    let cases = [
        ("*/*", "application/problem+json", None),
        ("application/json", "application/json", None),
        ("application/problem+xml", "application/problem+xml", None),
        ("application/xml", "application/xml", None),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8", Some("nosniff")),
        ("text/plain", "text/plain; charset=utf-8", Some("nosniff")),
        ("image/png", "application/problem+json", None),
    ];
    for (accept, media_type, nosniff) in cases {
        let answer = answer(&enforcing(), request(Method::GET, &[("accept", accept)]), html(502)).await;
        assert_eq!(answer.lines("content-type"), [media_type], "{accept}");
        assert_eq!(answer.lines("content-length"), [answer.body.len().to_string()], "{accept}");
        assert_eq!(answer.field("content-language"), Some("en"), "{accept}");
        assert_eq!(answer.field("x-content-type-options"), nosniff, "{accept}");
        assert!(answer.text().contains(BAD_GATEWAY), "{accept}");
    }
}

#[tokio::test]
async fn json_comes_in_the_envelope_of_the_catalog() {
    for name in status_catalog::BUILTIN {
        let catalog = catalog(name);
        let message = catalog.documented(404).unwrap().entry.description();
        let expected = match name {
            "dns" => json!({"code": "HTTP.404", "message": message}),
            "ecs" => json!({"error": {"code": "HTTP.404", "message": message}}),
            _ => json!({"error_code": "HTTP.404", "error_msg": message}),
        };
        let layer = built(settings().catalog(catalog.clone()));
        let answer = answer(&layer, request(Method::GET, &[("accept", "application/json")]), html(404)).await;
        assert_eq!(answer.json(), expected, "{name}");
    }
    let layer = built(settings().code("SFS.{status}.0"));
    let answer = answer(&layer, request(Method::GET, &[("accept", "application/json")]), html(404)).await;
    assert_eq!(answer.json()["error_code"], "SFS.404.0");
}

#[tokio::test]
async fn the_code_and_the_request_id_of_a_nonstandard_body_are_kept() {
    // T7, T39
    let body = r#"{"error_code":"SFS.0017","request_id":"7f3a","trace":"at db-7.internal"}"#;
    for accept in ["application/problem+json", "application/json", "application/problem+xml"] {
        let said =
            backend_says(409, &[("content-type", "application/json"), ("x-request-id", "7f3a")], text(body));
        let answer = answer(&enforcing(), request(Method::GET, &[("accept", accept)]), said).await;
        assert!(answer.text().contains("SFS.0017") && answer.text().contains("7f3a"), "{}", answer.text());
        assert!(!answer.text().contains("db-7"), "T41: {}", answer.text());
        assert_eq!(answer.field("x-request-id"), Some("7f3a"));
        assert_eq!(answer.lines("content-length"), [answer.body.len().to_string()]);
    }
}

#[tokio::test]
async fn nothing_else_of_the_old_body_reaches_the_client() {
    // T41
    let leaks = [
        ("text/html", HTML),
        ("text/plain", "Traceback (most recent call last): File \"/srv/app.py\", db-7.internal"),
        ("application/json", r#"{"message":"SELECT * FROM users; db-7.internal"}"#),
        ("application/json", r#"{"error_code":"<b>db-7.internal</b>","error_msg":""}"#),
        ("application/xml", "<fault><host>db-7.internal</host></fault>"),
    ];
    for (media_type, body) in leaks {
        for accept in ["*/*", "application/json", "application/xml", "text/html", "text/plain"] {
            let said = backend_says(500, &[("content-type", media_type)], text(body));
            let answer = answer(&enforcing(), request(Method::GET, &[("accept", accept)]), said).await;
            assert!(!answer.text().contains("db-7"), "{media_type} to {accept}: {}", answer.text());
        }
    }
}

#[tokio::test]
async fn the_message_of_a_4xx_is_kept_on_request_and_that_of_a_5xx_never() {
    let layer = built(settings().keep_detail(true));
    let json = r#"{"reason":{"message":"quota of share-1 used up"}}"#;
    let cases = [
        (409, "application/json", json, true),
        (409, "text/plain", "quota of share-1 used up", true),
        (409, "text/html", "<p>quota of share-1 used up", false),
        (500, "application/json", json, false),
        (500, "text/plain", "quota of share-1 used up", false),
    ];
    for (status, media_type, body, kept) in cases {
        let said = || backend_says(status, &[("content-type", media_type)], text(body));
        let with = answer(&layer, get(), said()).await;
        assert_eq!(with.text().contains("share-1"), kept, "{status} {media_type}: {}", with.text());
        let without = answer(&enforcing(), get(), said()).await;
        assert!(!without.text().contains("share-1"), "{status} {media_type}");
    }
}

#[tokio::test]
async fn the_layer_twice_changes_nothing_the_second_time() {
    // T42
    for accept in
        ["*/*", "application/json", "application/xml", "application/problem+xml", "text/html", "text/plain"]
    {
        for method in [Method::GET, Method::HEAD] {
            let asked = || request(method.clone(), &[("accept", accept)]);
            let said = if method == Method::HEAD {
                backend_says(502, &[("content-type", "text/html")], empty())
            } else {
                html(502)
            };
            let once = answer(&enforcing(), asked(), said).await;
            let (recorded, _installed) = recording();
            let mut relayed =
                backend_says(502, &[], ScriptedBody::of([once.body.clone()]).sized().telling_end());
            if once.body.is_empty() {
                *relayed.body_mut() = empty();
            }
            *relayed.headers_mut() = once.headers.clone();
            let twice = answer(&enforcing(), asked(), relayed).await;
            assert_eq!((twice.headers, twice.body), (once.headers, once.body), "{method} {accept}");
            assert_eq!(recorded.sum(NONSTANDARD, &[]), 0.0, "{method} {accept}");
            assert_eq!(recorded.sum(RESPONSES, &[("action", "pass")]), 1.0, "{method} {accept}");
        }
    }
}

#[tokio::test]
async fn a_head_request_gets_the_head_that_get_would_get() {
    // T20
    let as_get = answer(&enforcing(), get(), html(404)).await;
    let cases: &[(&str, &[(&str, &str)], bool)] = &[
        ("another media type", &[("content-type", "text/html"), ("content-length", "51")], true),
        ("an empty body", &[("content-type", "application/json"), ("content-length", "0")], true),
        ("neither field", &[], true),
        ("a length alone", &[("content-length", "7")], true),
        ("an accepted media type", &[("content-type", "application/json"), ("content-length", "7")], false),
        ("an accepted media type, chunked", &[("content-type", "application/xml")], false),
    ];
    for (case, fields, rewritten) in cases {
        let said = backend_says(404, fields, empty());
        let headers = said.headers().clone();
        let answer = answer(&enforcing(), request(Method::HEAD, &[]), said).await;
        assert!(answer.body.is_empty(), "{case}");
        assert_eq!(answer.headers, if *rewritten { as_get.headers.clone() } else { headers }, "{case}");
    }
}

#[tokio::test]
async fn the_rewritten_body_knows_its_length_and_its_end() {
    let described = head(&enforcing(), get(), html(502)).await;
    let length = described.headers()["content-length"].to_str().unwrap().parse().ok();
    assert_eq!(described.body().size_hint().exact(), length);
    let head_only = head(&enforcing(), request(Method::HEAD, &[]), backend_says(502, &[], empty())).await;
    assert!(head_only.body().is_end_stream());
}

#[tokio::test]
async fn the_replaced_body_is_read_so_that_its_connection_can_be_used_again() {
    // T19
    let body = ScriptedBody::of(["<html>", "</html>"]);
    let probe = body.probe();
    let response = head(&enforcing(), get(), backend_says(502, &[("content-type", "text/html")], body)).await;
    assert!(probe.is_ended() && probe.is_dropped(), "before the head leaves");
    read(response).await.assert_described(BAD_GATEWAY);
}

#[tokio::test(start_paused = true)]
async fn a_replaced_body_that_is_long_or_slow_is_given_up() {
    // T17, T19
    let slow = ScriptedBody::of(["<html>"]).then_always(Step::Stall);
    let endless = ScriptedBody::new([]).then_always(Step::Data(vec![b'x'; 1024].into()));
    let drizzle = ScriptedBody::new([]).then_always(Step::Data("".into()));
    let announced = ScriptedBody::of(["<html>"]).announcing(1 << 30);
    for (case, body, polls, millis) in [
        ("slow", slow, 3, 50),
        ("endless", endless, 64, 0),
        ("empty frames", drizzle, 4096, 0),
        ("announced", announced, 0, 0),
    ] {
        let probe = body.probe();
        let started = tokio::time::Instant::now();
        let response =
            head(&enforcing(), get(), backend_says(502, &[("content-type", "text/html")], body)).await;
        assert_eq!(started.elapsed().as_millis(), millis, "{case}");
        assert!(probe.is_dropped() && !probe.is_ended(), "{case}");
        assert!(probe.polls() <= polls, "{case}: {} polls", probe.polls());
        read(response).await.assert_described(BAD_GATEWAY);
    }
}

#[tokio::test]
async fn an_answer_of_the_proxy_itself_is_described_in_every_mode() {
    // T37
    for mode in [Mode::Enforce, Mode::Observe, Mode::Off] {
        let (recorded, _installed) = recording();
        let mut said = backend_says(504, &[], empty());
        said.extensions_mut().insert(LocalReply);
        let answer = answer(&built(settings().mode(mode)), get(), said).await;
        answer.assert_described("A gateway timeout error occurred.");
        let labels =
            [("source", "proxy"), ("upstream_status", "none"), ("status", "504"), ("action", "rewrite")];
        assert_eq!(recorded.sum(RESPONSES, &labels), 1.0, "{mode:?}");
        assert_eq!(recorded.sum(RESPONSES, &[]), 1.0, "{mode:?}");
        assert_eq!(recorded.sum(NONSTANDARD, &[]) + recorded.sum(BROKEN_PROMISES, &[]), 0.0, "{mode:?}");
    }
}

#[tokio::test]
async fn an_undocumented_answer_of_the_proxy_itself_is_described_by_its_phrase() {
    let (recorded, _installed) = recording();
    let mut said = backend_says(431, &[], empty());
    said.extensions_mut().insert(LocalReply);
    let answer = answer(&enforcing(), get(), said).await;
    assert_eq!(answer.status, 431);
    assert_eq!(answer.json()["title"], "Request Header Fields Too Large");
    assert_eq!(recorded.sum(RESPONSES, &[("class", "undocumented"), ("source", "proxy")]), 1.0);
    assert_eq!(recorded.sum(BROKEN_PROMISES, &[]), 0.0);
}

#[test]
fn a_request_that_could_not_be_read_is_answered_and_counted() {
    let (recorded, _installed) = recording();
    let reply = enforcing().unread_request_reply(StatusCode::BAD_REQUEST);
    assert_eq!(reply.headers()["content-length"], reply.body().len().to_string());
    assert_eq!(reply.headers()["cache-control"], "no-store", "T47");
    assert!(String::from_utf8_lossy(reply.body()).contains("\"status\":400"));
    let labels = [("class", "abnormal"), ("source", "proxy"), ("route", "default"), ("catalog", "sfs")];
    assert_eq!(recorded.sum(RESPONSES, &labels), 1.0);
    assert_eq!(recorded.sum(IN_FLIGHT, &[]), 0.0);
    assert!(recorded.description(RESPONSES).is_some());
}
