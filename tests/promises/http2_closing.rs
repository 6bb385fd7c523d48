//! HTTP/2 in front: how connections end, by a drain, by idleness, by the client.

use std::time::Duration;

use rustix::process::Signal;

use crate::support::{
    backend::{Backend, Gate, Step, answer},
    eventually,
    frames::{Wire, ask, code, data, flag, frame, get, kind, post, request_block, settings},
    proxy::Proxy,
    trials,
};

trials![
    a_client_that_says_goodbye_gets_its_answers,
    a_head_in_parts_has_a_time,
    a_head_that_never_ends_is_idleness,
    a_drain_ends_idle_connections_at_once,
    a_drain_finishes_what_is_under_way,
    a_drain_is_bounded,
    a_drain_waits_for_no_answer,
    a_drain_waits_for_what_is_being_read,
    an_idle_connection_is_closed_with_a_word,
    somebody_who_is_always_within_a_frame_is_not_late,
    silence_within_a_stream_is_not_idle,
];

/// GOAWAY that says only that there will be one.
const ANY_STREAM: u32 = (1 << 31) - 1;

/// Answers `/gated` when the gate is open, and anything else at once.
fn gated() -> (Backend, Gate) {
    let gate = Gate::default();
    let closed = gate.clone();
    let backend = Backend::scripted(move |request| match request.target() {
        "/gated" => vec![Step::Await(closed.clone()), Step::Send(answer("200 OK", &[], "gated"))],
        "/held" => vec![Step::Hold],
        "/" if !request.body.is_empty() => vec![Step::Send(answer("200 OK", &[], &request.body))],
        _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
    });
    (backend, gate)
}

#[track_caller]
fn wait_for_requests(backend: &Backend, count: usize) {
    eventually(|| match backend.seen().len() {
        seen if seen == count => Ok(()),
        seen => Err(format!("{seen} requests, not {count}")),
    });
}

fn a_drain_ends_idle_connections_at_once() {
    let (backend, _gate) = gated();
    let mut proxy = Proxy::start(&backend.url());
    let mut silent = Wire::open(proxy.listen, &[]);
    let mut used = Wire::open(proxy.listen, &[]);
    used.assert_goes_on(1, "fine");
    let started = tokio::time::Instant::now();
    proxy.signal(Signal::TERM);
    for (wire, last) in [(&mut silent, 0), (&mut used, 1)] {
        assert_eq!(wire.closed(), Some(code::NO_ERROR));
        assert_eq!(wire.goaways.last().unwrap().0, last, "the last stream: {:?}", wire.goaways);
    }
    assert!(started.elapsed() < Duration::from_secs(2), "{:?}", started.elapsed());
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
}

fn a_drain_finishes_what_is_under_way() {
    let (backend, gate) = gated();
    let mut proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([ask(1, "GET", "/gated", &[]), post(3, "/", &[]), data(3, 0, "half ")].concat());
    wait_for_requests(&backend, 1);
    proxy.signal(Signal::TERM);
    // `Wire` answers the PING by which the server learns that its first GOAWAY has arrived.
    wire.until("the last GOAWAY", |wire| wire.goaways.last().is_some_and(|goaway| goaway.0 != ANY_STREAM));
    assert_eq!(
        wire.goaways.iter().map(|goaway| goaway.1).collect::<Vec<_>>(),
        vec![code::NO_ERROR; wire.goaways.len()]
    );
    assert_eq!(wire.goaways.last().unwrap().0, 3);
    assert!(!wire.is_over(1) && !wire.is_over(3));
    // Too late, and whoever sent it knows that it was not served.
    wire.send(get(5, &[]));
    wire.send(data(3, flag::END_STREAM, "whole"));
    wire.over(3).assert_is(200, "half whole");
    gate.open();
    wire.over(1).assert_is(200, "gated");
    wire.closed();
    assert!(wire.streams.get(&5).is_none_or(|stream| stream.head.is_none() && !stream.is_ended));
    assert_eq!(backend.seen().len(), 2);
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
}

