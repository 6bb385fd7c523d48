//! HTTP/2 upstreams, frame by frame, that send too much of what is of no use, or answer one request so that it can't be read:
//! the others are served, and the program holds little.

use std::time::Duration;

use crate::support::{
    frame_upstream::Upstream,
    frames::{
        Wire, answer, ask, code, data, flag, frame, get, goaway, kind, reset, respond, setting, settings,
        window_update,
    },
    hpack,
    proxy::Proxy,
    trials,
};

trials![
    a_malformed_answer_costs_its_stream,
    a_request_that_is_more_than_the_upstream_takes_is_431,
    answers_that_the_upstream_does_not_read_are_few,
    empty_frames_are_nothing,
    fields_that_stand_for_many_bytes_are_not_copied,
    frames_that_come_too_late_are_nothing,
    heads_without_end_are_not_held,
    many_small_messages_wait_on_many_streams,
];

const LOCAL: &str = "status_proxy_local_replies_total";

/// What the program may hold besides what it held before, in KiB.
const MORE: u64 = 6 * 1024;

#[track_caller]
fn assert_has_not_grown(proxy: &Proxy, before: u64) {
    let grown = proxy.memory("VmRSS").saturating_sub(before);
    assert!(grown < MORE, "{grown} KiB more");
}

fn empty_frames_are_nothing() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([get(1, &[]), get(3, &[])].concat());
    let mut peer = upstream.accept(&[]);
    let (empty, other) = (peer.request(), peer.request());
    peer.send(respond(empty, 0, "200", &[]));
    for _ in 0..100 {
        peer.send(data(empty, 0, "").repeat(1000));
        peer.round_trip();
    }
    peer.send([data(empty, flag::END_STREAM, "whole"), answer(other, "200", "here")].concat());
    wire.over(1).assert_is(200, "whole");
    wire.over(3).assert_is(200, "here");
    assert!(peer.goaways.is_empty());
}

fn frames_that_come_too_late_are_nothing() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let kept = peer.request();
    peer.send(respond(kept, 0, "200", &[]));
    for round in 1..=60 {
        let number = 2 * round + 1;
        wire.send(get(number, &[]));
        let stream = peer.request();
        peer.send(respond(stream, 0, "200", &[]));
        wire.until("a head", |wire| wire.streams.get(&number).is_some_and(|stream| stream.head.is_some()));
        wire.send(reset(number, code::CANCEL));
        assert_eq!(peer.reset_of(stream), code::CANCEL);
        peer.send(data(stream, 0, "late").repeat(1000));
        peer.send(frame(kind::HEADERS, flag::WHOLE, stream, hpack::literals(&[("x-sum", "1")])));
        peer.send([data(stream, 0, "later"), reset(stream, code::CANCEL), window_update(stream, 1)].concat());
        peer.round_trip();
    }
    peer.send(data(kept, flag::END_STREAM, "whole"));
    wire.over(1).assert_is(200, "whole");
    assert!(peer.goaways.is_empty());
    proxy.wait_for("status_proxy_upstream_connections_total", &[], 1.0);
}

fn many_small_messages_wait_on_many_streams() {
    const STREAMS: u32 = 24;
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    peer.request();
    let before = proxy.memory("VmRSS");
    wire.send((1..STREAMS).flat_map(|number| get(2 * number + 1, &[])).collect::<Vec<_>>());
    for _ in 1..STREAMS {
        peer.request();
    }
    let streams: Vec<u32> = peer.streams.keys().copied().collect();
    let messages = peer.room(streams[0]) / 8;
    for stream in streams {
        peer.send(respond(stream, 0, "200", &[]));
        peer.send(data(stream, 0, "8 bytes.").repeat(messages));
        peer.send(data(stream, flag::END_STREAM, ""));
        peer.round_trip();
    }
    assert!(peer.goaways.is_empty());
    assert_has_not_grown(&proxy, before);
    let all = u32::try_from(8 * messages).unwrap();
    wire.allow(0, all * STREAMS);
    for number in 0..STREAMS {
        wire.allow(2 * number + 1, all);
        wire.over(2 * number + 1).assert_is(200, "8 bytes.".repeat(messages));
    }
}

