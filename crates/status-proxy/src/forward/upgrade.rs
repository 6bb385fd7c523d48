//! Other protocols on a client's connection: `Upgrade` (RFC 9110, section 7.8).

use std::{future::pending, io, pin::pin};

use bytes::BytesMut;
use http::{HeaderMap, HeaderValue, header};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, copy, split};

use super::hop_by_hop;
use crate::{listen::ClientUpgrade, upstream::Tunnel};

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

/// Carries bytes both ways until both sides have ended; one may end before the other.
pub(super) async fn tunnel(client: ClientUpgrade, tunnel: Tunnel) {
    let outcome = match client.tunnel().await {
        Ok(client) => carry(client, tunnel).await,
        Err(error) => {
            tracing::debug!(%error, "client left before its connection was upgraded");
            return;
        }
    };
    if let Err(error) = outcome {
        tracing::debug!(%error, "tunnel ended");
    }
}

async fn carry(client: impl AsyncRead + AsyncWrite, tunnel: Tunnel) -> io::Result<()> {
    let Tunnel { io: upstream, read, .. } = tunnel;
    let (mut from_client, mut to_client) = split(client);
    let (mut from_upstream, mut to_upstream) = split(upstream);
    let mut down = pin!(async {
        to_client.write_all(&read).await?;
        copy(&mut from_upstream, &mut to_client).await?;
        to_client.shutdown().await
    });
    let mut up = pin!(async {
        copy(&mut from_client, &mut to_upstream).await?;
        to_upstream.shutdown().await?;
        Ok(from_client)
    });
    let mut from_client = tokio::select! {
        ended = &mut up => ended?,
        ended = &mut down => {
            ended?;
            return up.await.map(drop);
        }
    };
    // A client that has ended its side may go altogether while the upstream is silent.
    let gone = async {
        match from_client.read(&mut [0]).await {
            Ok(_) => pending().await,
            Err(error) => Err(error),
        }
    };
    tokio::select! {
        ended = down => ended,
        gone = gone => gone,
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
}
