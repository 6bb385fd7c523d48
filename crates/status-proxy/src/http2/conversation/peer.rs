//! A connection without a socket: what is read comes piece by piece, what is written is kept.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

#[derive(Debug, Default)]
pub(crate) struct Wire {
    pub(crate) input: VecDeque<Vec<u8>>,
    has_ended: bool,
    reader: Option<Waker>,
    pub(crate) output: Vec<u8>,
    /// Whoever writes has ended that.
    pub(crate) is_shut: bool,
    /// How much is taken of a write, if not all.
    most: Option<usize>,
    /// Every other write has to wait.
    writes: usize,
}

#[derive(Clone, Debug, Default)]
pub(crate) struct Peer(pub(crate) Arc<Mutex<Wire>>);

impl Peer {
    /// One that takes so much of a write, and lets each second one wait.
    pub(crate) fn slow(most: Option<usize>) -> Self {
        Self(Arc::new(Mutex::new(Wire { most, ..Wire::default() })))
    }

    /// These come, each to be read on its own.
    pub(crate) fn send(&self, pieces: impl IntoIterator<Item = Vec<u8>>) {
        let mut wire = self.0.lock().unwrap();
        wire.input.extend(pieces.into_iter().filter(|piece| !piece.is_empty()));
        wire.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(crate) fn end(&self) {
        let mut wire = self.0.lock().unwrap();
        wire.has_ended = true;
        wire.reader.take().into_iter().for_each(Waker::wake);
    }

    pub(crate) fn take_output(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().output)
    }
}

impl AsyncRead for Peer {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut wire = self.0.lock().unwrap();
        let Some(mut piece) = wire.input.pop_front() else {
            if wire.has_ended {
                return Poll::Ready(Ok(()));
            }
            wire.reader = Some(cx.waker().clone());
            return Poll::Pending;
        };
        let taken = piece.len().min(buffer.remaining());
        buffer.put_slice(&piece[..taken]);
        if taken < piece.len() {
            wire.input.push_front(piece.split_off(taken));
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Peer {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[io::IoSlice::new(bytes)])
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let mut wire = self.0.lock().unwrap();
        wire.writes += 1;
        if wire.most.is_some() && wire.writes.is_multiple_of(2) {
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = wire.output.len();
        for slice in slices {
            let left = wire.most.map_or(usize::MAX, |most| most - (wire.output.len() - before));
            wire.output.extend(&slice[..slice.len().min(left)]);
        }
        Poll::Ready(Ok(wire.output.len() - before))
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.lock().unwrap().is_shut = true;
        Poll::Ready(Ok(()))
    }
}
