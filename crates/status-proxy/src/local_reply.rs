//! The answers that the proxy makes itself: status, metric cause and log line, declared together.
//!
//! What the client reads is the layer's: such an answer carries [`LocalReply`] and no body, and is described by the
//! catalog of its route like any other. The cause never leaves through the data port.

use std::{
    collections::BTreeMap,
    error::Error as StdError,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use http::{HeaderValue, Response, StatusCode, header};
use status_normalize::LocalReply;
use tokio::time::Instant;
use tracing::field::display;

use crate::{config::UpstreamConfig, metrics, sources::with_sources};

/// Why the proxy answers itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cause {
    /// The head cannot be a request: framing, Host, target.
    BadRequest,
    /// The request's body broke off or was malformed.
    BodyCut,
    /// The request's body is longer than allowed.
    BodyTooLarge,
    /// The upstream refused the connection, or there is no way to it.
    ConnectFailed,
    /// The upstream did not accept the connection in time.
    ConnectTimeout,
    /// The upstream closed the connection, or reset the stream, before it answered.
    Disconnected,
    /// The request's head is longer, or has more fields, than allowed or than the upstream takes.
    HeadTooLarge,
    /// The upstream's answer cannot be read as HTTP.
    InvalidReply,
    /// `Max-Forwards` ends here for a TRACE.
    MaxForwards,
    /// No route takes the request.
    NoRoute,
    /// As many requests are in flight to the upstream as may be.
    Overloaded,
    /// A bug: the request's handler panicked.
    Panic,
    /// The request's head did not arrive in time, or its body stopped coming.
    RequestTimeout,
    /// The upstream's name has no address.
    ResolveFailed,
    /// The upstream did not answer in time.
    ResponseTimeout,
    /// The method, or the protocol asked for, is none that a gateway serves.
    Unsupported,
    /// The request is in no version of HTTP that is spoken here.
    UnsupportedVersion,
    /// The request's target is longer than allowed.
    UriTooLong,
}

impl Cause {
    /// Every cause, in the order of declaration.
    pub(crate) const ALL: [Self; 18] = [
        Self::BadRequest,
        Self::BodyCut,
        Self::BodyTooLarge,
        Self::ConnectFailed,
        Self::ConnectTimeout,
        Self::Disconnected,
        Self::HeadTooLarge,
        Self::InvalidReply,
        Self::MaxForwards,
        Self::NoRoute,
        Self::Overloaded,
        Self::Panic,
        Self::RequestTimeout,
        Self::ResolveFailed,
        Self::ResponseTimeout,
        Self::Unsupported,
        Self::UnsupportedVersion,
        Self::UriTooLong,
    ];

    /// The value of the metric label `cause`.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::BodyCut => "body_cut",
            Self::BodyTooLarge => "body_too_large",
            Self::ConnectFailed => "connect_failed",
            Self::ConnectTimeout => "connect_timeout",
            Self::Disconnected => "disconnected",
            Self::HeadTooLarge => "head_too_large",
            Self::InvalidReply => "invalid_reply",
            Self::MaxForwards => "max_forwards",
            Self::NoRoute => "no_route",
            Self::Overloaded => "overloaded",
            Self::Panic => "panic",
            Self::RequestTimeout => "request_timeout",
            Self::ResolveFailed => "resolve_failed",
            Self::ResponseTimeout => "response_timeout",
            Self::Unsupported => "unsupported",
            Self::UnsupportedVersion => "unsupported_version",
            Self::UriTooLong => "uri_too_long",
        }
    }

    /// What the client gets.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::BadRequest | Self::BodyCut => StatusCode::BAD_REQUEST,
            Self::BodyTooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::ConnectFailed | Self::Disconnected | Self::InvalidReply | Self::ResolveFailed => {
                StatusCode::BAD_GATEWAY
            }
            Self::ConnectTimeout | Self::ResponseTimeout => StatusCode::GATEWAY_TIMEOUT,
            Self::HeadTooLarge => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::MaxForwards => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoRoute => StatusCode::NOT_FOUND,
            Self::Overloaded => StatusCode::SERVICE_UNAVAILABLE,
            Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
            Self::RequestTimeout => StatusCode::REQUEST_TIMEOUT,
            Self::Unsupported => StatusCode::NOT_IMPLEMENTED,
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::UriTooLong => StatusCode::URI_TOO_LONG,
        }
    }

    /// Whether the upstream, or the proxy itself, is at fault, not the client.
    fn is_ours(self) -> bool {
        self.status().is_server_error() && !matches!(self, Self::Unsupported | Self::UnsupportedVersion)
    }

    /// Whether the rest of the request cannot be told from the next one, or is not worth reading.
    fn ends_connection(self) -> bool {
        matches!(
            self,
            Self::BadRequest | Self::BodyCut | Self::BodyTooLarge | Self::RequestTimeout | Self::Unsupported
        )
    }

    /// Counts an answer with this cause and logs it: on `debug` each, on `warn` the first in a while where the client
    /// is not at fault.
    pub(crate) fn record(self, parties: Parties<'_>, error: Option<String>) {
        metrics::local_reply(self.as_str());
        let (cause, status) = (self.as_str(), self.status().as_u16());
        let Parties { peer, route, upstream } = parties;
        let (peer, upstream) = (peer.map(display), upstream.map(ToString::to_string));
        if self.is_ours()
            && let Some(left_out) = warn_of(self, upstream.as_deref().unwrap_or_default())
        {
            let left_out = Some(left_out).filter(|left_out| *left_out > 0);
            tracing::warn!(cause, status, route, upstream, peer, error, left_out, "answered by the proxy");
        } else {
            tracing::debug!(cause, status, route, upstream, peer, error, "answered by the proxy");
        }
    }

    /// The answer, for the layer to describe.
    pub(crate) fn reply<B: Default>(self) -> Response<B> {
        let mut response = Response::new(B::default());
        *response.status_mut() = self.status();
        response.extensions_mut().insert(LocalReply);
        if self.ends_connection() {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if self == Self::MaxForwards {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(METHODS));
        }
        response
    }
}

