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
        guard: Option<Guard>,
    }
}

pin_project! {
    #[project = KindProj]
    // The tag in front: in a gap of a variant it would make every move of a body one of many small pieces.
    #[repr(C)]
    enum Kind<B> {
        /// The backend's, frame by frame; `left` counts down to the last byte where that is known.
        Passed { #[pin] inner: B, left: u64 },
        /// All of it: a representation, or what was collected to be judged.
        Whole { whole: Whole },
    }
}

/// A body that is here already.
#[derive(Debug, Default)]
pub(crate) struct Whole {
    pub(crate) data: Bytes,
    pub(crate) trailers: Option<Box<HeaderMap>>,
    /// Whether the length was announced, and so may be again.
    pub(crate) is_sized: bool,
}

/// A length that nobody announced: no body gets there.
const UNKNOWN: u64 = u64::MAX;

impl<B> ResponseBody<B> {
    /// The backend's; the consumer may stop after `left` bytes, and does after none.
    #[inline]
    pub(crate) fn passed(inner: B, left: u64, guard: Option<Guard>) -> Self {
        Self { kind: Kind::Passed { inner, left }, guard }
    }

    /// One that is here already.
    pub(crate) fn whole(whole: Whole, guard: Option<Guard>) -> Self {
        Self { kind: Kind::Whole { whole }, guard }
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
        Self { kind: Kind::Whole { whole: Whole { is_sized: true, ..Whole::default() } }, guard: None }
    }
}

impl Whole {
    pub(crate) fn is_over(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        if !self.data.is_empty() {
            return Some(Frame::data(std::mem::take(&mut self.data)));
        }
        self.trailers.take().map(|trailers| Frame::trailers(*trailers))
    }
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
        let guard = this.guard;
        match this.kind.project() {
            KindProj::Passed { mut inner, left } => match ready!(inner.as_mut().poll_frame(cx)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(mut data) => {
                        let data = data.copy_to_bytes(data.remaining());
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
                        Poll::Ready(Some(Ok(frame.map_data(|mut data| data.copy_to_bytes(data.remaining())))))
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
            KindProj::Whole { whole } => {
                let frame = whole.next();
                if let Some(guard) = guard {
                    if let Some(data) = frame.as_ref().and_then(Frame::data_ref) {
                        guard.sent(data);
                    }
                    if whole.is_over() {
                        guard.finish();
                    }
                }
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { inner, .. } => inner.is_end_stream(),
            Kind::Whole { whole } => whole.is_over(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { inner, .. } => inner.size_hint(),
            Kind::Whole { whole } => {
                let length = whole.data.len() as u64;
                if whole.is_sized {
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
