//! What takes the place of a response.

use bytes::Bytes;
use http::{Extensions, StatusCode, response::Parts};
use tracing::debug;

use super::{body::Whole, guard::Guard};
use crate::{
    grpc::{self, Dialect, GrpcStatus},
    headers::{self, Rules},
    policy::{Policy, Verb},
    verdict::Kept,
};

/// Describes the status, in the media type and language that the client prefers, or as a gRPC outcome.
pub(crate) fn describe(head: &mut Parts, guard: &mut Guard, mut kept: Kept) -> Whole {
    let asked = guard.asked;
    guard.rewritten();
    let status = client_status(head, guard);
    let policy = guard.policy();
    forget(&mut head.extensions, policy);
    if asked.dialect == Dialect::Grpc {
        let grpc_status = GrpcStatus::from_http(head.status);
        let message = grpc::message(policy.rendered.of(status).description(asked.language));
        headers::trailers_only(&mut head.headers, &rules(policy, status), grpc_status, message);
        head.status = StatusCode::OK;
        guard.becomes_grpc(grpc_status);
        return Whole { is_sized: true, ..Whole::default() };
    }
    log_message(policy, status, &kept);
    if !policy.settings.keep_detail || !status.is_client_error() {
        kept.message = None;
    }
    let representations = policy.rendered.of(status);
    let representation = representations.get(asked.media, asked.language);
    let rules = rules(policy, status);
    let length;
    let (body, content_length) = if kept.is_empty() {
        (representation.body.clone(), &representation.content_length)
    } else {
        let (body, with_kept) = representations.with_kept(asked.media, asked.language, &kept);
        length = with_kept;
        (body, &length)
    };
    headers::describe(&mut head.headers, &rules, representation, content_length, policy.is_multilingual);
    head.status = status;
    let data = if asked.verb == Verb::Head { Bytes::new() } else { body };
    Whole { data, is_sized: true }
}

/// Another status, which has no body.
pub(crate) fn empty(head: &mut Parts, guard: &mut Guard) -> Whole {
    guard.rewritten();
    head.status = client_status(head, guard);
    let policy = guard.policy();
    forget(&mut head.extensions, policy);
    headers::no_body(&mut head.headers, &rules(policy, head.status));
    Whole { is_sized: true, ..Whole::default() }
}

/// Another status, with the body as it is.
pub(crate) fn relabel(head: &mut Parts, guard: &mut Guard) {
    guard.rewritten();
    head.status = client_status(head, guard);
    forget(&mut head.extensions, guard.policy());
}

fn client_status(head: &Parts, guard: &Guard) -> StatusCode {
    if guard.is_local() { head.status } else { guard.slot().target.unwrap_or(head.status) }
}

fn rules(policy: &Policy, status: StatusCode) -> Rules<'_> {
    Rules {
        keep: &policy.settings.keep_headers,
        drop: &policy.settings.drop_headers,
        keep_content_range: status == StatusCode::RANGE_NOT_SATISFIABLE,
    }
}

/// Extensions belong to the replaced answer: one may hold the backend's reason phrase, which would be sent.
fn forget(extensions: &mut Extensions, policy: &Policy) {
    if extensions.is_empty() {
        return;
    }
    let mut old = std::mem::take(extensions);
    for keep in &policy.settings.keep_extensions {
        keep(&mut old, extensions);
    }
}

fn log_message(policy: &Policy, status: StatusCode, kept: &Kept) {
    if let Some(message) = &kept.message {
        debug!(
            catalog = policy.catalog.name(),
            route = &*policy.name,
            status = status.as_u16(),
            message = &**message,
            "message of a replaced body"
        );
    }
}
