//! A response body that follows a script, poll by poll.

use std::{
    collections::VecDeque,
    error::Error,
    fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};

/// What one poll of a body gives.
#[derive(Clone, Debug)]
pub enum Step {
    /// A frame of data.
    Data(Bytes),
    /// The body breaks off.
    Fail,
    /// Nothing yet, but the next poll comes soon.
    Pending,
    /// Nothing, ever.
    Stall,
    /// The trailers.
    Trailers(HeaderMap),
}

/// The error of a body that breaks off.
#[derive(Clone, Copy, Debug)]
pub struct Broken;

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the body broke off")
    }
}

impl Error for Broken {}

/// What happened to a [`ScriptedBody`], from outside.
#[derive(Clone, Debug, Default)]
pub struct Probe(Arc<Seen>);

#[derive(Debug, Default)]
struct Seen {
    polls: AtomicUsize,
    ended: AtomicBool,
    dropped: AtomicBool,
}

impl Probe {
    /// How often the body was polled.
    pub fn polls(&self) -> usize {
        self.0.polls.load(Ordering::Relaxed)
    }

    /// Whether the body was read to its end.
    pub fn is_ended(&self) -> bool {
        self.0.ended.load(Ordering::Relaxed)
    }

    /// Whether the body is gone.
    pub fn is_dropped(&self) -> bool {
        self.0.dropped.load(Ordering::Relaxed)
    }
}

/// A body that follows a script. By default it announces no length, and tells its end only when polled again.
#[derive(Debug)]
pub struct ScriptedBody {
    steps: VecDeque<Step>,
    length: Option<u64>,
    tells_end: bool,
    repeat: Option<Step>,
    probe: Probe,
}

impl ScriptedBody {
    /// A body of these steps.
    pub fn new(steps: impl IntoIterator<Item = Step>) -> Self {
        Self {
            steps: steps.into_iter().collect(),
            length: None,
            tells_end: false,
            repeat: None,
            probe: Probe::default(),
        }
    }

    /// A body of data frames.
    pub fn of<D: Into<Bytes>>(frames: impl IntoIterator<Item = D>) -> Self {
        Self::new(frames.into_iter().map(|data| Step::Data(data.into())))
    }

    /// The same, announcing the length of its data.
    #[must_use]
    pub fn sized(mut self) -> Self {
        let data = |step: &Step| if let Step::Data(data) = step { data.len() as u64 } else { 0 };
        self.length = Some(self.steps.iter().map(data).sum());
        self
    }

    /// The same, announcing a length that may be wrong.
    #[must_use]
    pub fn announcing(mut self, length: u64) -> Self {
        self.length = Some(length);
        self
    }

    /// The same, telling its end as soon as the last frame is out.
    #[must_use]
    pub fn telling_end(mut self) -> Self {
        self.tells_end = true;
        self
    }

    /// The same, never ending: after the script, this step again and again.
    #[must_use]
    pub fn then_always(mut self, step: Step) -> Self {
        self.repeat = Some(step);
        self
    }

    /// Where to see what happens to the body.
    pub fn probe(&self) -> Probe {
        self.probe.clone()
    }
}

impl Body for ScriptedBody {
    type Data = Bytes;
    type Error = Broken;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Broken>>> {
        self.probe.0.polls.fetch_add(1, Ordering::Relaxed);
        let step = self.steps.pop_front().or_else(|| self.repeat.clone());
        match step {
            None => {
                self.probe.0.ended.store(true, Ordering::Relaxed);
                Poll::Ready(None)
            }
            Some(Step::Data(data)) => {
                if let Some(length) = &mut self.length {
                    *length = length.saturating_sub(data.len() as u64);
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Some(Step::Fail) => {
                self.steps.clear();
                self.repeat = None;
                Poll::Ready(Some(Err(Broken)))
            }
            Some(Step::Pending) => {
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Some(Step::Stall) => {
                self.steps.push_front(Step::Stall);
                Poll::Pending
            }
            Some(Step::Trailers(trailers)) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.tells_end && self.steps.is_empty() && self.repeat.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.length.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}

impl Drop for ScriptedBody {
    fn drop(&mut self) {
        self.probe.0.dropped.store(true, Ordering::Relaxed);
    }
}