fn a_malformed_answer_costs_its_stream() {
    let ok = (":status", "200");
    let head = |fields: &[(&str, &str)]| frame(kind::HEADERS, flag::WHOLE, 0, hpack::literals(fields));
    let cases = [
        ("a name in capitals", head(&[ok, ("X-A", "b")])),
        ("an empty name", head(&[ok, ("", "b")])),
        ("a space in a name", head(&[ok, ("x a", "b")])),
        ("a line end in a value", head(&[ok, ("x-a", "b\r\nx-c: d")])),
        ("a status in words", head(&[(":status", "fine")])),
        ("no status", head(&[("x-a", "b")])),
        ("a path", head(&[ok, (":path", "/")])),
        ("an unknown pseudo-field", head(&[ok, (":fine", "1")])),
        ("two lengths", head(&[ok, ("content-length", "0"), ("content-length", "1")])),
        ("101", respond(0, 0, "101", &[])),
        ("DATA before the head", data(0, 0, "body")),
        ("the end before the head", data(0, flag::END_STREAM, "")),
        ("no room", window_update(0, 0)),
        ("too much room", window_update(0, 0x7fff_ffff)),
        ("half a priority", frame(kind::PRIORITY, 0, 0, [0; 3])),
    ];
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let kept = peer.request();
    peer.send(respond(kept, 0, "200", &[]));
    let count = cases.len();
    for (number, (case, bytes)) in (1..).map(|number| 2 * number + 1).zip(cases) {
        wire.send(get(number, &[]));
        let stream = peer.request();
        peer.send([&bytes[..5], &stream.to_be_bytes(), &bytes[9..]].concat());
        assert_eq!(wire.over(number).status(), 502, "{case}");
        let expected = match case {
            "too much room" => code::FLOW_CONTROL_ERROR,
            "half a priority" => code::FRAME_SIZE_ERROR,
            _ => code::PROTOCOL_ERROR,
        };
        assert_eq!(peer.reset_of(stream), expected, "{case}");
    }
    peer.send(data(kept, flag::END_STREAM, "whole"));
    wire.over(1).assert_is(200, "whole");
    // What comes behind the end of an answer that waits to be read, too.
    let mut slow = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    slow.send(get(1, &[]));
    let stream = peer.request();
    peer.send([answer(stream, "200", "body"), data(stream, 0, "more")].concat());
    assert_eq!(peer.reset_of(stream), code::STREAM_CLOSED);
    slow.allow(1, 10);
    slow.over(1).assert_is(200, "body");
    assert!(peer.goaways.is_empty());
    proxy.wait_for(LOCAL, &[("cause", "invalid_reply")], count as f64);
    proxy.wait_for("status_proxy_upstream_connections_total", &[], 1.0);
}

fn a_request_that_is_more_than_the_upstream_takes_is_431() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[(setting::MAX_HEADER_LIST_SIZE, 1000)]);
    let kept = peer.request();
    wire.send(get(3, &[("x-long", &"x".repeat(1000))]));
    assert_eq!(wire.over(3).status(), 431);
    wire.send(get(5, &[("x-long", &"x".repeat(400))]));
    let stream = peer.request();
    peer.send([answer(stream, "200", "fits"), answer(kept, "200", "kept")].concat());
    wire.over(5).assert_is(200, "fits");
    wire.over(1).assert_is(200, "kept");
    peer.round_trip();
    assert_eq!(peer.streams.len(), 2, "nothing is sent of what is too large");
    proxy.wait_for(LOCAL, &[("cause", "head_too_large")], 1.0);
    // It may change its mind.
    peer.send(settings(&[(setting::MAX_HEADER_LIST_SIZE, 10_000)]));
    peer.round_trip();
    wire.send(ask(7, "POST", "/", &[("x-long", &"x".repeat(1000))]));
    let stream = peer.request();
    peer.send(answer(stream, "200", "fits now"));
    wire.over(7).assert_is(200, "fits now");
}

