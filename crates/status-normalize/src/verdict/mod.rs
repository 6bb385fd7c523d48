//! What is said about a body: its media type, its coding, its shape. Pure functions of bytes, no futures.

mod accepted;
mod body;
mod brotli;
mod coding;
mod json;
pub(crate) mod kept;
mod media_type;
mod members;
mod xml;

use std::fmt;

pub use accepted::{Accepted, Shape, UnknownShape};
pub(crate) use body::{Judged, is_well_formed, judge, salvage};
pub(crate) use coding::decode;
pub(crate) use kept::{Kept, Token, message_of_text};
pub(crate) use media_type::{BodyKind, body_kind, is_token};
pub(crate) use xml::PROBLEM_NAMESPACE;

/// Why a body is nonstandard.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Reason {
    /// The body broke off before its end.
    Cut,
    /// There is no body.
    Empty,
    /// The bytes are not what the media type says.
    Malformed,
    /// The media type is missing, or one that no accepted shape has.
    MediaType,
    /// Well-formed, but in no accepted shape.
    Shape,
    /// The body names another status than the status line.
    StatusMismatch,
    /// The body did not end in time.
    Timeout,
    /// More bytes than are looked at, as sent or decoded.
    TooLarge,
    /// The content coding is unknown or its data corrupt.
    Undecodable,
}

impl Reason {
    /// Every reason, in the order of the variants.
    pub const ALL: [Self; 9] = [
        Self::Cut,
        Self::Empty,
        Self::Malformed,
        Self::MediaType,
        Self::Shape,
        Self::StatusMismatch,
        Self::Timeout,
        Self::TooLarge,
        Self::Undecodable,
    ];

    /// The word used in metrics, logs and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cut => "cut",
            Self::Empty => "empty",
            Self::Malformed => "malformed",
            Self::MediaType => "media_type",
            Self::Shape => "shape",
            Self::StatusMismatch => "status_mismatch",
            Self::Timeout => "timeout",
            Self::TooLarge => "too_large",
            Self::Undecodable => "undecodable",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Whether a body is in a documented form.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum BodyFinding {
    /// It is not, and why.
    Nonstandard(Reason),
    /// Its media type and shape are accepted and it agrees with the status.
    Standard,
}
