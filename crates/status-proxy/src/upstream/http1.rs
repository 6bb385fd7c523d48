//! HTTP/1.1 towards upstreams: one exchange at a time on a connection that is polled by whoever waits for it.
//!
//! There is no task per connection. The request future polls the connection until the response head is there, then
//! the response body polls it for each frame, so chunks that arrive together leave together and nothing crosses a
//! channel between tasks.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, Version};
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::{
    ConnectionLimits, Limits, NO_RESPONSE, Outgoing, RequestBody, RequestHead, Tunnel, Unsent, Upstream,
    UpstreamBody,
    codec::{Connection, Error, ExchangeError, ResponseHead, WriteError},
    connect::connect,
    deadline::{Deadline, Side, Turn},
    is_replayable,
    pool::{Permit, PoolId},
    transport::Transport,
};
use crate::{
    config::UpstreamConfig,
    listen::ClientConn,
    local_reply::{Cause, Failure},
    metrics::OpenConnection,
};

/// A connection with at most one request on it. Boxed once and for all its exchanges.
#[derive(Debug)]
pub(super) struct Http1Connection {
    connection: Connection<Transport, RequestBody>,
    /// What is to be known of the request under way. Here and not in [`Exchange`], because futures are moved.
    asked: Option<Asked>,
    /// What it was answered with, until that is taken.
    answer: Option<ResponseHead>,
    /// Who may be sent the body without our reading it.
    client: Option<Arc<ClientConn>>,
    /// The request counts as in flight until the end of its response.
    permit: Option<Permit>,
    deadline: Deadline,
    pool: PoolId,
    idle: Duration,
    open: OpenConnection,
}

/// A request, until its response is taken.
#[derive(Debug)]
struct Asked {
    outgoing: Outgoing,
    request_body: Duration,
    response_head: Duration,
    turn: Turn,
    is_replayable: bool,
}

/// Why there is no response.
pub(super) enum Unanswered {
    /// The connection, an older one, ended without a byte of response, and the request may be sent again.
    Silent(Box<Unsent>),
    /// Anything else; sending the request again is out of the question.
    Final(Failure),
}

impl Http1Connection {
    pub(super) async fn open(
        config: &UpstreamConfig,
        limits: &Limits,
        pool: PoolId,
    ) -> Result<Box<Self>, Failure> {
        let (stream, open) = connect(config, limits.connect).await?;
        let ConnectionLimits { idle, head } = limits.connection;
        let connection = Connection::new(Transport::new(stream), head);
        Ok(Box::new(Self {
            connection,
            asked: None,
            answer: None,
            client: None,
            permit: None,
            deadline: Deadline::default(),
            pool,
            idle,
            open,
        }))
    }

    /// Whether the connection, being idle, can still be used.
    pub(super) fn is_open(&self) -> bool {
        self.connection.io().stream().is_silent()
    }

    /// Starts an exchange. The head is taken out of `head`.
    pub(super) fn begin(
        mut self: Box<Self>,
        head: &mut RequestHead,
        mut body: RequestBody,
        outgoing: Outgoing,
        permit: Permit,
        upstream: &Upstream,
        now: Instant,
    ) -> Exchange {
        let Limits { request_body, response_head, .. } = upstream.limits;
        let turn = Turn::new(outgoing.progress.is_request_sent().then(|| now + response_head));
        // A connection that has answered before may have been closed meanwhile.
        let is_replayable = self.connection.is_answered() && is_replayable(&head.method, &body);
        let via = upstream.via.received_in(outgoing.version);
        self.permit = Some(permit);
        let asked = self.asked.insert(Asked { outgoing, request_body, response_head, turn, is_replayable });
        self.connection.io_mut().set_upload(body.bypass());
        self.connection.begin(head, body, asked.outgoing.added.iter(via));
        Exchange(Some(self))
    }

    fn accept(&mut self, head: ResponseHead) -> Result<(), Failure> {
        if head.status == StatusCode::SWITCHING_PROTOCOLS {
            if !self.asked.as_ref().is_some_and(|asked| asked.outgoing.upgrade) {
                return Err(Failure::new(Cause::InvalidReply, "101 without a request for it"));
            }
            if !self.connection.is_written() {
                return Err(Failure::new(Cause::InvalidReply, "101 before the request had ended"));
            }
        }
        self.answer = Some(head);
        Ok(())
    }

    /// The response has been read to its end: keeps the connection if another request may follow.
    fn settle(mut self: Box<Self>) {
        self.permit = None;
        self.client = None;
        if self.connection.is_reusable() {
            self.connection.end();
            let (pool, idle) = (self.pool, self.idle);
            pool.give_back_http1(self, idle);
        }
    }
}

/// A request on its way, and then the head of its response. `None` once that is taken, or if there is none.
#[derive(Debug)]
pub(super) struct Exchange(Option<Box<Http1Connection>>);

