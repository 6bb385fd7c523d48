//! Runs the requests of an HTTP/2 connection within the connection's own task.
//!
//! As tasks of the runtime they would cost an aligned allocation each, a place in the runtime's lists and their turns in
//! its queue. Here those that can go on do so one after the other, and then the connection sends what they have left.

use std::{
    mem,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Wake, Waker},
};

use tokio::task::coop::has_budget_remaining;

/// What can go on at once without the other tasks of the thread having their turn: a request that has come and is
/// answered without the upstream is read in the first round and its answer sent in the second.
const ROUNDS: usize = 2;

/// The streams of one connection: what answers their requests.
pub(super) struct Streams<T> {
    places: Vec<Place<T>>,
    vacant: Vec<usize>,
    woken: Arc<Woken>,
    connection: Waker,
    /// The places whose turn it is. Kept for its room.
    turn: Vec<usize>,
    /// The streams have used up what the task may do at once, the connection's part too: it goes first then.
    is_left_out: bool,
}

/// Kept with its waker for the streams to come.
struct Place<T> {
    stream: Option<Pin<Box<T>>>,
    waker: Waker,
}

impl<T: Future<Output = ()>> Streams<T> {
    pub(super) fn new() -> Self {
        let woken = Arc::new(Woken::default());
        let connection = Waker::from(Arc::new(Waking { woken: woken.clone(), place: None }));
        connection.wake_by_ref();
        Self {
            places: Vec::new(),
            vacant: Vec::new(),
            woken,
            connection,
            turn: Vec::new(),
            is_left_out: false,
        }
    }

    /// Has the connection polled the next time.
    pub(super) fn wake_connection(&self) {
        self.connection.wake_by_ref();
    }

