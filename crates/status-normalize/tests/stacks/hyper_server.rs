//! In a bare hyper server, read through raw sockets.

use std::{convert::Infallible, time::Duration};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{body::Incoming, ext::ReasonPhrase, server::conn::http1};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use status_normalize::StatusNormalize;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tower::{Layer, ServiceExt, service_fn};

async fn backend(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("oops at db-7.internal"));
    let status = request.uri().path().trim_start_matches('/').parse().unwrap_or(500);
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.extensions_mut().insert(ReasonPhrase::from_static(b"db-7 is down"));
    Ok(response)
}

/// A server for as many requests as one connection brings.
async fn connect() -> TcpStream {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let service = TowerToHyperService::new(StatusNormalize.layer(service_fn(backend)));
        http1::Builder::new().serve_connection(TokioIo::new(stream), service).await
    });
    TcpStream::connect(address).await.unwrap()
}

async fn ask(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let mut more = [0; 4096];
    let is_head_request = request.starts_with("HEAD");
    loop {
        let read =
            tokio::time::timeout(Duration::from_secs(5), stream.read(&mut more)).await.unwrap().unwrap();
        assert_ne!(read, 0, "the connection ended");
        answer.extend_from_slice(&more[..read]);
        let text = String::from_utf8(answer.clone()).unwrap();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.map_or(0, |length| length.parse().unwrap());
        if is_head_request || body.len() == length {
            return text;
        }
    }
}

#[tokio::test]
async fn answers_on_one_connection_are_framed_exactly() {
    // T13, T20, T21, T36
    let mut stream = connect().await;
    for _ in 0..2 {
        let described = ask(&mut stream, "GET /502 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(described.starts_with("HTTP/1.1 502 Bad Gateway\r\n"), "{described}");
        assert!(described.contains("invalid response from an upstream server"), "{described}");
        let head = ask(&mut stream, "HEAD /502 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        let length =
            |answer: &str| answer.lines().find(|line| line.starts_with("content-length")).map(str::to_owned);
        assert_eq!(length(&head), length(&described));
        let passed = ask(&mut stream, "GET /200 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(
            passed.starts_with("HTTP/1.1 200 db-7 is down\r\n") && passed.ends_with("oops at db-7.internal")
        );
        let no_content = ask(&mut stream, "DELETE /204 HTTP/1.1\r\nhost: a\r\n\r\n").await;
        assert!(!no_content.contains("content-length"), "{no_content}");
    }
}

#[tokio::test]
async fn works_around_a_client() {
    let stream = connect().await;
    let (sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let sender = std::sync::Arc::new(tokio::sync::Mutex::new(sender));
    let client = service_fn(move |request: Request<Empty<Bytes>>| {
        let sender = sender.clone();
        async move { sender.lock().await.send_request(request).await }
    });
    let client = StatusNormalize.layer(client);
    for path in ["/502", "/503", "/200"] {
        let request = Request::builder().uri(path).header("host", "a").body(Empty::new()).unwrap();
        let response = client.clone().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_str(), &path[1..]);
        response.into_body().collect().await.unwrap();
    }
}
