//! Every name, unit, description and label of the layer's metrics; handles, resolved at their first use.

use std::{mem::size_of_val, sync::OnceLock};

use http::StatusCode;
use metrics::{
    Counter, Gauge, Histogram, Key, KeyName, Label, Level, Metadata, Recorder, SharedString, Unit,
};
use status_catalog::Class;

use crate::{grpc::GrpcStatus, verdict::Reason};

/// Finished responses, each once: a counter with the labels `class`, `status`, `upstream_status`, `source` and `action`.
pub const RESPONSES: &str = "status_normalize_responses_total";
/// Error bodies that were in no documented form: a counter with the labels `status` and `reason`.
pub const NONSTANDARD: &str = "status_normalize_nonstandard_total";
/// Responses that contradict the document otherwise: a counter with the label `kind`.
pub const BROKEN_PROMISES: &str = "status_normalize_broken_promises_total";
/// Responses that would have been judged or rewritten, but: a counter with the label `reason`.
pub const SKIPPED: &str = "status_normalize_skipped_total";
/// Finished gRPC responses: a counter with the label `grpc_status`.
pub const GRPC_RESPONSES: &str = "status_normalize_grpc_responses_total";
/// Exchanges that ended before their response did: a counter with the label `kind`.
pub const BODY_ERRORS: &str = "status_normalize_body_errors_total";
/// Seconds from the request to the head of its response: a histogram with the label `class`.
pub const RESPONSE_DURATION: &str = "status_normalize_response_duration_seconds";
/// Bytes of bodies that were read to judge them: a counter.
pub const INSPECTED_BYTES: &str = "status_normalize_inspected_bytes_total";
/// Requests whose response is not finished: a gauge.
pub const IN_FLIGHT: &str = "status_normalize_in_flight";

/// Bounds for a histogram of [`RESPONSE_DURATION`], in seconds: from half a millisecond, which loopback takes, to a minute,
/// after which most proxies give up.
///
/// Recorders have their own idea of a histogram: the one of `metrics-exporter-prometheus` makes a summary of it unless
/// it is given bounds.
pub const DURATION_BUCKETS: [f64; 16] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0];

static METADATA: Metadata<'static> = Metadata::new(module_path!(), Level::INFO, Some(module_path!()));

fn describe(recorder: &dyn Recorder) {
    let counters = [
        (RESPONSES, Unit::Count, "Finished responses by class, statuses, source and action."),
        (NONSTANDARD, Unit::Count, "Error bodies that were not in a documented form, by reason."),
        (
            BROKEN_PROMISES,
            Unit::Count,
            "Responses that contradict the document in status, method or header field.",
        ),
        (SKIPPED, Unit::Count, "Responses that would have been judged or rewritten, but, by reason."),
        (GRPC_RESPONSES, Unit::Count, "Finished gRPC responses by grpc-status."),
        (BODY_ERRORS, Unit::Count, "Exchanges that ended before their response did, by kind."),
        (INSPECTED_BYTES, Unit::Bytes, "Bytes of response bodies that were read for judgement."),
    ];
    for (name, unit, text) in counters {
        recorder.describe_counter(KeyName::from_const_str(name), Some(unit), text.into());
    }
    recorder.describe_histogram(
        KeyName::from_const_str(RESPONSE_DURATION),
        Some(Unit::Seconds),
        "Time from the request to the head of its response, by class.".into(),
    );
    recorder.describe_gauge(
        KeyName::from_const_str(IN_FLIGHT),
        Some(Unit::Count),
        "Requests whose response is not finished.".into(),
    );
}

/// A promise of the document that a backend did not keep.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BrokenPromise {
    MethodMismatch,
    MissingHeader,
    UndocumentedStatus,
}

impl BrokenPromise {
    const fn as_str(self) -> &'static str {
        match self {
            Self::MethodMismatch => "method_mismatch",
            Self::MissingHeader => "missing_header",
            Self::UndocumentedStatus => "undocumented_status",
        }
    }
}

/// Why a response that would have been judged or rewritten was not.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SkipReason {
    Grpc,
    NoBody,
    NoTransform,
    OptOut,
    Partial,
    Rollout,
    Stream,
}

impl SkipReason {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Grpc => "grpc",
            Self::NoBody => "no_body",
            Self::NoTransform => "no_transform",
            Self::OptOut => "opt_out",
            Self::Partial => "partial",
            Self::Rollout => "rollout",
            Self::Stream => "stream",
        }
    }
}

