//! gRPC calls get gRPC answers, and are counted by what their trailers say; T50 to T54.

use bytes::Bytes;

use crate::support::{
    backend::PAGE,
    catalogs::catalog,
    h2::{Backend, Client, Reply, Scripted, block_on, request},
    proxy::Proxy,
    refused, trials,
};

trials![
    calls_go_up_over_http2_and_trailers_come_back,
    grpc_statuses_of_other_sorts_are_other,
    grpc_web_is_untouched,
    html_errors_become_trailers_only,
    outcomes_are_counted_wherever_they_stand,
    only_grpc_is_grpc,
    our_own_answers_to_a_call_are_trailers_only,
];

const GRPC: &str = "status_normalize_grpc_responses_total";

fn call(proxy: &Proxy, kind: &str) -> Reply {
    let fields = [("content-type", kind), ("te", "trailers")];
    let message = Bytes::from_static(b"\0\0\0\0\x02hi");
    block_on(Client::connect(proxy.listen).send(request("POST", "/pets.Pets/Get", &fields, message))).unwrap()
}

#[track_caller]
fn assert_trailers_only(reply: &Reply, grpc_status: &str, message: &str) {
    assert_eq!(reply.status, 200);
    assert!(reply.field("content-type").starts_with("application/grpc"), "{reply:?}");
    assert_eq!(reply.field("grpc-status"), grpc_status);
    assert_eq!(percent_decoded(reply.field("grpc-message")), message);
    assert_eq!(reply.body, b"");
    assert!(reply.trailers.is_empty(), "all of it is in the head");
    assert!(["", "0"].contains(&reply.field("content-length")), "{reply:?}");
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        if first == b'%' {
            bytes.push(u8::from_str_radix(std::str::from_utf8(&tail[..2]).unwrap(), 16).unwrap());
            rest = &tail[2..];
        } else {
            assert!((0x20..0x7f).contains(&first), "{text:?} is percent-encoded");
            bytes.push(first);
            rest = tail;
        }
    }
    String::from_utf8(bytes).unwrap()
}

// T50
fn html_errors_become_trailers_only() {
    for kind in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc+json",
        "application/grpc;charset=utf-8",
    ] {
        for (status, grpc_status) in [
            (400, "13"),
            (401, "16"),
            (403, "7"),
            (404, "12"),
            (405, "2"),
            (409, "2"),
            (500, "2"),
            (501, "2"),
            (502, "14"),
            (503, "14"),
            (504, "14"),
        ] {
            let fields = [("content-type", "text/html"), ("x-request-id", "7"), ("content-length", "17")];
            let fields = if status == 503 { &fields[..2] } else { &fields[..1] };
            let backend = Backend::says(Scripted::new(status, fields, PAGE));
            let proxy = Proxy::start(&backend.url());
            let reply = call(&proxy, kind);
            assert_trailers_only(&reply, grpc_status, catalog("sfs").description(status));
            if status == 503 {
                assert_eq!(reply.field("x-request-id"), "7");
            }
            let upstream = status.to_string();
            let labels = [
                ("class", "abnormal"),
                ("status", "200"),
                ("upstream_status", &upstream),
                ("action", "rewrite"),
            ];
            let scrape = proxy.wait_for("status_normalize_responses_total", &labels, 1.0);
            assert_eq!(scrape.sum(GRPC, &[("grpc_status", grpc_status)]), 1.0, "{}", scrape.text);
        }
    }
}

fn our_own_answers_to_a_call_are_trailers_only() {
    let proxy = Proxy::start(&format!("http://{}", refused()));
    assert_trailers_only(&call(&proxy, "application/grpc"), "14", catalog("sfs").description(502));
    let labels = [("source", "proxy"), ("status", "200"), ("upstream_status", "none"), ("class", "abnormal")];
    proxy.wait_for("status_normalize_responses_total", &labels, 1.0);
}

fn calls_go_up_over_http2_and_trailers_come_back() {
    let answer = Scripted::new(200, &[("content-type", "application/grpc")], b"\0\0\0\0\x02ok");
    let backend = Backend::says(answer.with_trailers(&[("grpc-status", "0"), ("x-cost", "3")]));
    let proxy = Proxy::start(&backend.url());
    let reply = call(&proxy, "application/grpc");
    assert_eq!(reply.status, 200);
    assert_eq!(reply.body, b"\0\0\0\0\x02ok");
    assert_eq!(reply.trailers["grpc-status"], "0");
    assert_eq!(reply.trailers["x-cost"], "3");
    let seen = &backend.seen()[0];
    assert_eq!(seen.head.version, http::Version::HTTP_2);
    assert_eq!(seen.head.headers["te"], "trailers");
    assert_eq!(&seen.body[..], b"\0\0\0\0\x02hi");
    proxy.wait_for(GRPC, &[("grpc_status", "0")], 1.0);
}

