//! What follows from a response head: a response, or something to read first.

use http::{Response, response::Parts};
use http_body::Body;
use tokio::time::Instant;

use super::{
    ResponseBody,
    body::announced,
    decision::{Change, Decision, Size, decide},
    guard::Guard,
    inspection::Inspection,
    reading::{DRAIN_BYTES, Task},
    rewrite,
};
use crate::verdict::Kept;

/// What follows from a response head.
pub(crate) enum Arrival<B> {
    Reading { head: Parts, body: B, task: Task, guard: Guard },
    Ready(Response<ResponseBody<B>>),
}

/// What follows where the status alone does not decide.
#[inline(never)]
pub(crate) fn arrive<B: Body>(response: Response<B>, guard: Guard, started: Instant) -> Arrival<B> {
    if guard.is_local() { local(response, guard, started) } else { judge(response, guard, started) }
}

/// The response as it came.
#[inline(always)]
pub(crate) fn pass<B: Body>(
    response: Response<B>,
    guard: Guard,
    started: Instant,
) -> Response<ResponseBody<B>> {
    guard.head_sent(started);
    let left = if guard.ends_with_head() { 0 } else { announced(&response) };
    response.map(|inner| ResponseBody::passed(inner, left, guard))
}

/// The proxy's own answer: its body is ignored, its status described, in every mode.
fn local<B: Body>(response: Response<B>, mut guard: Guard, started: Instant) -> Arrival<B> {
    if guard.ends_with_head() && !response.status().is_client_error() && !response.status().is_server_error()
    {
        return Arrival::Ready(pass(response, guard, started));
    }
    let (mut head, _) = response.into_parts();
    let whole = rewrite::describe(&mut head, &mut guard, Kept::default());
    guard.head_sent(started);
    Arrival::Ready(Response::from_parts(head, ResponseBody::whole(whole, guard)))
}

fn judge<B: Body>(response: Response<B>, mut guard: Guard, started: Instant) -> Arrival<B> {
    let hint = response.body().size_hint();
    let size = Size { ended: response.body().is_end_stream(), exact: hint.exact() };
    let asked = guard.asked;
    let decision = decide(guard.policy(), guard.slot(), asked, response.headers(), size);
    let (change, reason) = match decision {
        Decision::Pass => return Arrival::Ready(pass(response, guard, started)),
        Decision::Skip(reason) => {
            guard.skipped(reason);
            return Arrival::Ready(pass(response, guard, started));
        }
        Decision::Inspect(kind) if guard.enforces() => {
            let (head, body) = response.into_parts();
            let inspection = Inspection::new(kind, guard.policy());
            let task = Task::Inspect(inspection, size.exact.is_some());
            return Arrival::Reading { head, body, task, guard };
        }
        Decision::Inspect(kind) => {
            guard.head_sent(started);
            let left = announced(&response);
            let inspection = Inspection::detached(kind, guard.policy(), response.headers());
            return Arrival::Ready(
                response.map(|body| ResponseBody::observed(body, left, guard, inspection)),
            );
        }
        Decision::Change(change, reason) => (change, reason),
    };
    if let Some(reason) = reason {
        guard.nonstandard(reason);
    }
    if !guard.enforces() {
        guard.unchanged();
        return Arrival::Ready(pass(response, guard, started));
    }
    let (mut head, body) = response.into_parts();
    let whole = match change {
        Change::Describe => rewrite::describe(&mut head, &mut guard, Kept::default()),
        Change::Empty => rewrite::empty(&mut head, &mut guard),
        Change::Relabel => {
            rewrite::relabel(&mut head, &mut guard);
            return Arrival::Ready(pass(Response::from_parts(head, body), guard, started));
        }
    };
    if size.ended || hint.lower() > DRAIN_BYTES as u64 {
        guard.head_sent(started);
        return Arrival::Ready(Response::from_parts(head, ResponseBody::whole(whole, guard)));
    }
    Arrival::Reading { head, body, task: Task::Drain(DRAIN_BYTES, whole), guard }
}
