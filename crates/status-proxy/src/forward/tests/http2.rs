//! HTTP/2 on either side.

use super::*;

#[tokio::test]
async fn http_2_heads_beyond_the_limits_are_refused() {
    let proxy = Proxy::with("", |config| {
        config.limits = Limits { head: HeadLimits { bytes: 500, fields: 8 }, ..config.limits }
    })
    .await;
    let mut client = proxy.connect_http2().await;
    for (fields, len) in [(9, 1), (1, 500)] {
        let mut request = Request::get("http://a/").body(Full::default()).unwrap();
        for field in 0..fields {
            let name = HeaderName::from_bytes(format!("x-{field}").as_bytes()).unwrap();
            request.headers_mut().insert(name, HeaderValue::from_str(&"y".repeat(len)).unwrap());
        }
        let response = client.send_request(request).await.unwrap();
        assert_eq!(response.status(), 431, "{fields} fields of {len} bytes");
    }
}

#[tokio::test]
async fn http2_upstreams_share_one_connection() {
    let proxy = Proxy::with(", protocol = \"http2\"", |_| ()).await;
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let connections = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let Proxy { upstream } = proxy;
    let (log, count) = (seen.clone(), connections.clone());
    tokio::spawn(async move {
        loop {
            let (stream, _) = upstream.accept().await.unwrap();
            count.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let log = log.clone();
            let service = service_fn(move |request: Request<hyper::body::Incoming>| {
                let log = log.clone();
                async move {
                    log.lock().unwrap().push((request.uri().clone(), request.headers().clone()));
                    let body = request.into_body().collect().await?.to_bytes();
                    Ok::<_, hyper::Error>(Response::new(Full::new(body)))
                }
            });
            tokio::spawn(async move {
                let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                    .serve_connection(TokioIo::new(stream), service)
                    .await;
            });
        }
    });
    let proxy = Proxy { upstream: TcpListener::bind("127.0.0.1:0").await.unwrap() };
    let mut clients: Vec<_> = (0..5).map(|_| proxy.connect()).collect();
    for client in &mut clients {
        client
            .write_all(
                b"POST /x?y HTTP/1.1\r\nHost: api.example\r\nTE: trailers\r\nContent-Length: 3\r\n\r\nabc",
            )
            .await
            .unwrap();
    }
    for client in &mut clients {
        let answer = read_until(client, "abc").await;
        assert_eq!(status(&answer), "200");
        assert!(answer.contains("via: 2 status-proxy\r\n"), "{answer}");
    }
    assert_eq!(connections.load(std::sync::atomic::Ordering::Relaxed), 1);
    let seen = seen.lock().unwrap();
    let (uri, headers) = &seen[0];
    assert_eq!(uri.to_string(), "http://api.example/x?y");
    assert_eq!(headers["te"], "trailers");
    assert!(!headers.contains_key("host") && !headers.contains_key("connection"), "{headers:?}");
}

/// T10
#[tokio::test]
async fn http2_clients_get_what_http2_has() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect_http2().await;
    let request = Request::get("http://api.example/a?b")
        .header("cookie", "a=1")
        .header("cookie", "b=2")
        .header("te", "trailers")
        .body(Full::default())
        .unwrap();
    let answer = tokio::spawn(client.send_request(request));
    let mut upstream = proxy.accept().await;
    assert_eq!(
        read_head(&mut upstream).await,
        "GET /a?b HTTP/1.1\r\ncookie: a=1; b=2\r\nhost: api.example\r\nconnection: te\r\nte: trailers\r\n\
         x-forwarded-for: 192.0.2.1\r\nx-forwarded-proto: http\r\nx-forwarded-host: api.example\r\n\
         via: 2 status-proxy\r\n\r\n"
    );
    upstream
        .write_all(
            b"HTTP/1.1 200 Fine\r\nConnection: keep-alive, x-a\r\nX-A: 1\r\nKeep-Alive: timeout=5\r\nProxy-Connection: x\r\n\
              Upgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 7\r\n\
              Content-Length: 2\r\n\r\n",
        )
        .await
        .unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    let mut names: Vec<_> = answer.headers().keys().map(|name| name.as_str().to_owned()).collect();
    names.sort_unstable();
    assert_eq!(names, ["date", "via"]);
    let body = answer.into_body().collect().await.unwrap();
    let trailers = body.trailers().unwrap();
    assert_eq!((&trailers["x-sum"], trailers.len()), (&HeaderValue::from_static("7"), 1));
    assert_eq!(body.to_bytes(), "ok");
    // Again on the same upstream connection.
    let request = Request::post("http://api.example/").body(Full::default()).unwrap();
    let answer = tokio::spawn(client.send_request(request));
    assert!(read_head(&mut upstream).await.contains("content-length: 0\r\n"));
    upstream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
    assert_eq!(timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap().status(), 204);
}

