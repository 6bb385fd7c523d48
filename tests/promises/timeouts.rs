//! What is bounded in time, and what is not.

use std::time::Duration;

use crate::support::{
    backend::{Backend, Step, answer, chunk, head, page},
    client::request,
    frame_upstream::Upstream,
    frames::{self, Wire, data, flag, post, respond},
    proxy::Proxy,
    trials,
};

trials![
    a_body_that_keeps_coming_may_take_its_time,
    a_body_that_stops_coming_is_408,
    a_body_that_stops_coming_is_408_over_http2,
    an_upstream_that_takes_nothing_of_a_body_is_504,
    idle_upstream_connections_are_closed,
    silence_behind_the_head_of_the_answer_is_no_timeout,
    silence_within_a_grpc_call_is_no_timeout,
    silence_within_an_answer_is_no_timeout,
    silence_within_a_request_body_is_not_that_of_a_connection,
    the_response_head_may_take_its_time_after_a_slow_request,
];

fn with_timeouts(backend: &Backend, timeouts: &str) -> Proxy {
    Proxy::configured(&format!("upstream = '{}'\n[timeouts]\n{timeouts}", backend.url()))
}

fn silence_within_an_answer_is_no_timeout() {
    let backend = Backend::does(vec![
        Step::Send(head("200 OK", &["Transfer-Encoding: chunked"])),
        Step::Send(chunk("before")),
        Step::Wait(Duration::from_millis(900)),
        Step::Send(chunk("after")),
        Step::Send(b"0\r\n\r\n".to_vec()),
    ]);
    let proxy = with_timeouts(&backend, "idle = '200ms'\nresponse_head = '200ms'\nrequest_head = '200ms'\n");
    assert_eq!(proxy.get("/").text(), "beforeafter");
}

fn silence_within_a_request_body_is_not_that_of_a_connection() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = with_timeouts(&backend, "idle = '200ms'\nrequest_head = '200ms'\n");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    std::thread::sleep(Duration::from_millis(700));
    client.send("more");
    assert_eq!(client.answer("POST").text(), "halfmore");
}

const SHORT_BODIES: &str = "request_body = '200ms'\n";

fn a_body_that_stops_coming_is_408() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = with_timeouts(&backend, SHORT_BODIES);
    for part in [
        "Content-Length: 8\r\n\r\nhalf",
        "Content-Length: 100000\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
        "Expect: 100-continue\r\nContent-Length: 8\r\n\r\n",
    ] {
        let mut client = proxy.client();
        client.send(format!("POST / HTTP/1.1\r\nHost: a\r\n{part}"));
        let answer = client.answer("POST");
        assert_eq!((answer.status(), &*answer.field("connection")), (408, "close"), "{part}");
        assert_eq!(answer.json()["status"], 408);
        client.assert_closed();
    }
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send([post(1, "/", &[]), post(3, "/", &[]), data(3, 0, "half")].concat());
    for stream in [1, 3] {
        assert_eq!(wire.over(stream).status(), 408);
    }
    wire.round_trip();
    let cause = [("cause", "request_timeout")];
    let scrape = proxy.wait_for("status_proxy_local_replies_total", &cause, 7.0);
    assert_eq!(scrape.sum("status_normalize_in_flight", &[]), 0.0);
    crate::support::eventually(|| if backend.open() == 0 { Ok(()) } else { Err("still open".into()) });
}

fn a_body_that_stops_coming_is_408_over_http2() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy(&format!("[timeouts]\n{SHORT_BODIES}"));
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    assert_eq!(client.answer("POST").status(), 408);
    assert_eq!(peer.reset_of(stream), frames::code::CANCEL);
    // The connection is not to blame.
    client = proxy.client();
    client.send(request("GET", "/", &[]));
    let stream = peer.request();
    peer.send(frames::answer(stream, "200", "fine"));
    assert_eq!(client.answer("GET").text(), "fine");
}

fn a_body_that_keeps_coming_may_take_its_time() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let upstream = Upstream::listen();
    let over_http2 = upstream.proxy(&format!("[timeouts]\n{SHORT_BODIES}"));
    for proxy in [&with_timeouts(&backend, SHORT_BODIES), &over_http2] {
        let mut client = proxy.client();
        client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\n");
        for byte in ["b", "y", " ", "b", "y", "t", "e", "s"] {
            std::thread::sleep(Duration::from_millis(80));
            client.send(byte);
        }
        if std::ptr::eq(proxy, &over_http2) {
            let mut peer = upstream.accept(&[]);
            let stream = peer.request();
            assert_eq!(peer.over(stream).body, b"by bytes");
            peer.send(frames::answer(stream, "200", "by bytes"));
        }
        assert_eq!(client.answer("POST").text(), "by bytes");
    }
}

fn silence_behind_the_head_of_the_answer_is_no_timeout() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy(&format!("[timeouts]\n{SHORT_BODIES}"));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    peer.send(respond(stream, 0, "200", &[]));
    std::thread::sleep(Duration::from_millis(500));
    wire.send(data(1, flag::END_STREAM, "late"));
    assert_eq!(peer.over(stream).body, b"late");
    peer.send(data(stream, flag::END_STREAM, "fine"));
    wire.over(1).assert_is(200, "fine");
}

fn silence_within_a_grpc_call_is_no_timeout() {
    let upstream = Upstream::listen();
    let proxy = upstream.proxy(&format!("[timeouts]\n{SHORT_BODIES}response_head = '200ms'\n"));
    let mut wire = Wire::open(proxy.listen, &[]);
    wire.send(post(1, "/", &[("content-type", "application/grpc"), ("te", "trailers")]));
    let mut peer = upstream.accept(&[]);
    let stream = peer.request();
    std::thread::sleep(Duration::from_millis(500));
    wire.send(data(1, flag::END_STREAM, "late"));
    assert_eq!(peer.over(stream).body, b"late");
    let fields = [("content-type", "application/grpc"), ("grpc-status", "0")];
    peer.send(respond(stream, flag::END_STREAM, "200", &fields));
    wire.over(1).assert_is(200, "");
}

fn an_upstream_that_takes_nothing_of_a_body_is_504() {
    use std::io::Write;

    let backend = Backend::raw(|_, _stream, _| std::thread::sleep(Duration::from_secs(3)));
    let proxy = with_timeouts(&backend, "response_head = '300ms'\n");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000000\r\n\r\n");
    let mut stream = client.stream().try_clone().unwrap();
    let sending = std::thread::spawn(move || while stream.write_all(&[b'x'; 1 << 16]).is_ok() {});
    let answer = client.answer("POST");
    assert_eq!((answer.status(), &*answer.field("connection")), (504, "close"));
    drop(client);
    drop(proxy);
    sending.join().unwrap();
}

fn the_response_head_may_take_its_time_after_a_slow_request() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = with_timeouts(&backend, "response_head = '300ms'\n");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    std::thread::sleep(Duration::from_millis(700));
    client.send("more");
    assert_eq!(client.answer("POST").text(), "halfmore", "the clock starts with the end of the request");
}

fn idle_upstream_connections_are_closed() {
    let backend = Backend::says(page(404));
    let proxy = with_timeouts(&backend, "idle = '200ms'\n");
    let mut client = proxy.client();
    client.send(request("GET", "/", &[]));
    assert_eq!(client.answer("GET").status(), 404);
    crate::support::eventually(|| {
        if backend.open() == 0 { Ok(()) } else { Err("upstream is still open".into()) }
    });
}
