//! The life of a client connection: it waits for a request, is driven by hyper while there are any, and waits again.
//!
//! A connection that waits holds its socket and a few hundred bytes. hyper's connection, with its buffers and the
//! request's future, exists from the first complete head until a moment after the last response.
//!
//! Time is limited for a head, from its first byte, and between requests; for silence within a request's body by whoever
//! sends it on. Not within a response or a tunnel: how long they may be silent is the application's to know. A client that
//! has vanished is found by TCP keep-alive, and a drain waits only so long.

use std::{
    future::poll_fn,
    pin::{Pin, pin},
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::{server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{
    task::coop::unconstrained,
    time::{Instant, Sleep, sleep, sleep_until},
};

use super::{
    boundary::{Boundary, NARROW_FIELDS, Transport, Woken},
    client_body::ClientBody,
    client_conn::{ClientConn, Phase},
    closing::close,
    http2,
    tracked::Tracked,
    worker::{Driven, Worker},
};
use crate::{
    batched::Reader,
    bypass::MayBypass,
    config::{Limits, Timeouts},
    drain::Drain,
};

/// How often a connection that hyper drives is looked at: one that did nothing for so long is taken from hyper.
///
/// Long enough that a client that asks again and again does not pay for new buffers each time.
const TICK: Duration = Duration::from_millis(100);

/// The same while there is a crowd of them: thousands of clients that each ask once must not pile up buffers.
const CROWDED_TICK: Duration = Duration::from_millis(20);

/// How long a client that has ended its side is waited for. Without writing to it there is no telling whether it has
/// gone (most have) or waits for the response to its last request (few do).
const LEAVING: Duration = Duration::from_secs(1);

/// The same while nothing is read of what it sent before. The upstream may be slow, and the system takes megabytes for it at
/// once.
const STALLED: Duration = Duration::from_secs(5);

/// How long after its last response, or after it was made, a connection is kept for one more request while draining.
/// A client that is busy has sent it before it could know better.
const LAST_CALL: Duration = Duration::from_millis(250);

/// Bytes that hyper reads or gathers at once, at most, but for heads that are larger.
const BUFFER_BYTES: usize = 64 * 1024;

/// An error that a response body may end with.
pub(crate) type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What serves the requests of one connection.
pub(crate) trait Handler:
    Service<
        Request<ClientBody>,
        Response = Response<Self::Body>,
        Error: Into<BoxError>,
        Future: Send + 'static,
    > + Send
    + 'static
{
    type Body: Body<Data = Bytes, Error: Into<BoxError>> + MayBypass + Send + 'static;
}

impl<S, B> Handler for S
where
    S: Service<Request<ClientBody>, Response = Response<B>, Error: Into<BoxError>, Future: Send + 'static>
        + Send
        + 'static,
    B: Body<Data = Bytes, Error: Into<BoxError>> + MayBypass + Send + 'static,
{
    type Body = B;
}

/// What the client connections have in common that are accepted until a reload.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(super) limits: Limits,
    pub(super) timeouts: Timeouts,
    pub(super) drain: Drain,
    narrow: http1::Builder,
    wide: http1::Builder,
}

impl Settings {
    pub(crate) fn new(limits: Limits, timeouts: Timeouts, drain: Drain) -> Self {
        let mut narrow = http1::Builder::new();
        // With half-closing hyper does not read while a response is due: the boundary does.
        narrow.max_buf_size(BUFFER_BYTES.max(limits.head.bytes)).header_read_timeout(None).half_close(true);
        let mut wide = narrow.clone();
        wide.max_headers(limits.head.fields.max(NARROW_FIELDS));
        Self { limits, timeouts, drain, narrow, wide }
    }
}

/// Serves a client connection to its end.
#[expect(clippy::manual_async_fn, reason = "an async function would keep the boundary twice")]
pub(super) fn serve<S, F, H>(
    mut boundary: Boundary<S>,
    settings: Arc<Settings>,
    worker: Arc<Worker>,
    handler: F,
) -> impl Future<Output = ()>
where
    S: Transport,
    F: Fn(Arc<ClientConn>) -> H,
    H: Handler,
{
    async move {
        let settings = &*settings;
        let mut idle_since = Instant::now();
        loop {
            match wait(&mut boundary, settings, idle_since).await {
                Woken::Ended => break,
                Woken::Head => {
                    let service = Tracked::new(handler(boundary.client().clone()), boundary.client().clone());
                    // Boxed, so that a connection that waits does not hold the room.
                    let Some(left) = Box::pin(drive(boundary, settings, &worker, service)).await else {
                        return;
                    };
                    boundary = left.boundary;
                    if !left.may_go_on {
                        break;
                    }
                    idle_since = left.idle_since;
                }
                Woken::Http2 => {
                    let service = handler(boundary.client().clone());
                    return Box::pin(http2::drive(boundary, settings, service)).await;
                }
            }
        }
        if boundary.needs_closing() {
            Box::pin(close(boundary, &worker.layer())).await;
        }
    }
}

/// Waits for a request, while nothing but the boundary exists.
async fn wait<S: Transport>(
    boundary: &mut Boundary<S>,
    settings: &Settings,
    mut idle_since: Instant,
) -> Woken {
    let timeouts = &settings.timeouts;
    let mut drained = pin!(settings.drain.notified());
    let mut timer: Pin<&mut Sleep> = pin!(sleep_until(idle_since + timeouts.idle));
    poll_fn(|cx| {
        match boundary.poll_request(cx) {
            Poll::Ready(Ok(woken)) => return Poll::Ready(woken),
            Poll::Ready(Err(_)) => return Poll::Ready(Woken::Ended),
            Poll::Pending => {}
        }
        let _ = drained.as_mut().poll(cx);
        if boundary.poll_sent(cx).is_pending() {
            // It is the response before that lasts.
            idle_since = Instant::now();
        }
        let mut deadline = match boundary.head_since() {
            Some(since) => since + timeouts.request_head,
            None => idle_since + timeouts.idle,
        };
        if settings.drain.has_begun() && boundary.is_silent() {
            deadline = deadline.min(idle_since + LAST_CALL);
        }
        if timer.deadline() != deadline {
            timer.as_mut().reset(deadline);
        }
        if timer.as_mut().poll(cx).is_pending() {
            return Poll::Pending;
        }
        if boundary.head_since().is_some() {
            boundary.time_out_head();
        }
        Poll::Ready(Woken::Ended)
    })
    .await
}

/// What is left when hyper has let go of a connection.
struct Left<S> {
    boundary: Boundary<S>,
    may_go_on: bool,
    idle_since: Instant,
}

/// Why hyper's connection comes down.
enum Down {
    /// hyper has ended it.
    Closed { is_broken: bool },
    /// The client has gone.
    Gone,
    /// It waits for a request.
    Idle,
}

/// Has hyper drive the connection until it is closed or idle. `None` if it became a tunnel or the client has gone.
async fn drive<S: Transport, H: Handler>(
    mut boundary: Boundary<S>,
    settings: &Settings,
    worker: &Worker,
    service: Tracked<H>,
) -> Option<Left<S>> {
    let _driven = Driven::new(worker);
    let client = boundary.client().clone();
    let socket = boundary.reader();
    let is_wide = boundary.is_wide();
    boundary.set_narrow(!is_wide);
    client.enter(Phase::Idle);
    let builder = if is_wide { &settings.wide } else { &settings.narrow };
    let mut is_last = settings.drain.has_begun();
    let io = TokioIo::new(boundary);
    let connection = if is_last {
        builder.clone().keep_alive(false).serve_connection(io, service)
    } else {
        builder.serve_connection(io, service)
    };
    let mut connection = connection.with_upgrades();

    let mut drained = pin!(settings.drain.notified());
    let mut watch = pin!(Watch::new(client.finished(), socket, tick(worker)));
    let mut is_watched = false;
    let down = poll_fn(|cx| {
        loop {
            if !is_last && settings.drain.has_begun() && client.phase() != Phase::Idle {
                is_last = true;
                Pin::new(&mut connection).graceful_shutdown();
            }
            if let Poll::Ready(result) = Pin::new(&mut connection).poll(cx) {
                if let Err(error) = &result {
                    tracing::debug!(peer = %client.peer(), %error, "HTTP/1.1 connection failed");
                }
                return Poll::Ready(Down::Closed { is_broken: result.is_err() });
            }
            match client.phase() {
                Phase::Wide => return Poll::Ready(Down::Idle),
                Phase::Idle if settings.drain.has_begun() => return Poll::Ready(Down::Idle),
                _ if !is_last && settings.drain.has_begun() => {}
                _ => break,
            }
        }
        if !is_watched {
            is_watched = true;
            let _ = drained.as_mut().poll(cx);
        }
        watch.as_mut().poll(cx, &client, worker)
    })
    .await;

    let parts = match down {
        Down::Gone => return None,
        Down::Closed { .. } | Down::Idle => connection.into_parts()?,
    };
    let boundary = parts.io.into_inner();
    if matches!(down, Down::Closed { is_broken: true })
        && boundary.is_http10()
        && boundary.refusal().is_none()
    {
        // The end of the connection would be the end of the response.
        boundary.abort();
    }
    Some(Left {
        // What hyper holds between requests can't be placed.
        may_go_on: matches!(down, Down::Idle) && parts.read_buf.is_empty(),
        idle_since: Instant::now(),
        boundary,
    })
}

fn tick(worker: &Worker) -> Duration {
    if worker.is_crowded() { CROWDED_TICK } else { TICK }
}

pin_project_lite::pin_project! {
    /// Looks at a connection that hyper drives, now and then, but not while whatever happens to it wakes it.
    struct Watch {
        #[pin]
        timer: Sleep,
        is_armed: bool,
        finished: u32,
        reads: u32,
        socket: Option<Reader>,
        leaving_since: Option<Instant>,
    }
}

impl Watch {
    fn new(finished: u32, socket: Option<Reader>, tick: Duration) -> Self {
        Self { timer: sleep(tick), is_armed: false, finished, reads: 0, socket, leaving_since: None }
    }

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>, client: &ClientConn, worker: &Worker) -> Poll<Down> {
        let mut this = self.project();
        // The timer is polled once each time it is set, not with every request: the task and its waker stay the same.
        // It must be set then, whatever of the task's budget hyper has used.
        if *this.is_armed && (!this.timer.is_elapsed() || client.phase() == Phase::Watched) {
            return Poll::Pending;
        }
        while Pin::new(&mut unconstrained(this.timer.as_mut())).poll(cx).is_ready() {
            let (now, finished, reads) = (Instant::now(), client.finished(), client.reads());
            let ended = this.socket.as_ref().map(Reader::ended).unwrap_or_default();
            match client.phase() {
                _ if ended.receiving => return Poll::Ready(Down::Gone),
                Phase::Idle if *this.finished == finished => return Poll::Ready(Down::Idle),
                phase @ (Phase::Leaving | Phase::Stalled) if *this.reads == reads => {
                    let patience = if phase == Phase::Leaving { LEAVING } else { STALLED };
                    if now - *this.leaving_since.get_or_insert(now) >= patience {
                        return Poll::Ready(Down::Gone);
                    }
                }
                phase => {
                    *this.leaving_since = None;
                    if phase == Phase::Busy && ended.sending {
                        // The end lies behind what nobody reads, as long as the upstream takes no more of it.
                        client.enter(Phase::Stalled);
                    }
                }
            }
            (*this.finished, *this.reads) = (finished, reads);
            let tick = if client.phase() == Phase::Idle { tick(worker) } else { TICK };
            this.timer.as_mut().reset(now + tick);
        }
        *this.is_armed = true;
        Poll::Pending
    }
}
