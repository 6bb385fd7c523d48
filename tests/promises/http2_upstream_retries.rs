//! HTTP/2 upstreams, frame by frame: requests that are sent again, that wait for their turn, and connections that end.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    frame_upstream::Upstream,
    frames::{Wire, answer, code, data, flag, get, goaway, post, reset, respond, setting},
    proxy::Proxy,
    trials,
};

trials![
    a_body_that_had_no_room_is_sent_again,
    a_connection_that_did_not_answer_is_left,
    an_idle_connection_is_closed,
    requests_that_a_goaway_leaves_out_go_elsewhere,
    requests_that_are_refused_are_sent_again,
    requests_wait_for_a_connection_no_longer_than_for_one,
    requests_wait_for_their_turn_no_longer_than_for_an_answer,
    streams_are_no_more_than_the_upstream_takes,
    what_has_begun_is_not_sent_again,
];

const RETRIES: &str = "status_proxy_upstream_retries_total";
const LOCAL: &str = "status_proxy_local_replies_total";

#[track_caller]
fn assert_local(proxy: &Proxy, cause: &str, count: f64) {
    proxy.wait_for(LOCAL, &[("cause", cause)], count);
}

fn requests_that_are_refused_are_sent_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[("x-a", "b")]));
    let mut peer = upstream.accept(&[]);
    // On the first request of a connection as on later ones, whatever the method, twice at most.
    let mut stream = peer.request();
    for method in ["GET", "POST", "PATCH"] {
        let number = match method {
            "GET" => 1,
            "POST" => 3,
            _ => 5,
        };
        if number > 1 {
            wire.send(crate::support::frames::ask(number, method, "/", &[("x-a", "b")]));
            stream = peer.request();
        }
        for _ in 0..2 {
            peer.send(reset(stream, code::REFUSED_STREAM));
            stream = peer.request();
            let again = peer.stream(stream);
            assert_eq!(
                (again.field(":method"), again.field("x-a"), again.field("via")),
                (method, "b", "2 status-proxy")
            );
            assert!(again.is_ended);
        }
        peer.send(answer(stream, "200", method));
        wire.over(number).assert_is(200, method);
    }
    proxy.wait_for(RETRIES, &[], 6.0);
    wire.send(get(7, &[]));
    for _ in 0..3 {
        let stream = peer.request();
        peer.send(reset(stream, code::REFUSED_STREAM));
    }
    assert_eq!(wire.over(7).status(), 502);
    assert_local(&proxy, "disconnected", 1.0);
    // A body that waits to be asked for has not begun.
    wire.send(post(9, "/", &[("expect", "100-continue")]));
    let stream = peer.request();
    peer.send(reset(stream, code::REFUSED_STREAM));
    let stream = peer.request();
    peer.send(respond(stream, 0, "100", &[]));
    wire.until("100", |wire| wire.streams.get(&9).is_some_and(|stream| stream.interim.len() == 1));
    wire.send(data(9, flag::END_STREAM, "body"));
    assert_eq!(peer.over(stream).body, b"body");
    peer.send(answer(stream, "200", "thanks"));
    wire.over(9).assert_is(200, "thanks");
    upstream.assert_no_connection();
}

fn a_body_that_had_no_room_is_sent_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.set_stream_window(0);
    peer.send(answer(stream, "200", ""));
    wire.over(1).assert_is(200, "");
    // It has been read, and has not begun.
    wire.send([post(3, "/", &[]), data(3, flag::END_STREAM, "body")].concat());
    let stream = peer.request();
    wire.round_trip();
    peer.round_trip();
    peer.send(reset(stream, code::REFUSED_STREAM));
    let stream = peer.request();
    peer.allow(stream, 4);
    assert_eq!(peer.over(stream).body, b"body");
    peer.send(answer(stream, "200", "thanks"));
    wire.over(3).assert_is(200, "thanks");
    // So it is with what waits for its turn.
    peer.set_stream_window(1000);
    peer.send(crate::support::frames::settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]));
    peer.round_trip();
    wire.send(get(5, &[]));
    let first = peer.request();
    wire.send([post(7, "/", &[]), data(7, flag::END_STREAM, "body")].concat());
    wire.round_trip();
    peer.round_trip();
    peer.send([goaway(first, code::NO_ERROR), answer(first, "200", "first")].concat());
    let mut other = upstream.accept(&[]);
    let stream = other.request();
    assert_eq!(other.over(stream).body, b"body");
    other.send(answer(stream, "200", "thanks"));
    wire.over(7).assert_is(200, "thanks");
    wire.over(5).assert_is(200, "first");
    proxy.wait_for(RETRIES, &[], 2.0);
}

