//! Counts each exchange once, however it ends.

use std::{fmt, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode, header};
use status_catalog::Class;
use tokio::time::Instant;

use super::{LocalReply, access::Access, asked::Asked, inspection::Inspection};
use crate::{
    Mode,
    grpc::{self, Dialect, GrpcStatus, WebTrailers},
    metrics::{BodyError, BrokenPromise, Outcome, SkipReason},
    policy::{Plan, Policy, Slot},
    verdict::{BodyFinding, Reason},
};

/// Where an exchange stands.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// No response head has left: the backend's is not here, or its body is being read.
    Asked,
    /// The response is on its way.
    Answering,
    /// Counted.
    Over,
}

/// Where the outcome of a gRPC call is to be found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum GrpcOutcome {
    /// In the trailers.
    Awaited,
    Known(GrpcStatus),
    /// Not a gRPC call.
    None,
}

/// What follows the bytes of a response, which few exchanges need.
#[derive(Debug, Default)]
struct Followers {
    access: Option<Access>,
    /// Judges a body that goes by, since then.
    inspection: Option<(Inspection, Instant)>,
    /// What is to be sent after a body that is here already.
    trailers: Option<Box<HeaderMap>>,
    /// Reads the outcome of a gRPC-Web call.
    web: Option<WebTrailers>,
}

/// One exchange, from the request to the last byte of its response. Dropped before, the client has gone.
pub(crate) struct Guard {
    policy: Arc<Policy>,
    pub(crate) asked: Asked,
    phase: Phase,
    /// The backend's, or the proxy's own; 200 until there is one.
    status: StatusCode,
    class: Class,
    /// Whether the response ends with its head, whatever its body says.
    pub(crate) ends_with_head: bool,
    outcome: Outcome,
    grpc: GrpcOutcome,
    in_flight: bool,
    /// Apart, since the guard is moved with every response.
    followers: Option<Box<Followers>>,
}

impl Guard {
    #[inline]
    pub(crate) fn new(policy: Arc<Policy>, asked: Asked, access: Option<Access>) -> Self {
        let in_flight = policy.metrics.request_started();
        let followers =
            access.map(|access| Box::new(Followers { access: Some(access), ..Followers::default() }));
        Self {
            policy,
            asked,
            phase: Phase::Asked,
            status: StatusCode::OK,
            class: Class::Undocumented,
            ends_with_head: false,
            outcome: Outcome::Pass,
            grpc: GrpcOutcome::None,
            in_flight,
            followers,
        }
    }

    #[inline]
    pub(crate) fn policy(&self) -> &Policy {
        &self.policy
    }

    /// The response's head is here, and so is what it tells about the backend's promises. Whether it passes as it is,
    /// but for the field by which the backend opts out.
    #[inline]
    pub(crate) fn passes<B>(&mut self, response: &mut Response<B>) -> bool {
        if response.extensions().get::<LocalReply>().is_some() {
            self.locally_answered(response.status());
            return false;
        }
        self.status = response.status();
        let plan = self.upstream_answered(response.headers());
        let opted_out = match &self.policy.settings.opt_out {
            Some(name) => response.headers_mut().remove(name).is_some(),
            None => false,
        };
        if opted_out && plan != Plan::Pass {
            self.skipped(SkipReason::OptOut);
            return true;
        }
        plan == Plan::Pass
    }

    #[inline]
    fn upstream_answered(&mut self, headers: &HeaderMap) -> Plan {
        let slot = self.policy.slot(self.status);
        self.class = slot.class;
        self.ends_with_head = slot.bodyless.has(self.asked.verb);
        if !slot.promised.has(self.asked.verb) {
            self.count_broken_promises(slot, headers);
        }
        let plan = slot.plan;
        if let Some(access) = self.access() {
            access.head(headers);
        }
        if self.asked.dialect != Dialect::None {
            self.await_outcome(headers);
        }
        plan
    }

    #[cold]
    fn count_broken_promises(&self, slot: &Slot, headers: &HeaderMap) {
        let metrics = &self.policy.metrics;
        if slot.class == Class::Undocumented {
            metrics.broken_promise(BrokenPromise::UndocumentedStatus);
        } else if !slot.methods.has(self.asked.verb) {
            metrics.broken_promise(BrokenPromise::MethodMismatch);
        }
        if slot.mandatory.as_ref().is_some_and(|name| !headers.contains_key(name)) {
            metrics.broken_promise(BrokenPromise::MissingHeader);
        }
    }

