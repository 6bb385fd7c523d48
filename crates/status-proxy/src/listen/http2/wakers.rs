//! What of a connection can go on: its I/O, or some of its streams.

use std::{
    mem,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
};

/// What can go on. Wakes the connection's task for all of it.
#[derive(Debug, Default)]
pub(super) struct Woken(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// Places of streams, each once.
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

    /// Wakes the connection itself.
    pub(super) fn connection(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::new(Waking { woken: self.clone(), place: None }))
    }

    /// Wakes the stream in a place, of which the first is 0 and each is behind the one before.
    pub(super) fn add_place(self: &Arc<Self>, place: usize) -> Waker {
        self.lock().is_woken.push(false);
        Waker::from(Arc::new(Waking { woken: self.clone(), place: Some(place) }))
    }

    /// The task is at work.
    pub(super) fn begin(&self) {
        self.lock().task = None;
    }

    /// Takes the places whose turn it is out, and whether it is the connection's.
    pub(super) fn take_places(&self, turn: &mut Vec<usize>) {
        let state = &mut *self.lock();
        mem::swap(&mut state.places, turn);
        for place in &*turn {
            state.is_woken[*place] = false;
        }
    }

    /// Whether the connection was woken since this was asked.
    pub(super) fn take_connection(&self) -> bool {
        mem::take(&mut self.lock().connection)
    }

    /// Has `task` woken by what can go on. False if something can already.
    pub(super) fn wait(&self, task: &Waker) -> bool {
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
        sync::atomic::{AtomicUsize, Ordering::Relaxed},
        thread,
    };

    use super::*;

    /// Counts how often the task is woken.
    #[derive(Debug, Default)]
    struct Task(AtomicUsize);

    impl Wake for Task {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[test]
    fn the_task_is_woken_once_for_what_can_go_on() {
        let (woken, task) = (Arc::new(Woken::default()), Arc::new(Task::default()));
        let waker = Waker::from(task.clone());
        let [one, two] = [0, 1].map(|place| woken.add_place(place));
        let connection = woken.connection();
        assert!(woken.wait(&waker));
        thread::spawn({
            let two = two.clone();
            move || (0..3).for_each(|_| two.wake_by_ref())
        })
        .join()
        .unwrap();
        assert_eq!(task.0.swap(0, Relaxed), 1);
        let mut turn = Vec::new();
        woken.take_places(&mut turn);
        assert_eq!((&turn[..], woken.take_connection()), (&[1][..], false));
        // While the task is at work it is not woken: it asks before it waits.
        woken.begin();
        connection.wake_by_ref();
        one.wake_by_ref();
        assert!(!woken.wait(&waker));
        assert_eq!(task.0.load(Relaxed), 0);
        turn.clear();
        woken.take_places(&mut turn);
        assert_eq!((&turn[..], woken.take_connection()), (&[0][..], true));
        assert!(woken.wait(&waker));
    }
}
