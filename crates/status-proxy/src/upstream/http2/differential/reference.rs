//! The h2 crate's client, as a gateway uses it.

use std::{
    pin::Pin,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::{
    RecvStream, SendStream,
    client::{Builder, Connection as H2Connection, ResponseFuture, SendRequest},
};
use http::{HeaderMap, Method, Request};

use super::run::{Connection, End, Exchange, LIMITS, Plan, Seen, fields, is_empty};
use crate::{
    http2::conversation::peer::Peer,
    upstream::http2::{CONNECTION_WINDOW, STREAM_WINDOW},
};

pub(super) struct Reference {
    connection: H2Connection<Peer, Bytes>,
    sender: Option<SendRequest<Bytes>>,
    has_had_room: bool,
}

impl Reference {
    pub(super) fn new(peer: Peer) -> Self {
        let mut builder = Builder::new();
        builder
            .enable_push(false)
            .initial_max_send_streams(0)
            .initial_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_header_list_size(LIMITS.bytes as u32)
            .max_send_buffer_size(64 * 1024)
            .data_frame_budget(64 * 1024 * 1024)
            .max_local_error_reset_streams(None);
        let mut handshake = Box::pin(builder.handshake::<_, Bytes>(peer));
        let mut cx = Context::from_waker(Waker::noop());
        loop {
            if let Poll::Ready(made) = handshake.as_mut().poll(&mut cx) {
                let (sender, connection) = made.unwrap();
                return Self { connection, sender: Some(sender), has_had_room: false };
            }
        }
    }

    fn is_open(&mut self, in_use: usize) -> bool {
        let Some(sender) = &mut self.sender else { return false };
        self.has_had_room |= sender.current_max_send_streams() > 0;
        let ready = sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        !matches!(ready, Poll::Ready(Err(_)))
            && (!self.has_had_room || in_use > 0 || sender.current_max_send_streams() > 0)
    }
}

impl Connection for Reference {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.connection).poll(cx).map(drop)
    }

    fn begin(&mut self, plan: &Plan, in_use: usize) -> Option<Box<dyn Exchange>> {
        if !self.is_open(in_use) {
            return None;
        }
        let sender = self.sender.as_mut().filter(|sender| in_use < sender.current_max_send_streams())?;
        let mut request = Request::new(());
        *request.method_mut() = plan.method.clone();
        *request.uri_mut() = format!("http://a{}", plan.path).parse().unwrap();
        *request.headers_mut() = plan.fields.clone();
        let (response, stream) = sender.send_request(request, plan.is_whole()).ok()?;
        Some(Box::new(ReferenceExchange {
            response: Some(response),
            body: None,
            has_data: true,
            stream: (!plan.is_whole()).then_some(stream),
            method: plan.method.clone(),
            parts: plan.parts.clone(),
            trailers: plan.trailers.clone(),
        }))
    }

    fn look(&mut self, in_use: usize) {
        if !self.is_open(in_use) {
            self.sender = None;
        }
    }
}

struct ReferenceExchange {
    response: Option<ResponseFuture>,
    body: Option<RecvStream>,
    has_data: bool,
    stream: Option<SendStream<Bytes>>,
    method: Method,
    parts: Vec<Bytes>,
    trailers: Option<HeaderMap>,
}

impl ReferenceExchange {
    /// Whether all has been sent, or the upstream takes no more.
    fn poll_upload(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(stream) = &mut self.stream else { return Poll::Pending };
        while let Some(part) = self.parts.first_mut() {
            while !part.is_empty() {
                stream.reserve_capacity(part.len());
                if stream.capacity() == 0 {
                    match stream.poll_capacity(cx) {
                        Poll::Ready(Some(Ok(_))) => {}
                        Poll::Ready(_) => return Poll::Ready(()),
                        Poll::Pending => return Poll::Pending,
                    }
                }
                let room = stream.capacity().min(part.len());
                if stream.send_data(part.split_to(room), false).is_err() {
                    return Poll::Ready(());
                }
            }
            self.parts.remove(0);
        }
        let _ = match self.trailers.take() {
            Some(trailers) => stream.send_trailers(trailers),
            None => stream.send_data(Bytes::new(), true),
        };
        Poll::Ready(())
    }
}

fn end_of(error: &h2::Error) -> End {
    let code = || error.reason().map_or(0, u32::from);
    match (error.is_reset(), error.is_go_away(), error.is_remote()) {
        (true, _, true) => End::Reset(code()),
        (true, _, false) => End::Fault,
        (_, true, true) => End::GoneAway(code()),
        (_, true, false) => End::Broken,
        _ => End::Lost,
    }
}

impl Exchange for ReferenceExchange {
    fn poll(&mut self, cx: &mut Context<'_>, reads: bool, seen: &mut Seen) -> Poll<()> {
        if self.poll_upload(cx).is_ready() {
            self.stream = None;
        }
        while let Some(response) = &mut self.response {
            match response.poll_informational(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(interim))) => {
                    seen.interim.push((interim.status().as_u16(), fields(interim.headers())));
                }
                Poll::Ready(Some(Err(error))) => {
                    seen.end = end_of(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => match Pin::new(response).poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(error)) => {
                        seen.end = end_of(&error);
                        return Poll::Ready(());
                    }
                    Poll::Ready(Ok(response)) => {
                        let (head, body) = response.into_parts();
                        seen.head = Some((head.status.as_u16(), fields(&head.headers)));
                        if is_empty(&self.method, head.status) || body.is_end_stream() {
                            seen.end = End::Complete;
                            return Poll::Ready(());
                        }
                        (self.response, self.body) = (None, Some(body));
                    }
                },
            }
        }
        let Some(body) = self.body.as_mut().filter(|_| reads) else { return Poll::Pending };
        while self.has_data {
            match body.poll_data(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Some(Ok(data))) => {
                    let _ = body.flow_control().release_capacity(data.len());
                    seen.body.extend(data);
                    if body.is_end_stream() {
                        seen.end = End::Complete;
                        return Poll::Ready(());
                    }
                }
                Poll::Ready(Some(Err(error))) => {
                    seen.end = end_of(&error);
                    return Poll::Ready(());
                }
                Poll::Ready(None) => self.has_data = false,
            }
        }
        body.poll_trailers(cx).map(|trailers| match trailers {
            Ok(trailers) => {
                seen.trailers = trailers.map(|trailers| fields(&trailers));
                seen.end = End::Complete;
            }
            Err(error) => seen.end = end_of(&error),
        })
    }
}
