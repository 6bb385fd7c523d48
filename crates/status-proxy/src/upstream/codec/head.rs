//! Response heads: bytes to status, fields and framing.

use std::mem::MaybeUninit;

use bytes::{Buf, Bytes, BytesMut};
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Version,
    header::{CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING},
};
use memchr::memchr_iter;
use status_normalize::reason_phrase;

use super::{Error, take_front};
use crate::{
    config::HeadLimits,
    field_line::{self, Lines, trim_blanks},
    field_name,
    upstream::ADDED_FIELDS,
};

/// Fields at most, whatever the configured limit: those of a head that is incomplete are looked at on the stack.
const MAX_FIELDS: usize = 1024;

/// Where the body of a response ends (RFC 9112, section 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// There is no body.
    Empty,
    /// After so many bytes.
    Length(u64),
    /// After the last chunk and the trailer section.
    Chunked,
    /// With the connection.
    Close,
    /// There is no message any more: both directions carry another protocol.
    Tunnel,
}

/// A response head, but for its fields.
#[derive(Debug)]
pub(crate) struct ResponseHead {
    pub(crate) status: StatusCode,
    pub(crate) version: Version,
    /// The reason phrase where it is not the standard one.
    pub(crate) reason: Option<Bytes>,
    pub(crate) framing: Framing,
    /// Whether the connection may carry another request afterwards.
    pub(crate) keep_alive: bool,
}

/// Takes one head off the front of `input`; `None` if it is not all there yet. Its fields take the place of those in
/// `headers`: a map that was filled once has room.
pub(crate) fn parse(
    input: &mut BytesMut,
    method: &Method,
    limits: HeadLimits,
    headers: &mut HeaderMap,
) -> Result<Option<ResponseHead>, Error> {
    // Empty lines before a head are skipped, as hyper does; some peers send one after a body.
    while let Some(rest) = input.strip_prefix(b"\r\n").or_else(|| input.strip_prefix(b"\n")) {
        let skipped = input.len() - rest.len();
        input.advance(skipped);
    }
    let Some((end, lines)) = end_of_head(input) else {
        check_beginning(input, limits)?;
        return Ok(None);
    };
    // All but the status line and the empty one.
    let fields = lines - 2;
    if end > limits.bytes {
        return Err(Error::HeadTooLarge);
    }
    if fields > limits.fields.min(MAX_FIELDS) {
        return Err(Error::TooManyFields);
    }
    let head = take_front(input, end);
    let mut lines = Lines::of(&head);
    let (version, status, reason) = lines.next().and_then(status_line).ok_or(Error::Head)?;
    let mut facts = FramingFields { keep_alive: version == Version::HTTP_11, ..FramingFields::default() };
    headers.clear();
    // A request's map of HTTP/2 was made for few fields. With this little added it has room, and need not be made anew.
    headers.reserve(fields + ADDED_FIELDS);
    field_name::with(|names| {
        for line in lines {
            let (name, value) = field_line::parse(line, &head, names).ok_or(Error::Head)?;
            facts.note(&name, &value);
            headers.append(name, value);
        }
        Ok::<(), Error>(())
    })?;
    let framing = facts.framing(status, version, method)?;
    let keep_alive = facts.keep_alive && !matches!(framing, Framing::Close | Framing::Tunnel);
    Ok(Some(ResponseHead { status, version, reason, framing, keep_alive }))
}

/// Refuses what can't become a head any more at once, not when the peer gives up.
fn check_beginning(input: &[u8], limits: HeadLimits) -> Result<(), Error> {
    let mut table = [const { MaybeUninit::uninit() }; MAX_FIELDS];
    let table = &mut table[..limits.fields.min(MAX_FIELDS)];
    let mut response = httparse::Response::new(&mut []);
    httparse::ParserConfig::default().parse_response_with_uninit_headers(&mut response, input, table)?;
    if input.len() >= limits.bytes { Err(Error::HeadTooLarge) } else { Ok(()) }
}

