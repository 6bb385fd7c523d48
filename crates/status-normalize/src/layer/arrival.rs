//! What follows from a response head: a response, or something to read first.

use std::pin::Pin;

use http::Response;
use http_body::Body;
use tokio::time::Instant;

use super::{
    ResponseBody,
    body::announced,
    decision::{Change, Decision, Size, decide},
    future::State,
    guard::Guard,
    inspection::Inspection,
    reading::{DRAIN_BYTES, Task},
    rewrite,
};
use crate::verdict::Kept;

/// What follows where the status alone does not decide: a response, or a body to be read first.
#[inline(never)]
pub(crate) fn arrive<F, B: Body>(
    response: Response<B>,
    guard: Guard,
    started: Instant,
    state: Pin<&mut State<F, B>>,
    slot: &mut Option<Guard>,
) -> Option<Response<ResponseBody<B>>> {
    if guard.is_local() {
        Some(local(response, guard, started))
    } else {
        judge(response, guard, started, state, slot)
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

/// The response as it came.
fn pass<B: Body>(response: Response<B>, mut guard: Guard, started: Instant) -> Response<ResponseBody<B>> {
    let left = head_sent(&response, &mut guard, started);
    response.map(|inner| ResponseBody::passed(inner, left, Some(guard)))
}

/// The proxy's own answer: its body is ignored, its status described, in every mode.
fn local<B: Body>(response: Response<B>, mut guard: Guard, started: Instant) -> Response<ResponseBody<B>> {
    if guard.ends_with_head && !response.status().is_client_error() && !response.status().is_server_error() {
        return pass(response, guard, started);
    }
    let (mut head, _) = response.into_parts();
    let whole = rewrite::describe(&mut head, &mut guard, Kept::default());
    guard.head_sent(started);
    Response::from_parts(head, ResponseBody::whole(whole, guard))
}

fn judge<F, B: Body>(
    response: Response<B>,
    mut guard: Guard,
    started: Instant,
    mut state: Pin<&mut State<F, B>>,
    slot: &mut Option<Guard>,
) -> Option<Response<ResponseBody<B>>> {
    let hint = response.body().size_hint();
    let size = Size { ended: response.body().is_end_stream(), exact: hint.exact() };
    let asked = guard.asked;
    let decision = decide(guard.policy(), guard.slot(), asked, response.headers(), size);
    let (change, reason) = match decision {
        Decision::Pass => return Some(pass(response, guard, started)),
        Decision::Skip(reason) => {
            guard.skipped(reason);
            return Some(pass(response, guard, started));
        }
        Decision::Inspect(kind) if guard.enforces() => {
            let (head, body) = response.into_parts();
            let inspection = Inspection::new(kind, guard.policy());
            let task = Task::Inspect(inspection, size.exact.is_some());
            *slot = Some(guard);
            state.set(State::Reading { body, deadline: None, head: Some(head), task });
            return None;
        }
        Decision::Inspect(kind) => {
            guard.observe(Inspection::detached(kind, guard.policy(), response.headers()));
            return Some(pass(response, guard, started));
        }
        Decision::Change(change, reason) => (change, reason),
    };
    if let Some(reason) = reason {
        guard.nonstandard(reason);
    }
    if !guard.enforces() {
        guard.unchanged();
        return Some(pass(response, guard, started));
    }
    let (mut head, body) = response.into_parts();
    let whole = match change {
        Change::Describe => rewrite::describe(&mut head, &mut guard, Kept::default()),
        Change::Empty => rewrite::empty(&mut head, &mut guard),
        Change::Relabel => {
            rewrite::relabel(&mut head, &mut guard);
            return Some(pass(Response::from_parts(head, body), guard, started));
        }
    };
    if size.ended || hint.lower() > DRAIN_BYTES as u64 {
        guard.head_sent(started);
        return Some(Response::from_parts(head, ResponseBody::whole(whole, guard)));
    }
    *slot = Some(guard);
    state.set(State::Reading {
        body,
        deadline: None,
        head: Some(head),
        task: Task::Drain(DRAIN_BYTES, whole),
    });
    None
}