fn answers_that_the_upstream_does_not_read_are_few() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("[timeouts]\nresponse_head = '1s'\n");
    let mut wire = Wire::open(proxy.listen, &[]);
    let floods = [
        frame(kind::PING, 0, 0, [0; 8]),
        settings(&[(setting::INITIAL_WINDOW_SIZE, 1000), (setting::INITIAL_WINDOW_SIZE, 2000)]),
    ];
    for (number, flood) in (0..).map(|number| 2 * number + 1).zip(floods) {
        wire.send(get(number, &[]));
        let mut peer = upstream.accept(&[]);
        peer.request();
        let before = proxy.memory("VmRSS");
        let written = peer.flood(&flood.repeat(10_000), 200 << 20);
        assert!(written < 100 << 20, "{written} bytes are read of one who reads nothing");
        assert_has_not_grown(&proxy, before);
        assert_eq!(wire.over(number).status(), 504);
    }
    proxy.wait_for(LOCAL, &[("cause", "response_timeout")], 2.0);
    // Others are not asked to wait for that.
    wire.send(get(99, &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(answer(stream, "200", "fine"));
    wire.over(99).assert_is(200, "fine");
}

fn heads_without_end_are_not_held() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    let floods = [
        frame(kind::CONTINUATION, 0, 1, vec![b'x'; 16_000]),
        frame(kind::CONTINUATION, 0, 1, [b'x'; 10]),
        frame(kind::CONTINUATION, 0, 1, []),
    ];
    for (number, flood) in (0..).map(|number| 2 * number + 1).zip(floods) {
        wire.send(get(number, &[]));
        let mut peer = upstream.accept(&[]);
        peer.request();
        let before = proxy.memory("VmRSS");
        peer.send(frame(kind::HEADERS, 0, 1, [0x88]));
        peer.flood(&flood.repeat(1000), 20 << 20);
        assert_eq!(wire.over(number).status(), 502);
        assert_has_not_grown(&proxy, before);
    }
    proxy.wait_for(LOCAL, &[("cause", "invalid_reply")], 3.0);
}

fn fields_that_stand_for_many_bytes_are_not_copied() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let kept = peer.request();
    let before = proxy.memory("VmRSS");
    // One line that fills the table, which a byte stands for from then on.
    let value = [&[0x40, 1, b'x', 0x7f, 0xa1, 0x1e][..], &[b'y'; 4000]].concat();
    let bomb = [&[0x88][..], &value, &[0xbe; 10_000]].concat();
    for round in 1..=30 {
        wire.send(get(2 * round + 1, &[]));
        let stream = peer.request();
        peer.send(frame(kind::HEADERS, flag::WHOLE, stream, &bomb));
        assert_eq!(wire.over(2 * round + 1).status(), 502);
        peer.reset_of(stream);
    }
    // Interim responses of as much as is taken.
    let hint = [&[0x08, 3][..], b"103", &value, &[0xbe; 20]].concat();
    for round in 31..=60 {
        wire.send(get(2 * round + 1, &[]));
        let stream = peer.request();
        peer.send(frame(kind::HEADERS, flag::END_HEADERS, stream, &hint).repeat(50));
        peer.send(answer(stream, "200", "fine"));
        wire.is_generous = true;
        wire.over(2 * round + 1).assert_is(200, "fine");
    }
    std::thread::sleep(Duration::from_millis(100));
    assert_has_not_grown(&proxy, before);
    peer.send([answer(kept, "200", "kept"), goaway(kept, code::NO_ERROR)].concat());
    wire.over(1).assert_is(200, "kept");
}
