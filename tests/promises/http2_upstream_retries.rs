//! HTTP/2 upstreams, frame by frame: requests that are sent again, that wait for their turn, and connections that end.

use std::time::Duration;

use tokio::time::Instant;

use crate::support::{
    frame_upstream::Upstream,
    frames::{
        Wire, answer, ask, code, data, flag, frame, get, goaway, kind, post, reset, respond, setting,
        settings,
    },
    hpack::literals,
    proxy::Proxy,
    trials,
};

trials![
    a_body_that_had_no_room_is_sent_again,
    a_connection_that_cannot_be_opened_beside_another_is_no_failure,
    a_connection_that_did_not_answer_is_left,
    a_connection_that_ends_before_it_is_used_is_opened_again,
    a_short_body_is_sent_again,
    an_idle_connection_is_closed,
    requests_that_a_goaway_leaves_out_go_elsewhere,
    requests_that_are_refused_are_sent_again,
    requests_wait_for_a_connection_no_longer_than_for_one,
    requests_wait_for_windows_no_longer_than_for_an_answer,
    streams_are_no_more_than_the_upstream_takes,
    what_cannot_be_kept_or_may_have_been_done_is_not_sent_again,
    what_waits_for_room_goes_on_when_the_upstream_takes_more,
    what_waits_for_room_is_not_sent_once_nobody_waits,
    what_waits_takes_what_gets_free_in_turn,
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
            wire.send(ask(number, method, "/", &[("x-a", "b")]));
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
    // Beside others it has as many as it takes.
    wire.send([get(11, &[]), get(13, &[])].concat());
    let (long, refused) = (peer.request(), peer.request());
    peer.send(reset(refused, code::REFUSED_STREAM));
    let mut other = upstream.accept(&[]);
    let stream = other.request();
    other.send(answer(stream, "200", "there"));
    wire.over(13).assert_is(200, "there");
    wire.send(get(15, &[]));
    let stream = other.request();
    other.send(answer(stream, "200", "there too"));
    wire.over(15).assert_is(200, "there too");
    peer.send(answer(long, "200", "here"));
    wire.over(11).assert_is(200, "here");
    wire.send(get(17, &[]));
    let stream = peer.request();
    peer.send(answer(stream, "200", "here too"));
    wire.over(17).assert_is(200, "here too");
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
    proxy.wait_for(RETRIES, &[], 1.0);
}

fn a_short_body_is_sent_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    // Begun on one stream, told twice, and ended on the third.
    wire.send([post(1, "/", &[]), data(1, 0, "be")].concat());
    let mut peer = upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 100_000)]);
    for _ in 0..2 {
        let stream = peer.request();
        peer.allow(0, 100_000);
        peer.until("the beginning", |peer| peer.body_len(stream) == 2);
        peer.send(reset(stream, code::REFUSED_STREAM));
    }
    let stream = peer.request();
    wire.send([data(1, 0, "gun and en"), data(1, flag::END_STREAM, "ded")].concat());
    assert_eq!(peer.over(stream).body, b"begun and ended");
    peer.send(answer(stream, "200", "thanks"));
    wire.over(1).assert_is(200, "thanks");
    // Half of it sent, half without room; then a window for all.
    let body = (0..60_000_u32).map(|index| index.to_le_bytes()[index as usize % 2]).collect::<Vec<_>>();
    peer.set_stream_window(30_000);
    wire.send(post(3, "/", &[]));
    wire.upload_whole(3, &body);
    let stream = peer.request();
    peer.until("what fits", |peer| peer.body_len(stream) == 30_000);
    peer.send(reset(stream, code::REFUSED_STREAM));
    let stream = peer.request();
    peer.allow(stream, 100_000);
    assert!(peer.over(stream).body == body);
    peer.send(answer(stream, "200", "thanks"));
    wire.over(3).assert_is(200, "thanks");
    // Whole, and left out by a GOAWAY: of any method, on another connection.
    wire.send(get(5, &[]));
    let taken = peer.request();
    wire.send([post(7, "/", &[]), data(7, flag::END_STREAM, "whole")].concat());
    let left_out = peer.request();
    assert_eq!(peer.over(left_out).body, b"whole");
    peer.send(goaway(taken, code::NO_ERROR));
    let mut other = upstream.accept(&[]);
    let stream = other.request();
    assert_eq!(other.over(stream).body, b"whole");
    other.send(answer(stream, "200", "thanks"));
    wire.over(7).assert_is(200, "thanks");
    peer.send(answer(taken, "200", ""));
    wire.over(5).assert_is(200, "");
    // Not if the connection ends after one that leaves nothing out.
    wire.send([post(9, "/", &[]), data(9, flag::END_STREAM, "whole")].concat());
    let stream = other.request();
    other.over(stream);
    other.send(goaway(stream, code::NO_ERROR));
    drop(other);
    assert_eq!(wire.over(9).status(), 502);
    proxy.wait_for(RETRIES, &[], 4.0);
    upstream.assert_no_connection();
}

