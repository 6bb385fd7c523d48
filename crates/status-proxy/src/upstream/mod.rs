//! The way to upstreams: connections, pools, and one exchange of request and response at a time.
//!
//! [`Upstream::send`] is the seam: what is in front of it knows nothing of connections, what is behind it nothing of
//! routes and catalogs.

mod codec;
mod connect;
mod deadline;
mod http1;
mod http2;
mod pool;
mod request_body;
mod response_body;
mod transport;

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri, Version, header};
use http_body::Body;
use tokio::time::Instant;

use self::{
    http1::Http1Connection,
    http2::Call,
    pool::{Permit, PoolId},
};
pub(crate) use self::{
    http2::Error as Http2Error,
    request_body::{Progress, RequestBody},
    response_body::UpstreamBody,
};
use crate::{
    batched::BatchedStream,
    config::{Config, HeadLimits, Protocol, UpstreamConfig},
    forward::{Added, Via, hop_by_hop},
    local_reply::Failure,
    metrics::{self, OpenConnection},
};

/// What is added to most heads without making the map grow: `Via`, `Date`, and one more.
const ADDED_FIELDS: usize = 3;

/// Informational responses before an answer; a peer that sends more is not going to answer.
const MAX_INFORMATIONAL: usize = 64;

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Upstream {
    config: Arc<UpstreamConfig>,
    /// The name of the route that leads there.
    route: Arc<str>,
    /// As `Host` has it.
    authority: HeaderValue,
    /// By which name it and its clients know this proxy.
    via: Via,
    limits: Limits,
    pool: PoolId,
}

/// What the configuration says about every upstream.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    request_body: Duration,
    response_head: Duration,
    connection: ConnectionLimits,
}

/// The part of it that a connection is made with, and keeps.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct ConnectionLimits {
    idle: Duration,
    head: HeadLimits,
}

/// Closes this thread's idle connections to all other upstreams, and has those end that are in use.
pub(crate) fn keep_only<'a>(upstreams: impl IntoIterator<Item = &'a Upstream>) {
    pool::keep_only(upstreams.into_iter().map(|upstream| upstream.pool));
}

/// The head of a request in HTTP/1.1's form: origin-form target (or `*`), Host, hop-by-hop fields only where they are meant
/// for the upstream.
#[derive(Debug, Default)]
pub(crate) struct RequestHead {
    pub(crate) method: Method,
    pub(crate) uri: Uri,
    pub(crate) headers: HeaderMap,
}

/// What there is to a request besides its head and its body.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) progress: Progress,
    pub(crate) added: Added,
    /// The version that the request was received in.
    pub(crate) version: Version,
    /// Whether the request asks for another protocol.
    pub(crate) upgrade: bool,
}

impl Outgoing {
    /// Does what an interim response is for.
    fn pass_on(&self, status: StatusCode, headers: &mut HeaderMap) {
        if status == StatusCode::CONTINUE {
            // The client is told when its body is read.
            self.progress.release();
        } else if self.version != Version::HTTP_10 {
            hop_by_hop::remove(headers);
            // RFC 9110, section 8.6: no length with 1xx. HTTP/2 clients take it for a fault of the whole response.
            headers.remove(header::CONTENT_LENGTH);
            self.added.origin.client().send_informational(status, headers);
        }
    }
}

/// The upstream's side of a connection that speaks another protocol now.
#[derive(Debug)]
pub(crate) struct Tunnel {
    pub(crate) io: BatchedStream,
    /// What has been read of the new protocol already.
    pub(crate) read: Bytes,
    _open: OpenConnection,
}

impl Upstream {
    pub(crate) fn new(upstream: &Arc<UpstreamConfig>, route: &Arc<str>, config: &Config) -> Self {
        let connection = ConnectionLimits { idle: config.timeouts.idle, head: config.limits.head };
        Self {
            pool: PoolId::of(upstream, connection),
            config: upstream.clone(),
            route: route.clone(),
            authority: authority(upstream),
            via: Via::new(&config.forwarding.via),
            limits: Limits {
                connect: config.timeouts.connect,
                request_body: config.timeouts.request_body,
                response_head: config.timeouts.response_head,
                connection,
            },
        }
    }

    pub(crate) fn route(&self) -> &str {
        &self.route
    }

    pub(crate) fn config(&self) -> &UpstreamConfig {
        &self.config
    }

    /// The value of `Host` where that is not the client's.
    pub(crate) fn authority(&self) -> &HeaderValue {
        &self.authority
    }

