//! HTTP/2 with prior knowledge: a client and a backend.

use std::{
    convert::Infallible,
    future::Future,
    net::SocketAddr,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full, channel::Channel, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, client::conn::http2, server, service::service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
    time::timeout,
};

use super::PATIENCE;

/// Runs a future of a test to its end, bounded.
#[track_caller]
pub(crate) fn block_on<T>(future: impl Future<Output = T>) -> T {
    let bounded = async { timeout(PATIENCE * 4, future).await };
    runtime().block_on(bounded).unwrap_or_else(|_| panic!("it took too long"))
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        builder.worker_threads(2).enable_all().build().expect("threads can be started")
    })
}

/// What came back.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Reply {
    /// The one value of a field, or `""`.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut values = self.headers.get_all(name).iter();
        let value = values.next().map_or("", |value| value.to_str().expect("ASCII"));
        assert!(values.next().is_none(), "{name} stands once");
        value
    }

    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {:?}", self.body))
    }
}

/// A client connection.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    sender: http2::SendRequest<Full<Bytes>>,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr) -> Self {
        block_on(async {
            let stream = TcpStream::connect(address).await.expect("the proxy listens");
            let shaken = http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await;
            let (sender, connection) = shaken.expect("the proxy speaks HTTP/2");
            tokio::spawn(connection);
            Self { sender }
        })
    }

    /// Sends a request; the answer's body is still to be read.
    pub(crate) async fn start(&self, request: Request<Full<Bytes>>) -> hyper::Result<Response<Incoming>> {
        let mut sender = self.sender.clone();
        sender.ready().await?;
        sender.send_request(request).await
    }

    pub(crate) async fn send(&self, request: Request<Full<Bytes>>) -> hyper::Result<Reply> {
        let (head, body) = self.start(request).await?.into_parts();
        let collected = body.collect().await?;
        let trailers = collected.trailers().cloned().unwrap_or_default();
        let body = collected.to_bytes().to_vec();
        Ok(Reply { status: head.status.as_u16(), headers: head.headers, body, trailers })
    }

    /// Sends a request without a body and reads the whole answer.
    #[track_caller]
    pub(crate) fn ask(&self, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
        let reply = block_on(self.send(request(method, path, fields, Bytes::new())));
        reply.unwrap_or_else(|error| panic!("no whole answer: {error:?}"))
    }
}

/// A request to `http://api.test`.
pub(crate) fn request(
    method: &str,
    path: &str,
    fields: &[(&str, &str)],
    body: Bytes,
) -> Request<Full<Bytes>> {
    let mut builder = Request::builder().method(method).uri(format!("http://api.test{path}"));
    for (name, value) in fields {
        builder = builder.header(*name, *value);
    }
    builder.body(Full::new(body)).expect("a test sends what can be sent")
}

/// What the backend answers with.
#[derive(Clone, Debug)]
pub(crate) struct Scripted {
    pub(crate) status: u16,
    pub(crate) fields: Vec<(&'static str, String)>,
    /// One DATA frame each, after a pause.
    pub(crate) frames: Vec<(Duration, Bytes)>,
    pub(crate) trailers: Option<Vec<(&'static str, String)>>,
    /// Ends the stream with an error after the frames.
    pub(crate) broken: bool,
    /// Keeps the stream open after the frames.
    pub(crate) endless: bool,
}

impl Scripted {
    pub(crate) fn new(status: u16, fields: &[(&'static str, &str)], body: impl AsRef<[u8]>) -> Self {
        let body = Bytes::copy_from_slice(body.as_ref());
        let fields = fields.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let frames = if body.is_empty() { vec![] } else { vec![(Duration::ZERO, body)] };
        Self { status, fields, frames, trailers: None, broken: false, endless: false }
    }

    pub(crate) fn with_trailers(mut self, trailers: &[(&'static str, &str)]) -> Self {
        self.trailers = Some(trailers.iter().map(|(name, value)| (*name, (*value).to_owned())).collect());
        self
    }
}

/// A request as the backend saw it.
#[derive(Clone, Debug)]
pub(crate) struct Seen {
    pub(crate) head: http::request::Parts,
    pub(crate) body: Bytes,
}

/// A listener that speaks HTTP/2 and nothing else.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Backend {
    pub(crate) fn scripted(script: impl Fn(&Seen) -> Scripted + Send + Sync + 'static) -> Self {
        let (script, seen) = (Arc::new(script), Arc::new(Mutex::new(Vec::new())));
        let listener = block_on(TcpListener::bind("127.0.0.1:0")).expect("loopback has a free port");
        let address = listener.local_addr().expect("a bound socket has an address");
        let remembered = Arc::clone(&seen);
        let task = runtime().spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (script, remembered) = (Arc::clone(&script), Arc::clone(&remembered));
                let service = service_fn(move |request: Request<Incoming>| {
                    let (script, remembered) = (Arc::clone(&script), Arc::clone(&remembered));
                    async move {
                        let (head, body) = request.into_parts();
                        let seen = Seen { head, body: body.collect().await?.to_bytes() };
                        remembered.lock().expect("no task panics with it").push(seen.clone());
                        Ok::<_, hyper::Error>(respond(script(&seen)))
                    }
                });
                let mut builder = server::conn::http2::Builder::new(TokioExecutor::new());
                builder.timer(TokioTimer::new()).enable_connect_protocol();
                let connection = builder.serve_connection(TokioIo::new(stream), service);
                connections.spawn(async move {
                    let _ = connection.await;
                });
            }
        });
        Self { address, seen, task }
    }

    /// Every request gets the same.
    pub(crate) fn says(answer: Scripted) -> Self {
        Self::scripted(move |_| answer.clone())
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().expect("no task panics with it").clone()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Body = UnsyncBoxBody<Bytes, Box<dyn std::error::Error + Send + Sync>>;

fn respond(script: Scripted) -> Response<Body> {
    let Scripted { status, fields, frames, trailers, broken, endless } = script;
    let mut response =
        Response::builder().status(StatusCode::from_u16(status).expect("a three-digit status"));
    for (name, value) in fields {
        response = response.header(name, value);
    }
    let at_once =
        frames.iter().all(|(pause, _)| pause.is_zero()) && trailers.is_none() && !broken && !endless;
    let body = if at_once {
        let whole: Vec<u8> = frames.into_iter().flat_map(|(_, data)| data).collect();
        Full::new(Bytes::from(whole)).map_err(|never: Infallible| match never {}).boxed_unsync()
    } else {
        let (mut sender, body) = Channel::<Bytes, Box<dyn std::error::Error + Send + Sync>>::new(1);
        tokio::spawn(async move {
            for (pause, data) in frames {
                tokio::time::sleep(pause).await;
                if sender.send(Frame::data(data)).await.is_err() {
                    return;
                }
            }
            if let Some(trailers) = trailers {
                let mut map = HeaderMap::new();
                for (name, value) in trailers {
                    map.append(name, value.parse().expect("a test sends what can be sent"));
                }
                let _ = sender.send(Frame::trailers(map)).await;
            }
            if endless {
                tokio::time::sleep(PATIENCE * 4).await;
            }
            if broken {
                sender.abort("the script says so".into());
            }
        });
        body.boxed_unsync()
    };
    response.body(body).expect("a test sends what can be sent")
}
