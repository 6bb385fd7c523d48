//! The access log: one event per finished response, through `tracing`, with the target `status_normalize::access`.

use http::{HeaderMap, HeaderName, Request};
use tokio::time::Instant;
use tracing::Level;

use crate::{
    metrics::Outcome,
    policy::{Policy, Slot},
};

const TARGET: &str = "status_normalize::access";
const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// What the event of an exchange will say.
#[derive(Debug)]
pub(crate) struct Access {
    method: Box<str>,
    path: Box<str>,
    request_id: Option<Box<str>>,
    started: Instant,
    pub(crate) reason: Option<&'static str>,
    pub(crate) bytes: u64,
}

impl Access {
    /// A record, if somebody listens.
    #[inline]
    pub(crate) fn of<B>(request: &Request<B>, started: Instant) -> Option<Self> {
        if !tracing::enabled!(target: TARGET, Level::INFO) {
            return None;
        }
        Some(Self {
            method: request.method().as_str().into(),
            path: request.uri().path().into(),
            request_id: request_id(request.headers()),
            started,
            reason: None,
            bytes: 0,
        })
    }

    /// The record of a request that could not be read, if somebody listens: `-` stands for what nobody knows.
    pub(crate) fn of_unread(started: Instant) -> Option<Self> {
        tracing::enabled!(target: TARGET, Level::INFO).then(|| {
            let unknown = || Box::from("-");
            Self { method: unknown(), path: unknown(), request_id: None, started, reason: None, bytes: 0 }
        })
    }

    pub(crate) fn head(&mut self, headers: &HeaderMap) {
        if let Some(id) = request_id(headers) {
            self.request_id = Some(id);
        }
    }

    pub(crate) fn write(&self, policy: &Policy, slot: &Slot, outcome: Outcome) {
        let (status, upstream_status) = outcome.statuses(slot.status, slot.target);
        tracing::event!(
            target: TARGET,
            Level::INFO,
            method = &*self.method,
            path = &*self.path,
            catalog = policy.catalog.name(),
            route = &*policy.name,
            class = slot.class.as_str(),
            status = &*status,
            upstream_status = &*upstream_status,
            source = outcome.source(),
            action = outcome.action(),
            reason = self.reason,
            request_id = self.request_id.as_deref(),
            bytes = self.bytes,
            duration = self.started.elapsed().as_secs_f64(),
        );
    }
}

fn request_id(headers: &HeaderMap) -> Option<Box<str>> {
    headers.get(X_REQUEST_ID)?.to_str().ok().map(Into::into)
}
