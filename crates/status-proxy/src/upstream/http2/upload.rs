//! A request's body on its way to an HTTP/2 upstream.

use std::{
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::upstream::request_body::{RequestBody, RequestBodyError};

/// Sends no more than the upstream has room for: what lay in h2 beyond that would stay there, and its stream with it, if the
/// upstream answered without ever taking it.
#[derive(Debug)]
pub(super) struct Upload {
    body: RequestBody,
    /// What has been read and has no room yet.
    waiting: Bytes,
    /// How many frames have been sent.
    frames: usize,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        Self { body, waiting: Bytes::new(), frames: 0 }
    }

    /// Whether there is nothing to send, or nothing left.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.body.is_end_stream()
    }

    /// Whether it is for the upstream to make room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many frames have been sent. What none was sent of can be sent on another stream.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Ready when all of it has been sent, or the upstream takes no more: its answer tells why.
    pub(super) fn poll(
        &mut self,
        stream: &mut SendStream<Bytes>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), RequestBodyError>> {
        loop {
            while !self.waiting.is_empty() {
                // Each time: what was refused before it had room waits on another stream now.
                stream.reserve_capacity(self.waiting.len());
                if stream.capacity() == 0 && !matches!(ready!(stream.poll_capacity(cx)), Some(Ok(_))) {
                    return Poll::Ready(Ok(()));
                }
                let room = stream.capacity().min(self.waiting.len());
                let data = self.waiting.split_to(room);
                let is_last = self.is_empty();
                if !self.send(stream, data, is_last) {
                    return Poll::Ready(Ok(()));
                }
            }
            let Some(frame) = ready!(Pin::new(&mut self.body).poll_frame(cx)) else {
                self.send(stream, Bytes::new(), true);
                return Poll::Ready(Ok(()));
            };
            match frame?.into_data() {
                Ok(data) => self.waiting = data,
                Err(frame) => {
                    if let Ok(trailers) = frame.into_trailers() {
                        self.frames += 1;
                        let _ = stream.send_trailers(trailers);
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Returns whether more may follow.
    fn send(&mut self, stream: &mut SendStream<Bytes>, data: Bytes, is_last: bool) -> bool {
        self.frames += 1;
        stream.send_data(data, is_last).is_ok() && !is_last
    }

    /// Sends all of it, or gives the stream up.
    pub(super) async fn run(mut self, mut stream: SendStream<Bytes>) {
        let sent = poll_fn(|cx| self.poll(&mut stream, cx)).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "request broke off");
            stream.send_reset(Reason::CANCEL);
        }
    }
}
