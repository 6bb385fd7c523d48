//! Bodies that have to be read to be judged.

use std::time::Duration;

use http::Method;
use status_normalize::{Accepted, Shape};
use status_test_util::{ScriptedBody, Step};
use tokio::time::Instant;

use crate::support::*;

const JSON: &[(&str, &str)] = &[("content-type", "application/json")];

#[tokio::test(start_paused = true)]
async fn a_body_that_is_not_to_be_had_gives_a_whole_documented_answer() {
    // T15, T16, T17, T18
    let start = || Step::Data(r#"{"error_code":"SFS.0017","#.into());
    let big = || Step::Data(vec![b' '; 40 * 1024].into());
    let cases = [
        ("breaks off", ScriptedBody::new([start(), Step::Fail]), "cut", 0),
        ("stalls", ScriptedBody::new([start(), Step::Stall]), "timeout", 2000),
        ("never starts", ScriptedBody::new([Step::Stall]), "timeout", 2000),
        ("is large", ScriptedBody::new([start(), big(), big()]), "too_large", 0),
        ("never ends", ScriptedBody::new([start()]).then_always(big()), "too_large", 0),
        ("announces much", ScriptedBody::new([start(), big(), big()]).announcing(1 << 40), "too_large", 0),
        ("is empty frames", ScriptedBody::new([start()]).then_always(Step::Data("".into())), "too_large", 0),
    ];
    for (case, body, reason, millis) in cases {
        let (recorded, _installed) = recording();
        let probe = body.probe();
        let started = Instant::now();
        let response = head(&enforcing(), get(), backend_says(500, JSON, body)).await;
        assert_eq!(started.elapsed().as_millis(), millis, "{case}");
        assert!(probe.is_dropped(), "{case}");
        let answer = read(response).await;
        answer.assert_described("The request is not completed because of a service error.");
        let kept = (case != "never starts").then_some("SFS.0017");
        assert_eq!(answer.json()["error_code"].as_str(), kept, "{case}: T39");
        assert_eq!(recorded.sum(NONSTANDARD, &[("reason", reason), ("status", "500")]), 1.0, "{case}");
        assert_eq!(recorded.sum(RESPONSES, &[("action", "rewrite")]), 1.0, "{case}");
        let kind = match reason {
            "cut" => Some("upstream"),
            "timeout" => Some("timeout"),
            _ => None,
        };
        assert_eq!(recorded.sum(BODY_ERRORS, &[]), if kind.is_some() { 1.0 } else { 0.0 }, "{case}");
        assert_eq!(
            recorded.sum(BODY_ERRORS, &[("kind", kind.unwrap_or("none"))]),
            recorded.sum(BODY_ERRORS, &[])
        );
    }
}

#[tokio::test(start_paused = true)]
async fn limits_are_those_of_the_route() {
    let layer =
        built(settings().inspect_limit(10.try_into().unwrap()).inspect_timeout(Duration::from_millis(7)));
    let large = answer(&layer, get(), backend_says(404, JSON, text(STANDARD))).await;
    assert_ne!(large.text(), STANDARD);
    let started = Instant::now();
    answer(&layer, get(), backend_says(404, JSON, ScriptedBody::new([Step::Stall]))).await;
    assert_eq!(started.elapsed(), Duration::from_millis(7));
    let exact = built(settings().inspect_limit((STANDARD.len() as u64).try_into().unwrap()));
    let fits = answer(&exact, get(), backend_says(404, JSON, ScriptedBody::of([STANDARD]))).await;
    assert_eq!(fits.text(), STANDARD);
}

#[tokio::test]
async fn each_finding_is_counted_under_its_reason() {
    // T14, T40
    let cases: &[(&str, &[(&str, &str)], &'static str)] = &[
        ("empty", JSON, ""),
        ("empty", &[], ""),
        ("media_type", &[("content-type", "text/plain")], STANDARD),
        ("media_type", &[], STANDARD),
        ("malformed", JSON, HTML),
        ("shape", JSON, r#"["a"]"#),
        ("status_mismatch", JSON, r#"{"title":"Gone","status":410}"#),
        ("undecodable", &[("content-type", "application/json"), ("content-encoding", "gzip")], "no gzip"),
        ("undecodable", &[("content-type", "application/json"), ("content-encoding", "weird")], STANDARD),
    ];
    for (reason, fields, body) in cases {
        let (recorded, _installed) = recording();
        let answer = answer(&enforcing(), get(), backend_says(404, fields, text(body))).await;
        assert_eq!(answer.field("content-type"), Some("application/problem+json"), "{reason}");
        assert_eq!(answer.field("content-encoding"), None, "{reason}");
        assert_eq!(recorded.sum(NONSTANDARD, &[("reason", reason)]), 1.0, "{reason} {body}");
        assert_eq!(recorded.sum(NONSTANDARD, &[]), 1.0, "{reason} {body}");
    }
}

#[tokio::test]
async fn the_media_type_alone_decides_without_reading() {
    let body = ScriptedBody::new([]).then_always(Step::Data("x".into())).announcing(1 << 20);
    let probe = body.probe();
    let said = backend_says(500, &[("content-type", "text/html")], body);
    let response = head(&enforcing(), get(), said).await;
    assert_eq!(probe.polls(), 0);
    drop(response);
}

#[tokio::test]
async fn an_encoded_standard_body_comes_out_as_it_went_in() {
    // T14
    use std::io::Write;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(STANDARD.as_bytes()).unwrap();
    let encoded = gzip.finish().unwrap();
    let fields = [("content-type", "application/json"), ("content-encoding", "gzip"), ("etag", "\"1\"")];
    for size in [1, 7, 1000] {
        let body = ScriptedBody::of(encoded.chunks(size).map(<[u8]>::to_vec));
        let answer = answer(&enforcing(), get(), backend_says(404, &fields, body)).await;
        assert_eq!(*answer.body, *encoded);
        assert_eq!(answer.field("content-encoding"), Some("gzip"));
        assert_eq!(answer.field("etag"), Some("\"1\""));
    }
}

#[tokio::test]
async fn a_route_narrows_the_accepted_shapes() {
    let layer = built(settings().accepted(Accepted::from_iter([Shape::Problem])));
    let narrowed = answer(&layer, get(), backend_says(404, JSON, text(STANDARD))).await;
    narrowed.assert_described("The requested page was not found.");
    assert_eq!(narrowed.json()["error_code"], "SFS.0001");
    // T42: what the layer itself sends stands nevertheless.
    let asked = || request(Method::GET, &[("accept", "application/json")]);
    let ours = answer(&layer, asked(), html(404)).await;
    let relayed = backend_says(404, JSON, ScriptedBody::of([ours.body.clone()]));
    assert_eq!(answer(&layer, asked(), relayed).await.body, ours.body);
}

#[tokio::test]
async fn a_strict_route_demands_the_documented_description() {
    let layer = built(settings().strict(true));
    let described = r#"{"error_code":"A","error_msg":"The requested page was not found."}"#;
    for (body, standard) in [(described, true), (STANDARD, false)] {
        let answer = answer(&layer, get(), backend_says(404, JSON, text(body))).await;
        assert_eq!(answer.text() == body, standard, "{body}");
    }
}

#[tokio::test]
async fn a_body_that_is_slow_but_comes_is_waited_for() {
    let frames = STANDARD.as_bytes().chunks(5).flat_map(|c| [Step::Pending, Step::Data(c.to_vec().into())]);
    let answer = answer(&enforcing(), get(), backend_says(404, JSON, ScriptedBody::new(frames))).await;
    assert_eq!(answer.text(), STANDARD);
}
