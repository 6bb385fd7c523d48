//! HTTP/2 connections (RFC 9113).

mod connection;
mod date;
#[cfg(test)]
mod differential;
mod exchange;
mod head;
mod inbox;
mod receive;
mod stream;
mod tunnel;
mod wakers;
mod waste;
mod websocket;

use std::{future::poll_fn, mem, pin::pin, task::Poll, time::Duration};

use tokio::{
    task::coop::unconstrained,
    time::{Instant, sleep},
};

use self::connection::{Connection, Ended};
use super::{
    boundary::{Boundary, Transport},
    closing::linger,
    connection::{Handler, Settings},
};

pub(crate) use self::head::MAX_TARGET;
pub(super) use self::{inbox::StreamBody, tunnel::AwaitedTunnel};

/// Streams that a client may have open at once.
const STREAMS: usize = 128;

/// What a client may send on one stream before the request's body is read: a body of 64 KiB whole, for which the protocol's
/// own default is one byte short.
const STREAM_WINDOW: u32 = 128 * 1024;

/// What a client may send on all streams together: bounds what one connection makes us hold.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// How long a client that has been told everything may go on sending before its connection is closed.
const LINGER: Duration = Duration::from_secs(1);

/// How long a client that is told that there will be an end has to say that it knows. What it asks for meanwhile is
/// answered.
const LAST_CALL: Duration = Duration::from_secs(1);

/// How long a client has to read the last of what was said, and to say so.
const PARTING: Duration = Duration::from_secs(10);

/// An idle connection is looked at so many times before it is closed.
const LOOKS: u32 = 4;

/// Drives an HTTP/2 connection to its end.
///
/// Not an async function: that would keep the boundary beside what is made of it.
pub(super) fn drive<S: Transport, H: Handler>(
    boundary: Boundary<S>,
    settings: &Settings,
    service: H,
) -> impl Future<Output = ()> {
    let (io, received, client, place) = boundary.into_http2();
    client.take_interim_responses(true);
    let mut connection = Connection::new(io, received, service, client, settings.limits.head);
    async move {
        run(&mut connection, settings).await;
        // The connection counts until its socket is closed.
        drop((connection, place));
    }
}

async fn run<S: Transport, H: Handler>(connection: &mut Connection<S, H>, settings: &Settings) {
    let look = settings.timeouts.idle / LOOKS;
    let mut drained = pin!(settings.drain.notified());
    let mut timer = pin!(sleep(look));
    let (mut is_last, mut is_armed, mut is_parting) = (false, false, false);
    let (mut last_seen, mut idle_looks) = (0, 0);
    let ended = poll_fn(|cx| {
        if !is_last && settings.drain.has_begun() {
            is_last = true;
            connection.leave();
            timer.as_mut().reset(Instant::now() + LAST_CALL);
            is_armed = false;
        }
        if let Poll::Ready(ended) = connection.poll(cx) {
            return Poll::Ready(ended);
        }
        if !is_parting && connection.is_parting() {
            is_parting = true;
            // One that was idle before has read all long since, or has gone.
            let patience = if idle_looks > 0 { LAST_CALL } else { PARTING.min(settings.timeouts.idle) };
            timer.as_mut().reset(Instant::now() + patience);
            is_armed = false;
        }
        if let Some(since) = connection.incomplete_since()
            && since + settings.timeouts.request_head < timer.deadline()
        {
            timer.as_mut().reset(since + settings.timeouts.request_head);
            is_armed = false;
        }
        if !is_armed {
            if drained.as_mut().poll(cx).is_ready() {
                // It has begun since it was looked at.
                cx.waker().wake_by_ref();
            }
        } else if !timer.is_elapsed() {
            return Poll::Pending;
        }
        is_armed = true;
        while pin!(unconstrained(timer.as_mut())).poll(cx).is_ready() {
            if connection
                .incomplete_since()
                .is_some_and(|since| since.elapsed() >= settings.timeouts.request_head)
            {
                connection.time_out_head();
            }
            if is_parting {
                return Poll::Ready(Ended::Said);
            }
            let is_used = mem::replace(&mut last_seen, connection.last_served()) != last_seen;
            let is_idle = !is_used && !connection.has_streams() && connection.poll_sent().is_ready();
            idle_looks = if is_idle { idle_looks + 1 } else { 0 };
            if is_idle {
                connection.rest();
            }
            if idle_looks == LOOKS + 2 {
                // It was told to end and has not.
                return Poll::Ready(Ended::Lost);
            }
            if is_last || idle_looks == LOOKS + 1 {
                is_last = true;
                connection.leave();
                cx.waker().wake_by_ref();
            }
            timer.as_mut().reset(Instant::now() + look);
        }
        Poll::Pending
    })
    .await;
    if ended == Ended::Said {
        // Closing while the client sends would reset the connection, and that can overtake what was said. Boxed, as most
        // connections never come to it.
        Box::pin(linger(connection.io(), Instant::now() + LINGER)).await;
    }
}