/// What ended an exchange before its response was complete.
#[derive(Clone, Copy, Debug)]
pub(crate) enum BodyError {
    ClientCancelled,
    Timeout,
    Upstream,
}

impl BodyError {
    const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCancelled => "client_cancelled",
            Self::Timeout => "timeout",
            Self::Upstream => "upstream",
        }
    }
}

/// What became of a response: source and action, and with them the status that the client got.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Outcome {
    /// The proxy's own answer, described.
    Local,
    /// The proxy's own answer, described to a gRPC client.
    LocalGrpc,
    Pass,
    Rewrite,
    /// Rewritten to a gRPC client's needs, which is always status 200.
    RewriteGrpc,
    Skip,
    WouldRewrite,
}

impl Outcome {
    const COUNT: usize = 7;

    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Local | Self::LocalGrpc | Self::Rewrite | Self::RewriteGrpc => "rewrite",
            Self::Pass => "pass",
            Self::Skip => "skip",
            Self::WouldRewrite => "would_rewrite",
        }
    }

    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Local | Self::LocalGrpc => "proxy",
            Self::Pass | Self::Rewrite | Self::RewriteGrpc | Self::Skip | Self::WouldRewrite => "upstream",
        }
    }

    /// The status that the client got and the one that the backend sent, as label values.
    pub(crate) fn statuses(
        self,
        status: StatusCode,
        target: Option<StatusCode>,
    ) -> (SharedString, SharedString) {
        match self {
            Self::Local => (status_label(status), "none".into()),
            Self::LocalGrpc => ("200".into(), "none".into()),
            Self::RewriteGrpc => ("200".into(), status_label(status)),
            Self::Rewrite => (status_label(target.unwrap_or(status)), status_label(status)),
            Self::Pass | Self::Skip | Self::WouldRewrite => (status_label(status), status_label(status)),
        }
    }
}

fn status_label(status: StatusCode) -> SharedString {
    if status.as_u16() < 600 { status.as_str().to_owned().into() } else { "other".into() }
}

/// A handle that is resolved at its first use, and kept from then on if a recorder gave it: one that was taken before
/// a recorder is installed would be dead for ever.
#[derive(Debug)]
pub(crate) struct Handle<H>(OnceLock<H>);

impl<H> Handle<H> {
    const fn new() -> Self {
        Self(OnceLock::new())
    }

    #[cold]
    #[inline(never)]
    fn resolve(&self, resolve: impl FnOnce(&dyn Recorder) -> H) -> Option<&H> {
        // Only the recorder of nobody has no size.
        metrics::with_recorder(|recorder| {
            (size_of_val(recorder) != 0).then(|| self.0.get_or_init(|| resolve(recorder)))
        })
    }
}

impl Handle<Counter> {
    #[inline]
    fn add(&self, amount: u64, key: impl FnOnce() -> Key) {
        let counter = match self.0.get() {
            Some(counter) => Some(counter),
            None => self.resolve(|recorder| recorder.register_counter(&key(), &METADATA)),
        };
        if let Some(counter) = counter {
            counter.increment(amount);
        }
    }
}

/// The handles of one route that no status decides.
#[derive(Debug)]
pub(crate) struct RouteMetrics {
    catalog: SharedString,
    route: SharedString,
    in_flight: Handle<Gauge>,
    inspected_bytes: Handle<Counter>,
    durations: [Handle<Histogram>; 3],
    broken_promises: [Handle<Counter>; 3],
    skipped: [Handle<Counter>; 7],
    body_errors: [Handle<Counter>; 3],
    grpc: [Handle<Counter>; GrpcStatus::COUNT],
}

impl RouteMetrics {
    pub(crate) fn new(catalog: SharedString, route: SharedString) -> Self {
        Self {
            catalog,
            route,
            in_flight: Handle::new(),
            inspected_bytes: Handle::new(),
            durations: [const { Handle::new() }; 3],
            broken_promises: [const { Handle::new() }; 3],
            skipped: [const { Handle::new() }; 7],
            body_errors: [const { Handle::new() }; 3],
            grpc: [const { Handle::new() }; GrpcStatus::COUNT],
        }
    }

    fn key<const N: usize>(&self, name: &'static str, labels: [Label; N]) -> Key {
        let mut all = Vec::with_capacity(N + 2);
        all.push(Label::new("catalog", self.catalog.clone()));
        all.push(Label::new("route", self.route.clone()));
        all.extend(labels);
        Key::from_parts(name, all)
    }

