//! Conversations: bytes from a client in, bytes from a scripted upstream back.

use std::{path::Path, time::Duration};

use http::HeaderName;
use http_body_util::{BodyExt, Full};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt, DuplexStream},
    net::{TcpListener, TcpStream},
    time::timeout,
};

use super::*;
use crate::{
    config::{HeadLimits, Overrides},
    drain::Drain,
    listen,
};

mod http2;
mod taking_over;

/// Nothing here takes long; what does is a failure.
const PATIENCE: Duration = Duration::from_secs(10);

struct Proxy {
    upstream: TcpListener,
}

impl Proxy {
    async fn new() -> Self {
        Self::with("", |_| ()).await
    }

    async fn with(upstream_keys: &str, edit: impl FnOnce(&mut Config)) -> Self {
        let proxy = Self { upstream: TcpListener::bind("127.0.0.1:0").await.unwrap() };
        drop(proxy.configure(upstream_keys, edit));
        proxy
    }

    /// Has the requests to come go to this upstream, and gives the gateway back that they went by.
    fn configure(&self, upstream_keys: &str, edit: impl FnOnce(&mut Config)) -> Option<Arc<Gateway>> {
        let port = self.upstream.local_addr().unwrap().port();
        let text =
            format!("mode = \"off\"\nupstream = {{ url = \"http://127.0.0.1:{port}\"{upstream_keys} }}");
        let mut config = Config::parse(&text, Path::new(""), &Overrides::default()).unwrap();
        edit(&mut config);
        Gateway::new(&config).take_over()
    }

    /// A client's connection.
    fn connect(&self) -> DuplexStream {
        listen::tests::connect(Drain::default(), super::service).0
    }

    /// A client that speaks HTTP/2.
    async fn connect_http2(&self) -> hyper::client::conn::http2::SendRequest<Full<Bytes>> {
        let io = TokioIo::new(self.connect());
        let (sender, connection) =
            hyper::client::conn::http2::handshake(TokioExecutor::new(), io).await.unwrap();
        tokio::spawn(connection);
        sender
    }

    async fn accept(&self) -> TcpStream {
        timeout(PATIENCE, self.upstream.accept()).await.expect("the upstream is connected to").unwrap().0
    }
}

async fn read_until(io: &mut (impl AsyncRead + Unpin), end: &str) -> String {
    let mut seen = Vec::new();
    let reading = async {
        while !seen.ends_with(end.as_bytes()) {
            let byte = io.read_u8().await;
            match byte {
                Ok(byte) => seen.push(byte),
                Err(_) => break,
            }
        }
    };
    let in_time = timeout(PATIENCE, reading).await.is_ok();
    let seen = String::from_utf8_lossy(&seen).into_owned();
    assert!(in_time && seen.ends_with(end), "waited for {end:?}, got {seen:?}");
    seen
}

async fn read_head(io: &mut (impl AsyncRead + Unpin)) -> String {
    read_until(io, "\r\n\r\n").await
}

async fn read_to_end(io: &mut (impl AsyncRead + Unpin)) -> String {
    let mut seen = Vec::new();
    let _ = timeout(PATIENCE, io.read_to_end(&mut seen)).await.expect("the other side ends");
    String::from_utf8_lossy(&seen).into_owned()
}

fn status(head: &str) -> &str {
    head.split(' ').nth(1).unwrap_or_default()
}

const GET: &[u8] = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

#[tokio::test]
async fn heads_are_rewritten_both_ways() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client
        .write_all(b"GET /a?b=c HTTP/1.1\r\nHost: api.example\r\nConnection: x-hop\r\nX-Hop: 1\r\nTE: gzip\r\nX-Id: 7\r\n\r\n")
        .await
        .unwrap();
    let mut upstream = proxy.accept().await;
    let head = read_head(&mut upstream).await;
    assert_eq!(
        head,
        "GET /a?b=c HTTP/1.1\r\nhost: api.example\r\nx-id: 7\r\nx-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\n\
         x-forwarded-host: api.example\r\nvia: 1.1 status-proxy\r\n\r\n"
    );
    upstream
        .write_all(b"HTTP/1.1 200 Fine\r\nConnection: x-back\r\nX-Back: 1\r\nKeep-Alive: timeout=5\r\nX-Id: 7\r\nContent-Length: 2\r\n\r\nok")
        .await
        .unwrap();
    let answer = read_until(&mut client, "ok").await;
    assert!(answer.starts_with("HTTP/1.1 200 Fine\r\n"), "{answer}");
    assert!(answer.contains("x-id: 7\r\n") && answer.contains("via: 1.1 status-proxy\r\n"), "{answer}");
    for gone in ["x-back", "keep-alive", "connection"] {
        assert!(!answer.contains(gone), "{gone} in {answer}");
    }
}