    /// Polls those streams that can go on, and the connection if there is anything to do for it. `accept` polls it for
    /// the next stream, and sends what the others have left; it is ready with `None` when the connection has ended, and so
    /// is this then.
    pub(super) fn poll(
        &mut self,
        cx: &Context<'_>,
        mut accept: impl FnMut(&mut Context<'_>) -> Poll<Option<Pin<Box<T>>>>,
    ) -> Poll<()> {
        self.woken.lock().task = None;
        for _ in 0..ROUNDS {
            let was_left_out = mem::take(&mut self.is_left_out);
            if !was_left_out {
                self.poll_woken_streams();
            }
            if mem::take(&mut self.woken.lock().connection) {
                while let Poll::Ready(accepted) = accept(&mut Context::from_waker(&self.connection)) {
                    let Some(stream) = accepted else { return Poll::Ready(()) };
                    let place = self.vacant.pop().unwrap_or_else(|| self.add_place());
                    self.places[place].stream = Some(stream);
                    self.poll_stream(place);
                }
            }
            if self.woken.wait(cx.waker()) {
                return Poll::Pending;
            }
            if !has_budget_remaining() {
                self.is_left_out = !was_left_out;
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    fn poll_woken_streams(&mut self) {
        self.woken.take_places(&mut self.turn);
        let mut turn = mem::take(&mut self.turn);
        for place in turn.drain(..) {
            self.poll_stream(place);
        }
        self.turn = turn;
    }

    fn poll_stream(&mut self, index: usize) {
        let place = &mut self.places[index];
        let Some(stream) = &mut place.stream else { return };
        let mut cx = Context::from_waker(&place.waker);
        // A panic ends one stream, as it would end a task of the runtime.
        let polled = catch_unwind(AssertUnwindSafe(|| stream.as_mut().poll(&mut cx)));
        if !matches!(polled, Ok(Poll::Pending)) {
            place.stream = None;
            self.vacant.push(index);
        }
    }

    fn add_place(&mut self) -> usize {
        let place = self.places.len();
        let waker = Waker::from(Arc::new(Waking { woken: self.woken.clone(), place: Some(place) }));
        self.places.push(Place { stream: None, waker });
        self.woken.lock().is_woken.push(false);
        place
    }
}

/// What can go on.
#[derive(Debug, Default)]
struct Woken(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Each once.
    places: Vec<usize>,
    /// For each place whether it is among them.
    is_woken: Vec<bool>,
    connection: bool,
    /// The task that is to be woken. None while it is at work, when it looks by itself.
    task: Option<Waker>,
}

impl Woken {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn take_places(&self, turn: &mut Vec<usize>) {
        let state = &mut *self.lock();
        mem::swap(&mut state.places, turn);
        for place in &*turn {
            state.is_woken[*place] = false;
        }
    }

    /// Has `task` woken by what can go on. False if something can already.
    fn wait(&self, task: &Waker) -> bool {
        let state = &mut *self.lock();
        let is_quiet = state.places.is_empty() && !state.connection;
        if is_quiet {
            state.task = Some(task.clone());
        }
        is_quiet
    }
}

/// Wakes one stream, or the connection.
struct Waking {
    woken: Arc<Woken>,
    place: Option<usize>,
}

impl Wake for Waking {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        let mut state = self.woken.lock();
        match self.place {
            Some(place) => {
                if !mem::replace(&mut state.is_woken[place], true) {
                    state.places.push(place);
                }
            }
            None => state.connection = true,
        }
        let task = state.task.take();
        drop(state);
        if let Some(task) = task {
            task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        future::poll_fn,
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        task::ready,
        thread,
    };

    use tokio::task::coop::poll_proceed;

    use super::*;

    type Stream = Pin<Box<dyn Future<Output = ()>>>;

    /// Counts how often the task is woken.
    #[derive(Debug, Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    /// A connection that brings `streams` and never ends, and how often it was polled.
    struct Run {
        task: Arc<Task>,
        streams: Streams<Stream>,
        brings: Vec<Stream>,
        connection_polls: usize,
    }

    impl Run {
        fn new(mut brings: Vec<Stream>) -> Self {
            brings.reverse();
            Self { task: Arc::default(), streams: Streams::new(), brings, connection_polls: 0 }
        }

        fn poll(&mut self) {
            let waker = Waker::from(self.task.clone());
            let mut is_first = true;
            let polled = self.streams.poll(&Context::from_waker(&waker), |_| {
                self.connection_polls += usize::from(mem::take(&mut is_first));
                self.brings.pop().map_or(Poll::Pending, |stream| Poll::Ready(Some(Box::pin(stream))))
            });
            assert!(polled.is_pending());
        }

        fn wakes(&self) -> usize {
            self.task.0.swap(0, Relaxed)
        }
    }

    /// How often a stream was polled, and what wakes it.
    type Seen = Arc<Mutex<(usize, Option<Waker>)>>;

    /// A stream that waits.
    fn waiting() -> (Stream, Seen) {
        let seen = Seen::default();
        let seen_by_stream = seen.clone();
        let stream = poll_fn(move |cx| {
            let mut seen = seen_by_stream.lock().unwrap();
            *seen = (seen.0 + 1, Some(cx.waker().clone()));
            Poll::Pending
        });
        (Box::pin(stream), seen)
    }

    #[test]
    fn only_what_was_woken_is_polled() {
        let ((one, one_seen), (two, two_seen)) = (waiting(), waiting());
        let mut run = Run::new(vec![one, two]);
        let polls =
            |run: &Run| (one_seen.lock().unwrap().0, two_seen.lock().unwrap().0, run.connection_polls);
        run.poll();
        assert_eq!((polls(&run), run.wakes()), ((1, 1, 1), 0));
        run.poll();
        assert_eq!((polls(&run), run.wakes()), ((1, 1, 1), 0));
        let waker = two_seen.lock().unwrap().1.clone().unwrap();
        thread::spawn(move || (0..3).for_each(|_| waker.wake_by_ref())).join().unwrap();
        assert_eq!(run.wakes(), 1);
        run.poll();
        assert_eq!((polls(&run), run.wakes()), ((1, 2, 1), 0));
        run.streams.wake_connection();
        assert_eq!(run.wakes(), 1);
        run.poll();
        assert_eq!(polls(&run), (1, 2, 2));
    }

    #[test]
    fn a_panic_ends_one_stream_and_places_are_used_again() {
        let ((one, one_seen), (three, three_seen)) = (waiting(), waiting());
        let mut run = Run::new(vec![one, Box::pin(async { panic!("stream") }), Box::pin(async {}), three]);
        run.poll();
        assert_eq!((one_seen.lock().unwrap().0, three_seen.lock().unwrap().0), (1, 1));
        assert_eq!((run.streams.places.len(), run.streams.vacant.len()), (2, 0));
    }

    #[test]
    fn a_connection_that_ends_is_polled_no_more() {
        let mut polls = 0;
        let polled = Streams::<Stream>::new().poll(&Context::from_waker(Waker::noop()), |_| {
            polls += 1;
            Poll::Ready(None)
        });
        assert_eq!((polled, polls), (Poll::Ready(()), 1));
    }

    #[test]
    fn a_connection_has_its_turn_whatever_its_streams_use_of_the_tasks_budget() {
        let streams = (0..200).map(|_| {
            let greedy = poll_fn(|cx| {
                ready!(poll_proceed(cx)).made_progress();
                cx.waker().wake_by_ref();
                Poll::Pending
            });
            Box::pin(greedy) as Stream
        });
        let (mut brings, mut streams) = (streams.collect::<Vec<_>>(), Streams::new());
        let (mut turns, mut polls) = (0, 0);
        let run = poll_fn(|cx| {
            polls += 1;
            assert!(polls < 100, "its streams leave it nothing");
            streams.poll(cx, |cx| {
                if let Some(stream) = brings.pop() {
                    return Poll::Ready(Some(Box::pin(stream)));
                }
                ready!(poll_proceed(cx)).made_progress();
                cx.waker().wake_by_ref();
                turns += 1;
                if turns == 10 { Poll::Ready(None) } else { Poll::Pending }
            })
        });
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(run);
    }

    #[test]
    fn one_that_never_rests_lets_others_have_their_turn() {
        let restless = poll_fn(|cx| {
            cx.waker().wake_by_ref();
            Poll::Pending
        });
        let mut run = Run::new(vec![Box::pin(restless)]);
        run.poll();
        assert_eq!(run.wakes(), 1);
    }
}
