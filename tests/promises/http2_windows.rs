//! HTTP/2 in front: flow control (RFC 9113, 5.2 and 6.9), to the byte.

use std::{
    io::{BufReader, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use crate::support::{
    backend::{Backend, Gate, Seen, Step, answer, chunk, head},
    eventually,
    frames::{
        MAX_FRAME, WINDOW, Wire, ask, code, data, flag, frame, kind, post, reset, setting, settings,
        window_update,
    },
    hpack,
    message::Message,
    proxy::Proxy,
    trials,
};

trials![
    a_window_that_changes_under_way_counts_what_was_sent,
    an_upload_larger_than_the_windows_arrives_whole,
    an_upload_that_nobody_reads_stalls_alone,
    every_byte_of_the_connections_window_is_given_back_once,
    frames_are_as_large_as_the_client_allows,
    no_more_is_sent_than_the_client_allows,
    padding_counts_and_is_given_back,
    streams_share_the_window_of_the_connection,
    uploads_side_by_side_arrive_whole,
    what_a_client_does_not_read_is_not_held,
    what_has_been_passed_on_is_not_held,
    what_has_no_body_needs_no_window,
];

/// What may be sent on one stream before anything of it has been passed on.
const STREAM_WINDOW: usize = 128 * 1024;

/// Bytes that tell where they stood.
fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|place| (place % 251) as u8 ^ (place >> 8) as u8).collect()
}

/// Answers `/N` with N bytes, `/chunked/N` in chunks, and bodies with themselves.
fn backend() -> Backend {
    Backend::scripted(|request| {
        let length = |path: &str| pattern(path.parse().unwrap());
        if !request.body.is_empty() {
            return vec![Step::Send(answer("200 OK", &[], &request.body))];
        }
        let Some(number) = request.target().strip_prefix("/chunked/") else {
            return vec![Step::Send(answer("200 OK", &[], length(&request.target()[1..])))];
        };
        let mut bytes = head("200 OK", &["Transfer-Encoding: chunked"]);
        length(number).chunks(1_000).for_each(|part| bytes.extend(chunk(part)));
        bytes.extend(b"0\r\n\r\n");
        vec![Step::Send(bytes)]
    })
}

fn path(length: usize) -> String {
    format!("/{length}")
}

fn no_more_is_sent_than_the_client_allows() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    for kind in ["", "/chunked"] {
        let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
        wire.send(ask(1, "GET", &format!("{kind}/100000"), &[]));
        wire.until("a head", |wire| wire.streams.get(&1).is_some_and(|stream| stream.head.is_some()));
        wire.assert_no_data();
        for (more, sum) in [(1, 1), (9, 10), (20_000, 20_010)] {
            wire.allow(1, more);
            wire.until("what is allowed", |wire| wire.body_len(1) == sum);
            wire.assert_no_data();
        }
        // Now it is the connection that stops it.
        wire.allow(1, 200_000);
        wire.until("what is allowed", |wire| wire.body_len(1) == WINDOW);
        wire.assert_no_data();
        wire.allow(0, 1);
        wire.until("what is allowed", |wire| wire.body_len(1) == WINDOW + 1);
        wire.assert_no_data();
        wire.allow(0, 200_000);
        wire.over(1).assert_is(200, pattern(100_000));
    }
}

fn streams_share_the_window_of_the_connection() {
    const EACH: usize = 20_000;
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 1 << 20)]);
    let streams: Vec<u32> = (0..20).map(|number| 1 + 2 * number).collect();
    let requests: Vec<u8> =
        streams.iter().flat_map(|stream| ask(*stream, "GET", &path(EACH + *stream as usize), &[])).collect();
    wire.send(requests);
    let total = |wire: &Wire| wire.streams.values().map(|stream| stream.body.len()).sum::<usize>();
    let mut allowed = WINDOW;
    for more in [1, 10, 50_000, 100_000] {
        wire.until("what is allowed", |wire| total(wire) == allowed);
        wire.until("heads", |wire| {
            wire.streams.values().filter(|stream| stream.head.is_some()).count() == 20
        });
        wire.assert_no_data();
        wire.allow(0, more);
        allowed += more as usize;
    }
    wire.allow(0, 1 << 20);
    for stream in streams {
        wire.over(stream).assert_is(200, pattern(EACH + stream as usize));
    }
}

