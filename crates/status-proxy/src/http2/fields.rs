//! The fields of a message, and which make it malformed (RFC 9113, 8.1.1 and 8.2).

use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::hpack::{CompressionError, Decoder, Line};
use crate::{config::HeadLimits, field_line::trim_blanks};

/// RFC 9113, 8.2.2. `te` may say one thing.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// What becomes of white space at either end of a value, where HTTP/2 has none (RFC 9113, 8.2.1).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Blanks {
    /// The message is malformed.
    Malformed,
    /// They are removed.
    Removed,
}

/// The message is malformed.
#[derive(Debug)]
pub(crate) struct Malformed;

/// Fields as they come. Those beyond the limits are left out, behind the one that exceeds them.
#[derive(Debug)]
pub(crate) struct Fields {
    limits: HeadLimits,
    blanks: Blanks,
    bytes: usize,
    map: HeaderMap,
    /// The body's length, if the peer said it.
    length: Option<u64>,
    /// What concerns the message's framing means nothing there (RFC 9110, 6.5.1).
    are_trailers: bool,
    pub(crate) have_begun: bool,
    pub(crate) are_malformed: bool,
}

impl Fields {
    /// With room for so many.
    pub(crate) fn with_capacity(capacity: usize, limits: HeadLimits, blanks: Blanks) -> Self {
        Self {
            limits,
            blanks,
            bytes: 0,
            map: HeaderMap::with_capacity(capacity),
            length: None,
            are_trailers: false,
            have_begun: false,
            are_malformed: false,
        }
    }

    /// Takes a line that is no pseudo-field.
    pub(crate) fn take(&mut self, name: HeaderName, mut value: HeaderValue) {
        self.have_begun = true;
        if is_of_connection(&name, &value) {
            self.are_malformed = true;
        }
        if has_blanks(&value) {
            match self.blanks {
                Blanks::Malformed => self.are_malformed = true,
                Blanks::Removed => value = without_blanks(&value),
            }
        }
        if name == header::CONTENT_LENGTH && !self.are_trailers {
            return self.take_length(&value);
        }
        if self.are_malformed || self.are_too_large() {
            return;
        }
        self.bytes += name.as_str().len() + value.len();
        self.are_malformed |= self.map.try_append(name, value).is_err();
    }

    pub(crate) fn are_too_large(&self) -> bool {
        self.map.len() > self.limits.fields || self.bytes > self.limits.bytes
    }

    /// RFC 9110, 8.6. Several that mean the same become one line: over HTTP/1.1 it decides where the next message begins.
    fn take_length(&mut self, value: &HeaderValue) {
        let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
        let length = value.to_str().ok().filter(|_| is_number).and_then(|digits| digits.parse().ok());
        match (length, self.length) {
            (None, _) => self.are_malformed = true,
            (Some(one), Some(other)) => self.are_malformed |= one != other,
            (Some(length), None) => {
                self.length = Some(length);
                self.map.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
    }

    /// What they are, and the length that they give the body.
    pub(crate) fn into_parts(self) -> (HeaderMap, Option<u64>) {
        (self.map, self.length)
    }
}

/// Reads the trailer fields behind a body. As nobody could answer them, too many are malformed.
///
/// # Errors
///
/// If nothing more can be read on the connection.
pub(crate) fn trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limits: HeadLimits,
    blanks: Blanks,
) -> Result<Result<HeaderMap, Malformed>, CompressionError> {
    let mut fields = Fields { are_trailers: true, ..Fields::with_capacity(0, limits, blanks) };
    decoder.decode(block, |line| match line {
        Line::Field(name, value) => fields.take(name, value),
        Line::Pseudo(..) | Line::Malformed => fields.are_malformed = true,
    })?;
    Ok(if fields.are_malformed || fields.are_too_large() { Err(Malformed) } else { Ok(fields.map) })
}

/// Whether a field has no place in HTTP/2 (RFC 9113, 8.2.2).
fn is_of_connection(name: &HeaderName, value: &HeaderValue) -> bool {
    *name == header::CONNECTION
        || *name == header::TRANSFER_ENCODING
        || *name == header::UPGRADE
        || *name == KEEP_ALIVE
        || *name == PROXY_CONNECTION
        || *name == header::TE && value != "trailers"
}

fn has_blanks(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

fn without_blanks(value: &HeaderValue) -> HeaderValue {
    let trimmed = HeaderValue::from_bytes(trim_blanks(value.as_bytes()));
    let mut trimmed = trimmed.expect("a part of a value is one");
    trimmed.set_sensitive(value.is_sensitive());
    trimmed
}
