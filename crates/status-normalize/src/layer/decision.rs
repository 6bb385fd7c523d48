//! What the head of a response decides, before anything of its body is read.

use http::{HeaderMap, HeaderValue, StatusCode, header};
use status_catalog::Class;

use super::asked::Asked;
use crate::{
    grpc::{self, Dialect},
    headers::{self, Judged},
    metrics::SkipReason,
    policy::{Plan, Policy, Slot, Verb},
    representation::Media,
    verdict::{BodyKind, Reason},
};

/// What is to be done with a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Decision {
    Change(Change, Option<Reason>),
    /// The body decides.
    Inspect(BodyKind),
    Pass,
    Skip(SkipReason),
}

/// What takes the place of a response.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Change {
    /// Its description.
    Describe,
    /// Nothing: the new status has no body.
    Empty,
    /// The same body under another status.
    Relabel,
}

/// What is known of a body that nobody has read.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) ended: bool,
    pub(crate) exact: Option<u64>,
}

/// Decides by status and head.
pub(crate) fn decide(
    policy: &Policy,
    slot: &Slot,
    asked: Asked,
    headers: &HeaderMap,
    size: Size,
) -> Decision {
    match slot.plan {
        Plan::Pass => return Decision::Pass,
        Plan::Skip(reason) => return Decision::Skip(reason),
        Plan::Empty | Plan::Judge | Plan::Relabel | Plan::Replace => {}
    }
    // RFC 9110, 9.3.6: after a successful CONNECT there is a tunnel, not a body.
    if asked.verb == Verb::Connect && slot.status.is_success() {
        return Decision::Pass;
    }
    let judged = Judged::of(headers);
    let content_type = judged.content_type;
    if policy.settings.honour_no_transform && judged.forbids_transformation {
        return Decision::Skip(SkipReason::NoTransform);
    }
    match content_type.map_or(Dialect::None, grpc::dialect) {
        Dialect::Grpc if asked.dialect == Dialect::Grpc => return Decision::Skip(SkipReason::Grpc),
        Dialect::GrpcWeb => return Decision::Skip(SkipReason::Grpc),
        Dialect::Grpc | Dialect::None => {}
    }
    if slot.class == Class::Undocumented && headers::is_stream(content_type) {
        return Decision::Skip(SkipReason::Stream);
    }
    match slot.plan {
        Plan::Empty => Decision::Change(Change::Empty, None),
        Plan::Relabel => Decision::Change(Change::Relabel, None),
        Plan::Replace => Decision::Change(Change::Describe, None),
        Plan::Judge | Plan::Pass | Plan::Skip(_) => {
            judge_head(policy, slot.status, asked, headers, judged, size)
        }
    }
}

fn judge_head(
    policy: &Policy,
    status: StatusCode,
    asked: Asked,
    headers: &HeaderMap,
    judged: Judged<'_>,
    size: Size,
) -> Decision {
    let nonstandard = |reason| Decision::Change(Change::Describe, Some(reason));
    if asked.dialect == Dialect::Grpc {
        // A gRPC client reads no other media type.
        return nonstandard(Reason::MediaType);
    }
    let kind = judged.body_kind(headers);
    let content_type = judged.content_type;
    if asked.verb == Verb::Head {
        return match (headers.get(header::CONTENT_LENGTH), kind) {
            (Some(length), _) if length == "0" => nonstandard(Reason::Empty),
            (_, BodyKind::Json | BodyKind::Xml) if policy.settings.accepted.may_be(kind) => Decision::Pass,
            (None, _) if content_type.is_none() => nonstandard(Reason::Empty),
            (length, _) if looks_like_ours(policy, status, content_type, length.and_then(number)) => {
                Decision::Pass
            }
            _ => nonstandard(Reason::MediaType),
        };
    }
    if size.ended || size.exact == Some(0) {
        return nonstandard(Reason::Empty);
    }
    match kind {
        BodyKind::Json | BodyKind::Xml if !policy.settings.accepted.may_be(kind) => {
            nonstandard(Reason::MediaType)
        }
        BodyKind::Other
            if !looks_like_ours(policy, status, content_type, size.exact)
                && !has_detail(policy, status, content_type) =>
        {
            nonstandard(Reason::MediaType)
        }
        BodyKind::Json | BodyKind::Other | BodyKind::Xml => Decision::Inspect(kind),
    }
}

/// Whether another instance of the layer may have made this answer, in a media type that says nothing about its shape.
fn looks_like_ours(
    policy: &Policy,
    status: StatusCode,
    content_type: Option<&HeaderValue>,
    length: Option<u64>,
) -> bool {
    let (Some(length), Some(content_type)) = (length, content_type) else { return false };
    let Some(media) =
        [Media::Html, Media::Plain].into_iter().find(|media| *content_type == media.content_type())
    else {
        return false;
    };
    let representations = policy.rendered.of(status);
    (0..policy.catalog.languages().len())
        .any(|language| representations.get(media, language as u8).body.len() as u64 == length)
}

/// Whether the body may hold a message that reaches the client.
fn has_detail(policy: &Policy, status: StatusCode, content_type: Option<&HeaderValue>) -> bool {
    policy.settings.keep_detail
        && status.is_client_error()
        && content_type.is_some_and(|value| {
            value.as_bytes().get(..10).is_some_and(|start| start.eq_ignore_ascii_case(b"text/plain"))
        })
}

fn number(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.parse().ok()
}
