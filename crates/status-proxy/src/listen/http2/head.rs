//! Requests as their fields tell them, and which are malformed (RFC 9113, 8.1.1, 8.2 and 8.3).

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Uri, Version,
    uri::{Authority, PathAndQuery, Scheme},
};

use crate::{
    config::HeadLimits,
    http2::{
        fields::{Blanks, Fields, Malformed},
        hpack::{CompressionError, Decoder, Line, Pseudo},
    },
};

/// The longest target that a [`Uri`] holds, and the longest that hyper takes over HTTP/1.1.
pub(crate) const MAX_TARGET: usize = u16::MAX as usize - 1;

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
    let mut lines = Lines::new(Fields::with_capacity(likely + ADDED_FIELDS, limits, Blanks::Malformed));
    decoder.decode(block, |line| lines.take(line))?;
    Ok(lines.request())
}

/// What the lines of a block come to.
#[derive(Debug)]
struct Lines {
    method: Option<Method>,
    scheme: Option<Bytes>,
    authority: Option<Bytes>,
    path: Option<Bytes>,
    protocol: Option<Bytes>,
    fields: Fields,
}

impl Lines {
    fn new(fields: Fields) -> Self {
        Self { method: None, scheme: None, authority: None, path: None, protocol: None, fields }
    }

    fn take(&mut self, line: Line) {
        match line {
            Line::Field(name, value) => self.fields.take(name, value),
            Line::Pseudo(pseudo, value) => self.pseudo(pseudo, value),
            Line::Malformed => self.fields.are_malformed = true,
        }
    }

    fn pseudo(&mut self, pseudo: Pseudo, value: Bytes) {
        self.fields.are_malformed |= self.fields.have_begun;
        let place = match pseudo {
            Pseudo::Method => {
                let method = Method::from_bytes(&value);
                self.fields.are_malformed |= method.is_err() || self.method.is_some();
                self.method = method.ok();
                return;
            }
            Pseudo::Authority => &mut self.authority,
            Pseudo::Path => &mut self.path,
            Pseudo::Protocol => {
                self.fields.are_malformed |= HeaderValue::from_bytes(&value).is_err();
                &mut self.protocol
            }
            Pseudo::Scheme => &mut self.scheme,
            Pseudo::Status => {
                self.fields.are_malformed = true;
                return;
            }
        };
        self.fields.are_malformed |= place.is_some();
        *place = Some(value);
    }

    fn request(self) -> Result<Asked, Malformed> {
        if self.fields.are_malformed {
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
        let (fields, length) = self.fields.into_parts();
        *request.headers_mut() = fields;
        Ok(Asked { request, length, protocol: self.protocol })
    }
}

fn scheme(text: &[u8]) -> Result<Scheme, Malformed> {
    match text {
        b"http" => Ok(Scheme::HTTP),
        b"https" => Ok(Scheme::HTTPS),
        _ => Scheme::try_from(text).map_err(|_| Malformed),
    }
}

/// RFC 9113, 8.3.1. What is too long for a target is left out: whoever measures the head finds it as long as that.
fn path(mut text: Bytes) -> Result<PathAndQuery, Malformed> {
    if !text.starts_with(b"/") && text != "*" {
        return Err(Malformed);
    }
    text.truncate(MAX_TARGET);
    PathAndQuery::from_maybe_shared(text).map_err(|_| Malformed)
}
