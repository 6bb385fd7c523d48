//! The body of a response that went through the layer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::guard::Guard;
use crate::metrics::BodyError;

pin_project! {
    /// The body of a response that went through the layer: the backend's, or the one that took its place.
    pub struct ResponseBody<B> {
        #[pin]
        kind: Kind<B>,
        // How many bytes the consumer may stop after.
        left: u64,
        guard: Option<Guard>,
    }
}

pin_project! {
    #[project = KindProj]
    // The tag in front, and nothing but a body behind it: gaps make every move one of many small pieces.
    #[repr(C)]
    enum Kind<B> {
        /// The backend's, frame by frame.
        Passed { #[pin] inner: B },
        /// All of it, until it is sent: a representation, or what was collected to be judged.
        Whole { data: Bytes },
    }
}

/// A body that is here already.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) data: Bytes,
    /// Whether the length was announced, and so may be again.
    pub(crate) is_sized: bool,
}

/// A length that nobody announced: no body gets there.
const UNKNOWN: u64 = u64::MAX;

impl<B> ResponseBody<B> {
    /// The backend's; the consumer may stop after `left` bytes, and does after none.
    #[inline]
    pub(crate) fn passed(inner: B, left: u64, guard: Option<Guard>) -> Self {
        Self { kind: Kind::Passed { inner }, left, guard }
    }

    /// One that is here already.
    pub(crate) fn whole(whole: Whole, guard: Option<Guard>) -> Self {
        let left = if whole.is_sized { whole.data.len() as u64 } else { UNKNOWN };
        Self { kind: Kind::Whole { data: whole.data }, left, guard }
    }
}

impl<B> ResponseBody<B> {
    /// The backend's body, if all that is to come of it is passed on and none of its bytes looked at. Its frames must have the
    /// length that they would have; what is in them is between the backend and whoever sends them.
    ///
    /// A server can so have the system move the bytes of a long body from one socket to another.
    pub fn unread_mut(&mut self) -> Option<&mut B> {
        match &mut self.kind {
            Kind::Passed { inner } if !self.guard.as_ref().is_some_and(Guard::reads) => Some(inner),
            _ => None,
        }
    }
}

/// How many bytes the consumer may stop after.
#[inline]
pub(crate) fn announced<B: Body>(headers: &HeaderMap, body: &B) -> u64 {
    body.size_hint().exact().or_else(|| content_length(headers)).unwrap_or(UNKNOWN)
}

fn content_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

impl<B> Default for ResponseBody<B> {
    fn default() -> Self {
        Self { kind: Kind::Whole { data: Bytes::new() }, left: 0, guard: None }
    }
}

/// All of a frame's data. What is left of it is dropped here, where the compiler sees that nothing is.
#[inline]
pub(crate) fn bytes(mut data: impl Buf) -> Bytes {
    data.copy_to_bytes(data.remaining())
}

impl<B: Body> Body for ResponseBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    #[inline]
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.project();
        let (left, guard) = (this.left, this.guard);
        match this.kind.project() {
            KindProj::Passed { mut inner } => match ready!(inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        let data = bytes(data);
                        *left = left.saturating_sub(data.len() as u64);
                        if let Some(guard) = guard {
                            guard.sent(&data);
                            if inner.is_end_stream() || *left == 0 && !guard.awaits_trailers() {
                                guard.finish();
                            }
                        }
                        Poll::Ready(Some(Ok(Frame::data(data))))
                    }
                    Err(frame) => {
                        if let Some(guard) = guard {
                            guard.trailers(frame.trailers_ref());
                            guard.finish();
                        }
                        Poll::Ready(Some(Ok(frame.map_data(bytes))))
                    }
                },
                Some(Err(error)) => {
                    if let Some(guard) = guard {
                        guard.fail(BodyError::Upstream);
                    }
                    Poll::Ready(Some(Err(error)))
                }
                None => {
                    if let Some(guard) = guard {
                        guard.finish();
                    }
                    Poll::Ready(None)
                }
            },
            KindProj::Whole { data } => {
                let data = std::mem::take(data);
                *left = left.saturating_sub(data.len() as u64);
                let frame = if data.is_empty() {
                    let trailers = guard.as_mut().and_then(Guard::take_trailers);
                    trailers.map(|trailers| Frame::trailers(*trailers))
                } else {
                    if let Some(guard) = guard {
                        guard.sent(&data);
                    }
                    Some(Frame::data(data))
                };
                if let Some(guard) = guard
                    && !guard.has_trailers()
                {
                    guard.finish();
                }
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            // An end that has come since the last poll is told by the next, which counts it.
            Kind::Passed { inner } => inner.is_end_stream() && self.guard.as_ref().is_none_or(Guard::is_over),
            Kind::Whole { data } => data.is_empty() && !self.guard.as_ref().is_some_and(Guard::has_trailers),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { inner } => inner.size_hint(),
            Kind::Whole { data } => {
                let length = data.len() as u64;
                if self.left == length {
                    return SizeHint::with_exact(length);
                }
                let mut hint = SizeHint::new();
                hint.set_lower(length);
                hint
            }
        }
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Passed { .. } => "Passed",
            Kind::Whole { .. } => "Whole",
        };
        f.debug_struct("ResponseBody").field("kind", &kind).finish_non_exhaustive()
    }
}
