//! The body of a request as it comes from the client.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{http2::StreamBody, upload::Upload};
use crate::bypass::Bypass;

/// Where a request's body comes from. By default there is none.
#[derive(Debug, Default)]
pub(crate) enum ClientBody {
    #[default]
    Empty,
    /// Of HTTP/1.1.
    Hyper(Incoming),
    /// Of HTTP/1.1, around hyper.
    Upload(Upload),
    /// Of HTTP/2.
    Stream(StreamBody),
}

impl ClientBody {
    /// Where stand-ins are from now on in place of what is to come, if that pays and can be.
    pub(crate) fn bypass(&mut self) -> Option<Arc<Bypass>> {
        match self {
            Self::Upload(upload) => upload.bypass(),
            Self::Empty | Self::Hyper(_) | Self::Stream(_) => None,
        }
    }
}

impl Body for ClientBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        match &mut *self {
            Self::Empty => Poll::Ready(None),
            Self::Hyper(incoming) => {
                let frame = ready!(Pin::new(incoming).poll_frame(cx));
                Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
            }
            Self::Upload(upload) if upload.left() == 0 => Poll::Ready(None),
            Self::Upload(upload) => upload.poll_data(cx).map(|data| Some(data.map(Frame::data))),
            Self::Stream(stream) => Pin::new(stream).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Hyper(incoming) => incoming.is_end_stream(),
            Self::Upload(upload) => upload.left() == 0,
            Self::Stream(stream) => stream.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Hyper(incoming) => incoming.size_hint(),
            Self::Upload(upload) => SizeHint::with_exact(upload.left()),
            Self::Stream(stream) => stream.size_hint(),
        }
    }
}
