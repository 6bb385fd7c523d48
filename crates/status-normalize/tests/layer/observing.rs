//! Modes that change nothing on the wire.

use std::time::Duration;

use http::Method;
use http_body_util::BodyExt;
use status_normalize::{Mode, StatusRule, Undocumented};
use status_test_util::{ScriptedBody, Step};

use crate::support::*;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test]
async fn observing_changes_nothing_and_counts_what_enforcing_would_do() {
    // T65
    let cases: &[(&str, u16, &[(&str, &str)], &'static str)] = &[
        ("html", 502, &[("content-type", "text/html"), ("etag", "\"1\"")], HTML),
        ("empty", 500, &[], ""),
        ("shape", 404, JSON, "{}"),
        ("standard", 404, JSON, STANDARD),
        ("undecodable", 404, &[("content-type", "text/json"), ("content-encoding", "br")], "no brotli"),
        ("mapped", 409, &[("content-type", "text/html")], HTML),
        ("mapped and standard", 409, JSON, STANDARD),
        ("undocumented", 429, JSON, "{}"),
        ("skipped", 502, &[("cache-control", "no-transform")], HTML),
        ("normal", 200, &[], HTML),
    ];
    for (case, status, fields, body) in cases {
        let run = async |mode| {
            let (recorded, installed) = recording();
            let settings = settings()
                .mode(mode)
                .undocumented(Undocumented::Describe)
                .status_map([StatusRule::new(409..=409, 400).unwrap()]);
            let answer = answer(&built(settings), get(), backend_says(*status, fields, text(body))).await;
            drop(installed);
            (recorded, answer)
        };
        let (enforced, _) = run(Mode::Enforce).await;
        let (observed, answer) = run(Mode::Observe).await;
        assert_eq!((answer.status, answer.text()), (*status, *body), "{case}");
        assert_eq!(answer.headers, *backend_says(*status, fields, empty()).headers(), "{case}");
        assert_eq!(observed.series(NONSTANDARD), enforced.series(NONSTANDARD), "{case}");
        assert_eq!(observed.series(SKIPPED), enforced.series(SKIPPED), "{case}");
        assert_eq!(
            observed.sum(RESPONSES, &[("action", "would_rewrite"), ("status", &status.to_string())]),
            enforced.sum(RESPONSES, &[("action", "rewrite")]),
            "{case}"
        );
        assert_eq!(observed.sum(RESPONSES, &[]), 1.0, "{case}");
    }
}

#[tokio::test]
async fn observing_delays_neither_head_nor_frames() {
    // T65
    let body =
        ScriptedBody::new([Step::Data("{\"a\":".into()), Step::Data("1}".into())]).then_always(Step::Stall);
    let probe = body.probe();
    let (recorded, _installed) = recording();
    let mut response =
        head(&built(settings().mode(Mode::Observe)), get(), backend_says(500, JSON, body)).await;
    assert_eq!(probe.polls(), 0);
    for polls in 1..=2 {
        assert!(response.frame().await.unwrap().unwrap().is_data());
        assert_eq!(probe.polls(), polls);
    }
    drop(response);
    assert_eq!(recorded.sum(BODY_ERRORS, &[("kind", "client_cancelled")]), 1.0);
    assert_eq!(recorded.sum(RESPONSES, &[("action", "pass")]), 1.0);
}

#[tokio::test]
async fn an_observed_body_that_is_long_passes_whole() {
    let (recorded, _installed) = recording();
    let body = ScriptedBody::of(vec![vec![b' '; 40_000]; 5]);
    let answer = answer(&built(settings().mode(Mode::Observe)), get(), backend_says(500, JSON, body)).await;
    assert_eq!(answer.body.len(), 200_000);
    assert_eq!(recorded.sum(NONSTANDARD, &[("reason", "too_large")]), 1.0);
    assert_eq!(recorded.sum(RESPONSES, &[("action", "would_rewrite")]), 1.0);
    assert_eq!(recorded.sum("status_normalize_inspected_bytes_total", &[]), 65_536.0);
}

#[tokio::test]
async fn an_observed_body_that_breaks_off_is_cut() {
    let (recorded, _installed) = recording();
    let body = ScriptedBody::new([Step::Data("{".into()), Step::Fail]);
    let response = head(&built(settings().mode(Mode::Observe)), get(), backend_says(500, JSON, body)).await;
    assert!(response.collect().await.is_err());
    assert_eq!(recorded.sum(NONSTANDARD, &[("reason", "cut")]), 1.0);
    assert_eq!(recorded.sum(BODY_ERRORS, &[("kind", "upstream")]), 1.0);
    assert_eq!(recorded.sum(RESPONSES, &[("action", "would_rewrite")]), 1.0);
}

#[tokio::test(start_paused = true)]
async fn an_observed_body_that_takes_longer_than_enforcing_waits_is_a_timeout() {
    // T65
    let end = || Step::Data(STANDARD[1..].into());
    let cases = [
        ("late", Some(end()), 2000, None, "timeout"),
        ("late and cut", Some(Step::Fail), 2000, Some("upstream"), "timeout"),
        ("late and gone", None, 2000, Some("client_cancelled"), "timeout"),
        ("early", Some(end()), 1999, None, "none"),
        ("early and gone", None, 1999, Some("client_cancelled"), "none"),
    ];
    for (case, last, millis, error, reason) in cases {
        let (recorded, _installed) = recording();
        let body = ScriptedBody::new([Step::Data(STANDARD[..1].into())].into_iter().chain(last));
        let said = backend_says(500, JSON, body);
        let mut response = head(&built(settings().mode(Mode::Observe)), get(), said).await;
        assert!(response.frame().await.unwrap().unwrap().is_data(), "{case}");
        tokio::time::advance(Duration::from_millis(millis)).await;
        if error != Some("client_cancelled") {
            assert_eq!(response.collect().await.is_err(), error.is_some(), "{case}");
        } else {
            drop(response);
        }
        let late = if reason == "timeout" { 1.0 } else { 0.0 };
        assert_eq!(recorded.sum(NONSTANDARD, &[]), late, "{case}");
        assert_eq!(recorded.sum(NONSTANDARD, &[("reason", reason)]), late, "{case}");
        assert_eq!(recorded.sum(RESPONSES, &[("action", "would_rewrite")]), late, "{case}");
        assert_eq!(recorded.sum(RESPONSES, &[]), 1.0, "{case}");
        assert_eq!(
            recorded.sum(BODY_ERRORS, &[("kind", error.unwrap_or("none"))]),
            recorded.sum(BODY_ERRORS, &[])
        );
    }
}

#[tokio::test]
async fn off_counts_by_class_and_reads_nothing() {
    let (recorded, _installed) = recording();
    let layer = built(settings().mode(Mode::Off));
    for (status, class) in [(200, "normal"), (429, "undocumented"), (502, "abnormal")] {
        assert_eq!(answer(&layer, get(), html(status)).await.text(), HTML);
        assert_eq!(recorded.sum(RESPONSES, &[("class", class), ("action", "pass")]), 1.0);
    }
    assert_eq!(recorded.sum(RESPONSES, &[]), 3.0);
    assert_eq!(recorded.sum(NONSTANDARD, &[]), 0.0);
}

#[tokio::test]
async fn a_rollout_rewrites_its_share_and_observes_the_rest() {
    for share in [0, 1, 33, 50, 99] {
        let (recorded, _installed) = recording();
        let layer = built(settings().rollout(share.try_into().unwrap()));
        for _ in 0..200 {
            answer(&layer, request(Method::GET, &[]), html(502)).await;
        }
        let rewritten = recorded.sum(RESPONSES, &[("action", "rewrite")]);
        assert_eq!(rewritten, 2.0 * share as f64, "{share} %");
        assert_eq!(recorded.sum(RESPONSES, &[("action", "skip")]), 200.0 - rewritten);
        assert_eq!(recorded.sum(SKIPPED, &[("reason", "rollout")]), 200.0 - rewritten);
        assert_eq!(recorded.sum(NONSTANDARD, &[("reason", "media_type")]), 200.0);
    }
}
