//! Statuses that are undocumented or mapped.

use std::ops::RangeInclusive;

use http::Method;
use status_normalize::{Builder, StatusRule, Undocumented};
use status_test_util::ScriptedBody;

use crate::support::*;

fn rule(codes: RangeInclusive<u16>, to: u16) -> StatusRule {
    StatusRule::new(codes, to).unwrap()
}

#[tokio::test]
async fn undocumented_statuses_follow_the_policy() {
    // T30
    let map = Undocumented::Map(vec![rule(418..=418, 409), rule(400..=499, 400), rule(700..=799, 500)]);
    let describe = Undocumented::Describe;
    let nearest = Undocumented::Nearest;
    let pass = Undocumented::Pass;
    let cases = [
        (&pass, 418, None),
        (&pass, 599, None),
        (&describe, 418, Some(418)),
        (&describe, 451, Some(451)),
        (&describe, 599, Some(599)),
        (&describe, 299, None),
        (&describe, 399, None),
        (&describe, 416, None),
        (&describe, 600, None),
        (&nearest, 418, Some(400)),
        (&nearest, 529, Some(500)),
        (&nearest, 416, None),
        (&nearest, 302, None),
        (&nearest, 999, None),
        (&map, 418, Some(409)),
        (&map, 429, Some(400)),
        (&map, 416, Some(400)),
        (&map, 520, None),
        (&map, 701, Some(500)),
    ];
    for (policy, status, expected) in cases {
        let (recorded, _installed) = recording();
        let layer = built(settings().undocumented(policy.clone()));
        let answer = answer(&layer, get(), html(status)).await;
        assert_eq!(answer.status, expected.unwrap_or(status), "{policy:?} {status}");
        if expected.is_some() {
            assert_eq!(answer.json()["status"], answer.status, "T36: {policy:?} {status}");
        } else {
            assert_eq!(answer.text(), HTML, "{policy:?} {status}");
        }
        assert_eq!(recorded.sum(RESPONSES, &[("class", "undocumented")]), 1.0, "{policy:?} {status}");
        assert_eq!(recorded.sum(BROKEN_PROMISES, &[("kind", "undocumented_status")]), 1.0);
        let judged = expected.is_some();
        assert_eq!(recorded.sum(NONSTANDARD, &[]), f64::from(u8::from(judged)), "{policy:?} {status}");
    }
}

#[tokio::test]
async fn the_first_rule_decides() {
    // T34
    for _ in 0..50 {
        let layer =
            built(settings().status_map([rule(500..=599, 503), rule(502..=502, 500), rule(500..=510, 400)]));
        assert_eq!(answer(&layer, get(), html(502)).await.status, 503);
    }
}

#[tokio::test]
async fn a_mapped_answer_fits_its_new_status() {
    // T22, T36
    let problem = r#"{"title":"Oops","status":500}"#;
    let json = "application/json";
    let cases = [
        ("an error becomes another", 500, 503, "text/html", HTML, true),
        ("a standard body stands under another status", 500, 503, json, STANDARD, false),
        ("a body that names its status does not", 500, 503, json, problem, true),
        ("no content becomes an error with a body", 204, 404, "", "", true),
        ("not modified becomes an error with a body", 304, 400, "", "", true),
        ("a success becomes an error", 200, 404, "text/html", HTML, true),
        ("a success becomes another", 202, 200, "text/html", HTML, false),
    ];
    for (case, from, to, media_type, body, replaced) in cases {
        let (recorded, _installed) = recording();
        let layer = built(settings().status_map([rule(from..=from, to)]));
        let fields: &[(&str, &str)] =
            if media_type.is_empty() { &[] } else { &[("content-type", media_type)] };
        let answer = answer(&layer, get(), backend_says(from, fields, text(body))).await;
        assert_eq!(answer.status, to, "{case}");
        if replaced {
            answer.assert_described(catalog("sfs").documented(to).unwrap().entry.description());
        } else {
            assert_eq!(answer.text(), body, "{case}");
        }
        let (from, to) = (from.to_string(), to.to_string());
        let labels = [("upstream_status", &*from), ("status", &*to), ("action", "rewrite")];
        assert_eq!(recorded.sum(RESPONSES, &labels), 1.0, "{case}");
    }
}

