//! Long request bodies, which need not enter the program either.

use std::{
    io::{self, BufReader, Read, Write},
    net::TcpStream,
    sync::mpsc::channel,
    thread,
    time::Duration,
};

use super::long_bodies::{assert_body, body, pipes};
use crate::support::{
    backend::{Backend, Gate, Seen, answer},
    client::{Client, request},
    eventually,
    message::Message,
    proxy::Proxy,
    trials,
};

trials![
    a_long_upload_that_breaks_off_is_cut_where_it_was,
    clients_that_leave_within_long_uploads_leave_nothing_behind,
    long_uploads_arrive_as_they_were_sent,
    long_uploads_cross_http2_as_they_were_sent,
    long_uploads_that_are_refused_leave_nothing_to_the_next,
    more_slow_upstreams_than_pipes_each_get_their_body,
    only_long_uploads_go_through_a_pipe,
];

/// A body that no pipe and no socket holds.
const LONG: usize = 12_000_000;

/// Reads request after request and answers whether each body was as it should be, or, within it, that it is refused.
fn check_bodies(_: usize, stream: TcpStream, remember: &dyn Fn(Seen)) {
    let mut reader = BufReader::new(stream);
    while let Ok(Some(mut message)) = Message::read_head(&mut reader) {
        if message.start.starts_with("PUT /refused ") {
            let mut some = vec![0; 1_500_000];
            let is_right = reader.read_exact(&mut some).is_ok() && some == body(some.len());
            let status = if is_right { "413 Too Large" } else { "500 Wrong" };
            let _ = reader.get_mut().write_all(&answer(status, &["Connection: close"], "no"));
            let _ = io::copy(&mut reader, &mut io::sink());
            return;
        }
        let framing = message.framing();
        if message.read_body(&mut reader, framing).is_err() {
            return;
        }
        let verdict = if message.body == body(message.body.len()) { "right" } else { "wrong" };
        let verdict = answer("200 OK", &[], format!("{} {verdict}", message.body.len()));
        (message.body, message.raw) = Default::default();
        remember(Seen { message, connection: 0 });
        if reader.get_mut().write_all(&verdict).is_err() {
            return;
        }
    }
}

fn put(path: &str, len: usize, lines: &[&str]) -> String {
    request("PUT", path, &[lines, &[&format!("Content-Length: {len}")]].concat())
}

#[track_caller]
fn assert_right(client: &mut Client, len: usize) {
    assert_eq!(client.answer("PUT").text(), format!("{len} right"));
}

fn long_uploads_arrive_as_they_were_sent() {
    let backend = Backend::raw(check_bodies);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    let kib = 1024;
    let lengths = [64, 256, 272, 320, 1024, 4096, 5000, 10_240].map(|n| n * kib);
    for len in lengths.into_iter().flat_map(|len| [len - 1, len, len + 1]) {
        client.send(put("/", len, &[]));
        client.send(body(len));
        assert_right(&mut client, len);
    }
    client.send(put("/", LONG, &["Expect: 100-continue"]));
    thread::sleep(Duration::from_millis(50));
    client.send(body(LONG));
    assert_right(&mut client, LONG);
    // Requests that are sent ahead, in pieces that come now and then.
    let lengths = [6 * kib * kib + 5, 100, LONG, 5 * kib * kib];
    let mut sender = client.stream().try_clone().unwrap();
    let sending = thread::spawn(move || {
        for len in lengths {
            sender.write_all(put("/", len, &[]).as_bytes()).unwrap();
            for (at, piece) in body(len).chunks(1_234_567).enumerate() {
                sender.write_all(piece).unwrap();
                thread::sleep(Duration::from_millis(at as u64 % 3 * 5));
            }
        }
    });
    lengths.into_iter().for_each(|len| assert_right(&mut client, len));
    sending.join().unwrap();
    assert_eq!(backend.connections(), 1, "each body left its connection usable");
}

fn only_long_uploads_go_through_a_pipe() {
    let backend = Backend::raw(check_bodies);
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    // A pipe with nothing in it is kept for the next.
    for (len, expected) in [((256 << 10) - 1, 0), (256 << 10, 1), (6 << 20, 1)] {
        client.send(put("/", len, &[]));
        client.send(body(len));
        assert_right(&mut client, len);
        assert_eq!(pipes(&proxy), expected, "{len} bytes");
    }
}

