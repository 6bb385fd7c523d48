//! The transport under an upstream connection.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    task::{Context, Poll, ready},
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf, Take},
    net::TcpStream,
};

/// The most that one read takes. hyper doubles its buffer for as long as reads fill it; this is where that ends.
const READ_LIMIT: u64 = 64 * 1024;

/// A connection to an upstream whose reads are bounded, and whose write errors wait for the read side.
///
/// An upstream that answers early and closes makes the next write fail while its answer lies in the receive buffer.
/// So after a failed write everything written is swallowed: what the upstream had to say, or that it is gone, is
/// found by reading.
#[derive(Debug)]
pub(crate) struct UpstreamIo {
    stream: Take<TcpStream>,
    answered: Answered,
    broken: bool,
}

/// Whether a byte arrived since the last request was sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Arc<AtomicBool>);

impl Answered {
    pub(super) fn reset(&self) {
        self.0.store(false, Relaxed);
    }

    pub(super) fn get(&self) -> bool {
        self.0.load(Relaxed)
    }
}

impl UpstreamIo {
    pub(super) fn new(stream: TcpStream) -> (Self, Answered) {
        let answered = Answered::default();
        (Self { stream: stream.take(READ_LIMIT), answered: answered.clone(), broken: false }, answered)
    }

    fn swallow(&mut self, length: usize, written: io::Result<usize>) -> io::Result<usize> {
        written.or_else(|error| {
            tracing::debug!(%error, "upstream does not read any more");
            self.broken = true;
            Ok(length)
        })
    }
}

impl AsyncRead for UpstreamIo {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        self.stream.set_limit(READ_LIMIT);
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        if buf.filled().len() > before {
            self.answered.0.store(true, Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for UpstreamIo {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if self.broken {
            return Poll::Ready(Ok(buf.len()));
        }
        let written = ready!(Pin::new(self.stream.get_mut()).poll_write(cx, buf));
        Poll::Ready(self.swallow(buf.len(), written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let length = bufs.iter().map(|buf| buf.len()).sum();
        if self.broken {
            return Poll::Ready(Ok(length));
        }
        let written = ready!(Pin::new(self.stream.get_mut()).poll_write_vectored(cx, bufs));
        Poll::Ready(self.swallow(length, written))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(self.stream.get_mut()).poll_shutdown(cx)
    }
}
