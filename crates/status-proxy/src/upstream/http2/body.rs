//! The body of an HTTP/2 upstream's response.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::task::AbortHandle;

use super::{connection::InUse, received::Received};
use crate::upstream::pool::Permit;

/// What is left of an exchange when the head of the response has been taken; nothing after its end.
#[derive(Debug)]
pub(in crate::upstream) struct Http2Body(Option<Box<Rest>>);

#[derive(Debug)]
struct Rest {
    received: Received,
    _upload: Option<Uploading>,
    _in_use: InUse,
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
    pub(super) fn new(received: Received, upload: Option<Uploading>, in_use: InUse, permit: Permit) -> Self {
        Self(Some(Box::new(Rest { received, _upload: upload, _in_use: in_use, _permit: permit })))
    }
}

impl Body for Http2Body {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(rest) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(Pin::new(&mut rest.received).poll_frame(cx));
        if !matches!(frame, Some(Ok(_))) || rest.received.is_end_stream() {
            self.0 = None;
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|rest| rest.received.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        self.0.as_ref().map_or_else(|| SizeHint::with_exact(0), |rest| rest.received.size_hint())
    }
}