fn more_slow_upstreams_than_pipes_each_get_their_body() {
    let gate = Gate::default();
    let opened = gate.clone();
    let backend = Backend::raw(move |connection, stream, remember| {
        gate.wait();
        check_bodies(connection, stream, remember);
    });
    let proxy = Proxy::start(&backend.url());
    let asking: Vec<_> = (0..70)
        .map(|_| {
            let mut client = proxy.client();
            thread::spawn(move || {
                client.stream().set_write_timeout(Some(Duration::from_secs(60))).unwrap();
                client.set_read_timeout(Duration::from_secs(60));
                client.send(put("/", LONG, &[]));
                client.send(body(LONG));
                assert_right(&mut client, LONG);
            })
        })
        .collect();
    eventually(|| match pipes(&proxy) {
        50.. => Ok(()),
        pipes => Err(format!("{pipes} pipes")),
    });
    // Until all seventy have come to wait.
    thread::sleep(Duration::from_millis(500));
    assert!((50..=64).contains(&pipes(&proxy)), "{} pipes", pipes(&proxy));
    opened.open();
    asking.into_iter().for_each(|asking| asking.join().unwrap());
}

fn a_long_upload_that_breaks_off_is_cut_where_it_was() {
    for sent in [300_000, 1 << 20, 5_000_000] {
        let (tell, told) = channel();
        let backend = Backend::raw(move |_, stream, _| {
            let mut reader = BufReader::new(stream);
            let head = Message::read_head(&mut reader).unwrap();
            assert!(head.is_some());
            let mut received = Vec::new();
            // Whether it is an end or a reset, no more comes.
            let _ = reader.read_to_end(&mut received);
            tell.send(received).unwrap();
        });
        let proxy = Proxy::start(&backend.url());
        let mut client = proxy.client();
        client.send(put("/", LONG, &[]));
        client.send(body(sent));
        client.finish();
        assert_eq!(client.answer("PUT").status(), 400);
        let received = told.recv_timeout(Duration::from_secs(10)).unwrap();
        assert_body(&received, sent);
        proxy.wait_for("status_normalize_responses_total", &[("status", "400")], 1.0);
    }
}

fn long_uploads_that_are_refused_leave_nothing_to_the_next() {
    let backend = Backend::raw(check_bodies);
    let proxy = Proxy::start(&backend.url());
    for _ in 0..10 {
        let mut client = proxy.client();
        client.send(put("/refused", LONG, &[]));
        // The rest of it is in a pipe and in the sockets when the answer comes.
        let mut sender = client.stream().try_clone().unwrap();
        let sending = thread::spawn(move || sender.write_all(body(LONG)));
        assert_eq!(client.answer("PUT").status(), 413);
        drop(client);
        let _ = sending.join().unwrap();
    }
    let mut client = proxy.client();
    for len in [LONG, 5, LONG] {
        client.send(put("/", len, &[]));
        client.send(body(len));
        assert_right(&mut client, len);
    }
    assert!(pipes(&proxy) <= 2, "what was not empty is closed");
}

fn clients_that_leave_within_long_uploads_leave_nothing_behind() {
    let backend = Backend::raw(check_bodies);
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", "2"]);
    for _ in 0..50 {
        let mut client = proxy.client();
        client.send(put("/", LONG, &[]));
        client.send(body(LONG / 2));
    }
    eventually(|| match pipes(&proxy) {
        // Each worker keeps a few that were emptied.
        ..=8 => Ok(()),
        pipes => Err(format!("{pipes} pipes")),
    });
    assert!(backend.seen().is_empty(), "no body was whole");
    let mut client = proxy.client();
    client.send(put("/", LONG, &[]));
    client.send(body(LONG));
    assert_right(&mut client, LONG);
}

/// What has no socket of its own to be sent to is read: HTTP/1.1 to HTTP/2 by the first proxy, and back by the second.
fn long_uploads_cross_http2_as_they_were_sent() {
    let backend = Backend::raw(check_bodies);
    let second = Proxy::start(&backend.url());
    let first = Proxy::configured(&format!(
        "upstream = {{ url = 'http://{}', protocol = 'http2' }}\n",
        second.listen
    ));
    let mut client = first.client();
    for len in [256 << 10, 4 << 20, LONG] {
        client.send(put("/", len, &[]));
        client.send(body(len));
        assert_right(&mut client, len);
    }
    assert_eq!((pipes(&first), pipes(&second)), (0, 0));
}