#[tokio::test]
async fn an_error_that_becomes_no_content_loses_its_body() {
    // T22
    let layer = built(settings().status_map([rule(404..=404, 204)]));
    let fields = [("content-type", "text/html"), ("content-length", "51"), ("x-request-id", "7")];
    let answer = answer(&layer, get(), backend_says(404, &fields, text(HTML))).await;
    assert_eq!((answer.status, &*answer.body), (204, &b""[..]));
    assert_eq!(answer.headers.len(), 1, "{:?}", answer.headers);
}

#[tokio::test]
async fn an_undocumented_stream_is_not_waited_for() {
    // T25
    for media_type in ["text/event-stream", "application/x-ndjson", "Multipart/X-Mixed-Replace; boundary=a"] {
        let (recorded, _installed) = recording();
        let body = ScriptedBody::of(["first"]).then_always(status_test_util::Step::Stall);
        let probe = body.probe();
        let layer = built(settings().undocumented(Undocumented::Describe));
        let response = head(&layer, get(), backend_says(520, &[("content-type", media_type)], body)).await;
        assert_eq!((response.status().as_u16(), probe.polls()), (520, 0), "{media_type}");
        assert_eq!(recorded.sum(SKIPPED, &[("reason", "stream")]), 1.0, "{media_type}");
    }
}

#[tokio::test]
async fn an_abnormal_code_below_400_is_handled_as_the_catalog_says() {
    // T32
    let page = "# Codes\n\n-   Normal\n\n    | Returned Value | Description |\n    |---|---|\n    | 200 | Fine. |\n\n-   Abnormal\n\n    | Returned Value | Description |\n    |---|---|\n    | 300 multiple choices | Too many. |\n    | 304 not modified | Stale. |\n    | 206 partial | Half. |\n    | 416 range | Beyond. |\n";
    let catalog = status_catalog::Importer::new().name("ecs2").import_text("page.md", page).unwrap();
    let catalog = std::sync::Arc::new(catalog.into_catalog().unwrap());
    let (recorded, _installed) = recording();
    let layer = built(settings().catalog(catalog));
    let fields = [("content-type", "text/html"), ("location", "/b"), ("content-range", "bytes */9")];
    let choices = answer(&layer, get(), backend_says(300, &fields, text(HTML))).await;
    choices.assert_described("Too many.");
    assert_eq!(choices.field("location"), Some("/b"));
    assert_eq!(choices.field("content-range"), None);
    let beyond = answer(&layer, get(), backend_says(416, &fields, text(HTML))).await;
    beyond.assert_described("Beyond.");
    assert_eq!(beyond.field("content-range"), Some("bytes */9"), "T26");
    for (status, reason) in [(304, "no_body"), (206, "partial")] {
        let passed =
            answer(&layer, get(), backend_says(status, &fields, text(if status == 206 { HTML } else { "" })))
                .await;
        assert_eq!(passed.status, status);
        assert_eq!(passed.headers.len(), 3);
        assert_eq!(recorded.sum(SKIPPED, &[("reason", reason)]), 1.0, "{status}");
    }
}

#[tokio::test]
async fn tunnels_and_upgrades_are_never_mapped() {
    let everything = |settings: Builder| settings.status_map([rule(200..=999, 500)]);
    let tunnel = answer(
        &built(everything(settings())),
        request(Method::CONNECT, &[]),
        backend_says(200, &[], empty()),
    )
    .await;
    assert_eq!(tunnel.status, 200);
    let upgrade = answer(&built(everything(settings())), get(), backend_says(101, &[], empty())).await;
    assert_eq!(upgrade.status, 101);
    let refused = answer(&enforcing(), request(Method::CONNECT, &[]), html(502)).await;
    refused.assert_described(BAD_GATEWAY);
    // T24
    let asked = request(Method::GET, &[("connection", "upgrade"), ("upgrade", "websocket")]);
    assert_eq!(answer(&enforcing(), asked, html(403)).await.json()["status"], 403);
}

#[test]
fn rules_stay_within_final_statuses() {
    for (codes, to) in [
        (100..=199, 500),
        (101..=101, 500),
        (RangeInclusive::new(500, 400), 500),
        (400..=1000, 500),
        (400..=400, 101),
        (400..=400, 600),
    ] {
        assert!(StatusRule::new(codes.clone(), to).is_err(), "{codes:?} to {to}");
    }
}
