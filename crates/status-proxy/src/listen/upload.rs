//! Request bodies that go around hyper.
//!
//! hyper reads a body into a buffer of the connection's own, which is not in the processor's cache any more when its turn
//! comes, and hands it over through a channel. A body of known length needs neither: the boundary gives hyper the head
//! without it, and whoever sends the body on reads it from the socket himself, into memory that all connections of a
//! worker share.

use std::{
    cell::RefCell,
    future::Future,
    io,
    pin::pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use super::client_conn::ClientConn;
use crate::{
    batched::Reader,
    bypass::{Bypass, LONG_REQUEST_BODY},
};

/// What is read at once: a head and a body of 64 KiB come in one go.
const SPACE_BYTES: usize = 128 * 1024;

/// What keeps all of the shared space from being used again is worth a copy up to here.
const SMALL_BYTES: usize = 16 * 1024;

thread_local!(static SPACE: RefCell<BytesMut> = RefCell::new(BytesMut::new()));

/// Gives `use_it` the worker's space, which is empty and all there unless what was read into it before is still to be
/// sent.
pub(super) fn with_space<T>(use_it: impl FnOnce(&mut BytesMut) -> T) -> T {
    SPACE.with_borrow_mut(|space| {
        space.clear();
        space.reserve(SPACE_BYTES);
        use_it(space)
    })
}

/// Reads at most `limit` bytes.
pub(super) fn poll_read<IO: AsyncRead + Unpin>(
    io: &mut IO,
    cx: &mut Context<'_>,
    space: &mut BytesMut,
    limit: u64,
) -> Poll<io::Result<usize>> {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX).min(SPACE_BYTES);
    pin!(io.read_buf(&mut space.limit(limit))).poll(cx)
}

/// Takes what is in the space out of it.
pub(super) fn take(space: &mut BytesMut) -> BytesMut {
    if space.len() <= SMALL_BYTES { BytesMut::from(&space[..]) } else { space.split() }
}

/// The body of a request, of a length that is known.
#[derive(Debug)]
pub(crate) struct Upload {
    /// What came with the head.
    read: Bytes,
    rest: Option<Box<Rest>>,
}

/// What of a body is yet to be read.
#[derive(Debug)]
struct Rest {
    reader: Reader,
    client: Arc<ClientConn>,
    connection: Waker,
    /// Where it is read to, if not into memory.
    bypass: Option<Arc<Bypass>>,
}

impl Upload {
    /// How many bytes are to come.
    pub(crate) fn left(&self) -> u64 {
        let unread = self.rest.as_ref().map_or(0, |rest| rest.client.upload().left());
        self.read.len() as u64 + unread
    }

    /// Where stand-ins are from now on in place of what is to come, if that is long.
    pub(crate) fn bypass(&mut self) -> Option<Arc<Bypass>> {
        if self.left() < LONG_REQUEST_BODY {
            return None;
        }
        let rest = self.rest.as_mut()?;
        let bypass = Arc::new(Bypass::default());
        bypass.open();
        rest.bypass = Some(bypass);
        rest.bypass.clone()
    }

    /// The next part; nothing after the last one.
    pub(crate) fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if !self.read.is_empty() {
            return Poll::Ready(Ok(std::mem::take(&mut self.read)));
        }
        let Some(rest) = &mut self.rest else { return Poll::Ready(Ok(Bytes::new())) };
        let data = ready!(rest.poll_data(cx));
        if data.is_err() || rest.client.upload().left() == 0 {
            self.rest = None;
        }
        Poll::Ready(data)
    }
}

impl Rest {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Bytes>> {
        if self.client.upload().state() != State::Going {
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let left = self.client.upload().left();
        let data = match ready!(self.poll_stand_in(cx, left)) {
            Ok(Some(stand_in)) => Ok(stand_in),
            Ok(None) => ready!(self.poll_read(cx, left)),
            Err(error) => Err(error),
        };
        let upload = self.client.upload();
        Poll::Ready(match data {
            Ok(data) if !data.is_empty() => {
                upload.left.store(left - data.len() as u64, Relaxed);
                self.client.has_read();
                Ok(data)
            }
            ended => {
                upload.state.store(CUT, Relaxed);
                Err(ended.err().unwrap_or_else(|| io::ErrorKind::UnexpectedEof.into()))
            }
        })
    }

