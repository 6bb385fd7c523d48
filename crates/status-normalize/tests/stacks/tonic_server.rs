//! In a tonic server and around a tonic client.

use std::{
    convert::Infallible,
    future::Ready,
    task::{Context, Poll},
};

use http::{Request, Response};
use status_normalize::StatusNormalize;
use tonic::{
    Status,
    body::Body,
    codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder},
    server::NamedService,
    transport::Server,
};
use tower::{Layer, Service};

/// A service whose reply is no gRPC, as a proxy in between may send.
#[derive(Clone)]
struct Overloaded;

impl NamedService for Overloaded {
    const NAME: &'static str = "test.Overloaded";
}

impl Service<Request<Body>> for Overloaded {
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut response = Response::new(Body::empty());
        *response.status_mut() = http::StatusCode::SERVICE_UNAVAILABLE;
        std::future::ready(Ok(response))
    }
}

#[tokio::test]
async fn a_tonic_client_reads_the_description_as_a_status() {
    // T50
    let listener = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    tokio::spawn(
        Server::builder().layer(StatusNormalize).add_service(Overloaded).serve_with_incoming(incoming),
    );
    let channel =
        tonic::transport::Endpoint::try_from(format!("http://{address}")).unwrap().connect().await.unwrap();
    let mut client = tonic::client::Grpc::new(StatusNormalize.layer(channel));
    client.ready().await.unwrap();
    let path = http::uri::PathAndQuery::from_static("/test.Overloaded/Call");
    let status = client.unary(tonic::Request::new(()), path, Nothing).await.unwrap_err();
    assert_eq!(status.code(), tonic::Code::Unavailable);
    assert_eq!(status.message(), "The request is not completed because the service is unavailable.");
}

/// Messages without content.
#[derive(Default)]
struct Nothing;

impl Codec for Nothing {
    type Encode = ();
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Nothing {
    type Item = ();
    type Error = Status;

    fn encode(&mut self, (): (), _: &mut EncodeBuf<'_>) -> Result<(), Status> {
        Ok(())
    }
}

impl Decoder for Nothing {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}
