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
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response, StatusCode, request::Parts};
use tokio::time::Instant;

use self::{
    http1::{Answer, Deadline, Exchange, Http1Body, Http1Connection, Unanswered, is_replayable},
    pool::{Permit, PoolId},
};
pub(crate) use self::{
    request_body::{Progress, RequestBody},
    response_body::UpstreamBody,
};
use crate::{
    batched::BatchedStream,
    config::{Config, Protocol, UpstreamConfig},
    listen::ClientConn,
    local_reply::{Cause, Failure},
    metrics::{self, OpenConnection},
};

/// Where requests go.
#[derive(Debug)]
pub(crate) struct Upstream {
    config: Arc<UpstreamConfig>,
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

/// A request in HTTP/1.1's form: origin-form target (or `*`), Host, hop-by-hop fields only where they are meant for
/// the upstream.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) parts: Parts,
    pub(crate) body: RequestBody,
    pub(crate) added: Added,
    pub(crate) progress: Progress,
    /// Takes interim responses, if the client's protocol can carry them.
    pub(crate) interim: Option<Arc<ClientConn>>,
    /// Whether the request asks for another protocol.
    pub(crate) upgrade: bool,
}

/// Fields that go out behind those of a request. They are kept apart, because its map would have to grow for them.
#[derive(Debug, Default)]
pub(crate) struct Added {
    fields: [Option<(&'static HeaderName, HeaderValue)>; MOST_ADDED],
    count: usize,
}

/// `Via`, `Forwarded` and the three of `X-Forwarded`.
const MOST_ADDED: usize = 5;

impl Added {
    pub(crate) fn clear(&mut self) {
        self.fields[..self.count].fill(None);
        self.count = 0;
    }

    pub(crate) fn push(&mut self, name: &'static HeaderName, value: HeaderValue) {
        self.fields[self.count] = Some((name, value));
        self.count += 1;
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&HeaderName, &HeaderValue)> {
        self.fields[..self.count].iter().flatten().map(|(name, value)| (*name, value))
    }
}

/// What came back.
#[derive(Debug)]
pub(crate) enum Reply {
    Response(Response<UpstreamBody>),
    /// 101.
    Switched(Response<()>, Tunnel),
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

    /// Sends a request. Dropping what comes of it gives up the connection or stream.
    pub(crate) fn send(self: &Arc<Self>, outgoing: Outgoing) -> Result<Sending, Failure> {
        let permit = self.pool.admit(self.config.max_requests)?;
        let http2 = match self.config.protocol {
            Protocol::Auto => http2::is_grpc(&outgoing.parts.headers),
            Protocol::Http1 => false,
            Protocol::Http2 => true,
        };
        let now = Instant::now();
        let way = if http2 && !outgoing.upgrade {
            Way::Long(Box::pin(self.clone().send_http2(outgoing, permit)))
        } else if let Some(connection) = self.pool.take_http1(now) {
            Way::Pooled(connection.begin(outgoing, now, self.limits.response_head), Some(permit))
        } else {
            Way::Long(Box::pin(self.clone().send_http1(outgoing, permit)))
        };
        Ok(Sending { upstream: self.clone(), way })
    }

    /// Sends a request on a new connection.
    async fn send_http1(self: Arc<Self>, outgoing: Outgoing, permit: Permit) -> Result<Reply, Failure> {
        let connection = Http1Connection::open(&self.config, &self.limits, self.pool).await?;
        let mut exchange = connection.begin(outgoing, Instant::now(), self.limits.response_head);
        match poll_fn(|cx| exchange.poll(cx)).await {
            Ok(answer) => Ok(answer.into_reply(permit)),
            Err(Unanswered::Silent(_, failure) | Unanswered::Final(failure)) => Err(failure),
        }
    }

    async fn send_http2(self: Arc<Self>, outgoing: Outgoing, permit: Permit) -> Result<Reply, Failure> {
        let Outgoing { mut parts, body, added, progress, interim, .. } = outgoing;
        for (name, value) in added.iter() {
            parts.headers.append(name, value.clone());
        }
        let mut request = http2::to_http2(Request::from_parts(parts, body))?;
        listen_to_interim(&mut request, &progress, interim.as_ref());
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
                    return Ok(Reply::Response(
                        response.map(|incoming| UpstreamBody::http2(incoming, stream, permit)),
                    ));
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

/// A request on its way: ready with the head of its response.
///
/// There is one for every request in flight, and it is moved, so it is small: what seldom happens is in a box.
pub(crate) struct Sending {
    upstream: Arc<Upstream>,
    way: Way,
}

enum Way {
    /// On a pooled HTTP/1.1 connection. The permit is there until the response is.
    Pooled(Exchange, Option<Permit>),
    /// On a connection that is yet to be opened, or as a stream of HTTP/2.
    Long(Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>>),
}

impl Sending {
    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }
}

impl Future for Sending {
    type Output = Result<Reply, Failure>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        if let Way::Pooled(exchange, permit) = &mut this.way {
            let answer = ready!(exchange.poll(cx));
            let permit = permit.take().expect("polled after completion");
            match answer {
                Ok(answer) => return Poll::Ready(Ok(answer.into_reply(permit))),
                Err(Unanswered::Final(failure)) => return Poll::Ready(Err(failure)),
                Err(Unanswered::Silent(again, _)) => {
                    metrics::upstream_retry();
                    // The others in the pool are as old as this one was.
                    this.way = Way::Long(Box::pin(this.upstream.clone().send_http1(*again, permit)));
                }
            }
        }
        match &mut this.way {
            Way::Long(way) => way.as_mut().poll(cx),
            Way::Pooled(..) => Poll::Pending,
        }
    }
}

impl Answer {
    fn into_reply(self, permit: Permit) -> Reply {
        match self {
            Self::Response(response, body) => Reply::Response(response.map(|()| match body {
                Some(connection) => UpstreamBody::http1(Http1Body::new(connection, permit)),
                None => UpstreamBody::default(),
            })),
            Self::Tunnel(response, tunnel) => Reply::Switched(response, tunnel),
        }
    }
}

/// Passes interim responses on, and lets a body go that waits for 100 (Continue).
///
/// The callback costs three allocations, so there is none where nobody could be told.
fn listen_to_interim(
    request: &mut Request<RequestBody>,
    progress: &Progress,
    client: Option<&Arc<ClientConn>>,
) {
    if client.is_none() && !progress.is_held() {
        return;
    }
    let (progress, client) = (progress.clone(), client.cloned());
    hyper::ext::on_informational(request, move |interim| {
        if interim.status() == StatusCode::CONTINUE {
            // The client is told when its body is read.
            progress.release();
        } else if let Some(client) = &client {
            let mut headers = interim.headers().clone();
            crate::forward::hop_by_hop::remove(&mut headers);
            client.send_informational(interim.status(), &headers);
        }
    });
}

/// The same request once more; there is no body.
fn copy(request: &Request<RequestBody>) -> Request<RequestBody> {
    let mut copy = Request::new(RequestBody::empty());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    copy
}
