//! What follows from a response head: a response, or something to read first.

use http::{HeaderMap, response::Parts};
use http_body::Body;
use tokio::time::Instant;

use super::{
    ResponseBody,
    body::{Whole, announced},
    decision::{Change, Decision, Size, decide},
    guard::Guard,
    inspection::Inspection,
    reading::{DRAIN_BYTES, Task},
    rewrite,
};
use crate::verdict::Kept;

/// What follows from a head.
pub(crate) enum Next {
    /// This takes the place of the body, which nobody reads.
    Answer(Whole),
    /// The response leaves with the body that it came with.
    Pass,
    /// The body is to be read first.
    Read(Task),
}

/// What follows where the status alone does not decide; the head is then that of the answer, unless the body decides.
pub(crate) fn arrive<B: Body>(head: &mut Parts, body: &B, guard: &mut Guard) -> Next {
    if guard.is_local() { local(head, guard) } else { judge(head, body, guard) }
}

/// The head of a response that stays as it is leaves: how many bytes its consumer may stop after.
#[inline(always)]
pub(crate) fn head_sent<B: Body>(headers: &HeaderMap, body: &B, guard: &mut Guard, started: Instant) -> u64 {
    guard.head_sent(started);
    let left = if guard.ends_with_head { 0 } else { announced(headers, body) };
    // A body that is over is settled now: nobody has to poll it.
    if left == 0 && !guard.awaits_trailers() || body.is_end_stream() {
        guard.finish();
    }
    left
}

/// The head of an answer leaves whose body is here already.
#[inline(always)]
pub(crate) fn answer<B>(whole: Whole, slot: &mut Option<Guard>, started: Instant) -> ResponseBody<B> {
    if let Some(guard) = slot {
        guard.head_sent(started);
        if guard.ends_with_head || whole.data.is_empty() && !guard.has_trailers() {
            guard.finish();
        }
    }
    ResponseBody::whole(whole, slot.take())
}

/// The proxy's own answer: its body is ignored, its status described, in every mode.
fn local(head: &mut Parts, guard: &mut Guard) -> Next {
    if guard.ends_with_head && !head.status.is_client_error() && !head.status.is_server_error() {
        return Next::Pass;
    }
    Next::Answer(rewrite::describe(head, guard, Kept::default()))
}

fn judge<B: Body>(head: &mut Parts, body: &B, guard: &mut Guard) -> Next {
    let hint = body.size_hint();
    let size = Size { ended: body.is_end_stream(), exact: hint.exact() };
    let decision = decide(guard.policy(), guard.slot(), guard.asked, &head.headers, size);
    let (change, reason) = match decision {
        Decision::Pass => return Next::Pass,
        Decision::Skip(reason) => {
            guard.skipped(reason);
            return Next::Pass;
        }
        Decision::Inspect(kind) if guard.enforces() => {
            return Next::Read(Task::Inspect(Inspection::new(kind, guard.policy()), size.exact.is_some()));
        }
        Decision::Inspect(kind) => {
            guard.observe(Inspection::detached(kind, guard.policy(), &head.headers));
            return Next::Pass;
        }
        Decision::Change(change, reason) => (change, reason),
    };
    if let Some(reason) = reason {
        guard.nonstandard(reason);
    }
    if !guard.enforces() {
        guard.unchanged();
        return Next::Pass;
    }
    let whole = match change {
        Change::Describe => rewrite::describe(head, guard, Kept::default()),
        Change::Empty => rewrite::empty(head, guard),
        Change::Relabel => {
            rewrite::relabel(head, guard);
            return Next::Pass;
        }
    };
    if size.ended || hint.lower() > DRAIN_BYTES as u64 {
        return Next::Answer(whole);
    }
    Next::Read(Task::Drain(DRAIN_BYTES, whole))
}
