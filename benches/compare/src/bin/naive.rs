//! What most people write: a multi-thread runtime, the pooled client of hyper-util, boxed bodies, no catalog. Replaces the
//! body of every error by a constant when told to.
//!
//! `naive LISTEN UPSTREAM pass|rewrite`

use std::{convert::Infallible, io, sync::Arc};

use bytes::Bytes;
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{Request, Response, StatusCode, body::Incoming, header, service::service_fn};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioIo},
    server::conn::auto,
};
use tokio::net::TcpListener;

type Body = BoxBody<Bytes, hyper::Error>;

fn constant(status: StatusCode) -> Response<Body> {
    let body = Full::new(Bytes::from_static(b"{}")).map_err(|never: Infallible| match never {}).boxed();
    let mut response = Response::new(body);
    *response.status_mut() = status;
    response
}

async fn forward(
    client: Client<HttpConnector, Incoming>,
    upstream: Arc<str>,
    rewrite: bool,
    mut request: Request<Incoming>,
) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let Ok(uri) = format!("http://{upstream}{path}").parse() else {
        return Ok(constant(StatusCode::BAD_REQUEST));
    };
    *request.uri_mut() = uri;
    *request.version_mut() = hyper::Version::HTTP_11;
    for name in [header::CONNECTION, header::TE, header::TRANSFER_ENCODING, header::UPGRADE] {
        request.headers_mut().remove(name);
    }
    let Ok(response) = client.request(request).await else {
        return Ok(constant(StatusCode::BAD_GATEWAY));
    };
    let status = response.status();
    if rewrite && status.as_u16() >= 400 {
        let (mut parts, body) = response.into_parts();
        // Read to its end, so that the connection goes back to the pool.
        let _ = body.collect().await;
        parts.headers.remove(header::CONTENT_LENGTH);
        parts
            .headers
            .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/problem+json"));
        return Ok(Response::from_parts(parts, constant(status).into_body()));
    }
    Ok(response.map(BodyExt::boxed))
}

#[tokio::main]
async fn main() -> io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, listen, upstream, mode] = &arguments[..] else {
        return Err(io::Error::other("usage: naive LISTEN UPSTREAM pass|rewrite"));
    };
    let listener = TcpListener::bind(listen).await?;
    let upstream: Arc<str> = upstream.as_str().into();
    let rewrite = mode == "rewrite";
    let mut connector = HttpConnector::new();
    connector.set_nodelay(true);
    let client: Client<HttpConnector, Incoming> = Client::builder(TokioExecutor::new()).build(connector);
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let (client, upstream) = (client.clone(), upstream.clone());
        tokio::spawn(async move {
            let service =
                service_fn(move |request| forward(client.clone(), upstream.clone(), rewrite, request));
            // A connection that breaks ends alone.
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
