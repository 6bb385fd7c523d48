//! One stream of a connection to an upstream, for whoever sends the request on it and whoever waits for the response.

use std::{
    mem,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::Frame;
use tokio::time::Instant;

use super::{
    error::Error,
    head::Head,
    link::{Link, State},
};
use crate::http2::outlet::Outlet;

/// A body is read in pieces of at most so many bytes: room for more is made when a piece is taken, and not before.
const PIECE_BYTES: usize = 32 * 1024;

/// How long a connection on which a stream was refused takes no more of them at once than it had then.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// One stream of a connection, for whoever sends on it.
#[derive(Clone, Debug)]
pub(super) struct StreamRef {
    link: Arc<Link>,
    place: usize,
    id: u32,
}

impl StreamRef {
    /// Does something with the stream, if it is still held.
    fn with<T>(&self, action: impl FnOnce(&mut State, usize) -> T) -> Option<T> {
        let state = &mut *self.link.lock();
        (state.streams.get(self.place).id == self.id).then(|| action(state, self.place))
    }

    /// How much of a body may be sent. `None` if nothing may, nor will.
    pub(super) fn poll_room(&self, cx: &Context<'_>) -> Poll<Option<usize>> {
        let room = self.with(|state, place| {
            if state.streams.get(place).error.is_some() {
                return None;
            }
            let room = state.outlet(place).room();
            let stream = state.streams.get(place);
            if room > 0 {
                return Some(room);
            }
            wait(&mut stream.writer, cx);
            if !state.shared.turns.is_empty() && state.shared.room() > 0 {
                // It has had a turn for nothing: the others have theirs.
                state.wake();
            }
            Some(0)
        });
        match room.flatten() {
            Some(0) => Poll::Pending,
            room => Poll::Ready(room),
        }
    }

    /// Sends part of a body, no more than there is room for. Whether more may follow.
    pub(super) fn send(&self, data: Bytes, ends: bool) -> bool {
        self.finish_by(|outlet| outlet.data(data, ends)) && !ends
    }

    /// Ends the body with trailer fields.
    pub(super) fn send_trailers(&self, trailers: &HeaderMap) {
        self.finish_by(|outlet| outlet.trailers(trailers));
    }

    fn finish_by(&self, send: impl FnOnce(&mut Outlet<'_>)) -> bool {
        let sent = self.with(|state, place| {
            let is_open = state.streams.get(place).error.is_none();
            if is_open {
                send(&mut state.outlet(place));
                state.wake();
            }
            is_open
        });
        sent.unwrap_or(false)
    }

    /// Gives the stream up.
    pub(super) fn reset(&self) {
        self.with(State::give_up);
    }
}

/// A stream for whoever waits for the response: keeps its connection from expiring. Dropped before both sides have ended it,
/// it resets the stream.
#[derive(Debug)]
pub(super) struct Held {
    stream: StreamRef,
    is_first: bool,
}

/// What has come of a response.
#[derive(Debug)]
pub(super) enum Received {
    Interim(Head),
    Head(Head),
}

impl Held {
    pub(super) fn new(link: Arc<Link>, place: usize, id: u32, is_first: bool) -> Self {
        Self { stream: StreamRef { link, place, id }, is_first }
    }

    /// The same stream, for whoever sends on it.
    pub(super) fn stream(&self) -> &StreamRef {
        &self.stream
    }

    /// Whether it is the first on its connection.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    fn with<T>(&self, action: impl FnOnce(&mut State, usize) -> T) -> T {
        action(&mut self.stream.link.lock(), self.stream.place)
    }

    /// Waits for the head of the response.
    pub(super) fn poll_head(&self, cx: &Context<'_>) -> Poll<Result<Received, Error>> {
        self.with(|state, place| {
            let stream = state.streams.get(place);
            if let Some(interim) = stream.interim.pop_front() {
                return Poll::Ready(Ok(Received::Interim(interim)));
            }
            if let Some(head) = stream.head.take() {
                return Poll::Ready(Ok(Received::Head(head)));
            }
            match stream.error {
                Some(error) => Poll::Ready(Err(error)),
                None => {
                    wait(&mut stream.reader, cx);
                    Poll::Pending
                }
            }
        })
    }

    /// Waits for more of the response's body. What has been read is the upstream's to send again (RFC 9113, 5.2).
    pub(super) fn poll_frame(&self, cx: &Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        self.with(|state, place| {
            let stream = state.streams.get(place);
            if !stream.unread.is_empty() {
                // If it is all, with its room: a stream that waits for more is not to hold any.
                let data = match stream.unread.len() {
                    ..=PIECE_BYTES => mem::take(&mut stream.unread),
                    _ => stream.unread.split_to(PIECE_BYTES),
                };
                let data = data.freeze();
                if state.give_back(place, data.len()) {
                    state.wake();
                }
                return Poll::Ready(Some(Ok(Frame::data(data))));
            }
            if stream.has_ended {
                return Poll::Ready(stream.trailers.take().map(|trailers| Ok(Frame::trailers(trailers))));
            }
            match stream.error {
                Some(error) => Poll::Ready(Some(Err(error))),
                None => {
                    wait(&mut stream.reader, cx);
                    Poll::Pending
                }
            }
        })
    }

    /// Whether nothing more of the response's body is to be read.
    pub(super) fn is_end_stream(&self) -> bool {
        self.with(|state, place| {
            let stream = state.streams.get(place);
            stream.has_ended && stream.unread.is_empty() && stream.trailers.is_none()
        })
    }

    /// Has the connection take no more requests: it has not answered one, and may be dead.
    pub(super) fn suspect(&self) {
        self.with(|state, _| state.is_suspect = true);
    }

    /// If the connection has others, has it take no more than these for a while: upstreams that count streams which they
    /// have not cleared away yet, as gRPC's C core does, refuse some of those that they said they would take.
    pub(super) fn refuse(&self) {
        self.with(|state, _| {
            let others = state.streams.len() - 1;
            if others > 0 {
                state.refused = Some((others, Instant::now() + AFTER_REFUSAL));
            }
        });
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        let closed = self.with(|state, place| {
            let stream = state.streams.get(place);
            (stream.reader, stream.writer) = (None, None);
            state.give_up(place);
            let closed = state.streams.close(place);
            state.last_used = Instant::now();
            if state.is_over() || !state.shared.turns.is_empty() {
                state.wake();
            }
            state.changed.notify_one();
            closed
        });
        drop(closed);
    }
}

fn wait(waiting: &mut Option<Waker>, cx: &Context<'_>) {
    match waiting {
        Some(waker) if waker.will_wake(cx.waker()) => {}
        _ => *waiting = Some(cx.waker().clone()),
    }
}