#[tokio::test]
async fn one_connection_serves_one_request_after_another() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    for round in 0..20 {
        read_head(&mut upstream).await;
        // Small and large, counted and chunked.
        let length = if round % 3 == 0 { 300_000 } else { 3 };
        let body = "x".repeat(length);
        let answer = if round % 2 == 0 {
            format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{body}")
        } else {
            format!(
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:x};q=\"1\"\r\n{body}\r\n0\r\n\r\n"
            )
        };
        let both = async {
            tokio::join!(upstream.write_all(answer.as_bytes()), async {
                read_head(&mut client).await;
                let end = if round % 2 == 0 { "x" } else { "\r\n0\r\n\r\n" };
                let mut left = if round % 2 == 0 { length } else { 1 };
                while left > 0 {
                    read_until(&mut client, end).await;
                    left -= 1;
                }
            })
        };
        timeout(PATIENCE, both).await.unwrap().0.unwrap();
        client.write_all(GET).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_that_the_upstream_closed_is_not_used() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx").await.unwrap();
    let mut first = proxy.accept().await;
    read_until(&mut first, "x").await;
    first.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;
    drop(first);
    tokio::time::sleep(Duration::from_millis(20)).await;
    // Not one that could be sent twice: it must not get to the closed connection at all.
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\ny").await.unwrap();
    let mut second = proxy.accept().await;
    assert!(read_until(&mut second, "y").await.starts_with("POST / "));
    second.write_all(OK).await.unwrap();
    assert_eq!(status(&read_until(&mut client, "ok").await), "200");
}

#[tokio::test]
async fn silence_on_a_pooled_connection_is_retried_once_and_only_if_safe() {
    for (request, expected) in [
        ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
        ("DELETE / HTTP/1.1\r\nHost: a\r\n\r\n", "200"),
        ("POST / HTTP/1.1\r\nHost: a\r\n\r\n", "502"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 0\r\n\r\n", "200"),
        ("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "502"),
    ] {
        let proxy = Proxy::new().await;
        let mut client = proxy.connect();
        client.write_all(GET).await.unwrap();
        let mut first = proxy.accept().await;
        read_head(&mut first).await;
        first.write_all(OK).await.unwrap();
        read_until(&mut client, "ok").await;
        client.write_all(request.as_bytes()).await.unwrap();
        let before = read_head(&mut first).await;
        drop(first);
        if expected == "200" {
            let mut second = proxy.accept().await;
            assert_eq!(read_head(&mut second).await, before, "{request}");
            second.write_all(OK).await.unwrap();
        }
        assert_eq!(status(&read_head(&mut client).await), expected, "{request}");
    }
}

#[tokio::test]
async fn a_new_connection_that_says_nothing_is_not_retried() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    drop(upstream);
    assert_eq!(status(&read_head(&mut client).await), "502");
}

/// T37
#[tokio::test]
async fn replies_that_are_none() {
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(200 * 1024));
    let many = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: y\r\n".repeat(300));
    let cases = [
        ("nonsense", "nonsense\r\n\r\n"),
        ("status below 100", "HTTP/1.1 099 X\r\n\r\n"),
        ("two digits", "HTTP/1.1 20 X\r\n\r\n"),
        ("four digits", "HTTP/1.1 2000 X\r\n\r\n"),
        ("letters", "HTTP/1.1 abc X\r\n\r\n"),
        ("another version", "HTTP/3.0 200 OK\r\n\r\n"),
        ("folded field", "HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n"),
        ("space before the colon", "HTTP/1.1 200 OK\r\nA : b\r\n\r\n"),
        ("two lengths", "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nx"),
        ("negative length", "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"),
        ("signed length", "HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\nx"),
        ("coding in HTTP/1.0", "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
        ("unknown coding", "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nContent-Length: 1\r\n\r\nx"),
        ("unasked switch", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        ("half a head", "HTTP/1.1 200 OK\r\nA: "),
        ("long head", &long),
        ("many fields", &many),
    ];
    for (case, reply) in cases {
        let proxy = Proxy::new().await;
        let mut client = proxy.connect();
        client.write_all(GET).await.unwrap();
        let mut upstream = proxy.accept().await;
        read_head(&mut upstream).await;
        let _ = upstream.write_all(reply.as_bytes()).await;
        let _ = upstream.shutdown().await;
        assert_eq!(status(&read_head(&mut client).await), "502", "{case}");
    }
}

#[tokio::test]
async fn wide_heads_within_the_limits_pass() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    let fields: String = (0..250).map(|n| format!("X-{n}: {}\r\n", "y".repeat(400))).collect();
    upstream
        .write_all(format!("HTTP/1.1 200 OK\r\n{fields}Content-Length: 0\r\n\r\n").as_bytes())
        .await
        .unwrap();
    let head = read_head(&mut client).await;
    assert_eq!(status(&head), "200");
    assert!(head.contains("x-249: yyy"));
}

#[tokio::test]
async fn a_request_without_host_goes_up_with_the_upstreams() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
    let mut upstream = proxy.accept().await;
    let address = upstream.local_addr().unwrap();
    let head = read_head(&mut upstream).await;
    assert!(head.contains(&format!("host: {address}\r\n")), "{head}");
}

