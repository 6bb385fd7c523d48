//! One request, from its head to the last byte of its response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, RecvStream, SendStream, server::SendResponse};
use http::{
    HeaderMap, HeaderValue, Request, Response, StatusCode,
    header::{self, Entry},
    response::Parts,
};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::sync::oneshot;

use super::{date, stream_body::StreamBody, tunnel::PromisedTunnel, websocket};
use crate::listen::{
    client_body::ClientBody,
    client_conn::{ClientConn, INTERIM_BYTES},
    connection::{BoxError, Handler},
};

pin_project! {
    /// Ready when the response has been given to h2 or the client has reset the stream. Dropping it gives the request up.
    pub(super) struct Exchange<F, B> {
        #[pin]
        state: State<F, B>,
        client: Arc<ClientConn>,
        // Of the interim responses that have been sent.
        interim_bytes: usize,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F, B> {
        Answering {
            #[pin]
            answer: F,
            respond: SendResponse<Bytes>,
            tunnel: Option<Box<PromisedTunnel>>,
            // While the client waits for 100 (Continue): until its body is read.
            wanted: Option<oneshot::Receiver<()>>,
        },
        Sending {
            #[pin]
            body: B,
            stream: SendStream<Bytes>,
            // Until the client lets something of it through.
            waiting: Option<Bytes>,
        },
    }
}

impl<F, B> Exchange<F, B> {
    /// Gives a request to the service.
    pub(super) fn new<H: Handler<Future = F, Body = B>>(
        service: &H,
        mut request: Request<RecvStream>,
        respond: SendResponse<Bytes>,
        client: Arc<ClientConn>,
    ) -> Self {
        let (mut tunnel, mut wanted) = (None, None);
        let length = state_length(request.headers_mut());
        let request = if websocket::translate(&mut request) {
            let (mut parts, stream) = request.into_parts();
            let (promised, awaited) = PromisedTunnel::new(stream);
            tunnel = Some(Box::new(promised));
            parts.extensions.insert(awaited);
            Request::from_parts(parts, ClientBody::Empty)
        } else if request.body().is_end_stream() {
            request.map(|_| ClientBody::Empty)
        } else {
            let (parts, stream) = request.into_parts();
            let mut body = StreamBody::new(stream, length);
            if expects_continue(&parts.headers) {
                wanted = Some(body.wanted());
            }
            Request::from_parts(parts, ClientBody::Stream(body))
        };
        let answer = service.call(request);
        Self { state: State::Answering { answer, respond, tunnel, wanted }, client, interim_bytes: 0 }
    }
}

impl<F, B, E> Future for Exchange<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    E: Into<BoxError>,
{
    type Output = ();

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        let mut this = self.project();
        if let StateProj::Answering { answer, respond, tunnel, wanted } = this.state.as_mut().project() {
            let answer = answer.poll(cx);
            if let Some(receiver) = wanted
                && let Poll::Ready(is_read) = Pin::new(receiver).poll(cx)
            {
                *wanted = None;
                if is_read.is_ok() && answer.is_pending() {
                    let mut response = Response::new(());
                    *response.status_mut() = StatusCode::CONTINUE;
                    let _ = respond.send_informational(response);
                }
            }
            if let Some(interim) = this.client.interim() {
                // h2 keeps what the client does not take, whatever it is, and does not ask whether it still wants any.
                if *this.interim_bytes < INTERIM_BYTES && respond.poll_reset(cx).is_pending() {
                    *this.interim_bytes += interim.bytes;
                    for response in interim.responses {
                        let _ = respond.send_informational(response);
                    }
                }
            }
            let response = match answer {
                Poll::Ready(Ok(response)) => response,
                Poll::Ready(Err(error)) => {
                    respond.send_reset(reason_of(&*error.into()));
                    return Poll::Ready(());
                }
                Poll::Pending => return respond.poll_reset(cx).map(drop),
            };
            let Some((stream, body)) = start(respond, tunnel.take(), response) else {
                return Poll::Ready(());
            };
            this.state.set(State::Sending { body, stream, waiting: None });
        }
        if let StateProj::Sending { mut body, stream, waiting } = this.state.project() {
            let sent = poll_body(body.as_mut(), stream, waiting, cx);
            return if sent.is_ready() { sent } else { stream.poll_reset(cx).map(drop) };
        }
        Poll::Ready(())
    }
}

