//! What the configuration means: no `Option` that has to be interpreted, durations as `Duration`, sizes as bytes.

use std::{net::SocketAddr, num::NonZeroUsize, sync::Arc, time::Duration};

use status_normalize::{RoutePattern, StatusNormalizeLayer};

/// Everything that `run` needs.
#[derive(Debug)]
pub(crate) struct Config {
    /// Where clients connect. Port 0 picks a free one.
    pub(crate) listen: SocketAddr,
    /// Where operators connect.
    pub(crate) admin: SocketAddr,
    /// One runtime and one listening socket each.
    pub(crate) workers: NonZeroUsize,
    /// Takes the requests that match no route; its catalog describes what is answered before a request is read.
    pub(crate) default: Arc<RouteConfig>,
    /// The other routes, in file order.
    pub(crate) routes: Vec<Arc<RouteConfig>>,
    pub(crate) limits: Limits,
    pub(crate) timeouts: Timeouts,
    pub(crate) forwarding: Forwarding,
}

/// A route: which requests, what happens to their answers, where they go.
#[derive(Debug)]
pub(crate) struct RouteConfig {
    /// The value of the metric label `route`.
    pub(crate) name: Arc<str>,
    pub(crate) pattern: RoutePattern,
    pub(crate) layer: StatusNormalizeLayer,
    /// `None` only for a default route that has no upstream: it answers 404.
    pub(crate) upstream: Option<Arc<UpstreamConfig>>,
}

/// Where requests go.
#[derive(Debug)]
pub(crate) struct UpstreamConfig {
    /// A host name or IP literal (without brackets), resolved at each new connection.
    pub(crate) host: Arc<str>,
    pub(crate) port: u16,
    /// Prepended to the request's path; empty or `/prefix` without a trailing slash.
    pub(crate) path_prefix: Arc<str>,
    pub(crate) protocol: Protocol,
    /// Whether `Host` is passed on as the client sent it (the default) or set to the upstream's authority.
    pub(crate) keep_host: bool,
    /// Requests in flight per worker before 503 is answered.
    pub(crate) max_requests: usize,
}

/// The protocol towards an upstream.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Protocol {
    /// gRPC over HTTP/2 with prior knowledge, anything else over HTTP/1.1.
    #[default]
    Auto,
    Http1,
    /// Prior knowledge, cleartext.
    Http2,
}

/// Limits on what a client may send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Bytes of a request or response head. Defaults to 128 KiB.
    pub(crate) head_bytes: usize,
    /// Fields of a request or response head. Defaults to 256.
    pub(crate) head_fields: usize,
    /// Bytes of a request body, if limited: 413 beyond. Defaults to no limit.
    pub(crate) request_body: Option<u64>,
    /// Client connections per process; beyond, accepting waits.
    pub(crate) connections: usize,
}

/// How long each phase may take.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timeouts {
    /// 5 s.
    pub(crate) connect: Duration,
    /// From the first byte of a request head to its last: 30 s, then 408.
    pub(crate) request_head: Duration,
    /// From the request's end to the response head: 60 s, then 504.
    pub(crate) response_head: Duration,
    /// Keep-alive time between requests, on both sides: 75 s. Never silence within a response or a tunnel.
    pub(crate) idle: Duration,
    /// How long a drain waits for what is in flight: 30 s.
    pub(crate) drain: Duration,
}

/// What is added to a forwarded request.
#[derive(Clone, Debug)]
pub(crate) struct Forwarding {
    /// The name in `Via`. Defaults to `status-proxy`.
    pub(crate) via: Arc<str>,
    /// Peers whose `X-Forwarded-*` and `Forwarded` fields are appended to; from others they are replaced.
    pub(crate) trust: Trust,
    /// Whether `Forwarded` (RFC 7239) is written as well. Defaults to no.
    pub(crate) forwarded: bool,
    /// Whether a missing `X-Request-Id` is generated. Defaults to no.
    pub(crate) request_id: bool,
}

/// Whose forwarded fields are believed.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Trust {
    /// Every peer's: the sidecar stands behind something that already vouches for them.
    #[default]
    All,
    /// Nobody's.
    None,
    /// Loopback and private addresses (RFC 1918, RFC 4193).
    Private,
}
