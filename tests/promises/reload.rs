//! Another configuration while requests are served: none is lost, each is answered wholly by the old or the new one; T60.

use std::{
    fmt::Write as _,
    io::{BufReader, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use bytes::Bytes;
use libtest_mimic::Trial;

use crate::support::{
    backend::{Backend, PAGE, Seen, Step, answer, chunk, head},
    client::{Client, request},
    eventually,
    frame_upstream::Upstream,
    frames::{self, code, settings},
    h2,
    message::{Framing, Message},
    proxy::Proxy,
    site::Site,
};

pub(crate) fn trials() -> Vec<Trial> {
    let trial = |name: &str, test: fn()| {
        Trial::test(format!("reload::{name}"), move || {
            test();
            Ok(())
        })
    };
    vec![
        trial(
            "a_connection_that_was_being_opened_ends_with_its_last_stream",
            a_connection_that_was_being_opened_ends_with_its_last_stream,
        ),
        trial("a_tunnel_outlasts_it", a_tunnel_outlasts_it),
        trial("connections_to_upstreams_that_stay_are_kept", connections_to_upstreams_that_stay_are_kept),
        trial("memory_does_not_grow", || memory(20, 60)),
        trial("memory_does_not_grow_over_two_hundred", || memory(40, 200)).with_ignored_flag(true),
        trial("no_request_is_lost_to_fifty", no_request_is_lost_to_fifty),
        trial("settings_of_the_listeners_change_too", settings_of_the_listeners_change_too),
        trial("streams_end_by_the_old_configuration", streams_end_by_the_old_configuration),
        trial("the_hangup_of_a_drain_is_ignored", the_hangup_of_a_drain_is_ignored),
    ]
}

/// A page that documents 404, each time in other words.
fn page_of(version: &str) -> String {
    format!("# Codes\n\n| Status Code | Description |\n|---|---|\n| 404 Not Found | The {version} words. |\n")
}

/// A configuration of which each part says which one it is.
fn configuration(version: &str, upstream: &str) -> String {
    format!("upstream = '{upstream}'\ncatalog = '{version}.md'\n[forwarding]\nvia = '{version}'\n")
}

fn site(backend: &Backend) -> Site {
    Site::start(&[
        ("proxy.toml", &configuration("old", &backend.url())),
        ("old.md", &page_of("old")),
        ("new.md", &page_of("new")),
    ])
}

/// Says what it was asked by, on a page that no catalog documents.
fn echo() -> Backend {
    Backend::scripted(|request| {
        let asked = format!("X-Asked: {}", request.field("via"));
        vec![Step::Send(answer("404 X", &["Content-Type: text/html", &asked], PAGE))]
    })
}

/// Which configuration an answer is from: every part of it says the same.
fn version(detail: &serde_json::Value, via: &str, asked: &str) -> &'static str {
    for version in ["old", "new"] {
        if via.ends_with(&format!(" {version}")) {
            assert_eq!(detail["detail"], format!("The {version} words."), "{via}");
            assert!(asked.ends_with(&format!(" {version}")), "asked by {asked}, answered by {via}");
            return version;
        }
    }
    panic!("{via} is neither");
}

fn version_of(client: &mut Client) -> &'static str {
    let answer = client.get("/");
    assert_eq!(answer.status(), 404);
    version(&answer.json(), &answer.field("via"), &answer.field("x-asked"))
}