fn what_cannot_be_kept_or_may_have_been_done_is_not_sent_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    // What is too long to be kept, comes in too many pieces, or has trailers.
    wire.send(post(1, "/", &[]));
    let mut peer = upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 100_000)]);
    let stream = peer.request();
    peer.allow(0, 100_000);
    wire.upload_whole(1, &[b'x'; 65_537]);
    assert_eq!(peer.over(stream).body.len(), 65_537);
    peer.send(reset(stream, code::REFUSED_STREAM));
    assert_eq!(wire.over(1).status(), 502);
    wire.send(post(3, "/", &[]));
    let stream = peer.request();
    for piece in 1..=9 {
        wire.send(data(3, 0, "piece"));
        peer.until("a piece", |peer| peer.body_len(stream) == 5 * piece);
    }
    peer.send(reset(stream, code::REFUSED_STREAM));
    assert_eq!(wire.over(3).status(), 502);
    let trailers = frame(kind::HEADERS, flag::END_HEADERS | flag::END_STREAM, 5, literals(&[("x-a", "b")]));
    wire.send([post(5, "/", &[]), data(5, 0, "body"), trailers].concat());
    let stream = peer.request();
    assert!(peer.over(stream).trailers.is_some());
    peer.send(reset(stream, code::REFUSED_STREAM));
    assert_eq!(wire.over(5).status(), 502);
    // Nor what the upstream has begun to answer, or does not say that it did nothing with.
    wire.send([get(7, &[]), get(9, &[]), get(11, &[])].concat());
    let (hinted, reset_by, begun) = (peer.request(), peer.request(), peer.request());
    peer.send([respond(hinted, 0, "103", &[]), reset(hinted, code::REFUSED_STREAM)].concat());
    peer.send(reset(reset_by, code::INTERNAL_ERROR));
    peer.send([respond(begun, 0, "200", &[]), reset(begun, code::REFUSED_STREAM)].concat());
    for number in [7, 9] {
        assert_eq!(wire.over(number).status(), 502, "{number}");
    }
    assert_eq!((wire.over(11).status(), wire.stream(11).reset), (200, Some(code::REFUSED_STREAM)));
    assert_local(&proxy, "disconnected", 5.0);
    proxy.wait_for(RETRIES, &[], 0.0);
}

