//! The answers that the proxy makes itself obey the catalog; T37.

use std::time::Duration;

use crate::support::{
    backend::{Backend, PAGE, Step, answer},
    catalogs::{CATALOGS, catalog, iana_phrase},
    client::{Answer, request},
    eventually,
    proxy::Proxy,
    refused, trials,
};

trials![
    a_malformed_reply_is_a_502,
    a_pool_that_is_full_is_a_503,
    a_refused_connection_is_a_502_of_every_catalog,
    a_reply_that_does_not_come_is_a_504,
    a_request_body_beyond_the_limit_is_a_413,
    a_stale_connection_is_retried_once,
    local_replies_are_described_in_every_mode,
    local_replies_negotiate,
    nothing_of_the_cause_reaches_the_client,
    requests_that_are_not_safe_are_not_repeated,
    the_log_tells_which_upstream_fails,
    the_log_tells_which_rule_a_request_broke,
];

const RESPONSES: &str = "status_normalize_responses_total";

#[track_caller]
fn assert_local(answer: &Answer, status: u16) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.reason(), iana_phrase(status));
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert_eq!(answer.field("content-length"), answer.body.len().to_string());
    assert_eq!(answer.field("cache-control"), "no-store");
    assert_eq!(answer.json()["status"], status);
    assert_eq!(answer.json()["detail"], catalog("sfs").description(status));
}

#[track_caller]
fn assert_counted(proxy: &Proxy, status: &str, count: f64) {
    let labels = [
        ("source", "proxy"),
        ("status", status),
        ("upstream_status", "none"),
        ("class", "abnormal"),
        ("action", "rewrite"),
        ("route", "default"),
        ("catalog", "sfs"),
    ];
    let scrape = proxy.wait_for(RESPONSES, &labels, count);
    assert_eq!(scrape.sum("status_normalize_nonstandard_total", &[]), 0.0, "no finding: {}", scrape.text);
}

fn a_refused_connection_is_a_502_of_every_catalog() {
    for expected in &CATALOGS {
        let proxy = Proxy::run(&["--upstream", &format!("http://{}", refused()), "--catalog", expected.name]);
        let mut client = proxy.client();
        for _ in 0..2 {
            let answer = client.get("/");
            assert_eq!(answer.status(), 502);
            assert_eq!(answer.json()["detail"], expected.description(502), "{}", expected.name);
        }
        proxy.wait_for(RESPONSES, &[("catalog", expected.name), ("source", "proxy"), ("status", "502")], 2.0);
    }
}

/// The lines that answers of the proxy's own have in its log, once there are so many.
#[track_caller]
fn log_lines(proxy: &Proxy, count: usize) -> Vec<String> {
    eventually(|| {
        let log = proxy.log();
        let lines: Vec<_> = log.lines().filter(|line| line.contains("answered by the proxy")).collect();
        if lines.len() < count {
            return Err(log);
        }
        Ok(lines.into_iter().map(str::to_owned).collect())
    })
}

fn the_log_tells_which_upstream_fails() {
    let (one, two) = (refused(), refused());
    let proxy = Proxy::configured(&format!(
        "upstream = 'http://{one}'\n[[route]]\nname = 'other'\npath = '/other'\nupstream = 'http://{two}'\n"
    ));
    for _ in 0..3 {
        assert_eq!([proxy.get("/").status(), proxy.get("/other").status()], [502, 502]);
    }
    let lines = log_lines(&proxy, 2);
    for (route, upstream) in [("default", one), ("other", two)] {
        let told =
            format!("cause=\"connect_failed\" status=502 route=\"{route}\" upstream=\"http://{upstream}\"");
        let lines: Vec<_> = lines.iter().filter(|line| line.contains(&told)).collect();
        assert!(
            matches!(&lines[..], [line] if line.contains("WARN")),
            "one line of each in a while: {lines:?}"
        );
    }
    std::thread::sleep(Duration::from_secs(5));
    proxy.get("/");
    assert!(log_lines(&proxy, 3)[2].ends_with("left_out=2"), "{}", proxy.log());
}