    /// Whether a recorder heard of the request, which then also has to hear of its end.
    #[inline]
    pub(crate) fn request_started(&self) -> bool {
        let gauge = match self.in_flight.0.get() {
            Some(gauge) => Some(gauge),
            None => self.in_flight.resolve(|recorder| {
                // The first thing that a recorder hears of a route.
                describe(recorder);
                recorder.register_gauge(&Key::from_static_name(IN_FLIGHT), &METADATA)
            }),
        };
        gauge.inspect(|gauge| gauge.increment(1.0)).is_some()
    }

    #[inline]
    pub(crate) fn request_finished(&self) {
        if let Some(gauge) = self.in_flight.0.get() {
            gauge.decrement(1.0);
        }
    }

    #[inline]
    pub(crate) fn head_sent(&self, class: Class, seconds: f64) {
        let histogram = match self.durations[class as usize].0.get() {
            Some(histogram) => Some(histogram),
            None => self.first_head_sent(class),
        };
        if let Some(histogram) = histogram {
            histogram.record(seconds);
        }
    }

    #[cold]
    #[inline(never)]
    fn first_head_sent(&self, class: Class) -> Option<&Histogram> {
        self.durations[class as usize].resolve(|recorder| {
            let key = self.key(RESPONSE_DURATION, [Label::from_static_parts("class", class.as_str())]);
            recorder.register_histogram(&key, &METADATA)
        })
    }

    pub(crate) fn broken_promise(&self, kind: BrokenPromise) {
        self.broken_promises[kind as usize]
            .add(1, || self.key(BROKEN_PROMISES, [Label::from_static_parts("kind", kind.as_str())]));
    }

    pub(crate) fn skipped(&self, reason: SkipReason) {
        self.skipped[reason as usize]
            .add(1, || self.key(SKIPPED, [Label::from_static_parts("reason", reason.as_str())]));
    }

    pub(crate) fn body_error(&self, kind: BodyError) {
        self.body_errors[kind as usize]
            .add(1, || self.key(BODY_ERRORS, [Label::from_static_parts("kind", kind.as_str())]));
    }

    pub(crate) fn grpc_response(&self, status: GrpcStatus) {
        self.grpc[status.index()]
            .add(1, || self.key(GRPC_RESPONSES, [Label::from_static_parts("grpc_status", status.as_str())]));
    }

    pub(crate) fn inspected(&self, bytes: usize) {
        self.inspected_bytes.add(bytes as u64, || Key::from_static_name(INSPECTED_BYTES));
    }
}

/// The handles of one status of one route.
#[derive(Debug)]
pub(crate) struct StatusMetrics {
    class: Class,
    status: StatusCode,
    /// What the client gets instead.
    target: Option<StatusCode>,
    responses: [Handle<Counter>; Outcome::COUNT],
    nonstandard: [Handle<Counter>; 9],
}

impl StatusMetrics {
    pub(crate) fn new(class: Class, status: StatusCode, target: Option<StatusCode>) -> Self {
        Self {
            class,
            status,
            target,
            responses: [const { Handle::new() }; Outcome::COUNT],
            nonstandard: [const { Handle::new() }; 9],
        }
    }

    #[inline]
    pub(crate) fn response(&self, route: &RouteMetrics, outcome: Outcome) {
        match self.responses[outcome as usize].0.get() {
            Some(counter) => counter.increment(1),
            None => self.first_response(route, outcome),
        }
    }

    #[cold]
    fn first_response(&self, route: &RouteMetrics, outcome: Outcome) {
        self.responses[outcome as usize].add(1, || {
            let (status, upstream_status) = outcome.statuses(self.status, self.target);
            let labels = [
                Label::from_static_parts("class", self.class.as_str()),
                Label::new("status", status),
                Label::new("upstream_status", upstream_status),
                Label::from_static_parts("source", outcome.source()),
                Label::from_static_parts("action", outcome.action()),
            ];
            route.key(RESPONSES, labels)
        });
    }

    pub(crate) fn nonstandard(&self, route: &RouteMetrics, reason: Reason) {
        self.nonstandard[reason as usize].add(1, || {
            let labels = [
                Label::new("status", status_label(self.status)),
                Label::from_static_parts("reason", reason.as_str()),
            ];
            route.key(NONSTANDARD, labels)
        });
    }
}
