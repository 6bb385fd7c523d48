//! Connections to HTTP/2 upstreams.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker},
    time::Duration,
};

use bytes::Bytes;
use h2::{
    SendStream,
    client::{Builder, Connection, ResponseFuture, SendRequest},
};
use http::Request;
use tokio::{net::TcpStream, sync::Notify, time::Instant};

use super::exchange::explain;
use crate::{
    config::UpstreamConfig,
    local_reply::{Cause, Failure},
    upstream::{Limits, connect::connect},
};

/// What an upstream may send on one stream before it is read: enough for a fast network, little for a thousand slow readers.
const STREAM_WINDOW: u32 = 128 * 1024;

/// What it may send on all streams together: as much as on each of them. With less, some that nobody reads would hold up all
/// others.
const CONNECTION_WINDOW: u32 = (1 << 31) - 1;

/// What is buffered per stream towards the upstream.
const SEND_BUFFER_BYTES: usize = 64 * 1024;

/// What frames of less than 256 bytes may take of our memory besides their bytes, as h2 counts it, while they wait to be
/// read. h2 ends the connection then, for all its streams: sixteen of them may wait with messages of eight bytes.
const SMALL_FRAMES_BYTES: usize = 64 * 1024 * 1024;

/// How long a connection on which a stream was refused takes no more of them at once than it had then.
const AFTER_REFUSAL: Duration = Duration::from_secs(1);

/// A handle to a connection; its frames are read and written by a task of its own, until there are neither handles nor
/// streams.
#[derive(Clone, Debug)]
pub(in crate::upstream) struct Http2Connection {
    sender: SendRequest<Bytes>,
    usage: Arc<Usage>,
}

#[derive(Debug)]
struct Usage {
    streams: AtomicUsize,
    /// Whether a stream was ever opened.
    is_used: AtomicBool,
    /// Milliseconds from `opened` to the end of the last stream.
    last_used: AtomicUsize,
    opened: Instant,
    idle: Duration,
    is_suspect: AtomicBool,
    /// How many others there were when a stream was refused, and until when that is a limit, in milliseconds from `opened`.
    refused_beside: AtomicUsize,
    refused_until: AtomicUsize,
    /// Told when a stream has ended.
    changed: Arc<Notify>,
}

/// A stream that is not finished: keeps its connection from expiring.
#[derive(Debug)]
pub(super) struct InUse {
    usage: Arc<Usage>,
    is_first: bool,
}

impl InUse {
    /// Whether it is the first on its connection.
    pub(super) fn is_first(&self) -> bool {
        self.is_first
    }

    /// Has the connection take no more requests: it has not answered one, and may be dead.
    pub(super) fn suspect(&self) {
        self.usage.is_suspect.store(true, Relaxed);
    }

    /// If the connection has others, has it take no more than these for a while: upstreams that count streams which they
    /// have not cleared away yet, as gRPC's C core does, refuse some of those that they said they would take.
    pub(super) fn refuse(&self) {
        let Usage { streams, refused_beside, refused_until, opened, .. } = &*self.usage;
        let others = streams.load(Relaxed) - 1;
        if others > 0 {
            refused_beside.store(others, Relaxed);
            refused_until.store((opened.elapsed() + AFTER_REFUSAL).as_millis() as usize, Relaxed);
        }
    }
}

impl Drop for InUse {
    fn drop(&mut self) {
        self.usage.streams.fetch_sub(1, Relaxed);
        self.usage.last_used.store(self.usage.opened.elapsed().as_millis() as usize, Relaxed);
        self.usage.changed.notify_one();
    }
}