    #[cold]
    fn await_outcome(&mut self, headers: &HeaderMap) {
        let content_type = headers.get(header::CONTENT_TYPE);
        // Without a body, the headers are the trailers.
        self.grpc = match (GrpcStatus::read(headers), self.asked.dialect) {
            (GrpcStatus::Missing, Dialect::Grpc) => GrpcOutcome::Awaited,
            (GrpcStatus::Missing, _) => {
                if let Some(content_type) =
                    content_type.filter(|value| grpc::dialect(value) == Dialect::GrpcWeb)
                {
                    let web = WebTrailers::new(grpc::is_web_text(content_type));
                    self.followers.get_or_insert_default().web = Some(web);
                }
                GrpcOutcome::None
            }
            (known, _) => GrpcOutcome::Known(known),
        };
    }

    /// The answer is the proxy's own.
    pub(crate) fn locally_answered(&mut self, status: StatusCode) {
        self.status = status;
        let slot = self.policy.slot(status);
        self.class = slot.class;
        self.ends_with_head = slot.bodyless.has(self.asked.verb);
        self.outcome = Outcome::Local;
    }

    pub(crate) fn skipped(&mut self, reason: SkipReason) {
        self.outcome = Outcome::Skip;
        self.policy.metrics.skipped(reason);
        self.note(reason.as_str());
    }

    pub(crate) fn nonstandard(&mut self, reason: Reason) {
        self.slot().metrics.nonstandard(&self.policy.metrics, reason);
        self.note(reason.as_str());
    }

    fn note(&mut self, reason: &'static str) {
        if let Some(access) = self.access() {
            access.reason = Some(reason);
        }
    }

    #[inline]
    fn access(&mut self) -> Option<&mut Access> {
        self.followers.as_mut()?.access.as_mut()
    }

    /// The body is judged while it goes by.
    pub(crate) fn observe(&mut self, inspection: Inspection) {
        self.followers.get_or_insert_default().inspection = Some((inspection, Instant::now()));
    }

    /// Another answer takes the place of the backend's.
    pub(crate) fn rewritten(&mut self) {
        if !self.is_local() {
            self.outcome = Outcome::Rewrite;
        }
    }

    /// Another answer would take the place of the backend's if the route let it.
    pub(crate) fn unchanged(&mut self) {
        match self.policy.settings.mode {
            Mode::Enforce => self.skipped(SkipReason::Rollout),
            Mode::Observe | Mode::Off => self.outcome = Outcome::WouldRewrite,
        }
    }

    /// What a body was found to be that has gone by.
    pub(crate) fn observed(&mut self, finding: BodyFinding) {
        if let BodyFinding::Nonstandard(reason) = finding {
            self.nonstandard(reason);
            self.unchanged();
        } else if self.slot().target.is_some() {
            self.unchanged();
        }
    }

    pub(crate) fn inspected(&self, bytes: usize) {
        self.policy.metrics.inspected(bytes);
    }

    /// Whether the response may be changed. Asked once per response, a gradual roll-out counts.
    pub(crate) fn enforces(&self) -> bool {
        self.policy.settings.mode == Mode::Enforce && self.policy.takes_turn()
    }

    pub(crate) fn is_local(&self) -> bool {
        matches!(self.outcome, Outcome::Local | Outcome::LocalGrpc)
    }

    /// What follows from the status of the response.
    #[inline]
    pub(crate) fn slot(&self) -> &Slot {
        self.policy.slot(self.status)
    }

    /// The call gets a gRPC outcome from its HTTP status.
    pub(crate) fn becomes_grpc(&mut self, status: GrpcStatus) {
        self.outcome = if self.is_local() { Outcome::LocalGrpc } else { Outcome::RewriteGrpc };
        self.grpc = GrpcOutcome::Known(status);
    }

    /// Whether the trailers of the body have to be waited for.
    #[inline]
    pub(crate) fn awaits_trailers(&self) -> bool {
        self.grpc == GrpcOutcome::Awaited
    }

    pub(crate) fn trailers(&mut self, trailers: Option<&HeaderMap>) {
        if let (GrpcOutcome::Awaited, Some(trailers)) = (self.grpc, trailers) {
            self.grpc = GrpcOutcome::Known(GrpcStatus::read(trailers));
        }
    }

    /// These are to leave after the body, which is here already.
    pub(crate) fn keep_trailers(&mut self, trailers: Box<HeaderMap>) {
        self.followers.get_or_insert_default().trailers = Some(trailers);
    }

    #[inline]
    pub(crate) fn has_trailers(&self) -> bool {
        self.followers.as_ref().is_some_and(|followers| followers.trailers.is_some())
    }

    pub(crate) fn take_trailers(&mut self) -> Option<Box<HeaderMap>> {
        self.followers.as_mut()?.trailers.take()
    }

