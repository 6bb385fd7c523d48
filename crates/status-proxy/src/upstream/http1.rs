//! HTTP/1.1 towards upstreams: one exchange at a time on a connection that is polled by whoever waits for it.
//!
//! There is no task per connection. The request future polls the connection until the response head is there, then
//! the response body polls it for each frame, so chunks that arrive together leave together and nothing crosses a
//! channel between tasks.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::{
    net::TcpStream,
    time::{Instant, Sleep, sleep_until},
};

use super::{
    Added, ConnectionLimits, Limits, Progress, RequestBody, Tunnel,
    codec::{Connection, Error, ExchangeError, HeadLimits, ResponseHead, WriteError},
    connect::connect,
    pool::{Permit, PoolId},
};
use crate::{
    config::UpstreamConfig,
    forward::hop_by_hop,
    listen::ClientConn,
    local_reply::{Cause, Failure},
};

/// A connection with at most one request on it. Boxed once and for all its exchanges.
#[derive(Debug)]
pub(super) struct Http1Connection {
    connection: Connection<TcpStream, RequestBody>,
    deadline: Deadline,
    pool: PoolId,
    idle: Duration,
}

/// Why there is no response.
pub(super) enum Unanswered {
    /// The connection ended without a byte of response, and the request may be sent again.
    Silent(Box<Request<RequestBody>>, Failure),
    /// Anything else; sending the request again is out of the question.
    Final(Failure),
}

/// What the upstream answered with.
pub(super) enum Answer {
    /// `None` for a body that ended with its head.
    Response(Response<()>, Option<Box<Http1Connection>>),
    /// 101: the transport, and what has been read of the new protocol.
    Tunnel(Response<()>, Tunnel),
}

impl Http1Connection {
    pub(super) async fn open(
        config: &UpstreamConfig,
        limits: &Limits,
        pool: PoolId,
    ) -> Result<Box<Self>, Failure> {
        let stream = connect(config, limits.connect).await?;
        let ConnectionLimits { idle, head_bytes, head_fields } = limits.connection;
        let head = HeadLimits { bytes: head_bytes, fields: head_fields };
        let connection = Connection::new(stream, head);
        Ok(Box::new(Self { connection, deadline: Deadline::default(), pool, idle }))
    }