fn a_drain_is_bounded() {
    let (backend, _gate) = gated();
    let mut proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\ndrain = '300ms'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(ask(1, "GET", "/held", &[]));
    wait_for_requests(&backend, 1);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait(Duration::from_secs(3)).code(), Some(0), "{}", proxy.log());
    wire.closed();
    assert!(!wire.stream(1).is_ended);
}

/// However busy the client is.
fn a_drain_waits_for_no_answer() {
    let (backend, gate) = gated();
    let mut proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nidle = '2s'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.is_mute = true;
    wire.send(ask(1, "GET", "/gated", &[]));
    wait_for_requests(&backend, 1);
    proxy.signal(Signal::TERM);
    let started = tokio::time::Instant::now();
    let is_told = |wire: &Wire| wire.goaways.last().is_some_and(|goaway| goaway.0 != ANY_STREAM);
    let mut stream = 1;
    while !is_told(&wire) {
        stream += 2;
        wire.send(get(stream, &[]));
        wire.until("an answer, or the last GOAWAY", |wire| wire.is_over(stream) || is_told(wire));
        assert!(started.elapsed() < Duration::from_secs(5), "it is never told");
        std::thread::sleep(Duration::from_millis(10));
    }
    // Whoever is on the way to say so had the time for it.
    assert!(
        stream > 21 && started.elapsed() > Duration::from_millis(500),
        "{stream} {:?}",
        started.elapsed()
    );
    let last = wire.goaways.last().unwrap().0;
    assert!([stream - 2, stream].contains(&last), "{last}, not {stream}");
    wire.send(get(stream + 2, &[]));
    gate.open();
    wire.over(1).assert_is(200, "gated");
    assert_eq!(wire.closed(), Some(code::NO_ERROR));
    assert!(!wire.is_over(stream + 2));
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
}

/// What the system has taken for a client, and the client has not read, is not lost because it sends something meanwhile.
fn a_drain_waits_for_what_is_being_read() {
    let body = "x".repeat(600_000);
    let long = body.clone();
    let backend = Backend::scripted(move |_| vec![Step::Send(answer("200 OK", &[], &long))]);
    let mut proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[(4, 1 << 20)]);
    wire.allow(0, 1 << 20);
    wire.send(get(1, &[]));
    wait_for_requests(&backend, 1);
    std::thread::sleep(Duration::from_millis(300));
    proxy.signal(Signal::TERM);
    for _ in 0..6 {
        std::thread::sleep(Duration::from_millis(500));
        wire.allow(0, 1);
    }
    wire.over(1).assert_is(200, &body);
    assert_eq!(wire.closed(), Some(code::NO_ERROR));
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
}

fn an_idle_connection_is_closed_with_a_word() {
    let (backend, _gate) = gated();
    let idle = Duration::from_millis(400);
    let proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nidle = '400ms'\n", backend.url()));
    let started = tokio::time::Instant::now();
    let mut silent = Wire::open(proxy.listen, &[]);
    let mut used = Wire::open(proxy.listen, &[]);
    used.assert_goes_on(1, "fine");
    std::thread::sleep(idle / 2);
    let last_used = tokio::time::Instant::now();
    used.assert_goes_on(3, "fine");
    for (wire, since, last) in [(&mut silent, started, 0), (&mut used, last_used, 3)] {
        assert_eq!(wire.closed(), Some(code::NO_ERROR));
        assert_eq!(wire.goaways.last().unwrap().0, last);
        assert!((idle..idle * 6).contains(&since.elapsed()), "{:?}", since.elapsed());
    }
}