/// Whom an answer concerns, as far as it is known. What is not is left out of the log.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Parties<'a> {
    pub(crate) peer: Option<SocketAddr>,
    pub(crate) route: Option<&'a str>,
    pub(crate) upstream: Option<&'a UpstreamConfig>,
}

/// What `Allow` says where the proxy is the final recipient (RFC 9110, section 7.6.2).
pub(crate) const METHODS: &str = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS";

/// A failure on the way to an answer, with what is known of its reason.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) cause: Cause,
    pub(crate) source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Failure {
    pub(crate) fn new(cause: Cause, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { cause, source: Some(source.into()) }
    }

    /// Counts and logs the failure.
    pub(crate) fn record(&self, parties: Parties<'_>) {
        self.cause.record(parties, self.source.as_deref().map(|source| with_sources(source)));
    }
}

impl From<Cause> for Failure {
    fn from(cause: Cause) -> Self {
        Self { cause, source: None }
    }
}

/// How long a cause stays silent on `warn` about an upstream after a line. One that is down must not fill the disk.
const WARNING_INTERVAL: Duration = Duration::from_secs(5);

static WARNINGS: Mutex<Warnings> = Mutex::new(Warnings(BTreeMap::new()));

/// What was said on `warn` last, by upstream and cause.
#[derive(Debug)]
struct Warnings(BTreeMap<String, [Option<Warning>; Cause::ALL.len()]>);

#[derive(Clone, Copy, Debug)]
struct Warning {
    said: Instant,
    /// How many have not been said since.
    left_out: u64,
}

impl Warnings {
    /// If it is time for a line: how many have been left out since the last one.
    fn due(&mut self, cause: Cause, upstream: &str, now: Instant) -> Option<u64> {
        if !self.0.contains_key(upstream) {
            self.0.insert(upstream.to_owned(), [None; _]);
        }
        let last = &mut self.0.get_mut(upstream)?[cause as usize];
        match last {
            Some(Warning { said, left_out }) if now - *said < WARNING_INTERVAL => {
                *left_out += 1;
                None
            }
            _ => {
                let left_out = last.map_or(0, |last| last.left_out);
                *last = Some(Warning { said: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

fn warn_of(cause: Cause, upstream: &str) -> Option<u64> {
    let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.due(cause, upstream, Instant::now())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cause_has_its_place_and_its_own_label() {
        for (index, cause) in Cause::ALL.into_iter().enumerate() {
            assert_eq!(cause as usize, index, "{cause:?}");
            let same = Cause::ALL.into_iter().filter(|other| other.as_str() == cause.as_str()).count();
            assert_eq!(same, 1, "{cause:?}");
        }
    }

    /// T37
    #[test]
    fn status_of_each_upstream_failure() {
        let cases = [
            (Cause::ConnectFailed, 502),
            (Cause::ConnectTimeout, 504),
            (Cause::Disconnected, 502),
            (Cause::InvalidReply, 502),
            (Cause::Overloaded, 503),
            (Cause::ResponseTimeout, 504),
        ];
        for (cause, status) in cases {
            let reply = cause.reply::<()>();
            assert_eq!(reply.status(), status, "{cause:?}");
            assert!(reply.extensions().get::<LocalReply>().is_some(), "{cause:?}");
        }
    }

    #[test]
    fn warnings_are_thinned_out_for_each_upstream_and_cause() {
        let mut warnings = Warnings(BTreeMap::new());
        let start = Instant::now();
        let mut at =
            |seconds, cause, upstream| warnings.due(cause, upstream, start + Duration::from_secs(seconds));
        assert_eq!(at(0, Cause::Disconnected, "http://a:1"), Some(0));
        assert_eq!(at(1, Cause::Disconnected, "http://a:2"), Some(0));
        assert_eq!(at(1, Cause::ConnectFailed, "http://a:1"), Some(0));
        assert_eq!(at(2, Cause::Disconnected, "http://a:1"), None);
        assert_eq!(at(4, Cause::Disconnected, "http://a:1"), None);
        assert_eq!(at(5, Cause::Disconnected, "http://a:1"), Some(2));
        assert_eq!(at(11, Cause::Disconnected, "http://a:1"), Some(0));
    }
}
