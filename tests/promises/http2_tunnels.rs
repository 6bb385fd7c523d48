//! WebSockets over HTTP/2 (RFC 8441), frame by frame; T24.

use std::{
    io::{BufReader, Read, Write},
    net::{Shutdown, TcpStream},
    sync::{Mutex, mpsc},
    time::Duration,
};

use crate::support::{
    PATIENCE,
    backend::{Backend, PAGE, Seen, Step, answer, head},
    eventually,
    frames::{WINDOW, Wire, code, data, flag, frame, get, kind, reset, setting},
    hpack,
    message::Message,
    proxy::Proxy,
    trials,
};

trials![
    a_drain_waits_for_tunnels,
    a_key_that_the_client_sends_is_its_own,
    a_large_tunnel_keeps_to_the_windows,
    a_length_of_a_tunnel_concerns_its_stream_only,
    a_tunnel_is_idle_as_long_as_both_sides_like,
    each_side_may_end_first,
    nothing_else_is_tunnelled,
    padding_in_a_tunnel_is_given_back,
    refused_tunnels_are_described,
    tunnels_carry_bytes_both_ways,
    who_leaves_takes_the_other_side_along,
];

/// With a length, which it must not have (RFC 9110, 8.6) and some give it.
const SWITCHED: [&str; 5] = [
    "Connection: Upgrade",
    "Upgrade: websocket",
    "Sec-WebSocket-Accept: x",
    "Content-Length: 0",
    "X-Kept: 1",
];

/// Asks for a WebSocket.
fn connect(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    let pseudo = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":scheme", "http"),
        (":path", "/chat"),
        (":authority", "a"),
    ];
    let all = [&pseudo[..], &[("sec-websocket-version", "13")], fields].concat();
    frame(kind::HEADERS, flag::END_HEADERS | flags, stream, hpack::literals(&all))
}

/// Switches protocols, says "hello" with the head, and goes on as it is told.
fn switching(then: impl Fn(BufReader<TcpStream>) + Send + Sync + 'static) -> Backend {
    Backend::raw(move |connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        while let Ok(Some(message)) = Message::read_head(&mut reader) {
            let is_upgrade = message.has("upgrade");
            remember(Seen { message, connection });
            if !is_upgrade {
                let _ = reader.get_mut().write_all(&answer("200 OK", &[], "fine"));
                continue;
            }
            let hello = [head("101 Switching Protocols", &SWITCHED), b"hello".to_vec()].concat();
            if reader.get_mut().write_all(&hello).is_ok() {
                then(reader);
            }
            return;
        }
    })
}

/// Says every byte again, and "bye" at the end.
fn echo(mut reader: BufReader<TcpStream>) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        if reader.get_mut().write_all(&buffer[..count]).is_err() {
            return;
        }
    }
    let _ = reader.get_mut().write_all(b"bye");
}

#[track_caller]
fn wait_for_no_upstream(backend: &Backend) {
    eventually(|| if backend.open() == 0 { Ok(()) } else { Err("the upstream is still open".into()) });
}

fn tunnels_carry_bytes_both_ways() {
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[("origin", "http://a")]));
    wire.until("its greeting", |wire| wire.body_len(1) == 5);
    let mut said = b"hello".to_vec();
    let stream = wire.stream(1);
    assert_eq!((stream.status(), stream.is_over(), &stream.body), (200, false, &said));
    assert_eq!(stream.field("x-kept"), "1");
    assert_eq!(stream.field("sec-websocket-accept"), "", "there is none in HTTP/2");
    assert_eq!(stream.field("content-length"), "");
    let seen = &backend.seen()[0];
    assert_eq!(seen.start, "GET /chat HTTP/1.1");
    assert_eq!((seen.field("host"), seen.field("upgrade")), ("a".into(), "websocket".into()));
    assert_eq!(seen.tokens("connection"), ["upgrade"]);
    assert_eq!((seen.field("sec-websocket-version"), seen.field("origin")), ("13".into(), "http://a".into()));
    assert_eq!(seen.field("sec-websocket-key").len(), 24);
    assert!(!seen.has("content-length") && !seen.has("transfer-encoding"));
    let padded = [&[3][..], b"padded", &[0; 3]].concat();
    for (sent, echoed) in [
        (data(1, 0, "ping"), "ping"),
        (data(1, 0, ""), ""),
        (data(1, 0, "\0\r\n\r\n"), "\0\r\n\r\n"),
        (data(1, flag::PADDED, padded), "padded"),
    ] {
        wire.send(sent);
        said.extend(echoed.as_bytes());
        wire.until("an echo", |wire| wire.body_len(1) == said.len());
        assert_eq!(wire.streams[&1].body, said);
    }
    // Others on the same connection, tunnels too.
    wire.assert_goes_on(3, "fine");
    wire.send([connect(5, 0, &[]), data(5, 0, "early")].concat());
    wire.until("an echo", |wire| wire.body_len(5) == 10);
    assert_eq!(wire.streams[&5].body, b"helloearly");
    assert!(!wire.is_over(1) && !wire.is_over(5));
    let labels = [("upstream_status", "101"), ("action", "pass")];
    wire.send([data(1, flag::END_STREAM, ""), data(5, flag::END_STREAM, "")].concat());
    for stream in [1, 5] {
        assert!(wire.over(stream).is_ended && wire.streams[&stream].reset.is_none());
    }
    proxy.wait_for("status_normalize_responses_total", &labels, 2.0);
    wait_for_no_upstream(&backend);
}

