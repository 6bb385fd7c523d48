//! Bodies that do what bodies should not.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Interval, Sleep, interval, sleep};

/// A body in one piece, or one with a flaw.
#[derive(Debug)]
pub(super) enum DemoBody {
    /// All of it; empty once it was given.
    Whole(Bytes),
    /// Breaks off after the first piece, when that is on its way.
    Cut(Option<Bytes>, Pin<Box<Sleep>>),
    /// The same piece over and over, never ending.
    Endless(Interval, Bytes),
}

impl DemoBody {
    /// Breaks off after one piece.
    pub(super) fn cut(piece: &'static str) -> Self {
        Self::Cut(Some(Bytes::from_static(piece.as_bytes())), Box::pin(sleep(Duration::from_millis(20))))
    }

    /// Never ends, one piece at a time.
    pub(super) fn endless(every: Duration, piece: impl Into<Bytes>) -> Self {
        Self::Endless(interval(every), piece.into())
    }
}

impl Body for DemoBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        match self.get_mut() {
            Self::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Self::Cut(first, on_its_way) => {
                if let Some(first) = first.take() {
                    return Poll::Ready(Some(Ok(Frame::data(first))));
                }
                ready!(on_its_way.as_mut().poll(cx));
                Poll::Ready(Some(Err(io::ErrorKind::ConnectionReset.into())))
            }
            Self::Endless(interval, piece) => {
                ready!(interval.poll_tick(cx));
                Poll::Ready(Some(Ok(Frame::data(piece.clone()))))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(bytes) if bytes.is_empty())
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Self::Cut(..) | Self::Endless(..) => SizeHint::default(),
        }
    }
}
