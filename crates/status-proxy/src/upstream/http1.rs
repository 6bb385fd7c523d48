//! HTTP/1.1 towards upstreams: hyper's client, its connection polled by whoever waits for it.
//!
//! There is no task per connection. The request future polls the connection until the response head is there, then
//! the response body polls it for each frame, so chunks that arrive together leave together and nothing crosses a
//! channel between tasks.

use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame, SizeHint};
use hyper::{
    body::Incoming,
    client::conn::http1::{Builder, Connection, SendRequest},
};
use hyper_util::rt::TokioIo;
use tokio::time::{Instant, Sleep, sleep_until};

use super::{
    Limits, Progress, RequestBody, Tunnel,
    connect::connect,
    io::{Answered, UpstreamIo},
    pool::{Permit, PoolId},
};
use crate::{
    config::UpstreamConfig,
    local_reply::{Cause, Failure},
};

/// How often a connection whose response has ended may be polled until it is ready for the next request. hyper
/// yields after a number of rounds; more than one poll is needed after large bodies only.
const SETTLE_POLLS: usize = 3;

/// hyper's buffers are never smaller than this.
const MIN_BUFFER: usize = 64 * 1024;

/// A connection with at most one request on it.
#[derive(Debug)]
pub(super) struct Http1Connection {
    sender: SendRequest<RequestBody>,
    driver: Driver,
    answered: Answered,
    deadline: Deadline,
    pool: PoolId,
    idle: Duration,
}

/// Why there is no response.
pub(super) enum Unanswered {
    /// Nothing of the request was written.
    NotSent(Box<Request<RequestBody>>),
    /// The connection ended without a byte of response.
    Silent(Failure),
    /// Anything else; sending the request again is out of the question.
    Final(Failure),
}

/// What the upstream answered with.
pub(super) enum Answer {
    Response(Response<Incoming>, Box<Http1Connection>),
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
        let (io, answered) = UpstreamIo::new(stream);
        let (sender, connection) = Builder::new()
            .max_headers(limits.head_fields)
            .max_header_size(limits.head_bytes)
            // The head must fit the buffer, and hyper gives up a head that fills it exactly.
            .max_buf_size(limits.head_bytes.max(MIN_BUFFER) + 1)
            .handshake(TokioIo::new(io))
            .await
            .map_err(|error| Failure::new(Cause::Disconnected, error))?;
        Ok(Box::new(Self {
            sender,
            driver: Driver { connection, ended: false },
            answered,
            deadline: Deadline::default(),
            pool,
            idle: limits.idle,
        }))
    }

    /// Whether the connection, being idle, can still be used.
    pub(super) fn is_open(&mut self) -> bool {
        self.driver.poll(&mut Context::from_waker(Waker::noop()));
        !self.driver.ended && self.sender.is_ready()
    }

    /// Sends a request and waits for the head of its response.
    pub(super) async fn send(
        mut self: Box<Self>,
        request: Request<RequestBody>,
        progress: &Progress,
        timeout: Duration,
    ) -> Result<Answer, Unanswered> {
        self.answered.reset();
        // The connection is polled just before, with the task's own waker; what comes out of it needs none. Neither
        // may it be held up by the task's budget, which would wake the waker that there is not.
        let mut response = pin!(tokio::task::unconstrained(self.sender.try_send_request(request)));
        let mut until = None;
        let outcome = poll_fn(|cx| {
            self.driver.poll(cx);
            if let Poll::Ready(outcome) = response.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
                return Poll::Ready(Some(outcome));
            }
            progress.poll_expectation(cx);
            if until.is_none() && progress.is_request_sent() {
                until = Some(Instant::now() + timeout);
            }
            match until {
                Some(until) => self.deadline.poll(until, cx).map(|()| None),
                None => Poll::Pending,
            }
        })
        .await;
        match outcome {
            Some(Ok(response)) => self.accept(response),
            Some(Err(mut error)) => Err(match error.take_message() {
                Some(request) => Unanswered::NotSent(Box::new(request)),
                None => self.explain(error.into_error(), progress),
            }),
            None => Err(Unanswered::Final(Cause::ResponseTimeout.into())),
        }
    }

    fn accept(self: Box<Self>, response: Response<Incoming>) -> Result<Answer, Unanswered> {
        if response.status() != StatusCode::SWITCHING_PROTOCOLS {
            return Ok(Answer::Response(response, self));
        }
        if !self.driver.ended {
            return Err(Unanswered::Final(Failure::new(
                Cause::InvalidReply,
                "101 before the request had ended",
            )));
        }
        let parts = self.driver.connection.into_parts();
        Ok(Answer::Tunnel(response.map(drop), Tunnel { io: parts.io.into_inner(), read: parts.read_buf }))
    }

    fn explain(&self, error: hyper::Error, progress: &Progress) -> Unanswered {
        if let Some(cause) = progress.fault() {
            return Unanswered::Final(cause.into());
        }
        if !self.answered.get() {
            return Unanswered::Silent(Failure::new(Cause::Disconnected, error));
        }
        let cause = if error.is_parse() { Cause::InvalidReply } else { Cause::Disconnected };
        Unanswered::Final(Failure::new(cause, error))
    }

    /// The response has been read to its end: keeps the connection if another request may follow.
    pub(super) fn settle(mut self: Box<Self>, cx: &mut Context<'_>) {
        for _ in 0..SETTLE_POLLS {
            if self.sender.is_ready() {
                let (pool, idle) = (self.pool, self.idle);
                pool.give_back_http1(self, idle);
                return;
            }
            if self.driver.ended {
                return;
            }
            self.driver.poll(cx);
        }
    }
}

/// Polls a connection until it ends, and not after that.
#[derive(Debug)]
struct Driver {
    connection: Connection<TokioIo<UpstreamIo>, RequestBody>,
    ended: bool,
}

impl Driver {
    fn poll(&mut self, cx: &mut Context<'_>) {
        if self.ended {
            return;
        }
        // Without shutdown: after a 101 the transport is taken back, in every other case it is dropped.
        if let Poll::Ready(outcome) = self.connection.poll_without_shutdown(cx) {
            self.ended = true;
            if let Err(error) = outcome {
                tracing::debug!(%error, "upstream connection failed");
            }
        }
    }
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
    incoming: Incoming,
    /// `None` once the body has ended.
    connection: Option<Box<Http1Connection>>,
    /// The request counts as in flight until here.
    _permit: Permit,
}

impl Http1Body {
    pub(super) fn new(incoming: Incoming, connection: Box<Http1Connection>, permit: Permit) -> Self {
        Self { incoming, connection: Some(connection), _permit: permit }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let this = &mut *self;
        let Some(connection) = &mut this.connection else { return Poll::Ready(None) };
        // As in `send`: whatever comes out of the connection comes while it is polled here.
        let nobody = &mut Context::from_waker(Waker::noop());
        let mut frame = Pin::new(&mut this.incoming).poll_frame(nobody);
        if frame.is_pending() {
            connection.driver.poll(cx);
            frame = Pin::new(&mut this.incoming).poll_frame(nobody);
        }
        let ended = match &frame {
            Poll::Ready(None) => true,
            Poll::Ready(Some(Ok(frame))) => frame.is_trailers() || this.incoming.is_end_stream(),
            Poll::Ready(Some(Err(_))) => {
                this.connection = None;
                false
            }
            Poll::Pending => false,
        };
        if ended && let Some(connection) = this.connection.take() {
            connection.settle(cx);
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.connection.is_none() || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
