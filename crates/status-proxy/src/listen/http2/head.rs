//! Requests as their fields tell them, and which are malformed (RFC 9113, 8.1.1, 8.2 and 8.3).

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    http2::hpack::{CompressionError, Decoder, Line, Pseudo},
    listen::scan::HeadLimits,
};

/// RFC 9113, 8.2.2. `te` may say one thing.
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");

/// Room for what is added to a request's fields on its way.
const ADDED_FIELDS: usize = 4;

/// A request as its head tells it.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) request: Request<()>,
    /// The body's length, if the client said it.
    pub(super) length: Option<u64>,
    /// The protocol of an extended CONNECT (RFC 8441).
    pub(super) protocol: Option<Bytes>,
}

/// The message is malformed.
#[derive(Debug)]
pub(super) struct Malformed;

/// Reads the head of a request, which is likely to have `likely` fields: as many as the one before. Fields beyond the limits
/// are left out, behind the one that exceeds them: whoever measures the head finds it too large.
///
/// # Errors
///
/// If nothing more can be read on the connection.
pub(super) fn request(
    decoder: &mut Decoder,
    block: &[u8],
    limits: HeadLimits,
    likely: usize,
) -> Result<Result<Asked, Malformed>, CompressionError> {
    let mut lines = Lines::new(limits);
    lines.fields = HeaderMap::with_capacity(likely + ADDED_FIELDS);
    decoder.decode(block, |line| lines.take(line))?;
    Ok(lines.request())
}

/// Reads the trailer fields behind a body. As nobody could answer them, too many are malformed.
///
/// # Errors
///
/// If nothing more can be read on the connection.
pub(super) fn trailers(
    decoder: &mut Decoder,
    block: &[u8],
    limits: HeadLimits,
) -> Result<Result<HeaderMap, Malformed>, CompressionError> {
    let mut lines = Lines::new(limits);
    lines.is_trailers = true;
    decoder.decode(block, |line| lines.take(line))?;
    Ok(if lines.is_malformed || lines.is_too_large() { Err(Malformed) } else { Ok(lines.fields) })
}

/// Reads a block of which nothing is wanted: what the table holds must stay known.
///
/// # Errors
///
/// If nothing more can be read on the connection.
pub(super) fn skip(decoder: &mut Decoder, block: &[u8]) -> Result<(), CompressionError> {
    decoder.decode(block, drop)
}

/// What the lines of a block come to.
#[derive(Debug)]
struct Lines {
    limits: HeadLimits,
    bytes: usize,
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    protocol: Option<Bytes>,
    fields: HeaderMap,
    length: Option<u64>,
    /// Pseudo-fields have no place there, and what concerns the message's framing means nothing (RFC 9110, 6.5.1).
    is_trailers: bool,
    is_behind_pseudo: bool,
    is_malformed: bool,
}

impl Lines {
    fn new(limits: HeadLimits) -> Self {
        Self {
            limits,
            bytes: 0,
            method: None,
            scheme: None,
            authority: None,
            path: None,
            protocol: None,
            fields: HeaderMap::new(),
            length: None,
            is_trailers: false,
            is_behind_pseudo: false,
            is_malformed: false,
        }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Field(name, value) => self.field(name, value),
            Line::Pseudo(pseudo, value) => self.pseudo(pseudo, value),
            Line::Malformed => self.is_malformed = true,
        }
    }

    fn pseudo(&mut self, pseudo: Pseudo, value: Bytes) {
        self.is_malformed |= self.is_behind_pseudo || self.is_trailers;
        let place = match pseudo {
            Pseudo::Method => {
                let method = Method::from_bytes(&value);
                self.is_malformed |= method.is_err() || self.method.is_some();
                self.method = method.ok();
                return;
            }
            Pseudo::Authority => &mut self.authority,
            Pseudo::Path => &mut self.path,
            Pseudo::Protocol => {
                self.is_malformed |= HeaderValue::from_bytes(&value).is_err();
                &mut self.protocol
            }
            Pseudo::Scheme => &mut self.scheme,
            Pseudo::Status => {
                self.is_malformed = true;
                return;
            }
        };
        self.is_malformed |= place.is_some();
        *place = Some(value);
    }

    fn field(&mut self, name: HeaderName, value: HeaderValue) {
        self.is_behind_pseudo = true;
        if is_of_connection(&name, &value) || is_padded(&value) {
            self.is_malformed = true;
        }
        if name == header::CONTENT_LENGTH && !self.is_trailers {
            return self.length(&value);
        }
        if self.is_malformed || self.is_too_large() {
            return;
        }
        self.bytes += name.as_str().len() + value.len();
        self.is_malformed |= self.fields.try_append(name, value).is_err();
    }

    fn is_too_large(&self) -> bool {
        self.fields.len() > self.limits.fields || self.bytes > self.limits.bytes
    }

    /// RFC 9110, 8.6. Several that mean the same become one line: over HTTP/1.1 it decides where the next request begins.
    fn length(&mut self, value: &HeaderValue) {
        let is_number = !value.is_empty() && value.as_bytes().iter().all(u8::is_ascii_digit);
        let length = value.to_str().ok().filter(|_| is_number).and_then(|digits| digits.parse().ok());
        match (length, self.length) {
            (None, _) => self.is_malformed = true,
            (Some(one), Some(other)) => self.is_malformed |= one != other,
            (Some(length), None) => {
                self.length = Some(length);
                self.fields.insert(header::CONTENT_LENGTH, HeaderValue::from(length));
            }
        }
    }

    fn request(self) -> Result<Asked, Malformed> {
        if self.is_malformed {
            return Err(Malformed);
        }
        let method = self.method.ok_or(Malformed)?;
        let is_connect = method == Method::CONNECT;
        let mut uri = http::uri::Parts::default();
        if let Some(authority) = self.authority {
            uri.authority = Some(Authority::from_maybe_shared(authority).map_err(|_| Malformed)?);
        }
        if is_connect && self.protocol.is_none() {
            // RFC 9113, 8.5.
            if self.scheme.is_some() || self.path.is_some() || uri.authority.is_none() {
                return Err(Malformed);
            }
        } else {
            let scheme = scheme(&self.scheme.ok_or(Malformed)?)?;
            // An `Uri` has no scheme without an authority.
            uri.scheme = uri.authority.is_some().then_some(scheme);
            uri.path_and_query = Some(path(self.path.ok_or(Malformed)?)?);
            if !is_connect && self.protocol.is_some() {
                return Err(Malformed);
            }
        }
        let mut request = Request::new(());
        *request.method_mut() = method;
        *request.uri_mut() = Uri::from_parts(uri).map_err(|_| Malformed)?;
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.fields;
        Ok(Asked { request, length: self.length, protocol: self.protocol })
    }
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

/// Whether there is white space at either end, where HTTP/2 has none (RFC 9113, 8.2.1).
fn is_padded(value: &HeaderValue) -> bool {
    matches!(value.as_bytes(), [b' ' | b'\t', ..] | [.., b' ' | b'\t'])
}

fn scheme(text: &[u8]) -> Result<Scheme, Malformed> {
    match text {
        b"http" => Ok(Scheme::HTTP),
        b"https" => Ok(Scheme::HTTPS),
        _ => Scheme::try_from(text).map_err(|_| Malformed),
    }
}

/// RFC 9113, 8.3.1.
fn path(text: Bytes) -> Result<PathAndQuery, Malformed> {
    if !text.starts_with(b"/") && text != "*" {
        return Err(Malformed);
    }
    PathAndQuery::from_maybe_shared(text).map_err(|_| Malformed)
}