fn what_has_begun_is_not_sent_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([post(1, "/", &[]), data(1, 0, "half")].concat());
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.until("half", |peer| peer.body_len(stream) == 4);
    peer.send(reset(stream, code::REFUSED_STREAM));
    assert_eq!(wire.over(1).status(), 502);
    // Nor what the upstream has begun to answer, or does not say that it did nothing with.
    wire.send([get(3, &[]), get(5, &[]), get(7, &[])].concat());
    let (hinted, reset_by, begun) = (peer.request(), peer.request(), peer.request());
    peer.send([respond(hinted, 0, "103", &[]), reset(hinted, code::REFUSED_STREAM)].concat());
    peer.send(reset(reset_by, code::INTERNAL_ERROR));
    peer.send([respond(begun, 0, "200", &[]), reset(begun, code::REFUSED_STREAM)].concat());
    for number in [3, 5] {
        assert_eq!(wire.over(number).status(), 502, "{number}");
    }
    assert_eq!((wire.over(7).status(), wire.stream(7).reset), (200, Some(code::REFUSED_STREAM)));
    assert_local(&proxy, "disconnected", 3.0);
    proxy.wait_for(RETRIES, &[], 0.0);
}

fn requests_that_a_goaway_leaves_out_go_elsewhere() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([get(1, &[]), get(3, &[]), crate::support::frames::ask(5, "POST", "/", &[])].concat());
    let mut peer = upstream.accept(&[]);
    let streams = [peer.request(), peer.request(), peer.request()];
    peer.send(goaway(streams[0], code::NO_ERROR));
    let mut other = upstream.accept(&[]);
    for _ in 0..2 {
        let stream = other.request();
        let method = other.stream(stream).field(":method").to_owned();
        other.send(answer(stream, "200", &method));
    }
    wire.over(3).assert_is(200, "GET");
    wire.over(5).assert_is(200, "POST");
    proxy.wait_for(RETRIES, &[], 2.0);
    // What it has taken it answers, and what comes later goes elsewhere.
    wire.send(get(7, &[]));
    let stream = other.request();
    other.send(answer(stream, "200", "later"));
    wire.over(7).assert_is(200, "later");
    peer.send(answer(streams[0], "200", "first"));
    wire.over(1).assert_is(200, "first");
    assert_eq!(peer.closed(), Some(code::NO_ERROR), "nothing is left to be done there");
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 1.0);
    // Closed without a word: once more where that can't do harm.
    wire.send([get(9, &[]), crate::support::frames::ask(11, "POST", "/", &[])].concat());
    let _ = (other.request(), other.request());
    drop(other);
    assert_eq!(wire.over(11).status(), 502);
    let mut third = upstream.accept(&[]);
    let stream = third.request();
    third.send(answer(stream, "200", "again"));
    wire.over(9).assert_is(200, "again");
    proxy.wait_for(RETRIES, &[], 3.0);
    assert_local(&proxy, "disconnected", 1.0);
    wire.send(get(13, &[]));
    third.request();
    third.send(goaway(0x7fff_ffff, code::NO_ERROR));
    drop(third);
    let mut fourth = upstream.accept(&[]);
    let stream = fourth.request();
    drop(fourth);
    assert_eq!((stream, wire.over(13).status()), (1, 502), "on a new connection not again");
}

fn streams_are_no_more_than_the_upstream_takes() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    // Before the upstream has said how many it takes, more may be sent; it refuses them.
    wire.send([get(1, &[]), get(3, &[]), get(5, &[])].concat());
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 2)]);
    let streams = [peer.request(), peer.request(), peer.request()];
    peer.send(reset(streams[2], code::REFUSED_STREAM));
    peer.round_trip();
    let count = |peer: &Wire| peer.streams.len();
    assert_eq!(count(&peer), 3, "it waits");
    wire.send([post(7, "/", &[]), data(7, flag::END_STREAM, "body")].concat());
    wire.round_trip();
    peer.round_trip();
    assert_eq!(count(&peer), 3, "this too");
    peer.send(answer(streams[1], "200", "second"));
    wire.over(3).assert_is(200, "second");
    let third = peer.request();
    peer.send(answer(third, "200", "third"));
    wire.over(5).assert_is(200, "third");
    let fourth = peer.request();
    assert_eq!(peer.over(fourth).body, b"body");
    // One that its client gives up makes room as well.
    wire.send(get(9, &[]));
    wire.round_trip();
    peer.round_trip();
    assert_eq!(count(&peer), 5);
    wire.send(reset(1, code::CANCEL));
    assert_eq!(peer.reset_of(streams[0]), code::CANCEL);
    let fifth = peer.request();
    peer.send([answer(fifth, "200", "fifth"), answer(fourth, "200", "fourth")].concat());
    wire.over(9).assert_is(200, "fifth");
    wire.over(7).assert_is(200, "fourth");
    // None at all for a while.
    peer.send(crate::support::frames::settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]));
    peer.round_trip();
    wire.send(get(11, &[]));
    wire.round_trip();
    peer.round_trip();
    assert_eq!(count(&peer), 6);
    peer.send(crate::support::frames::settings(&[(setting::MAX_CONCURRENT_STREAMS, 1)]));
    let sixth = peer.request();
    peer.send(answer(sixth, "200", "sixth"));
    wire.over(11).assert_is(200, "sixth");
    upstream.assert_no_connection();
}

