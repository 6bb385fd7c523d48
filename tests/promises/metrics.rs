//! What Prometheus is told; T61, T62, T64.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::{
    backend::{Backend, PAGE, Step, answer, page},
    client::{Client, request},
    eventually, h2,
    proxy::Proxy,
    refused, trials,
};

trials![
    admin_paths_are_nothing_special_to_clients,
    connections_are_counted_while_they_are_open,
    durations_are_seconds_to_the_head,
    each_finished_response_is_counted_once,
    every_metric_has_help_and_type,
    openmetrics_is_spoken_to_those_who_ask,
    inspected_bytes_are_counted,
    labels_hold_only_what_is_bounded,
    nothing_is_reachable_through_the_other_port,
    process_and_build_are_there,
    the_count_is_there_before_the_last_byte,
];

const CLIENTS: &str = "status_proxy_client_connections_open";
const UPSTREAM: &str = "status_proxy_upstream_connections_open";
const RESPONSES: &str = "status_normalize_responses_total";

fn connections_are_counted_while_they_are_open() {
    let backend = Backend::scripted(|request| {
        let fields: &[&str] = if request.target() == "/last" { &["Connection: close"] } else { &[] };
        vec![Step::Send(answer("200 OK", fields, "fine"))]
    });
    let proxy = Proxy::start(&backend.url());
    let open = || [CLIENTS, UPSTREAM].map(|name| proxy.scrape().sum(name, &[]));
    assert_eq!(open(), [0.0, 0.0]);
    let mut clients: Vec<_> = (0..3).map(|_| Client::connect(proxy.listen)).collect();
    let ask = |client: &mut Client, path| {
        client.send(request("GET", path, &[]));
        assert_eq!(client.answer("GET").text(), "fine");
    };
    clients.iter_mut().for_each(|client| ask(client, "/"));
    let kept = backend.open() as f64;
    assert!(kept >= 1.0, "connections to the backend are kept");
    assert_eq!(open(), [3.0, kept]);
    clients.truncate(1);
    ask(&mut clients[0], "/last");
    eventually(|| match open() {
        [1.0, left] if left == kept - 1.0 => Ok(()),
        counts => Err(format!("{counts:?} are open")),
    });
}

fn every_metric_has_help_and_type() {
    let backend = Backend::scripted(|request| {
        vec![Step::Send(match request.target() {
            "/json" => answer("500 X", &["Content-Type: application/json"], "{}"),
            path => page(path[1..].parse().unwrap()),
        })]
    });
    let proxy = Proxy::start(&backend.url());
    for path in ["200", "404", "405", "418", "600", "json"] {
        proxy.get(&format!("/{path}"));
    }
    proxy.wait_for(RESPONSES, &[], 6.0);
    let text = proxy.scrape().text;
    assert_eq!(proxy.admin("/metrics").field("content-type").split(';').next(), Some("text/plain"));
    let named = |prefix: &str| -> BTreeSet<&str> {
        let lines = text.lines().filter_map(|line| line.strip_prefix(prefix));
        lines.filter_map(|rest| rest.split(' ').next()).collect()
    };
    let (help, types) = (named("# HELP "), named("# TYPE "));
    let kinds: BTreeMap<&str, &str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' ')).collect();
    for sample in &proxy.scrape().samples {
        let name = &sample.name;
        let family = ["_bucket", "_sum", "_count"]
            .into_iter()
            .filter_map(|suffix| name.strip_suffix(suffix))
            .find(|family| kinds.get(family) == Some(&"histogram"))
            .unwrap_or(name);
        assert!(help.contains(family), "{family} has HELP");
        assert!(types.contains(family), "{family} has TYPE");
        if kinds[family] == "counter" {
            assert!(family.ends_with("_total"), "{family} is a counter");
        }
        assert!(!family.ends_with("_ms") && !family.ends_with("_milliseconds"), "{family}");
    }
    for (family, kind) in [
        (RESPONSES, "counter"),
        ("status_normalize_nonstandard_total", "counter"),
        ("status_normalize_broken_promises_total", "counter"),
        ("status_normalize_response_duration_seconds", "histogram"),
        ("status_normalize_inspected_bytes_total", "counter"),
        ("status_normalize_in_flight", "gauge"),
    ] {
        assert_eq!(kinds.get(family), Some(&kind), "{family}");
    }
}

