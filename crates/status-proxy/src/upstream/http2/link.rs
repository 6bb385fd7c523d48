//! One HTTP/2 connection to an upstream, as it is shared by those whose requests are on it and the task that reads and writes.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method};
use http_body::Frame;
use tokio::{sync::Notify, time::Instant};

use super::{CONNECTION_WINDOW, STREAM_WINDOW, error::Error, head::Head, request::Request, stream::Streams};
use crate::{
    config::HeadLimits,
    http2::{
        Reason,
        frame::{MAX_31_BITS, setting},
        hpack::{Decoder, LINE_OVERHEAD},
        input::Input,
        outlet::{DEFAULT_WINDOW, Outlet, Shared, Waits},
    },
    local_reply::{Cause, Failure},
};

/// A body is read in pieces of at most so many bytes: room for more is made when a piece is taken, and not before.
const PIECE_BYTES: usize = 32 * 1024;

/// How long a connection on which a stream was refused takes no more of them at once than it had then.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// A connection. All that use it are on one thread; the lock is there because futures are `Send`.
#[derive(Debug)]
pub(super) struct Link {
    state: Mutex<State>,
}

#[derive(Debug)]
pub(super) struct State {
    pub(super) limits: HeadLimits,
    pub(super) input: Input,
    pub(super) decoder: Decoder,
    /// How many fields the last response had.
    pub(super) likely_fields: usize,
    /// How many parts of the head that is being received were short.
    pub(super) short_parts: u32,
    /// What the upstream may send of bodies, on all streams together.
    pub(super) window: u32,
    pub(super) shared: Shared,
    pub(super) streams: Streams,
    pub(super) next_id: u32,
    /// How many streams the upstream takes at once; unknown until it has spoken.
    pub(super) max_streams: Option<usize>,
    /// Told when there may be room for another: a stream has ended, or the upstream takes more.
    pub(super) changed: Arc<Notify>,
    /// How much it takes of a request's fields.
    pub(super) max_list_bytes: Option<usize>,
    /// The last stream that it takes, once it goes away.
    pub(super) last: Option<u32>,
    /// Why nothing more comes, nor is sent.
    error: Option<Error>,
    /// Whether further requests may come.
    is_wanted: bool,
    /// Whether a stream was ever opened.
    is_used: bool,
    is_suspect: bool,
    /// How many others there were when a stream was refused, and until when that is a limit.
    refused: Option<(usize, Instant)>,
    /// When the last stream ended, or the connection was opened.
    last_used: Instant,
    /// The task that reads and writes.
    task: Option<Waker>,
    is_woken: bool,
}