#[tokio::test]
async fn a_body_that_broke_off_never_looks_whole() {
    for (case, reply) in [
        ("counted", "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        ("chunked", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"),
        ("in a chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        ("malformed chunk", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\nzz\r\n"),
    ] {
        let proxy = Proxy::new().await;
        let mut client = proxy.connect();
        client.write_all(GET).await.unwrap();
        let mut upstream = proxy.accept().await;
        read_head(&mut upstream).await;
        upstream.write_all(reply.as_bytes()).await.unwrap();
        upstream.shutdown().await.unwrap();
        let answer = read_to_end(&mut client).await;
        assert_eq!(status(&answer), "200", "{case}");
        assert!(answer.contains("abc"), "{case}: {answer}");
        assert!(!answer.ends_with("0\r\n\r\n"), "{case}: {answer}");
    }
}

#[tokio::test]
async fn a_body_ended_by_the_connection_arrives_whole() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\n\r\nabc").await.unwrap();
    drop(upstream);
    let answer = read_until(&mut client, "0\r\n\r\n").await;
    assert!(answer.ends_with("3\r\nabc\r\n0\r\n\r\n"), "{answer}");
}

/// T20, T21
#[tokio::test]
async fn responses_without_a_body_leave_the_connection_in_step() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n").await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 700\r\n\r\n").await.unwrap();
    assert!(read_head(&mut client).await.contains("content-length: 700\r\n"));
    for reply in ["HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\n\r\n", "HTTP/1.1 204 No Content\r\n\r\n"] {
        client.write_all(GET).await.unwrap();
        read_head(&mut upstream).await;
        upstream.write_all(reply.as_bytes()).await.unwrap();
        assert!(!read_head(&mut client).await.contains("content-length"), "{reply}");
    }
    // Bytes that belong to no message: the connection is not used again.
    client.write_all(GET).await.unwrap();
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 204 No Content\r\nContent-Length: 4\r\n\r\nevil").await.unwrap();
    assert!(!read_head(&mut client).await.contains("content-length"));
    client.write_all(GET).await.unwrap();
    let mut other = proxy.accept().await;
    read_head(&mut other).await;
    other.write_all(OK).await.unwrap();
    assert_eq!(status(&read_until(&mut client, "ok").await), "200");
}

