//! From the call to the response head.

use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use http::{Response, response::Parts};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::{Instant, Sleep};

use super::{
    ResponseBody,
    arrival::{Next, answer, arrive, head_sent},
    guard::Guard,
    reading::{Task, poll_task},
};
use crate::metrics::BodyError;

pin_project! {
    /// The future of [`StatusNormalizeService`](super::StatusNormalizeService).
    pub struct ResponseFuture<F, B> {
        #[pin]
        state: State<F, B>,
        guard: Option<Guard>,
        started: Instant,
    }
}

pin_project! {
    #[project = StateProj]
    pub(crate) enum State<F, B> {
        /// Until the head is here.
        Calling { #[pin] inner: F },
        /// Until the body is judged, and then until what is left of it is out of the way. What only a body needs that
        /// keeps us waiting is boxed: every request's future would have the room for it, and futures are moved.
        Reading { #[pin] body: B, deadline: Deadline, waiting: Option<Box<Waiting>> },
    }
}

/// When a body that keeps us waiting has done so for long enough.
pub(crate) type Deadline = Option<Pin<Box<Sleep>>>;

/// An answer that waits for a body to be read.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) head: Parts,
    pub(crate) task: Task,
}

impl<F, B> ResponseFuture<F, B> {
    pub(crate) fn new(inner: F, guard: Guard, started: Instant) -> Self {
        Self { state: State::Calling { inner }, guard: Some(guard), started }
    }
}

impl<F, B, E> Future for ResponseFuture<F, B>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    #[inline]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        match this.state.as_mut().project() {
            StateProj::Calling { inner } => {
                let mut response = match inner.poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(response)) => response,
                    Poll::Ready(Err(error)) => {
                        this.guard.as_mut().expect(FINISHED).fail(BodyError::Upstream);
                        return Poll::Ready(Err(error));
                    }
                };
                let guard = this.guard.as_mut().expect(FINISHED);
                if guard.passes(&mut response) {
                    let left = head_sent(response.headers(), response.body(), guard, *this.started);
                    let guard = this.guard.take();
                    return Poll::Ready(Ok(response.map(|inner| ResponseBody::passed(inner, left, guard))));
                }
                let (mut head, body) = response.into_parts();
                let body = ready!(poll_arrived(&mut head, body, this.state, this.guard, *this.started, cx));
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
            StateProj::Reading { waiting, .. } => {
                let Waiting { mut head, task } = *waiting.take().expect(FINISHED);
                let body = ready!(poll_reading(&mut head, task, this.state, this.guard, *this.started, cx));
                Poll::Ready(Ok(Response::from_parts(head, body)))
            }
        }
    }
}

const FINISHED: &str = "future polled after completion";

/// Goes on where the status alone does not decide.
#[inline(never)]
fn poll_arrived<F, B: Body>(
    head: &mut Parts,
    body: B,
    mut state: Pin<&mut State<F, B>>,
    slot: &mut Option<Guard>,
    started: Instant,
    cx: &mut Context<'_>,
) -> Poll<ResponseBody<B>> {
    let guard = slot.as_mut().expect(UNANSWERED);
    match arrive(head, &body, guard) {
        Next::Answer(whole) => Poll::Ready(answer(whole, slot, started)),
        Next::Pass => {
            let left = head_sent(&head.headers, &body, guard, started);
            Poll::Ready(ResponseBody::passed(body, left, slot.take()))
        }
        Next::Read(task) => {
            state.set(State::Reading { body, deadline: None, waiting: None });
            poll_reading(head, task, state, slot, started, cx)
        }
    }
}

/// Leaves no head behind where it has to be polled again.
#[inline(always)]
fn poll_reading<F, B: Body>(
    head: &mut Parts,
    mut task: Task,
    state: Pin<&mut State<F, B>>,
    slot: &mut Option<Guard>,
    started: Instant,
    cx: &mut Context<'_>,
) -> Poll<ResponseBody<B>> {
    let StateProj::Reading { body, deadline, waiting } = state.project() else {
        unreachable!("whoever waits, reads");
    };
    let guard = slot.as_mut().expect(UNANSWERED);
    let Poll::Ready(whole) = poll_task(&mut task, body, deadline, head, guard, cx) else {
        let (nothing, ()) = Response::new(()).into_parts();
        *waiting = Some(Box::new(Waiting { head: std::mem::replace(head, nothing), task }));
        return Poll::Pending;
    };
    Poll::Ready(answer(whole, slot, started))
}

const UNANSWERED: &str = "there until the response is";

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("guard", &self.guard).finish_non_exhaustive()
    }
}