// T62
fn openmetrics_is_spoken_to_those_who_ask() {
    let backend = Backend::says(page(404));
    let proxy = Proxy::start(&backend.url());
    proxy.get("/");
    proxy.wait_for(RESPONSES, &[], 1.0);
    let accept = "Accept: application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5";
    let answer = Client::connect(proxy.admin).ask("GET", "/metrics", &[accept]);
    assert_eq!(answer.field("content-type").split(';').next(), Some("application/openmetrics-text"));
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    assert!(text.contains("# TYPE status_normalize_responses counter\n"), "{text}");
    assert!(text.contains("\nstatus_normalize_responses_total{"), "{text}");
}

// T62
fn each_finished_response_is_counted_once() {
    let backend = Backend::scripted(|request| {
        let path = request.target().trim_start_matches('/');
        let head_only = request.method() == "HEAD";
        let mut bytes = match path {
            "204" => crate::support::backend::head("204 X", &[]),
            "standard" => answer(
                "500 X",
                &["Content-Type: application/json"],
                r#"{"error_code": "A", "error_msg": "b"}"#,
            ),
            status => page(status.parse().unwrap()),
        };
        if head_only {
            let end = bytes.windows(4).position(|window| window == b"\r\n\r\n").unwrap();
            bytes.truncate(end + 4);
        }
        vec![Step::Send(bytes)]
    });
    let proxy = Proxy::start(&backend.url());
    let mut finished = 0.0;
    for round in 0..5 {
        let mut client = proxy.client();
        for path in ["200", "204", "404", "405", "standard", "418", "300", "666"] {
            for method in ["GET", "HEAD", "POST"] {
                let lines: &[&str] = if method == "POST" { &["Content-Length: 0"] } else { &[] };
                client.ask(method, &format!("/{path}"), lines);
                finished += 1.0;
            }
        }
        let client = h2::Client::connect(proxy.listen);
        for path in ["/200", "/404", "/418"] {
            client.ask("GET", path, &[]);
            finished += 1.0;
        }
        // Unreadable ones count too.
        let mut client = proxy.client();
        client.send("G@T / HTTP/1.1\r\n\r\n");
        client.answer("GET");
        finished += 1.0;
        let scrape = proxy.wait_for(RESPONSES, &[], finished);
        let by_class: f64 = ["normal", "abnormal", "undocumented"]
            .map(|class| scrape.sum(RESPONSES, &[("class", class)]))
            .iter()
            .sum();
        assert_eq!(by_class, finished, "round {round}");
        assert_eq!(scrape.sum("status_normalize_in_flight", &[]), 0.0);
    }
}

// T61
fn labels_hold_only_what_is_bounded() {
    let backend = Backend::scripted(|request| {
        let code = request.target().rsplit('/').next().unwrap();
        vec![Step::Send(page(code.parse().unwrap()))]
    });
    let proxy = Proxy::start(&backend.url());
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = |bound: u64| {
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        seed % bound
    };
    let mut client = proxy.client();
    for number in 0..10_000 {
        let code = loop {
            let code = 200 + next(800);
            if ![204, 205, 304].contains(&code) {
                break code;
            }
        };
        let method = format!("M{:X}", next(1 << 40));
        client.send(format!(
            "{method} /secret-{}/{code} HTTP/1.1\r\nHost: host-{}.test\r\nContent-Length: 0\r\nAccept: a/{number}\r\n\r\n",
            next(1 << 40),
            next(1 << 40)
        ));
        assert_eq!(u64::from(client.answer("GET").status()), code);
    }
    let scrape = proxy.wait_for(RESPONSES, &[], 10_000.0);
    let series: Vec<_> =
        scrape.samples.iter().filter(|sample| sample.name.starts_with("status_normalize")).collect();
    // 400 statuses at most one series each here, `other`, and the rest of DESIGN's bounded sets.
    assert!(series.len() < 700, "{} series", series.len());
    for sample in &series {
        for (key, value) in &sample.labels {
            let known = match key.as_str() {
                "catalog" => value == "sfs",
                "route" => value == "default",
                "class" => ["normal", "abnormal", "undocumented"].contains(&value.as_str()),
                "status" | "upstream_status" => {
                    value == "other" || value.parse::<u16>().is_ok_and(|code| (100..600).contains(&code))
                }
                "source" => ["upstream", "proxy"].contains(&value.as_str()),
                "action" => ["pass", "rewrite", "skip"].contains(&value.as_str()),
                "reason" => value.chars().all(|c| c.is_ascii_lowercase() || c == '_'),
                "kind" => {
                    ["undocumented_status", "method_mismatch", "missing_header"].contains(&value.as_str())
                }
                "le" => value == "+Inf" || value.parse::<f64>().is_ok(),
                _ => false,
            };
            assert!(known, "{key}={value:?} of {}", sample.name);
        }
    }
    for word in ["secret", "host-", "M1", ".test"] {
        assert!(!scrape.text.contains(word), "{word}");
    }
}

