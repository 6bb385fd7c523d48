//! Responses as their fields tell them, and which are malformed (RFC 9113, 8.1.1 and 8.3.2).

use http::{HeaderMap, StatusCode};

use crate::{
    config::HeadLimits,
    http2::{
        fields::{Blanks, Fields},
        hpack::{CompressionError, Decoder, Line, Pseudo},
    },
    upstream::ADDED_FIELDS,
};

/// The head of a response, or an interim response.
#[derive(Debug)]
pub(super) struct Head {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    /// The body's length, if the upstream said it.
    pub(super) length: Option<u64>,
}

/// Why a response is not passed on.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Unfit {
    Malformed,
    TooLarge,
}

/// Reads the head of a response, which is likely to have `likely` fields: as many as the one before.
///
/// # Errors
///
/// If nothing more can be read on the connection.
pub(super) fn response(
    decoder: &mut Decoder,
    block: &[u8],
    limits: HeadLimits,
    likely: usize,
) -> Result<Result<Head, Unfit>, CompressionError> {
    let mut fields = Fields::with_capacity(likely + ADDED_FIELDS, limits, Blanks::Removed);
    let mut status = None;
    decoder.decode(block, |line| match line {
        Line::Field(name, value) => fields.take(name, value),
        Line::Pseudo(Pseudo::Status, value) => {
            fields.are_malformed |= fields.have_begun || status.is_some();
            status = StatusCode::from_bytes(&value).ok();
            fields.are_malformed |= status.is_none();
        }
        Line::Pseudo(..) | Line::Malformed => fields.are_malformed = true,
    })?;
    Ok(match status {
        Some(status) if !fields.are_malformed => {
            if fields.are_too_large() {
                return Ok(Err(Unfit::TooLarge));
            }
            let (fields, length) = fields.into_parts();
            Ok(Head { status, fields, length })
        }
        _ => Err(Unfit::Malformed),
    })
}
