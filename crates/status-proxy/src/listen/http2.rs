//! HTTP/2 connections.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    task::Poll,
};

use hyper::server::conn::http2;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    task::coop::unconstrained,
    time::{Instant, sleep},
};

use super::{
    boundary::{Boundary, Transport},
    connection::{Handler, Settings},
    resets::Resets,
    streams::{Starter, Streams},
    tracked::Tracked,
};

/// Streams that a client may have open at once.
const STREAMS: u32 = 128;

/// What a client may send on one stream before the request's body is read: the protocol's own default.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;

/// What a client may send on all streams together: bounds what one connection makes us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What of a response is gathered per stream while the client does not read.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// How much larger than allowed a head may be and still be read: h2's own answer to one that it does not read is bare.
/// What is read and too large is answered like any other request.
const HEAD_FACTOR: usize = 4;

/// An idle connection is looked at so many times before it is closed.
const LOOKS: u32 = 4;

/// Drives an HTTP/2 connection to its end.
pub(super) async fn drive<S: Transport, H: Handler>(
    boundary: Boundary<S>,
    settings: &Settings,
    service: Tracked<H>,
) {
    let client = boundary.client().clone();
    let mut builder = http2::Builder::new(Starter);
    builder
        .timer(TokioTimer::new())
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(settings.limits.head_bytes * HEAD_FACTOR).unwrap_or(u32::MAX))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buf_size(SEND_BUFFER_BYTES);
    let mut connection = pin!(builder.serve_connection(TokioIo::new(Resets::new(boundary)), service));
    let mut streams = Streams::new();

    let look = settings.timeouts.idle / LOOKS;
    let mut drained = pin!(settings.drain.notified());
    let mut timer = pin!(sleep(look));
    let (mut is_last, mut is_armed) = (false, false);
    let (mut started, mut idle_looks) = (client.started(), 0);
    poll_fn(|cx| {
        if !is_last && settings.drain.has_begun() {
            is_last = true;
            connection.as_mut().graceful_shutdown();
            streams.wake_connection();
        }
        if let Poll::Ready(result) = streams.poll(cx, connection.as_mut()) {
            if let Err(error) = result {
                tracing::debug!(%error, "HTTP/2 connection failed");
            }
            return Poll::Ready(());
        }
        if !is_armed {
            let _ = drained.as_mut().poll(cx);
        } else if !timer.is_elapsed() {
            return Poll::Pending;
        }
        is_armed = true;
        while Pin::new(&mut unconstrained(timer.as_mut())).poll(cx).is_ready() {
            let now = client.started();
            idle_looks = if now == started && now == client.finished() { idle_looks + 1 } else { 0 };
            started = now;
            if idle_looks == LOOKS + 2 {
                // It was told to end and has not.
                return Poll::Ready(());
            }
            if idle_looks == LOOKS + 1 && !is_last {
                is_last = true;
                connection.as_mut().graceful_shutdown();
                streams.wake_connection();
            }
            timer.as_mut().reset(Instant::now() + look);
        }
        Poll::Pending
    })
    .await;
}