/// Leaves one line of the length that the client gave, as a number: h2 takes several that mean the same, and none at all.
fn state_length(fields: &mut HeaderMap) -> Option<u64> {
    // Few requests have one, and a look at each name costs less than to look it up.
    if !fields.keys().any(|name| *name == header::CONTENT_LENGTH) {
        return None;
    }
    let Entry::Occupied(mut field) = fields.entry(header::CONTENT_LENGTH) else { return None };
    let length = field.get().to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    field.insert(HeaderValue::from(length));
    Some(length)
}

fn expects_continue(fields: &HeaderMap) -> bool {
    fields.get(header::EXPECT).is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"100-continue"))
}

/// Sends the head of a response. Returns its body, if there is any to be sent.
fn start<B: Body>(
    respond: &mut SendResponse<Bytes>,
    tunnel: Option<Box<PromisedTunnel>>,
    response: Response<B>,
) -> Option<(SendStream<Bytes>, B)> {
    let (mut head, body) = response.into_parts();
    let tunnel = tunnel.filter(|_| head.status == StatusCode::SWITCHING_PROTOCOLS);
    if tunnel.is_some() {
        websocket::translate_back(&mut head);
    }
    let ends_here = tunnel.is_none() && body.is_end_stream();
    let length = if ends_here || tunnel.is_some() { None } else { body.size_hint().exact() };
    complete(&mut head, length);
    let stream = match respond.send_response(Response::from_parts(head, ()), ends_here) {
        Ok(stream) => stream,
        Err(error) => {
            tracing::debug!(%error, "response was not sent");
            respond.send_reset(Reason::INTERNAL_ERROR);
            return None;
        }
    };
    match tunnel {
        Some(tunnel) => {
            tunnel.keep(stream);
            None
        }
        None if ends_here => None,
        None => Some((stream, body)),
    }
}

/// Puts in what a response's head lacks.
fn complete(head: &mut Parts, length: Option<u64>) {
    let (mut has_date, mut has_length) = (false, false);
    for name in head.headers.keys() {
        has_date |= name == header::DATE;
        has_length |= name == header::CONTENT_LENGTH;
    }
    if !has_date {
        head.headers.insert(header::DATE, date::now());
    }
    if let Some(length) = length.filter(|_| !has_length) {
        head.headers.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
    }
}

/// Sends a body as fast as the client takes it.
fn poll_body<B: Body<Data = Bytes, Error: Into<BoxError>>>(
    mut body: Pin<&mut B>,
    stream: &mut SendStream<Bytes>,
    waiting: &mut Option<Bytes>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        if waiting.is_some() {
            while stream.capacity() == 0 {
                if !matches!(ready!(stream.poll_capacity(cx)), Some(Ok(_))) {
                    return Poll::Ready(());
                }
            }
        }
        if let Some(data) = waiting.take()
            && stream.send_data(data, false).is_err()
        {
            return Poll::Ready(());
        }
        let frame = match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error = error.into();
                tracing::debug!(%error, "response broke off");
                stream.send_reset(reason_of(&*error));
                return Poll::Ready(());
            }
            None => {
                let _ = stream.send_data(Bytes::new(), true);
                return Poll::Ready(());
            }
        };
        match frame.into_data() {
            // h2 keeps it until the client takes it, no longer than it would lie here.
            Ok(data) if body.is_end_stream() => {
                let _ = stream.send_data(data, true);
                return Poll::Ready(());
            }
            Ok(data) if data.is_empty() => {}
            Ok(data) => {
                // No more than what tells h2 that there is something: it asks for the rest with the data, and a stream
                // that has nothing to send must not keep the connection's window from the others.
                stream.reserve_capacity(1);
                *waiting = Some(data);
            }
            Err(frame) => {
                if let Ok(mut trailers) = frame.into_trailers() {
                    // RFC 9110, section 6.5.1: it would speak of a message that has ended.
                    trailers.remove(header::CONTENT_LENGTH);
                    stream.reserve_capacity(0);
                    let _ = stream.send_trailers(trailers);
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// What the upstream reset its stream with, if that is what happened. Not what would say that the client is at fault, nor that
/// nothing is wrong: some would take that for the end of the response.
fn reason_of(error: &(dyn std::error::Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>()
            && error.is_remote()
            && let Some(reason) = error.reason()
            && ![Reason::NO_ERROR, Reason::PROTOCOL_ERROR].contains(&reason)
        {
            return reason;
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
