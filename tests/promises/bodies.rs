//! What becomes of error bodies of every size, coding and ending; T13 to T19.

use std::time::Duration;

use crate::support::{
    backend::{Backend, PAGE, Step, answer, chunk, head, page},
    coding, eventually,
    proxy::Proxy,
    trials,
};

trials![
    a_bomb_is_too_large,
    a_body_above_the_limit_is_rewritten_whole,
    a_body_that_breaks_off_is_cut,
    a_body_that_drips_is_given_up,
    a_body_that_never_ends_is_given_up,
    a_discarded_body_is_drained_and_its_connection_used_again,
    a_discarded_body_that_is_long_costs_its_connection_only,
    a_trickling_body_costs_no_other_request,
    an_undecodable_body_is_rewritten,
    chunks_that_make_no_sense_are_cut,
    encoded_nonstandard_bodies_are_rewritten_without_coding,
    encoded_standard_bodies_pass_byte_for_byte,
    replaced_bodies_of_every_length_leave_the_connection_usable,
];

const NONSTANDARD: &str = "status_normalize_nonstandard_total";
const STANDARD: &str = r#"{"error_code": "SFS.0042", "error_msg": "The share is in use."}"#;

#[track_caller]
fn assert_described(answer: &crate::support::client::Answer, status: u16) {
    assert_eq!(answer.status(), status);
    assert_eq!(answer.field("content-type"), "application/problem+json");
    assert_eq!(answer.field("content-length"), answer.body.len().to_string());
    assert_eq!(answer.json()["status"], status);
    assert_eq!(answer.json()["detail"], crate::support::catalogs::catalog("sfs").description(status));
}

// T13
fn replaced_bodies_of_every_length_leave_the_connection_usable() {
    let backend = Backend::scripted(|request| {
        let length: usize = request.target().trim_start_matches('/').parse().unwrap();
        vec![Step::Send(answer("500 Oops", &["Content-Type: text/html"], "x".repeat(length)))]
    });
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for length in [0, 1, 100, 150, 200, 1_000, 65_535, 65_536] {
        assert_described(&client.get(&format!("/{length}")), 500);
    }
    assert_eq!(backend.connections(), 1, "each body was drained");
}

type Encode = fn(&[u8]) -> Vec<u8>;

