//! One request to an HTTP/2 upstream, until the head of its response is there.

use std::{
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Method, Response, StatusCode, Version};

use super::{
    body::{Http2Body, Uploading},
    connection::Http2Connection,
    error::Error,
    head::Head,
    held::{Held, Received},
    request::{self, Request},
    upload::Upload,
};
use crate::{
    http2::Reason,
    local_reply::{Cause, Failure},
    upstream::{
        NO_RESPONSE, Outgoing, Unsent, Upstream, UpstreamBody,
        deadline::{Deadline, Side, Turn},
        is_replayable,
        pool::Permit,
    },
};

/// How often a request is sent, at most, to an upstream that says that it has done nothing with it.
const MAX_SENDS: usize = 3;

/// A request that can be sent.
#[derive(Debug)]
pub(in crate::upstream) struct Call {
    head: Request,
    upload: Upload,
    outgoing: Outgoing,
    permit: Permit,
    limits: CallLimits,
    is_replayable: bool,
    /// How often it has been sent.
    sends: usize,
}

#[derive(Clone, Copy, Debug)]
struct CallLimits {
    /// None for gRPC, of which a client may be silent for as long as it likes.
    request_body: Option<Duration>,
    response_head: Duration,
}

impl Call {
    pub(in crate::upstream) fn new(unsent: Unsent, upstream: &Upstream) -> Result<Self, Failure> {
        let Unsent { head, body, outgoing, permit } = unsent;
        let is_replayable = is_replayable(&head.method, &body);
        let via = upstream.via.received_in(outgoing.version);
        let request_body = (!request::is_grpc(&head.headers)).then_some(upstream.limits.request_body);
        let head = Request::new(head, outgoing.added.iter(via))?;
        let limits = CallLimits { request_body, response_head: upstream.limits.response_head };
        Ok(Self { head, upload: Upload::new(body), outgoing, permit, limits, is_replayable, sends: 0 })
    }

    /// Sends it on a connection that has room.
    pub(in crate::upstream) fn begin(
        mut self,
        connection: Http2Connection,
    ) -> Result<Box<Exchange>, Failure> {
        self.sends += 1;
        self.upload.rewind();
        let is_whole = self.upload.is_empty();
        let held = connection.send(&self.head, is_whole)?;
        Ok(Box::new(Exchange {
            call: self,
            held,
            is_sending: !is_whole,
            has_hinted: false,
            turn: Turn::new(None),
            deadline: Deadline::default(),
            answer: None,
        }))
    }
}

/// A request on its way, and then the head of its response. Dropping it resets the stream.
#[derive(Debug)]
pub(in crate::upstream) struct Exchange {
    call: Call,
    held: Held,
    /// Until the request has been sent.
    is_sending: bool,
    /// An interim response has come.
    has_hinted: bool,
    turn: Turn,
    deadline: Deadline,
    answer: Option<Head>,
}

/// Why there is no response.
#[derive(Debug)]
pub(in crate::upstream) enum Unanswered {
    /// The request may be sent again.
    Again,
    /// Anything else.
    Final(Failure),
}

impl Exchange {
    /// Goes on until the head of the response is there.
    pub(in crate::upstream) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Unanswered>> {
        loop {
            match self.held.poll_head(cx) {
                Poll::Ready(Ok(Received::Interim(interim))) => self.interim(interim),
                Poll::Ready(Ok(Received::Head(head))) => {
                    self.answer = Some(head);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Err(error)) => return Poll::Ready(Err(self.fail(error))),
                Poll::Pending => break,
            }
        }
        let Call { upload, outgoing, limits, .. } = &mut self.call;
        outgoing.progress.poll_expectation(cx);
        let frames = upload.frames();
        if self.is_sending {
            match upload.poll(self.held.stream(), cx) {
                Poll::Ready(Ok(())) => self.is_sending = false,
                Poll::Ready(Err(error)) => {
                    let cause = outgoing.progress.fault().unwrap_or(Cause::BodyCut);
                    return Poll::Ready(Err(Unanswered::Final(Failure::new(cause, error))));
                }
                Poll::Pending => {}
            }
        }
        let (side, limit) = if self.is_sending && !upload.is_waiting() {
            (Side::Client, limits.request_body.filter(|_| !outgoing.progress.is_held()))
        } else {
            (Side::Upstream, Some(limits.response_head))
        };
        let Some(until) = self.turn.until(side, upload.frames() > frames, limit) else {
            return Poll::Pending;
        };
        self.deadline.poll(until, cx).map(|()| {
            let cause = match side {
                Side::Client => Cause::RequestTimeout,
                Side::Upstream => {
                    self.held.suspect();
                    Cause::ResponseTimeout
                }
            };
            Err(Unanswered::Final(cause.into()))
        })
    }

    fn interim(&mut self, mut interim: Head) {
        self.has_hinted = true;
        self.call.outgoing.pass_on(interim.status, &mut interim.fields);
    }

    fn fail(&self, error: Error) -> Unanswered {
        let Call { upload, is_replayable, sends, .. } = &self.call;
        if matches!(error, Error::Reset(Reason::REFUSED_STREAM)) {
            self.held.refuse();
        }
        // RFC 9113, 8.7: the request has not been processed, whatever its method.
        let is_unprocessed = error.is_unprocessed() && upload.is_kept() && *sends < MAX_SENDS;
        // A connection that has been used before may have been closed meanwhile.
        let is_stale = error.is_of_connection() && !self.held.is_first() && *is_replayable && *sends == 1;
        if !self.has_hinted && (is_unprocessed || is_stale) {
            return Unanswered::Again;
        }
        Unanswered::Final(error.into())
    }

    /// The request, which may be sent again.
    pub(in crate::upstream) fn into_call(self) -> Call {
        self.call
    }

    /// Status, version and fields of the response that is there.
    pub(in crate::upstream) fn head_mut(&mut self) -> (StatusCode, Version, &mut HeaderMap) {
        let head = self.answer.as_mut().expect(NO_RESPONSE);
        (head.status, Version::HTTP_2, &mut head.fields)
    }

    /// The response that is there. What of the request is still to be sent goes on its way while the body is read.
    pub(in crate::upstream) fn take(self) -> Response<UpstreamBody> {
        let Self { call: Call { head: request, upload, permit, .. }, held, is_sending, answer, .. } = self;
        let Head { status, fields, length } = answer.expect(NO_RESPONSE);
        let is_empty = request.method == Method::HEAD
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&status)
            || held.is_end_stream();
        let body = if is_empty {
            UpstreamBody::default()
        } else {
            let stream = held.stream().clone();
            let upload = is_sending.then(|| Uploading(tokio::spawn(upload.run(stream)).abort_handle()));
            UpstreamBody::http2(Http2Body::new(held, length, upload, permit))
        };
        let mut response = Response::new(body);
        (*response.status_mut(), *response.headers_mut()) = (status, fields);
        response
    }
}
