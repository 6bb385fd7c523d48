//! Long bodies that go from one socket to the other without entering the program's memory.
//!
//! `splice(2)` moves what a socket has received into a pipe, and from there to another socket, by reference. Both copies of
//! each byte, most of what a long body costs, are spared. Only who neither changes nor looks at the bytes can do that: HTTP/1.1
//! on both sides, a length that is known, and, of a response, a body that the layer passes on unread.
//!
//! The message is framed all the same: hyper, or the upstream's codec, is given a *stand-in*, as many bytes as are in the pipe
//! but never read nor written, and what writes to the socket empties the pipe in its place.

use std::{
    cell::RefCell,
    io::{self, IoSlice},
    os::fd::{AsFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::Bytes;
use rustix::pipe::{PipeFlags, fcntl_setpipe_size, pipe_with};

use status_normalize::ResponseBody;

use crate::{
    batched::{BatchedStream, Reader},
    descriptors::{self, Descriptor},
    listen::ClientConn,
};

/// How long a response body has to be. What is spared is a copy from memory that is not in the processor's cache; a shorter
/// body still is, and its client reads it sooner from where a copy has brought it.
pub(crate) const LONG_RESPONSE_BODY: u64 = 4 * 1024 * 1024;

/// How long a request body has to be. Upstreams read one no slower from where it was received: below this, a pipe costs
/// what the copies do.
pub(crate) const LONG_REQUEST_BODY: u64 = 256 * 1024;

/// What a pipe holds, if the system allows it: the most that it gives to everyone.
const PIPE_BYTES: usize = 1024 * 1024;

/// How many pipes the process has at once, with what the system lets a user have in pipes that large. A peer that takes
/// nothing for now holds one; the bodies of others are read when there are no more.
const MAX_PIPES: usize = 64;

/// How many of them a worker keeps while nothing is in them. A busy one fills and empties few in turn.
const MAX_IDLE_PIPES: usize = 2;

static PIPES: AtomicUsize = AtomicUsize::new(0);

/// Whether the system has refused to move bytes so.
static IS_REFUSED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// Those of this worker with nothing in them.
    static IDLE_PIPES: RefCell<Vec<Pipe>> = const { RefCell::new(Vec::new()) };
    /// Memory that nobody touches, so that the system never gives it to us.
    static STAND_IN: Bytes = Bytes::from(vec![0; PIPE_BYTES]);
}

#[derive(Debug)]
struct Pipe {
    output: OwnedFd,
    input: OwnedFd,
    _counted: Counted,
    _descriptors: [Descriptor; 2],
}

/// Counts as one of the pipes that there may be.
#[derive(Debug)]
struct Counted(());

impl Counted {
    fn new() -> Option<Self> {
        let counted = Self(());
        (PIPES.fetch_add(1, Relaxed) < MAX_PIPES).then_some(counted)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        PIPES.fetch_sub(1, Relaxed);
    }
}

impl Pipe {
    /// One that is empty, if there is one to be had.
    fn take() -> Option<Self> {
        if IS_REFUSED.load(Relaxed) {
            return None;
        }
        if let Some(pipe) = IDLE_PIPES.with_borrow_mut(Vec::pop) {
            return Some(pipe);
        }
        if !descriptors::are_plenty() {
            return None;
        }
        let counted = Counted::new()?;
        let descriptors = [Descriptor::take()?, Descriptor::take()?];
        let (output, input) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).ok()?;
        // A user that has many pipes gets smaller ones, which do as well.
        let _ = fcntl_setpipe_size(&input, PIPE_BYTES);
        Some(Self { output, input, _counted: counted, _descriptors: descriptors })
    }

    /// Keeps it for the next body, or closes it; it is empty.
    fn give_back(self) {
        IDLE_PIPES.with_borrow_mut(|pipes| {
            if pipes.len() < MAX_IDLE_PIPES && descriptors::are_plenty() {
                pipes.push(self);
            }
        });
    }
}

/// What of a body is in a pipe: of the response to a client, or of a request.
#[derive(Debug, Default)]
pub(crate) struct Bypass {
    /// Whether what empties the pipe is there.
    is_open: AtomicBool,
    /// How many bytes are in the pipe.
    len: AtomicUsize,
    /// Locked by one thread only; futures are `Send`.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// While there are any.
    pipe: Option<Pipe>,
    /// Who would put more into it.
    filler: Option<Waker>,
}

impl Bypass {
    /// Who writes the message does it to a socket, and empties the pipe.
    pub(crate) fn open(&self) {
        self.is_open.store(true, Relaxed);
    }

