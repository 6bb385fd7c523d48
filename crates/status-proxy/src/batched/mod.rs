//! Sockets whose small writes leave together.
//!
//! A worker that has many requests to deal with reads and handles them first, then writes: what a task writes waits in the
//! thread's batch until the tasks that are ready now have had their turn. So a peer that sleeps is woken once for all of it,
//! and the system's code that sends stays in the processor's cache while it is used. With few requests at a time that
//! would leave the peers without work meanwhile, so a turn after one with few writes writes at once.
//!
//! Like a socket's own buffer, the batch takes bytes before they are sent: a write has succeeded when it is in there. What
//! the socket does not take then is sent by a task of its own, and no more is taken for it until that is done.

#[cfg(test)]
mod tests;

use std::{
    cell::RefCell,
    future::{Future, poll_fn},
    io::{self, IoSlice},
    mem,
    net::Shutdown,
    os::fd::{AsFd, BorrowedFd},
    pin::{Pin, pin},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering::Relaxed},
    },
    task::{Context, Poll, Waker, ready},
};

use bytes::{Buf, BytesMut};
use rustix::pipe::SpliceFlags;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, Interest, ReadBuf},
    net::TcpStream,
    runtime::Handle,
    task::AbortHandle,
};

/// The longest write that is copied into the batch: less than the 8 KiB that a tunnel moves at once when it is busy.
const SMALL_BYTES: usize = 8 * 1024 - 1;

/// A batch of so many bytes is sent at once, whoever else is ready.
const BATCH_BYTES: usize = 64 * 1024;

/// With so many writes in a turn, those of the next one wait. Eight busy connections have about four, 32 about eighteen.
const MANY_WRITES: usize = 6;

thread_local! {
    static BATCH: RefCell<Batch> =
        const { RefCell::new(Batch { bytes: Vec::new(), writes: Vec::new(), sender: None, begun: 0, waits: false }) };
}

/// A TCP connection that is used on one thread.
#[derive(Debug)]
pub(crate) struct BatchedStream(Arc<Socket>);

/// Reads from a [`BatchedStream`] in its owner's place. One of them at a time: only the last that waited is woken.
#[derive(Clone, Debug)]
pub(crate) struct Reader(Arc<Socket>);

/// What a peer has done to its connection, as far as the runtime has been told.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Ended {
    /// It has ended its side, whether or not all that it sent before has been read.
    pub(crate) sending: bool,
    /// It takes nothing any more: it has reset the connection.
    pub(crate) receiving: bool,
}

impl Reader {
    pub(crate) fn ended(&self) -> Ended {
        let ready = pin!(self.0.stream.ready(Interest::READABLE | Interest::WRITABLE));
        match ready.poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Ok(ready)) => {
                Ended { sending: ready.is_read_closed(), receiving: ready.is_write_closed() }
            }
            _ => Ended::default(),
        }
    }

    /// Moves what has been received into a pipe that is empty, at most `limit` bytes; none at the end.
    pub(crate) fn poll_splice_into(
        &self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let moved = stream.try_io(Interest::READABLE, || splice(stream.as_fd(), pipe, limit));
            if !is_blocked(&moved) {
                return Poll::Ready(moved);
            }
        }
    }

    /// Has this and every other reader find the end.
    pub(crate) fn end(&self) {
        let _ = SockRef::from(&self.0.stream).shutdown(Shutdown::Read);
    }
}

#[derive(Debug)]
struct Socket {
    stream: TcpStream,
    /// One of the constants below. Atomic because futures are `Send`.
    output: AtomicU8,
    blocked: Mutex<Blocked>,
}

/// Nothing waits to be sent.
const CLEAR: u8 = 0;
/// Something of it is in the batch.
const BATCHED: u8 = 1;
/// The socket is full.
const BLOCKED: u8 = 2;
/// Sending has failed: every write from now on does.
const FAILED: u8 = 3;
/// The owner has gone.
const ABANDONED: u8 = 4;

/// What becomes of bytes that a full socket did not take.
#[derive(Debug, Default)]
struct Blocked {
    rest: BytesMut,
    /// Sends the rest.
    task: Option<AbortHandle>,
    /// Who waits until it has been sent.
    writer: Option<Waker>,
}

/// What this thread's tasks have written and is yet to be sent.
struct Batch {
    bytes: Vec<u8>,
    /// To whom, and where in `bytes` it ends.
    writes: Vec<(Arc<Socket>, usize)>,
    /// Wakes the task that sends.
    sender: Option<Waker>,
    /// Writes since that task had its turn.
    begun: usize,
    /// Whether there were many before.
    waits: bool,
}

