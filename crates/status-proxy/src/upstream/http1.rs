//! HTTP/1.1 towards upstreams: one exchange at a time on a connection that is polled by whoever waits for it.
//!
//! There is no task per connection. The request future polls the connection until the response head is there, then
//! the response body polls it for each frame, so chunks that arrive together leave together and nothing crosses a
//! channel between tasks.

use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Method, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Added, ConnectionLimits, Limits, Outgoing, Progress, RequestBody, Tunnel,
    codec::{Connection, Error, ExchangeError, HeadLimits, ResponseHead, WriteError},
    connect::connect,
    pool::{Permit, PoolId},
};
use crate::{
    batched::BatchedStream,
    config::UpstreamConfig,
    forward::hop_by_hop,
    listen::ClientConn,
    local_reply::{Cause, Failure},
    metrics::OpenConnection,
};

/// A connection with at most one request on it. Boxed once and for all its exchanges.
#[derive(Debug)]
pub(super) struct Http1Connection {
    connection: Connection<BatchedStream, RequestBody>,
    /// What is to be known of the request under way. Here and not in [`Exchange`], because futures are moved.
    asked: Asked,
    deadline: Deadline,
    pool: PoolId,
    idle: Duration,
    open: OpenConnection,
}

/// A request, until the head of its response is there.
#[derive(Debug, Default)]
struct Asked {
    /// For another exchange, if it comes to that.
    added: Added,
    progress: Progress,
    interim: Option<Arc<ClientConn>>,
    timeout: Duration,
    /// When the head has to be there; known when the request has been sent.
    until: Option<Instant>,
    is_replayable: bool,
    upgrade: bool,
}

/// Why there is no response.
pub(super) enum Unanswered {
    /// The connection ended without a byte of response, and the request may be sent again.
    Silent(Box<Outgoing>, Failure),
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
        let (stream, open) = connect(config, limits.connect).await?;
        let ConnectionLimits { idle, head_bytes, head_fields } = limits.connection;
        let head = HeadLimits { bytes: head_bytes, fields: head_fields };
        let connection = Connection::new(BatchedStream::new(stream), head);
        Ok(Box::new(Self {
            connection,
            asked: Asked::default(),
            deadline: Deadline::default(),
            pool,
            idle,
            open,
        }))
    }

    /// Whether the connection, being idle, can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.connection.io().is_silent()
    }

    /// Starts an exchange.
    pub(super) fn begin(
        mut self: Box<Self>,
        outgoing: Outgoing,
        now: Instant,
        timeout: Duration,
    ) -> Exchange {
        let Outgoing { parts, body, added, progress, interim, upgrade } = outgoing;
        self.asked = Asked {
            added,
            interim,
            timeout,
            until: progress.is_request_sent().then(|| now + timeout),
            progress,
            is_replayable: is_replayable(&parts.method, &body),
            upgrade,
        };
        self.connection.begin(parts, body, self.asked.added.iter());
        Exchange(Some(self))
    }

    fn accept(mut self: Box<Self>, head: ResponseHead) -> Result<Answer, Unanswered> {
        self.asked.added.clear();
        self.asked.interim = None;
        self.asked.progress = Progress::default();
        let is_switch = head.status == StatusCode::SWITCHING_PROTOCOLS;
        let mut response = Response::new(());
        *response.status_mut() = head.status;
        *response.version_mut() = head.version;
        *response.headers_mut() = head.headers;
        if let Some(reason) = head.reason.and_then(|reason| hyper::ext::ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        if is_switch && !self.asked.upgrade {
            let failure = Failure::new(Cause::InvalidReply, "101 without a request for it");
            return Err(Unanswered::Final(failure));
        }
        if is_switch {
            return match self.connection.into_tunnel() {
                Some((io, read)) => Ok(Answer::Tunnel(response, Tunnel { io, read, _open: self.open })),
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

    /// The response has been read to its end: keeps the connection if another request may follow.
    fn settle(self: Box<Self>) {
        if self.connection.is_reusable() {
            let (pool, idle) = (self.pool, self.idle);
            pool.give_back_http1(self, idle);
        }
    }
}

/// A request on its way, and the wait for the head of its response.
///
/// `None` once the head is there, or never will be.
#[derive(Debug)]
pub(super) struct Exchange(Option<Box<Http1Connection>>);

impl Exchange {
    /// Goes on until the head of the response is there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Answer, Unanswered>> {
        let this = self.0.as_mut().expect("exchange polled after completion");
        let Http1Connection { connection, asked, deadline, .. } = &mut **this;
        let head = connection.poll_head(cx, |status, mut headers| {
            if status == StatusCode::CONTINUE {
                // The client is told when its body is read.
                asked.progress.release();
            } else if let Some(client) = &asked.interim {
                hop_by_hop::remove(&mut headers);
                client.send_informational(status, &headers);
            }
        });
        if let Poll::Ready(outcome) = head {
            let this = self.0.take().expect("it has just been polled");
            return Poll::Ready(match outcome {
                Ok(head) => this.accept(head),
                Err(error) => Err(this.explain(error)),
            });
        }
        asked.progress.poll_expectation(cx);
        if asked.until.is_none() && asked.progress.is_request_sent() && connection.is_written() {
            asked.until = Some(Instant::now() + asked.timeout);
        }
        match asked.until {
            Some(until) => {
                deadline.poll(until, cx).map(|()| Err(Unanswered::Final(Cause::ResponseTimeout.into())))
            }
            None => Poll::Pending,
        }
    }
}

impl Http1Connection {
    fn explain(mut self: Box<Self>, error: ExchangeError<<RequestBody as Body>::Error>) -> Unanswered {
        let is_answered = self.connection.is_answered();
        let (is_silent, failure) = match error {
            ExchangeError::Write(WriteError::Body(error)) => {
                (false, Failure::new(self.asked.progress.fault().unwrap_or(Cause::BodyCut), error))
            }
            ExchangeError::Write(WriteError::Length) => (false, Cause::BodyCut.into()),
            ExchangeError::Write(WriteError::Io(error)) => {
                (!is_answered, Failure::new(Cause::Disconnected, error))
            }
            ExchangeError::Read(error) => match error {
                Error::Closed { clean } => (clean, Failure::new(Cause::Disconnected, error)),
                Error::Io(_) => (!is_answered, Failure::new(Cause::Disconnected, error)),
                Error::Chunk | Error::CutOff | Error::Head | Error::HeadTooLarge | Error::TooManyFields => {
                    (false, Failure::new(Cause::InvalidReply, error))
                }
            },
        };
        match self.connection.take_request_head() {
            Some(parts) if is_silent && self.asked.is_replayable => {
                let Asked { added, progress, interim, upgrade, .. } = self.asked;
                let body = RequestBody::empty();
                let again = Outgoing { parts, body, added, progress, interim, upgrade };
                Unanswered::Silent(Box::new(again), failure)
            }
            _ => Unanswered::Final(failure),
        }
    }
}

/// Whether a request may be sent again if nothing came back (RFC 9110, section 9.2.2).
pub(super) fn is_replayable(method: &Method, body: &RequestBody) -> bool {
    body.is_end_stream()
        && matches!(
            *method,
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