    fn poll_stand_in(&self, cx: &mut Context<'_>, limit: u64) -> Poll<io::Result<Option<Bytes>>> {
        match &self.bypass {
            Some(bypass) => bypass.poll_fill(cx, &self.reader, limit),
            None => Poll::Ready(Ok(None)),
        }
    }

    fn poll_read(&mut self, cx: &mut Context<'_>, limit: u64) -> Poll<io::Result<Bytes>> {
        with_space(|space| {
            ready!(poll_read(&mut self.reader, cx, space, limit))?;
            Poll::Ready(Ok(take(space).freeze()))
        })
    }
}

impl Drop for Rest {
    fn drop(&mut self) {
        let upload = self.client.upload();
        if upload.state() == State::Going {
            upload.state.store(if upload.left() == 0 { ENDED } else { ABANDONED }, Relaxed);
        }
        // It reads again, or ends.
        self.connection.wake_by_ref();
    }
}

/// What a client connection knows of the body that goes around hyper.
///
/// Used on one thread.
#[derive(Debug, Default)]
pub(super) struct Uploading {
    is_waiting: AtomicBool,
    /// For the service to take.
    next: Mutex<Option<Upload>>,
    left: AtomicU64,
    state: AtomicU8,
}

/// What has become of the body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum State {
    /// It has been read, or there was none.
    Ended,
    /// Somebody reads it.
    Going,
    /// Nobody does any more.
    Abandoned,
    /// The client has ended its side within it.
    Cut,
}

const ENDED: u8 = 0;
const GOING: u8 = 1;
const ABANDONED: u8 = 2;
const CUT: u8 = 3;

impl Uploading {
    pub(super) fn state(&self) -> State {
        match self.state.load(Relaxed) {
            ENDED => State::Ended,
            GOING => State::Going,
            ABANDONED => State::Abandoned,
            _ => State::Cut,
        }
    }

    fn left(&self) -> u64 {
        self.left.load(Relaxed)
    }

    /// Whether nobody reads what the client is still to send.
    pub(super) fn is_abandoned(&self) -> bool {
        self.state() == State::Abandoned
    }

    /// The body of the request that the service has been given.
    pub(super) fn take(&self) -> Option<Upload> {
        if !self.is_waiting.load(Relaxed) {
            return None;
        }
        self.is_waiting.store(false, Relaxed);
        self.next().take()
    }

    fn next(&self) -> MutexGuard<'_, Option<Upload>> {
        self.next.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Has a body wait for the service: `read` of it has been read, `left` bytes are to come.
pub(super) fn put(
    client: &Arc<ClientConn>,
    read: Bytes,
    left: u64,
    reader: Reader,
    cx: &Context<'_>,
) -> Option<Unread> {
    let upload = client.upload();
    upload.left.store(left, Relaxed);
    upload.state.store(if left == 0 { ENDED } else { GOING }, Relaxed);
    let unread = (left > 0).then(|| Unread { reader: reader.clone(), client: client.clone() });
    let rest = unread.is_some().then(|| {
        Box::new(Rest { reader, client: client.clone(), connection: cx.waker().clone(), bypass: None })
    });
    *upload.next() = Some(Upload { read, rest });
    upload.is_waiting.store(true, Relaxed);
    unread
}

/// The boundary's side of a body that is still to come.
#[derive(Debug)]
pub(super) struct Unread {
    reader: Reader,
    client: Arc<ClientConn>,
}

impl Unread {
    pub(super) fn state(&self) -> State {
        self.client.upload().state()
    }
}

impl Drop for Unread {
    fn drop(&mut self) {
        if self.state() == State::Going {
            // Whoever reads the body may be a task of its own, and is not to keep the socket open.
            self.client.upload().state.store(CUT, Relaxed);
            self.reader.end();
            self.client.take_upload();
        }
    }
}
