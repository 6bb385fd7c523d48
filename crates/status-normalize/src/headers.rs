//! Which fields a rewrite removes, sets and keeps.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    grpc::{GRPC_MESSAGE, GRPC_STATUS, GrpcStatus},
    representation::Representation,
    verdict::{BodyKind, body_kind},
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const VARY: HeaderValue = HeaderValue::from_static("Accept");
const VARY_BY_LANGUAGE: HeaderValue = HeaderValue::from_static("Accept, Accept-Language");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// The part of a field in a rewrite.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Part {
    /// It stays.
    Bystander,
    /// It says how the answer is to be cached.
    Caching,
    /// It described the old body and would lie about the new one.
    Description,
    Language,
    Length,
    Type,
    Vary,
}

impl Part {
    fn of(name: &HeaderName) -> Self {
        match name.as_str() {
            "content-language" => Self::Language,
            "content-length" => Self::Length,
            "content-type" => Self::Type,
            // RFC 9110, 8.4, 8.7: representation metadata.
            "content-encoding" | "content-location" => Self::Description,
            // RFC 9110, 8.8: validators; a later 304 would be about a body that nobody has.
            "etag" | "last-modified" => Self::Description,
            // RFC 9110, 14.3, 14.4: ranges.
            "accept-ranges" | "content-range" => Self::Description,
            // RFC 9530 and what it obsoletes (RFC 3230; RFC 1864): digests.
            "content-digest" | "content-md5" | "digest" | "repr-digest" => Self::Description,
            // RFC 6266: a file name for a download.
            "content-disposition" => Self::Description,
            // RFC 9112, 6.1; RFC 9110, 6.6.2: the framing and the trailers of the old body.
            "trailer" | "transfer-encoding" => Self::Description,
            "cache-control" | "expires" => Self::Caching,
            "vary" => Self::Vary,
            _ => Self::Bystander,
        }
    }
}

/// Whose fields a route keeps or drops beside the rules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rules<'a> {
    pub(crate) keep: &'a [HeaderName],
    pub(crate) drop: &'a [HeaderName],
    /// RFC 9110, 15.5.17: `Content-Range: bytes */N` is what a 416 is for.
    pub(crate) keep_content_range: bool,
}

impl Rules<'_> {
    fn dooms(&self, name: &HeaderName) -> bool {
        let described = Part::of(name) == Part::Description
            && !self.keep.contains(name)
            && !(self.keep_content_range && *name == header::CONTENT_RANGE);
        described || self.drop.contains(name)
    }

    fn remove(&self, headers: &mut HeaderMap) {
        // The map cannot change while it is read; eight at a time are more than most answers have.
        loop {
            let mut batch = [const { None }; 8];
            let mut doomed = headers.keys().filter(|name| self.dooms(name));
            for slot in &mut batch {
                *slot = doomed.next().cloned();
            }
            let more = doomed.next().is_some();
            for name in batch.iter().flatten() {
                headers.remove(name);
            }
            if !more {
                return;
            }
        }
    }
}

/// Makes the head fit a representation: `content_length` is that of the body that GET gets.
pub(crate) fn describe(
    headers: &mut HeaderMap,
    rules: &Rules<'_>,
    representation: &Representation,
    content_length: &HeaderValue,
    by_language: bool,
) {
    let Representation { content_type, language, .. } = representation;
    let mut doomed = !rules.drop.is_empty();
    let (mut types, mut lengths, mut languages) = (0, 0, 0);
    let (mut cached, mut varies) = (false, false);
    // Most answers have type and length: what is replaced on the way need not be looked up.
    for (name, value) in headers.iter_mut() {
        match Part::of(name) {
            Part::Bystander => {}
            Part::Caching => cached |= !rules.drop.contains(name),
            Part::Description => doomed = true,
            Part::Language => put(&mut languages, value, language),
            Part::Length => put(&mut lengths, value, content_length),
            Part::Type => put(&mut types, value, content_type),
            Part::Vary => varies = true,
        }
    }
    if doomed {
        rules.remove(headers);
    }
    if types != 1 {
        headers.insert(header::CONTENT_TYPE, content_type.clone());
    }
    if lengths != 1 {
        headers.insert(header::CONTENT_LENGTH, content_length.clone());
    }
    if languages != 1 {
        headers.insert(header::CONTENT_LANGUAGE, language.clone());
    }
    if representation.nosniff {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    }
    let vary = if by_language { VARY_BY_LANGUAGE } else { VARY };
    if varies {
        merge_vary(headers, &vary);
    } else {
        headers.insert(header::VARY, vary);
    }
    // RFC 9110, 15.1: 404, 405, 501 and others are cacheable unless somebody says otherwise.
    if !cached {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
}

#[inline]
fn put(lines: &mut usize, old: &mut HeaderValue, new: &HeaderValue) {
    *old = new.clone();
    *lines += 1;
}

/// Makes the head a Trailers-Only reply.
pub(crate) fn trailers_only(
    headers: &mut HeaderMap,
    rules: &Rules<'_>,
    status: GrpcStatus,
    message: HeaderValue,
) {
    no_body(headers, rules);
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status.as_str()));
    headers.insert(GRPC_MESSAGE, message);
}

