//! WebSockets over HTTP/2 (RFC 8441), which everything behind the listener sees as an `Upgrade`.

use http::{HeaderName, HeaderValue, Method, Request, StatusCode, header, response::Parts};

use crate::random;

const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const SEC_WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// Whose `Sec-WebSocket-Key` goes to the upstream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Key {
    /// One made here: HTTP/2 needs none.
    Ours,
    /// The client has sent one all the same, as Envoy does that stands before a client of HTTP/1.1: that client waits for the
    /// `Sec-WebSocket-Accept` that belongs to it.
    Theirs,
}

/// Turns an extended CONNECT for a WebSocket into a GET that asks for one as HTTP/1.1 does, if it was one.
pub(super) fn translate<B>(request: &mut Request<B>, protocol: &[u8]) -> Option<Key> {
    if protocol != b"websocket" {
        return None;
    }
    *request.method_mut() = Method::GET;
    let headers = request.headers_mut();
    // What follows is no content (RFC 9110, 9.3.6).
    headers.remove(header::CONTENT_LENGTH);
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    if headers.contains_key(SEC_WEBSOCKET_KEY) {
        return Some(Key::Theirs);
    }
    headers.insert(SEC_WEBSOCKET_KEY, websocket_key());
    Some(Key::Ours)
}

/// Turns a 101 into what an HTTP/2 client is told instead.
pub(super) fn translate_back(response: &mut Parts, key: Key) {
    response.status = StatusCode::OK;
    // Some upstreams give a 101 a length, which a success of CONNECT may not have (RFC 9110, 9.3.6).
    for name in [header::CONNECTION, header::UPGRADE, header::CONTENT_LENGTH] {
        response.headers.remove(name);
    }
    if key == Key::Ours {
        response.headers.remove(SEC_WEBSOCKET_ACCEPT);
    }
}

/// Sixteen random bytes in base64 (RFC 6455, section 4.1). They protect nobody here: the client proved over HTTP/2 that
/// it means a WebSocket.
fn websocket_key() -> HeaderValue {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = random::bits();
    let mut key = [b'='; 24];
    for (place, letter) in key.iter_mut().take(22).enumerate() {
        let shift = 122_i32 - 6 * place as i32;
        let sextet = if shift >= 0 { bits >> shift } else { bits << -shift };
        *letter = ALPHABET[(sextet & 63) as usize];
    }
    HeaderValue::from_bytes(&key).expect("base64 is visible ASCII")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn websocket_keys_are_sixteen_bytes_and_differ() {
        let (one, two) = (websocket_key(), websocket_key());
        assert_ne!(one, two);
        assert_eq!(one.len(), 24);
        assert!(one.as_bytes().ends_with(b"=="));
        // The last letter carries two bits only.
        assert!(b"AQgw".contains(&one.as_bytes()[21]));
    }
}
