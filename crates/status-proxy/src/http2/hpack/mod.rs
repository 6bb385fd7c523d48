//! Compression of field lines (RFC 7541).

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod table;

#[cfg(test)]
mod tests;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::Reason;

pub(crate) use self::{decoder::Decoder, encoder::Encoder};

/// The protocol's default size of a table in each direction (RFC 9113, 6.5.2). None is larger.
const TABLE_SIZE: usize = 4096;

/// What a line takes in a table besides its text (RFC 7541, 4.1).
pub(crate) const LINE_OVERHEAD: usize = 32;

/// A field line as it stands in a table.
#[derive(Clone, Debug)]
pub(crate) enum Line {
    /// The value is whatever the peer sent.
    Pseudo(Pseudo, Bytes),
    Field(HeaderName, HeaderValue),
    /// The name or the value can't be one (RFC 9113, 8.2.1). It takes its place in the table all the same.
    Malformed,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Pseudo {
    Authority,
    Method,
    Path,
    Protocol,
    Scheme,
    Status,
}

impl Pseudo {
    fn name(self) -> &'static str {
        match self {
            Self::Authority => ":authority",
            Self::Method => ":method",
            Self::Path => ":path",
            Self::Protocol => ":protocol",
            Self::Scheme => ":scheme",
            Self::Status => ":status",
        }
    }
}

/// What the peer's table holds is not known any more: the connection is lost (RFC 9113, 4.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct CompressionError;

impl From<CompressionError> for Reason {
    fn from(_: CompressionError) -> Self {
        Self::COMPRESSION_ERROR
    }
}