fn requests_that_a_goaway_leaves_out_go_elsewhere() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([get(1, &[]), get(3, &[]), ask(5, "POST", "/", &[])].concat());
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
    wire.send([get(9, &[]), ask(11, "POST", "/", &[])].concat());
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
    wire.send([get(1, &[]), get(3, &[]), post(5, "/", &[]), data(5, flag::END_STREAM, "body")].concat());
    let mut peer = upstream.accept_silently();
    peer.read_preface();
    std::thread::sleep(Duration::from_millis(50));
    peer.exchange_settings(settings(&[(setting::MAX_CONCURRENT_STREAMS, 2)]), &[]);
    let streams = [peer.request(), peer.request()];
    // Its settings, a window, that it has seen ours: nothing else is sent before.
    assert_eq!(peer.log[..3], [(kind::SETTINGS, 0), (kind::WINDOW_UPDATE, 0), (kind::SETTINGS, 0)]);
    // What it does not take goes on a connection of its own.
    let mut other = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 2)]);
    let posted = other.request();
    assert_eq!(other.over(posted).body, b"body");
    peer.round_trip();
    assert_eq!((peer.streams.len(), other.streams.len()), (2, 1));
    // Where one has ended there is room again, and requests stay together.
    peer.send(answer(streams[1], "200", "second"));
    wire.over(3).assert_is(200, "second");
    wire.send(get(7, &[]));
    let fourth = peer.request();
    // One that its client gives up makes room as well.
    wire.send(reset(1, code::CANCEL));
    assert_eq!(peer.reset_of(streams[0]), code::CANCEL);
    wire.send(get(9, &[]));
    let fifth = peer.request();
    wire.send(get(11, &[]));
    let sixth = other.request();
    peer.send([answer(fifth, "200", "fifth"), answer(fourth, "200", "fourth")].concat());
    other.send([answer(posted, "200", "posted"), answer(sixth, "200", "sixth")].concat());
    for (stream, body) in [(9, "fifth"), (7, "fourth"), (5, "posted"), (11, "sixth")] {
        wire.over(stream).assert_is(200, body);
    }
    // Fewer, and then none at all.
    for (stream, limit, takes) in [(13, 1, "peer"), (15, 0, "other")] {
        peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, limit)]));
        peer.round_trip();
        wire.send(get(stream, &[]));
        let taker = if takes == "peer" { &mut peer } else { &mut other };
        let taken = taker.request();
        taker.send(answer(taken, "200", takes));
        wire.over(stream).assert_is(200, takes);
    }
    assert_eq!(peer.closed(), Some(code::NO_ERROR), "it is of no use");
    upstream.assert_no_connection();
    proxy.wait_for(RETRIES, &[], 0.0);
}

fn what_waits_for_room_goes_on_when_the_upstream_takes_more() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nconnect = '30s'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let first = peer.request();
    wire.send([get(3, &[]), get(5, &[]), get(7, &[])].concat());
    // Another connection gets nowhere, and nothing ends.
    let mut silent = upstream.accept_silently();
    silent.read_preface();
    peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 3)]));
    let streams = [peer.request(), peer.request()];
    peer.round_trip();
    assert_eq!(peer.streams.len(), 3, "no more than it takes: {peer:?}");
    peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 4)]));
    let last = peer.request();
    for stream in [first, streams[0], streams[1], last] {
        peer.send(answer(stream, "200", "here"));
    }
    for stream in [1, 3, 5, 7] {
        wire.over(stream).assert_is(200, "here");
    }
    assert!(silent.streams.is_empty(), "{silent:?}");
}

fn what_waits_for_room_is_not_sent_once_nobody_waits() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nconnect = '400ms'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let long = peer.request();
    // No room where that is sent, and another connection gets nowhere.
    let start = Instant::now();
    wire.send([ask(3, "DELETE", "/", &[]), get(5, &[])].concat());
    let mut silent = upstream.accept_silently();
    silent.read_preface();
    wire.send(reset(5, code::CANCEL));
    assert_eq!(wire.over(3).status(), 504);
    assert!((300..5_000).contains(&start.elapsed().as_millis()), "{:?}", start.elapsed());
    assert_local(&proxy, "connect_timeout", 1.0);
    assert_eq!(silent.closed(), None);
    assert!(silent.streams.is_empty(), "{silent:?}");
    // Nor where it takes none.
    wire.send([post(9, "/", &[]), data(9, 0, "half")].concat());
    let mut full = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 0)]);
    assert_eq!(wire.over(9).status(), 504);
    full.closed();
    assert!(full.streams.is_empty(), "{full:?}");
    peer.send(answer(long, "200", "whole"));
    wire.over(1).assert_is(200, "whole");
    wire.send(get(11, &[]));
    let next = peer.request();
    peer.round_trip();
    assert_eq!((peer.streams.len(), peer.stream(next).field(":method")), (2, "GET"));
    peer.send(answer(next, "200", "next"));
    wire.over(11).assert_is(200, "next");
    // Nor once room is there: the one for which the connection was opened leaves, and it is for those that stay.
    peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 0)]));
    peer.round_trip();
    wire.send([ask(13, "DELETE", "/", &[]), get(15, &[]), ask(17, "DELETE", "/", &[])].concat());
    let mut other = upstream.accept_silently();
    other.read_preface();
    wire.send([reset(13, code::CANCEL), reset(17, code::CANCEL)].concat());
    wire.round_trip();
    other.exchange_settings(settings(&[]), &[]);
    let only = other.request();
    other.round_trip();
    assert_eq!((other.streams.len(), other.stream(only).field(":method")), (1, "GET"));
    other.send(answer(only, "200", "only"));
    wire.over(15).assert_is(200, "only");
    upstream.assert_no_connection();
}