fn no_request_is_lost_to_fifty() {
    const CLIENTS: usize = 6;
    const STREAMS: usize = 4;
    let backend = echo();
    let site = site(&backend);
    let (done, asked) = (Arc::new(AtomicBool::new(false)), [(); 2].map(|()| Arc::new(AtomicUsize::new(0))));
    let address = site.proxy.listen;
    let count = |asked: &[Arc<AtomicUsize>; 2], version| {
        asked[usize::from(version == "new")].fetch_add(1, Ordering::Relaxed);
    };
    let clients = (0..CLIENTS).map(|_| {
        let (done, asked) = (Arc::clone(&done), asked.clone());
        thread::spawn(move || {
            // One connection for all of it.
            let mut client = Client::connect(address);
            while !done.load(Ordering::Relaxed) {
                count(&asked, version_of(&mut client));
            }
        })
    });
    let connection = h2::Client::connect(address);
    let streams = (0..STREAMS).map(|_| {
        let (done, asked, connection) = (Arc::clone(&done), asked.clone(), connection.clone());
        thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                let reply = connection.ask("GET", "/", &[]);
                assert_eq!(reply.status, 404);
                count(&asked, version(&reply.json(), reply.field("via"), reply.field("x-asked")));
            }
        })
    });
    let running: Vec<_> = clients.chain(streams).collect();
    let mut untouched = site.proxy.client();
    let mut fresh = site.proxy.client();
    for number in 0..50 {
        let (version, other) = if number % 2 == 0 { ("new", "old") } else { ("old", "new") };
        assert_eq!(version_of(&mut fresh), other);
        site.reload(&configuration(version, &backend.url()));
        // What is asked after it is answered by it, on whichever connection.
        assert_eq!(version_of(&mut fresh), version);
        assert_eq!(version_of(&mut site.proxy.client()), version);
        let reply = connection.ask("GET", "/", &[]);
        assert!(reply.field("via").ends_with(version), "{}", reply.field("via"));
        let reached = (number + 1) * 40;
        eventually(|| match asked.iter().map(|asked| asked.load(Ordering::Relaxed)).sum::<usize>() {
            now if now >= reached => Ok(()),
            now => Err(format!("{now} requests")),
        });
    }
    assert_eq!(version_of(&mut untouched), "old", "idle all the time");
    done.store(true, Ordering::Relaxed);
    running.into_iter().for_each(|client| client.join().unwrap());
    let [old, new] = asked.map(|asked| asked.load(Ordering::Relaxed));
    assert!(old > 200 && new > 200 && old + new >= 2_000, "{old} by the old one, {new} by the new one");
    // At most one for each request under way.
    let most = CLIENTS + STREAMS + 4;
    assert!(backend.connections() <= most, "{} connections for {most} clients", backend.connections());
    let all = old + new + 50 * 4 + 1;
    let scrape = site.proxy.wait_for("status_normalize_responses_total", &[("status", "404")], all as f64);
    assert_eq!(scrape.sum("status_normalize_in_flight", &[]), 0.0);
    assert_eq!(scrape.sum("status_proxy_local_replies_total", &[]), 0.0);
    assert_eq!(scrape.sum("status_proxy_config_last_reload_successful", &[]), 1.0);
    assert_eq!(site.proxy.admin("/readyz").status(), 200);
}

fn streams_end_by_the_old_configuration() {
    let backend = Backend::scripted(|request| match request.target() {
        "/stream" => vec![
            Step::Send(head("200 OK", &["Transfer-Encoding: chunked"])),
            Step::Send(chunk("one")),
            Step::Wait(Duration::from_millis(700)),
            Step::Send(chunk("two")),
            Step::Send(b"0\r\n\r\n".to_vec()),
        ],
        "/slow" => vec![
            Step::Wait(Duration::from_millis(700)),
            Step::Send(answer("404 X", &["X-Asked: 1.1 old", "Content-Type: text/html"], PAGE)),
        ],
        _ => vec![Step::Send(answer(
            "404 X",
            &[&format!("X-Asked: {}", request.field("via")), "Content-Type: text/html"],
            PAGE,
        ))],
    });
    let site = site(&backend);
    let (mut streaming, mut slow) = (site.proxy.client(), site.proxy.client());
    let http2 = h2::Client::connect(site.proxy.listen);
    streaming.send(request("GET", "/stream", &[]));
    let mut streamed = streaming.head();
    slow.send(request("GET", "/slow", &[]));
    let stream = h2::block_on(http2.start(h2::request("GET", "/stream", &[], Bytes::new()))).unwrap();
    eventually(|| if backend.seen().len() == 3 { Ok(()) } else { Err("not yet asked".into()) });
    site.reload(&configuration("new", &backend.url()));
    // The same connection, beside a stream of before.
    assert!(http2.ask("GET", "/", &[]).field("via").ends_with("new"));

    streaming.body(&mut streamed, Framing::Chunked).unwrap();
    assert_eq!((streamed.text().as_str(), streamed.field("via").as_str()), ("onetwo", "1.1 old"));
    let answer = slow.answer("GET");
    assert_eq!(version(&answer.json(), &answer.field("via"), &answer.field("x-asked")), "old");
    assert_eq!(stream.headers()["via"], "1.1 old");
    let body = h2::block_on(http_body_util::BodyExt::collect(stream.into_body())).unwrap();
    assert_eq!(body.to_bytes(), "onetwo");
    for client in [&mut streaming, &mut slow] {
        assert_eq!(version_of(client), "new");
    }
    let scrape = site.proxy.wait_for("status_normalize_in_flight", &[], 0.0);
    assert_eq!(scrape.sum("status_normalize_body_errors_total", &[]), 0.0);
}