    /// Takes in at most `limit` bytes that `from` has received, when those that it took in before have been sent. Returns a
    /// stand-in for them, which is empty at the end of what `from` receives, or `None` if they have to be read.
    pub(crate) fn poll_fill(
        &self,
        cx: &mut Context<'_>,
        from: &Reader,
        limit: u64,
    ) -> Poll<io::Result<Option<Bytes>>> {
        if !self.is_open.load(Relaxed) {
            return Poll::Ready(Ok(None));
        }
        // With something in it there would be no telling whether it is the pipe that is full or the socket that is empty.
        if self.len() > 0 {
            self.state().filler = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let Some(pipe) = Pipe::take() else { return Poll::Ready(Ok(None)) };
        let limit = usize::try_from(limit).unwrap_or(PIPE_BYTES).min(PIPE_BYTES);
        let len = match from.poll_splice_into(cx, pipe.input.as_fd(), limit) {
            Poll::Ready(Ok(len)) => len,
            Poll::Ready(Err(error)) if is_refused(&error) => return Poll::Ready(Ok(None)),
            unmoved => {
                pipe.give_back();
                return unmoved.map_ok(|_| None);
            }
        };
        if len == 0 {
            pipe.give_back();
        } else {
            self.state().pipe = Some(pipe);
            self.len.store(len, Relaxed);
        }
        Poll::Ready(Ok(Some(STAND_IN.with(|stand_in| stand_in.slice(..len)))))
    }

    /// Sends at most `limit` bytes of what is in the pipe.
    pub(crate) fn poll_empty(
        &self,
        cx: &mut Context<'_>,
        to: &BatchedStream,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        let mut state = self.state();
        let Some(output) = state.pipe.as_ref().map(|pipe| pipe.output.as_fd()) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        let moved = ready!(to.poll_splice_from(cx, output, limit)).inspect_err(|error| {
            is_refused(error);
        })?;
        let left = self.len() - moved;
        self.len.store(left, Relaxed);
        if left == 0 {
            if let Some(pipe) = state.pipe.take() {
                pipe.give_back();
            }
            if let Some(filler) = state.filler.take() {
                filler.wake();
            }
        }
        Poll::Ready(Ok(moved))
    }

    /// How many bytes are in the pipe.
    pub(crate) fn len(&self) -> usize {
        self.len.load(Relaxed)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A response body that may go to the client unread.
pub(crate) trait MayBypass {
    /// Nobody on the way to `client` looks at what is to come of the body.
    fn may_bypass(&mut self, _client: &Arc<ClientConn>) {}
}

impl<B: MayBypass> MayBypass for ResponseBody<B> {
    fn may_bypass(&mut self, client: &Arc<ClientConn>) {
        if let Some(body) = self.unread_mut() {
            body.may_bypass(client);
        }
    }
}

/// Whether it is not the connection that fails but the way itself, which a sandbox may not know. It is not tried again then.
fn is_refused(error: &io::Error) -> bool {
    let is_refused = matches!(
        error.kind(),
        io::ErrorKind::InvalidInput | io::ErrorKind::PermissionDenied | io::ErrorKind::Unsupported
    );
    if is_refused {
        IS_REFUSED.store(true, Relaxed);
    }
    is_refused
}

/// Whether the bytes are in a pipe, and not here.
pub(crate) fn is_stand_in(bytes: &IoSlice<'_>) -> bool {
    STAND_IN.with(|stand_in| stand_in.as_ptr_range().contains(&bytes.as_ptr()))
}

#[cfg(test)]
mod tests {
    use std::{future::poll_fn, io::Write as _, task::Wake};

    use tokio::net::{TcpListener, TcpStream};

    use super::*;

    async fn connected() -> (BatchedStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        (BatchedStream::new(stream), peer.into_std().unwrap())
    }

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Relaxed);
        }
    }

    #[tokio::test]
    async fn what_has_come_meanwhile_waits_for_the_pipe() {
        let (from, mut upstream) = connected().await;
        let (to, _client) = connected().await;
        let bypass = Bypass::default();
        bypass.open();
        upstream.write_all(b"first").unwrap();
        let first = poll_fn(|cx| bypass.poll_fill(cx, &from.reader(), 100)).await.unwrap().unwrap();
        assert_eq!(first.len(), 5);
        upstream.write_all(b"second").unwrap();

        let woken = Arc::new(Woken::default());
        let waker = Waker::from(woken.clone());
        assert!(bypass.poll_fill(&mut Context::from_waker(&waker), &from.reader(), 100).is_pending());
        poll_fn(|cx| bypass.poll_empty(cx, &to, 2)).await.unwrap();
        assert_eq!(woken.0.load(Relaxed), 0, "there is still something in it");
        poll_fn(|cx| bypass.poll_empty(cx, &to, 3)).await.unwrap();
        assert_eq!(woken.0.load(Relaxed), 1);
        let second = poll_fn(|cx| bypass.poll_fill(cx, &from.reader(), 100)).await.unwrap().unwrap();
        assert_eq!(second.len(), 6);
    }
}
