//! Names, labels, and when a recorder is there.

use http::Method;
use metrics::Unit;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder};
use status_normalize::{DURATION_BUCKETS, RoutePattern, StatusNormalizeLayer, names};
use status_test_util::{Recorded, ScriptedBody};

use crate::support::*;

async fn a_bit_of_everything(layer: &StatusNormalizeLayer) {
    answer(layer, get(), html(200)).await;
    answer(layer, get(), html(502)).await;
    answer(layer, get(), backend_says(404, &[("content-type", "text/json")], text(STANDARD))).await;
    answer(layer, request(Method::DELETE, &[]), html(200)).await;
    answer(layer, get(), backend_says(502, &[("cache-control", "no-transform")], text(HTML))).await;
    answer(layer, request(Method::POST, &[("content-type", "application/grpc")]), html(502)).await;
    drop(head(layer, get(), html(200)).await);
}

#[tokio::test]
async fn every_metric_has_its_name_unit_and_description() {
    let (recorded, _installed) = recording();
    a_bit_of_everything(&enforcing()).await;
    let expected = [
        ("status_normalize_body_errors_total", Unit::Count),
        ("status_normalize_broken_promises_total", Unit::Count),
        ("status_normalize_grpc_responses_total", Unit::Count),
        ("status_normalize_in_flight", Unit::Count),
        ("status_normalize_inspected_bytes_total", Unit::Bytes),
        ("status_normalize_nonstandard_total", Unit::Count),
        ("status_normalize_response_duration_seconds", Unit::Seconds),
        ("status_normalize_responses_total", Unit::Count),
        ("status_normalize_skipped_total", Unit::Count),
    ];
    assert_eq!(recorded.names(), expected.map(|(name, _)| name));
    for (name, unit) in expected {
        let (described, text) = recorded.description(name).unwrap();
        assert_eq!(described, Some(unit), "{name}");
        assert!(text.ends_with('.'), "{name}");
    }
}

#[tokio::test]
async fn the_duration_is_a_histogram_where_the_exporter_is_given_its_bounds() {
    let duration = Matcher::Full(names::RESPONSE_DURATION.to_owned());
    let exporter = PrometheusBuilder::new().set_buckets_for_metric(duration, &DURATION_BUCKETS).unwrap();
    let recorder: &'static _ = Box::leak(Box::new(exporter.build_recorder()));
    let _installed = metrics::set_default_local_recorder(recorder);
    answer(&enforcing(), get(), html(200)).await;
    let text = recorder.handle().render();
    assert!(text.contains("# TYPE status_normalize_response_duration_seconds histogram"), "{text}");
    assert_eq!(text.matches("duration_seconds_bucket{").count(), DURATION_BUCKETS.len() + 1, "{text}");
    assert!(text.contains("le=\"0.0005\"") && text.contains("le=\"60\""), "{text}");
}

#[tokio::test]
async fn responses_carry_their_labels() {
    let (recorded, _installed) = recording();
    answer(&built(settings().name("api").catalog(catalog("dns"))), get(), html(502)).await;
    let [(labels, count)] = &recorded.series(RESPONSES)[..] else { panic!("one series") };
    let labels: Vec<_> = labels.iter().map(|(key, value)| (&**key, &**value)).collect();
    let expected = [
        ("action", "rewrite"),
        ("catalog", "dns"),
        ("class", "abnormal"),
        ("route", "api"),
        ("source", "upstream"),
        ("status", "502"),
        ("upstream_status", "502"),
    ];
    assert_eq!((&labels[..], *count), (&expected[..], 1.0));
}

#[tokio::test]
async fn a_recorder_may_come_after_the_layer_and_after_the_first_request() {
    let layer = enforcing();
    a_bit_of_everything(&layer).await;
    let (recorded, _installed) = recording();
    a_bit_of_everything(&layer).await;
    assert_eq!(recorded.sum(RESPONSES, &[]), 7.0);
    assert_eq!(recorded.sum(IN_FLIGHT, &[]), 0.0);
    assert!(recorded.description(IN_FLIGHT).is_some());
}

