//! What is to be sent on a connection.

use std::{
    collections::VecDeque,
    io::{self, IoSlice},
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};

use tokio::io::AsyncWrite;

use super::{
    Reason,
    frame::{FrameHead, HEAD_BYTES, PREFACE, flag, kind},
};

/// Bodies are taken only as long as there is less than this to be sent: what is read of an upstream at once.
const BODY_BYTES: usize = 256 * 1024;

/// While there is so much to be sent nothing is read: whatever the peer asks for, it is to take the answers.
const MOST_BYTES: usize = 512 * 1024;

/// Shorter pieces of a body are copied to the frames around them.
const COPIED_BYTES: usize = 4 * 1024;

/// Room that is kept for the next frames, at most, while the connection is busy.
const KEPT_BYTES: usize = 16 * 1024;

/// How many pieces are given to the system at once: sixteen frames of a long body.
const SLICES: usize = 32;

/// Frames in the order in which they are sent.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// What is sent before `bytes`.
    pieces: VecDeque<Bytes>,
    pieces_len: usize,
    bytes: Vec<u8>,
    /// How much of `bytes` has been sent.
    sent: usize,
}

impl Output {
    pub(crate) fn len(&self) -> usize {
        self.pieces_len + self.bytes.len() - self.sent
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many bytes of bodies may be added.
    pub(crate) fn room(&self) -> usize {
        BODY_BYTES.saturating_sub(self.len())
    }

    /// Whether the peer leaves so much that nothing more is to be read from it.
    pub(crate) fn is_full(&self) -> bool {
        self.len() >= MOST_BYTES
    }

    /// Gives back the room for the next frames.
    pub(crate) fn rest(&mut self) {
        if self.is_empty() {
            self.bytes = Vec::new();
        }
    }

    /// Begins a connection.
    pub(crate) fn preface(&mut self) {
        self.bytes.extend_from_slice(PREFACE);
    }

    /// Says what holds on a connection from now on.
    pub(crate) fn settings(&mut self, settings: &[(u16, u32)]) {
        let mut payload = Vec::with_capacity(settings.len() * 6);
        for (key, value) in settings {
            payload.extend_from_slice(&key.to_be_bytes());
            payload.extend_from_slice(&value.to_be_bytes());
        }
        self.frame(kind::SETTINGS, 0, 0, &payload);
    }

    pub(crate) fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        self.bytes.extend_from_slice(&FrameHead { len: payload.len(), kind, flags, stream }.bytes());
        self.bytes.extend_from_slice(payload);
    }

    /// Adds part of a body.
    pub(crate) fn data(&mut self, stream: u32, data: Bytes, ends: bool) {
        let flags = if ends { flag::END_STREAM } else { 0 };
        if data.len() < COPIED_BYTES {
            return self.frame(kind::DATA, flags, stream, &data);
        }
        let head = FrameHead { len: data.len(), kind: kind::DATA, flags, stream };
        self.bytes.extend_from_slice(&head.bytes());
        let mut frames = Bytes::from(mem::take(&mut self.bytes));
        frames.advance(mem::take(&mut self.sent));
        self.pieces_len += frames.len() + data.len();
        self.pieces.extend([frames, data]);
    }

    /// Adds the field block that `encode` writes, in frames of at most `max_frame` bytes.
    pub(crate) fn fields(
        &mut self,
        stream: u32,
        ends: bool,
        max_frame: usize,
        encode: impl FnOnce(&mut Vec<u8>),
    ) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(&[0; HEAD_BYTES]);
        encode(&mut self.bytes);
        let block = begin + HEAD_BYTES;
        let rest = if self.bytes.len() - block > max_frame {
            self.bytes.split_off(block + max_frame)
        } else {
            Vec::new()
        };
        let mut flags = if ends { flag::END_STREAM } else { 0 };
        if rest.is_empty() {
            flags |= flag::END_HEADERS;
        }
        let head = FrameHead { len: self.bytes.len() - block, kind: kind::HEADERS, flags, stream };
        self.bytes[begin..block].copy_from_slice(&head.bytes());
        let mut parts = rest.chunks(max_frame).peekable();
        while let Some(part) = parts.next() {
            let flags = if parts.peek().is_none() { flag::END_HEADERS } else { 0 };
            self.frame(kind::CONTINUATION, flags, stream, part);
        }
    }

    pub(crate) fn reset(&mut self, stream: u32, reason: Reason) {
        self.frame(kind::RST_STREAM, 0, stream, &u32::from(reason).to_be_bytes());
    }

    pub(crate) fn go_away(&mut self, last: u32, reason: Reason) {
        let mut payload = [0; 8];
        payload[..4].copy_from_slice(&last.to_be_bytes());
        payload[4..].copy_from_slice(&u32::from(reason).to_be_bytes());
        self.frame(kind::GOAWAY, 0, 0, &payload);
    }

    /// `stream` is 0 for the connection's window.
    pub(crate) fn window_update(&mut self, stream: u32, more: u32) {
        self.frame(kind::WINDOW_UPDATE, 0, stream, &more.to_be_bytes());
    }

    /// Ready when all has been sent.
    pub(crate) fn poll_send<S: AsyncWrite + Unpin>(
        &mut self,
        io: &mut S,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_empty() {
            let written = if self.pieces.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, &self.bytes[self.sent..]))?
            } else {
                let mut slices = [IoSlice::new(&[]); SLICES];
                let parts = self.pieces.iter().map(|piece| &piece[..]).chain([&self.bytes[..]]);
                let mut count = 0;
                for (slice, part) in slices.iter_mut().zip(parts) {
                    *slice = IoSlice::new(part);
                    count += 1;
                }
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices[..count]))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.take_out(written);
        }
        Pin::new(io).poll_flush(cx)
    }

    fn take_out(&mut self, mut written: usize) {
        while let Some(piece) = self.pieces.front_mut() {
            let here = written.min(piece.len());
            self.pieces_len -= here;
            written -= here;
            if here < piece.len() {
                piece.advance(here);
                return;
            }
            self.pieces.pop_front();
        }
        self.sent += written;
        if self.sent == self.bytes.len() {
            self.sent = 0;
            self.bytes.clear();
            if self.bytes.capacity() > KEPT_BYTES {
                self.bytes = Vec::new();
            }
        } else if self.sent > self.bytes.len() / 2 {
            // There may never be a moment without anything to be sent.
            self.bytes.drain(..mem::take(&mut self.sent));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes and then no more.
    struct Slow(usize);

    impl AsyncWrite for Slow {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.0);
            self.0 -= taken;
            if taken == 0 { Poll::Pending } else { Poll::Ready(Ok(taken)) }
        }

        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }

        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[test]
    fn what_has_been_sent_is_not_held() {
        let mut output = Output::default();
        let mut cx = Context::from_waker(std::task::Waker::noop());
        for _ in 0..10_000 {
            while output.room() > 0 {
                output.data(1, Bytes::from_static(&[b'x'; 1000]), false);
            }
            assert!(output.poll_send(&mut Slow(3_000), &mut cx).is_pending());
        }
        assert!(output.bytes.capacity() <= 4 * BODY_BYTES, "{} bytes", output.bytes.capacity());
    }
}
