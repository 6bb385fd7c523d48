//! The service.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use http::{Request, Response};
use http_body::Body;
use tokio::time::Instant;
use tower_service::Service;

use super::{ResponseBody, ResponseFuture, access::Access, asked::Asked, guard::Guard, layer::Shared};

/// The service that [`StatusNormalizeLayer`](super::StatusNormalizeLayer) makes. Its error is the inner service's.
#[derive(Clone, Debug)]
pub struct StatusNormalizeService<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> StatusNormalizeService<S> {
    pub(crate) fn new(inner: S, shared: Arc<Shared>) -> Self {
        Self { inner, shared }
    }

    /// The inner service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The inner service.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// The inner service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for StatusNormalizeService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, ResBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<ReqBody>) -> Self::Future {
        let started = Instant::now();
        let policy = self.shared.routes.find(&request).get();
        // Only a backend may say it: one that repeats its request's fields must not say it for the client.
        if let Some(opt_out) = &policy.settings.opt_out {
            request.headers_mut().remove(opt_out);
        }
        let asked = Asked::of(request.method(), request.headers(), policy);
        let guard = Guard::new(policy.clone(), asked, Access::of(&request, started));
        ResponseFuture::new(self.inner.call(request), guard, started)
    }
}