fn a_window_that_changes_under_way_counts_what_was_sent() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 1_000)]);
    wire.send(ask(1, "GET", "/50000", &[]));
    wire.until("what is allowed", |wire| wire.body_len(1) == 1_000);
    wire.assert_no_data();
    wire.set_stream_window(5_000);
    wire.until("what is allowed", |wire| wire.body_len(1) == 5_000);
    wire.assert_no_data();
    // 4,900 below zero now.
    wire.set_stream_window(100);
    wire.allow(1, 4_000);
    wire.assert_no_data();
    wire.allow(1, 900);
    wire.assert_no_data();
    wire.allow(1, 1);
    wire.until("what is allowed", |wire| wire.body_len(1) == 5_001);
    wire.send(ask(3, "GET", "/50000", &[]));
    wire.until("what a new stream is allowed", |wire| wire.body_len(3) == 100);
    wire.assert_no_data();
    wire.allow(0, 1 << 20);
    wire.set_stream_window(0);
    wire.assert_no_data();
    wire.set_stream_window(60_000);
    wire.over(1).assert_is(200, pattern(50_000));
    wire.over(3).assert_is(200, pattern(50_000));
}

fn what_has_no_body_needs_no_window() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    wire.send([ask(1, "GET", "/5", &[]), ask(3, "HEAD", "/5", &[]), ask(5, "GET", "/0", &[])].concat());
    for stream in [3, 5] {
        wire.over(stream).assert_is(200, "");
    }
    wire.assert_no_data();
    wire.allow(1, 5);
    wire.over(1).assert_is(200, pattern(5));
    // Nor what is cancelled, which leaves what it had to the others.
    wire.send(ask(7, "GET", "/70000", &[]));
    wire.allow(7, 70_000);
    wire.until("what is allowed", |wire| wire.body_len(7) == WINDOW - 5);
    wire.send(ask(9, "GET", "/100", &[]));
    wire.allow(9, 100);
    wire.assert_no_data();
    wire.send(reset(7, code::CANCEL));
    wire.allow(0, 100);
    wire.over(9).assert_is(200, pattern(100));
}

fn frames_are_as_large_as_the_client_allows() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let values = [
        (setting::MAX_FRAME_SIZE, 1 << 14),
        (setting::INITIAL_WINDOW_SIZE, 1 << 20),
        (setting::ENABLE_PUSH, 0),
    ];
    let mut wire = Wire::open(proxy.listen, &values);
    wire.allow(0, 1 << 20);
    wire.send(ask(1, "GET", "/500000", &[]));
    // A larger frame would have been a failure where it is read.
    wire.over(1).assert_is(200, pattern(500_000));
}

fn an_upload_larger_than_the_windows_arrives_whole() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.is_generous = true;
    let body = pattern(3 * 1024 * 1024);
    for (stream, fields) in [(1, vec![]), (3, vec![("content-length", "3145728")])] {
        wire.send(post(stream, "/", &fields));
        wire.upload_whole(stream, &body);
        wire.over(stream).assert_is(200, &body);
    }
    assert!(backend.seen()[0].tokens("transfer-encoding") == ["chunked"]);
    assert!(backend.seen()[1].field("content-length") == "3145728");
}

