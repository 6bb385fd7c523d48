//! gRPC over HTTP: who speaks it, what its outcomes are, how an HTTP error becomes one.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

mod web;

use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};

pub(crate) use web::WebTrailers;

pub(crate) const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
pub(crate) const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// What a message's `Content-Type` says about gRPC.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Dialect {
    Grpc,
    GrpcWeb,
    None,
}

/// The dialect of a `Content-Type`.
pub(crate) fn dialect(content_type: &HeaderValue) -> Dialect {
    const PREFIX: &[u8] = b"application/grpc";
    match content_type.as_bytes().split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => match rest {
            [] | [b'+' | b';' | b' ' | b'\t', ..] => Dialect::Grpc,
            rest => match rest.split_at_checked(4) {
                Some((web, [] | [b'+' | b';' | b' ' | b'\t' | b'-', ..]))
                    if web.eq_ignore_ascii_case(b"-web") =>
                {
                    Dialect::GrpcWeb
                }
                _ => Dialect::None,
            },
        },
        _ => Dialect::None,
    }
}

/// Whether a gRPC-Web body is in the text encoding.
pub(crate) fn is_web_text(content_type: &HeaderValue) -> bool {
    const TEXT: &[u8] = b"application/grpc-web-text";
    content_type.as_bytes().get(..TEXT.len()).is_some_and(|start| start.eq_ignore_ascii_case(TEXT))
}

/// A `grpc-status` as a label value.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GrpcStatus {
    Code(u8),
    Missing,
    Other,
}

const CODES: [&str; 17] =
    ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16"];

impl GrpcStatus {
    pub(crate) const COUNT: usize = CODES.len() + 2;

    /// The status in response headers or trailers.
    pub(crate) fn read(fields: &HeaderMap) -> Self {
        match fields.get(GRPC_STATUS) {
            None => Self::Missing,
            Some(value) => Self::of(value.as_bytes()),
        }
    }

    /// The status that a field's value means.
    fn of(value: &[u8]) -> Self {
        CODES
            .iter()
            .position(|code| code.as_bytes() == value)
            .and_then(|code| u8::try_from(code).ok())
            .map_or(Self::Other, Self::Code)
    }

    /// The status for an HTTP status that no gRPC server sent.
    ///
    /// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
    pub(crate) fn from_http(status: StatusCode) -> Self {
        Self::Code(match status.as_u16() {
            400 => 13,
            401 => 16,
            403 => 7,
            404 => 12,
            429 | 502 | 503 | 504 => 14,
            _ => 2,
        })
    }

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Code(code) => CODES[usize::from(code)],
            Self::Missing => "missing",
            Self::Other => "other",
        }
    }

    pub(crate) fn index(self) -> usize {
        match self {
            Self::Code(code) => usize::from(code),
            Self::Missing => CODES.len(),
            Self::Other => CODES.len() + 1,
        }
    }
}

/// A description as a `grpc-message`: percent-encoded but for printable ASCII without `%`.
pub(crate) fn message(description: &str) -> HeaderValue {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = Vec::with_capacity(description.len());
    for byte in description.bytes() {
        match byte {
            b'%' | 0..=0x1f | 0x7f.. => {
                encoded.extend([b'%', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
            }
            _ => encoded.push(byte),
        }
    }
    HeaderValue::from_bytes(&encoded).expect("only printable ASCII")
}
