//! One HTTP/2 connection to an upstream, as it is shared by those whose requests are on it and the task that reads and writes.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use bytes::BytesMut;
use http::Method;
use tokio::{sync::Notify, time::Instant};

use super::{CONNECTION_WINDOW, STREAM_WINDOW, error::Error, held::Held, request::Request, stream::Streams};
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
    /// It has not answered a request, and may be dead.
    pub(super) is_suspect: bool,
    /// How many others there were when a stream was refused, and until when that is a limit.
    pub(super) refused: Option<(usize, Instant)>,
    /// When the last stream ended, or the connection was opened.
    pub(super) last_used: Instant,
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
        Ok(Held::new(self.clone(), place, id, is_first))
    }
}

impl State {
    pub(super) fn outlet(&mut self, place: usize) -> Outlet<'_> {
        let stream = self.streams.get(place);
        Outlet { stream: stream.id, place, sending: &mut stream.sending, shared: &mut self.shared }
    }

    /// Has the task send what there is.
    pub(super) fn wake(&mut self) {
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

    /// Tells the upstream that nothing more of a stream is wanted, unless it is over.
    pub(super) fn give_up(&mut self, place: usize) {
        let stream = self.streams.get(place);
        if stream.is_open() {
            self.shared.output.reset(stream.id, Reason::CANCEL);
            stream.cut(Error::GivenUp);
            self.wake();
        }
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

#[cfg(test)]
mod tests {
    use std::{
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::{Context, Poll, Wake},
    };

    use bytes::Bytes;
    use http::{
        HeaderMap,
        uri::{Authority, PathAndQuery},
    };

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
        let _held = [open(&link), open(&link)];
        let ids = [MAX_31_BITS - 2, MAX_31_BITS];
        assert!(ids.iter().all(|id| link.lock().streams.find(*id).is_some()));
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
