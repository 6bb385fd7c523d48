//! Reading of a body before the response head leaves: to judge it, or to have it out of the way.

use std::{
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, response::Parts};
use http_body::Body;
use tokio::time::sleep;

use super::{
    body::{Whole, bytes},
    future::Deadline,
    guard::Guard,
    inspection::Inspection,
    rewrite,
};
use crate::{
    metrics::BodyError,
    verdict::{BodyFinding, Reason},
};

/// How much of a replaced body is read so that the backend's connection can be used again.
pub(crate) const DRAIN_BYTES: usize = 64 * 1024;

/// How long that may take.
const DRAIN_TIME: Duration = Duration::from_millis(50);

/// What a frame counts at least, so that empty ones come to an end.
const FRAME_COST: usize = 16;

/// How many frames are taken at a time from a body that is never pending.
const FRAMES_AT_ONCE: usize = 128;

/// What a body is read for.
#[derive(Debug)]
pub(crate) enum Task {
    /// To have it out of the way, at most this much of it, before the answer that took its place.
    Drain(usize, Whole),
    /// To judge it; whether its length was announced.
    Inspect(Inspection, bool),
}

/// How reading ended.
#[derive(Debug)]
enum End {
    Cut,
    Limit,
    Reached(Option<Box<HeaderMap>>),
    Timeout,
}

/// Reads until the answer is certain and the backend's body out of the way.
pub(crate) fn poll_task<B: Body>(
    task: &mut Task,
    mut body: Pin<&mut B>,
    deadline: &mut Deadline,
    head: &mut Parts,
    guard: &mut Guard,
    cx: &mut Context<'_>,
) -> Poll<Whole> {
    if let Task::Inspect(inspection, _) = task {
        let timeout = guard.policy().settings.inspect_timeout;
        let end = ready!(poll_body(body.as_mut(), deadline, timeout, cx, |data| inspection.add(data)));
        let Task::Inspect(inspection, is_sized) = std::mem::replace(task, Task::Drain(0, Whole::default()))
        else {
            unreachable!("an inspection until here");
        };
        let left = if matches!(end, End::Limit) { DRAIN_BYTES } else { 0 };
        match conclude(inspection, is_sized, end, head, guard) {
            Conclusion::Stands(whole) => return Poll::Ready(whole),
            Conclusion::Replaced(whole) => *task = Task::Drain(left, whole),
        }
        *deadline = None;
    }
    let Task::Drain(left, whole) = task else { unreachable!("an inspection has ended") };
    if *left > 0 {
        // However it ends, the answer is whole.
        ready!(poll_body(body, deadline, DRAIN_TIME, cx, |data| {
            *left = left.saturating_sub(data.len().max(FRAME_COST));
            *left > 0
        }));
    }
    Poll::Ready(std::mem::take(whole))
}

/// What an inspection leads to.
enum Conclusion {
    Replaced(Whole),
    Stands(Whole),
}

fn conclude(
    inspection: Inspection,
    is_sized: bool,
    end: End,
    head: &mut Parts,
    guard: &mut Guard,
) -> Conclusion {
    guard.inspected(inspection.len());
    let salvage = |reason| (reason, inspection.salvage(&head.headers));
    let (reason, kept) = match end {
        End::Cut => {
            guard.body_error(BodyError::Upstream);
            salvage(Reason::Cut)
        }
        End::Limit => salvage(Reason::TooLarge),
        End::Timeout => {
            guard.body_error(BodyError::Timeout);
            salvage(Reason::Timeout)
        }
        End::Reached(trailers) => {
            let judged = inspection.judge(guard.policy(), guard.slot(), &head.headers);
            match judged.finding {
                BodyFinding::Nonstandard(reason) => (reason, judged.kept),
                BodyFinding::Standard => {
                    let target = guard.slot().target;
                    let fits =
                        target.is_none_or(|target| inspection.fits(guard.policy(), target, &head.headers));
                    if !fits {
                        return Conclusion::Replaced(rewrite::describe(head, guard, judged.kept));
                    }
                    if target.is_some() {
                        rewrite::relabel(head, guard);
                    }
                    if let Some(trailers) = trailers {
                        guard.keep_trailers(trailers);
                    }
                    return Conclusion::Stands(Whole { data: inspection.into_bytes(), is_sized });
                }
            }
        }
    };
    guard.nonstandard(reason);
    Conclusion::Replaced(rewrite::describe(head, guard, kept))
}

/// Hands the data of a body on until it ends, `take` has enough, or the time is over. The clock is started when the
/// body is found waiting: what is here already needs none.
fn poll_body<B: Body>(
    mut body: Pin<&mut B>,
    deadline: &mut Deadline,
    time: Duration,
    cx: &mut Context<'_>,
    mut take: impl FnMut(Bytes) -> bool,
) -> Poll<End> {
    let mut frames = 0;
    loop {
        if body.is_end_stream() {
            return Poll::Ready(End::Reached(None));
        }
        if frames == FRAMES_AT_ONCE {
            cx.waker().wake_by_ref();
            break;
        }
        frames += 1;
        match body.as_mut().poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                Ok(data) => {
                    if !take(bytes(data)) {
                        return Poll::Ready(End::Limit);
                    }
                }
                Err(frame) => return Poll::Ready(End::Reached(frame.into_trailers().ok().map(Box::new))),
            },
            Poll::Ready(Some(Err(_))) => return Poll::Ready(End::Cut),
            Poll::Ready(None) => return Poll::Ready(End::Reached(None)),
            Poll::Pending => break,
        }
    }
    let deadline = deadline.get_or_insert_with(|| Box::pin(sleep(time)));
    ready!(deadline.as_mut().poll(cx));
    Poll::Ready(End::Timeout)
}
