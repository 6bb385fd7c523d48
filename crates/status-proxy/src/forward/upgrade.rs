//! Other protocols on a client's connection: `Upgrade` (RFC 9110, section 7.8) and extended CONNECT (RFC 8441).

use std::hash::{BuildHasher, Hasher, RandomState};

use bytes::BytesMut;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::{ext::Protocol, upgrade::OnUpgrade};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncWriteExt, copy_bidirectional};

use super::hop_by_hop;
use crate::upstream::Tunnel;

const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");
const SEC_WEBSOCKET_ACCEPT: HeaderName = HeaderName::from_static("sec-websocket-accept");

/// The protocols that a request asks for, without those that would carry requests past the proxy: an upstream that
/// switches to HTTP/2 would be talked to unseen.
pub(super) fn requested(headers: &HeaderMap) -> Option<HeaderValue> {
    if !headers.contains_key(header::UPGRADE) || !hop_by_hop::lists(headers, &header::CONNECTION, "upgrade") {
        return None;
    }
    let mut wanted = BytesMut::new();
    for protocol in headers.get_all(header::UPGRADE).iter().flat_map(hop_by_hop::tokens) {
        if !carries_requests(protocol) {
            if !wanted.is_empty() {
                wanted.extend_from_slice(b", ");
            }
            wanted.extend_from_slice(protocol);
        }
    }
    if wanted.is_empty() { None } else { HeaderValue::from_maybe_shared(wanted.freeze()).ok() }
}

fn carries_requests(protocol: &[u8]) -> bool {
    let lower = protocol.to_ascii_lowercase();
    [&b"h2"[..], b"h3", b"http/", b"tls/"].iter().any(|prefix| lower.starts_with(prefix))
}

/// Turns an extended CONNECT for a WebSocket into the HTTP/1.1 request for one. Whether it was one.
pub(super) fn translate<B>(request: &mut Request<B>) -> bool {
    let is_websocket = *request.method() == Method::CONNECT
        && request.extensions().get::<Protocol>().is_some_and(|protocol| protocol.as_str() == "websocket");
    if is_websocket {
        *request.method_mut() = Method::GET;
        *request.version_mut() = http::Version::HTTP_11;
        let host = request.uri().authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok());
        let headers = request.headers_mut();
        if let Some(host) = host {
            headers.insert(header::HOST, host);
        }
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(SEC_WEBSOCKET_KEY, websocket_key());
    }
    is_websocket
}

/// What an HTTP/2 client is told instead of 101.
pub(super) fn translate_back<B>(response: &mut Response<B>) {
    if response.status() == StatusCode::SWITCHING_PROTOCOLS {
        *response.status_mut() = StatusCode::OK;
        let headers = response.headers_mut();
        for name in [header::CONNECTION, header::UPGRADE, SEC_WEBSOCKET_ACCEPT] {
            headers.remove(name);
        }
    }
}

/// Sixteen random bytes in base64 (RFC 6455, section 4.1). They protect nobody here: the client proved over HTTP/2 that
/// it means a WebSocket.
fn websocket_key() -> HeaderValue {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits = random();
    let mut key = [b'='; 24];
    for (place, letter) in key.iter_mut().take(22).enumerate() {
        let shift = 122_i32 - 6 * place as i32;
        let sextet = if shift >= 0 { bits >> shift } else { bits << -shift };
        *letter = ALPHABET[(sextet & 63) as usize];
    }
    HeaderValue::from_bytes(&key).expect("base64 is visible ASCII")
}

/// 128 bits that cannot be guessed from the outside: the standard library's hashers are keyed at random.
pub(super) fn random() -> u128 {
    let half = || u128::from(RandomState::new().build_hasher().finish());
    half() << 64 | half()
}

/// Carries bytes both ways until both sides have ended; one may end before the other.
pub(super) async fn tunnel(client: OnUpgrade, tunnel: Tunnel) {
    let Tunnel { io: mut upstream, read, .. } = tunnel;
    let client = match client.await {
        Ok(client) => client,
        Err(error) => {
            tracing::debug!(%error, "client left before its connection was upgraded");
            return;
        }
    };
    let mut client = TokioIo::new(client);
    let outcome = match client.write_all(&read).await {
        Ok(()) => copy_bidirectional(&mut client, &mut upstream).await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "tunnel ended");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protocols_that_carry_requests_are_not_asked_for() {
        let cases = [
            ("websocket", Some("websocket")),
            ("h2c", None),
            ("H2C, websocket", Some("websocket")),
            ("TLS/1.0, HTTP/1.1", None),
            ("foo/2, bar", Some("foo/2, bar")),
        ];
        for (upgrade, expected) in cases {
            let headers = HeaderMap::from_iter([
                (header::CONNECTION, HeaderValue::from_static("keep-alive, Upgrade")),
                (header::UPGRADE, HeaderValue::from_static(upgrade)),
            ]);
            assert_eq!(
                requested(&headers).as_ref().map(|value| value.to_str().unwrap()),
                expected,
                "{upgrade}"
            );
        }
    }

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