/// Also beside a stream whose answer lasts.
fn a_head_in_parts_has_a_time() {
    let (backend, gate) = gated();
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nrequest_head = '300ms'\n", backend.url()));
    let block = request_block("GET", "/", &[("x-a", &"b".repeat(2000))]);
    let (one, two) = block.split_at(1000);
    let (head, rest) = (
        frame(kind::HEADERS, flag::END_STREAM, 3, one),
        frame(kind::CONTINUATION, flag::END_HEADERS, 3, two),
    );
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(ask(1, "GET", "/gated", &[]));
    wait_for_requests(&backend, 1);
    wire.send(&head);
    std::thread::sleep(Duration::from_millis(100));
    wire.send(rest);
    wire.over(3).assert_is(200, "fine");
    std::thread::sleep(Duration::from_millis(400));
    gate.open();
    wire.over(1).assert_is(200, "gated");

    let unfinished = frame(kind::HEADERS, flag::END_STREAM, 5, one);
    let more = frame(kind::CONTINUATION, 0, 5, two);
    let beginnings: [(_, &[u8], &[u8]); 4] = [
        ("a block without an end", &unfinished, b""),
        ("one that goes on", &unfinished, &more),
        ("the head of a frame", &unfinished[..9], b""),
        ("a part of that", &unfinished[..5], b""),
    ];
    for (name, beginning, rest) in beginnings {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(ask(1, "GET", "/gated", &[]));
        let since = tokio::time::Instant::now();
        wire.send(beginning);
        for _ in 0..5 {
            std::thread::sleep(Duration::from_millis(50));
            wire.send(rest);
        }
        assert_eq!(wire.closed(), Some(code::ENHANCE_YOUR_CALM), "{name}");
        assert!((0.25..1.5).contains(&since.elapsed().as_secs_f64()), "{name}: {:?}", since.elapsed());
    }
}

fn somebody_who_is_always_within_a_frame_is_not_late() {
    let (backend, _gate) = gated();
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nrequest_head = '300ms'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    let asked: Vec<_> = (0..12).map(|number| get(2 * number + 1, &[])).collect();
    wire.send(&asked[0][..4]);
    for pair in asked.windows(2) {
        std::thread::sleep(Duration::from_millis(50));
        wire.send([&pair[0][4..], &pair[1][..4]].concat());
    }
    wire.send(&asked[11][4..]);
    for number in 0..12 {
        wire.over(2 * number + 1).assert_is(200, "fine");
    }
}

fn a_head_that_never_ends_is_idleness() {
    let (backend, _gate) = gated();
    let proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nidle = '200ms'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(frame(kind::HEADERS, flag::END_STREAM, 1, [0x82]));
    wire.closed();
    assert_eq!(wire.goaways[0].1, code::NO_ERROR);
    // Nor is there any other way to be waited for without a request.
    let mut wire = Wire::open(proxy.listen, &[]);
    let started = tokio::time::Instant::now();
    for stream in (1..).step_by(2) {
        if wire.is_closed || started.elapsed() > Duration::from_secs(5) {
            break;
        }
        let malformed = frame(kind::HEADERS, flag::WHOLE, stream, []);
        wire.send([frame(kind::PING, 0, 0, [0; 8]), settings(&[]), malformed].concat());
        let pongs = wire.pongs.len();
        wire.until("an answer", |wire| wire.is_closed || wire.pongs.len() > pongs);
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(wire.is_closed);
}

fn silence_within_a_stream_is_not_idle() {
    let (backend, gate) = gated();
    let proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\nidle = '100ms'\n", backend.url()));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([ask(1, "GET", "/gated", &[]), post(3, "/", &[]), data(3, 0, "half ")].concat());
    std::thread::sleep(Duration::from_millis(600));
    wire.round_trip();
    assert_eq!(wire.goaways, []);
    wire.send(data(3, flag::END_STREAM, "whole"));
    wire.over(3).assert_is(200, "half whole");
    gate.open();
    wire.over(1).assert_is(200, "gated");
    assert_eq!(wire.closed(), Some(code::NO_ERROR));
}

fn a_client_that_says_goodbye_gets_its_answers() {
    let (backend, gate) = gated();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([ask(1, "GET", "/gated", &[]), post(3, "/", &[]), data(3, 0, "half ")].concat());
    wire.send(frame(kind::GOAWAY, 0, 0, [[0; 4], code::NO_ERROR.to_be_bytes()].concat()));
    wire.round_trip();
    wire.send(data(3, flag::END_STREAM, "whole"));
    wire.over(3).assert_is(200, "half whole");
    gate.open();
    wire.over(1).assert_is(200, "gated");
    assert_eq!(wire.closed(), Some(code::NO_ERROR));
}
