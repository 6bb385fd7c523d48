//! What may not stand behind a request's body (RFC 9110, section 6.5.1).

use http::{HeaderMap, HeaderName, header};

use super::hop_by_hop;

/// Fields that tell where a message ends, where it goes, who sends it, on which condition and how it is read: whoever puts trailers among the
/// header fields would believe them, after the decisions were made by what was in front.
const IN_FRONT_ONLY: [HeaderName; 23] = [
    header::AUTHORIZATION,
    header::CACHE_CONTROL,
    header::CONTENT_ENCODING,
    header::CONTENT_LENGTH,
    header::CONTENT_RANGE,
    header::CONTENT_TYPE,
    header::COOKIE,
    header::EXPECT,
    header::FORWARDED,
    header::HOST,
    header::IF_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_NONE_MATCH,
    header::IF_RANGE,
    header::IF_UNMODIFIED_SINCE,
    header::MAX_FORWARDS,
    header::PROXY_AUTHORIZATION,
    header::RANGE,
    header::TRAILER,
    header::VIA,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-forwarded-proto"),
];

/// Leaves what may be there.
pub(crate) fn filter(trailers: &mut HeaderMap) {
    hop_by_hop::remove(trailers);
    for name in IN_FRONT_ONLY {
        trailers.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn checksums_stay_and_what_decides_goes() {
        let names = ["host", "content-length", "transfer-encoding", "authorization", "x-forwarded-for", "te"];
        let kept = ["x-checksum", "etag", "grpc-status"];
        let mut trailers: HeaderMap = names
            .into_iter()
            .chain(kept)
            .map(|name| (HeaderName::from_static(name), HeaderValue::from_static("x")))
            .collect();
        filter(&mut trailers);
        assert_eq!(trailers.keys().map(HeaderName::as_str).collect::<Vec<_>>(), kept);
    }
}