impl Exchange {
    /// Goes on until the head of the response is there.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        let Some(Http1Connection { connection, asked: Some(asked), deadline, .. }) = self.0.as_deref_mut()
        else {
            unreachable!("exchange polled after completion");
        };
        let outgoing = &asked.outgoing;
        let writes = connection.writes();
        let head = connection.poll_head(cx, |status, headers| {
            outgoing.pass_on(status, headers);
        });
        if let Poll::Ready(outcome) = head {
            return Poll::Ready(self.settle(outcome));
        }
        outgoing.progress.poll_expectation(cx);
        let (side, limit, cause) = if connection.is_starved() {
            let limit = (!outgoing.progress.is_held()).then_some(asked.request_body);
            (Side::Client, limit, Cause::RequestTimeout)
        } else {
            (Side::Upstream, Some(asked.response_head), Cause::ResponseTimeout)
        };
        match asked.turn.until(side, connection.writes() != writes, limit) {
            Some(until) => deadline.poll(until, cx).map(|()| Err(Unanswered::Final(cause.into()))),
            None => Poll::Pending,
        }
    }

    /// Keeps the connection if there is a response to take.
    fn settle(
        &mut self,
        outcome: Result<ResponseHead, ExchangeError<<RequestBody as Body>::Error>>,
    ) -> Result<(), Unanswered> {
        let connection = self.0.as_mut().expect("it has just been polled");
        match outcome.map(|head| connection.accept(head)) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(failure)) => {
                self.0 = None;
                Err(Unanswered::Final(failure))
            }
            Err(error) => Err(self.0.take().expect("it has just been polled").explain(error)),
        }
    }

    /// Status, version and fields of the response that is there.
    pub(super) fn head_mut(&mut self) -> (StatusCode, Version, &mut HeaderMap) {
        match self.0.as_deref_mut() {
            Some(Http1Connection { connection, answer: Some(head), .. }) => {
                (head.status, head.version, connection.fields_mut())
            }
            _ => unreachable!("{NO_RESPONSE}"),
        }
    }

    /// The response that is there.
    pub(super) fn take(&mut self) -> Response<UpstreamBody> {
        let mut connection = self.0.take().expect(NO_RESPONSE);
        let head = connection.answer.take().expect(NO_RESPONSE);
        connection.asked = None;
        let headers = connection.connection.take_fields();
        let body = if head.status == StatusCode::SWITCHING_PROTOCOLS {
            UpstreamBody::tunnel(connection.into_tunnel())
        } else if connection.connection.is_end_stream() {
            connection.settle();
            UpstreamBody::default()
        } else {
            UpstreamBody::http1(Http1Body(Some(connection)))
        };
        let mut response = Response::new(body);
        *response.status_mut() = head.status;
        *response.headers_mut() = headers;
        if let Some(reason) = head.reason.and_then(|reason| hyper::ext::ReasonPhrase::try_from(reason).ok()) {
            response.extensions_mut().insert(reason);
        }
        response
    }
}

impl Http1Connection {
    /// What was wrong with the request's body.
    fn fault(&self) -> Option<Cause> {
        self.asked.as_ref()?.outgoing.progress.fault()
    }

    fn explain(mut self: Box<Self>, error: ExchangeError<<RequestBody as Body>::Error>) -> Unanswered {
        let is_answered = self.connection.is_answered();
        let (is_silent, failure) = match error {
            ExchangeError::Write(WriteError::Body(error)) => {
                (false, Failure::new(self.fault().unwrap_or(Cause::BodyCut), error))
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
        match (self.asked, self.permit) {
            (Some(Asked { outgoing, is_replayable: true, .. }), Some(permit)) if is_silent => {
                let head = self.connection.take_request_head();
                let body = RequestBody::default();
                Unanswered::Silent(Box::new(Unsent { head, body, outgoing, permit }))
            }
            _ => Unanswered::Final(failure),
        }
    }

    /// Has what was received of a long body go to the client unread. Returns a stand-in for it, if it could.
    fn poll_bypass(&mut self, cx: &mut Context<'_>) -> Poll<Result<Option<Bytes>, Error>> {
        let (Some(client), Some(left)) = (&self.client, self.connection.unread()) else {
            return Poll::Ready(Ok(None));
        };
        let Some(stand_in) =
            ready!(client.bypass().poll_fill(cx, &self.connection.io().stream().reader(), left))?
        else {
            return Poll::Ready(Ok(None));
        };
        self.connection.skip(stand_in.len());
        Poll::Ready(Ok((!stand_in.is_empty()).then_some(stand_in)))
    }

    /// The upstream's side of the tunnel that the connection has become.
    fn into_tunnel(self: Box<Self>) -> Tunnel {
        let (io, read) = self.connection.into_tunnel();
        Tunnel { io: io.into_stream(), read, _open: self.open }
    }
}

/// A response body: the connection that it is read from, until its end.
#[derive(Debug)]
pub(super) struct Http1Body(Option<Box<Http1Connection>>);

impl Http1Body {
    /// Nobody on the way to the client looks at the body.
    pub(super) fn may_bypass(&mut self, client: &Arc<ClientConn>) {
        if let Some(this) = &mut self.0 {
            this.client = Some(client.clone());
        }
    }
}

impl Body for Http1Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(this) = &mut self.0 else { return Poll::Ready(None) };
        let frame = match ready!(this.poll_bypass(cx))? {
            Some(stand_in) => Poll::Ready(Some(Ok(Frame::data(stand_in)))),
            None => Pin::new(&mut this.connection).poll_frame(cx),
        };
        if frame.is_ready()
            && this.connection.is_end_stream()
            && let Some(this) = self.0.take()
        {
            this.settle();
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|this| this.connection.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |this| this.connection.size_hint())
    }
}