fn uploads_side_by_side_arrive_whole() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.is_generous = true;
    let bodies: Vec<Vec<u8>> = (1..=8).map(|number| pattern(100_000 * number)).collect();
    let mut left: Vec<(u32, &[u8])> =
        (0..).map(|number| 1 + 2 * number).zip(bodies.iter().map(|b| &b[..])).collect();
    for (stream, _) in &left {
        wire.send(post(*stream, "/", &[]));
    }
    while !left.is_empty() {
        wire.until("a window opens", |wire| left.iter().any(|(stream, _)| wire.room(*stream) > 0));
        left.retain_mut(|(stream, body)| {
            *body = wire.upload(*stream, body);
            if body.is_empty() {
                wire.send(data(*stream, flag::END_STREAM, ""));
            }
            !body.is_empty()
        });
    }
    for (stream, body) in (0..).map(|number| 1 + 2 * number).zip(&bodies) {
        wire.over(stream).assert_is(200, body);
    }
}

fn an_upload_that_nobody_reads_stalls_alone() {
    let gate = Gate::default();
    let closed = gate.clone();
    let backend = Backend::raw(move |connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(mut message)) = Message::read_head(&mut reader) {
            if message.start.contains("/stalled") {
                closed.wait();
            }
            let framing = message.framing();
            if message.read_body(&mut reader, framing).is_err() {
                return;
            }
            let length = message.body.len();
            remember(Seen { message, connection });
            if reader.get_mut().write_all(&answer("200 OK", &[], length.to_string())).is_err() {
                return;
            }
        }
    });
    let proxy = Proxy::start(&backend.url());
    let body = pattern(32 * 1024 * 1024);
    let stall = |wire: &mut Wire| {
        wire.send(post(1, "/stalled", &[]));
        let (mut left, mut quiet) = (&body[..], 0);
        while quiet < 5 {
            left = wire.upload(1, left);
            assert!(!left.is_empty(), "it goes on reading what nobody takes");
            if wire.room(1) > 0 {
                quiet = 0;
                continue;
            }
            std::thread::sleep(Duration::from_millis(20));
            wire.round_trip();
            quiet += 1;
        }
        body.len() - left.len()
    };
    let mut wire = Wire::open(proxy.listen, &[]);
    let sent = stall(&mut wire);
    // The others go on, uploads too.
    wire.assert_goes_on(3, "0");
    wire.send(post(5, "/", &[]));
    wire.upload_whole(5, &body[..500_000]);
    wire.over(5).assert_is(200, "500000");
    // A byte beyond the window is one too many, for that stream.
    let mut greedy = Wire::open(proxy.listen, &[]);
    stall(&mut greedy);
    greedy.send(data(1, 0, "x"));
    assert_eq!(greedy.over(1).reset, Some(code::FLOW_CONTROL_ERROR));
    greedy.assert_goes_on(3, "0");
    gate.open();
    wire.upload_whole(1, &body[..sent]);
    let whole = (2 * sent).to_string();
    wire.over(1).assert_is(200, whole);
    let arrived = backend.seen().into_iter().find(|seen| seen.target() == "/stalled").unwrap();
    assert!(arrived.body == [&body[..sent], &body[..sent]].concat(), "as it was sent");
}

// T29
fn what_a_client_does_not_read_is_not_held() {
    let backend = Backend::does(vec![
        Step::Send(head("200 OK", &["Transfer-Encoding: chunked"])),
        Step::Repeat(chunk(vec![b'x'; 64 * 1024]), Duration::ZERO),
    ]);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let before = proxy.memory("VmRSS");
    // Half of them have a window, half have none, and nothing is read of either.
    wire.send(settings(&[(setting::INITIAL_WINDOW_SIZE, 0)]));
    wire.send(window_update(0, (1 << 31) - 1 - WINDOW as u32));
    for number in 0..30 {
        let stream = 2 * number + 1;
        wire.send(ask(stream, "GET", "/", &[]));
        if number % 2 == 0 {
            wire.send(window_update(stream, (1 << 31) - 1));
        }
    }
    std::thread::sleep(Duration::from_millis(700));
    let grown = proxy.memory("VmRSS").saturating_sub(before);
    assert!(grown < 32 * 1024, "{grown} KiB for what is not read");
    assert_eq!(proxy.admin("/livez").status(), 200);
}

