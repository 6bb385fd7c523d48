//! The body of an HTTP/2 upstream's response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use super::{error::Error, held::Held};
use crate::upstream::pool::Permit;

/// What is left of an exchange when the head of the response has been taken; nothing after its end.
#[derive(Debug)]
pub(in crate::upstream) struct Http2Body(Option<Box<Rest>>);

#[derive(Debug)]
struct Rest {
    held: Held,
    /// Bytes that are to be read, where the upstream said how many.
    left: Option<u64>,
    _upload: Option<Uploading>,
    _permit: Permit,
}

/// Sends the rest of a request that was answered before its end, until that is dropped.
#[derive(Debug)]
pub(super) struct Uploading(pub(super) AbortHandle);

impl Drop for Uploading {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Http2Body {
    /// A body of `length` bytes, if the upstream said so.
    pub(super) fn new(held: Held, length: Option<u64>, upload: Option<Uploading>, permit: Permit) -> Self {
        Self(Some(Box::new(Rest { held, left: length, _upload: upload, _permit: permit })))
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let Some(rest) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(rest.held.poll_frame(cx));
        if let Some(Ok(frame)) = &frame
            && let Some(data) = frame.data_ref()
        {
            rest.left = rest.left.map(|left| left.saturating_sub(data.len() as u64));
        }
        if !matches!(frame, Some(Ok(_))) || rest.held.is_end_stream() {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|rest| rest.held.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        let left = self.0.as_ref().map_or(Some(0), |rest| rest.left);
        left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