/// Envoy passes on the key of its client of HTTP/1.1, which fails without the answer that belongs to it.
fn a_key_that_the_client_sends_is_its_own() {
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")]));
    wire.until("its greeting", |wire| wire.body_len(1) == 5);
    assert_eq!(backend.seen()[0].field("sec-websocket-key"), "dGhlIHNhbXBsZSBub25jZQ==");
    let stream = wire.stream(1);
    assert_eq!((stream.status(), stream.field("sec-websocket-accept")), (200, "x"));
    // The others are told of none.
    wire.send(connect(3, 0, &[]));
    wire.until("its greeting", |wire| wire.body_len(3) == 5);
    assert_eq!(wire.stream(3).field("sec-websocket-accept"), "");
}

fn each_side_may_end_first() {
    // The client: what the upstream says to that still arrives.
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let trailers = frame(kind::HEADERS, flag::WHOLE, 5, hpack::literals(&[("x-sum", "1")]));
    wire.send([connect(1, 0, &[]), data(1, flag::END_STREAM, "last")].concat());
    wire.send(connect(3, flag::END_STREAM, &[]));
    wire.send([connect(5, 0, &[]), data(5, 0, "last"), trailers].concat());
    for (stream, said) in [(1, "hellolastbye"), (3, "hellobye"), (5, "hellolastbye")] {
        wire.over(stream).assert_is(200, said);
    }
    wait_for_no_upstream(&backend);
    // The upstream: what the client says to that still arrives.
    let (sender, receiver) = mpsc::channel();
    let backend = switching(move |mut reader| {
        reader.get_ref().shutdown(Shutdown::Write).unwrap();
        let mut rest = Vec::new();
        let _ = reader.read_to_end(&mut rest);
        sender.send(rest).unwrap();
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[]));
    wire.over(1).assert_is(200, "hello");
    wire.send([data(1, 0, "still "), data(1, 0, "here")].concat());
    wire.round_trip();
    assert_eq!(wire.streams[&1].reset, None);
    wire.send(data(1, flag::END_STREAM, ""));
    assert_eq!(receiver.recv_timeout(PATIENCE).unwrap(), b"still here");
    wait_for_no_upstream(&backend);
    wire.assert_goes_on(3, "fine");
}

