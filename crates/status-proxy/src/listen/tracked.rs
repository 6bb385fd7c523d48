//! Around the service of an HTTP/1.1 connection: tells the connection when a request has reached it and when its response
//! has ended.

use std::{
    num::NonZeroU64,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use http::{HeaderValue, Method, Request, Response, StatusCode, Version, header};
use http_body::{Body, Frame, SizeHint};
use hyper::{body::Incoming, ext::ReasonPhrase, service::Service};
use pin_project_lite::pin_project;
use status_normalize::reason_phrase;

use super::{boundary, client_body::ClientBody, client_conn::ClientConn};
use crate::bypass::{LONG_RESPONSE_BODY, MayBypass};

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
    S: Service<Request<ClientBody>, Response = Response<B>>,
    B: Body + MayBypass,
{
    type Response = Response<TrackedBody<B>>;
    type Error = S::Error;
    type Future = TrackedFuture<S::Future>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.client.request_started();
        let version = request.version();
        let is_connect = request.method() == Method::CONNECT;
        if let Some(fields) = self.client.take_fields() {
            boundary::give_fields(&mut request, fields);
        }
        let upload = self.client.take_upload();
        let request = request.map(|body| upload.map_or(ClientBody::Hyper(body), ClientBody::Upload));
        let exchange = Some(Exchange(self.client.clone()));
        TrackedFuture { inner: self.inner.call(request), exchange, version, is_connect }
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
        version: Version,
        is_connect: bool,
    }
}

impl<F, B, E> Future for TrackedFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body + MayBypass,
{
    type Output = Result<Response<TrackedBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let mut response = ready!(this.inner.poll(cx))?;
        name_status(&mut response);
        let exchange = this.exchange.take().expect("future polled after completion");
        exchange.0.take_interim_responses(false);
        // To HTTP/1.0 a body of unknown length ends with the connection, which hyper would say it keeps.
        if exchange.0.upload().is_abandoned()
            || *this.version == Version::HTTP_10 && response.body().size_hint().exact().is_none()
        {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if *this.version == Version::HTTP_10
            && response.headers().get(header::CONNECTION).is_some_and(|value| value == "close")
        {
            // To a response of HTTP/1.1 hyper would add that it keeps the connection.
            *response.version_mut() = Version::HTTP_10;
        }
        if response.body().size_hint().exact() >= Some(LONG_RESPONSE_BODY) {
            response.body_mut().may_bypass(&exchange.0);
        }
        let status = response.status();
        if status == StatusCode::SWITCHING_PROTOCOLS || *this.is_connect && status.is_success() {
            exchange.0.upgraded();
        }
        let unsent = if status == StatusCode::NOT_MODIFIED { content_length(&response) } else { None };
        Poll::Ready(Ok(response.map(|inner| TrackedBody { inner, unsent, _exchange: exchange })))
    }
}

/// The registered phrase where hyper has an older one, and an empty one where it would write `<none>`.
fn name_status<B>(response: &mut Response<B>) {
    let canonical = response.status().canonical_reason();
    let phrase = reason_phrase(response.status()).or(canonical).unwrap_or_default();
    if canonical != Some(phrase) && response.extensions().get::<ReasonPhrase>().is_none() {
        response.extensions_mut().insert(ReasonPhrase::from_static(phrase.as_bytes()));
    }
}

/// What a head says of its body's length, if it makes sense.
fn content_length<B>(response: &Response<B>) -> Option<NonZeroU64> {
    let length = response.headers().get(header::CONTENT_LENGTH)?.to_str().ok()?;
    length.parse().ok().filter(|_| !length.starts_with('+'))
}

pin_project! {
    /// The body of a response of a [`Tracked`] service.
    #[derive(Debug)]
    pub(super) struct TrackedBody<B> {
        #[pin]
        inner: B,
        // The length of the body that a 304 speaks of and does not have. hyper strikes that out unless it is the body's;
        // it asks none of these for its data.
        unsent: Option<NonZeroU64>,
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
        self.unsent.is_none() && self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.unsent.map_or_else(|| self.inner.size_hint(), |length| SizeHint::with_exact(length.get()))
    }
}
