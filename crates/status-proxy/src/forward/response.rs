//! The response's head on its way down.

use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::hop_by_hop;

/// Removes what spoke of the upstream's connection, before anybody judges the response.
pub(super) fn filter(status: StatusCode, headers: &mut HeaderMap, via: &HeaderValue) {
    hop_by_hop::remove(headers);
    match status {
        // RFC 9110, section 8.6: no length with 1xx and 204.
        StatusCode::NO_CONTENT | StatusCode::SWITCHING_PROTOCOLS => {
            headers.remove(header::CONTENT_LENGTH);
        }
        StatusCode::RESET_CONTENT => {
            if let Some(length) = headers.get_mut(header::CONTENT_LENGTH) {
                *length = HeaderValue::from_static("0");
            }
        }
        _ => {}
    }
    one_length(headers);
    headers.append(header::VIA, via.clone());
}

/// Repeated equal lengths become one (RFC 9112, section 6.3); different ones never come this far.
fn one_length(headers: &mut HeaderMap) {
    let Some(length) = headers.get(header::CONTENT_LENGTH) else { return };
    let is_alone = headers.len() == headers.keys_len()
        || headers.get_all(header::CONTENT_LENGTH).iter().nth(1).is_none();
    if is_alone && length.as_bytes().iter().all(u8::is_ascii_digit) {
        return;
    }
    let first = length.as_bytes().split(|&byte| byte == b',').next().unwrap_or_default().trim_ascii();
    if let Ok(length) = HeaderValue::from_bytes(first) {
        headers.insert(header::CONTENT_LENGTH, length);
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn heads_that_clients_get() {
        type Fields = &'static [(&'static str, &'static str)];
        let cases: &[(&str, u16, Fields, Fields)] = &[
            (
                "connection",
                200,
                &[("connection", "close, x-a"), ("x-a", "1"), ("content-length", "3")],
                &[("content-length", "3"), ("via", "1.1 p")],
            ),
            ("via is appended", 200, &[("via", "1.0 q")], &[("via", "1.0 q"), ("via", "1.1 p")]),
            (
                "equal lengths",
                200,
                &[("content-length", "3"), ("content-length", "3")],
                &[("content-length", "3"), ("via", "1.1 p")],
            ),
            (
                "a list of equal lengths",
                200,
                &[("content-length", "3, 3")],
                &[("content-length", "3"), ("via", "1.1 p")],
            ),
            ("no content", 204, &[("content-length", "3")], &[("via", "1.1 p")]),
            ("reset content", 205, &[("content-length", "3")], &[("content-length", "0"), ("via", "1.1 p")]),
            ("reset content without length", 205, &[], &[("via", "1.1 p")]),
            ("tunnel", 101, &[("content-length", "0")], &[("via", "1.1 p")]),
            (
                "coding and length",
                200,
                &[("transfer-encoding", "chunked"), ("content-length", "3")],
                &[("via", "1.1 p")],
            ),
            (
                "location stays",
                302,
                &[("location", "http://10.0.0.1:3000/x")],
                &[("location", "http://10.0.0.1:3000/x"), ("via", "1.1 p")],
            ),
        ];
        for (case, status, given, expected) in cases {
            let mut headers = HeaderMap::new();
            for (name, value) in *given {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            filter(StatusCode::from_u16(*status).unwrap(), &mut headers, &HeaderValue::from_static("1.1 p"));
            let left: Vec<_> =
                headers.iter().map(|(name, value)| (name.as_str(), value.to_str().unwrap())).collect();
            assert_eq!(left, *expected, "{case}");
        }
    }
}
