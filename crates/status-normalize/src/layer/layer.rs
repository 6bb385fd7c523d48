//! The layers.

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use http::{Response, StatusCode};
use tokio::time::Instant;
use tower_layer::Layer;

use super::{StatusNormalizeService, access::Access, asked::Asked, guard::Guard, rewrite};
use crate::{Builder, RouteTable, policy::LazyPolicy, verdict::Kept};

/// What all services of a layer share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) routes: RouteTable<LazyPolicy>,
}

/// The layer with every default: the `sfs` catalog, enforcing.
#[derive(Clone, Copy, Debug, Default)]
pub struct StatusNormalize;

impl StatusNormalize {
    /// Starts a configured layer.
    pub fn builder() -> Builder {
        Builder::default()
    }
}

impl<S> Layer<S> for StatusNormalize {
    type Service = StatusNormalizeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        // A router calls this once per route, and the catalog is one for all.
        static DEFAULT: LazyLock<StatusNormalizeLayer> =
            LazyLock::new(|| Builder::default().build().expect("the defaults agree"));
        DEFAULT.layer(inner)
    }
}

/// A configured layer.
#[derive(Clone, Debug)]
pub struct StatusNormalizeLayer {
    shared: Arc<Shared>,
}

impl StatusNormalizeLayer {
    pub(crate) fn new(shared: Shared) -> Self {
        Self { shared: Arc::new(shared) }
    }

    /// A layer that does the same and shares with this one only what is never written: threads that each have their
    /// own do not contend for its reference counts.
    #[must_use]
    pub fn detached(&self) -> Self {
        Self::new(Shared { routes: self.shared.routes.map(LazyPolicy::detached) })
    }

    /// The counted answer to a request that could not be read: the documented description of `status` in the
    /// default media type, with `Content-Type` and `Content-Length` set.
    pub fn unread_request_reply(&self, status: StatusCode) -> Response<Bytes> {
        let access = Access::of_unread(Instant::now());
        let mut guard = Guard::new(self.shared.routes.default_value().get().clone(), Asked::UNREAD, access);
        let (mut head, ()) = Response::new(()).into_parts();
        head.status = status;
        guard.locally_answered(status);
        let whole = rewrite::describe(&mut head, &mut guard, Kept::default());
        guard.sent(&whole.data);
        guard.finish();
        Response::from_parts(head, whole.data)
    }
}

impl<S> Layer<S> for StatusNormalizeLayer {
    type Service = StatusNormalizeService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        StatusNormalizeService::new(inner, self.shared.clone())
    }
}
