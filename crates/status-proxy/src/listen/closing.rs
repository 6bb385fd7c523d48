//! How a connection ends: on HTTP/1.1 the answer to what could not be read, and a close that lets the client read it.

use std::{future::poll_fn, io, net::SocketAddr, time::Duration};

use bytes::BytesMut;
use http::StatusCode;
use status_normalize::StatusNormalizeLayer;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::{Instant, timeout_at},
};

use super::boundary::{Boundary, Refusal, Transport, write_head};
use crate::local_reply::{Cause, Parties};

/// How long a client that is still sending has to read the answer and to close.
const LINGER: Duration = Duration::from_secs(5);

/// How much of what it is still sending is taken in meanwhile.
const LINGER_BYTES: usize = 16 * 1024 * 1024;

/// Closes a connection of which hyper has let go.
pub(super) async fn close<S: Transport>(mut boundary: Boundary<S>, layer: &StatusNormalizeLayer) {
    let end = Instant::now() + LINGER;
    if let Some(refusal) = boundary.refusal() {
        let bytes = answer(refusal, boundary.client().peer(), layer);
        if !matches!(timeout_at(end, send(&mut boundary, &bytes)).await, Ok(Ok(()))) {
            return;
        }
    }
    if boundary.has_unread_input() {
        linger(boundary.stream_mut(), end).await;
    }
}

async fn send<S: Transport>(boundary: &mut Boundary<S>, bytes: &[u8]) -> io::Result<()> {
    boundary.stream_mut().write_all(bytes).await?;
    poll_fn(|cx| boundary.poll_sent(cx)).await;
    Ok(())
}

/// The whole answer to a request that could not be read, as bytes.
fn answer(refusal: Refusal, peer: SocketAddr, layer: &StatusNormalizeLayer) -> BytesMut {
    let Refusal { status, is_head, reason } = refusal;
    let cause = match status {
        StatusCode::HTTP_VERSION_NOT_SUPPORTED => Cause::UnsupportedVersion,
        StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => Cause::HeadTooLarge,
        StatusCode::REQUEST_TIMEOUT => Cause::RequestTimeout,
        StatusCode::URI_TOO_LONG => Cause::UriTooLong,
        _ => Cause::BadRequest,
    };
    cause.record(Parties { peer: Some(peer), ..Parties::default() }, Some(reason.to_owned()));
    let (head, body) = layer.unread_request_reply(cause.status()).into_parts();
    let mut bytes = BytesMut::with_capacity(512 + body.len());
    write_head(&mut bytes, head.status, &head.headers);
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    bytes.extend_from_slice(format!("date: {date}\r\nconnection: close\r\n\r\n").as_bytes());
    if !is_head {
        bytes.extend_from_slice(&body);
    }
    bytes
}

/// Ends our side, then waits for the client to end its own. Whether it does so in time or not, the connection ends here.
pub(super) async fn linger<S: Transport>(stream: &mut S, end: Instant) {
    let _ = timeout_at(end, take_in(stream)).await;
}

async fn take_in<S: Transport>(stream: &mut S) -> io::Result<()> {
    stream.shutdown().await?;
    let mut space = vec![0; 8 * 1024];
    let mut left = LINGER_BYTES;
    while left > 0 {
        match stream.read(&mut space).await? {
            0 => break,
            read => left = left.saturating_sub(read),
        }
    }
    Ok(())
}
