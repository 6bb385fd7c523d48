//! Counts the streams that h2 refuses because they are malformed (RFC 9113, 8.1.1), which it does without a word to us:
//! it resets the stream, or ends the connection where it can't read the fields.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::metrics;

/// RFC 9113, 4.1.
const FRAME_HEAD_BYTES: usize = 9;

/// RFC 9113, 6.4.
const RST_STREAM: u8 = 3;

/// RFC 9113, 6.8.
const GOAWAY: u8 = 7;

/// RFC 9113, 7: what h2 refuses a malformed stream with.
const PROTOCOL_ERROR: [u8; 4] = [0, 0, 0, 1];

/// The I/O of an HTTP/2 connection, with an eye on what is written.
#[derive(Debug)]
pub(super) struct Resets<S> {
    stream: S,
    frames: FrameScan,
}

impl<S> Resets<S> {
    pub(super) fn new(stream: S) -> Self {
        Self { stream, frames: FrameScan::default() }
    }
}

/// Where in the frames that are written the next byte belongs.
#[derive(Debug)]
struct FrameScan {
    /// The head of a frame, or what of its payload ends in an error code.
    seen: [u8; FRAME_HEAD_BYTES],
    seen_len: usize,
    /// How much of the above is looked for.
    wanted: usize,
    /// Bytes of the payload that are still to come.
    payload: usize,
}

impl Default for FrameScan {
    fn default() -> Self {
        Self { seen: [0; FRAME_HEAD_BYTES], seen_len: 0, wanted: FRAME_HEAD_BYTES, payload: 0 }
    }
}

impl FrameScan {
    /// How many malformed streams are refused in `bytes`.
    fn advance(&mut self, mut bytes: &[u8]) -> u64 {
        let mut malformed = 0;
        while !bytes.is_empty() {
            if self.wanted == 0 {
                let skipped = self.payload.min(bytes.len());
                self.payload -= skipped;
                bytes = &bytes[skipped..];
            } else {
                let taken = (self.wanted - self.seen_len).min(bytes.len());
                self.seen[self.seen_len..][..taken].copy_from_slice(&bytes[..taken]);
                self.seen_len += taken;
                bytes = &bytes[taken..];
                if self.seen_len < self.wanted {
                    break;
                }
                malformed += u64::from(self.turn());
            }
            if self.wanted == 0 && self.payload == 0 {
                self.wanted = FRAME_HEAD_BYTES;
            }
        }
        malformed
    }

    /// Goes on behind what was looked for. Returns whether it was a refusal.
    fn turn(&mut self) -> bool {
        self.seen_len = 0;
        if self.wanted < FRAME_HEAD_BYTES {
            self.payload = self.payload.saturating_sub(self.wanted);
            let code = &self.seen[..self.wanted];
            self.wanted = 0;
            return code.ends_with(&PROTOCOL_ERROR);
        }
        let [a, b, c, kind, ..] = self.seen;
        self.payload = u32::from_be_bytes([0, a, b, c]) as usize;
        self.wanted = match kind {
            RST_STREAM => 4,
            // The last stream's number is in front of the code.
            GOAWAY => 8,
            _ => 0,
        };
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Resets<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Resets<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write(cx, buf))?;
        metrics::malformed_streams(self.frames.advance(&buf[..written]));
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.stream).poll_write_vectored(cx, bufs))?;
        let mut left = written;
        for buf in bufs {
            let here = left.min(buf.len());
            metrics::malformed_streams(self.frames.advance(&buf[..here]));
            left -= here;
        }
        Poll::Ready(Ok(written))
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u8, payload: &[u8]) -> Vec<u8> {
        let len = (payload.len() as u32).to_be_bytes();
        [&len[1..], &[kind, 0, 0, 0, 0, 1], payload].concat()
    }

    #[test]
    fn refusals_of_malformed_streams_are_found_however_the_frames_are_split() {
        let cancel = [0, 0, 0, 8];
        let bytes = [
            frame(4, &[]),
            frame(RST_STREAM, &PROTOCOL_ERROR),
            frame(0, &frame(RST_STREAM, &PROTOCOL_ERROR)),
            frame(RST_STREAM, &cancel),
            frame(GOAWAY, &[0; 8]),
            frame(1, b"fields"),
            frame(GOAWAY, b"\0\0\0\x01\0\0\0\x01debug"),
            frame(RST_STREAM, &PROTOCOL_ERROR),
            frame(0, b""),
        ]
        .concat();
        for step in 1..=bytes.len() {
            let mut scan = FrameScan::default();
            let found: u64 = bytes.chunks(step).map(|piece| scan.advance(piece)).sum();
            assert_eq!(found, 3, "by {step}");
        }
    }
}