/// `HTTP/1.1 200 OK`, with the phrase where it is not the standard one.
fn status_line(line: &[u8]) -> Option<(Version, StatusCode, Option<Bytes>)> {
    let (version, rest) = line.split_first_chunk()?;
    let version = match version {
        b"HTTP/1.1 " => Version::HTTP_11,
        b"HTTP/1.0 " => Version::HTTP_10,
        _ => return None,
    };
    let (code, rest) = rest.split_first_chunk::<3>()?;
    let status = StatusCode::from_bytes(code).ok()?;
    let phrase = match rest {
        [] => rest,
        [b' ', phrase @ ..] => phrase,
        _ => return None,
    };
    if reason_phrase(status).is_some_and(|standard| standard.as_bytes() == phrase) {
        return Some((version, status, None));
    }
    let is_control = |byte: &u8| *byte != b'\t' && byte.is_ascii_control();
    if phrase.iter().any(is_control) {
        return None;
    }
    // One that is not ASCII is as good as none.
    let phrase = if phrase.is_ascii() { Bytes::copy_from_slice(phrase) } else { Bytes::new() };
    Some((version, status, Some(phrase)))
}

/// The length of the head and how many lines it has, the empty one included. A lone LF ends a line too (RFC 9112,
/// section 2.2).
fn end_of_head(input: &[u8]) -> Option<(usize, usize)> {
    let mut lines = 1;
    memchr_iter(b'\n', input).find_map(|lf| {
        lines += 1;
        match input[lf + 1..] {
            [b'\n', ..] => Some((lf + 2, lines)),
            [b'\r', b'\n', ..] => Some((lf + 3, lines)),
            _ => None,
        }
    })
}

/// What a head says about where its body ends and whether the connection stays.
#[derive(Default)]
struct FramingFields {
    keep_alive: bool,
    close: bool,
    transfer_encoding: bool,
    chunked: bool,
    content_length: Option<u64>,
    content_length_invalid: bool,
}

impl FramingFields {
    fn note(&mut self, name: &HeaderName, value: &HeaderValue) {
        if name == CONNECTION {
            if self.close || has_token(value, "close") {
                // A later `keep-alive` does not undo it.
                self.close = true;
                self.keep_alive = false;
            } else if !self.keep_alive {
                self.keep_alive = has_token(value, "keep-alive");
            }
        } else if name == TRANSFER_ENCODING && !value.as_bytes().eq_ignore_ascii_case(b"identity") {
            // `chunked`, once. What any other coding did to the bytes is not undone here, so it must not be removed.
            self.chunked =
                !self.transfer_encoding && value.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked");
            self.transfer_encoding = true;
        } else if name == CONTENT_LENGTH {
            match content_length(value) {
                Some(length) if self.content_length.is_none_or(|before| before == length) => {
                    self.content_length = Some(length);
                }
                _ => self.content_length_invalid = true,
            }
        }
    }

    fn framing(&self, status: StatusCode, version: Version, method: &Method) -> Result<Framing, Error> {
        match status.as_u16() {
            101 => return Ok(Framing::Tunnel),
            100..=199 | 204 | 304 => return Ok(Framing::Empty),
            200..=299 if method == Method::CONNECT => return Ok(Framing::Tunnel),
            _ => {}
        }
        if method == Method::HEAD {
            return Ok(Framing::Empty);
        }
        if self.transfer_encoding {
            // RFC 9112, section 6.1: no transfer codings in HTTP/1.0; with them, Content-Length means nothing.
            let is_readable = self.chunked && version != Version::HTTP_10;
            return if is_readable { Ok(Framing::Chunked) } else { Err(Error::Head) };
        }
        match self.content_length {
            _ if self.content_length_invalid => Err(Error::Head),
            Some(length) => Ok(Framing::Length(length)),
            None => Ok(Framing::Close),
        }
    }
}

fn has_token(value: &HeaderValue, token: &str) -> bool {
    value
        .to_str()
        .is_ok_and(|tokens| tokens.split(',').any(|candidate| candidate.trim().eq_ignore_ascii_case(token)))
}

/// The one length that a field line gives; a list of equal lengths is one (RFC 9112, section 6.3).
fn content_length(value: &HeaderValue) -> Option<u64> {
    let mut lengths = value.as_bytes().split(|&byte| byte == b',').map(|length| number(trim_blanks(length)));
    let first = lengths.next()??;
    lengths.all(|length| length == Some(first)).then_some(first)
}

/// Digits and nothing else: `parse` would take a sign.
fn number(digits: &[u8]) -> Option<u64> {
    let append = |number: u64, &digit: &u8| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    };
    if digits.is_empty() { None } else { digits.iter().try_fold(0, append) }
}
