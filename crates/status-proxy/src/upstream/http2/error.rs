//! Why a stream ended before its time.

use std::io;

use super::head::Unfit;
use crate::{
    http2::Reason,
    local_reply::{Cause, Failure},
};

/// What went wrong with a request or its response.
#[derive(Clone, Copy, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The upstream does nothing with the stream, and nothing more with the connection.
    #[error("upstream goes away ({0})")]
    GoneAway(Reason),
    /// We have ended the stream.
    #[error("stream given up")]
    GivenUp,
    /// The connection has ended.
    #[error("connection ended ({0})")]
    Lost(io::ErrorKind),
    /// What the upstream did cost it the connection.
    #[error("upstream broke the rules of HTTP/2 ({0})")]
    Broken(Reason),
    /// What the upstream did cost it the stream.
    #[error("upstream broke the rules of HTTP/2 on a stream ({0})")]
    Fault(Reason),
    /// The upstream has ended the stream.
    #[error("upstream reset the stream ({0})")]
    Reset(Reason),
    /// The head, or the interim ones before it, are more than is taken.
    #[error("response head too large")]
    TooLarge,
}

impl Error {
    /// Whether it is known that the upstream has done nothing with the request (RFC 9113, 8.7).
    pub(super) fn is_unprocessed(self) -> bool {
        matches!(self, Self::GoneAway(_) | Self::Reset(Reason::REFUSED_STREAM))
    }

    /// Whether it is the connection's.
    pub(super) fn is_of_connection(self) -> bool {
        matches!(self, Self::GoneAway(_) | Self::Lost(_) | Self::Broken(_))
    }

    /// What the upstream ended it with, if it did.
    pub(crate) fn reason_of_peer(self) -> Option<Reason> {
        match self {
            Self::GoneAway(reason) | Self::Reset(reason) => Some(reason),
            Self::GivenUp | Self::Lost(_) | Self::Broken(_) | Self::Fault(_) | Self::TooLarge => None,
        }
    }
}

impl From<Unfit> for Error {
    fn from(unfit: Unfit) -> Self {
        match unfit {
            Unfit::Malformed => Self::Fault(Reason::PROTOCOL_ERROR),
            Unfit::TooLarge => Self::TooLarge,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let cause = match error {
            Error::GoneAway(_) | Error::GivenUp | Error::Lost(_) | Error::Reset(_) => Cause::Disconnected,
            Error::Broken(_) | Error::Fault(_) | Error::TooLarge => Cause::InvalidReply,
        };
        Self::new(cause, error)
    }
}
