//! HTTP/2 upstreams, frame by frame: neither side sends more than the other takes.

use std::{io::Write, time::Duration};

use crate::support::{
    frame_upstream::Upstream,
    frames::{Wire, answer, code, data, flag, get, post, reset, respond, setting},
    trials,
};

trials![
    a_body_is_read_as_fast_as_its_client_reads,
    a_body_is_sent_as_fast_as_the_upstream_takes_it,
    clients_that_read_nothing_do_not_hold_up_others,
    many_small_messages_wait_for_their_client,
    windows_that_shrink_and_grow_are_kept,
];

/// Sends of a body what the program takes: how much.
#[track_caller]
fn fill(peer: &mut Wire, stream: u32) -> usize {
    let chunk = [b'x'; 16_000];
    let mut sent = 0;
    loop {
        peer.round_trip();
        if peer.room(stream) == 0 {
            // What is read is made room for soon.
            std::thread::sleep(Duration::from_millis(30));
            peer.round_trip();
        }
        let room = peer.room(stream).min(chunk.len());
        if room == 0 {
            return sent;
        }
        peer.upload(stream, &chunk[..room]);
        sent += room;
        assert!(sent < 20_000_000, "all that is sent is taken");
    }
}

// T29
fn a_body_is_read_as_fast_as_its_client_reads() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    let sent = fill(&mut peer, stream);
    assert!(sent < 500_000, "{sent} bytes are taken that nobody reads");
    wire.until("the client's window is full", |wire| wire.body_len(1) == 65_535);
    for _ in 0..20 {
        let before = wire.body_len(1);
        wire.allow(0, 50_000);
        wire.allow(1, 50_000);
        wire.until("more", |wire| wire.body_len(1) == before + 50_000);
        peer.until("room", |peer| peer.room(stream) > 0);
        let more = fill(&mut peer, stream);
        assert!(more < 500_000, "{more}");
    }
    wire.send(reset(1, code::CANCEL));
    assert_eq!(peer.reset_of(stream), code::CANCEL);

    // A client of HTTP/1.1 whose socket is full.
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    let sent = fill(&mut peer, stream);
    peer.send(data(stream, flag::END_STREAM, ""));
    assert_eq!(client.answer("GET").body.len(), sent);
}

fn clients_that_read_nothing_do_not_hold_up_others() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    let mut peer: Option<Wire> = None;
    for number in 0..20 {
        wire.send(get(2 * number + 1, &[]));
        let peer = peer.get_or_insert_with(|| upstream.accept(&[]));
        let stream = peer.request();
        peer.send(respond(stream, 0, "200", &[]));
        let sent = fill(peer, stream);
        assert!(sent >= 65_535, "stream {number} may send {sent}");
    }
    let mut peer = peer.unwrap();
    let mut client = proxy.client();
    client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    for _ in 0..50 {
        peer.until("room", |peer| peer.room(stream) >= 16_000);
        assert!(peer.upload(stream, &[b'x'; 16_000]).is_empty());
    }
    peer.send(data(stream, flag::END_STREAM, ""));
    assert_eq!(client.answer("GET").body.len(), 800_000);
}

fn many_small_messages_wait_for_their_client() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[(setting::INITIAL_WINDOW_SIZE, 0)]);
    wire.send(get(1, &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    // As many of eight bytes as there is room for.
    peer.round_trip();
    let messages = peer.room(stream).max(65_535) / 8;
    let bytes: Vec<u8> = (0..messages).flat_map(|_| data(stream, 0, "8 bytes.")).collect();
    peer.send(bytes);
    peer.send(data(stream, flag::END_STREAM, ""));
    peer.round_trip();
    assert!(peer.goaways.is_empty());
    let all = u32::try_from(8 * messages).unwrap();
    wire.allow(0, all);
    wire.allow(1, all);
    wire.over(1).assert_is(200, "8 bytes.".repeat(messages));
}

fn a_body_is_sent_as_fast_as_the_upstream_takes_it() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\n");
    let mut peer = upstream.accept(&[(setting::INITIAL_WINDOW_SIZE, 1000)]);
    let stream = peer.request();
    // What the sockets hold, and no more.
    let before = proxy.memory("VmRSS");
    client.stream().set_nonblocking(true).unwrap();
    let mut writer = client.stream().try_clone().unwrap();
    let chunk = vec![b'x'; 1 << 16];
    let (mut sent, mut idle) = (0, 0);
    while idle < 10 {
        match writer.write(&chunk) {
            Ok(written) => (sent, idle) = (sent + written, 0),
            Err(_) => {
                idle += 1;
                std::thread::sleep(Duration::from_millis(10));
            }
        }
        assert!(sent < 50_000_000, "{sent} bytes went where nobody takes them");
    }
    client.stream().set_nonblocking(false).unwrap();
    let grown = proxy.memory("VmRSS").saturating_sub(before);
    assert!(grown < 2_000, "{grown} KiB more");
    peer.until("what fits", |peer| peer.body_len(stream) == 1000);
    peer.assert_no_data();
    for round in 2..=20 {
        peer.allow(stream, 1000);
        peer.until("what fits", |peer| peer.body_len(stream) == 1000 * round);
    }
    // The connection's window is the limit now.
    peer.allow(stream, 10_000_000);
    peer.until("what fits", |peer| peer.body_len(stream) == 65_535);
    peer.assert_no_data();
    peer.send(answer(stream, "200", "enough"));
    assert_eq!(client.answer("POST").text(), "enough");
    assert_eq!(peer.reset_of(stream), code::CANCEL);
}

fn windows_that_shrink_and_grow_are_kept() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy("");
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.set_stream_window(100);
    wire.upload(1, &[b'x'; 16_000]);
    peer.until("what fits", |peer| peer.body_len(stream) == 100);
    peer.assert_no_data();
    peer.set_stream_window(0);
    peer.allow(stream, 50);
    peer.assert_no_data();
    peer.allow(stream, 150);
    peer.until("what fits", |peer| peer.body_len(stream) == 200);
    peer.assert_no_data();
    peer.set_stream_window(20_000);
    peer.until("all of it", |peer| peer.body_len(stream) == 16_000);
    wire.send(data(1, flag::END_STREAM, ""));
    assert_eq!(peer.over(stream).body.len(), 16_000);
    peer.send(answer(stream, "200", "thanks"));
    wire.over(1).assert_is(200, "thanks");
    // An end needs no room.
    peer.set_stream_window(0);
    wire.send([post(3, "/", &[]), data(3, flag::END_STREAM, "")].concat());
    let stream = peer.request();
    assert_eq!(peer.over(stream).body.len(), 0);
    peer.send(answer(stream, "200", "thanks"));
    wire.over(3).assert_is(200, "thanks");
}