/// Uploads that pause hold nothing of what has gone up, however many there are.
fn what_has_been_passed_on_is_not_held() {
    const CLIENTS: u64 = 30;
    const EACH: usize = 60_000;
    let arrived = Arc::new(AtomicUsize::new(0));
    let counter = arrived.clone();
    let backend = Backend::raw(move |_, mut stream, _| {
        let mut space = vec![0; 64 * 1024];
        while let Ok(read @ 1..) = stream.read(&mut space) {
            counter.fetch_add(read, Relaxed);
        }
    });
    let proxy = Proxy::start(&backend.url());
    let streams = || (0..16).map(|number| 2 * number + 1);
    let uploads = streams()
        .flat_map(|stream| [post(stream, "/", &[]), data(stream, 0, pattern(EACH / 4)).repeat(4)].concat());
    let uploads: Vec<u8> = uploads.collect();
    let mut wires: Vec<Wire> = Vec::new();
    for _ in 0..CLIENTS {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(&uploads);
        wires.push(wire);
        let sent = wires.len() * 16 * EACH;
        eventually(|| match arrived.load(Relaxed) {
            count if count >= sent => Ok(()),
            count => Err(format!("{count} of {sent} bytes have arrived")),
        });
    }
    let open = CLIENTS * 16;
    let each = proxy.memory("VmRSS") / open;
    assert!(each < 48, "{each} KiB for each of {open} uploads");
}

fn padding_counts_and_is_given_back() {
    let backend = backend();
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[]));
    // Five times as much padding as both windows together have room for.
    let frame = [&[255][..], b"x", &[0; 255]].concat();
    let (mut frames, mut taken) = (0, 0);
    while taken < 5 * 1024 * 1024 {
        let room = |wire: &Wire| {
            let stream = wire.streams.get(&1).map_or(0, |stream| stream.credit);
            (STREAM_WINDOW + stream).min(WINDOW + wire.credit)
        };
        wire.until("a window opens", |wire| room(wire) >= taken + frame.len());
        wire.send(data(1, flag::PADDED, &frame));
        (frames, taken) = (frames + 1, taken + frame.len());
    }
    wire.send(data(1, flag::END_STREAM, ""));
    wire.over(1).assert_is(200, "x".repeat(frames));
}