fn what_waits_takes_what_gets_free_in_turn() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let mut stream = peer.request();
    wire.send([get(3, &[("x-turn", "3")]), get(5, &[("x-turn", "5")])].concat());
    // Another connection says nothing.
    let mut silent = upstream.accept_silently();
    silent.read_preface();
    wire.round_trip();
    for (turn, next) in [(1, 3), (3, 5), (5, 7), (7, 0)] {
        // Who comes now comes after those that wait.
        if next == 5 {
            wire.send(get(7, &[("x-turn", "7")]));
            wire.round_trip();
        }
        peer.send(answer(stream, "200", "here"));
        wire.over(turn).assert_is(200, "here");
        if next > 0 {
            stream = peer.request();
            assert_eq!(peer.stream(stream).field("x-turn"), next.to_string());
        }
    }
    // Once it has spoken it takes what the first has no room for.
    wire.send(get(9, &[]));
    peer.request();
    silent.exchange_settings(settings(&[]), &[]);
    wire.send(get(11, &[]));
    let stream = silent.request();
    silent.send(answer(stream, "200", "there"));
    wire.over(11).assert_is(200, "there");
    upstream.assert_no_connection();
}

fn a_connection_that_cannot_be_opened_beside_another_is_no_failure() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let long = peer.request();
    wire.send([get(3, &[]), get(5, &[])].concat());
    // Tried now and then.
    let start = Instant::now();
    for _ in 0..6 {
        drop(upstream.accept_silently());
    }
    assert!(start.elapsed() > Duration::from_millis(150), "{:?}", start.elapsed());
    peer.send(answer(long, "200", "first"));
    for number in [3, 5] {
        let stream = peer.request();
        peer.send(answer(stream, "200", "in turn"));
        wire.over(number).assert_is(200, "in turn");
    }
    wire.over(1).assert_is(200, "first");
    assert_local(&proxy, "disconnected", 0.0);
}

fn a_connection_that_ends_before_it_is_used_is_opened_again() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([post(1, "/", &[]), data(1, flag::END_STREAM, "body")].concat());
    let mut going = upstream.accept_silently();
    going.read_preface();
    going.send([settings(&[]), goaway(0, code::NO_ERROR)].concat());
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    assert_eq!(peer.over(stream).body, b"body");
    peer.send([answer(stream, "200", "thanks"), goaway(stream, code::NO_ERROR)].concat());
    wire.over(1).assert_is(200, "thanks");
    drop((peer, going));
    // Not for ever.
    wire.send(get(3, &[]));
    for _ in 0..2 {
        upstream.accept_silently().read_preface();
    }
    assert_eq!(wire.over(3).status(), 502);
    assert_local(&proxy, "disconnected", 1.0);
    upstream.assert_no_connection();
}

fn requests_wait_for_windows_no_longer_than_for_an_answer() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nresponse_head = '400ms'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    // One whose client takes its time waits for that.
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
    let mut peer = upstream.accept(&[(setting::MAX_CONCURRENT_STREAMS, 1)]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    client.head();
    // One that was needed only for a moment does not stay.
    let mut other = proxy.client();
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let mut spare = upstream.accept(&[]);
    let second = spare.request();
    spare.send(answer(second, "200", "here"));
    assert_eq!(other.answer("GET").text(), "here");
    assert_eq!(spare.closed(), Some(code::NO_ERROR));
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 1.0);
    // Not while an answer is under way, however silent.
    std::thread::sleep(Duration::from_millis(1500));
    peer.round_trip();
    assert!(peer.goaways.is_empty());
    peer.send(settings(&[(setting::MAX_CONCURRENT_STREAMS, 2)]));
    peer.round_trip();
    let mut other = proxy.client();
    other.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let second = peer.request();
    peer.send(answer(second, "200", "here"));
    assert_eq!(other.answer("GET").text(), "here");
    peer.send(data(stream, flag::END_STREAM, ""));
    assert_eq!(peer.closed(), Some(code::NO_ERROR));
    proxy.wait_for_gauge("status_proxy_upstream_connections_open", 0.0);
}
