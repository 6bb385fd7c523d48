//! Conversations with a served connection, byte by byte, through a pipe.

mod framing;
mod lifetime;
mod messages;
mod sockets;
mod streams;
mod uploads;

use std::{
    collections::VecDeque,
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering::SeqCst},
    },
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;
use hyper_util::rt::TokioIo;
use status_normalize::{StatusNormalize, StatusNormalizeLayer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, DuplexStream},
    sync::Notify,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::{
    boundary::{Boundary, Transport},
    client_body::ClientBody,
    client_conn::ClientConn,
    connection::{self, BoxError, Settings, serve},
    upgrade::ClientUpgrade,
    worker::Worker,
};
use crate::{
    batched::Reader,
    bypass::MayBypass,
    config::{HeadLimits, Limits, Timeouts},
    drain::Drain,
    upstream::RequestBody,
};

impl Transport for DuplexStream {
    fn reader(&self) -> Option<Reader> {
        None
    }

    fn abort_on_close(&self) {}

    fn poll_sent(&self, _cx: &Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn has_input(&self) -> bool {
        false
    }
}

/// What a test sees of the service, and how it steers it.
#[derive(Debug, Default)]
struct Backend {
    /// Requests that reached the service: method, target, and the body's length or that it broke off. Of those to
    /// `/fields` also the fields.
    seen: Mutex<Vec<String>>,
    /// Requests to `/wait` that were dropped before they were answered.
    cancelled: AtomicU32,
    go: Notify,
}

impl Backend {
    fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap().clone()
    }

    fn note(&self, text: String) {
        self.seen.lock().unwrap().push(text);
    }
}

struct CancelledUnless<'a>(&'a Backend, bool);

impl Drop for CancelledUnless<'_> {
    fn drop(&mut self) {
        self.0.cancelled.fetch_add(u32::from(!self.1), SeqCst);
    }
}

/// More than a client's connection takes in without being read from, by less than waits to be sent over HTTP/2.
const LONG_BYTES: usize = CONNECTION_BYTES + 128 * 1024;

const CONNECTION_BYTES: usize = 1024 * 1024;

/// A body of parts. An empty one makes it pause.
#[derive(Debug, Default)]
struct Parts(VecDeque<Result<Bytes, BoxError>>);

impl From<&str> for Parts {
    fn from(text: &str) -> Self {
        Self(if text.is_empty() {
            VecDeque::new()
        } else {
            [Ok(Bytes::copy_from_slice(text.as_bytes()))].into()
        })
    }
}

impl MayBypass for Parts {}

impl Body for Parts {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.0.front().is_some_and(|part| part.as_ref().is_ok_and(Bytes::is_empty)) {
            self.0.pop_front();
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(self.0.pop_front().map(|part| part.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_empty()
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.iter().map(|part| part.as_ref().map(Bytes::len)).sum::<Result<usize, _>>() {
            Ok(len) => SizeHint::with_exact(len as u64),
            Err(_) => SizeHint::default(),
        }
    }
}

async fn answer(
    mut request: Request<ClientBody>,
    client: Arc<ClientConn>,
    backend: Arc<Backend>,
) -> Result<Response<Parts>, Infallible> {
    let line = format!("{} {}", request.method(), request.uri());
    let path = request.uri().path().to_owned();
    let mut response = Response::new(Parts::from(&*path));
    match path.as_str() {
        "/early" => {
            backend.note(line);
            *response.status_mut() = StatusCode::PAYLOAD_TOO_LARGE;
            return Ok(response);
        }
        "/upgrade" => {
            backend.note(line);
            tokio::spawn(shout(ClientUpgrade::of(&mut request)));
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            response.headers_mut().insert("connection", HeaderValue::from_static("upgrade"));
            response.headers_mut().insert("upgrade", HeaderValue::from_static("shout"));
            *response.body_mut() = Parts::default();
            return Ok(response);
        }
        "/fields" => backend.note(format!("{:?}", request.headers())),
        "/hints" => {
            let mut hints = HeaderMap::new();
            hints.append("link", HeaderValue::from_static("</a>"));
            hints.append("link", HeaderValue::from_static("</b>"));
            client.send_informational(StatusCode::EARLY_HINTS, &hints);
            sleep(Duration::from_secs(1)).await;
            client.send_informational(StatusCode::PROCESSING, &HeaderMap::new());
        }
        "/panics" => panic!("as it was asked to"),
        "/patient" => sleep(Duration::from_secs(1)).await,
        _ => {}
    }
    let is_connect = request.method() == "CONNECT";
    let (body, _) = RequestBody::new(request.into_body(), None, false);
    if path.starts_with("/elsewhere") {
        if path == "/elsewhere/broken" {
            *response.body_mut() = broken();
        }
        tokio::spawn(async move {
            let body = body.collect().await.map(|body| body.to_bytes().len());
            backend.note(format!("{line} {body:?}"));
        });
        // By now it waits for more.
        sleep(Duration::from_millis(10)).await;
        return Ok(response);
    }
    match body.collect().await {
        Ok(body) => {
            let body = body.to_bytes();
            let is_sound = (0..=u8::MAX).cycle().zip(&body).all(|(expected, &found)| expected == found);
            backend.note(format!("{line} {}", body.len()));
            if path == "/sound" && !is_sound {
                backend.note("but wrong".into());
            }
        }
        Err(_) => {
            backend.note(format!("{line} broken"));
            *response.status_mut() = StatusCode::BAD_REQUEST;
        }
    }
    match path.as_str() {
        "/wait" => {
            let mut cancelled = CancelledUnless(&backend, false);
            backend.go.notified().await;
            cancelled.1 = true;
        }
        "/broken" => *response.body_mut() = broken(),
        "/long" => *response.body_mut() = Parts::from(&*"x".repeat(LONG_BYTES)),
        _ if is_connect => *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED,
        _ => {}
    }
    Ok(response)
}

fn broken() -> Parts {
    Parts([Ok("part".into()), Ok(Bytes::new()), Err("cut off".into())].into())
}

/// A tunnel's other end: says everything again, louder, and ends after its client has.
async fn shout(upgrade: ClientUpgrade) {
    let mut tunnel = upgrade.tunnel().await.unwrap();
    let mut space = [0; 64];
    loop {
        match tunnel.read(&mut space).await.unwrap() {
            0 => break,
            read => tunnel.write_all(&space[..read].to_ascii_uppercase()).await.unwrap(),
        }
    }
    tunnel.write_all(b"<end>").await.unwrap();
    tunnel.shutdown().await.unwrap();
}

fn handler(backend: &Arc<Backend>) -> impl Fn(Arc<ClientConn>) -> Handler + Clone + use<> {
    let backend = backend.clone();
    move |client| {
        let backend = backend.clone();
        Handler { client, backend }
    }
}

/// The service of one connection.
#[derive(Debug)]
struct Handler {
    client: Arc<ClientConn>,
    backend: Arc<Backend>,
}

impl hyper::service::Service<Request<ClientBody>> for Handler {
    type Response = Response<Parts>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Parts>, Infallible>> + Send>>;