fn who_leaves_takes_the_other_side_along() {
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([connect(1, 0, &[]), connect(3, 0, &[])].concat());
    wire.until("greetings", |wire| wire.body_len(1) == 5 && wire.body_len(3) == 5);
    wire.send(reset(1, code::CANCEL));
    eventually(|| if backend.open() == 1 { Ok(()) } else { Err(format!("{} are open", backend.open())) });
    wire.send(data(3, 0, "on"));
    wire.until("an echo", |wire| wire.body_len(3) == 7);
    drop(wire);
    wait_for_no_upstream(&backend);
    // The client has ended its side before, and the upstream is silent.
    let (silence, heard) = mpsc::channel::<()>();
    let heard = Mutex::new(heard);
    let backend = switching(move |mut reader| {
        let _ = reader.read_to_end(&mut Vec::new());
        let _ = heard.lock().unwrap().recv();
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, flag::END_STREAM, &[]));
    wire.until("the greeting", |wire| wire.body_len(1) == 5);
    wire.send(reset(1, code::CANCEL));
    eventually(|| match proxy.scrape().sum("status_proxy_upstream_connections_open", &[]) {
        0.0 => Ok(()),
        found => Err(format!("{found} connections to the upstream")),
    });
    drop(silence);
    // The upstream breaks off (RFC 8441, section 5).
    let backend = switching(|reader| {
        let linger = rustix::net::sockopt::set_socket_linger(reader.get_ref(), Some(Duration::ZERO));
        linger.expect("a socket takes SO_LINGER");
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[]));
    let broken = wire.over(1);
    assert_eq!((broken.is_ended, broken.reset), (false, Some(code::CANCEL)), "{broken:?}");
    wire.assert_goes_on(3, "fine");
    // The upstream leaves: its last word arrives, and the stream is over.
    let backend = switching(|mut reader| {
        let mut byte = [0];
        let _ = reader.read(&mut byte);
        let _ = reader.get_mut().write_all(b"bye");
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([connect(1, 0, &[]), data(1, 0, "x")].concat());
    wire.until("the end", |wire| wire.is_over(1));
    assert_eq!(wire.streams[&1].body, b"hellobye");
    assert!(wire.streams[&1].is_ended);
    wire.send(data(1, flag::END_STREAM, ""));
    wire.assert_goes_on(3, "fine");
    eventually(|| match proxy.scrape().sum("status_normalize_in_flight", &[]) {
        0.0 => Ok(()),
        found => Err(format!("{found} in flight")),
    });
}

fn a_large_tunnel_keeps_to_the_windows() {
    const LENGTH: usize = 4 * 1024 * 1024;
    let body: Vec<u8> = (0..LENGTH).map(|place| (place % 251) as u8 ^ (place >> 8) as u8).collect();
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.is_generous = true;
    wire.send(connect(1, 0, &[]));
    wire.upload_whole(1, &body);
    let expected = [b"hello", &body[..], b"bye"].concat();
    wire.over(1).assert_is(200, expected);
    // To the byte, as any other stream.
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 3)]);
    wire.send([connect(1, 0, &[]), data(1, 0, vec![b'x'; 10_000])].concat());
    for (more, sum) in [(0, 3), (1, 4), (5_000, 5_004)] {
        if more > 0 {
            wire.allow(1, more);
        }
        wire.until("what is allowed", |wire| wire.body_len(1) == sum);
        wire.assert_no_data();
    }
    wire.send(get(3, &[]));
    wire.allow(3, 1);
    wire.over(3).assert_is(200, "fine");
    wire.allow(1, 10_000);
    wire.send(data(1, flag::END_STREAM, ""));
    wire.over(1).assert_is(200, [b"hello", &[b'x'; 10_000][..], b"bye"].concat());
    // Nobody reads: the client may not go on for ever.
    let backend = switching(|reader| {
        let mut end = [0];
        while reader.get_ref().peek(&mut end).is_ok_and(|count| count > 0) {
            std::thread::sleep(Duration::from_millis(10));
        }
    });
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[]));
    let (endless, mut sent, mut quiet) = (vec![0; WINDOW], 0, 0);
    while quiet < 5 {
        let left = wire.upload(1, &endless).len();
        sent += endless.len() - left;
        assert!(sent < 32 * 1024 * 1024, "it goes on reading what nobody takes");
        quiet = if wire.room(1) > 0 { 0 } else { quiet + 1 };
        std::thread::sleep(Duration::from_millis(if quiet > 0 { 20 } else { 0 }));
        wire.round_trip();
    }
    wire.send(get(3, &[]));
    wire.over(3).assert_is(200, "fine");
    wire.send(reset(1, code::CANCEL));
}

// `idle` is about connections that wait for a request; what is said in a tunnel is none.
fn a_tunnel_is_idle_as_long_as_both_sides_like() {
    let backend = switching(echo);
    let timeouts = "idle = '150ms'\nrequest_head = '150ms'\nresponse_head = '150ms'\n";
    let proxy = Proxy::configured(&format!("upstream = '{}'\n[timeouts]\n{timeouts}", backend.url()));
    let (mut silent, mut busy) = (Wire::open(proxy.listen, &[]), Wire::open(proxy.listen, &[]));
    for wire in [&mut silent, &mut busy] {
        wire.send(connect(1, 0, &[]));
        wire.until("its greeting", |wire| wire.body_len(1) == 5);
    }
    for said in 1..=14 {
        std::thread::sleep(Duration::from_millis(50));
        busy.send(data(1, 0, "x"));
        busy.until("an echo", |wire| wire.body_len(1) == 5 + said);
    }
    silent.send(data(1, flag::END_STREAM, "still there?"));
    silent.over(1).assert_is(200, "hellostill there?bye");
    assert_eq!((silent.goaways.len(), busy.goaways.len()), (0, 0));
}

fn a_drain_waits_for_tunnels() {
    let backend = switching(echo);
    let mut proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(connect(1, 0, &[]));
    wire.until("its greeting", |wire| wire.body_len(1) == 5);
    proxy.signal(rustix::process::Signal::TERM);
    wire.until("GOAWAY", |wire| wire.goaways.last().is_some_and(|goaway| goaway.0 == 1));
    std::thread::sleep(Duration::from_millis(400));
    assert!(proxy.is_running());
    wire.send(data(1, flag::END_STREAM, "last"));
    wire.over(1).assert_is(200, "hellolastbye");
    assert_eq!(wire.closed(), Some(code::NO_ERROR));
    assert_eq!(proxy.wait(Duration::from_secs(5)).code(), Some(0), "{}", proxy.log());
}