impl BatchedStream {
    pub(crate) fn new(stream: TcpStream) -> Self {
        Self(Arc::new(Socket { stream, output: AtomicU8::new(CLEAR), blocked: Mutex::default() }))
    }

    pub(crate) fn get_ref(&self) -> &TcpStream {
        &self.0.stream
    }

    pub(crate) fn reader(&self) -> Reader {
        Reader(self.0.clone())
    }

    /// Whether the peer has neither sent anything nor closed, as far as the runtime has been told. Costs no system call
    /// then; otherwise the connection must not be used any more, for a byte may be missing.
    pub(crate) fn is_silent(&self) -> bool {
        is_blocked(&self.0.stream.try_read(&mut [0]))
    }

    fn poll_unblocked(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.output() != BLOCKED {
            return Poll::Ready(());
        }
        self.0.blocked().writer = Some(cx.waker().clone());
        Poll::Pending
    }

    /// Sends the batch if something of it is this socket's, and waits until the socket has taken all of it.
    pub(crate) fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        if self.0.output() == BATCHED {
            send();
        }
        self.poll_unblocked(cx)
    }

    /// Sends at most `limit` bytes that are in a pipe.
    pub(crate) fn poll_splice_from(
        &self,
        cx: &mut Context<'_>,
        pipe: BorrowedFd<'_>,
        limit: usize,
    ) -> Poll<io::Result<usize>> {
        ready!(self.poll_sent(cx));
        self.0.check()?;
        let stream = &self.0.stream;
        loop {
            ready!(stream.poll_write_ready(cx))?;
            let moved = stream.try_io(Interest::WRITABLE, || splice(pipe, stream.as_fd(), limit));
            if !is_blocked(&moved) {
                return Poll::Ready(moved);
            }
        }
    }

    fn poll_write_slices(&self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        ready!(self.poll_unblocked(cx));
        self.0.check()?;
        let len = slices.iter().map(|slice| slice.len()).sum();
        let waits = BATCH.with_borrow_mut(Batch::begin);
        if waits && len <= SMALL_BYTES {
            let is_full = BATCH.with_borrow_mut(|batch| batch.push(&self.0, slices));
            if is_full {
                send();
            }
            return Poll::Ready(Ok(len));
        }
        if waits {
            // A task that moves much has a long turn: nobody's small write waits for the end of it.
            send();
            ready!(self.poll_unblocked(cx));
            self.0.check()?;
        }
        loop {
            ready!(self.0.stream.poll_write_ready(cx))?;
            let written = match slices {
                [slice] => self.0.stream.try_write(slice),
                _ => self.0.stream.try_write_vectored(slices),
            };
            if !is_blocked(&written) {
                return Poll::Ready(written);
            }
        }
    }
}

impl Drop for BatchedStream {
    fn drop(&mut self) {
        match self.0.output.swap(ABANDONED, Relaxed) {
            BATCHED => send(),
            BLOCKED => {
                if let Some(task) = self.0.blocked().task.take() {
                    task.abort();
                }
            }
            _ => {}
        }
    }
}

impl Batch {
    /// Counts a write. Returns whether it is to wait, if it is small.
    fn begin(&mut self) -> bool {
        if self.begun == 0 {
            self.wake_sender();
        }
        self.begun += 1;
        self.waits
    }

    /// Returns whether it is time to send.
    fn push(&mut self, socket: &Arc<Socket>, slices: &[IoSlice<'_>]) -> bool {
        slices.iter().for_each(|slice| self.bytes.extend_from_slice(slice));
        let end = self.bytes.len();
        match self.writes.last_mut() {
            Some((last, until)) if Arc::ptr_eq(last, socket) => *until = end,
            _ => {
                self.writes.push((socket.clone(), end));
                socket.output.store(BATCHED, Relaxed);
            }
        }
        end >= BATCH_BYTES
    }

    /// Ends the turn after the tasks that are ready now: those woken before have their turn before.
    fn wake_sender(&mut self) {
        self.sender.get_or_insert_with(|| {
            tokio::spawn(send_when_woken());
            // The task has its turn without being woken, and tells then how to wake it.
            Waker::noop().clone()
        });
        self.sender.iter().for_each(Waker::wake_by_ref);
    }
}

/// The task that sends, of which a thread with a runtime has one.
async fn send_when_woken() {
    /// A runtime that ends drops its tasks: the thread's next one starts anew.
    struct Sender;

    impl Drop for Sender {
        fn drop(&mut self) {
            let _ = BATCH.try_with(|batch| {
                let batch = &mut *batch.borrow_mut();
                (batch.sender, batch.begun) = (None, 0);
            });
        }
    }

    let _sender = Sender;
    poll_fn(|cx| {
        send();
        BATCH.with_borrow_mut(|batch| {
            batch.waits = mem::take(&mut batch.begun) >= MANY_WRITES;
            match &batch.sender {
                Some(sender) if sender.will_wake(cx.waker()) => {}
                _ => batch.sender = Some(cx.waker().clone()),
            }
        });
        Poll::<()>::Pending
    })
    .await;
}

/// Sends what is in this thread's batch.
fn send() {
    let take = |batch: &RefCell<Batch>| {
        let Batch { bytes, writes, .. } = &mut *batch.borrow_mut();
        (mem::take(bytes), mem::take(writes))
    };
    // Sockets may be dropped here for good, and tasks be started: not while the batch is borrowed.
    let Ok((mut bytes, mut writes)) = BATCH.try_with(take) else { return };
    let mut start = 0;
    for (socket, end) in writes.drain(..) {
        socket.send(&bytes[start..end]);
        start = end;
    }
    bytes.clear();
    BATCH.with_borrow_mut(|batch| (batch.bytes, batch.writes) = (bytes, writes));
}

impl Socket {
    fn output(&self) -> u8 {
        self.output.load(Relaxed)
    }

