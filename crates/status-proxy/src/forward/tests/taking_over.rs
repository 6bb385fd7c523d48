//! Another gateway while connections are open.

use super::*;

async fn ask(client: &mut DuplexStream, upstream: &mut TcpStream) -> String {
    client.write_all(GET).await.unwrap();
    let head = read_head(upstream).await;
    upstream.write_all(OK).await.unwrap();
    read_until(client, "ok").await;
    head
}

#[tokio::test]
async fn a_kept_connection_asks_the_new_gateway_next() {
    let old = Proxy::new().await;
    let mut client = old.connect();
    client.write_all(GET).await.unwrap();
    let mut old_upstream = old.accept().await;
    read_head(&mut old_upstream).await;
    old_upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;

    let new = Proxy::new().await;
    assert_eq!(read_to_end(&mut old_upstream).await, "", "idle, and nothing leads there any more");
    client.write_all(GET).await.unwrap();
    let mut new_upstream = new.accept().await;
    read_head(&mut new_upstream).await;
    new_upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;
}

#[tokio::test]
async fn a_request_under_way_ends_by_the_old_gateway() {
    let old = Proxy::with("", |config| config.forwarding.via = "old".into()).await;
    let mut client = old.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = old.accept().await;
    read_head(&mut upstream).await;

    let _new = Proxy::with("", |config| config.forwarding.via = "new".into()).await;
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nol").await.unwrap();
    let head = read_until(&mut client, "\r\n\r\nol").await;
    assert!(head.contains("via: 1.1 old\r\n"), "{head}");
    upstream.write_all(b"d!").await.unwrap();
    read_until(&mut client, "d!").await;
    assert_eq!(read_to_end(&mut upstream).await, "", "not kept: nothing leads there any more");
}

#[tokio::test]
async fn connections_to_an_upstream_that_stays_are_kept() {
    let proxy = Proxy::with("", |config| config.forwarding.via = "old".into()).await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    assert!(read_head(&mut upstream).await.contains("via: 1.1 old\r\n"));
    upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;

    proxy.configure(", max_requests = 7", |config| config.forwarding.via = "new".into());
    let head = ask(&mut client, &mut upstream).await;
    assert!(head.contains("via: 1.1 new\r\n"), "{head}");

    // Gone for a while, and back.
    let away = Proxy::new().await;
    assert_eq!(read_to_end(&mut upstream).await, "");
    drop(away);
    proxy.configure("", |_| ());
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;
    ask(&mut client, &mut upstream).await;
}

#[tokio::test]
async fn a_connection_made_under_other_limits_is_not_used() {
    let proxy = Proxy::new().await;
    let mut client = proxy.connect();
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(OK).await.unwrap();
    read_until(&mut client, "ok").await;

    proxy.configure("", |config| config.limits.head.bytes = 1024);
    assert_eq!(read_to_end(&mut upstream).await, "");
    client.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    let long = format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "x".repeat(2048));
    upstream.write_all(long.as_bytes()).await.unwrap();
    assert_eq!(status(&read_head(&mut client).await), "502");
}

#[tokio::test]
async fn an_old_gateway_is_gone_at_once_and_its_requests_are_answered() {
    let proxy = Proxy::new().await;
    let (mut idle, mut client) = (proxy.connect(), proxy.connect());
    idle.write_all(GET).await.unwrap();
    let mut upstream = proxy.accept().await;
    read_head(&mut upstream).await;
    upstream.write_all(OK).await.unwrap();
    read_until(&mut idle, "ok").await;
    client.write_all(GET).await.unwrap();
    read_head(&mut upstream).await;

    let old = Arc::downgrade(&proxy.configure("", |_| ()).unwrap());
    assert_eq!(old.strong_count(), 0, "neither a request nor a connection holds it");
    upstream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nha").await.unwrap();
    read_until(&mut client, "ha").await;
    upstream.write_all(b"lf").await.unwrap();
    read_until(&mut client, "lf").await;
}
