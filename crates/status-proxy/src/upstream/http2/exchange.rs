//! One request to an HTTP/2 upstream, until the head of its response is there.

use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use super::{
    body::{Http2Body, Uploading},
    connection::{Http2Connection, InUse},
    received::Received,
    request,
    upload::Upload,
};
use crate::{
    local_reply::{Cause, Failure},
    upstream::{
        MAX_INFORMATIONAL, NO_RESPONSE, Outgoing, Unsent, Upstream, UpstreamBody,
        deadline::{Deadline, Side, Turn},
        is_replayable,
        pool::Permit,
    },
};
use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, client::ResponseFuture};
use http::{HeaderMap, Method, Request, Response, StatusCode, Version, header};

/// How often a request is sent, at most, to an upstream that says that it has done nothing with it.
const MAX_SENDS: usize = 3;

/// A request that can be sent.
#[derive(Debug)]
pub(in crate::upstream) struct Call {
    head: Request<()>,
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
    head_fields: usize,
}

impl Call {
    pub(in crate::upstream) fn new(unsent: Unsent, upstream: &Upstream) -> Result<Self, Failure> {
        let Unsent { head, body, outgoing, permit } = unsent;
        let is_replayable = is_replayable(&head.method, &body);
        let via = upstream.via.received_in(outgoing.version);
        let request_body = (!request::is_grpc(&head.headers)).then_some(upstream.limits.request_body);
        let head = request::to_http2(head, outgoing.added.iter(via))?;
        let limits = CallLimits {
            request_body,
            response_head: upstream.limits.response_head,
            head_fields: upstream.limits.connection.head_fields,
        };
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
        let (response, stream, in_use) = connection.send(self.head.clone(), is_whole).map_err(explain)?;
        Ok(Box::new(Exchange {
            call: self,
            stream: (!is_whole).then_some(stream),
            response,
            in_use,
            informational: 0,
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
    /// Until the request has been sent.
    stream: Option<SendStream<Bytes>>,
    response: ResponseFuture,
    in_use: InUse,
    informational: usize,
    turn: Turn,
    deadline: Deadline,
    answer: Option<(Response<RecvStream>, Option<u64>)>,
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
            match self.response.poll_informational(cx) {
                Poll::Ready(Some(Ok(response))) => self.interim(response).map_err(Unanswered::Final)?,
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(self.fail(error))),
                Poll::Ready(None) => {
                    return Pin::new(&mut self.response).poll(cx).map(|outcome| match outcome {
                        Ok(response) => self.accept(response).map_err(Unanswered::Final),
                        Err(error) => Err(self.fail(error)),
                    });
                }
                Poll::Pending => break,
            }
        }
        let Call { upload, outgoing, limits, .. } = &mut self.call;
        outgoing.progress.poll_expectation(cx);
        let frames = upload.frames();
        if let Some(stream) = &mut self.stream {
            match upload.poll(stream, cx) {
                Poll::Ready(Ok(())) => self.stream = None,
                Poll::Ready(Err(error)) => {
                    let cause = outgoing.progress.fault().unwrap_or(Cause::BodyCut);
                    return Poll::Ready(Err(Unanswered::Final(Failure::new(cause, error))));
                }
                Poll::Pending => {}
            }
        }
        let (side, limit) = if self.stream.is_some() && !upload.is_waiting() {
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
                    self.in_use.suspect();
                    Cause::ResponseTimeout
                }
            };
            Err(Unanswered::Final(cause.into()))
        })
    }

    fn interim(&mut self, mut response: Response<()>) -> Result<(), Failure> {
        self.informational += 1;
        // RFC 9113, 8.6: there is no 101.
        if self.informational > MAX_INFORMATIONAL || response.status() == StatusCode::SWITCHING_PROTOCOLS {
            return Err(Failure::new(Cause::InvalidReply, "interim response"));
        }
        self.call.outgoing.pass_on(response.status(), response.headers_mut());
        Ok(())
    }

    fn accept(&mut self, response: Response<RecvStream>) -> Result<(), Failure> {
        if response.headers().len() > self.call.limits.head_fields {
            return Err(Failure::new(Cause::InvalidReply, "too many response fields"));
        }
        // h2 has seen to it that there is one length, but takes an empty one.
        let length = response.headers().get(header::CONTENT_LENGTH).map(|length| {
            let text = length.to_str().unwrap_or_default();
            text.parse().map_err(|error| Failure::new(Cause::InvalidReply, error))
        });
        self.answer = Some((response, length.transpose()?));
        Ok(())
    }

    fn fail(&self, error: h2::Error) -> Unanswered {
        let Call { upload, is_replayable, sends, .. } = &self.call;
        let is_refused = error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
        if is_refused {
            self.in_use.refuse();
        }
        // RFC 9113, 8.7: the request has not been processed, whatever its method.
        let is_unprocessed =
            (is_refused || error.is_remote() && error.is_go_away()) && upload.is_kept() && *sends < MAX_SENDS;
        // A connection that has been used before may have been closed meanwhile.
        let is_stale = !error.is_reset() && !self.in_use.is_first() && *is_replayable && *sends == 1;
        if self.informational == 0 && (is_unprocessed || is_stale) {
            return Unanswered::Again;
        }
        Unanswered::Final(explain(error))
    }

    /// The request, which may be sent again.
    pub(in crate::upstream) fn into_call(self) -> Call {
        self.call
    }

    /// Status, version and fields of the response that is there.
    pub(in crate::upstream) fn head_mut(&mut self) -> (StatusCode, Version, &mut HeaderMap) {
        let (response, _) = self.answer.as_mut().expect(NO_RESPONSE);
        (response.status(), response.version(), response.headers_mut())
    }

    /// The response that is there. What of the request is still to be sent goes on its way while the body is read.
    pub(in crate::upstream) fn take(self) -> Response<UpstreamBody> {
        let Self { call: Call { head: request, upload, permit, .. }, stream, in_use, answer, .. } = self;
        let (response, length) = answer.expect(NO_RESPONSE);
        let (mut head, received) = response.into_parts();
        head.version = Version::HTTP_11;
        let is_empty = *request.method() == Method::HEAD
            || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status)
            || received.is_end_stream();
        if is_empty {
            return Response::from_parts(head, UpstreamBody::default());
        }
        let upload = stream.map(|stream| Uploading(tokio::spawn(upload.run(stream)).abort_handle()));
        let body = Http2Body::new(Received::new(received, length), upload, in_use, permit);
        Response::from_parts(head, UpstreamBody::http2(body))
    }
}

/// What a failed exchange means.
pub(super) fn explain(error: h2::Error) -> Failure {
    let cause = if error.is_library() { Cause::InvalidReply } else { Cause::Disconnected };
    Failure::new(cause, error)
}
