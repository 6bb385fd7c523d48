//! What follows from a response head: a response, or something to read first.

use std::pin::Pin;

use http::{Response, response::Parts};
use http_body::Body;
use tokio::time::Instant;

use super::{
    ResponseBody,
    body::{Whole, announced},
    decision::{Change, Decision, Size, decide},
    future::{State, Waiting},
    guard::Guard,
    inspection::Inspection,
    reading::{DRAIN_BYTES, Task},
    rewrite,
};
use crate::verdict::Kept;

/// What follows from a head.
pub(crate) enum Arrival<B> {
    Answer(Response<ResponseBody<B>>),
    /// The body is to be read first; the state has it.
    Waiting(Waiting),
}

/// What follows where the status alone does not decide: an answer, or a body to be read first.
pub(crate) fn arrive<F, B: Body>(
    response: Response<B>,
    slot: &mut Option<Guard>,
    started: Instant,
    state: Pin<&mut State<F, B>>,
) -> Arrival<B> {
    if slot.as_ref().is_some_and(Guard::is_local) {
        Arrival::Answer(local(response, slot, started))
    } else {
        judge(response, slot, started, state)
    }
}

/// The head of a response that stays as it is leaves: how many bytes its consumer may stop after.
#[inline]
pub(crate) fn head_sent<B: Body>(response: &Response<B>, guard: &mut Guard, started: Instant) -> u64 {
    guard.head_sent(started);
    let left = if guard.ends_with_head { 0 } else { announced(response) };
    // A body that is over is settled now: nobody has to poll it.
    if left == 0 && !guard.awaits_trailers() || response.body().is_end_stream() {
        guard.finish();
    }
    left
}

/// The answer with a body that is here already.
pub(crate) fn answer<B>(
    head: Parts,
    whole: Whole,
    slot: &mut Option<Guard>,
    started: Instant,
) -> Response<ResponseBody<B>> {
    if let Some(guard) = slot {
        guard.head_sent(started);
        if guard.ends_with_head || whole.is_over() {
            guard.finish();
        }
    }
    Response::from_parts(head, ResponseBody::whole(whole, slot.take()))
}

/// The response as it came.
fn pass<B: Body>(
    response: Response<B>,
    slot: &mut Option<Guard>,
    started: Instant,
) -> Response<ResponseBody<B>> {
    let left = slot.as_mut().map_or(0, |guard| head_sent(&response, guard, started));
    response.map(|inner| ResponseBody::passed(inner, left, slot.take()))
}

/// The proxy's own answer: its body is ignored, its status described, in every mode.
fn local<B: Body>(
    response: Response<B>,
    slot: &mut Option<Guard>,
    started: Instant,
) -> Response<ResponseBody<B>> {
    let guard = slot.as_mut().expect(UNANSWERED);
    if guard.ends_with_head && !response.status().is_client_error() && !response.status().is_server_error() {
        return pass(response, slot, started);
    }
    let (mut head, _) = response.into_parts();
    let whole = rewrite::describe(&mut head, guard, Kept::default());
    answer(head, whole, slot, started)
}

fn judge<F, B: Body>(
    response: Response<B>,
    slot: &mut Option<Guard>,
    started: Instant,
    mut state: Pin<&mut State<F, B>>,
) -> Arrival<B> {
    let guard = slot.as_mut().expect(UNANSWERED);
    let hint = response.body().size_hint();
    let size = Size { ended: response.body().is_end_stream(), exact: hint.exact() };
    let asked = guard.asked;
    let decision = decide(guard.policy(), guard.slot(), asked, response.headers(), size);
    let (change, reason) = match decision {
        Decision::Pass => return Arrival::Answer(pass(response, slot, started)),
        Decision::Skip(reason) => {
            guard.skipped(reason);
            return Arrival::Answer(pass(response, slot, started));
        }
        Decision::Inspect(kind) if guard.enforces() => {
            let (head, body) = response.into_parts();
            let task = Task::Inspect(Inspection::new(kind, guard.policy()), size.exact.is_some());
            state.set(State::Reading { body, deadline: None, waiting: None });
            return Arrival::Waiting(Waiting { head, task });
        }
        Decision::Inspect(kind) => {
            guard.observe(Inspection::detached(kind, guard.policy(), response.headers()));
            return Arrival::Answer(pass(response, slot, started));
        }
        Decision::Change(change, reason) => (change, reason),
    };
    if let Some(reason) = reason {
        guard.nonstandard(reason);
    }
    if !guard.enforces() {
        guard.unchanged();
        return Arrival::Answer(pass(response, slot, started));
    }
    let (mut head, body) = response.into_parts();
    let whole = match change {
        Change::Describe => rewrite::describe(&mut head, guard, Kept::default()),
        Change::Empty => rewrite::empty(&mut head, guard),
        Change::Relabel => {
            rewrite::relabel(&mut head, guard);
            return Arrival::Answer(pass(Response::from_parts(head, body), slot, started));
        }
    };
    if size.ended || hint.lower() > DRAIN_BYTES as u64 {
        return Arrival::Answer(answer(head, whole, slot, started));
    }
    state.set(State::Reading { body, deadline: None, waiting: None });
    Arrival::Waiting(Waiting { head, task: Task::Drain(DRAIN_BYTES, whole) })
}

const UNANSWERED: &str = "there until the response is";