/// T28
#[tokio::test]
async fn trailers_reach_those_who_take_them() {
    for (te, expected) in [("TE: trailers\r\n", true), ("", false)] {
        let proxy = Proxy::new().await;
        let mut client = proxy.connect();
        client.write_all(format!("GET / HTTP/1.1\r\nHost: a\r\n{te}\r\n").as_bytes()).await.unwrap();
        let mut upstream = proxy.accept().await;
        let head = read_head(&mut upstream).await;
        assert_eq!(head.contains("te: trailers\r\n"), expected, "{head}");
        upstream
            .write_all(b"HTTP/1.1 200 OK\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\r\n")
            .await
            .unwrap();
        read_until(&mut client, "ok\r\n").await;
        let rest = read_until(&mut client, "\r\n\r\n").await;
        assert_eq!(rest.contains("x-sum: 7"), expected, "{rest}");
        // The connection that they came on is used again.
        client.write_all(GET).await.unwrap();
        read_head(&mut upstream).await;
    }
}

#[tokio::test]
async fn request_bodies_and_their_trailers_stream_up() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client
        .write_all(
            b"POST / HTTP/1.1\r\nHost: a\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        )
        .await
        .unwrap();
    let mut upstream = proxy.accept().await;
    let head = read_head(&mut upstream).await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    read_until(&mut upstream, "3\r\nabc\r\n").await;
    client.write_all(b"0\r\nX-Sum: 7\r\n\r\n").await.unwrap();
    assert_eq!(read_until(&mut upstream, "\r\n\r\n").await, "0\r\nx-sum: 7\r\n\r\n");
    upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;
}

#[tokio::test]
async fn a_get_with_a_body_of_unknown_length_keeps_it() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client
        .write_all(b"GET / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n")
        .await
        .unwrap();
    let mut upstream = proxy.accept().await;
    let head = read_head(&mut upstream).await;
    assert!(head.contains("transfer-encoding: chunked\r\n"), "{head}");
    read_until(&mut upstream, "3\r\nabc\r\n0\r\n\r\n").await;
    upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;
}

/// T36
#[tokio::test]
async fn a_status_without_a_phrase_gets_none() {
    let proxy = Proxy::with(", protocol = \"http2\"", |_| ()).await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let upstream = proxy.accept().await;
    let answer = service_fn(async |_| {
        Ok::<_, Infallible>(Response::builder().status(520).body(Full::<Bytes>::default()).unwrap())
    });
    tokio::spawn(
        hyper::server::conn::http2::Builder::new(TokioExecutor::new())
            .serve_connection(TokioIo::new(upstream), answer),
    );
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 520 \r\n"), "{head}");
}

#[tokio::test]
async fn an_early_answer_is_delivered() {
    for close in [false, true] {
        let proxy = Proxy::new().await;
        let mut client = proxy.connect();
        client
            .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100000000\r\n\r\nabc")
            .await
            .unwrap();
        let mut upstream = proxy.accept().await;
        read_until(&mut upstream, "abc").await;
        upstream.write_all(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
        if close {
            drop(upstream);
        }
        assert_eq!(status(&read_until(&mut client, "no").await), "413");
    }
}

/// T23
#[tokio::test]
async fn the_upstream_decides_on_100_continue() {
    const ASK: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n";
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(ASK).await.unwrap();
    let mut upstream = proxy.accept().await;
    assert!(read_head(&mut upstream).await.contains("expect: 100-continue\r\n"));
    upstream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await.unwrap();
    assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.unwrap();
    read_until(&mut upstream, "abc").await;
    upstream.write_all(OK).await.unwrap();
    assert_eq!(status(&read_until(&mut client, "ok").await), "200");

    let mut client = proxy.connect();
    client.write_all(ASK).await.unwrap();
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    let answer = read_until(&mut client, "no").await;
    assert_eq!(status(&answer), "417");
    // RFC 9110, section 10.1.1: the client is told that its body is not waited for.
    assert!(answer.contains("connection: close\r\n"), "{answer}");
}

#[tokio::test]
async fn an_upstream_that_knows_no_100_continue_gets_the_body_all_the_same() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client
        .write_all(b"POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n")
        .await
        .unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    assert_eq!(read_head(&mut client).await, "HTTP/1.1 100 Continue\r\n\r\n");
    client.write_all(b"abc").await.unwrap();
    read_until(&mut upstream, "abc").await;
}

