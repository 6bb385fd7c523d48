//! The body of a response that went through the layer.

use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, Response, header};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use super::{guard::Guard, inspection::Inspection};
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
    enum Kind<B> {
        /// The backend's, frame by frame; `left` counts down to the last byte where that is known.
        Passed { #[pin] inner: B, left: u64 },
        /// The same, with somebody looking on.
        Observed { #[pin] inner: B, left: u64, inspection: Option<Box<Inspection>> },
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

/// A length that nobody announced.
const UNKNOWN: u64 = u64::MAX;

impl<B: Body> ResponseBody<B> {
    /// The backend's; the consumer may stop after `left` bytes, and does after none.
    #[inline(always)]
    pub(crate) fn passed(inner: B, left: u64, guard: Guard) -> Self {
        // A body that is over is settled now: nobody has to poll it.
        let over = left == 0 && !guard.awaits_trailers() || inner.is_end_stream();
        let guard = unless(over, guard);
        Self { guard, kind: Kind::Passed { inner, left } }
    }

    pub(crate) fn observed(inner: B, left: u64, guard: Guard, inspection: Inspection) -> Self {
        Self {
            kind: Kind::Observed { inner, left, inspection: Some(Box::new(inspection)) },
            guard: Some(guard),
        }
    }

    pub(crate) fn whole(whole: Whole, guard: Guard) -> Self {
        let over = guard.ends_with_head() || whole.is_over();
        Self { kind: Kind::Whole { whole }, guard: unless(over, guard) }
    }
}

#[inline]
fn unless(over: bool, guard: Guard) -> Option<Guard> {
    if over {
        guard.finish();
        return None;
    }
    Some(guard)
}

/// How many bytes the consumer may stop after.
#[inline]
pub(crate) fn announced<B: Body>(response: &Response<B>) -> u64 {
    let length = response.body().size_hint().exact();
    length.or_else(|| content_length(response.headers())).unwrap_or(UNKNOWN)
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
    fn is_over(&self) -> bool {
        self.data.is_empty() && self.trailers.is_none()
    }

    fn next(&mut self) -> Option<Frame<Bytes>> {
        if !self.data.is_empty() {
            return Some(Frame::data(std::mem::take(&mut self.data)));
        }
        self.trailers.take().map(|trailers| Frame::trailers(*trailers))
    }
}

/// Whether the consumer may stop after this frame, and what the frame means for the count.
#[inline]
fn ends_with(
    frame: &Frame<Bytes>,
    left: &mut u64,
    guard: &mut Guard,
    is_over: impl FnOnce() -> bool,
) -> bool {
    if let Some(data) = frame.data_ref() {
        guard.sent(data);
        if *left != UNKNOWN {
            *left = left.saturating_sub(data.len() as u64);
        }
        is_over() || *left == 0 && !guard.awaits_trailers()
    } else {
        if let Some(trailers) = frame.trailers_ref() {
            guard.trailers(trailers);
        }
        true
    }
}

#[inline]
fn settle(slot: &mut Option<Guard>) {
    if let Some(guard) = slot.take() {
        guard.finish();
    }
}

#[cold]
fn fail(slot: &mut Option<Guard>) {
    if let Some(guard) = slot.take() {
        guard.fail(BodyError::Upstream);
    }
}

#[inline]
fn into_bytes<D: Buf>(frame: Frame<D>) -> Frame<Bytes> {
    frame.map_data(|mut data| data.copy_to_bytes(data.remaining()))
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
            KindProj::Passed { mut inner, left } => {
                let frame = ready!(inner.as_mut().poll_frame(cx)).map(|frame| frame.map(into_bytes));
                match &frame {
                    Some(Ok(frame)) => {
                        if let Some(counted) = guard
                            && ends_with(frame, left, counted, || inner.is_end_stream())
                        {
                            settle(guard);
                        }
                    }
                    Some(Err(_)) => fail(guard),
                    None => settle(guard),
                }
                Poll::Ready(frame)
            }
            KindProj::Observed { mut inner, left, inspection } => {
                let frame = ready!(inner.as_mut().poll_frame(cx)).map(|frame| frame.map(into_bytes));
                observe(guard, inspection, frame.as_ref(), left, || inner.is_end_stream());
                Poll::Ready(frame)
            }
            KindProj::Whole { whole } => {
                let frame = whole.next();
                if let (Some(guard), Some(data)) = (guard.as_mut(), frame.as_ref().and_then(Frame::data_ref))
                {
                    guard.sent(data);
                }
                if whole.is_over() {
                    settle(guard);
                }
                Poll::Ready(frame.map(Ok))
            }
        }
    }

    #[inline]
    fn is_end_stream(&self) -> bool {
        match &self.kind {
            Kind::Passed { inner, .. } | Kind::Observed { inner, .. } => inner.is_end_stream(),
            Kind::Whole { whole } => whole.is_over(),
        }
    }

    #[inline]
    fn size_hint(&self) -> SizeHint {
        match &self.kind {
            Kind::Passed { inner, .. } | Kind::Observed { inner, .. } => inner.size_hint(),
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

/// Copies what goes by, and judges it before the last of it goes on.
fn observe<E>(
    slot: &mut Option<Guard>,
    inspection: &mut Option<Box<Inspection>>,
    frame: Option<&Result<Frame<Bytes>, E>>,
    left: &mut u64,
    is_over: impl FnOnce() -> bool,
) {
    let Some(guard) = slot else { return };
    if let Some(Ok(frame)) = frame
        && let Some(data) = frame.data_ref()
        && inspection.as_mut().is_some_and(|inspection| !inspection.add(data.clone()))
    {
        conclude(inspection, guard, Inspection::observe_too_large);
    }
    match frame {
        Some(Ok(frame)) => {
            if ends_with(frame, left, guard, is_over) {
                conclude(inspection, guard, Inspection::observe_end);
                settle(slot);
            }
        }
        Some(Err(_)) => {
            conclude(inspection, guard, Inspection::observe_cut);
            fail(slot);
        }
        None => {
            conclude(inspection, guard, Inspection::observe_end);
            settle(slot);
        }
    }
}

fn conclude(
    inspection: &mut Option<Box<Inspection>>,
    guard: &mut Guard,
    conclusion: impl FnOnce(Inspection, &mut Guard),
) {
    if let Some(inspection) = inspection.take() {
        conclusion(*inspection, guard);
    }
}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match &self.kind {
            Kind::Passed { .. } => "Passed",
            Kind::Observed { .. } => "Observed",
            Kind::Whole { .. } => "Whole",
        };
        f.debug_struct("ResponseBody").field("kind", &kind).finish_non_exhaustive()
    }
}
