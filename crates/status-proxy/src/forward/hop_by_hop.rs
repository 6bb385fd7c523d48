//! Fields that end at each hop (RFC 9110, section 7.6.1).

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// `Proxy-Connection` was never standard; clients send it all the same.
const PROXY_CONNECTION: HeaderName = HeaderName::from_static("proxy-connection");
const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");
const HTTP2_SETTINGS: HeaderName = HeaderName::from_static("http2-settings");

/// Removes every field that speaks of the connection, and those that `Connection` names.
///
/// `Proxy-Authenticate` and `Proxy-Authorization` stay: a gateway is not the proxy that they are for. So do `Host` and
/// `Content-Length`, whatever `Connection` says: a message cannot do without them.
pub(crate) fn remove(headers: &mut HeaderMap) {
    // Most heads have none of them or one, and a look at each name costs less than a look-up of each of seven.
    let found: Vec<HeaderName> = headers.keys().filter(|name| ends_here(name)).cloned().collect();
    if found.contains(&header::CONNECTION) {
        remove_nominated(headers);
    }
    for name in found {
        headers.remove(&name);
        // RFC 9112, section 6.3: with both fields the coding decides, and the length must not travel on.
        if name == header::TRANSFER_ENCODING {
            headers.remove(header::CONTENT_LENGTH);
        }
    }
}

fn remove_nominated(headers: &mut HeaderMap) {
    let nominations: Vec<HeaderValue> = headers.get_all(header::CONNECTION).iter().cloned().collect();
    for name in nominations.iter().flat_map(tokens) {
        if let Ok(name) = HeaderName::from_bytes(name)
            && name != header::HOST
            && name != header::CONTENT_LENGTH
        {
            headers.remove(name);
        }
    }
}

/// Whether a field speaks of the connection by its name alone.
pub(super) fn ends_here(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
        KEEP_ALIVE,
        PROXY_CONNECTION,
        HTTP2_SETTINGS,
    ]
    .contains(name)
}

/// Whether a list of tokens, over all its lines, has `wanted` in it.
pub(super) fn lists(headers: &HeaderMap, name: &HeaderName, wanted: &str) -> bool {
    headers.get_all(name).iter().any(|value| {
        tokens(value).any(|token| {
            // `trailers;q=0.5` is `trailers` as well.
            let token = token.split(|&byte| byte == b';').next().unwrap_or(token).trim_ascii();
            token.eq_ignore_ascii_case(wanted.as_bytes())
        })
    })
}

/// The elements of a list, without what surrounds them.
pub(super) fn tokens(value: &HeaderValue) -> impl Iterator<Item = &[u8]> {
    value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// T10
    #[test]
    fn what_ends_here_and_what_goes_on() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: &[(&str, Fields, &[&str])] = &[
            ("nothing to remove", &[("accept", "*/*"), ("host", "a")], &["accept", "host"]),
            (
                "named by connection",
                &[("connection", "x-foo, Keep-Alive"), ("x-foo", "1"), ("x-bar", "2")],
                &["x-bar"],
            ),
            (
                "two lines",
                &[("connection", "x-foo"), ("connection", "close,x-bar"), ("x-foo", "1"), ("x-bar", "2")],
                &[],
            ),
            (
                "connection fields",
                &[
                    ("keep-alive", "timeout=5"),
                    ("proxy-connection", "keep-alive"),
                    ("te", "gzip"),
                    ("upgrade", "h2c"),
                    ("http2-settings", "AAMAAABkAAQAAP__"),
                    ("transfer-encoding", "chunked"),
                ],
                &[],
            ),
            (
                "proxy authentication passes a gateway",
                &[("proxy-authenticate", "Basic"), ("proxy-authorization", "Basic eA==")],
                &["proxy-authenticate", "proxy-authorization"],
            ),
            (
                "what a message needs cannot be named away",
                &[("connection", "host, content-length"), ("host", "a"), ("content-length", "3")],
                &["content-length", "host"],
            ),
            (
                "the coding beats the length",
                &[("transfer-encoding", "chunked"), ("content-length", "3")],
                &[],
            ),
            (
                "a coding that connection names as well",
                &[
                    ("connection", "transfer-encoding"),
                    ("transfer-encoding", "chunked"),
                    ("content-length", "3"),
                ],
                &[],
            ),
            ("not names at all", &[("connection", "@, ,\u{7f}"), ("a", "b")], &["a"]),
        ];
        for (case, fields, kept) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *fields {
                let value = HeaderValue::from_bytes(value.replace('\u{7f}', "(").as_bytes()).unwrap();
                headers.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value);
            }
            remove(&mut headers);
            let mut left: Vec<_> = headers.keys().map(HeaderName::as_str).collect();
            left.sort_unstable();
            assert_eq!(&left, kept, "{case}");
        }
    }

    #[test]
    fn lists_are_read_over_all_lines() {
        let mut headers = HeaderMap::new();
        headers.append(header::TE, HeaderValue::from_static("gzip;q=1"));
        headers.append(header::TE, HeaderValue::from_static(" , Trailers;q=0.5"));
        assert!(lists(&headers, &header::TE, "trailers"));
        assert!(!lists(&headers, &header::TE, "trailer"));
        assert!(!lists(&headers, &header::CONNECTION, "trailers"));
    }
}
