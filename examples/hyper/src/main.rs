//! A bare hyper server.
//!
//! ```text
//! cargo run -p example-hyper
//! curl -i http://127.0.0.1:3000/                                    # fine
//! curl -i http://127.0.0.1:3000/503                                 # described
//! curl -i http://127.0.0.1:3000/418                                 # undocumented: passes
//! ```

use std::convert::Infallible;

use http_body_util::Full;
use hyper::{
    Request, Response, StatusCode,
    body::{Bytes, Incoming},
    server::conn::http1,
};
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use status_normalize::StatusNormalize;
use tower::{ServiceBuilder, service_fn};

async fn answer(request: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::from("Hello\n"));
    if let Ok(status) = request.uri().path()[1..].parse::<StatusCode>() {
        *response.status_mut() = status;
    }
    Ok(response)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let service = ServiceBuilder::new().layer(StatusNormalize).service(service_fn(answer));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:3000").await?;
    loop {
        let (stream, _) = listener.accept().await?;
        let service = TowerToHyperService::new(service.clone());
        tokio::spawn(async move {
            if let Err(error) = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await {
                eprintln!("connection: {error}");
            }
        });
    }
}
