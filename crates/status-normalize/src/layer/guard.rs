//! Counts each exchange once, however it ends.

use std::{fmt, sync::Arc};

use http::{HeaderMap, Response, StatusCode, header};
use status_catalog::Class;
use tokio::time::Instant;

use super::{LocalReply, access::Access, asked::Asked};
use crate::{
    Mode,
    grpc::{self, Dialect, GrpcStatus, WebTrailers},
    metrics::{BodyError, BrokenPromise, Outcome, SkipReason},
    policy::{Plan, Policy, Slot, Verb},
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

/// One exchange, from the request to the last byte of its response. Dropped before, the client has gone.
pub(crate) struct Guard {
    policy: Arc<Policy>,
    pub(crate) asked: Asked,
    phase: Phase,
    /// The backend's, or the proxy's own; 200 until there is one.
    status: StatusCode,
    class: Class,
    outcome: Outcome,
    grpc: GrpcOutcome,
    /// Follows the body of a gRPC-Web call.
    web: Option<Box<WebTrailers>>,
    in_flight: bool,
    access: Option<Box<Access>>,
}

impl Guard {
    #[inline]
    pub(crate) fn new(policy: Arc<Policy>, asked: Asked, access: Option<Box<Access>>) -> Self {
        let in_flight = policy.metrics.request_started();
        Self {
            policy,
            asked,
            phase: Phase::Asked,
            status: StatusCode::OK,
            class: Class::Undocumented,
            outcome: Outcome::Pass,
            grpc: GrpcOutcome::None,
            web: None,
            in_flight,
            access,
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
        if slot.class == Class::Undocumented {
            self.policy.metrics.broken_promise(BrokenPromise::UndocumentedStatus);
        } else if !slot.methods.fit(self.asked.verb) {
            self.policy.metrics.broken_promise(BrokenPromise::MethodMismatch);
        }
        if slot.mandatory.as_ref().is_some_and(|name| !headers.contains_key(name)) {
            self.policy.metrics.broken_promise(BrokenPromise::MissingHeader);
        }
        if let Some(access) = &mut self.access {
            access.head(headers);
        }
        let plan = slot.plan;
        if self.asked.dialect != Dialect::None {
            self.await_outcome(headers);
        }
        plan
    }

    #[cold]
    fn await_outcome(&mut self, headers: &HeaderMap) {
        let content_type = headers.get(header::CONTENT_TYPE);
        // Without a body, the headers are the trailers.
        self.grpc = match (GrpcStatus::read(headers), self.asked.dialect) {
            (GrpcStatus::Missing, Dialect::Grpc) => GrpcOutcome::Awaited,
            (GrpcStatus::Missing, _) => {
                if let Some(content_type) =
                    content_type.filter(|value| grpc::dialect(Some(value)) == Dialect::GrpcWeb)
                {
                    self.web = Some(Box::new(WebTrailers::new(grpc::is_web_text(content_type))));
                }
                GrpcOutcome::None
            }
            (known, _) => GrpcOutcome::Known(known),
        };
    }

    /// The answer is the proxy's own.
    pub(crate) fn locally_answered(&mut self, status: StatusCode) {
        self.status = status;
        self.class = self.slot().class;
        self.outcome = Outcome::Local;
    }

    pub(crate) fn skipped(&mut self, reason: SkipReason) {
        self.outcome = Outcome::Skip;
        self.policy.metrics.skipped(reason);
        self.note(reason.as_str());
    }

    pub(crate) fn nonstandard(&mut self, reason: Reason) {
        self.slot().metrics.nonstandard(&self.policy.metrics, self.status, reason);
        self.note(reason.as_str());
    }

    fn note(&mut self, reason: &'static str) {
        if let Some(access) = &mut self.access {
            access.reason = Some(reason);
        }
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

    #[inline]
    pub(crate) fn trailers(&mut self, trailers: &HeaderMap) {
        if self.grpc == GrpcOutcome::Awaited {
            self.grpc = GrpcOutcome::Known(GrpcStatus::read(trailers));
        }
    }

    /// The response head leaves: from here on there is a response to count.
    #[inline]
    pub(crate) fn head_sent(&mut self, started: Instant) {
        self.phase = Phase::Answering;
        self.policy.metrics.head_sent(self.class, started.elapsed().as_secs_f64());
    }

    #[inline]
    pub(crate) fn sent(&mut self, data: &[u8]) {
        if let Some(web) = &mut self.web {
            web.follow(data);
        }
        if let Some(access) = &mut self.access {
            access.bytes += data.len() as u64;
        }
    }

    /// Something went wrong with the body; the response goes on.
    pub(crate) fn body_error(&self, kind: BodyError) {
        self.policy.metrics.body_error(kind);
    }

    /// The response is complete, or as complete as it will get.
    #[inline]
    pub(crate) fn finish(mut self) {
        self.phase = Phase::Answering;
        self.settle();
    }

    /// The response, or the wait for it, ends with an error.
    pub(crate) fn fail(mut self, kind: BodyError) {
        self.body_error(kind);
        self.settle();
    }

    #[inline]
    fn settle(&mut self) {
        if self.phase == Phase::Answering {
            let slot = self.policy.slot(self.status);
            slot.metrics.response(&self.policy.metrics, self.outcome, slot.class, (slot.status, slot.target));
            if let Some(web) = &self.web {
                self.policy.metrics.grpc_response(web.status());
            }
            match self.grpc {
                GrpcOutcome::None => {}
                GrpcOutcome::Awaited => self.policy.metrics.grpc_response(GrpcStatus::Missing),
                GrpcOutcome::Known(status) => self.policy.metrics.grpc_response(status),
            }
            if let Some(access) = self.access.take() {
                access.write(&self.policy, slot, self.outcome);
            }
        }
        self.phase = Phase::Over;
        if self.in_flight {
            self.policy.metrics.request_finished();
        }
    }

    /// Whether the response ends with its head, whatever its body says.
    #[inline]
    pub(crate) fn ends_with_head(&self) -> bool {
        self.asked.verb == Verb::Head
            || matches!(self.status.as_u16(), 100..200 | 204 | 205 | 304)
            || self.asked.verb == Verb::Connect && self.status.is_success()
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if self.phase != Phase::Over {
            self.body_error(BodyError::ClientCancelled);
            self.settle();
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