fn encodings() -> [(&'static str, Encode); 6] {
    [
        ("gzip", coding::gzip),
        ("x-gzip", coding::gzip),
        ("deflate", coding::deflate),
        ("br", coding::brotli),
        ("zstd", coding::zstd),
        ("gzip, br", |data| coding::brotli(&coding::gzip(data))),
    ]
}

// T14
fn encoded_nonstandard_bodies_are_rewritten_without_coding() {
    for (name, encode) in encodings() {
        let line = format!("Content-Encoding: {name}");
        let bad = r#"{"oops": true}"#;
        for (kind, body) in [("text/html", PAGE), ("application/json", bad)] {
            let kind = format!("Content-Type: {kind}");
            let backend = Backend::says(answer("500 Oops", &[&kind, &line], encode(body.as_bytes())));
            let proxy = Proxy::start(&backend.url());
            let answer = proxy.ask("GET", "/", &["Accept-Encoding: gzip, br, zstd, deflate"]);
            assert_described(&answer, 500);
            assert!(!answer.has("content-encoding"), "{name}");
        }
    }
}

// T14
fn encoded_standard_bodies_pass_byte_for_byte() {
    for (name, encode) in encodings() {
        let encoded = encode(STANDARD.as_bytes());
        // Two lines mean the same as one.
        let lines: Vec<_> = name.split(", ").map(|name| format!("Content-Encoding: {name}")).collect();
        let mut all = vec!["Content-Type: application/json", "ETag: \"e\""];
        all.extend(lines.iter().map(String::as_str));
        let backend = Backend::says(answer("500 Oops", &all, &encoded));
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.get("/");
        assert_eq!(answer.status(), 500, "{name}");
        assert_eq!(answer.body, encoded, "{name}");
        assert_eq!(answer.tokens("content-encoding").join(", "), name);
        assert_eq!(answer.field("etag"), "\"e\"");
        assert_eq!(proxy.scrape().sum(NONSTANDARD, &[]), 0.0, "{name}");
    }
}

// T14
fn an_undecodable_body_is_rewritten() {
    let broken = &coding::gzip(STANDARD.as_bytes())[..20];
    for (name, body) in [
        ("gzip", broken),
        ("gzip", STANDARD.as_bytes()),
        ("br", b"\xff\xff\xff".as_slice()),
        ("zstd", b"not zstd"),
        ("aes128gcm", STANDARD.as_bytes()),
        ("gzip, sdch", STANDARD.as_bytes()),
    ] {
        let line = format!("Content-Encoding: {name}");
        let backend = Backend::says(answer("500 Oops", &["Content-Type: application/json", &line], body));
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.get("/");
        assert_described(&answer, 500);
        assert!(!answer.has("content-encoding"), "{name}");
        proxy.wait_for(NONSTANDARD, &[("reason", "undecodable"), ("status", "500")], 1.0);
    }
}

// T15
fn a_bomb_is_too_large() {
    let bombs = [
        ("gzip", coding::gzip_bomb(16 << 20)),
        ("br", coding::brotli_bomb(16 << 20)),
        ("zstd", coding::zstd_bomb(16 << 20)),
        ("gzip, gzip", coding::gzip(&coding::gzip_bomb(16 << 20))),
    ];
    for (name, bomb) in bombs {
        let line = format!("Content-Encoding: {name}");
        let backend = Backend::says(answer("500 Oops", &["Content-Type: application/json", &line], &bomb));
        let proxy = Proxy::start(&backend.url());
        assert_described(&proxy.get("/"), 500);
        proxy.wait_for(NONSTANDARD, &[("reason", "too_large")], 1.0);
    }
}

// T16
fn a_body_above_the_limit_is_rewritten_whole() {
    let filler = "x".repeat(65_536);
    let large = format!(r#"{{"error_code": "SFS.0042", "error_msg": "{filler}"}}"#);
    let mut chunked = head("500 Oops", &["Content-Type: application/json", "Transfer-Encoding: chunked"]);
    for piece in large.as_bytes().chunks(5_000) {
        chunked.extend(chunk(piece));
    }
    chunked.extend(b"0\r\n\r\n");
    let whole = answer("500 Oops", &["Content-Type: application/json"], &large);
    for bytes in [whole, chunked] {
        let backend = Backend::says(bytes);
        let proxy = Proxy::start(&backend.url());
        assert_described(&proxy.get("/"), 500);
        proxy.wait_for(NONSTANDARD, &[("reason", "too_large")], 1.0);
    }
    // The limit is configurable, and exactly what fits passes.
    let backend = Backend::says(answer("500 Oops", &["Content-Type: application/json"], &large));
    for (limit, passes) in [(large.len(), true), (large.len() - 1, false)] {
        let proxy =
            Proxy::configured(&format!("upstream = '{}'\ninspect_limit = '{limit}B'\n", backend.url()));
        assert_eq!(proxy.get("/").text() == large, passes, "{limit} of {}", large.len());
    }
}

fn quick(backend: &Backend) -> Proxy {
    Proxy::configured(&format!("upstream = '{}'\ninspect_timeout = '300ms'\n", backend.url()))
}

// T17
fn a_body_that_never_ends_is_given_up() {
    let backend = Backend::does(vec![
        Step::Send(head("500 Oops", &["Content-Type: application/json", "Content-Length: 100"])),
        Step::Send(b"{\"error_code\"".to_vec()),
        Step::Hold,
    ]);
    let proxy = quick(&backend);
    assert_described(&proxy.get("/"), 500);
    proxy.wait_for(NONSTANDARD, &[("reason", "timeout")], 1.0);
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the connection is still open".into()) });
}

// T17
fn a_body_that_drips_is_given_up() {
    let backend = Backend::does(vec![
        Step::Send(head("500 Oops", &["Content-Type: application/json", "Transfer-Encoding: chunked"])),
        Step::Repeat(chunk(" "), Duration::from_millis(50)),
    ]);
    let proxy = quick(&backend);
    assert_described(&proxy.get("/"), 500);
    proxy.wait_for(NONSTANDARD, &[("reason", "timeout")], 1.0);
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the connection is still open".into()) });
}

// T17: nothing is read when the media type has already decided, however the body comes.
fn a_trickling_body_costs_no_other_request() {
    let slow = vec![
        Step::Send(head("500 Oops", &["Content-Type: text/html", "Transfer-Encoding: chunked"])),
        Step::Repeat(chunk(" "), Duration::from_millis(20)),
    ];
    let backend = Backend::scripted(move |request| match request.target() {
        "/slow" => slow.clone(),
        _ => vec![Step::Send(page(404))],
    });
    let proxy = Proxy::start(&backend.url());
    let before = tokio::time::Instant::now();
    assert_described(&proxy.get("/slow"), 500);
    assert!(
        before.elapsed() < Duration::from_millis(1_900),
        "the drain is bounded by 50 ms, not {:?}",
        before.elapsed()
    );
    assert_described(&proxy.get("/"), 404);
    eventually(|| if backend.open() <= 1 { Ok(()) } else { Err("the slow one is still open".into()) });
}

// T18
fn a_body_that_breaks_off_is_cut() {
    let start = head("502 Bad", &["Content-Type: application/json", "Content-Length: 100"]);
    let half = b"{\"error_code\": \"SFS.1\", ".to_vec();
    for end in [Step::Close, Step::Reset] {
        let backend = Backend::does(vec![
            Step::Send(start.clone()),
            Step::Send(half.clone()),
            Step::Wait(Duration::from_millis(30)),
            end.clone(),
        ]);
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        assert_described(&client.get("/"), 502);
        proxy.wait_for(NONSTANDARD, &[("reason", "cut")], 1.0);
        assert_described(&client.get("/"), 502);
    }
}

// T18
fn chunks_that_make_no_sense_are_cut() {
    let mut bytes = head("502 Bad", &["Content-Type: application/json", "Transfer-Encoding: chunked"]);
    bytes.extend(b"5\r\n{\"err\r\nzz\r\nwhatever");
    let backend = Backend::does(vec![Step::Send(bytes), Step::Hold]);
    let proxy = Proxy::start(&backend.url());
    assert_described(&proxy.get("/"), 502);
    proxy.wait_for(NONSTANDARD, &[("reason", "cut")], 1.0);
}

// T19
fn a_discarded_body_is_drained_and_its_connection_used_again() {
    let backend = Backend::says(answer("404 No", &["Content-Type: text/html"], "x".repeat(60_000)));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "1"]);
    let mut client = proxy.client();
    for _ in 0..1_000 {
        assert_described(&client.get("/"), 404);
    }
    assert_eq!(backend.connections(), 1);
}

// T19
fn a_discarded_body_that_is_long_costs_its_connection_only() {
    let backend = Backend::does(vec![
        Step::Send(head("404 No", &["Content-Type: text/html", "Transfer-Encoding: chunked"])),
        Step::Repeat(chunk("x".repeat(50_000)), Duration::ZERO),
    ]);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..50 {
        assert_described(&client.get("/"), 404);
    }
    eventually(
        || if backend.open() == 0 { Ok(()) } else { Err(format!("{} are still open", backend.open())) },
    );
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().filter_map(Result::ok);
    let sockets = sockets.filter_map(|entry| std::fs::read_link(entry.path()).ok());
    let sockets = sockets.filter(|link| link.to_string_lossy().starts_with("socket:")).count();
    assert!(sockets < 20, "{sockets} sockets after 50 discarded bodies");
}