#[tokio::test]
async fn an_http2_body_that_broke_off_is_an_error() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect_http2().await;
    let answer = tokio::spawn(client.send_request(Request::get("http://a/").body(Full::default()).unwrap()));
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n").await.unwrap();
    drop(upstream);
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(answer.into_body().collect().await.is_err());
}

#[tokio::test]
async fn an_extended_connect_becomes_an_upgrade() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect_http2().await;
    let ask = || {
        Request::connect("http://api.example/chat")
            .extension(hyper::ext::Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .header("cookie", "a=1")
            .header("cookie", "b=2")
            .body(Full::default())
            .unwrap()
    };
    // The server's settings have to arrive first.
    client.ready().await.unwrap();
    let warm = tokio::spawn(client.send_request(Request::get("http://a/").body(Full::default()).unwrap()));
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await.unwrap();
    warm.await.unwrap().unwrap();

    let answer = tokio::spawn(client.send_request(ask()));
    let head = read_head(&mut upstream).await;
    assert!(head.starts_with("GET /chat HTTP/1.1\r\n"), "{head}");
    for field in [
        "host: api.example",
        "connection: upgrade",
        "upgrade: websocket",
        "sec-websocket-version: 13",
        "cookie: a=1; b=2",
        "via: 2 status-proxy",
    ] {
        assert!(head.contains(&format!("{field}\r\n")), "{field} in {head}");
    }
    assert!(head.contains("sec-websocket-key: "), "{head}");
    upstream
        .write_all(b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s\r\n\r\nhello")
        .await
        .unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 200);
    assert!(
        !answer.headers().contains_key("sec-websocket-accept") && !answer.headers().contains_key("upgrade")
    );
    let mut tunnel = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
    read_until(&mut tunnel, "hello").await;
    tunnel.write_all(b"last words").await.unwrap();
    tunnel.shutdown().await.unwrap();
    assert_eq!(read_to_end(&mut upstream).await, "last words");
    upstream.write_all(b"still here").await.unwrap();
    drop(upstream);
    assert_eq!(read_to_end(&mut tunnel).await, "still here");

    let answer = tokio::spawn(client.send_request(ask()));
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nno").await.unwrap();
    let answer = timeout(PATIENCE, answer).await.unwrap().unwrap().unwrap();
    assert_eq!(answer.status(), 403);

    let mut ambiguous = ask();
    for host in ["a", "b"] {
        ambiguous.headers_mut().append("host", HeaderValue::from_static(host));
    }
    let answer = timeout(PATIENCE, client.send_request(ambiguous)).await.unwrap().unwrap();
    assert_eq!(answer.status(), 400);
}

#[tokio::test]
async fn an_http2_upstream_that_goes_away_is_connected_to_again() {
    let proxy = Proxy::with(", protocol = \"http2\"", |_| ()).await;
    let mut client = proxy.connect();
    for round in 0..3 {
        client.write_all(GET).await.unwrap();
        let stream = proxy.accept().await;
        let service = service_fn(|_| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from_static(b"ok"))))
        });
        let mut served = std::pin::pin!(
            hyper::server::conn::http2::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
        );
        tokio::select! {
            answer = read_until(&mut client, "ok") => assert_eq!(status(&answer), "200", "{round}"),
            ended = &mut served => panic!("{ended:?}"),
        }
        served.as_mut().graceful_shutdown();
        let _ = timeout(PATIENCE, served).await.unwrap();
    }
}