fn the_log_tells_which_rule_a_request_broke() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--log-level", "debug"]);
    for (number, (request, rule)) in [
        ("GET / HTTP/1.1\r\n\r\n", "no Host"),
        ("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", "Host is invalid, or there are several"),
        (
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            "Transfer-Encoding beside Content-Length, or in HTTP/1.0",
        ),
        ("GET / HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n", "malformed head"),
        ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", "the target has a form of other methods"),
    ]
    .into_iter()
    .enumerate()
    {
        let mut client = proxy.client();
        let peer = client.stream().local_addr().unwrap();
        client.send(request);
        assert_eq!(client.answer("GET").status(), 400, "{rule}");
        let line = &log_lines(&proxy, number + 1)[number];
        for told in ["DEBUG", "cause=\"bad_request\" status=400", &format!("peer={peer} error=\"{rule}\"")] {
            assert!(line.contains(told), "{told}: {line}");
        }
    }
}

fn a_malformed_reply_is_a_502() {
    let long = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: b\r\n".repeat(300));
    for reply in [
        "nonsense\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: abc\r\n\r\n",
        "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\nNo colon here\r\n\r\n",
        "HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n",
        "SSH-2.0-OpenSSH_9.2\r\n",
        "",
        &long,
        &many,
    ] {
        let backend = Backend::does(vec![Step::Send(reply.into()), Step::Close]);
        let proxy = Proxy::start(&backend.url());
        assert_local(&proxy.ask("POST", "/", &["Content-Length: 0"]), 502);
        assert_counted(&proxy, "502", 1.0);
    }
    // The backend closes although it promised more of a head.
    for end in [Step::Close, Step::Reset] {
        let backend = Backend::does(vec![Step::Send(b"HTTP/1.1 200 OK\r\nX-Half: ".to_vec()), end]);
        let proxy = Proxy::start(&backend.url());
        assert_local(&proxy.get("/"), 502);
        assert_counted(&proxy, "502", 1.0);
    }
}

fn a_reply_that_does_not_come_is_a_504() {
    let backend = Backend::does(vec![Step::Hold]);
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nresponse_head = '200ms'\n", backend.url()));
    assert_local(&proxy.get("/"), 504);
    assert_counted(&proxy, "504", 1.0);
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("upstream is still open".into()) });
    // Half a head is no head.
    let backend = Backend::does(vec![Step::Send(b"HTTP/1.1 200 OK\r\nX-Half: ".to_vec()), Step::Hold]);
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nresponse_head = '200ms'\n", backend.url()));
    assert_local(&proxy.get("/"), 504);
}

fn a_pool_that_is_full_is_a_503() {
    let backend = Backend::scripted(|request| {
        if request.target() == "/hold" {
            vec![Step::Hold]
        } else {
            vec![Step::Send(answer("200 OK", &[], "fine"))]
        }
    });
    let proxy = Proxy::configured(&format!(
        "workers = 1\nupstream = {{ url = '{}', max_requests = 2 }}\n",
        backend.url()
    ));
    let mut holding: Vec<_> = (0..2).map(|_| proxy.client()).collect();
    for client in &mut holding {
        client.send(request("GET", "/hold", &[]));
    }
    eventually(|| if backend.seen().len() == 2 { Ok(()) } else { Err("not yet asked twice".into()) });
    let mut client = proxy.client();
    for _ in 0..3 {
        assert_local(&client.get("/"), 503);
    }
    assert_counted(&proxy, "503", 3.0);
    drop(holding);
    eventually(|| match client.get("/").status() {
        200 => Ok(()),
        status => Err(format!("{status} although there is room again")),
    });
}

