//! Hostile bodies cost bounded memory; T15, T17, T19.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use libtest_mimic::Trial;

use crate::support::{
    backend::{Backend, Step, answer, chunk, head, page},
    client::request,
    coding, eventually,
    proxy::Proxy,
};

/// The most that the program may hold at any time, in KiB.
const MOST: u64 = 40 * 1024;

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
