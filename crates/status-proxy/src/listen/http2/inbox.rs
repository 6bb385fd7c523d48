//! The body of a request, between the connection that receives it and whoever reads it.

use std::{
    io, mem,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

use crate::http2::Reason;

/// So many bytes that have been read are told to the client together: half of a stream's window.
pub(super) const CREDIT_BYTES: u32 = 64 * 1024;

/// Bytes of a connection's window that have been read and not been told to the client.
///
/// All of a connection's streams and their readers are on one thread; the atomic is there because futures are `Send`.
#[derive(Debug)]
pub(super) struct Credit {
    bytes: AtomicU32,
    connection: Waker,
}

impl Credit {
    pub(super) fn new(connection: Waker) -> Self {
        Self { bytes: AtomicU32::new(0), connection }
    }

    pub(super) fn add(&self, bytes: usize) {
        let before = self.bytes.load(Relaxed);
        let after = before + bytes as u32;
        self.bytes.store(after, Relaxed);
        if before < CREDIT_BYTES && after >= CREDIT_BYTES {
            self.connection.wake_by_ref();
        }
    }

    /// What is to be told, if it is worth telling.
    pub(super) fn take(&self) -> Option<u32> {
        let bytes = self.bytes.load(Relaxed);
        (bytes >= CREDIT_BYTES).then(|| {
            self.bytes.store(0, Relaxed);
            bytes
        })
    }
}

/// What a client sends on a stream. Bounded by the stream's window.
#[derive(Debug)]
pub(super) struct Inbox {
    state: Mutex<State>,
    credit: Arc<Credit>,
    /// Has the connection see to the stream.
    stream: Waker,
}

#[derive(Debug, Default)]
struct State {
    unread: BytesMut,
    trailers: Option<HeaderMap>,
    end: Option<End>,
    /// Bytes that are to be read, where the client said how many.
    left: Option<u64>,
    /// Bytes of the stream's window that have been read and not been told to the client.
    read: u32,
    reader: Option<Waker>,
    has_been_asked: bool,
    is_abandoned: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum End {
    Whole,
    /// The stream has been reset, or the connection has failed.
    Cut(Reason),
}

impl Inbox {
    pub(super) fn new(length: Option<u64>, credit: Arc<Credit>, stream: Waker) -> Arc<Self> {
        let state = State { left: length, ..State::default() };
        Arc::new(Self { state: Mutex::new(state), credit, stream })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes part of the body in.
    pub(super) fn push(&self, data: &[u8]) {
        let mut state = self.lock();
        if state.is_abandoned {
            self.credit.add(data.len());
        } else {
            state.unread.extend_from_slice(data);
            wake(state);
        }
    }

    /// Counts what there is no need to read.
    pub(super) fn give_back(&self, bytes: usize) {
        if self.lock().add_read(bytes) {
            self.stream.wake_by_ref();
        }
    }

    /// The body is complete.
    pub(super) fn finish(&self, trailers: Option<HeaderMap>) {
        let mut state = self.lock();
        state.trailers = trailers;
        state.end = Some(End::Whole);
        wake(state);
    }

    /// The stream is no more: what has come of the body is not all of it. If it was complete, whoever reads on behind
    /// its end learns of it.
    pub(super) fn cut(&self, reason: Reason) {
        let mut state = self.lock();
        state.end = Some(End::Cut(reason));
        self.credit.add(state.unread.len());
        state.unread.clear();
        wake(state);
    }

    /// What of the stream's window is to be told to the client, if it is worth telling.
    pub(super) fn take_read(&self) -> Option<u32> {
        let mut state = self.lock();
        (state.read >= CREDIT_BYTES).then(|| mem::take(&mut state.read))
    }

    /// Whether somebody has begun to read.
    pub(super) fn has_been_asked(&self) -> bool {
        self.lock().has_been_asked
    }

    /// Whether nobody is going to read it any more.
    pub(super) fn is_abandoned(&self) -> bool {
        self.lock().is_abandoned
    }

    fn poll_frame(&self, cx: &Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        let mut state = self.lock();
        if !state.has_been_asked {
            state.has_been_asked = true;
            self.stream.wake_by_ref();
        }
        if !state.unread.is_empty() {
            // All of it, with its room: a stream that waits for more is not to hold any.
            let data = mem::take(&mut state.unread).freeze();
            state.left = state.left.map(|left| left.saturating_sub(data.len() as u64));
            if state.add_read(data.len()) {
                self.stream.wake_by_ref();
            }
            drop(state);
            self.credit.add(data.len());
            return Poll::Ready(Some(Ok(Frame::data(data))));
        }
        match state.end {
            Some(End::Whole) => match state.trailers.take() {
                Some(trailers) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                None => Poll::Ready(None),
            },
            Some(End::Cut(reason)) => Poll::Ready(Some(Err(cut(reason)))),
            None => {
                state.wait(cx);
                Poll::Pending
            }
        }
    }
}

impl State {
    /// Whether it has just become worth telling the client.
    fn add_read(&mut self, bytes: usize) -> bool {
        let before = self.read;
        self.read += bytes as u32;
        before < CREDIT_BYTES && self.read >= CREDIT_BYTES && self.end.is_none()
    }

    fn wait(&mut self, cx: &Context<'_>) {
        match &self.reader {
            Some(reader) if reader.will_wake(cx.waker()) => {}
            _ => self.reader = Some(cx.waker().clone()),
        }
    }
}

fn wake(mut state: MutexGuard<'_, State>) {
    let reader = state.reader.take();
    drop(state);
    if let Some(reader) = reader {
        reader.wake();
    }
}

fn cut(reason: Reason) -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionReset, reason)
}

/// Reads what a client sends on a stream. What has been read is the client's to send again (RFC 9113, 5.2).
#[derive(Debug)]
pub(crate) struct StreamBody(Arc<Inbox>);

impl StreamBody {
    pub(super) fn new(inbox: Arc<Inbox>) -> Self {
        Self(inbox)
    }

    /// Ready when the stream is no more, whatever is left to be read.
    pub(super) fn poll_cut(&self, cx: &Context<'_>) -> Poll<io::Error> {
        let mut state = self.0.lock();
        if let Some(End::Cut(reason)) = state.end {
            return Poll::Ready(cut(reason));
        }
        state.wait(cx);
        Poll::Pending
    }
}

impl Drop for StreamBody {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_abandoned = true;
        let unread = mem::take(&mut state.unread);
        drop(state);
        self.0.credit.add(unread.len());
        self.0.stream.wake_by_ref();
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        self.0.poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        let state = self.0.lock();
        state.end == Some(End::Whole) && state.unread.is_empty() && state.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().left.map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
