//! One request, from its head to the last byte of its response.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;

use super::{
    date,
    head::Asked,
    inbox::{Inbox, StreamBody},
    tunnel::{End, Next, Outbox, PromisedTunnel},
    websocket::{self, Key},
};
use crate::{
    http2::{Reason, outlet::Outlet},
    listen::{
        client_body::ClientBody,
        client_conn::{ClientConn, INTERIM_BYTES},
        connection::{BoxError, Handler},
        expects_continue,
    },
    upstream::Http2Error,
};

pin_project! {
    /// Dropping it gives the request up.
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
            tunnel: Option<Box<(PromisedTunnel, Key)>>,
            // While the client waits for 100 (Continue): until its body is read.
            wanted: Option<Arc<Inbox>>,
        },
        Sending {
            #[pin]
            body: B,
            // Until the client lets it through.
            waiting: Bytes,
        },
        Tunnelling {
            outbox: Outbox,
        },
    }
}

impl<F, B> Exchange<F, B> {
    /// Gives a request to the service. The body, and what follows the head of a tunnel, come to `inbox`.
    pub(super) fn new<H: Handler<Future = F, Body = B>>(
        service: &H,
        asked: Asked,
        inbox: Option<&Arc<Inbox>>,
        client: Arc<ClientConn>,
    ) -> Self {
        let (mut tunnel, mut wanted) = (None, None);
        let Asked { mut request, protocol, .. } = asked;
        let key = protocol.and_then(|protocol| websocket::translate(&mut request, &protocol));
        let body = match (inbox.map(|inbox| (StreamBody::new(inbox.clone()), inbox)), key) {
            (None, _) => ClientBody::Empty,
            (Some((body, _)), Some(key)) => {
                let (promised, awaited) = PromisedTunnel::new(body);
                tunnel = Some(Box::new((promised, key)));
                request.extensions_mut().insert(awaited);
                ClientBody::Empty
            }
            (Some((body, _)), None) if body.is_end_stream() => ClientBody::Empty,
            (Some((body, inbox)), None) => {
                wanted = expects_continue(request.headers()).then(|| inbox.clone());
                ClientBody::Stream(body)
            }
        };
        let answer = service.call(request.map(|()| body));
        Self { state: State::Answering { answer, tunnel, wanted }, client, interim_bytes: 0 }
    }
}

impl<F, B, E> Exchange<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    E: Into<BoxError>,
{
    /// Whether the client has been given the head of the response.
    pub(super) fn has_answered(&self) -> bool {
        !matches!(self.state, State::Answering { .. })
    }

    /// Ready when the response has been given to `outlet`, or has been broken off there.
    pub(super) fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, outlet: &mut Outlet<'_>) -> Poll<()> {
        let mut this = self.project();
        if let StateProj::Answering { answer, tunnel, wanted } = this.state.as_mut().project() {
            let answer = answer.poll(cx);
            if wanted.as_ref().is_some_and(|inbox| inbox.has_been_asked()) {
                *wanted = None;
                if answer.is_pending() {
                    outlet.response(StatusCode::CONTINUE, &HeaderMap::new(), false);
                }
            }
            if let Some(interim) = this.client.interim()
                && *this.interim_bytes < INTERIM_BYTES
            {
                *this.interim_bytes += interim.bytes;
                for response in interim.responses {
                    outlet.response(response.status(), response.headers(), false);
                }
            }
            let response = match ready!(answer) {
                Ok(response) => response,
                Err(error) => {
                    outlet.reset(reason_of(&*error.into()));
                    return Poll::Ready(());
                }
            };
            let (mut head, body) = response.into_parts();
            let is_switched = head.status == StatusCode::SWITCHING_PROTOCOLS;
            if let Some((tunnel, key)) = tunnel.take().filter(|_| is_switched).map(|tunnel| *tunnel) {
                websocket::translate_back(&mut head, key);
                complete(&mut head, None);
                outlet.response(head.status, &head.headers, false);
                this.state.set(State::Tunnelling { outbox: tunnel.keep(cx.waker()) });
            } else {
                let ends = body.is_end_stream();
                complete(&mut head, if ends { None } else { body.size_hint().exact() });
                outlet.response(head.status, &head.headers, ends);
                if ends {
                    return Poll::Ready(());
                }
                this.state.set(State::Sending { body, waiting: Bytes::new() });
            }
        }
        match this.state.project() {
            StateProj::Sending { body, waiting } => poll_body(body, waiting, outlet, cx),
            StateProj::Tunnelling { outbox } => poll_tunnel(outbox, outlet),
            StateProj::Answering { .. } => Poll::Pending,
        }
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
    waiting: &mut Bytes,
    outlet: &mut Outlet<'_>,
    cx: &mut Context<'_>,
) -> Poll<()> {
    loop {
        while !waiting.is_empty() {
            let room = outlet.room();
            if room == 0 {
                return Poll::Pending;
            }
            let part = waiting.split_to(room.min(waiting.len()));
            let ends = waiting.is_empty() && body.is_end_stream();
            outlet.data(part, ends);
            if ends {
                return Poll::Ready(());
            }
        }
        let frame = match ready!(body.as_mut().poll_frame(cx)) {
            Some(Ok(frame)) => frame,
            Some(Err(error)) => {
                let error = error.into();
                tracing::debug!(%error, "response broke off");
                outlet.reset(reason_of(&*error));
                return Poll::Ready(());
            }
            None => {
                outlet.data(Bytes::new(), true);
                return Poll::Ready(());
            }
        };
        match frame.into_data() {
            Ok(data) => *waiting = data,
            Err(frame) => {
                if let Ok(mut trailers) = frame.into_trailers() {
                    // RFC 9110, section 6.5.1: it would speak of a message that has ended.
                    trailers.remove(header::CONTENT_LENGTH);
                    outlet.trailers(&trailers);
                    return Poll::Ready(());
                }
            }
        }
    }
}

/// Sends what goes through a tunnel, as fast as the client takes it.
fn poll_tunnel(outbox: &Outbox, outlet: &mut Outlet<'_>) -> Poll<()> {
    loop {
        let room = if outbox.is_empty() { 0 } else { outlet.room() };
        match outbox.take(room) {
            Next::Data(data) => outlet.data(data, false),
            Next::End(End::Whole) => {
                outlet.data(Bytes::new(), true);
                return Poll::Ready(());
            }
            Next::End(End::Cut) => {
                outlet.reset(Reason::CANCEL);
                return Poll::Ready(());
            }
            Next::Nothing => return Poll::Pending,
        }
    }
}

/// What the upstream reset its stream with, if that is what happened. Not what would say that the client is at fault, nor that
/// nothing is wrong: some would take that for the end of the response.
fn reason_of(error: &(dyn std::error::Error + 'static)) -> Reason {
    let mut cause = Some(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<Http2Error>()
            && let Some(reason) = error.reason_of_peer()
            && ![Reason::NO_ERROR, Reason::PROTOCOL_ERROR].contains(&reason)
        {
            return reason;
        }
        cause = error.source();
    }
    Reason::INTERNAL_ERROR
}
