//! A request's body on its way to an HTTP/2 upstream.

use std::{
    future::poll_fn,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::Body;

use super::held::StreamRef;
use crate::upstream::request_body::{RequestBody, RequestBodyError};

/// As much of a body as is kept until the upstream begins to answer, to be sent again if it has done nothing with it.
const KEPT_BYTES: usize = 64 * 1024;
/// In as many pieces, each of which may hold on to a buffer larger than itself.
const KEPT_PIECES: usize = 8;

/// Sends no more than the upstream has room for, and takes no more of the body than that.
#[derive(Debug)]
pub(super) struct Upload {
    body: RequestBody,
    /// What has been read and has no room yet.
    waiting: Bytes,
    /// How many frames have been sent.
    frames: usize,
    /// All that has been sent, unless it is too much to be sent again.
    sent: Option<Vec<Bytes>>,
}

impl Upload {
    pub(super) fn new(body: RequestBody) -> Self {
        Self { body, waiting: Bytes::new(), frames: 0, sent: Some(Vec::new()) }
    }

    /// Whether there is nothing to send, or nothing left.
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.body.is_end_stream()
    }

    /// Whether it is for the upstream to make room.
    pub(super) fn is_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// How many frames have been sent.
    pub(super) fn frames(&self) -> usize {
        self.frames
    }

    /// Whether it can be sent on another stream.
    pub(super) fn is_kept(&self) -> bool {
        self.sent.is_some()
    }

    /// Has all of it, if it is kept, sent on another stream.
    pub(super) fn rewind(&mut self) {
        if let Some(sent) = &mut self.sent
            && !sent.is_empty()
        {
            sent.push(mem::take(&mut self.waiting));
            self.waiting = sent.concat().into();
            sent.clear();
        }
    }

    /// Ready when all of it has been sent, or the upstream takes no more: its answer tells why.
    pub(super) fn poll(
        &mut self,
        stream: &StreamRef,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), RequestBodyError>> {
        loop {
            while !self.waiting.is_empty() {
                let Some(room) = ready!(stream.poll_room(cx)) else { return Poll::Ready(Ok(())) };
                let data = self.waiting.split_to(room.min(self.waiting.len()));
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
                        self.sent = None;
                        stream.send_trailers(&trailers);
                    }
                    return Poll::Ready(Ok(()));
                }
            }
        }
    }

    /// Returns whether more may follow.
    fn send(&mut self, stream: &StreamRef, data: Bytes, is_last: bool) -> bool {
        self.frames += 1;
        if !data.is_empty() {
            self.keep(data.clone());
        }
        stream.send(data, is_last)
    }

    fn keep(&mut self, data: Bytes) {
        if let Some(sent) = &mut self.sent {
            sent.push(data);
            if sent.len() > KEPT_PIECES || sent.iter().map(Bytes::len).sum::<usize>() > KEPT_BYTES {
                self.sent = None;
            }
        }
    }

    /// Sends all of it, or gives the stream up.
    pub(super) async fn run(mut self, stream: StreamRef) {
        self.sent = None;
        let sent = poll_fn(|cx| self.poll(&stream, cx)).await;
        if let Err(error) = sent {
            tracing::debug!(%error, "request broke off");
            stream.reset();
        }
    }
}