fn a_tunnel_outlasts_it() {
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        remember(Seen { message, connection });
        let lines = ["Connection: Upgrade", "Upgrade: websocket"];
        let _ = reader.get_mut().write_all(&head("101 Switching Protocols", &lines));
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            let _ = reader.get_mut().write_all(&buffer[..count]);
        }
    });
    let site = site(&backend);
    let mut client = site.proxy.client();
    client.send(request("GET", "/", &["Connection: Upgrade", "Upgrade: websocket"]));
    assert_eq!(client.head().status(), 101);
    client.send("before");
    assert_eq!(client.bytes(6), b"before");
    let elsewhere = echo();
    site.reload(&configuration("new", &elsewhere.url()));
    assert_eq!(version_of(&mut site.proxy.client()), "new");
    client.send("after");
    assert_eq!(client.bytes(5), b"after");
}

fn connections_to_upstreams_that_stay_are_kept() {
    let (stays, goes) = (echo(), echo());
    let route = format!("[[route]]\nname = 'other'\npath = '/other'\nupstream = '{}'\n", goes.url());
    let site = site(&stays);
    let with_route = |version| format!("{}{route}", configuration(version, &stays.url()));
    site.reload(&with_route("old"));
    let (mut client, mut other) = (site.proxy.client(), site.proxy.client());
    for number in 0..10 {
        let version = if number % 2 == 0 { "new" } else { "old" };
        site.reload(&with_route(version));
        assert_eq!(version_of(&mut client), version);
        assert_eq!(other.get("/other").status(), 404);
    }
    assert_eq!((stays.connections(), goes.connections()), (1, 1));
    site.reload(&configuration("new", &stays.url()));
    eventually(|| if goes.open() == 0 { Ok(()) } else { Err("still open".into()) });
    assert_eq!(version_of(&mut other), "new");
    // Which worker serves the other client is the system's choice.
    assert!(stays.connections() <= 2 && stays.open() <= 2);
    site.reload(&with_route("old"));
    assert_eq!(other.get("/other").status(), 404);
    assert_eq!((goes.connections(), goes.open()), (2, 1));
}

fn a_connection_that_was_being_opened_ends_with_its_last_stream() {
    let (upstream, next) = (Upstream::listen(), echo());
    let site = Site::start_with(&[("proxy.toml", &upstream.configuration())], &["--workers", "1"]);
    let mut client = site.proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept_silently();
    peer.read_preface();
    site.reload(&format!("upstream = '{}'\n", next.url()));
    assert_eq!(site.proxy.ask("GET", "/", &[]).status(), 404);
    peer.exchange_settings(settings(&[]), &[]);
    let stream = peer.request();
    peer.send(frames::answer(stream, "200", "late"));
    assert_eq!(client.answer("GET").body, b"late");
    assert_eq!(peer.closed(), Some(code::NO_ERROR));
}

