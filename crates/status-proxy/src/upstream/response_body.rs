//! The upstream's response body on its way down.

use std::{
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{http1::Http1Body, http2::Stream, pool::Permit};

/// A response body. Dropped before its end, it gives up the connection or stream that it came from.
#[derive(Debug, Default)]
pub(crate) struct UpstreamBody(Kind);

#[derive(Debug, Default)]
enum Kind {
    /// No body: what the proxy answers itself, and responses without one.
    #[default]
    Empty,
    Http1(Http1Body),
    Http2(Http2Body),
}

#[derive(Debug)]
struct Http2Body {
    incoming: Incoming,
    _stream: Stream,
    _permit: Permit,
}

impl UpstreamBody {
    pub(super) fn http1(body: Http1Body) -> Self {
        Self(Kind::Http1(body))
    }

    pub(super) fn http2(incoming: Incoming, stream: Stream, permit: Permit) -> Self {
        Self(Kind::Http2(Http2Body { incoming, _stream: stream, _permit: permit }))
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        match &mut self.0 {
            Kind::Empty => Poll::Ready(None),
            Kind::Http1(body) => Pin::new(body).poll_frame(cx),
            Kind::Http2(body) => Pin::new(&mut body.incoming).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Empty => true,
            Kind::Http1(body) => body.is_end_stream(),
            Kind::Http2(body) => body.incoming.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Empty => SizeHint::with_exact(0),
            Kind::Http1(body) => body.size_hint(),
            Kind::Http2(body) => body.incoming.size_hint(),
        }
    }
}