// T51
fn outcomes_are_counted_wherever_they_stand() {
    let head = [("content-type", "application/grpc")];
    let body = b"\0\0\0\0\x02ok";
    let in_head = [("content-type", "application/grpc"), ("grpc-status", "5"), ("grpc-message", "no pet")];
    for (answer, label) in [
        (Scripted::new(200, &head, body).with_trailers(&[("grpc-status", "5")]), "5"),
        (Scripted::new(200, &head, b"").with_trailers(&[("grpc-status", "16")]), "16"),
        (Scripted::new(200, &in_head, b""), "5"),
        (Scripted::new(200, &head, body), "missing"),
        (Scripted::new(200, &head, body).with_trailers(&[("x-other", "1")]), "missing"),
    ] {
        let body = answer.frames.iter().flat_map(|(_, data)| data.to_vec()).collect::<Vec<_>>();
        let backend = Backend::says(answer);
        let proxy = Proxy::start(&backend.url());
        let reply = call(&proxy, "application/grpc");
        assert_eq!(reply.body, body, "untouched");
        let scrape = proxy.wait_for("status_normalize_responses_total", &[("class", "normal")], 1.0);
        assert_eq!(scrape.sum(GRPC, &[("grpc_status", label)]), 1.0, "{label}: {}", scrape.text);
        assert_eq!(scrape.sum(GRPC, &[]), 1.0);
    }
}

// T52
fn grpc_statuses_of_other_sorts_are_other() {
    for status in ["100", "17", "abc", "-1", "4294967295", "99999999999999999999", "05x", ""] {
        let answer = Scripted::new(200, &[("content-type", "application/grpc")], b"");
        let backend = Backend::says(answer.with_trailers(&[("grpc-status", status)]));
        let proxy = Proxy::start(&backend.url());
        assert_eq!(call(&proxy, "application/grpc").trailers["grpc-status"], status);
        let scrape = proxy.wait_for(GRPC, &[], 1.0);
        assert_eq!(scrape.sum(GRPC, &[("grpc_status", "other")]), 1.0, "{status:?}: {}", scrape.text);
    }
}

// T53
fn grpc_web_is_untouched() {
    let frame = b"\0\0\0\0\x02ok\x80\0\0\0\x0fgrpc-status:5\r\n";
    for (kind, body) in [
        ("application/grpc-web", frame.as_slice()),
        ("application/grpc-web+proto", frame),
        ("application/grpc-web-text", b"AAAAAAJva4AAAAAPZ3JwYy1zdGF0dXM6NQ0K"),
    ] {
        let backend = crate::support::backend::Backend::says(crate::support::backend::answer(
            "200 OK",
            &[&format!("Content-Type: {kind}")],
            body,
        ));
        let proxy = Proxy::start(&backend.url());
        let answer =
            proxy.ask("POST", "/pets.Pets/Get", &[&format!("Content-Type: {kind}"), "Content-Length: 0"]);
        assert_eq!(answer.body, body, "{kind}");
        assert!(!answer.has("grpc-status"));
        let scrape = proxy.wait_for("status_normalize_responses_total", &[], 1.0);
        assert_eq!(scrape.sum(GRPC, &[("grpc_status", "5")]), 1.0, "{kind}: {}", scrape.text);
        assert_eq!(scrape.sum(GRPC, &[]), 1.0, "{kind}: {}", scrape.text);
    }
}

// T54
fn only_grpc_is_grpc() {
    use crate::support::backend::{Backend, Step, answer, page};
    let backend = Backend::scripted(|request| {
        vec![Step::Send(if request.target() == "/kind" {
            answer("404 No", &["Content-Type: application/grpc"], "x")
        } else {
            page(404)
        })]
    });
    let proxy = Proxy::start(&backend.url());
    for kind in
        ["application/grpcfoo", "application/grpc.foo", "text/grpc", "application/x-grpc", "application/json"]
    {
        let answer = proxy.ask("POST", "/", &[&format!("Content-Type: {kind}"), "Content-Length: 0"]);
        assert_eq!(answer.status(), 404, "{kind}");
        assert_eq!(answer.json()["status"], 404, "{kind}");
        assert!(!answer.has("grpc-status"), "{kind}");
    }
    // The answer's type alone makes no call.
    let got = proxy.get("/kind");
    assert_eq!(got.status(), 404);
    assert!(!got.has("grpc-status"));
    assert_eq!(proxy.scrape().sum(GRPC, &[]), 0.0);

    // Errors of the Connect protocol are in a documented form already.
    let connect = r#"{"code": "not_found", "message": "no such pet"}"#;
    let backend = Backend::says(answer("404 No", &["Content-Type: application/json"], connect));
    let lines = ["Content-Type: application/proto", "Connect-Protocol-Version: 1", "Content-Length: 0"];
    assert_eq!(Proxy::start(&backend.url()).ask("POST", "/", &lines).text(), connect);
}