/// T24
#[tokio::test]
async fn an_upgraded_connection_is_a_tunnel_until_both_sides_have_ended() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    const ASK: &[u8] =
        b"GET /chat HTTP/1.1\r\nHost: a\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: k\r\n\r\n";
    client.write_all(ASK).await.unwrap();
    let mut upstream = proxy.accept().await;
    let head = read_head(&mut upstream).await;
    assert!(head.contains("connection: upgrade\r\n") && head.contains("upgrade: websocket\r\n"), "{head}");
    upstream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\nhello")
        .await
        .unwrap();
    let head = read_head(&mut client).await;
    assert!(head.starts_with("HTTP/1.1 101 ") && head.contains("upgrade: websocket\r\n"), "{head}");
    assert!(
        head.contains("connection: upgrade\r\n") && head.contains("sec-websocket-accept: s\r\n"),
        "{head}"
    );
    read_until(&mut client, "hello").await;
    client.write_all(b"last words").await.unwrap();
    client.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut upstream).await, "last words");
    upstream.write_all(b"still here").await.unwrap();
    drop(upstream);
    assert_eq!(read_to_end(&mut client).await, "still here");

    let mut client = proxy.connect();
    client.write_all(ASK).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    assert_eq!(status(&read_until(&mut client, "no").await), "403");
}

#[tokio::test]
async fn waiting_has_an_end() {
    let proxy = Proxy::with("", |config| config.timeouts.response_head = Duration::from_millis(50)).await;
    let mut client = proxy.connect();
    client.write_all(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n").await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    // The time starts with the end of the request.
    assert!(timeout(Duration::from_millis(200), client.read_u8()).await.is_err());
    client.write_all(b"abc").await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), "504");
    assert_eq!(read_to_end(&mut upstream).await, "abc");
}

#[tokio::test]
async fn a_refused_connection_is_502() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    let Proxy { upstream } = proxy;
    drop(upstream);
    client.write_all(GET).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), "502");
}

#[tokio::test]
async fn more_requests_than_allowed_are_503() {
    let proxy = Proxy::with(", max_requests = 1", |_| ()).await;
    let (mut first, mut second) = (proxy.connect(), proxy.connect());
    first.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    second.write_all(GET).await.unwrap();
    assert_eq!(status(&read_head(&mut second).await), "503");
    upstream.write_all(OK).await.unwrap();
    read_until(&mut first, "ok").await;
    let mut third = proxy.connect();
    third.write_all(GET).await.unwrap();
    read_head(&mut upstream).await;
    upstream.write_all(OK).await.unwrap();
    assert_eq!(status(&read_until(&mut third, "ok").await), "200");
}

#[tokio::test]
async fn request_bodies_have_a_limit_if_one_is_set() {
    let proxy = Proxy::with("", |config| config.limits.request_body = Some(4)).await;
    for request in [
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nabcde",
        "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n",
    ] {
        let mut client = proxy.connect();
        client.write_all(request.as_bytes()).await.unwrap();
        let answer = read_head(&mut client).await;
        assert_eq!(status(&answer), "413", "{request}");
        assert!(answer.contains("connection: close\r\n"), "{answer}");
    }
}

/// T58
#[tokio::test]
async fn a_client_that_leaves_ends_the_work_upstream() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    drop(client);
    assert_eq!(read_to_end(&mut upstream).await, "");
}

/// T29
#[tokio::test]
async fn a_slow_client_slows_the_upstream_down() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n").await.unwrap();
    read_head(&mut client).await;
    let chunk = vec![b'x'; 1 << 20];
    let mut sent = 0_u64;
    while let Ok(written) = timeout(Duration::from_millis(200), upstream.write(&chunk)).await {
        sent += written.unwrap() as u64;
        assert!(sent < 100_000_000, "the proxy swallows a body that nobody reads");
    }
}

#[tokio::test]
async fn the_proxy_answers_options_with_no_forwards_left() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(b"OPTIONS / HTTP/1.1\r\nHost: a\r\nMax-Forwards: 0\r\n\r\n").await.unwrap();
    let answer = read_head(&mut client).await;
    assert_eq!(status(&answer), "204");
    assert!(answer.contains("allow: GET, HEAD"), "{answer}");
}