    /// Sends a request, whose head is taken out of `head`. Dropping what comes of it gives up the connection or stream.
    pub(crate) fn send(
        self: &Arc<Self>,
        head: &mut RequestHead,
        body: RequestBody,
        outgoing: Outgoing,
    ) -> Result<Sending, Failure> {
        let permit = self.pool.admit(self.config.max_requests)?;
        let http2 = match self.config.protocol {
            Protocol::Auto => http2::is_grpc(&head.headers),
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        };
        let now = Instant::now();
        let way = if http2 && !outgoing.upgrade {
            let unsent = Unsent { head: mem::take(head), body, outgoing, permit };
            let call = Call::new(unsent, self)?;
            match self.pool.http2() {
                Some(connection) => Way::Http2(Some(call.begin(connection)?)),
                None => Way::Long(Box::pin(self.clone().send_http2(Box::new(call)))),
            }
        } else if let Some(connection) = self.pool.take_http1(now) {
            Way::Http1(connection.begin(head, body, outgoing, permit, self, now))
        } else {
            let unsent = Unsent { head: mem::take(head), body, outgoing, permit };
            Way::Long(Box::pin(self.clone().send_http1(unsent)))
        };
        Ok(Sending { upstream: self.clone(), way })
    }

    /// Sends a request on a new connection.
    async fn send_http1(self: Arc<Self>, unsent: Unsent) -> Result<Way, Failure> {
        let connection = Http1Connection::open(&self.config, &self.limits, self.pool).await?;
        let Unsent { mut head, body, outgoing, permit } = unsent;
        Ok(Way::Http1(connection.begin(&mut head, body, outgoing, permit, &self, Instant::now())))
    }

    /// The same over HTTP/2, unless one of those that are open has room first.
    async fn send_http2(self: Arc<Self>, call: Box<Call>) -> Result<Way, Failure> {
        let connection = self.pool.wait_for_http2(&self.config, &self.limits).await?;
        Ok(Way::Http2(Some(call.begin(connection)?)))
    }
}

fn authority(UpstreamConfig { host, port, .. }: &UpstreamConfig) -> HeaderValue {
    let text = match (host.contains(':'), port) {
        (true, 80) => format!("[{host}]"),
        (true, port) => format!("[{host}]:{port}"),
        (false, 80) => host.to_string(),
        (false, port) => format!("{host}:{port}"),
    };
    HeaderValue::from_str(&text).expect("the configured URL is visible ASCII")
}

/// A request that no connection has taken, or that may be sent on another.
struct Unsent {
    head: RequestHead,
    body: RequestBody,
    outgoing: Outgoing,
    permit: Permit,
}

/// A request on its way, and then the head of its response.
///
/// There is one for every request in flight, and it is moved, so it is small: what seldom happens is in a box. For the same
/// reason the response is taken out of it once and for all, not handed from future to future.
pub(crate) struct Sending {
    upstream: Arc<Upstream>,
    way: Way,
}

enum Way {
    Http1(http1::Exchange),
    /// `None` once the response was taken.
    Http2(Option<Box<http2::Exchange>>),
    /// To a connection that is yet to be opened.
    Long(Pin<Box<dyn Future<Output = Result<Self, Failure>> + Send>>),
}

impl Sending {
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Goes on until the head of the response is there.
    pub(crate) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Failure>> {
        loop {
            self.way = match &mut self.way {
                Way::Http1(exchange) => match ready!(exchange.poll(cx)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(http1::Unanswered::Final(failure)) => return Poll::Ready(Err(failure)),
                    Err(http1::Unanswered::Silent(again)) => {
                        metrics::upstream_retry();
                        // The others in the pool are as old as this one was.
                        Way::Long(Box::pin(self.upstream.clone().send_http1(*again)))
                    }
                },
                Way::Http2(exchange) => match ready!(exchange.as_mut().expect(NO_RESPONSE).poll(cx)) {
                    Ok(()) => return Poll::Ready(Ok(())),
                    Err(http2::Unanswered::Final(failure)) => return Poll::Ready(Err(failure)),
                    Err(http2::Unanswered::Again) => {
                        metrics::upstream_retry();
                        let call = exchange.take().expect(NO_RESPONSE).into_call();
                        Way::Long(Box::pin(self.upstream.clone().send_http2(Box::new(call))))
                    }
                },
                Way::Long(way) => ready!(way.as_mut().poll(cx))?,
            };
        }
    }

    /// Status and fields of the response that is there, and the `Via` that it gets.
    pub(crate) fn head_mut(&mut self) -> (StatusCode, &mut HeaderMap, &HeaderValue) {
        let (status, version, headers) = match &mut self.way {
            Way::Http1(exchange) => exchange.head_mut(),
            Way::Http2(exchange) => exchange.as_mut().expect(NO_RESPONSE).head_mut(),
            Way::Long(_) => unreachable!("{NO_RESPONSE}"),
        };
        (status, headers, self.upstream.via.received_in(version))
    }

    /// The response that is there, in HTTP/1.1. The body of 101 is a tunnel.
    pub(crate) fn take(&mut self) -> Response<UpstreamBody> {
        match &mut self.way {
            Way::Http1(exchange) => exchange.take(),
            Way::Http2(exchange) => exchange.take().expect(NO_RESPONSE).take(),
            Way::Long(_) => unreachable!("{NO_RESPONSE}"),
        }
    }
}

const NO_RESPONSE: &str = "the response is taken once, when it is there";

/// Whether a request may be sent again if nothing came back (RFC 9110, section 9.2.2).
fn is_replayable(method: &Method, body: &RequestBody) -> bool {
    body.is_end_stream()
        && matches!(
            *method,
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
        )
}