    /// Whether the connection, being idle, can still be used.
    pub(super) fn is_open(&mut self) -> bool {
        self.connection.is_usable(&mut Context::from_waker(Waker::noop()))
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        added: &Added<'_>,
        progress: &Progress,
        timeout: Duration,
        interim: Option<&Arc<ClientConn>>,
    ) -> Result<Answer, Unanswered> {
        let is_replayable = is_replayable(&request);
        self.connection.begin(request, added.iter());
        let mut until = None;
        let outcome = poll_fn(|cx| {
            let head = self.connection.poll_head(cx, |status, mut headers| {
                if status == StatusCode::CONTINUE {
                    // The client is told when its body is read.
                    progress.release();
                } else if let Some(client) = interim {
                    hop_by_hop::remove(&mut headers);
                    client.send_informational(status, &headers);
                }
            });
            if let Poll::Ready(outcome) = head {
                return Poll::Ready(Some(outcome));
            }
            progress.poll_expectation(cx);
            if until.is_none() && progress.is_request_sent() && self.connection.is_written() {
                until = Some(Instant::now() + timeout);
            }
            match until {
                Some(until) => self.deadline.poll(until, cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        match outcome {
            Some(Ok(head)) => self.accept(head),
            Some(Err(error)) => Err(self.explain(error, is_replayable, progress)),
            None => Err(Unanswered::Final(Cause::ResponseTimeout.into())),
        }
    }

    fn accept(self: Box<Self>, head: ResponseHead) -> Result<Answer, Unanswered> {
        let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head.reason.and_then(|reason| hyper::ext::ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        if is_switch {
            return match self.connection.into_tunnel() {
                Some((io, read)) => Ok(Answer::Tunnel(response, Tunnel { io, read })),
                None => {
                    let failure = Failure::new(Cause::InvalidReply, "101 before the request had ended");
                    Err(Unanswered::Final(failure))
                }
            };
        }
        if self.connection.is_end_stream() {
            self.settle();
            return Ok(Answer::Response(response, None));
        }
        Ok(Answer::Response(response, Some(self)))
    }

    fn explain(
        mut self: Box<Self>,
        error: ExchangeError<<RequestBody as Body>::Error>,
        is_replayable: bool,
        progress: &Progress,
    ) -> Unanswered {
        let (is_silent, failure) = match error {
            ExchangeError::Write(WriteError::Body(error)) => {
                (false, Failure::new(progress.fault().unwrap_or(Cause::BodyCut), error))
            }
            ExchangeError::Write(WriteError::Length) => (false, Cause::BodyCut.into()),
            ExchangeError::Write(WriteError::Io(error)) => {
                (!self.connection.is_answered(), Failure::new(Cause::Disconnected, error))
            }
            ExchangeError::Read(error) => match error {
                Error::Closed { clean } => (clean, Failure::new(Cause::Disconnected, error)),
                Error::Io(_) => (!self.connection.is_answered(), Failure::new(Cause::Disconnected, error)),
                Error::Chunk | Error::CutOff | Error::Head | Error::HeadTooLarge | Error::TooManyFields => {
                    (false, Failure::new(Cause::InvalidReply, error))
                }
            },
        };
        match self.connection.take_request_head() {
            Some(parts) if is_silent && is_replayable => {
                Unanswered::Silent(Box::new(Request::from_parts(parts, RequestBody::empty())), failure)
            }
            _ => Unanswered::Final(failure),
        }
    }

    /// The response has been read to its end: keeps the connection if another request may follow.
    fn settle(self: Box<Self>) {
        if self.connection.is_reusable() {
            let (pool, idle) = (self.pool, self.idle);
            pool.give_back_http1(self, idle);
        }
    }
}

/// Whether a request may be sent again if nothing came back (RFC 9110, section 9.2.2).
pub(super) fn is_replayable(request: &Request<RequestBody>) -> bool {
    request.body().is_end_stream()
        && matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::TRACE | Method::PUT | Method::DELETE
        )
}

/// A timer that is armed again only when it fires too early.
///
/// Every request has a deadline and next to none reaches it, so a connection keeps one timer across its requests:
/// the fast path reads the clock once and never touches the timer wheel.
#[derive(Debug, Default)]
pub(super) struct Deadline(Option<Pin<Box<Sleep>>>);

impl Deadline {
    pub(super) fn poll(&mut self, until: Instant, cx: &mut Context<'_>) -> Poll<()> {
        let sleep = self.0.get_or_insert_with(|| Box::pin(sleep_until(until)));
        if sleep.deadline() > until {
            sleep.as_mut().reset(until);
        }
        while sleep.as_mut().poll(cx).is_ready() {
            if sleep.deadline() >= until {
                return Poll::Ready(());
            }
            sleep.as_mut().reset(until);
        }
        Poll::Pending
    }
}

/// A response body, and the connection that it is read from.
#[derive(Debug)]
pub(super) struct Http1Body {
    /// `None` once the body has ended.
    connection: Option<Box<Http1Connection>>,
    /// The request counts as in flight until here.
    _permit: Permit,
}

impl Http1Body {
    pub(super) fn new(connection: Box<Http1Connection>, permit: Permit) -> Self {
        Self { connection: Some(connection), _permit: permit }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(connection) = &mut self.connection else { return Poll::Ready(None) };
        let frame = Pin::new(&mut connection.connection).poll_frame(cx);
        if frame.is_ready()
            && connection.connection.is_end_stream()
            && let Some(connection) = self.connection.take()
        {
            connection.settle();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.connection.as_ref().is_none_or(|connection| connection.connection.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.connection
            .as_ref()
            .map_or_else(|| SizeHint::with_exact(0), |connection| connection.connection.size_hint())
    }
}