impl Http2Connection {
    /// Opens a connection on which the upstream takes requests. `changed` is told whenever a stream of it has ended.
    pub(in crate::upstream) async fn open(
        config: &UpstreamConfig,
        limits: &Limits,
        changed: Arc<Notify>,
    ) -> Result<Self, Failure> {
        let (stream, open) = connect(config, limits.connect).await?;
        let (sender, mut connection) = builder(limits).handshake(stream).await.map_err(explain)?;
        poll_fn(|cx| poll_first_settings(&mut connection, cx)).await?;
        tokio::spawn(async move {
            let _open = open;
            if let Err(error) = connection.await {
                tracing::debug!(%error, "HTTP/2 connection to upstream ended");
            }
        });
        let usage = Usage {
            streams: AtomicUsize::new(0),
            is_used: AtomicBool::new(false),
            last_used: AtomicUsize::new(0),
            opened: Instant::now(),
            idle: limits.connection.idle,
            is_suspect: AtomicBool::new(false),
            refused_beside: AtomicUsize::new(0),
            refused_until: AtomicUsize::new(0),
            changed,
        };
        Ok(Self { sender, usage: Arc::new(usage) })
    }

    /// Whether the upstream takes another stream now. One that waited for that in h2 could not be taken back.
    pub(in crate::upstream) fn has_room(&self) -> bool {
        let Usage { streams, refused_beside, refused_until, opened, .. } = &*self.usage;
        let (streams, refused_until) = (streams.load(Relaxed), refused_until.load(Relaxed));
        let is_refusing = refused_until > 0
            && streams >= refused_beside.load(Relaxed)
            && opened.elapsed().as_millis() < refused_until as u128;
        !is_refusing && streams < self.sender.current_max_send_streams()
    }

    /// Whether requests may be sent, now or when others have ended: neither closed nor told to go away or to send none at
    /// all, and streams have numbers left.
    pub(in crate::upstream) fn is_open(&mut self) -> bool {
        let ready = self.sender.poll_ready(&mut Context::from_waker(Waker::noop()));
        matches!(ready, Poll::Ready(Ok(())))
            && !self.usage.is_suspect.load(Relaxed)
            && (!self.is_idle() || self.sender.current_max_send_streams() > 0)
    }

    /// Whether it has no stream.
    pub(in crate::upstream) fn is_idle(&self) -> bool {
        self.usage.streams.load(Relaxed) == 0
    }

    /// Whether it has had no stream for longer than it may.
    pub(in crate::upstream) fn is_expired(&mut self, now: Instant) -> bool {
        let last_used = Duration::from_millis(self.usage.last_used.load(Relaxed) as u64);
        !self.is_open() || (self.is_idle() && self.usage.opened + last_used + self.usage.idle <= now)
    }

    /// Opens a stream, which is reset when all that is returned is dropped before both sides have ended it.
    pub(super) fn send(
        mut self,
        request: Request<()>,
        is_whole: bool,
    ) -> Result<(ResponseFuture, SendStream<Bytes>, InUse), h2::Error> {
        let (response, stream) = self.sender.send_request(request, is_whole)?;
        self.usage.streams.fetch_add(1, Relaxed);
        let is_first = !self.usage.is_used.swap(true, Relaxed);
        Ok((response, stream, InUse { usage: self.usage, is_first }))
    }
}

/// Reads and writes until the upstream has said how many streams it takes, and that it takes any (RFC 9113, 3.4 and 5.1.2).
fn poll_first_settings(
    connection: &mut Connection<TcpStream, Bytes>,
    cx: &mut Context<'_>,
) -> Poll<Result<(), Failure>> {
    match Pin::new(&mut *connection).poll(cx) {
        Poll::Ready(Ok(())) => Poll::Ready(Err(Failure::new(Cause::Disconnected, "closed at once"))),
        Poll::Ready(Err(error)) => Poll::Ready(Err(explain(error))),
        Poll::Pending if connection.max_concurrent_send_streams() > 0 => Poll::Ready(Ok(())),
        Poll::Pending => Poll::Pending,
    }
}

fn builder(limits: &Limits) -> Builder {
    let mut builder = Builder::new();
    builder
        .enable_push(false)
        .initial_max_send_streams(0)
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(u32::try_from(limits.connection.head_bytes).unwrap_or(u32::MAX))
        .max_send_buffer_size(SEND_BUFFER_BYTES)
        .data_frame_budget(SMALL_FRAMES_BYTES)
        // However many answers of an upstream are malformed, the others go on.
        .max_local_error_reset_streams(None);
    builder
}
