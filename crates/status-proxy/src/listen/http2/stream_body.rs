//! The body of a request that came over HTTP/2.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;

/// What a client sends on a stream. What has been read is the client's to send again (RFC 9113, 5.2).
#[derive(Debug)]
pub(crate) struct StreamBody {
    stream: RecvStream,
    /// Bytes that are to come, where the client said how many. h2 sees to it that it keeps to that.
    left: Option<u64>,
    has_data: bool,
    /// Who is to hear that it is read.
    reader: Option<oneshot::Sender<()>>,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { stream, left: length, has_data: true, reader: None }
    }

    /// Ready as soon as somebody begins to read the body, or drops it.
    pub(super) fn wanted(&mut self) -> oneshot::Receiver<()> {
        let (sender, receiver) = oneshot::channel();
        self.reader = Some(sender);
        receiver
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let this = &mut *self;
        if let Some(reader) = this.reader.take() {
            let _ = reader.send(());
        }
        if this.has_data {
            if let Some(data) = ready!(this.stream.poll_data(cx)) {
                let data = data.map_err(io::Error::other)?;
                let _ = this.stream.flow_control().release_capacity(data.len());
                this.left = this.left.map(|left| left.saturating_sub(data.len() as u64));
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            this.has_data = false;
        }
        let trailers = ready!(this.stream.poll_trailers(cx)).map_err(io::Error::other)?;
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    fn is_end_stream(&self) -> bool {
        self.stream.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
