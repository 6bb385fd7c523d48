//! HTTP/2 connections, by the h2 crate. What hyper does between it and a service is done elsewhere here, or not needed.

mod date;
mod exchange;
#[cfg_attr(not(test), expect(dead_code, unused_imports, reason = "what uses it comes next"))]
mod hpack;
mod resets;
mod stream_body;
mod streams;
mod tunnel;
mod websocket;

use std::{future::poll_fn, mem, pin::pin, task::Poll};

use bytes::Bytes;
use h2::server::Builder;
use tokio::{
    task::coop::unconstrained,
    time::{Instant, sleep, timeout},
};

use self::{exchange::Exchange, resets::Resets, streams::Streams};
use super::{
    boundary::{Boundary, Transport},
    connection::{Handler, Settings},
};

pub(super) use self::{stream_body::StreamBody, tunnel::AwaitedTunnel};

/// Streams that a client may have open at once.
const STREAMS: u32 = 128;

/// What a client may send on one stream before the request's body is read: the protocol's own default.
const STREAM_WINDOW: u32 = 64 * 1024 - 1;

/// What a client may send on all streams together: bounds what one connection makes us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// What of a response is gathered per stream while the client does not read.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// What frames of less than 256 bytes may take of our memory besides their bytes, as h2 counts it, while they wait to be
/// read: 8,000 messages of a few bytes, which a stream's window lets through at once. h2's own measure is a quarter of it.
const SMALL_FRAMES_BYTES: usize = 2 * 1024 * 1024;

/// How much larger than allowed a head may be and still be read: h2's own answer to one that it does not read is bare.
/// What is read and too large is answered like any other request.
const HEAD_FACTOR: usize = 4;

/// An idle connection is looked at so many times before it is closed.
const LOOKS: u32 = 4;

/// Drives an HTTP/2 connection to its end.
pub(super) async fn drive<S: Transport, H: Handler>(boundary: Boundary<S>, settings: &Settings, service: H) {
    let client = boundary.client().clone();
    client.take_interim_responses(true);
    let idle = settings.timeouts.idle;
    let shaken = timeout(idle, builder(settings).handshake::<_, Bytes>(Resets::new(boundary))).await;
    let Ok(Ok(mut connection)) = shaken else { return };
    let mut streams = Streams::new();

    let look = idle / LOOKS;
    let mut drained = pin!(settings.drain.notified());
    let mut timer = pin!(sleep(look));
    let (mut is_last, mut is_armed) = (false, false);
    let (mut is_used, mut idle_looks) = (false, 0);
    poll_fn(move |cx| {
        if !is_last && settings.drain.has_begun() {
            is_last = true;
            connection.graceful_shutdown();
            streams.wake_connection();
        }
        let ended = streams.poll(cx, |cx| {
            pin!(connection.accept()).poll(cx).map(|accepted| match accepted? {
                Ok((request, respond)) => {
                    is_used = true;
                    Some(Box::pin(Exchange::new(&service, request, respond, client.clone())))
                }
                Err(error) => {
                    tracing::debug!(%error, "HTTP/2 connection failed");
                    None
                }
            })
        });
        if ended.is_ready() {
            return Poll::Ready(());
        }
        if !is_armed {
            let _ = drained.as_mut().poll(cx);
        } else if !timer.is_elapsed() {
            return Poll::Pending;
        }
        is_armed = true;
        while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
            let is_idle = !mem::take(&mut is_used) && !connection.has_streams();
            idle_looks = if is_idle { idle_looks + 1 } else { 0 };
            if idle_looks == LOOKS + 2 {
                // It was told to end and has not.
                return Poll::Ready(());
            }
            if idle_looks == LOOKS + 1 && !is_last {
                is_last = true;
                connection.graceful_shutdown();
                streams.wake_connection();
            }
            timer.as_mut().reset(Instant::now() + look);
        }
        Poll::Pending
    })
    .await;
}

fn builder(settings: &Settings) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_connect_protocol()
        .max_concurrent_streams(STREAMS)
        .max_header_list_size(u32::try_from(settings.limits.head_bytes * HEAD_FACTOR).unwrap_or(u32::MAX))
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .data_frame_budget(SMALL_FRAMES_BYTES);
    builder
}
