//! Hostile bodies cost bounded memory, long ones and connections that wait little; T15, T17, T19.

use std::{
    fs,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use libtest_mimic::Trial;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    PATIENCE,
    backend::{Backend, Step, answer, chunk, head, page},
    client::{Client, request},
    coding, eventually, h2,
    proxy::Proxy,
};

/// The most that the program may hold at any time, in KiB.
const MOST: u64 = 40 * 1024;

/// The most that a connection may hold that has been used and waits, in bytes.
const IDLE: u64 = 6_000;

/// What a long body may take on its way, in KiB.
const ON_THE_WAY: u64 = 4 * 1024;

pub(crate) fn trials() -> Vec<Trial> {
    let long = |name: &str, test: fn()| {
        Trial::test(format!("memory::{name}"), move || {
            test();
            Ok(())
        })
    };
    vec![
        long("bombs_and_endless_bodies", || hostile(60, 64 << 20)),
        long("nothing_grows_over_many_requests", || growth(20_000)),
        long("idle_http1_connections_are_small", || {
            idle(|address| {
                let mut client = Client::connect(address);
                client.ask("GET", "/a/path", &["User-Agent: client/1.0", "Accept: */*"]);
                client
            });
        }),
        long("idle_http2_connections_are_small", || {
            idle(|address| {
                let client = h2::Client::connect(address);
                client.ask("GET", "/a/path", &[("user-agent", "client/1.0"), ("accept", "*/*")]);
                client
            });
        }),
        long("a_gib_of_known_length_is_not_held", || long_body(true)).with_ignored_flag(true),
        long("a_gib_of_unknown_length_is_not_held", || long_body(false)).with_ignored_flag(true),
        long("a_thousand_bombs_of_a_gib", || hostile(1_000, 1 << 30)).with_ignored_flag(true),
        long("nothing_grows_over_a_million_requests", || growth(1_000_000)).with_ignored_flag(true),
    ]
}

/// `count` bombs of each coding and as many endless bodies, 64 at a time.
fn hostile(count: usize, size: u64) {
    let bombs = [
        ("gzip", coding::gzip_bomb(size)),
        ("br", coding::brotli_bomb(size)),
        ("zstd", coding::zstd_bomb(size)),
    ];
    let backend = Backend::scripted(move |request| {
        let json = "Content-Type: application/json";
        let (number, path) = (request.target().len(), request.target().rsplit('/').next().unwrap());
        match path {
            "endless" if number % 2 == 0 => vec![
                Step::Send(head("500 X", &[json, "Transfer-Encoding: chunked"])),
                Step::Repeat(chunk(vec![b' '; 8_000]), Duration::ZERO),
            ],
            "endless" => vec![
                Step::Send(head("500 X", &[json, "Transfer-Encoding: chunked"])),
                Step::Repeat(chunk(" "), Duration::from_millis(50)),
            ],
            name => {
                let bomb = &bombs.iter().find(|(bomb, _)| *bomb == name).unwrap().1;
                vec![Step::Send(answer("500 X", &[json, &format!("Content-Encoding: {name}")], bomb))]
            }
        }
    });
    let proxy =
        Arc::new(Proxy::configured(&format!("upstream = '{}'\ninspect_timeout = '500ms'\n", backend.url())));
    let next = Arc::new(AtomicUsize::new(0));
    let clients: Vec<_> = (0..64)
        .map(|_| {
            let (proxy, next) = (Arc::clone(&proxy), Arc::clone(&next));
            thread::spawn(move || {
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= 4 * count {
                        return;
                    }
                    let path = ["gzip", "br", "zstd", "endless"][number % 4];
                    let answer = proxy.get(&format!("/{}/{path}", "x".repeat(number / 4 % 2)));
                    assert_eq!(answer.json()["status"], 500, "{path}");
                }
            })
        })
        .collect();
    for client in clients {
        client.join().unwrap();
    }
    let peak = proxy.memory("VmHWM");
    assert!(peak < MOST, "{peak} KiB");
    proxy.wait_for("status_normalize_responses_total", &[("action", "rewrite")], 4.0 * count as f64);
    eventually(|| match backend.open() {
        0..64 => Ok(()),
        open => Err(format!("{open} connections to the backend")),
    });
}

