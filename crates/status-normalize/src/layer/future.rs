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
    arrival::{arrive, head_sent},
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
        /// Until the body is judged, and then until what is left of it is out of the way.
        Reading { #[pin] body: B, #[pin] deadline: Option<Sleep>, head: Option<Parts>, task: Task },
        Done,
    }
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
        if let StateProj::Calling { inner } = this.state.as_mut().project() {
            let mut response = match inner.poll(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Ok(response)) => response,
                Poll::Ready(Err(error)) => {
                    let mut guard = this.guard.take().expect("future polled after completion");
                    guard.fail(BodyError::Upstream);
                    return Poll::Ready(Err(error));
                }
            };
            let guard = this.guard.as_mut().expect("future polled after completion");
            if guard.passes(&mut response) {
                let left = head_sent(&response, guard, *this.started);
                let guard = this.guard.take();
                return Poll::Ready(Ok(response.map(|inner| ResponseBody::passed(inner, left, guard))));
            }
            let guard = this.guard.take().expect("there a line above");
            let state = this.state.as_mut();
            if let Some(response) = arrive(response, guard, *this.started, state, this.guard) {
                this.state.set(State::Done);
                return Poll::Ready(Ok(response));
            }
        }
        poll_reading(this.state, this.guard, *this.started, cx).map(Ok)
    }
}

#[inline(never)]
fn poll_reading<F, B: Body>(
    mut state: Pin<&mut State<F, B>>,
    slot: &mut Option<Guard>,
    started: Instant,
    cx: &mut Context<'_>,
) -> Poll<Response<ResponseBody<B>>> {
    let StateProj::Reading { body, deadline, head: kept_head, task } = state.as_mut().project() else {
        panic!("future polled after completion");
    };
    let (head, guard) = kept_head.as_mut().zip(slot.as_mut()).expect("there until the response is");
    let whole = ready!(poll_task(task, body, deadline, head, guard, cx));
    let (head, mut guard) = kept_head.take().zip(slot.take()).expect("there until the response is");
    state.set(State::Done);
    guard.head_sent(started);
    Poll::Ready(Response::from_parts(head, ResponseBody::whole(whole, guard)))
}

impl<F, B> fmt::Debug for ResponseFuture<F, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").field("guard", &self.guard).finish_non_exhaustive()
    }
}
