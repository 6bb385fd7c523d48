//! HTTP/2 towards upstreams, with prior knowledge: one shared connection per worker and upstream.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use http::{HeaderMap, Request, Response, Uri, Version, header, uri};
use hyper::{body::Incoming, client::conn::http2};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::time::Instant;

use super::{Limits, RequestBody, connect::connect};
use crate::{
    config::UpstreamConfig,
    local_reply::{Cause, Failure},
    metrics::OpenConnection,
};

/// What one stream may have under way: enough for a fast network, little for a thousand slow readers.
const STREAM_WINDOW: u32 = 256 * 1024;
/// What all streams of a connection may have under way.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// What is buffered per stream towards the upstream.
const SEND_BUFFER: usize = 64 * 1024;

/// A handle to a connection; its frames are read and written by a task of its own.
#[derive(Clone, Debug)]
pub(super) struct Http2Connection {
    sender: http2::SendRequest<RequestBody>,
    usage: Arc<Usage>,
}

#[derive(Debug)]
struct Usage {
    streams: AtomicUsize,
    /// Milliseconds from `opened` to the end of the last stream.
    last_used: AtomicUsize,
    opened: Instant,
    idle: Duration,
    _open: OpenConnection,
}

/// A stream that is not finished: keeps its connection from expiring.
#[derive(Debug)]
pub(crate) struct Stream(Arc<Usage>);

impl Drop for Stream {
    fn drop(&mut self) {
        self.0.streams.fetch_sub(1, Relaxed);
        self.0.last_used.store(self.0.opened.elapsed().as_millis() as usize, Relaxed);
    }
}

impl Http2Connection {
    pub(super) async fn open(config: &UpstreamConfig, limits: &Limits) -> Result<Self, Failure> {
        let (stream, open) = connect(config, limits.connect).await?;
        let (sender, connection) = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_send_buf_size(SEND_BUFFER)
            .max_header_list_size(u32::try_from(limits.connection.head_bytes).unwrap_or(u32::MAX))
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|error| Failure::new(Cause::Disconnected, error))?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to upstream ended");
            }
        });
        let usage = Usage {
            streams: AtomicUsize::new(0),
            last_used: AtomicUsize::new(0),
            opened: Instant::now(),
            idle: limits.connection.idle,
            _open: open,
        };
        Ok(Self { sender, usage: Arc::new(usage) })
    }

    /// Whether requests may be sent: neither closed nor told to go away.
    pub(super) fn is_open(&self) -> bool {
        self.sender.is_ready()
    }

    /// Whether it has had no stream for longer than it may.
    pub(super) fn is_expired(&self, now: Instant) -> bool {
        let last_used = Duration::from_millis(self.usage.last_used.load(Relaxed) as u64);
        !self.is_open()
            || (self.usage.streams.load(Relaxed) == 0
                && self.usage.opened + last_used + self.usage.idle <= now)
    }

    /// Sends a request. One that never left comes back with the error.
    pub(super) async fn send(
        mut self,
        request: Request<RequestBody>,
    ) -> Result<(Response<Incoming>, Stream), (hyper::Error, Option<Request<RequestBody>>)> {
        self.usage.streams.fetch_add(1, Relaxed);
        let stream = Stream(self.usage.clone());
        let sent = self.sender.try_send_request(request);
        // The connection must not outlive its idle time because a response is waited for by a handle.
        drop(self);
        match sent.await {
            Ok(response) => Ok((response, stream)),
            Err(mut error) => {
                let request = error.take_message();
                Err((error.into_error(), request))
            }
        }
    }
}

/// Whether a request is gRPC: `application/grpc`, alone or with `+proto`, `+json` and the like.
pub(super) fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    headers.get(header::CONTENT_TYPE).map(http::HeaderValue::as_bytes).is_some_and(|value| {
        value.len() >= GRPC.len()
            && value[..GRPC.len()].eq_ignore_ascii_case(GRPC)
            && matches!(value.get(GRPC.len()), None | Some(b'+' | b';' | b' ' | b'\t'))
    })
}

/// Host becomes `:authority`, and nothing that speaks of the connection stays.
pub(super) fn to_http2(mut request: Request<RequestBody>) -> Result<Request<RequestBody>, Failure> {
    let host = request.headers_mut().remove(header::HOST);
    let authority = match host {
        Some(host) => uri::Authority::from_maybe_shared(bytes::Bytes::copy_from_slice(host.as_bytes()))
            .map_err(|error| Failure::new(Cause::BadRequest, error))?,
        None => return Err(Failure::new(Cause::BadRequest, "no Host for :authority")),
    };
    let mut parts = std::mem::take(request.uri_mut()).into_parts();
    parts.scheme = Some(uri::Scheme::HTTP);
    parts.authority = Some(authority);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| Failure::new(Cause::BadRequest, error))?;
    *request.version_mut() = Version::HTTP_2;
    request.headers_mut().remove(header::CONNECTION);
    Ok(request)
}

/// What a failed exchange means.
pub(super) fn explain(error: hyper::Error) -> Failure {
    let cause = if error.is_parse() { Cause::InvalidReply } else { Cause::Disconnected };
    Failure::new(cause, error)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    /// T54
    #[test]
    fn grpc_is_told_by_its_media_type() {
        let cases = [
            ("application/grpc", true),
            ("application/grpc+proto", true),
            ("application/grpc+json", true),
            ("Application/GRPC; x=y", true),
            ("application/grpcfoo", false),
            ("application/grpc-web", false),
            ("application/json", false),
            ("", false),
        ];
        for (value, grpc) in cases {
            let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, HeaderValue::from_static(value))]);
            assert_eq!(is_grpc(&headers), grpc, "{value}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }
}
