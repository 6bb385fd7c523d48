//! The tower layer.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::{Builder, RouteTable, policy::Policy};

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: RouteTable<Arc<Policy>>,
}

/// Response extension: the answer was made by the proxy itself, not by an upstream. Its body is ignored.
#[derive(Clone, Copy, Debug)]
pub struct LocalReply;

/// The layer with every default: the `sfs` catalog, enforcing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusNormalize;

impl StatusNormalize {
    /// Starts a configured layer.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

/// A configured layer.
#[derive(Clone, Debug)]
pub struct StatusNormalizeLayer {
    pub(crate) shared: Arc<Shared>,
}

impl StatusNormalizeLayer {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// The counted answer to a request that could not be read: the documented description of `status` in the
    /// default media type, with `Content-Type` and `Content-Length` set.
    pub fn unread_request_reply(&self, status: StatusCode) -> Response<Bytes> {
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = status;
        response
    }
}

impl<S> Layer<S> for StatusNormalizeLayer {
    type Service = StatusNormalizeService<S>;
    fn layer(&self, inner: S) -> Self::Service {
        StatusNormalizeService { inner, shared: self.shared.clone() }
    }
}

/// The service that [`StatusNormalizeLayer`] makes.
#[derive(Clone, Debug)]
pub struct StatusNormalizeService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for StatusNormalizeService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let _ = self.shared.routes.find(&request);
        ResponseFuture { inner: self.inner.call(request) }
    }
}

pin_project! {
    /// The future of [`StatusNormalizeService`].
    #[derive(Debug)]
    pub struct ResponseFuture<F> { #[pin] inner: F }
}

impl<F, B, E> Future for ResponseFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let response = ready!(self.project().inner.poll(cx))?;
        Poll::Ready(Ok(response.map(|inner| ResponseBody { inner: Some(inner) })))
    }
}

pin_project! {
    /// The body of a response that went through the layer.
    #[derive(Debug)]
    pub struct ResponseBody<B> { #[pin] inner: Option<B> }
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { inner: None }
    }
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        match self.project().inner.as_pin_mut() {
            Some(inner) => inner.poll_frame(cx).map(|frame| {
                frame.map(|frame| {
                    frame.map(|frame| frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))
                })
            }),
            None => Poll::Ready(None),
        }
    }
    fn is_end_stream(&self) -> bool {
        self.inner.as_ref().is_none_or(Body::is_end_stream)
    }
    fn size_hint(&self) -> SizeHint {
        self.inner.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
    }
}
