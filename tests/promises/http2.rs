//! HTTP/2 in front, as client libraries speak it.

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::ext::Protocol;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::{
    PATIENCE,
    backend::{Backend, PAGE, Step, answer, head, page},
    h2::{self, block_on},
    message::Message,
    proxy::Proxy,
    trials,
};

trials![
    as_many_fields_as_can_be_configured,
    cookies_are_joined_for_http1,
    extended_connect_becomes_an_upgrade,
    failed_extended_connect_is_described,
    heads_beyond_the_limits_are_431,
];

fn heads_beyond_the_limits_are_431() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::start(&backend.url());
    let client = h2::Client::connect(proxy.listen);
    let many: Vec<_> = (0..300).map(|number| format!("x-{number}")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), "y")).collect();
    let reply = client.ask("GET", "/", &many);
    assert_eq!(reply.status, 431);
    assert_eq!(reply.field("content-type"), "application/problem+json");
    assert_eq!(reply.json()["status"], 431);
    assert_eq!(client.ask("GET", "/", &many[..200]).status, 200, "the connection goes on");
    let labels =
        [("source", "proxy"), ("status", "431"), ("upstream_status", "none"), ("class", "undocumented")];
    proxy.wait_for("status_normalize_responses_total", &labels, 1.0);
}

fn as_many_fields_as_can_be_configured() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\n[limits]\nhead_fields = 16384\nhead_size = '4MiB'\n",
        backend.url()
    ));
    let client = h2::Client::connect(proxy.listen);
    let many: Vec<_> = (0..16384).map(|number| format!("x-{number}")).collect();
    let mut many: Vec<_> = many.iter().map(|name| (name.as_str(), "y")).collect();
    assert_eq!(client.ask("GET", "/", &many).status, 200);
    many.fill(("x", "y"));
    assert_eq!(client.ask("GET", "/", &many).status, 200);
    assert_eq!(client.ask("GET", "/", &[]).status, 200, "the connection goes on");
}

fn cookies_are_joined_for_http1() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::start(&backend.url());
    h2::Client::connect(proxy.listen).ask("GET", "/", &[("cookie", "a=1"), ("cookie", "b=2")]);
    assert_eq!(backend.seen()[0].all("cookie"), ["a=1; b=2"]);
}

/// RFC 8441, section 4.
fn websocket() -> Request<Full<Bytes>> {
    let mut request = h2::request("CONNECT", "/chat", &[("sec-websocket-version", "13")], Bytes::new());
    request.extensions_mut().insert(Protocol::from_static("websocket"));
    request
}

// T24
fn extended_connect_becomes_an_upgrade() {
    use std::io::{BufReader, Read, Write};
    let backend = Backend::raw(|connection, stream, remember| {
        let mut reader = BufReader::new(stream);
        let Ok(Some(message)) = Message::read_head(&mut reader) else { return };
        remember(crate::support::backend::Seen { message, connection });
        let mut bytes = head(
            "101 Switching Protocols",
            &["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: x"],
        );
        bytes.extend(b"hello");
        reader.get_mut().write_all(&bytes).unwrap();
        let mut buffer = [0; 64];
        while let Ok(count @ 1..) = reader.read(&mut buffer) {
            reader.get_mut().write_all(&buffer[..count]).unwrap();
        }
    });
    let proxy = Proxy::start(&backend.url());
    let client = h2::Client::connect(proxy.listen);
    block_on(async {
        let response = client.start(websocket()).await.unwrap();
        assert_eq!(response.status(), 200);
        let upgraded = hyper::upgrade::on(response).await.unwrap();
        let mut tunnel = hyper_util::rt::TokioIo::new(upgraded);
        let mut bytes = [0; 9];
        tokio::time::timeout(PATIENCE, async {
            tunnel.read_exact(&mut bytes[..5]).await.unwrap();
            tunnel.write_all(b"ping").await.unwrap();
            tunnel.read_exact(&mut bytes[5..]).await.unwrap();
        })
        .await
        .unwrap();
        assert_eq!(&bytes, b"helloping");
    });
    let seen = &backend.seen()[0];
    assert_eq!(seen.start, "GET /chat HTTP/1.1");
    assert_eq!(seen.field("upgrade"), "websocket");
    assert!(seen.has("sec-websocket-key"));
}

// T24
fn failed_extended_connect_is_described() {
    for (bytes, status) in [(answer("403 No", &["Content-Type: text/html"], PAGE), 403), (page(502), 502)] {
        let backend = Backend::does(vec![Step::Send(bytes)]);
        let proxy = Proxy::start(&backend.url());
        let client = h2::Client::connect(proxy.listen);
        let reply = block_on(client.send(websocket())).unwrap();
        assert_eq!(reply.status, status);
        assert_eq!(reply.json()["status"], status);
    }
}
