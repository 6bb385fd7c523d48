//! Observing changes nothing on the wire and delays nothing, but counts what would have happened; T65.

use std::time::Duration;

use crate::support::{
    backend::{Backend, PAGE, Step, answer, chunk, head},
    client::{Client, request},
    coding,
    proxy::Proxy,
    trials,
};

trials![
    a_rollout_rewrites_its_share,
    heads_and_frames_pass_at_once,
    off_reads_no_body,
    the_same_bytes_arrive_and_the_same_counts_rise,
];

const RESPONSES: &str = "status_normalize_responses_total";

// T65
fn the_same_bytes_arrive_and_the_same_counts_rise() {
    let json =
        |body: &str| answer("404 Why", &["Content-Type: application/json", "ETag: \"e\"", "X-Odd:  a"], body);
    let gzip = ["Content-Type: application/json", "Content-Encoding: gzip"];
    let mut chunked = head("502 Why", &["Content-Type: text/html", "Transfer-Encoding: chunked"]);
    chunked.extend(chunk(PAGE));
    chunked.extend(b"0\r\n\r\n");
    let cases: Vec<(Vec<u8>, &str, &str)> = vec![
        (answer("200 Fine", &["Content-Type: text/html"], PAGE), "pass", ""),
        (
            answer("500 Why", &["Content-Type: text/html", "Set-Cookie: a=1"], PAGE),
            "would_rewrite",
            "media_type",
        ),
        (answer("500 Why", &[], ""), "would_rewrite", "empty"),
        (json("{\"oops\": 1}"), "would_rewrite", "shape"),
        (json("{\"oops\": "), "would_rewrite", "malformed"),
        (json("{\"code\": 500, \"message\": \"m\"}"), "would_rewrite", "status_mismatch"),
        (json("{\"error_code\": \"A\", \"error_msg\": \"b\"}"), "pass", ""),
        (json(&format!("{{\"x\": \"{}\"}}", "x".repeat(70_000))), "would_rewrite", "too_large"),
        (answer("503 Why", &gzip, coding::gzip(b"{\"oops\": 1}")), "would_rewrite", "shape"),
        (
            answer("503 Why", &gzip, coding::gzip(b"{\"error_code\": \"A\", \"error_msg\": \"b\"}")),
            "pass",
            "",
        ),
        (answer("503 Why", &gzip, b"not gzip"), "would_rewrite", "undecodable"),
        (answer("503 Why", &gzip, coding::gzip_bomb(4 << 20)), "would_rewrite", "too_large"),
        (answer("418 Why", &["Content-Type: text/html"], PAGE), "pass", ""),
        (answer("500 Why", &["Content-Type: text/html", "Cache-Control: no-transform"], PAGE), "skip", ""),
        (chunked, "would_rewrite", "media_type"),
    ];
    for (bytes, action, reason) in cases {
        let case = String::from_utf8_lossy(&bytes[..bytes.len().min(120)]).into_owned();
        let backend = Backend::says(bytes);
        let direct = Client::connect(backend.address).get("/");
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--mode", "observe"]);
        let through = proxy.get("/");
        assert_eq!(through.start, direct.start, "{case}");
        assert_eq!(through.body, direct.body, "{case}");
        let mut fields: Vec<_> =
            through.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        fields.retain(|(name, _)| name != "via" && name != "date");
        let expected: Vec<_> =
            direct.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone())).collect();
        let (mut sorted, mut wanted) = (fields.clone(), expected.clone());
        sorted.sort();
        wanted.sort();
        assert_eq!(sorted, wanted, "{case}");
        let scrape = proxy.wait_for(RESPONSES, &[("action", action)], 1.0);
        assert_eq!(scrape.sum(RESPONSES, &[]), 1.0, "{case}");
        let findings = scrape.sum("status_normalize_nonstandard_total", &[]);
        assert_eq!(findings, if reason.is_empty() { 0.0 } else { 1.0 }, "{case}: {}", scrape.text);
        if !reason.is_empty() {
            let found = scrape.sum("status_normalize_nonstandard_total", &[("reason", reason)]);
            assert_eq!(found, 1.0, "{case} is {reason}: {}", scrape.text);
        }
    }
}

// T65
fn heads_and_frames_pass_at_once() {
    for kind in ["application/json", "text/html"] {
        for mode in ["observe", "off"] {
            let backend = Backend::does(vec![
                Step::Send(head(
                    "500 Why",
                    &[&format!("Content-Type: {kind}"), "Transfer-Encoding: chunked"],
                )),
                Step::Wait(Duration::from_secs(1)),
                Step::Send(chunk("{\"oops\"")),
                Step::Hold,
            ]);
            let proxy = Proxy::run(&["--upstream", &backend.url(), "--mode", mode]);
            let mut client = proxy.client();
            let started = tokio::time::Instant::now();
            client.send(request("GET", "/", &[]));
            assert_eq!(client.head().start, "HTTP/1.1 500 Why");
            assert!(
                started.elapsed() < Duration::from_millis(950),
                "the head waits for nothing: {:?}",
                started.elapsed()
            );
            assert_eq!(client.bytes(12), chunk("{\"oops\""));
            assert!(
                started.elapsed() < Duration::from_secs(5),
                "nor does the first frame: {:?}",
                started.elapsed()
            );
        }
    }
}

fn off_reads_no_body() {
    let backend = Backend::says(answer("500 Why", &["Content-Type: application/json"], "{\"oops\": 1}"));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--mode", "off"]);
    assert_eq!(proxy.get("/").start, "HTTP/1.1 500 Why");
    let scrape =
        proxy.wait_for(RESPONSES, &[("class", "abnormal"), ("action", "pass"), ("status", "500")], 1.0);
    for name in ["status_normalize_nonstandard_total", "status_normalize_inspected_bytes_total"] {
        assert_eq!(scrape.sum(name, &[]), 0.0, "{name}");
    }
}

fn a_rollout_rewrites_its_share() {
    let backend = Backend::says(answer("500 Why", &["Content-Type: text/html"], PAGE));
    for (percent, least, most) in [(0, 0, 0), (30, 200, 400), (100, 1_000, 1_000)] {
        let proxy = Proxy::configured(&format!("upstream = '{}'\nrollout = '{percent}%'\n", backend.url()));
        let mut client = proxy.client();
        let rewritten = (0..1_000).filter(|_| client.get("/").text() != PAGE).count();
        assert!((least..=most).contains(&rewritten), "{rewritten} of 1,000 at {percent} %");
        let scrape = proxy.wait_for(RESPONSES, &[], 1_000.0);
        assert_eq!(scrape.sum(RESPONSES, &[("action", "rewrite")]), rewritten as f64);
        let skipped = scrape.sum("status_normalize_skipped_total", &[("reason", "rollout")]);
        assert_eq!(skipped + scrape.sum(RESPONSES, &[("action", "rewrite")]), 1_000.0, "{}", scrape.text);
    }
}