fn requests_wait_for_their_turn_no_longer_than_for_an_answer() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nresponse_head = '400ms'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let long = peer.request();
    peer.send(respond(long, 0, "200", &[]));
    wire.until("a head", |wire| wire.streams.get(&1).is_some_and(|stream| stream.head.is_some()));
    let start = Instant::now();
    wire.send([get(3, &[]), post(5, "/", &[]), data(5, 0, "half")].concat());
    for number in [3, 5] {
        assert_eq!(wire.over(number).status(), 504, "{number}");
    }
    assert!((300..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_local(&proxy, "response_timeout", 2.0);
    assert_eq!(peer.streams.len(), 1, "neither was ever sent");
    peer.send(data(long, flag::END_STREAM, "whole"));
    wire.over(1).assert_is(200, "whole");
    // An upload that gets no room waits as long; one whose client takes its time waits for that.
    wire.send([post(7, "/", &[]), data(7, 0, "half")].concat());
    let mut peer = upstream.accept(&[]);
    let slow = peer.request();
    std::thread::sleep(Duration::from_millis(700));
    wire.send(data(7, flag::END_STREAM, "more"));
    assert_eq!(peer.over(slow).body, b"halfmore");
    peer.send(answer(slow, "200", "thanks"));
    wire.over(7).assert_is(200, "thanks");
    // Room in small pieces is room.
    peer.set_stream_window(1000);
    wire.send(post(9, "/", &[]));
    wire.upload(9, &[b'x'; 16_000]);
    let stuck = peer.request();
    for round in 1..=6 {
        peer.until("what fits", |peer| peer.body_len(stuck) == 1000 * round);
        std::thread::sleep(Duration::from_millis(150));
        peer.allow(stuck, 1000);
    }
    let start = Instant::now();
    assert_eq!(wire.over(9).status(), 504);
    assert!(start.elapsed() > Duration::from_millis(300), "{:?}", start.elapsed());
    assert_eq!(peer.reset_of(stuck), code::CANCEL);
}

fn requests_wait_for_a_connection_no_longer_than_for_one() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nconnect = '500ms'\n");
    // Nobody accepts, and there is no room to wait in.
    let _waiting = upstream.fill();
    let mut wire = Wire::open(proxy.listen, &[]);
    let start = Instant::now();
    wire.send((0..8).flat_map(|number| get(2 * number + 1, &[])).collect::<Vec<_>>());
    for number in 0..8 {
        assert_eq!(wire.over(2 * number + 1).status(), 504);
    }
    assert!(start.elapsed() < Duration::from_millis(1900), "not one after the other: {:?}", start.elapsed());
    assert_local(&proxy, "connect_timeout", 8.0);
}

fn a_connection_that_did_not_answer_is_left() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nresponse_head = '300ms'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let streaming = peer.request();
    peer.send(respond(streaming, 0, "200", &[]));
    wire.send(get(3, &[]));
    let silent = peer.request();
    assert_eq!(wire.over(3).status(), 504);
    assert_eq!(peer.reset_of(silent), code::CANCEL);
    // It may be the way there that is broken. What goes on there goes on.
    wire.send(get(5, &[]));
    let mut other = upstream.accept(&[]);
    let stream = other.request();
    other.send(answer(stream, "200", "here"));
    wire.over(5).assert_is(200, "here");
    peer.send(data(streaming, flag::END_STREAM, "there"));
    wire.over(1).assert_is(200, "there");
    assert_eq!(peer.closed(), Some(code::NO_ERROR));
}

fn an_idle_connection_is_closed() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nidle = '300ms'\n");
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    client.head();
    // Not while an answer is under way, however silent.
    std::thread::sleep(Duration::from_millis(1500));
    peer.round_trip();
    assert!(peer.goaways.is_empty());
    let mut other = proxy.client();
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let second = peer.request();
    peer.send(answer(second, "200", "here"));
    assert_eq!(other.answer("GET").text(), "here");
    peer.send(data(stream, flag::END_STREAM, ""));
    assert_eq!(peer.closed(), Some(code::NO_ERROR));
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 0.0);
}
