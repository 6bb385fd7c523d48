//! Streams that carry another protocol: extended CONNECT (RFC 8441).

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, Bytes, BytesMut};
use http_body::Body;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::oneshot,
};

use super::inbox::StreamBody;

/// What is taken of a tunnel's upstream while the client does not read.
const UNSENT_BYTES: usize = 64 * 1024;

/// A stream whose client has been told that the tunnel exists.
#[derive(Debug)]
pub(crate) struct Tunnel {
    receives: StreamBody,
    /// Received, not yet read.
    unread: Bytes,
    has_ended: bool,
    sends: Sends,
}

/// A request's stream, for whoever answers the request: a tunnel once it has been answered with 101.
#[derive(Clone, Debug)]
pub(crate) struct AwaitedTunnel(Arc<Mutex<Option<oneshot::Receiver<Tunnel>>>>);

/// What the client sends on the stream, until it is known to be a tunnel.
#[derive(Debug)]
pub(super) struct PromisedTunnel {
    receives: StreamBody,
    awaited: oneshot::Sender<Tunnel>,
}

impl PromisedTunnel {
    pub(super) fn new(receives: StreamBody) -> (Self, AwaitedTunnel) {
        let (sender, receiver) = oneshot::channel();
        (Self { receives, awaited: sender }, AwaitedTunnel(Arc::new(Mutex::new(Some(receiver)))))
    }

    /// Hands the tunnel over. What goes through it to the client comes out here; `stream` is woken by it.
    pub(super) fn keep(self, stream: &Waker) -> Outbox {
        let state = State {
            unsent: BytesMut::new(),
            end: None,
            is_closed: false,
            writer: None,
            stream: stream.clone(),
        };
        let state = Arc::new(Mutex::new(state));
        let sends = Sends(state.clone());
        let _ = self.awaited.send(Tunnel {
            receives: self.receives,
            unread: Bytes::new(),
            has_ended: false,
            sends,
        });
        Outbox(state)
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
            return self.receives.poll_cut(cx).map(Err);
        }
        while self.unread.is_empty() {
            match ready!(Pin::new(&mut self.receives).poll_frame(cx)) {
                Some(frame) => self.unread = frame?.into_data().unwrap_or_default(),
                None => {
                    self.has_ended = true;
                    return Poll::Ready(Ok(()));
                }
            }
        }
        let len = self.unread.len().min(buf.remaining());
        buf.put_slice(&self.unread[..len]);
        self.unread.advance(len);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Tunnel {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = lock(&self.sends.0);
        if state.is_closed || state.end.is_some() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let len = buf.len().min(UNSENT_BYTES.saturating_sub(state.unsent.len()));
        if len == 0 && !buf.is_empty() {
            state.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        state.unsent.extend_from_slice(&buf[..len]);
        state.stream.wake_by_ref();
        Poll::Ready(Ok(len))
    }

    /// The connection sends what it has been given.
    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.sends.end(End::Whole);
        Poll::Ready(Ok(()))
    }
}

/// What goes through a tunnel to the client, where the tunnel's user puts it.
#[derive(Debug)]
struct Sends(Arc<Mutex<State>>);

/// The same where the connection takes it out. Dropped when the stream is no more.
#[derive(Debug)]
pub(super) struct Outbox(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    unsent: BytesMut,
    end: Option<End>,
    is_closed: bool,
    /// Who waits for room.
    writer: Option<Waker>,
    stream: Waker,
}

/// How the upstream's side of a tunnel ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Whole,
    /// It was let go of.
    Cut,
}

/// What is next to be sent through a tunnel.
pub(super) enum Next {
    Data(Bytes),
    End(End),
    /// Nothing yet.
    Nothing,
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Sends {
    fn end(&self, end: End) {
        let mut state = lock(&self.0);
        state.end.get_or_insert(end);
        state.stream.wake_by_ref();
    }
}

impl Drop for Sends {
    fn drop(&mut self) {
        self.end(End::Cut);
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        lock(&self.0).unsent.is_empty()
    }

    /// At most `room` bytes.
    pub(super) fn take(&self, room: usize) -> Next {
        let mut state = lock(&self.0);
        let len = state.unsent.len().min(room);
        if len > 0 {
            let data = state.unsent.split_to(len).freeze();
            let writer = state.writer.take();
            drop(state);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Next::Data(data);
        }
        match state.end {
            Some(end) if state.unsent.is_empty() => Next::End(end),
            _ => Next::Nothing,
        }
    }
}

impl Drop for Outbox {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        state.is_closed = true;
        let writer = state.writer.take();
        drop(state);
        if let Some(writer) = writer {
            writer.wake();
        }
    }
}