impl Link {
    /// A connection on which nothing has been said. `changed` is told whenever there may be room for another stream.
    pub(super) fn new(limits: HeadLimits, changed: Arc<Notify>) -> Arc<Self> {
        let mut shared = Shared::new();
        let fields = limits.bytes + limits.fields * LINE_OVERHEAD;
        shared.output.preface();
        shared.output.settings(&[
            (setting::ENABLE_PUSH, 0),
            (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
            (setting::MAX_HEADER_LIST_SIZE, u32::try_from(fields).unwrap_or(u32::MAX)),
        ]);
        shared.output.window_update(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
        let state = State {
            limits,
            input: Input::new(BytesMut::new()),
            decoder: Decoder::new(),
            likely_fields: 0,
            short_parts: 0,
            window: CONNECTION_WINDOW,
            shared,
            streams: Streams::default(),
            next_id: 1,
            max_streams: None,
            changed,
            max_list_bytes: None,
            last: None,
            error: None,
            is_wanted: true,
            is_used: false,
            is_suspect: false,
            refused: None,
            last_used: Instant::now(),
            task: None,
            is_woken: false,
        };
        Arc::new(Self { state: Mutex::new(state) })
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sends the head of a request on a stream of its own.
    pub(super) fn open(self: &Arc<Self>, request: &Request, ends: bool) -> Result<Held, Failure> {
        let state = &mut *self.lock();
        if let Some(error) = state.error {
            return Err(error.into());
        }
        if state.max_list_bytes.is_some_and(|most| request.list_bytes() > most) {
            return Err(Cause::HeadTooLarge.into());
        }
        let id = state.next_id;
        state.next_id += 2;
        let place = state.streams.open(id, request.method == Method::HEAD, state.shared.initial_window);
        let is_first = !mem::replace(&mut state.is_used, true);
        let Request { method, authority, path, fields } = request;
        state.outlet(place).request(method, authority.as_str().as_bytes(), path.as_str(), fields, ends);
        state.wake();
        Ok(Held { stream: StreamRef { link: self.clone(), place, id }, is_first })
    }
}

impl State {
    fn outlet(&mut self, place: usize) -> Outlet<'_> {
        let stream = self.streams.get(place);
        Outlet { stream: stream.id, place, sending: &mut stream.sending, shared: &mut self.shared }
    }

    /// Has the task send what there is.
    fn wake(&mut self) {
        if !mem::replace(&mut self.is_woken, true)
            && let Some(task) = &self.task
        {
            task.wake_by_ref();
        }
    }

    /// The task is at work.
    pub(super) fn begin(&mut self, task: &Waker) {
        self.is_woken = false;
        match &self.task {
            Some(known) if known.will_wake(task) => {}
            _ => self.task = Some(task.clone()),
        }
    }

    pub(super) fn error(&self) -> Option<Error> {
        self.error
    }

    /// Ends the connection: nothing more comes, nor is sent but what there is to be sent.
    pub(super) fn fail(&mut self, error: Error) {
        self.error = Some(error);
        for stream in self.streams.held() {
            if stream.is_open() {
                stream.cut(error);
            }
        }
    }

    /// Whether there is nothing left to be done. What has come may still be read.
    pub(super) fn is_over(&mut self) -> bool {
        (!self.is_wanted || self.last.is_some()) && !self.streams.held().any(|stream| stream.is_open())
    }

    /// Has those go on that waited for room, in turn, as many as there is room for.
    pub(super) fn serve_turns(&mut self) {
        let mut room = self.shared.room();
        while room > 0
            && let Some(place) = self.shared.turns.pop_front()
        {
            let stream = self.streams.get(place);
            if stream.sending.waits == Waits::Turn {
                stream.sending.waits = Waits::No;
                stream.wake_writer();
                room = room.saturating_sub(self.shared.max_frame);
            }
        }
    }

    /// Counts bytes of a stream's window that are read, or need not be.
    pub(super) fn give_back(&mut self, place: usize, bytes: usize) -> bool {
        let stream = self.streams.get(place);
        stream.read += bytes as u32;
        // The less it may send, the sooner it is told.
        let is_due = stream.read >= stream.window / 2 && stream.is_expected();
        if is_due {
            let more = mem::take(&mut stream.read);
            stream.window += more;
            self.shared.output.window_update(stream.id, more);
        }
        is_due
    }

    fn is_refusing(&self) -> bool {
        self.refused.is_some_and(|(most, until)| self.streams.len() >= most && Instant::now() < until)
    }
}

/// What the pool asks of a connection.
impl Link {
    /// Whether the upstream takes another stream now. One that waited for that here could not be taken back.
    pub(super) fn has_room(&self) -> bool {
        let state = self.lock();
        state.max_streams.is_some_and(|most| state.streams.len() < most) && !state.is_refusing()
    }

    /// Whether requests may be sent, now or when others have ended: neither closed nor told to go away or to send none at
    /// all, and streams have numbers left.
    pub(super) fn is_open(&self) -> bool {
        let state = self.lock();
        state.error.is_none()
            && state.last.is_none()
            && !state.is_suspect
            && state.next_id <= MAX_31_BITS
            && (!state.streams.is_empty() || state.max_streams != Some(0))
    }

    /// Whether it has no stream.
    pub(super) fn is_idle(&self) -> bool {
        self.lock().streams.is_empty()
    }

    /// Whether it has had no stream for longer than `idle`.
    pub(super) fn is_expired(&self, now: Instant, idle: Duration) -> bool {
        let state = self.lock();
        state.streams.is_empty() && state.last_used + idle <= now
    }

    /// No further request comes.
    pub(super) fn leave(&self) {
        let mut state = self.lock();
        state.is_wanted = false;
        state.wake();
    }
}

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

impl State {
    /// Tells the upstream that nothing more of a stream is wanted, unless it is over.
    fn give_up(&mut self, place: usize) {
        let stream = self.streams.get(place);
        if stream.is_open() {
            self.shared.output.reset(stream.id, Reason::CANCEL);
            stream.cut(Error::GivenUp);
            self.wake();
        }
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::Wake,
    };

    use http::uri::{Authority, PathAndQuery};

    use super::*;

    /// Counts how often it is woken.
    #[derive(Debug, Default)]
    struct Counter(AtomicUsize);

    impl Wake for Counter {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    fn link() -> Arc<Link> {
        let limits = HeadLimits { bytes: 1000, fields: 10 };
        let link = Link::new(limits, Arc::new(Notify::new()));
        link.lock().max_streams = Some(100);
        link
    }

    fn open(link: &Arc<Link>) -> Held {
        let (authority, path) = (Authority::from_static("a"), PathAndQuery::from_static("/"));
        let request = Request { method: Method::PUT, authority, path, fields: HeaderMap::new() };
        link.open(&request, false).expect("it is open")
    }

    #[test]
    fn streams_run_out_of_numbers() {
        let link = link();
        link.lock().next_id = MAX_31_BITS - 2;
        let held = [open(&link), open(&link)];
        assert!(held.iter().all(|held| link.lock().streams.find(held.stream.id).is_some()));
        assert!(!link.is_open() && link.has_room());
    }

    #[test]
    fn as_many_have_their_turn_as_there_is_room_for() {
        let link = link();
        let counters: Vec<_> = (0..4).map(|_| Arc::new(Counter::default())).collect();
        let held: Vec<_> = counters.iter().map(|_| open(&link)).collect();
        let wakers: Vec<_> = counters.iter().cloned().map(Waker::from).collect();
        let poll = |at: usize| held[at].stream().poll_room(&Context::from_waker(&wakers[at]));
        let woken = || counters.iter().map(|counter| counter.0.swap(0, Relaxed)).collect::<Vec<_>>();
        let serve = |window| {
            let mut state = link.lock();
            state.shared.window = window;
            state.serve_turns();
        };
        link.lock().shared.window = 0;
        assert!((0..4).all(|at| poll(at).is_pending()));
        serve(20_000);
        assert_eq!(woken(), [1, 1, 0, 0]);
        assert_eq!(poll(0), Poll::Ready(Some(20_000)));
        held[0].stream().send(Bytes::from(vec![0; 20_000]), false);
        assert!(poll(1).is_pending(), "the first has taken all");
        serve(1);
        assert_eq!(woken(), [0, 0, 1, 0], "the others were there before");
        // One that is gone has no turn.
        drop(link.lock().streams.get(3).writer.take());
        held[3].stream().reset();
        serve(1);
        serve(1);
        assert_eq!(woken(), [0, 1, 0, 0]);
    }
}