fn refused_tunnels_are_described() {
    // In HTTP/2 any 2xx would say that there is a tunnel: what does not switch protocols must not come out as one.
    for (said, status) in [("403 No", 403), ("200 OK", 502), ("204 No Content", 502), ("502 Bad", 502)] {
        let reply = answer(said, &["Content-Type: text/html"], if status == 403 { PAGE } else { "" });
        let backend = Backend::scripted(move |request| match request.target() {
            "/chat" => vec![Step::Send(reply.clone())],
            _ => vec![Step::Send(answer("200 OK", &[], "fine"))],
        });
        let proxy = Proxy::start(&backend.url());
        let mut wire = Wire::open(proxy.listen, &[]);
        for (stream, early) in [(1, vec![]), (3, data(3, 0, "early")), (5, data(5, flag::END_STREAM, ""))] {
            wire.send([connect(stream, 0, &[]), early].concat());
            assert_described(&mut wire, stream, status);
        }
        wire.assert_goes_on(7, "fine");
    }
}

/// Whole, and the client knows that nothing more is wanted of it.
#[track_caller]
fn assert_described(wire: &mut Wire, stream: u32, status: u16) {
    let answer = wire.over(stream);
    assert_eq!((answer.status(), answer.is_ended), (status, true), "{answer:?}");
    assert_eq!(answer.field("content-type"), "application/problem+json");
    let json: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(json["status"], status);
    wire.round_trip();
    assert!([None, Some(code::NO_ERROR)].contains(&wire.streams[&stream].reset));
}

/// What follows the head of a CONNECT is no content, but h2 holds a client to the length that it gives.
fn a_length_of_a_tunnel_concerns_its_stream_only() {
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([connect(1, 0, &[]), connect(3, 0, &[("content-length", "4")])].concat());
    wire.until("greetings", |wire| wire.body_len(1) == 5 && wire.body_len(3) == 5);
    assert!(!backend.seen()[1].has("content-length"));
    wire.send(data(3, flag::END_STREAM, "four"));
    wire.over(3).assert_is(200, "hellofourbye");
    wire.send([connect(5, 0, &[("content-length", "4")]), data(5, 0, "more")].concat());
    wire.until("an echo", |wire| wire.body_len(5) == 9);
    wire.send(data(5, 0, "than four"));
    assert_eq!(wire.over(5).reset, Some(code::PROTOCOL_ERROR));
    wire.send([connect(7, 0, &[("content-length", "0")]), data(7, 0, "x")].concat());
    assert_eq!(wire.over(7).reset, Some(code::PROTOCOL_ERROR));
    wire.send(data(1, flag::END_STREAM, "last"));
    wire.over(1).assert_is(200, "hellolastbye");
    wait_for_no_upstream(&backend);
}

fn nothing_else_is_tunnelled() {
    let backend = switching(echo);
    let proxy = Proxy::start(&backend.url());
    let mut wire = Wire::open(proxy.listen, &[]);
    let protocol = |name| {
        [
            (":method", "CONNECT"),
            (":protocol", name),
            (":scheme", "http"),
            (":path", "/"),
            (":authority", "a"),
        ]
    };
    let cases: [&[(&str, &str)]; 4] = [
        &[(":method", "CONNECT"), (":authority", "a:80")],
        &protocol("connect-udp"),
        &protocol("WebSocket2"),
        &protocol("h2c"),
    ];
    for (stream, fields) in (0..).map(|number| 2 * number + 1).zip(cases) {
        let head = frame(kind::HEADERS, flag::END_HEADERS, stream, hpack::literals(fields));
        wire.send([head, data(stream, 0, "GET / HTTP/1.1\r\nHost: a\r\n\r\n")].concat());
        assert_described(&mut wire, stream, 501);
    }
    assert_eq!(backend.connections(), 0, "a gateway is no way out into the network");
    wire.assert_goes_on(101, "fine");
}

fn padding_in_a_tunnel_is_given_back() {
    let backend = switching(|mut reader| while let Ok(1..) = reader.read(&mut [0; 16 * 1024]) {});
    let proxy = Proxy::start(&backend.url());
    for payload in ["x", ""] {
        let mut wire = Wire::open(proxy.listen, &[]);
        wire.send(connect(1, 0, &[]));
        wire.until("its greeting", |wire| wire.body_len(1) == 5);
        let frame = [&[255][..], payload.as_bytes(), &[0; 255]].concat();
        for sent in (0..3 * WINDOW).step_by(frame.len()) {
            wire.until("a window opens", |wire| wire.room(1) >= sent + frame.len());
            wire.send(data(1, flag::PADDED, &frame));
        }
        wire.send(data(1, flag::END_STREAM, ""));
        wire.over(1);
    }
}