#[tokio::test]
async fn a_request_that_no_recorder_heard_of_does_not_end_in_one() {
    let layer = enforcing();
    let response = head(&layer, get(), backend_says(200, &[], ScriptedBody::of(["a"]))).await;
    let (recorded, _installed) = recording();
    answer(&layer, get(), html(200)).await;
    read(response).await;
    assert_eq!(recorded.sum(IN_FLIGHT, &[]), 0.0);
    assert_eq!(recorded.sum(RESPONSES, &[]), 2.0);
}

#[tokio::test]
async fn handles_are_resolved_once() {
    let layer = enforcing();
    let (first, installed) = recording();
    answer(&layer, get(), html(502)).await;
    drop(installed);
    let (second, _installed) = recording();
    answer(&layer, get(), html(502)).await;
    assert_eq!((first.sum(RESPONSES, &[]), second.sum(RESPONSES, &[])), (2.0, 0.0));
}

#[tokio::test]
async fn statuses_beyond_the_registry_share_a_label() {
    // T30, T61
    let (recorded, _installed) = recording();
    let layer = enforcing();
    for status in 600..=999 {
        answer(&layer, get(), html(status)).await;
    }
    let labels = [("status", "other"), ("upstream_status", "other"), ("class", "undocumented")];
    assert_eq!(recorded.sum(RESPONSES, &labels), 400.0);
    assert_eq!(recorded.series(RESPONSES).len(), 1);
}

#[tokio::test]
async fn no_label_holds_what_a_request_says() {
    // T61
    let (recorded, _installed) = recording();
    let pattern = RoutePattern { path: Some("/a/{id}".into()), ..RoutePattern::default() };
    let layer = built(settings().route(pattern, |route| route.name("a")));
    for number in 0..300_u16 {
        let mut asked = request(Method::from_bytes(format!("M{number}").as_bytes()).unwrap(), &[]);
        *asked.uri_mut() = format!("http://host-{number}/a/{number}").parse().unwrap();
        answer(&layer, asked, html(200 + number)).await;
    }
    for name in recorded.names() {
        for (labels, _) in recorded.series(&name) {
            for (key, value) in labels {
                let closed = value.len() == 3 && value.parse::<u16>().is_ok()
                    || value.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
                assert!(closed, "{name} {key}={value}");
            }
        }
    }
    // Class, action and promise for each status at most.
    assert!(recorded.series(RESPONSES).len() <= 300);
}

#[tokio::test]
async fn method_mismatches_are_counted_and_head_is_get() {
    let cases = [
        (Method::GET, 200, 0.0),
        (Method::HEAD, 200, 0.0),
        (Method::PUT, 200, 0.0),
        (Method::DELETE, 200, 1.0),
        (Method::POST, 201, 0.0),
        (Method::GET, 201, 1.0),
        (Method::GET, 502, 0.0),
    ];
    for (method, status, expected) in cases {
        let (recorded, _installed) = recording();
        answer(&enforcing(), request(method.clone(), &[]), html(status)).await;
        let labels = [("kind", "method_mismatch"), ("route", "default"), ("catalog", "sfs")];
        assert_eq!(recorded.sum(BROKEN_PROMISES, &labels), expected, "{method} {status}");
    }
}

#[tokio::test]
async fn inspected_bytes_are_those_that_were_read_for_judgement() {
    let (recorded, _installed) = recording();
    answer(&enforcing(), get(), html(502)).await;
    assert_eq!(recorded.sum("status_normalize_inspected_bytes_total", &[]), 0.0);
    answer(&enforcing(), get(), backend_says(404, &[("content-type", "text/json")], text(STANDARD))).await;
    assert_eq!(recorded.sum("status_normalize_inspected_bytes_total", &[]), STANDARD.len() as f64);
}

#[test]
fn a_recorder_that_is_told_nothing_costs_no_series() {
    let recorded = Recorded::new();
    let _installed = recorded.install();
    let _layer = enforcing();
    assert_eq!(recorded.names(), Vec::<String>::new());
}
