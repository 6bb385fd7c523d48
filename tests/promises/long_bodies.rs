//! Long bodies, which on their way from socket to socket need not enter the program: every byte in its place all the same.

use std::{fs, io::Read, sync::LazyLock, thread, time::Duration};

use crate::support::{
    backend::{Backend, Seen, Step, answer, head},
    client::request,
    eventually,
    proxy::Proxy,
    trials,
};

trials![
    a_long_body_that_breaks_off_is_cut_where_it_was,
    clients_that_leave_within_long_bodies_leave_nothing_behind,
    long_bodies_arrive_as_they_were_sent,
    long_bodies_that_are_observed_are_read,
    more_slow_clients_than_pipes_each_get_their_body,
    only_long_bodies_go_through_a_pipe,
];

/// Bytes of which each eight tell where they are.
static BYTES: LazyLock<Vec<u8>> = LazyLock::new(|| (0..1_500_000_u64).flat_map(u64::to_le_bytes).collect());

pub(super) fn body(len: usize) -> &'static [u8] {
    &BYTES[..len]
}

/// A backend that answers `/LEN` with a body of so many bytes.
fn backend() -> Backend {
    Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], body(len(request))))])
}

fn len(request: &Seen) -> usize {
    request.target().trim_start_matches('/').parse().unwrap()
}

#[track_caller]
pub(super) fn assert_body(received: &[u8], len: usize) {
    assert_eq!(received.len(), len);
    let wrong = || received.iter().zip(body(len)).position(|(received, sent)| received != sent);
    assert!(received == body(len), "wrong bytes from {:?} of {len}", wrong());
}

fn long_bodies_arrive_as_they_were_sent() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    let kib = 1024;
    let lengths = [256, 1024, 4095, 4096, 4097, 4360, 5000, 10_240].map(|n| n * kib);
    for len in lengths.into_iter().flat_map(|len| [len - 1, len, len + 1]) {
        let answer = client.get(&format!("/{len}"));
        assert_body(&answer.body, len);
    }
    // Requests that are sent ahead, and a client that waits before it reads, a little at a time.
    let (long, short) = (6 * kib * kib + 5, 100);
    for path in [long, short, long, long, short] {
        client.send(request("GET", &format!("/{path}"), &[]));
    }
    for len in [long, short, long, long, short] {
        thread::sleep(Duration::from_millis(50));
        client.head();
        let mut received = Vec::new();
        while received.len() < len {
            received.extend(client.bytes((len - received.len()).min(70_001)));
        }
        assert_body(&received, len);
    }
    assert_eq!(backend.connections(), 1, "each body left its connection usable");
}

fn only_long_bodies_go_through_a_pipe() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    // A pipe with nothing in it is kept for the next.
    for (len, expected) in [((4 << 20) - 1, 0), (4 << 20, 1), (6 << 20, 1)] {
        assert_body(&client.get(&format!("/{len}")).body, len);
        assert_eq!(pipes(&proxy), expected, "{len} bytes");
    }
}

/// How many pipes the program has both ends of.
pub(super) fn pipes(proxy: &Proxy) -> usize {
    let ends = fs::read_dir(format!("/proc/{}/fd", proxy.pid())).unwrap().filter_map(|entry| {
        let target = fs::read_link(entry.unwrap().path()).ok()?;
        target.to_str()?.starts_with("pipe:").then_some(target)
    });
    let ends: Vec<_> = ends.collect();
    ends.iter().filter(|end| ends.iter().filter(|other| other == end).count() == 2).count() / 2
}

fn more_slow_clients_than_pipes_each_get_their_body() {
    // More than the sockets of both sides hold, so that all wait at once with something in a pipe, as far as there are any.
    let len = 8 << 20;
    let block = body(65_528);
    let backend = Backend::does(vec![
        Step::Send(head("200 OK", &[&format!("Content-Length: {len}")])),
        Step::Repeat(block.to_vec(), Duration::ZERO),
    ]);
    let proxy = Proxy::start(&backend.url());
    let mut clients: Vec<_> = (0..70).map(|_| proxy.client()).collect();
    for client in &mut clients {
        client.send(request("GET", "/", &[]));
        client.head();
        assert!(client.bytes(block.len()) == block);
    }
    eventually(|| match pipes(&proxy) {
        50..=64 => Ok(()),
        pipes => Err(format!("{pipes} pipes")),
    });
    let readers = clients.into_iter().map(|mut client| {
        thread::spawn(move || {
            for at in (block.len()..len).step_by(block.len()) {
                let piece = client.bytes(block.len().min(len - at));
                assert!(piece == block[..piece.len()], "wrong bytes after {at}");
            }
        })
    });
    readers.collect::<Vec<_>>().into_iter().for_each(|reader| reader.join().unwrap());
}

fn a_long_body_that_breaks_off_is_cut_where_it_was() {
    for sent in [300_000, 1 << 20, 5_000_000] {
        let backend = Backend::raw(move |_, stream, _| {
            let mut request = [0; 4096];
            let read = Read::read(&mut &stream, &mut request);
            assert!(read.is_ok());
            let mut answer = head("200 OK", &["Content-Length: 12000000"]);
            answer.extend(body(sent));
            std::io::Write::write_all(&mut &stream, &answer).unwrap();
        });
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(request("GET", "/", &[]));
        client.head();
        assert_body(&client.rest(), sent);
        proxy.wait_for("status_normalize_body_errors_total", &[("kind", "upstream")], 1.0);
    }
}

fn clients_that_leave_within_long_bodies_leave_nothing_behind() {
    let backend = backend();
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "2"]);
    for _ in 0..50 {
        let mut client = proxy.client();
        client.send(request("GET", "/10000000", &[]));
        client.head();
        client.bytes(1 << 20);
    }
    eventually(|| match pipes(&proxy) {
        // Each worker keeps a few that were emptied.
        ..=8 => Ok(()),
        pipes => Err(format!("{pipes} pipes")),
    });
    assert_body(&proxy.get("/6000000").body, 6_000_000);
}

fn long_bodies_that_are_observed_are_read() {
    let standard = format!("{{\"error_code\": \"A\", \"error_msg\": \"{}\"}}", "x".repeat(5_000_000));
    let backend = Backend::says(answer("500 Why", &["Content-Type: application/json"], &standard));
    let config = format!("upstream = '{}'\nmode = 'observe'\ninspect_limit = '8MiB'\n", backend.url());
    let proxy = Proxy::configured(&config);
    assert_eq!(proxy.get("/").body, standard.as_bytes());
    proxy.wait_for("status_normalize_responses_total", &[("status", "500"), ("action", "pass")], 1.0);
}
