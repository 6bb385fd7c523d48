//! The operators' listener: metrics, health, a page to look at and the same as JSON.
//!
//! It runs on the main thread, which has nothing else to do: a scrape keeps no worker waiting.

mod api;
mod overview;
mod page;

use std::{convert::Infallible, io, net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};

use crate::recorder::Exposition;

pub(crate) use overview::Observed;

use self::overview::Overview;

/// Scrapers, probes and a few people; what comes on top waits.
const CONNECTIONS: usize = 64;
/// For a request head, and for the next one on the same connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// After which a connection ends with the answer that it is at, so that none is held for ever.
const CONNECTION_TIME: Duration = Duration::from_secs(60);
/// How long that last answer may take.
const LAST_ANSWER: Duration = Duration::from_secs(10);
/// A pause when the process has no file descriptors left.
const BACK_OFF: Duration = Duration::from_millis(100);
/// Nobody's browser may do more with a page of ours than show it.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; \
                      frame-ancestors 'none'";

/// The bound listener.
#[derive(Debug)]
pub(crate) struct Admin(TcpListener);

impl Admin {
    /// Binds the address.
    pub(crate) async fn bind(address: SocketAddr) -> io::Result<Self> {
        TcpListener::bind(address).await.map(Self)
    }

    /// What has been bound, with the port that the system chose for port 0.
    pub(crate) fn address(&self) -> io::Result<SocketAddr> {
        self.0.local_addr()
    }

    /// Serves as long as the runtime runs.
    pub(crate) async fn serve(self, observed: Arc<Observed>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS));
        loop {
            let Ok(place) = places.clone().acquire_owned().await else { return };
            match self.0.accept().await {
                Ok((stream, _)) => {
                    let observed = observed.clone();
                    tokio::spawn(async move {
                        connection(stream, observed).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "admin connection not accepted");
                    sleep(BACK_OFF).await;
                }
            }
        }
    }
}

async fn connection(stream: TcpStream, observed: Arc<Observed>) {
    let service = service_fn(move |request: Request<Incoming>| {
        let response = respond(&request, &observed.overview());
        async move { Ok::<_, Infallible>(response) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = std::pin::pin!(connection);
    // What goes wrong with an operator's connection, the operator sees.
    tokio::select! {
        _ = connection.as_mut() => {}
        () = sleep(CONNECTION_TIME) => {
            connection.as_mut().graceful_shutdown();
            let _ = timeout(LAST_ANSWER, connection).await;
        }
    }
}

fn respond<B>(request: &Request<B>, overview: &Overview) -> Response<Full<Bytes>> {
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    match request.uri().path() {
        "/" => html(page::render(overview)),
        "/livez" => text(StatusCode::OK, "alive\n"),
        "/readyz" if overview.is_draining() => text(StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
        "/readyz" => text(StatusCode::OK, "ready\n"),
        "/metrics" => {
            let accepts =
                request.headers().get_all(header::ACCEPT).iter().filter_map(|line| line.to_str().ok());
            let exposition = Exposition::negotiate(&accepts.collect::<Vec<_>>().join(","));
            answer(StatusCode::OK, exposition.content_type(), overview.metrics(exposition))
        }
        path => match api::respond(path, overview) {
            Some(json) => answer(StatusCode::OK, "application/json", json),
            None => text(StatusCode::NOT_FOUND, "try /, /metrics, /livez, /readyz or /api/\n"),
        },
    }
}

fn text(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    answer(status, "text/plain; charset=utf-8", text)
}

fn html(page: String) -> Response<Full<Bytes>> {
    let mut response = answer(StatusCode::OK, "text/html; charset=utf-8", page);
    response.headers_mut().insert(header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    response
}

/// hyper sends the length of the body, and to a HEAD request nothing else of it.
fn answer(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