/// Bodies that end, break off or are passed over in every way.
fn every_byte_of_the_connections_window_is_given_back_once() {
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(mut message)) = Message::read_head(&mut reader) {
            let path = message.start.split(' ').nth(1).unwrap_or_default().to_owned();
            let framing = message.framing();
            match &*path {
                "/closes" => return,
                "/stalls" => return std::thread::sleep(Duration::from_millis(50)),
                "/tunnel" => {
                    let fields = ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"];
                    let _ = reader.get_mut().write_all(&head("101 Switching Protocols", &fields));
                    std::thread::sleep(Duration::from_millis(50));
                    let _ = reader.read_to_end(&mut Vec::new());
                    return;
                }
                "/early" => {
                    let _ = reader.get_mut().write_all(&answer("200 OK", &["Connection: close"], "early"));
                    let _ = reader.read_to_end(&mut Vec::new());
                    return;
                }
                _ if message.read_body(&mut reader, framing).is_err() => return,
                _ => {}
            }
            remember(Seen { message, connection });
            if reader.get_mut().write_all(&answer("200 OK", &[], "fine")).is_err() {
                return;
            }
        }
    });
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\n[limits]\nrequest_body = '32KiB'\n", backend.url()));
    let tunnel = |stream, path| {
        let pseudo = [(":method", "CONNECT"), (":protocol", "websocket"), (":scheme", "http")];
        let fields = [&pseudo[..], &[(":path", path), (":authority", "a")]].concat();
        frame(kind::HEADERS, flag::END_HEADERS, stream, hpack::literals(&fields))
    };
    let part = |stream| data(stream, 0, [b'x'; 9_000]);
    let end = |stream| data(stream, flag::END_STREAM, [b'x'; 9_000]);
    let padded = |stream| data(stream, flag::PADDED, [&[200][..], &[b'x'; 5_000], &[0; 200]].concat());
    let cancel = |stream| reset(stream, code::CANCEL);
    // What is sent at once, and what later.
    type Case<'a> = (&'a str, &'a dyn Fn(u32) -> Vec<u8>, &'a dyn Fn(u32) -> Vec<u8>);
    let cases: [Case<'_>; 17] = [
        ("whole", &|one| [post(one, "/", &[]), part(one), end(one)].concat(), &|_| vec![]),
        ("padded", &|one| [post(one, "/", &[]), padded(one), padded(one)].concat(), &end),
        ("stalled", &|one| [post(one, "/stalls", &[]), part(one), padded(one)].concat(), &part),
        ("closed", &|one| [post(one, "/closes", &[]), part(one)].concat(), &end),
        ("early", &|one| [post(one, "/early", &[]), part(one)].concat(), &padded),
        ("cancelled", &|one| [post(one, "/", &[]), part(one)].concat(), &cancel),
        ("cancelled at once", &|one| [post(one, "/", &[]), part(one), cancel(one)].concat(), &|_| vec![]),
        ("and sent on", &|one| [post(one, "/", &[]), part(one), cancel(one), part(one)].concat(), &padded),
        ("too long", &|one| [post(one, "/", &[("content-length", "5")]), part(one)].concat(), &padded),
        ("too short", &|one| [post(one, "/", &[("content-length", "9001")]), part(one)].concat(), &|one| {
            data(one, flag::END_STREAM, "")
        }),
        ("beyond the end", &|one| [post(one, "/", &[]), end(one), padded(one), part(one)].concat(), &part),
        (
            "beyond the window",
            &|one| [post(one, "/", &[]), data(one, 0, [b'x'; MAX_FRAME]).repeat(8), padded(one)].concat(),
            &part,
        ),
        ("beyond the limit", &|one| [post(one, "/", &[]), part(one).repeat(4)].concat(), &part),
        ("malformed", &|one| [post(one, "/", &[("connection", "x")]), part(one)].concat(), &padded),
        ("cancelled tunnel", &|one| [tunnel(one, "/tunnel"), part(one), padded(one)].concat(), &cancel),
        ("tunnel that ends", &|one| [tunnel(one, "/tunnel"), part(one)].concat(), &end),
        ("refused tunnel", &|one| [tunnel(one, "/"), part(one)].concat(), &part),
    ];
    // No more than this is kept back.
    const SPARE: usize = STREAM_WINDOW / 2;
    let mut wire = Wire::open(proxy.listen, &[]);
    let whole = 1024 * 1024;
    let mut sent = 0;
    let mut stream = 1;
    for (name, first, then) in cases {
        for _ in 0..8 {
            for bytes in [first(stream), then(stream)] {
                wire.send(&bytes);
                let mut rest = &bytes[..];
                while let [a, b, c, kind, ..] = *rest {
                    let length = u32::from_be_bytes([0, a, b, c]) as usize;
                    sent += if kind == kind::DATA { length } else { 0 };
                    rest = &rest[9 + length..];
                }
                wire.round_trip();
            }
            stream += 2;
        }
        wire.until(name, |wire| {
            let is_over = |stream| name.starts_with("cancelled") || wire.is_over(stream);
            WINDOW + wire.credit - sent > whole - SPARE && (1..stream).step_by(2).rev().take(8).all(is_over)
        });
        assert!(WINDOW + wire.credit - sent <= whole, "{name}: more than there was");
    }
    assert!(wire.goaways.is_empty());
    // None of them is counted as open.
    let more = (0..128).map(|number| stream + 2 * number);
    wire.send(more.clone().flat_map(|stream| post(stream, "/", &[])).collect::<Vec<_>>());
    wire.send(more.clone().flat_map(|stream| data(stream, flag::END_STREAM, "x")).collect::<Vec<_>>());
    for stream in more {
        wire.over(stream).assert_is(200, "fine");
    }
}