fn settings_of_the_listeners_change_too() {
    let backend = echo();
    let site = site(&backend);
    let configuration = configuration("new", &backend.url());
    site.reload(&format!("{configuration}[limits]\nhead_size = '8KiB'\n[log]\naccess = true\n"));
    let long = format!("X-Long: {}", "x".repeat(10_000));
    let answer = site.proxy.ask("GET", "/", &[&long]);
    assert_eq!(answer.status(), 431, "{}", site.proxy.log());
    // No request was read: it is the default route's catalog that describes it, on an old connection as well.
    let mut kept = site.proxy.client();
    assert_eq!(version_of(&mut kept), "new");
    site.reload(&format!("strict = true\n{configuration}").replace("new.md", "old.md"));
    kept.send("GET / HTTP/1.1\r\n\r\n");
    assert_eq!(kept.answer("GET").status(), 400);
    let labels = [("catalog", "old"), ("status", "400")];
    site.proxy.wait_for("status_normalize_responses_total", &labels, 1.0);
    log_has(&site, "status_normalize::access");
}

fn the_hangup_of_a_drain_is_ignored() {
    let backend = Backend::does(vec![
        Step::Wait(Duration::from_millis(1_500)),
        Step::Send(answer("200 OK", &[], "done")),
    ]);
    let mut site = site(&backend);
    let mut client = site.proxy.client();
    client.send(request("GET", "/", &[]));
    eventually(|| if backend.seen().len() == 1 { Ok(()) } else { Err("not yet asked".into()) });
    site.proxy.signal(rustix::process::Signal::TERM);
    eventually(|| match site.proxy.admin("/readyz").status() {
        503 => Ok(()),
        status => Err(format!("/readyz says {status}")),
    });
    site.replace("proxy.toml", &configuration("new", &backend.url()));
    for _ in 0..3 {
        site.proxy.signal(rustix::process::Signal::HUP);
    }
    let answer = client.answer("GET");
    assert_eq!((answer.text().as_str(), answer.field("via").as_str()), ("done", "1.1 old"));
    assert_eq!(site.proxy.wait(Duration::from_secs(5)).code(), Some(0));
    log_has(&site, "not reloaded: draining");
}

#[track_caller]
fn log_has(site: &Site, words: &str) {
    eventually(|| {
        let log = site.proxy.log();
        if log.contains(words) { Ok(()) } else { Err(format!("no {words:?} in {log}")) }
    });
}

/// Reloads of a configuration with many routes, while connections of every age are open.
fn memory(first: usize, then: usize) {
    let backend = echo();
    let large = |version: &str| {
        let mut text = configuration(version, &backend.url());
        for number in 0..100 {
            write!(text, "[[route]]\nname = 'r{number}'\npath = '/{version}/{number}'\n").unwrap();
            writeln!(text, "code = '{version}-{number}'").unwrap();
        }
        text
    };
    let site = site(&backend);
    let mut idle = Vec::new();
    let mut reload = |count: usize| {
        for number in 0..count {
            let version = if number % 2 == 0 { "new" } else { "old" };
            site.reload(&large(version));
            for path in [format!("/{version}/7"), format!("/{version}/99")] {
                assert_eq!(site.proxy.get(&path).status(), 404);
            }
            let http2 = h2::Client::connect(site.proxy.listen);
            assert_eq!(http2.ask("GET", "/", &[]).status, 404);
            // The youngest few stay, so that their number is no part of what is measured.
            idle.push(http2);
            idle.drain(..idle.len().saturating_sub(10));
        }
        resident(&site.proxy)
    };
    let before = reload(first);
    let after = reload(then);
    let grown = after.saturating_sub(before);
    assert!(grown < 2 * 1_024, "{before} KiB after {first} reloads, {after} KiB after {then} more");
}

/// The least of a few looks: what is freed is given back in its own time.
fn resident(proxy: &Proxy) -> u64 {
    let looks = (0..5).map(|_| {
        thread::sleep(Duration::from_millis(50));
        proxy.memory("VmRSS")
    });
    looks.min().unwrap_or_default()
}
