//! Real sockets: listeners, workers, closing, the end of the program.

use std::{io, num::NonZeroUsize};

use socket2::SockRef;
use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::{
    batched::BatchedStream,
    drain::Signals,
    listen::{Listeners, Serving},
    loopback::tests::congestion_control,
};

pub(super) struct Front {
    pub(super) address: SocketAddr,
    pub(super) backend: Arc<Backend>,
    pub(super) drain: Drain,
    run: JoinHandle<io::Result<()>>,
}

pub(super) fn front(limits: Limits, timeouts: Timeouts, workers: usize) -> Front {
    let workers = NonZeroUsize::new(workers).unwrap();
    let (listeners, servings) = Listeners::bind(SocketAddr::from(([127, 0, 0, 1], 0)), workers).unwrap();
    let (address, backend, drain) = (listeners.address(), Arc::default(), Drain::default());
    for serving in servings {
        let settings = Settings::new(limits, timeouts, drain.clone());
        serving.send(Serving { settings, layer: layer(), take_over: Box::new(|| ()) }).unwrap();
    }
    let listening = listeners.start(limits.connections, &drain, handler(&backend)).unwrap();
    let run = tokio::spawn(listening.run(Signals::install().unwrap(), move || timeouts.drain));
    Front { address, backend, drain, run }
}

pub(super) async fn ask(address: SocketAddr, request: impl AsRef<[u8]>) -> io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(request.as_ref()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

pub(super) fn last(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
}

#[tokio::test]
async fn every_worker_listens_on_the_port_that_was_chosen() {
    let front = front(LIMITS, TIMEOUTS, 3);
    for _ in 0..30 {
        assert!(ask(front.address, last("/a")).await.unwrap().ends_with("/a"));
    }
    assert_eq!(front.backend.seen().len(), 30);
    let taken = Listeners::bind(front.address, NonZeroUsize::MIN).unwrap_err();
    assert_eq!(taken.kind(), io::ErrorKind::AddrInUse);
    front.drain.begin();
    front.run.await.unwrap().unwrap();
}

#[tokio::test]
async fn accepted_sockets_have_the_options_of_the_listener() {
    let listener = crate::listen::listener(SocketAddr::from(([127, 0, 0, 1], 0))).unwrap();
    let listener = TcpListener::from_std(listener).unwrap();
    let client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
    let (accepted, _) = listener.accept().await.unwrap();
    assert!(accepted.nodelay().unwrap());
    assert!(SockRef::from(&accepted).keepalive().unwrap());
    assert_eq!(congestion_control(&accepted), "reno");
    drop(client);
}

#[tokio::test]
async fn a_refused_upload_does_not_lose_its_answer_to_a_reset() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4000000\r\nTransfer-Encoding: chunked\r\n\r\n";
    let mut request = head.as_bytes().to_vec();
    request.resize(4_000_000, b'x');
    assert_eq!(statuses(&ask(front.address, request).await.unwrap()), [400]);
    let mut request = post("/early", "Content-Length: 4000000\r\n", "").into_bytes();
    request.resize(4_000_000, b'x');
    assert_eq!(statuses(&ask(front.address, request).await.unwrap()), [413]);
}

#[tokio::test]
async fn a_response_to_http_1_0_that_was_cut_off_does_not_look_complete() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let error = ask(front.address, "GET /broken HTTP/1.0\r\n\r\n").await.unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
}

/// The end of the response waits with us, because the client's side is full.
#[tokio::test]
async fn a_client_that_pauses_before_the_end_of_a_response_gets_it() {
    const IDLE: Duration = Duration::from_millis(200);
    for is_half_closed in [false, true] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, peer) = listener.accept().await.unwrap();
        let mut stream = BatchedStream::new(stream);
        let mut filled = 0;
        while let Ok(written) = timeout(Duration::from_millis(50), stream.write(&[b'.'; 64 * 1024])).await {
            filled += written.unwrap();
        }
        let settings = Settings::new(LIMITS, Timeouts { idle: IDLE, ..TIMEOUTS }, Drain::default());
        let worker = Arc::new(Worker::new(settings, layer()));
        let settings = worker.settings();
        let connection = Arc::new(ClientConn::new(peer, "http"));
        let boundary = Boundary::new(stream, connection, settings.limits.head, None);
        let server = tokio::spawn(serve(boundary, settings, worker, handler(&Arc::default())));
        client.write_all(get("/a").as_bytes()).await.unwrap();
        sleep(IDLE).await;
        if is_half_closed {
            client.shutdown().await.unwrap();
        }
        sleep(2 * IDLE).await;
        let mut got = String::new();
        client.read_to_string(&mut got).await.unwrap();
        assert!(got[filled..].ends_with("/a"), "{is_half_closed}: {:?}", &got[filled..]);
        server.await.unwrap();
    }
}

#[tokio::test]
async fn connections_beyond_the_limit_wait() {
    let front = front(Limits { connections: 1, ..LIMITS }, TIMEOUTS, 2);
    let mut first = TcpStream::connect(front.address).await.unwrap();
    first.write_all(get("/a").as_bytes()).await.unwrap();
    let mut space = [0; 512];
    assert_ne!(first.read(&mut space).await.unwrap(), 0);
    let second = tokio::spawn(ask(front.address, last("/b")));
    sleep(Duration::from_millis(50)).await;
    assert!(!second.is_finished());
    drop(first);
    assert!(second.await.unwrap().unwrap().ends_with("/b"));
}

#[tokio::test]
async fn the_program_ends_when_the_last_response_has() {
    let front = front(LIMITS, TIMEOUTS, 2);
    let waiting = tokio::spawn(ask(front.address, get("/wait")));
    while front.backend.seen().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    front.drain.begin();
    sleep(Duration::from_millis(50)).await;
    assert!(!front.run.is_finished());
    assert_eq!(TcpStream::connect(front.address).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    front.backend.go.notify_one();
    let answer = waiting.await.unwrap().unwrap();
    assert!(answer.ends_with("/wait") && answer.contains("connection: close\r\n"), "{answer:?}");
    front.run.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_drain_waits_only_so_long() {
    let front = front(LIMITS, Timeouts { drain: Duration::from_millis(100), ..TIMEOUTS }, 1);
    let _waiting = tokio::spawn(ask(front.address, get("/wait")));
    while front.backend.seen().is_empty() {
        sleep(Duration::from_millis(1)).await;
    }
    front.drain.begin();
    front.run.await.unwrap().unwrap();
}

#[tokio::test]
async fn no_request_is_lost_to_a_drain() {
    let front = front(LIMITS, TIMEOUTS, 2);
    let mut clients = Vec::new();
    for _ in 0..64 {
        // Connected before the drain, answered after it has begun.
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.write_all(get("/a").as_bytes()).await.unwrap();
        clients.push(stream);
    }
    front.drain.begin();
    for mut stream in clients {
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.ends_with("/a"), "{answer:?}");
    }
    front.run.await.unwrap().unwrap();
}