    fn check(&self) -> io::Result<()> {
        if self.output() == FAILED { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(()) }
    }

    fn blocked(&self) -> MutexGuard<'_, Blocked> {
        self.blocked.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn send(self: Arc<Self>, bytes: &[u8]) {
        let output = self.output();
        match output {
            BATCHED => self.output.store(CLEAR, Relaxed),
            BLOCKED => return self.blocked().rest.extend_from_slice(bytes),
            FAILED => return,
            _ => {}
        }
        let written = self.stream.try_write(bytes);
        let sent = match written {
            Ok(sent) => sent,
            Err(_) if is_blocked(&written) => 0,
            Err(_) => return self.fail(),
        };
        if sent == bytes.len() {
            return;
        }
        let runtime = match Handle::try_current() {
            Ok(runtime) if output != ABANDONED => runtime,
            // Nobody sends the rest, and nothing may come behind what was sent.
            _ => return self.fail(),
        };
        self.output.store(BLOCKED, Relaxed);
        let mut blocked = self.blocked();
        blocked.rest.extend_from_slice(&bytes[sent..]);
        blocked.task = Some(runtime.spawn(self.clone().send_rest()).abort_handle());
    }

    /// Sends what the socket did not take, as it takes it.
    async fn send_rest(self: Arc<Self>) {
        while self.stream.writable().await.is_ok() {
            let mut blocked = self.blocked();
            let written = self.stream.try_write(&blocked.rest);
            match written {
                Ok(sent) => blocked.rest.advance(sent),
                Err(_) if is_blocked(&written) => {}
                Err(_) => {
                    self.fail();
                    blocked.rest.clear();
                }
            }
            if blocked.rest.is_empty() {
                let _ = self.output.compare_exchange(BLOCKED, CLEAR, Relaxed, Relaxed);
                let Blocked { writer, .. } = mem::take(&mut *blocked);
                drop(blocked);
                return writer.into_iter().for_each(Waker::wake);
            }
        }
    }

    fn poll_read(&self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let stream = &self.stream;
        loop {
            ready!(stream.poll_read_ready(cx))?;
            let room = buf.remaining();
            let read = stream.try_read_buf(buf);
            if is_blocked(&read) {
                continue;
            }
            let read = read?;
            if (1..room).contains(&read) {
                // There was no more: tokio is told, and spares the read that would tell it.
                let _ = stream.try_io(Interest::READABLE, || Err::<(), _>(io::ErrorKind::WouldBlock.into()));
            }
            return Poll::Ready(Ok(()));
        }
    }

    /// Has the next write fail, and whoever reads find the end.
    fn fail(&self) {
        if self.output() != ABANDONED {
            self.output.store(FAILED, Relaxed);
        }
        let _ = SockRef::from(&self.stream).shutdown(Shutdown::Both);
    }
}

fn splice(from: BorrowedFd<'_>, to: BorrowedFd<'_>, limit: usize) -> io::Result<usize> {
    Ok(rustix::pipe::splice(from, None, to, None, limit, SpliceFlags::NONBLOCK)?)
}

fn is_blocked<T>(outcome: &io::Result<T>) -> bool {
    outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
}

impl AsyncRead for BatchedStream {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncRead for Reader {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.0.poll_read(cx, buf)
    }
}

impl AsyncWrite for BatchedStream {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_write_slices(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_unblocked(cx));
        Poll::Ready(self.0.check())
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_sent(cx));
        self.0.check()?;
        Poll::Ready(SockRef::from(&self.0.stream).shutdown(Shutdown::Write))
    }
}