/// Makes the head fit a status that has no body.
pub(crate) fn no_body(headers: &mut HeaderMap, rules: &Rules<'_>) {
    rules.remove(headers);
    for name in [header::CONTENT_TYPE, header::CONTENT_LENGTH, header::CONTENT_LANGUAGE] {
        headers.remove(name);
    }
}

/// RFC 9110, 12.5.5: what was negotiated is named, what was named before stays, `*` covers everything.
fn merge_vary(headers: &mut HeaderMap, vary: &HeaderValue) {
    let known = |wanted: &[u8]| {
        headers
            .get_all(header::VARY)
            .iter()
            .flat_map(tokens)
            .any(|token| token == b"*" || token.eq_ignore_ascii_case(wanted))
    };
    let missing: Vec<&[u8]> = tokens(vary).filter(|name| !known(name)).collect();
    if missing.is_empty() {
        return;
    }
    let mut merged = Vec::new();
    for line in headers.get_all(header::VARY) {
        merged.extend_from_slice(line.as_bytes());
        merged.extend_from_slice(b", ");
    }
    merged.extend_from_slice(&missing.join(&b", "[..]));
    let merged = HeaderValue::from_bytes(&merged).expect("made of valid values");
    headers.insert(header::VARY, merged);
}

/// What of a head takes part in the judgement.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Judged<'h> {
    /// The first line.
    pub(crate) content_type: Option<&'h HeaderValue>,
    content_types: usize,
    /// RFC 9110, 7.7: the `no-transform` directive, in any line, in any letter case.
    pub(crate) forbids_transformation: bool,
}

impl<'h> Judged<'h> {
    /// One pass over the fields costs less than looking each of them up.
    pub(crate) fn of(headers: &'h HeaderMap) -> Self {
        let mut judged = Self::default();
        for (name, value) in headers {
            if *name == header::CONTENT_TYPE {
                judged.content_type = judged.content_type.or(Some(value));
                judged.content_types += 1;
            } else if *name == header::CACHE_CONTROL {
                judged.forbids_transformation |=
                    tokens(value).any(|directive| directive.eq_ignore_ascii_case(b"no-transform"));
            }
        }
        judged
    }

    pub(crate) fn body_kind(&self, headers: &HeaderMap) -> BodyKind {
        if self.content_types > 1 {
            body_kind(headers.get_all(header::CONTENT_TYPE))
        } else {
            body_kind(self.content_type)
        }
    }
}

/// The members of a comma-separated list. A comma in a quoted string separates nothing (RFC 9110, 5.6.4).
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let is_separator = move |byte: &u8| {
        if !std::mem::take(&mut is_escaped) {
            is_escaped = is_quoted && *byte == b'\\';
            is_quoted ^= *byte == b'"';
        }
        !is_quoted && *byte == b','
    };
    value.as_bytes().split(is_separator).map(<[u8]>::trim_ascii)
}

/// Whether a body is consumed as it arrives, so that nobody may wait for its end.
pub(crate) fn is_stream(content_type: Option<&HeaderValue>) -> bool {
    const STREAMS: [&str; 6] = [
        "text/event-stream",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json-seq",
        "multipart/x-mixed-replace",
    ];
    content_type.is_some_and(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        STREAMS.iter().any(|stream| essence.eq_ignore_ascii_case(stream.as_bytes()))
    })
}
