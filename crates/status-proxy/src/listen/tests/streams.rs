//! HTTP/2.

use hyper::client::conn::http2;
use hyper_util::rt::TokioExecutor;

use super::*;

async fn connect(
    talk: Talk,
) -> (http2::SendRequest<Parts>, JoinHandle<hyper::Result<()>>, Arc<Backend>, Drain, JoinHandle<()>) {
    let (sender, connection) =
        http2::handshake::<_, _, Parts>(TokioExecutor::new(), TokioIo::new(talk.client)).await.unwrap();
    (sender, tokio::spawn(connection), talk.backend, talk.drain, talk.server)
}

fn request(path: &str) -> Request<Parts> {
    Request::get(format!("http://a{path}")).body(Parts::default()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn the_preface_is_recognised_however_it_is_split() {
    for at in [1, 3, 17, 18, 23] {
        let mut talk = Talk::start();
        let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
        talk.send(&preface[..at]).await;
        assert_eq!(talk.now().await, "");
        talk.send(&preface[at..]).await;
        talk.send(b"\0\0\0\x04\0\0\0\0\0").await;
        sleep(Duration::from_millis(1)).await;
        let mut head = [0; 9];
        talk.client.read_exact(&mut head).await.unwrap();
        assert_eq!(head[3], 4, "a SETTINGS frame, split at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_are_served_and_an_idle_connection_is_told_to_go() {
    let (mut sender, connection, backend, _, server) = connect(Talk::start()).await;
    let response = sender.send_request(request("/a")).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/a");
    let waiting = tokio::spawn(sender.send_request(request("/wait")));
    sleep(Duration::from_secs(1000)).await;
    assert!(!server.is_finished());
    backend.go.notify_one();
    let response = waiting.await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/wait");
    sleep(Duration::from_secs(74)).await;
    assert!(!connection.is_finished());
    sleep(Duration::from_secs(40)).await;
    assert!(connection.is_finished() && server.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_response_that_is_read_late_is_whole() {
    let mut talk = Talk::start();
    talk.send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
    // Windows as large as can be, and a request.
    talk.send(b"\0\0\x06\x04\0\0\0\0\0\0\x04\x7f\xff\xff\xff").await;
    talk.send(b"\0\0\x04\x08\0\0\0\0\0\x7f\0\0\0").await;
    talk.send(b"\0\0\x0c\x01\x05\0\0\0\x01\x82\x86\x04\x05/long\x41\x01a").await;
    sleep(Duration::from_secs(1000)).await;
    let (mut bytes, mut ends) = (0, false);
    while !ends {
        let mut head = [0; 9];
        talk.client.read_exact(&mut head).await.expect("the response goes on");
        let [_, a, b, kind, flags, ..] = head;
        let mut payload = vec![0; usize::from(u16::from_be_bytes([a, b]))];
        talk.client.read_exact(&mut payload).await.expect("the response goes on");
        if kind == 0 {
            (bytes, ends) = (bytes + payload.len(), flags == 1);
        }
    }
    assert_eq!(bytes, LONG_BYTES);
    // Only then does it become idle.
    assert!(!talk.is_closed().await);
    sleep(Duration::from_secs(120)).await;
    assert!(talk.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn draining_lets_streams_end() {
    let (mut sender, connection, backend, drain, server) = connect(Talk::start()).await;
    let waiting = tokio::spawn(sender.send_request(request("/wait")));
    sleep(Duration::from_secs(1)).await;
    drain.begin();
    sleep(Duration::from_secs(20)).await;
    assert!(!server.is_finished());
    backend.go.notify_one();
    let response = waiting.await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/wait");
    connection.await.unwrap().unwrap();
    server.await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_panic_ends_one_stream() {
    let (mut sender, _connection, backend, ..) = connect(Talk::start()).await;
    let waiting = tokio::spawn(sender.send_request(request("/wait")));
    for _ in 0..200 {
        let error = sender.send_request(request("/panics")).await.unwrap_err();
        assert!(error.to_string().contains("http2 error"), "{error}");
    }
    backend.go.notify_one();
    let response = waiting.await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "/wait");
}