    fn call(&self, request: Request<ClientBody>) -> Self::Future {
        Box::pin(answer(request, self.client.clone(), self.backend.clone()))
    }
}

/// A client and all that it talks to.
struct Talk {
    client: DuplexStream,
    server: JoinHandle<()>,
    backend: Arc<Backend>,
    drain: Drain,
}

const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    request_head: Duration::from_secs(30),
    request_body: Duration::from_secs(60),
    response_head: Duration::from_secs(60),
    idle: Duration::from_secs(75),
    drain: Duration::from_secs(30),
};

const LIMITS: Limits =
    Limits { head: HeadLimits { bytes: 128 * 1024, fields: 256 }, request_body: None, connections: 1000 };

/// A client's connection and what serves it.
pub(crate) fn connect<F, H>(drain: Drain, handler: F) -> (DuplexStream, JoinHandle<()>)
where
    F: Fn(Arc<ClientConn>) -> H + Send + Sync + 'static,
    H: connection::Handler,
{
    let (client, server) = tokio::io::duplex(CONNECTION_BYTES);
    let worker = Arc::new(Worker::new(Settings::new(LIMITS, TIMEOUTS, drain), layer()));
    let address = SocketAddr::from(([192, 0, 2, 1], 1234));
    let connection = Arc::new(ClientConn::new(address, "http"));
    let settings = worker.settings();
    let boundary = Boundary::new(server, connection, settings.limits.head, None);
    (client, tokio::spawn(serve(boundary, settings, worker, handler)))
}

impl Talk {
    fn start() -> Self {
        let backend = Arc::default();
        let drain = Drain::default();
        let (client, server) = connect(drain.clone(), handler(&backend));
        Self { client, server, backend, drain }
    }

    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.client.write_all(bytes.as_ref()).await.unwrap();
    }

    /// Reads until what has come ends with `end`.
    async fn until(&mut self, end: &str) -> String {
        let mut got = Vec::new();
        while !got.ends_with(end.as_bytes()) {
            let byte = timeout(Duration::from_secs(500), self.client.read_u8()).await;
            match byte {
                Ok(Ok(byte)) => got.push(byte),
                _ => panic!("no {end:?} after {:?}", String::from_utf8_lossy(&got)),
            }
        }
        String::from_utf8(got).unwrap()
    }

    /// Reads until the server closes.
    async fn rest(&mut self) -> String {
        let mut got = String::new();
        timeout(Duration::from_secs(500), self.client.read_to_string(&mut got))
            .await
            .expect("it closes")
            .unwrap();
        got
    }

    /// What the server has sent, once nothing moves.
    async fn now(&mut self) -> String {
        sleep(Duration::from_millis(1)).await;
        let mut got = Vec::new();
        let mut space = vec![0; 64 * 1024];
        while let Ok(Ok(read @ 1..)) = timeout(Duration::from_millis(1), self.client.read(&mut space)).await {
            got.extend_from_slice(&space[..read]);
        }
        String::from_utf8(got).unwrap()
    }

    async fn is_closed(&self) -> bool {
        sleep(Duration::from_millis(1)).await;
        self.server.is_finished()
    }
}

fn layer() -> StatusNormalizeLayer {
    StatusNormalize::builder().build().unwrap()
}

/// A request in HTTP/1.1 with a `Host`.
fn get(target: &str) -> String {
    format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n")
}

fn post(target: &str, fields: &str, body: &str) -> String {
    format!("POST {target} HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}")
}

/// The statuses in a sequence of responses.
fn statuses(responses: &str) -> Vec<u16> {
    responses.match_indices("HTTP/1.").map(|(at, _)| responses[at + 9..at + 12].parse().unwrap()).collect()
}
