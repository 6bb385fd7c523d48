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

use crate::received::Received;

/// What a client sends on a stream.
#[derive(Debug)]
pub(crate) struct StreamBody {
    received: Received,
    /// Who is to hear that it is read.
    reader: Option<oneshot::Sender<()>>,
}

impl StreamBody {
    pub(super) fn new(stream: RecvStream, length: Option<u64>) -> Self {
        Self { received: Received::new(stream, length), reader: None }
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
        if let Some(reader) = self.reader.take() {
            let _ = reader.send(());
        }
        let frame = ready!(Pin::new(&mut self.received).poll_frame(cx));
        Poll::Ready(frame.map(|frame| frame.map_err(io::Error::other)))
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }
}
