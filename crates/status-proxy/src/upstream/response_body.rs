//! The upstream's response body on its way down.

use std::{
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    Tunnel, codec,
    http1::Http1Body,
    http2::{self, Http2Body},
};
use crate::{bypass::MayBypass, forward::hop_by_hop, listen::ClientConn};

/// Why a response body broke off.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BodyError {
    #[error(transparent)]
    Http1(#[from] codec::Error),
    /// The front finds the reason in it.
    #[error("response broke off")]
    Http2(#[from] http2::Error),
}

/// A response body. Dropped before its end, it gives up the connection or stream that it came from.
#[derive(Debug, Default)]
pub(crate) struct UpstreamBody {
    source: Source,
    /// Why the body broke off, until it is told.
    broken: Option<Box<BodyError>>,
}

#[derive(Debug, Default)]
enum Source {
    /// No body: what the proxy answers itself, and responses without one.
    #[default]
    Empty,
    Http1(Http1Body),
    Http2(Http2Body),
    /// Not a body: what follows 101.
    Tunnel(Box<Tunnel>),
}

impl UpstreamBody {
    pub(super) fn http1(body: Http1Body) -> Self {
        Self { source: Source::Http1(body), broken: None }
    }

    pub(super) fn http2(body: Http2Body) -> Self {
        Self { source: Source::Http2(body), broken: None }
    }

    pub(super) fn tunnel(tunnel: Tunnel) -> Self {
        Self { source: Source::Tunnel(Box::new(tunnel)), broken: None }
    }

    /// Takes the tunnel that a response of 101 leads to.
    pub(crate) fn take_tunnel(&mut self) -> Option<Tunnel> {
        match mem::take(&mut self.source) {
            Source::Tunnel(tunnel) => Some(*tunnel),
            source => {
                self.source = source;
                None
            }
        }
    }
}

impl MayBypass for UpstreamBody {
    fn may_bypass(&mut self, client: &Arc<ClientConn>) {
        if let Source::Http1(body) = &mut self.source {
            body.may_bypass(client);
        }
    }
}

impl Body for UpstreamBody {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = &mut *self;
        if let Some(error) = this.broken.take() {
            this.source = Source::Empty;
            return Poll::Ready(Some(Err(*error)));
        }
        let mut frame = match &mut this.source {
            Source::Empty | Source::Tunnel(_) => Poll::Ready(None),
            Source::Http1(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Source::Http2(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
        };
        if let Poll::Ready(Some(Ok(frame))) = &mut frame
            && let Some(trailers) = frame.trailers_mut()
        {
            hop_by_hop::remove(trailers);
        }
        if let Poll::Ready(Some(Err(error))) = frame {
            // hyper throws away what it has not sent when a body fails. Waiting once lets it send what came before, so
            // that the client sees a response that broke off, not one that never was.
            this.broken = Some(Box::new(error));
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.broken.is_none()
            && match &self.source {
                Source::Empty | Source::Tunnel(_) => true,
                Source::Http1(body) => body.is_end_stream(),
                Source::Http2(body) => body.is_end_stream(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Empty | Source::Tunnel(_) => SizeHint::with_exact(0),
            Source::Http1(body) => body.size_hint(),
            Source::Http2(body) => body.size_hint(),
        }
    }
}
