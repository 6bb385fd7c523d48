//! What hyper writes.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use http::{HeaderMap, StatusCode};
use status_normalize::reason_phrase;
use tokio::io::AsyncWrite;

use super::{Boundary, Input, MALFORMED, Phase, Refusal, Transport};
use crate::bypass;

impl<S: Transport> AsyncWrite for Boundary<S> {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        if this.is_hypers_own() {
            this.take_out(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        ready!(this.poll_interim(cx))?;
        let written = Pin::new(&mut this.stream).poll_write(cx, buf);
        this.wrote(cx, written, buf.len())
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let len = bufs.iter().map(|buf| buf.len()).sum();
        if this.is_hypers_own() {
            this.take_out(bufs.first().map_or(&[], |buf| buf));
            return Poll::Ready(Ok(len));
        }
        ready!(this.poll_interim(cx))?;
        if this.client.bypass().len() > 0
            && let Some(ahead) = bufs.iter().position(bypass::is_stand_in)
        {
            let written = match this.stream.socket() {
                Some(socket) if ahead == 0 => this.client.bypass().poll_empty(cx, socket, bufs[0].len()),
                _ => Pin::new(&mut this.stream).poll_write_vectored(cx, &bufs[..ahead]),
            };
            return this.wrote(cx, written, len);
        }
        let written = match bufs {
            [buf] => Pin::new(&mut this.stream).poll_write(cx, buf),
            _ => Pin::new(&mut this.stream).poll_write_vectored(cx, bufs),
        };
        this.wrote(cx, written, len)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper comes here only when it has nothing left to write.
    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_interim(cx))?;
        ready!(Pin::new(&mut this.stream).poll_flush(cx))?;
        this.follow_upload();
        if this.is_answering && matches!(this.input, Input::Between) {
            if this.client.finished() == this.released {
                this.answered(cx);
            } else if !this.client.is_upgraded()
                && let Poll::Ready(failed) = this.poll_ahead(cx)
            {
                return Poll::Ready(failed);
            }
        }
        Poll::Ready(Ok(()))
    }

    /// The driver closes the connection; only a tunnel's own end is passed on.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if matches!(this.input, Input::Tunnel) || this.client.is_upgraded() {
            return Pin::new(&mut this.stream).poll_shutdown(cx);
        }
        this.follow_upload();
        if this.is_read_by_others() {
            // Whoever reads the body wakes hyper when he has done.
            return Poll::Pending;
        }
        let sent = this.stream.poll_sent(cx);
        if sent.is_pending() {
            // hyper is not to be taken down before: it is what knows that no request may follow.
            this.client.enter(Phase::Busy);
        }
        sent.map(Ok)
    }
}

impl<S: Transport> Boundary<S> {
    /// Whether hyper is answering by itself: it was given a request that has not reached the service.
    fn is_hypers_own(&self) -> bool {
        self.is_answering && self.client.started() != self.released
    }

    /// Reads the status from hyper's bare answer, which begins with `HTTP/1.1 400 `.
    fn take_out(&mut self, answer: &[u8]) {
        // It is not going to reach the service.
        self.client.take_upload();
        let status = answer.get(9..12).and_then(|digits| StatusCode::from_bytes(digits).ok());
        let status = status.unwrap_or(StatusCode::BAD_REQUEST);
        self.refusal.get_or_insert(Refusal { status, is_head: self.is_head, reason: MALFORMED });
        self.input = Input::Ended;
    }

    /// Writes the interim responses that wait, unless they would tear hyper's bytes apart.
    fn poll_interim(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.interim.is_empty() {
            if !self.is_between_writes {
                return Poll::Ready(Ok(()));
            }
            let Some(interim) = self.client.interim() else { return Poll::Ready(Ok(())) };
            for response in interim.responses {
                write_head(&mut self.interim, response.status(), response.headers());
                self.interim.extend_from_slice(b"\r\n");
            }
        }
        while !self.interim.is_empty() {
            let written = ready!(Pin::new(&mut self.stream).poll_write(cx, &self.interim))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.interim.advance(written);
        }
        Poll::Ready(Ok(()))
    }

    /// Takes note of what became of a write.
    fn wrote(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
        offered: usize,
    ) -> Poll<io::Result<usize>> {
        let Poll::Ready(written) = written else {
            if let Poll::Ready(failed) = self.poll_ahead(cx) {
                failed?;
            }
            if self.client.phase() == Phase::Leaving {
                // It is the client that takes no more for now. Had it gone, it would refuse what is under way.
                self.client.enter(Phase::Listening);
            }
            return Poll::Pending;
        };
        let written = written?;
        self.is_between_writes = written == offered;
        if matches!(self.client.phase(), Phase::Leaving | Phase::Stalled) {
            // It may have ended its side only. If it has gone it refuses this, which the next look at the socket tells.
            self.client.enter(Phase::Listening);
        }
        Poll::Ready(Ok(written))
    }

    /// The response has been sent: the next request may come.
    fn answered(&mut self, cx: &Context<'_>) {
        self.is_answering = false;
        self.client.enter(Phase::Idle);
        if self.is_connect && !self.client.is_upgraded() {
            self.input = Input::Ended;
        }
        if !self.stash.is_empty() || self.has_ended {
            cx.waker().wake_by_ref();
        }
    }
}

/// Writes the head of a response, but for the empty line at its end.
pub(in crate::listen) fn write_head(bytes: &mut BytesMut, status: StatusCode, fields: &HeaderMap) {
    bytes.extend_from_slice(b"HTTP/1.1 ");
    bytes.extend_from_slice(status.as_str().as_bytes());
    bytes.extend_from_slice(b" ");
    bytes.extend_from_slice(reason_phrase(status).unwrap_or_default().as_bytes());
    bytes.extend_from_slice(b"\r\n");
    for (name, value) in fields {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
}