fn a_request_body_beyond_the_limit_is_a_413() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[limits]\nrequest_body = '1KiB'\n", backend.url()));
    let sized = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1025\r\n\r\n{}", "x".repeat(1_025));
    let chunked = format!(
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n401\r\n{}\r\n0\r\n\r\n",
        "x".repeat(1_025)
    );
    for bytes in [sized, chunked] {
        let mut client = proxy.client();
        client.send(bytes);
        let answer = client.answer("POST");
        assert_eq!((answer.status(), answer.reason()), (413, "Content Too Large"));
        // A status that the catalog lacks keeps its code and is described.
        assert_eq!(answer.field("content-type"), "application/problem+json");
        assert_eq!(answer.json()["title"], "Content Too Large");
        assert_eq!(answer.json()["status"], 413);
        assert_eq!(answer.json()["type"], "about:blank");
    }
    let labels =
        [("source", "proxy"), ("status", "413"), ("upstream_status", "none"), ("class", "undocumented")];
    proxy.wait_for(RESPONSES, &labels, 2.0);
    let mut client = proxy.client();
    client.send(format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1024\r\n\r\n{}", "x".repeat(1_024)));
    assert_eq!(client.answer("POST").status(), 200, "what just fits");
}

fn local_replies_are_described_in_every_mode() {
    for mode in ["enforce", "observe", "off"] {
        let proxy = Proxy::run(&["--upstream", &format!("http://{}", refused()), "--mode", mode]);
        assert_local(&proxy.get("/"), 502);
        assert_counted(&proxy, "502", 1.0);
    }
}

fn local_replies_negotiate() {
    let proxy = Proxy::start(&format!("http://{}", refused()));
    let mut client = proxy.client();
    for (accept, kind) in
        [("application/json", "application/json"), ("text/html", "text/html; charset=utf-8")]
    {
        let answer = client.ask("GET", "/", &[&format!("Accept: {accept}")]);
        assert_eq!(answer.field("content-type"), kind);
        assert!(answer.text().contains(catalog("sfs").description(502)));
        let head = client.ask("HEAD", "/", &[&format!("Accept: {accept}")]);
        assert_eq!(head.field("content-length"), answer.field("content-length"));
    }
}

fn nothing_of_the_cause_reaches_the_client() {
    let upstream = refused();
    let proxy = Proxy::start(&format!("http://{upstream}"));
    let raw = String::from_utf8_lossy(&proxy.get("/").raw).into_owned();
    for secret in [
        upstream.to_string(),
        upstream.port().to_string(),
        "refused".into(),
        "os error".into(),
        "hyper".into(),
    ] {
        assert!(!raw.to_ascii_lowercase().contains(&secret), "{secret} in {raw}");
    }
    let scrape = proxy.wait_for("status_proxy_local_replies_total", &[], 1.0);
    assert!(scrape.text.contains("cause=\""), "the cause is in a metric");
}

/// Answers the first request of a connection, then closes it upon the next, unanswered.
fn stale() -> Backend {
    Backend::scripted(|request| {
        let first = request.target() == "/first" || request.connection > 0;
        if first { vec![Step::Send(answer("200 OK", &[], "fine"))] } else { vec![Step::Close] }
    })
}

fn a_stale_connection_is_retried_once() {
    for method in ["GET", "OPTIONS", "DELETE", "PUT"] {
        let backend = stale();
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
        let mut client = proxy.client();
        assert_eq!(client.get("/first").status(), 200);
        assert_eq!(client.ask(method, "/second", &[]).status(), 200, "{method}");
        assert_eq!(backend.connections(), 2);
        // T62: counted once even with a retry.
        proxy.wait_for(RESPONSES, &[], 2.0);
    }
    // Always closed: one retry, then the truth.
    let backend = Backend::scripted(|request| {
        if request.target() == "/first" {
            vec![Step::Send(answer("200 OK", &[], PAGE))]
        } else {
            vec![Step::Close]
        }
    });
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    client.get("/first");
    assert_local(&client.get("/second"), 502);
    assert_eq!(backend.seen().iter().filter(|request| request.target() == "/second").count(), 2);
}

fn requests_that_are_not_safe_are_not_repeated() {
    let backend = stale();
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    client.get("/first");
    client.send("POST /second HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbody");
    assert_local(&client.answer("POST"), 502);
    std::thread::sleep(Duration::from_millis(50));
    assert_eq!(backend.seen().len(), 2, "asked once");
}
