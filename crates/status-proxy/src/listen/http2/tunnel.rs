//! Streams that carry another protocol: extended CONNECT (RFC 8441).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use h2::{Reason, RecvStream, SendStream};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

/// A stream whose client has been told that the tunnel exists.
#[derive(Debug)]
pub(crate) struct Tunnel {
    sends: SendStream<Bytes>,
    receives: RecvStream,
    /// Received, not yet read.
    unread: Bytes,
    has_ended: bool,
}

/// A request's stream, for whoever answers the request: a tunnel once it has been answered with 101.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedTunnel(Arc<Mutex<Option<oneshot::Receiver<Tunnel>>>>);

/// What the client sends on the stream, until it is known to be a tunnel.
#[derive(Debug)]
pub(super) struct PromisedTunnel {
    receives: RecvStream,
    awaited: oneshot::Sender<Tunnel>,
}

impl PromisedTunnel {
    pub(super) fn new(receives: RecvStream) -> (Self, AwaitedTunnel) {
        let (sender, receiver) = oneshot::channel();
        (Self { receives, awaited: sender }, AwaitedTunnel(Arc::new(Mutex::new(Some(receiver)))))
    }

    /// Hands the tunnel over. If nobody waits for it the stream is reset.
    pub(super) fn keep(self, sends: SendStream<Bytes>) {
        let _ = self.awaited.send(Tunnel {
            sends,
            receives: self.receives,
            unread: Bytes::new(),
            has_ended: false,
        });
    }
}

impl AwaitedTunnel {
    /// # Errors
    ///
    /// If the request has not been answered with 101, or somebody else has got the tunnel.
    pub(crate) async fn tunnel(self) -> io::Result<Tunnel> {
        let receiver = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        receiver.ok_or(io::ErrorKind::NotConnected)?.await.map_err(io::Error::other)
    }
}

/// After the end, reading once more waits until the client resets the stream.
impl AsyncRead for Tunnel {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.has_ended {
            // Nobody else would hear of it.
            let reason = ready!(self.sends.poll_reset(cx)).map_err(io_error)?;
            return Poll::Ready(Err(io_error(reason.into())));
        }
        while self.unread.is_empty() {
            match ready!(self.receives.poll_data(cx)) {
                Some(data) => self.unread = data.map_err(io_error)?,
                None => {
                    self.has_ended = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        let _ = self.receives.flow_control().release_capacity(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if buf.is_empty() {
            return Poll::Ready(Ok(0));
        }
        self.sends.reserve_capacity(buf.len());
        while self.sends.capacity() == 0 {
            match ready!(self.sends.poll_capacity(cx)) {
                Some(capacity) => capacity.map_err(io_error)?,
                None => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            };
        }
        let len = self.sends.capacity().min(buf.len());
        self.sends.send_data(Bytes::copy_from_slice(&buf[..len]), false).map_err(io_error)?;
        Poll::Ready(Ok(len))
    }

    /// The connection writes what it has been given.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.sends.send_data(Bytes::new(), true).map_err(io_error))
    }
}

fn io_error(error: h2::Error) -> io::Error {
    match error.reason() {
        Some(Reason::STREAM_CLOSED) => io::Error::new(io::ErrorKind::BrokenPipe, error),
        _ => io::Error::other(error),
    }
}
