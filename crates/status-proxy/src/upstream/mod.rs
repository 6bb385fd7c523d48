//! The way to upstreams: connections, pools, and one exchange of request and response at a time.
//!
//! [`Upstream::send`] is the seam: what is in front of it knows nothing of connections, what is behind it nothing of
//! routes and catalogs.

mod codec;
mod connect;
mod http1;
mod http2;
mod pool;
mod request_body;
mod response_body;

use std::{
    future::{Future, poll_fn},
    mem,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, Uri, Version};
use tokio::time::Instant;

use self::{
    http1::{Deadline, Exchange, Http1Connection, Unanswered, is_replayable},
    pool::{Permit, PoolId},
};
pub(crate) use self::{
    request_body::{Progress, RequestBody},
    response_body::UpstreamBody,
};
use crate::{
    batched::BatchedStream,
    config::{Config, Protocol, UpstreamConfig},
    forward::{Added, Via},
    listen::ClientConn,
    local_reply::{Cause, Failure},
    metrics::{self, OpenConnection},
};

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Upstream {
    config: Arc<UpstreamConfig>,
    /// By which name it and its clients know this proxy.
    via: Via,
    limits: Limits,
    pool: PoolId,
}

/// What the configuration says about every upstream.
#[derive(Clone, Copy, Debug)]
struct Limits {
    connect: Duration,
    response_head: Duration,
    connection: ConnectionLimits,
}

/// The part of it that a connection is made with, and keeps.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
struct ConnectionLimits {
    idle: Duration,
    head_bytes: usize,
    head_fields: usize,
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
    /// Who is told of interim responses: a client whose protocol can carry them.
    fn interim(&self) -> Option<&ClientConn> {
        (self.version != Version::HTTP_10).then(|| self.added.origin.client())
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
    pub(crate) fn new(upstream: &Arc<UpstreamConfig>, config: &Config) -> Self {
        let connection = ConnectionLimits {
            idle: config.timeouts.idle,
            head_bytes: config.limits.head_bytes,
            head_fields: config.limits.head_fields,
        };
        Self {
            pool: PoolId::of(upstream, connection),
            config: upstream.clone(),
            via: Via::new(&config.forwarding.via),
            limits: Limits {
                connect: config.timeouts.connect,
                response_head: config.timeouts.response_head,
                connection,
            },
        }
    }

    pub(crate) fn config(&self) -> &UpstreamConfig {
        &self.config
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
            Way::Long(Box::pin(self.clone().send_http2(unsent)))
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

    /// The same over HTTP/2, where hyper tells nothing of interim responses: a body that waits for 100 (Continue) goes when
    /// the upstream has been waited for, and others are dropped.
    async fn send_http2(self: Arc<Self>, unsent: Unsent) -> Result<Way, Failure> {
        let Unsent { mut head, body, outgoing: Outgoing { progress, added, version, .. }, permit } = unsent;
        for (name, value) in added.iter(self.via.received_in(version)) {
            head.headers.append(name, value.clone());
        }
        let mut request = Request::new(body);
        *request.method_mut() = head.method;
        *request.uri_mut() = head.uri;
        *request.headers_mut() = head.headers;
        let mut request = http2::to_http2(request)?;
        let mut pooled = self.pool.http2();
        loop {
            let reused = pooled.is_some();
            let connection = match pooled {
                Some(connection) => connection,
                None => self.pool.open_http2(&self.config, &self.limits).await?,
            };
            let again = (reused && is_replayable(request.method(), request.body())).then(|| copy(&request));
            let mut sent = pin!(connection.clone().send(request));
            let mut deadline = Deadline::default();
            let mut until = None;
            let outcome = poll_fn(|cx| {
                if let Poll::Ready(outcome) = sent.as_mut().poll(cx) {
                    return Poll::Ready(Some(outcome));
                }
                progress.poll_expectation(cx);
                if until.is_none() && progress.is_request_sent() {
                    until = Some(Instant::now() + self.limits.response_head);
                }
                match until {
                    Some(until) => deadline.poll(until, cx).map(|()| None),
                    None => Poll::Pending,
                }
            })
            .await;
            request = match outcome {
                None => return Err(Cause::ResponseTimeout.into()),
                Some(Ok((response, stream))) => {
                    let response = response.map(|incoming| UpstreamBody::http2(incoming, stream, permit));
                    return Ok(Way::Http2(Some(Box::new(response))));
                }
                Some(Err((_, Some(unsent)))) if reused => unsent,
                Some(Err((error, _))) => match again {
                    // Told to go away, or closed, while the request was under way.
                    Some(copied) if !connection.is_open() => copied,
                    _ => return Err(progress.fault().map_or_else(|| http2::explain(error), Failure::from)),
                },
            };
            metrics::upstream_retry();
            pooled = None;
        }
    }
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
    Http1(Exchange),
    /// With its response; `None` once that was taken.
    Http2(Option<Box<Response<UpstreamBody>>>),
    /// To a connection that is yet to be opened, or a response of HTTP/2.
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
                    Err(Unanswered::Final(failure)) => return Poll::Ready(Err(failure)),
                    Err(Unanswered::Silent(again)) => {
                        metrics::upstream_retry();
                        // The others in the pool are as old as this one was.
                        Way::Long(Box::pin(self.upstream.clone().send_http1(*again)))
                    }
                },
                Way::Http2(_) => return Poll::Ready(Ok(())),
                Way::Long(way) => ready!(way.as_mut().poll(cx))?,
            };
        }
    }

    /// Status and fields of the response that is there, and the `Via` that it gets.
    pub(crate) fn head_mut(&mut self) -> (StatusCode, &mut HeaderMap, &HeaderValue) {
        let (status, version, headers) = match &mut self.way {
            Way::Http1(exchange) => exchange.head_mut(),
            Way::Http2(Some(response)) => (response.status(), response.version(), response.headers_mut()),
            Way::Http2(None) | Way::Long(_) => unreachable!("{NO_RESPONSE}"),
        };
        (status, headers, self.upstream.via.received_in(version))
    }

    /// The response that is there, in HTTP/1.1. The body of 101 is a tunnel.
    pub(crate) fn take(&mut self) -> Response<UpstreamBody> {
        match &mut self.way {
            Way::Http1(exchange) => exchange.take(),
            Way::Http2(response) => {
                let mut response = *response.take().expect(NO_RESPONSE);
                *response.version_mut() = Version::HTTP_11;
                response
            }
            Way::Long(_) => unreachable!("{NO_RESPONSE}"),
        }
    }
}

const NO_RESPONSE: &str = "the response is taken once, when it is there";

/// The same request once more; there is no body.
fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}
