//! What is bounded in time, and what is not.

use std::time::Duration;

use crate::support::{
    backend::{Backend, Step, answer, chunk, head, page},
    client::request,
    proxy::Proxy,
    trials,
};

trials![
    idle_upstream_connections_are_closed,
    silence_within_an_answer_is_no_timeout,
    silence_within_a_request_body_is_no_408,
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

fn silence_within_a_request_body_is_no_408() {
    let backend = Backend::scripted(|request| vec![Step::Send(answer("200 OK", &[], &request.body))]);
    let proxy = with_timeouts(&backend, "idle = '200ms'\nrequest_head = '200ms'\n");
    let mut client = proxy.client();
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 8\r\n\r\nhalf");
    std::thread::sleep(Duration::from_millis(700));
    client.send("more");
    assert_eq!(client.answer("POST").text(), "halfmore");
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
