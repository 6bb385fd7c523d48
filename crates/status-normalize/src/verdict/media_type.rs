//! What kind of body a head announces.

use http::HeaderValue;
use memchr::memchr;

/// How a body is read, by its media type alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum BodyKind {
    Json,
    /// A missing, repeated or any other type.
    Other,
    Xml,
}

/// The kind of body that the lines of `Content-Type` announce. Parameters and case play no part. Several lines that differ in kind
/// make none: recipients choose differently between them.
pub(crate) fn body_kind<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>) -> BodyKind {
    let mut lines = lines.into_iter();
    let Some(first) = lines.next() else { return BodyKind::Other };
    let kind = match first.as_bytes() {
        // What most backends send, spared the reading.
        b"application/json" | b"application/json; charset=utf-8" | b"application/problem+json" => {
            BodyKind::Json
        }
        b"text/html"
        | b"text/html; charset=utf-8"
        | b"text/html; charset=UTF-8"
        | b"text/plain"
        | b"text/plain; charset=utf-8" => BodyKind::Other,
        line => kind(line),
    };
    if lines.all(|line| self::kind(line.as_bytes()) == kind) { kind } else { BodyKind::Other }
}

fn kind(line: &[u8]) -> BodyKind {
    let essence = memchr(b';', line).map_or(line, |end| &line[..end]).trim_ascii();
    let Some(slash) = memchr(b'/', essence) else { return BodyKind::Other };
    let (main, sub) = (&essence[..slash], &essence[slash + 1..]);
    if !is_token(main) || !is_token(sub) {
        return BodyKind::Other;
    }
    let either = main.eq_ignore_ascii_case(b"application") || main.eq_ignore_ascii_case(b"text");
    let is = |name: &[u8], suffix: &[u8]| {
        either && sub.eq_ignore_ascii_case(name)
            || sub.len() > suffix.len() && sub[sub.len() - suffix.len()..].eq_ignore_ascii_case(suffix)
    };
    if is(b"json", b"+json") {
        BodyKind::Json
    } else if is(b"xml", b"+xml") {
        // XHTML and SVG are pages and pictures, but nothing in their type says so; their shape does.
        BodyKind::Xml
    } else {
        BodyKind::Other
    }
}

/// RFC 9110, 5.6.2.
pub(crate) fn is_token(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|byte| TOKEN[usize::from(*byte)])
}

/// Which bytes a token may have.
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        table[others[at] as usize] = true;
        at += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        table[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use http::{HeaderMap, header::CONTENT_TYPE};

    use super::{BodyKind::*, *};

    #[test]
    fn the_media_type_decides() {
        // T38, T40
        let cases: &[(&[&str], BodyKind)] = &[
            (&[], Other),
            (&[""], Other),
            (&["application/json"], Json),
            (&["APPLICATION/JSON; Charset=UTF-8"], Json),
            (&["application/json;"], Json),
            (&[" application/json ; a=\"b;c/d\""], Json),
            (&["text/json"], Json),
            (&["application/problem+json"], Json),
            (&["application/vnd.Foo+JSON;v=1"], Json),
            (&["application/xml"], Xml),
            (&["text/xml; charset=utf-8"], Xml),
            (&["application/problem+xml"], Xml),
            (&["application/+json"], Other),
            (&["image/json"], Other),
            (&["application/jsonp"], Other),
            (&["application/json-seq"], Other),
            (&["application/x-ndjson"], Other),
            (&["json"], Other),
            (&["text/html"], Other),
            (&["text/plain; charset=json"], Other),
            (&["application/octet-stream"], Other),
            (&["application /json"], Other),
            (&["application/json, text/html"], Other),
            (&["application/json", "application/json"], Json),
            (&["application/json", "text/json; charset=utf-8"], Json),
            (&["application/json", "text/html"], Other),
            (&["text/html", "application/json"], Other),
            (&["application/json", "application/xml"], Other),
        ];
        for (lines, expected) in cases {
            let mut headers = HeaderMap::new();
            for line in *lines {
                headers.append(CONTENT_TYPE, HeaderValue::from_str(line).unwrap());
            }
            assert_eq!(body_kind(headers.get_all(CONTENT_TYPE)), *expected, "{lines:?}");
        }
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_bytes(b"application/json\xff").unwrap());
        assert_eq!(body_kind(headers.get_all(CONTENT_TYPE)), Other, "T11");
    }
}
