//! Tells the client connection when a request has reached the service and when its response has ended.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{Method, Request, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, service::Service};
use pin_project_lite::pin_project;

use super::{boundary, client_conn::ClientConn};

/// Wraps the service of a connection.
#[derive(Debug)]
pub(super) struct Tracked<S> {
    inner: S,
    client: Arc<ClientConn>,
}

impl<S> Tracked<S> {
    pub(super) fn new(inner: S, client: Arc<ClientConn>) -> Self {
        Self { inner, client }
    }
}

impl<S, B> Service<Request<Incoming>> for Tracked<S>
where
    S: Service<Request<Incoming>, Response = Response<B>>,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = TrackedFuture<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.client.request_started();
        // The boundary does not look into HTTP/2.
        if request.version() != Version::HTTP_2
            && let Some(fields) = self.client.take_fields()
        {
            boundary::give_fields(&mut request, fields);
        }
        let exchange = Exchange(self.client.clone());
        let is_connect = request.method() == Method::CONNECT;
        TrackedFuture { inner: self.inner.call(request), exchange: Some(exchange), is_connect }
    }
}

/// From the request's start to the response's end, however it ends.
#[derive(Debug)]
struct Exchange(Arc<ClientConn>);

impl Drop for Exchange {
    fn drop(&mut self) {
        self.0.response_finished();
    }
}

pin_project! {
    /// The future of a [`Tracked`] service.
    #[derive(Debug)]
    pub(super) struct TrackedFuture<F> {
        #[pin]
        inner: F,
        exchange: Option<Exchange>,
        is_connect: bool,
    }
}

impl<F, B, E> Future for TrackedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx))?;
        let exchange = this.exchange.take().expect("future polled after completion");
        exchange.0.take_interim_responses(false);
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS || *this.is_connect && status.is_success() {
            exchange.0.upgraded();
        }
        Poll::Ready(Ok(response.map(|inner| TrackedBody { inner, _exchange: exchange })))
    }
}

pin_project! {
    /// The body of a response of a [`Tracked`] service.
    #[derive(Debug)]
    pub(super) struct TrackedBody<B> {
        #[pin]
        inner: B,
        _exchange: Exchange,
    }
}

impl<B: Body> Body for TrackedBody<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        self.project().inner.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}