// T63
fn durations_are_seconds_to_the_head() {
    use std::time::Duration;
    let backend = Backend::does(vec![
        Step::Wait(Duration::from_millis(120)),
        Step::Send(crate::support::backend::head("200 OK", &["Content-Length: 3"])),
        Step::Wait(Duration::from_millis(1_500)),
        Step::Send(b"end".to_vec()),
    ]);
    let proxy = Proxy::start(&backend.url());
    proxy.get("/");
    let labels = [("class", "normal"), ("catalog", "sfs"), ("route", "default")];
    let scrape = proxy.wait_for("status_normalize_response_duration_seconds_count", &labels, 1.0);
    let sum = scrape.sum("status_normalize_response_duration_seconds_sum", &labels);
    assert!((0.115..1.5).contains(&sum), "{sum} s: to the head, not to the end");
    let buckets: Vec<_> =
        scrape.matching("status_normalize_response_duration_seconds_bucket", &labels).collect();
    assert!(buckets.len() > 5, "{}", scrape.text);
    assert_eq!(
        buckets.iter().filter(|bucket| bucket.labels["le"] == "+Inf").map(|bucket| bucket.value).sum::<f64>(),
        1.0
    );
}

fn inspected_bytes_are_counted() {
    let body = r#"{"oops": "not a documented form"}"#;
    let backend = Backend::says(answer("500 X", &["Content-Type: application/json"], body));
    let proxy = Proxy::start(&backend.url());
    proxy.get("/");
    proxy.wait_for("status_normalize_inspected_bytes_total", &[], body.len() as f64);
    let backend = Backend::says(answer("200 X", &["Content-Type: application/json"], body));
    let proxy = Proxy::start(&backend.url());
    proxy.get("/");
    let scrape = proxy.wait_for(RESPONSES, &[], 1.0);
    assert_eq!(scrape.sum("status_normalize_inspected_bytes_total", &[]), 0.0, "a normal one is not read");
}

fn the_count_is_there_before_the_last_byte() {
    for (case, bytes) in
        [("normal", answer("200 OK", &[], "fine")), ("abnormal", page(404)), ("undocumented", page(418))]
    {
        let backend = Backend::says(bytes);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        let mut admin = Client::connect(proxy.admin);
        for number in 1..=100 {
            client.get("/");
            admin.send(request("GET", "/metrics", &[]));
            let scrape = crate::support::scrape::Scrape::parse(admin.answer("GET").text());
            assert_eq!(
                scrape.sum(RESPONSES, &[("class", case)]),
                f64::from(number),
                "at once, without waiting"
            );
        }
    }
}

fn process_and_build_are_there() {
    let proxy = Proxy::start(&format!("http://{}", refused()));
    let scrape = proxy.scrape();
    for name in [
        "process_cpu_seconds_total",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
    ] {
        assert!(scrape.samples.iter().any(|sample| sample.name == name), "{name} in {}", scrape.text);
    }
    let build = scrape.samples.iter().find(|sample| sample.name.ends_with("build_info"));
    let build = build.unwrap_or_else(|| panic!("build info in {}", scrape.text));
    assert_eq!(build.value, 1.0);
    assert_eq!(build.labels["version"], env!("CARGO_PKG_VERSION"));
}

// T64
fn admin_paths_are_nothing_special_to_clients() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], request.target()))]);
    let proxy = Proxy::start(&backend.url());
    for path in ["/metrics", "/livez", "/readyz", "/", "/api/", "/api/catalogs"] {
        assert_eq!(proxy.get(path).text(), path, "goes upstream");
    }
    let scrape = proxy.wait_for(RESPONSES, &[], 6.0);
    assert!(!scrape.text.contains("/livez"));
}

// T64
fn nothing_is_reachable_through_the_other_port() {
    let backend = Backend::says(page(404));
    let proxy = Proxy::start(&backend.url());
    assert_eq!(proxy.admin("/").status(), 200);
    assert!(proxy.admin("/").field("content-type").starts_with("text/html"));
    for _ in 0..5 {
        assert_eq!(proxy.admin("/livez").status(), 200);
        assert_eq!(proxy.admin("/readyz").status(), 200);
    }
    let unknown = proxy.admin("/no-such-thing");
    assert_eq!(unknown.status(), 404);
    assert_ne!(unknown.text(), PAGE);
    assert_eq!(backend.seen().len(), 0, "never proxied");
    assert_eq!(proxy.scrape().sum(RESPONSES, &[]), 0.0, "never counted");
    let post = Client::connect(proxy.admin).ask("POST", "/metrics", &["Content-Length: 0"]);
    assert_eq!(post.status(), 405);
}