/// Requests of every sort on kept connections, while nobody scrapes.
fn growth(count: usize) {
    let backend = Backend::scripted(|request| {
        vec![Step::Send(match request.target() {
            "/404" => page(404),
            "/json" => {
                answer("500 X", &["Content-Type: application/json"], "{\"oops\": 1, \"error_code\": \"A\"}")
            }
            _ => answer("200 OK", &[], "fine"),
        })]
    });
    let proxy = Arc::new(Proxy::start(&backend.url()));
    let drive = |count: usize| {
        let clients: Vec<_> = (0..8)
            .map(|_| {
                let proxy = Arc::clone(&proxy);
                thread::spawn(move || {
                    let mut client = proxy.client();
                    for number in 0..count / 8 {
                        let path = ["/200", "/404", "/json"][number % 3];
                        client.send(request("GET", path, &[]));
                        client.answer("GET");
                    }
                })
            })
            .collect();
        clients.into_iter().for_each(|client| client.join().unwrap());
    };
    drive(count / 4);
    let before = proxy.memory("VmRSS");
    drive(count);
    let after = proxy.memory("VmRSS");
    assert!(after < before + 1_024, "{before} KiB before, {after} KiB after {count} requests");
}

/// Connections that have each been used once.
///
/// The bound is the release program's: what a connection is made of is laid out the same here.
fn idle<T>(connect: impl Fn(SocketAddr) -> T) {
    let (first, count) = (200, 1_500);
    // Besides those of the tests that run at the same time.
    let limit = getrlimit(Resource::Nofile);
    let enough = limit.maximum.unwrap_or(u64::MAX).min(8_192);
    if limit.current.is_some_and(|current| current < enough) {
        setrlimit(Resource::Nofile, Rlimit { current: Some(enough), ..limit }).unwrap();
    }
    let backend = Backend::says(answer("200 OK", &["Content-Type: application/json"], "{}"));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", "sfs", "--workers", "1"]);
    let connect = |count: usize| (0..count).map(|_| connect(proxy.listen)).collect::<Vec<_>>();
    // These take what is there once for all.
    let _first = connect(first);
    thread::sleep(Duration::from_millis(500));
    let before = proxy.memory("VmRSS");
    let _more = connect(count);
    eventually(|| {
        let each = proxy.memory("VmRSS").saturating_sub(before) * 1_024 / count as u64;
        if each <= IDLE { Ok(()) } else { Err(format!("{each} bytes each")) }
    });
}

/// A body of a GiB to a client that reads little of it at first.
fn long_body(has_length: bool) {
    let (piece, pieces) = (vec![b'x'; 1 << 20], 1 << 10);
    let len = piece.len() * pieces;
    let backend = Backend::raw(move |_, mut stream, _| {
        let _ = stream.read(&mut [0; 4096]);
        let (framing, piece, end) = if has_length {
            (format!("Content-Length: {len}"), piece.clone(), "")
        } else {
            ("Transfer-Encoding: chunked".to_owned(), chunk(&piece), "0\r\n\r\n")
        };
        let _ = stream.write_all(&head("200 OK", &[&framing]));
        for _ in 0..pieces {
            let _ = stream.write_all(&piece);
        }
        let _ = stream.write_all(end.as_bytes());
    });
    let proxy = Proxy::start(&backend.url());
    let before = proxy.memory("VmRSS");
    // From now on the peak is that of what follows.
    fs::write(format!("/proc/{}/clear_refs", proxy.pid()), "5").unwrap();

    let mut client = TcpStream::connect(proxy.listen).unwrap();
    client.set_read_timeout(Some(PATIENCE)).unwrap();
    client.write_all(request("GET", "/", &["Connection: close"]).as_bytes()).unwrap();
    let (mut space, mut received, mut tail) = (vec![0; 1 << 16], 0, Vec::new());
    for turn in 0.. {
        if turn < 50 {
            thread::sleep(Duration::from_millis(50));
        }
        let read = client.read(&mut space).unwrap();
        if read == 0 {
            break;
        }
        received += read;
        tail = space[..read].to_vec();
    }
    assert!(received > len, "{received} bytes");
    assert!(has_length || tail.ends_with(b"0\r\n\r\n"));
    let peak = proxy.memory("VmHWM");
    assert!(peak < before + ON_THE_WAY, "{before} KiB before, {peak} KiB with the body on its way");
}
