//! What follows from a response head: a response, or something to read first.

use http::{Response, response::Parts};
use http_body::Body;
use tokio::time::Instant;

use super::{
    LocalReply, ResponseBody,
    decision::{Change, Decision, Size, decide},
    guard::Guard,
    inspection::Inspection,
    reading::{DRAIN_BYTES, Task},
    rewrite,
};
use crate::{metrics::SkipReason, policy::Plan, verdict::Kept};

/// What follows from a response head.
pub(crate) enum Arrival<B> {
    Reading { head: Parts, body: B, task: Task, guard: Guard },
    Ready(Response<ResponseBody<B>>),
}

#[inline]
pub(crate) fn arrive<B: Body>(mut response: Response<B>, mut guard: Guard, started: Instant) -> Arrival<B> {
    if response.extensions().get::<LocalReply>().is_some() {
        return local(response, guard, started);
    }
    let plan = guard.upstream_answered(response.status(), response.headers());
    let opted_out = match &guard.policy().settings.opt_out {
        Some(name) => response.headers_mut().remove(name).is_some(),
        None => false,
    };
    match plan {
        Plan::Pass => {}
        _ if opted_out => guard.skipped(SkipReason::OptOut),
        _ => return judge(response, guard, started),
    }
    pass(response, guard, started)
}

#[inline]
fn pass<B: Body>(response: Response<B>, guard: Guard, started: Instant) -> Arrival<B> {
    guard.head_sent(started);
    let (head, body) = response.into_parts();
    let body = ResponseBody::passed(body, &head.headers, guard);
    Arrival::Ready(Response::from_parts(head, body))
}

/// The proxy's own answer: its body is ignored, its status described, in every mode.
fn local<B: Body>(response: Response<B>, mut guard: Guard, started: Instant) -> Arrival<B> {
    guard.locally_answered(response.status());
    if guard.ends_with_head() && !response.status().is_client_error() && !response.status().is_server_error()
    {
        return pass(response, guard, started);
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
        Decision::Pass => return pass(response, guard, started),
        Decision::Skip(reason) => {
            guard.skipped(reason);
            return pass(response, guard, started);
        }
        Decision::Inspect(kind) if guard.enforces() => {
            let (head, body) = response.into_parts();
            let inspection = Inspection::new(kind, guard.policy());
            let task = Task::Inspect(inspection, size.exact.is_some());
            return Arrival::Reading { head, body, task, guard };
        }
        Decision::Inspect(kind) => {
            guard.head_sent(started);
            let (head, body) = response.into_parts();
            let inspection = Inspection::detached(kind, guard.policy(), &head.headers);
            let body = ResponseBody::observed(body, &head.headers, guard, inspection);
            return Arrival::Ready(Response::from_parts(head, body));
        }
        Decision::Change(change, reason) => (change, reason),
    };
    if let Some(reason) = reason {
        guard.nonstandard(reason);
    }
    if !guard.enforces() {
        guard.unchanged();
        return pass(response, guard, started);
    }
    let (mut head, body) = response.into_parts();
    let whole = match change {
        Change::Describe => rewrite::describe(&mut head, &mut guard, Kept::default()),
        Change::Empty => rewrite::empty(&mut head, &mut guard),
        Change::Relabel => {
            rewrite::relabel(&mut head, &mut guard);
            return pass(Response::from_parts(head, body), guard, started);
        }
    };
    if size.ended || hint.lower() > DRAIN_BYTES as u64 {
        guard.head_sent(started);
        return Arrival::Ready(Response::from_parts(head, ResponseBody::whole(whole, guard)));
    }
    Arrival::Reading { head, body, task: Task::Drain(DRAIN_BYTES, whole), guard }
}