    /// The response head leaves: from here on there is a response to count.
    #[inline]
    pub(crate) fn head_sent(&mut self, started: Instant) {
        self.phase = Phase::Answering;
        self.policy.metrics.head_sent(self.class, seconds(started.elapsed()));
    }

    #[inline]
    pub(crate) fn sent(&mut self, data: &Bytes) {
        if self.followers.is_some() {
            self.follow(data);
        }
    }

    /// Whether any of the body's bytes is looked at on its way.
    pub(crate) fn reads(&self) -> bool {
        self.followers
            .as_ref()
            .is_some_and(|followers| followers.inspection.is_some() || followers.web.is_some())
    }

    fn follow(&mut self, data: &Bytes) {
        let Some(Followers { access, inspection, web, trailers: _ }) = self.followers.as_deref_mut() else {
            return;
        };
        if let Some(access) = access {
            access.bytes += data.len() as u64;
        }
        if let Some(web) = web {
            web.follow(data);
        }
        if inspection.as_mut().is_some_and(|(inspection, _)| !inspection.add(data.clone())) {
            self.conclude(Inspection::observe_too_large);
        }
    }

    /// Nothing more of an observed body will be seen. Whoever enforces does not wait for one that took too long.
    fn conclude(&mut self, conclusion: impl FnOnce(Inspection, &mut Self)) {
        let observed = self.followers.as_mut().and_then(|followers| followers.inspection.take());
        let Some((inspection, since)) = observed else { return };
        if since.elapsed() >= self.policy.settings.inspect_timeout {
            inspection.observe_timeout(self);
        } else {
            conclusion(inspection, self);
        }
    }

    /// Something went wrong with the body; the response goes on.
    pub(crate) fn body_error(&self, kind: BodyError) {
        self.policy.metrics.body_error(kind);
    }

    /// The response is complete, or as complete as it will get. Everything after that is nothing new.
    #[inline]
    pub(crate) fn finish(&mut self) {
        if self.phase != Phase::Over {
            self.complete();
        }
    }

    #[inline(never)]
    fn complete(&mut self) {
        if self.followers.is_none() && self.grpc == GrpcOutcome::None {
            self.count();
        } else {
            self.conclude(Inspection::observe_end);
            self.tell_all(false);
        }
        self.leave();
    }

    /// The response, or the wait for it, ends with an error.
    #[cold]
    pub(crate) fn fail(&mut self, kind: BodyError) {
        if self.phase != Phase::Over {
            self.conclude(Inspection::observe_cut);
            self.end_early(kind);
        }
    }

    #[cold]
    #[inline(never)]
    fn end_early(&mut self, kind: BodyError) {
        self.body_error(kind);
        if self.phase == Phase::Answering {
            self.tell_all(matches!(kind, BodyError::ClientCancelled));
        }
        self.leave();
    }

    /// Whether the exchange has been counted.
    #[inline]
    pub(crate) fn is_over(&self) -> bool {
        self.phase == Phase::Over
    }

    #[inline]
    fn count(&self) {
        self.slot().metrics.response(&self.policy.metrics, self.outcome);
    }

    #[inline]
    fn leave(&mut self) {
        self.phase = Phase::Over;
        if self.in_flight {
            self.policy.metrics.request_finished();
        }
    }

    /// Counts, and says what is said of few responses.
    #[cold]
    fn tell_all(&mut self, is_cancelled: bool) {
        self.count();
        let followers = self.followers.take();
        let grpc = match self.grpc {
            GrpcOutcome::None => {
                followers.as_ref().and_then(|followers| followers.web.as_ref()).map(WebTrailers::status)
            }
            GrpcOutcome::Awaited => Some(GrpcStatus::Missing),
            GrpcOutcome::Known(status) => Some(status),
        };
        // That the backend left it out cannot be said of a call that was not waited for.
        if let Some(status) = grpc.filter(|status| !is_cancelled || *status != GrpcStatus::Missing) {
            self.policy.metrics.grpc_response(status);
        }
        if let Some(access) = followers.as_ref().and_then(|followers| followers.access.as_ref()) {
            access.write(&self.policy, self.slot(), self.outcome);
        }
    }
}

/// Like `as_secs_f64`, from one number in place of two.
#[inline]
fn seconds(elapsed: Duration) -> f64 {
    elapsed.as_nanos() as i64 as f64 / 1e9
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.phase != Phase::Over {
            // What a body would have been found to be cannot be said of a part of it.
            self.conclude(|_, _| {});
            self.end_early(BodyError::ClientCancelled);
        }
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard")
            .field("phase", &self.phase)
            .field("outcome", &self.outcome)
            .finish_non_exhaustive()
    }
}
