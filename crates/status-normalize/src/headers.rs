//! Which fields a rewrite removes, sets and keeps.

use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::{
    grpc::{GRPC_MESSAGE, GRPC_STATUS, GrpcStatus},
    representation::Representation,
};

const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
const NOSNIFF: HeaderValue = HeaderValue::from_static("nosniff");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");

/// What a rewrite may add, so that the map grows at most once.
const ADDED: usize = 6;

/// Whether a field described the old body and would lie about the new one.
fn describes_body(name: &HeaderName) -> bool {
    match name.as_str() {
        // RFC 9110, 8.4, 8.5, 8.6, 8.7: representation metadata.
        "content-encoding" | "content-language" | "content-length" | "content-location" => true,
        // RFC 9110, 8.8: validators; a later 304 would be about a body that nobody has.
        "etag" | "last-modified" => true,
        // RFC 9110, 14.3, 14.4: ranges.
        "accept-ranges" | "content-range" => true,
        // RFC 9530 and what it obsoletes (RFC 3230; RFC 1864): digests.
        "content-digest" | "content-md5" | "digest" | "repr-digest" => true,
        // RFC 6266: a file name for a download.
        "content-disposition" => true,
        // RFC 9112, 6.1; RFC 9110, 6.6.2: the framing and the trailers of the old body.
        "trailer" | "transfer-encoding" => true,
        _ => false,
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
    fn remove(&self, headers: &mut HeaderMap) {
        // The map cannot change while it is read; a batch of eight fields is more than most answers have.
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

    fn dooms(&self, name: &HeaderName) -> bool {
        (describes_body(name) && !self.keep.contains(name) || self.drop.contains(name))
            && !(self.keep_content_range && *name == header::CONTENT_RANGE)
    }
}

/// Makes the head fit a representation: `content_length` is that of the body that GET gets.
pub(crate) fn describe(
    headers: &mut HeaderMap,
    rules: &Rules<'_>,
    representation: &Representation,
    content_length: HeaderValue,
    vary: &'static str,
) {
    rules.remove(headers);
    headers.reserve(ADDED);
    headers.insert(header::CONTENT_TYPE, representation.content_type.clone());
    headers.insert(header::CONTENT_LENGTH, content_length);
    headers.insert(header::CONTENT_LANGUAGE, representation.language.clone());
    if representation.nosniff {
        headers.insert(header::X_CONTENT_TYPE_OPTIONS, NOSNIFF);
    }
    merge_vary(headers, vary);
    // RFC 9110, 15.1: 404, 405, 501 and others are cacheable unless somebody says otherwise.
    if !headers.contains_key(header::CACHE_CONTROL) && !headers.contains_key(header::EXPIRES) {
        headers.insert(header::CACHE_CONTROL, NO_STORE);
    }
}

/// Makes the head a Trailers-Only reply.
pub(crate) fn trailers_only(
    headers: &mut HeaderMap,
    rules: &Rules<'_>,
    status: GrpcStatus,
    message: HeaderValue,
) {
    rules.remove(headers);
    headers.insert(header::CONTENT_TYPE, GRPC);
    headers.insert(GRPC_STATUS, HeaderValue::from_static(status.as_str()));
    headers.insert(GRPC_MESSAGE, message);
}

/// Makes the head fit a status that has no body.
pub(crate) fn no_body(headers: &mut HeaderMap, rules: &Rules<'_>) {
    rules.remove(headers);
    headers.remove(header::CONTENT_TYPE);
}

/// RFC 9110, 12.5.5: what was negotiated is named, what was named before stays, `*` covers everything.
fn merge_vary(headers: &mut HeaderMap, vary: &'static str) {
    if !headers.contains_key(header::VARY) {
        headers.insert(header::VARY, HeaderValue::from_static(vary));
        return;
    }
    let known = |wanted: &str| {
        headers
            .get_all(header::VARY)
            .iter()
            .flat_map(tokens)
            .any(|token| token == b"*" || token.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    let missing: Vec<&str> = vary.split(", ").filter(|name| !known(name)).collect();
    if missing.is_empty() {
        return;
    }
    let mut merged = Vec::new();
    for line in headers.get_all(header::VARY) {
        merged.extend_from_slice(line.as_bytes());
        merged.extend_from_slice(b", ");
    }
    merged.extend_from_slice(missing.join(", ").as_bytes());
    let merged = HeaderValue::from_bytes(&merged).expect("made of valid values");
    headers.insert(header::VARY, merged);
}

/// RFC 9110, 7.7: the `no-transform` directive, in any line, in any letter case.
pub(crate) fn forbids_transformation(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .flat_map(tokens)
        .any(|directive| directive.eq_ignore_ascii_case(b"no-transform"))
}

/// The members of a comma-separated list.
fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii)
}

/// Whether a body is consumed as it arrives, so that nobody may wait for its end.
pub(crate) fn is_stream(headers: &HeaderMap) -> bool {
    const STREAMS: [&str; 6] = [
        "text/event-stream",
        "application/x-ndjson",
        "application/ndjson",
        "application/jsonl",
        "application/json-seq",
        "multipart/x-mixed-replace",
    ];
    headers.get(header::CONTENT_TYPE).is_some_and(|value| {
        let essence = value.as_bytes().split(|byte| *byte == b';').next().unwrap_or_default().trim_ascii();
        STREAMS.iter().any(|stream| essence.eq_ignore_ascii_case(stream.as_bytes()))
    })
}
