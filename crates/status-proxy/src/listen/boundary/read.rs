//! What hyper reads.

use std::{
    io,
    mem::{self, MaybeUninit},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    AHEAD_BYTES, Boundary, Detour, Framing, Input, NARROW_FIELDS, Phase, Progress, READ_BYTES, Transport,
    fields::{self, Body},
};
use crate::listen::{
    scan::{Head, HeadScan},
    upload,
};

impl<S: Transport> AsyncRead for Boundary<S> {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        loop {
            if this.cleared > 0 {
                this.hand_out(buf);
                return Poll::Ready(Ok(()));
            }
            match this.input {
                Input::Head(_) => match ready!(this.poll_head(cx, buf))? {
                    Step::Again => {}
                    Step::Done => return Poll::Ready(Ok(())),
                },
                Input::Between if this.client.is_upgraded() => this.input = Input::Tunnel,
                Input::Between if this.is_answering => return this.poll_ahead(cx),
                Input::Between => this.input = Input::Head(HeadScan::default()),
                Input::Length(_) | Input::Chunked(_) => return this.poll_body(cx, buf),
                Input::Ready(head) => {
                    if this.is_too_wide(head) {
                        return Poll::Pending;
                    }
                    let mut stash = mem::take(&mut this.stash);
                    let rest = stash.split_off(head.len);
                    if let Some(detour) = this.detour(head, &mut stash) {
                        this.cleared = detour.head_len;
                        stash.truncate(this.cleared);
                        this.stash = stash;
                        this.release_around(cx, head, detour, rest);
                    } else {
                        this.cleared = head.len + this.release(head, &rest);
                        stash.unsplit(rest);
                        this.stash = stash;
                    }
                }
                Input::Upload(_) => {
                    this.follow_upload();
                    match &this.input {
                        // hyper has answered, and goes no further until the body has been read.
                        Input::Upload(_) if this.is_read_by_others() => return Poll::Pending,
                        Input::Upload(_) => return Poll::Ready(Ok(())),
                        _ => {}
                    }
                }
                Input::Ended => return Poll::Ready(Ok(())),
                Input::Malformed => return Poll::Ready(Err(malformed())),
                Input::Tunnel if this.stash.is_empty() => {
                    return Pin::new(&mut this.stream).poll_read(cx, buf);
                }
                Input::Tunnel => this.cleared = this.stash.len(),
            }
        }
    }
}

/// What became of a look at the socket.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Step {
    /// hyper has got bytes, or the end.
    Done,
    /// The state has changed.
    Again,
}

impl<S: Transport> Boundary<S> {
    /// Moves what is cleared from the stash to hyper.
    fn hand_out(&mut self, buf: &mut ReadBuf<'_>) {
        let len = self.cleared.min(buf.remaining());
        buf.put_slice(&self.stash[..len]);
        self.stash.advance(len);
        self.cleared -= len;
        if self.stash.is_empty() {
            self.stash = BytesMut::new();
        }
    }

    /// Reads a head: into hyper's buffer where it comes whole, into the stash where it comes in pieces.
    fn poll_head(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<Step>> {
        if !self.stash.is_empty() && self.scan_stash() {
            return Poll::Ready(Ok(Step::Again));
        }
        if self.is_uploading && self.stash.is_empty() {
            return upload::with_space(|space| self.poll_upload(cx, buf, space));
        }
        let start = buf.filled().len();
        ready!(Pin::new(&mut self.stream).poll_read(cx, buf))?;
        let bytes = &mut buf.filled_mut()[start..];
        if bytes.is_empty() {
            self.end_in_head();
            return Poll::Ready(Ok(Step::Again));
        }
        let progress = self.scan(bytes);
        if let Some(Progress::Complete(head)) = progress
            && !self.is_too_wide(head)
        {
            if let Some(detour) = self.detour(head, &mut bytes[..head.len]) {
                let end = start + detour.head_len;
                self.release_around(cx, head, detour, BytesMut::from(&bytes[head.len..]));
                buf.set_filled(end);
                return Poll::Ready(Ok(Step::Done));
            }
            let len = head.len + self.release(head, &bytes[head.len..]);
            self.stash.extend_from_slice(&bytes[len..]);
            buf.set_filled(start + len);
            if fields::are_many(head) {
                self.take_fields(head, buf, start);
            }
            return Poll::Ready(Ok(Step::Done));
        }
        self.stash.extend_from_slice(bytes);
        buf.set_filled(start);
        if let Some(progress) = progress {
            self.note(progress);
        }
        Poll::Ready(Ok(Step::Again))
    }

    /// Reads a head and what there is of the body behind it, which is likely to be much.
    fn poll_upload(
        &mut self,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
        space: &mut BytesMut,
    ) -> Poll<io::Result<Step>> {
        if ready!(upload::poll_read(&mut self.stream, cx, space, u64::MAX))? == 0 {
            self.end_in_head();
            return Poll::Ready(Ok(Step::Again));
        }
        let progress = self.scan(space);
        if let Some(Progress::Complete(head)) = progress
            && !self.is_too_wide(head)
            && head.len <= buf.remaining()
            && let Some(detour) = self.detour(head, &mut space[..head.len])
        {
            buf.put_slice(&space[..detour.head_len]);
            space.advance(head.len);
            self.release_around(cx, head, detour, upload::take(space));
            return Poll::Ready(Ok(Step::Done));
        }
        self.stash.extend_from_slice(space);
        if let Some(progress) = progress {
            self.note(progress);
        }
        Poll::Ready(Ok(Step::Again))
    }

    /// Goes on with a head that begins with `bytes`, unless part of it is in the stash.
    fn scan(&mut self, bytes: &[u8]) -> Option<Progress> {
        let Input::Head(scan) = &mut self.input else { return None };
        let is_whole = self.stash.is_empty() && !matches!(bytes, [b'\r' | b'\n', ..]);
        is_whole.then(|| scan.advance(bytes, self.limits))
    }

    /// The way around hyper for the body of a request, if it is one that hyper would have nothing to do with but to pass
    /// it on. What tells of it is taken out of the head then, and the fields wait for the service.
    fn detour(&self, head: Head, bytes: &mut [u8]) -> Option<Detour> {
        let Framing::Length(length @ 1..) = head.framing else { return None };
        if head.is_connect || head.fields > NARROW_FIELDS {
            return None;
        }
        let reader = self.stream.reader()?;
        let (fields, head_len) = fields::take(bytes, head.fields, Body::Around)?;
        self.client.put_fields(fields);
        Some(Detour { reader, length, head_len })
    }

    /// Reads the fields of the head that begins at `start`, and takes out those that hyper has no use for.
    fn take_fields(&self, head: Head, buf: &mut ReadBuf<'_>, start: usize) {
        let bytes = &mut buf.filled_mut()[start..];
        let Some((fields, len)) = fields::take(&mut bytes[..head.len], head.fields, Body::Through) else {
            return;
        };
        bytes.copy_within(head.len.., len);
        let end = start + bytes.len() - (head.len - len);
        buf.set_filled(end);
        self.client.put_fields(fields);
    }

    fn poll_body(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let start = buf.filled().len();
        let read = ready!(Pin::new(&mut self.stream).poll_read(cx, buf));
        let bytes = &buf.filled()[start..];
        if bytes.is_empty() {
            self.has_ended = true;
            // The response may have begun, and the upstream have nothing to send for long.
            self.client.enter(Phase::Leaving);
            return Poll::Ready(read);
        }
        self.client.has_read();
        let len = self.body_part(bytes);
        self.stash.extend_from_slice(&bytes[len..]);
        buf.set_filled(start + len);
        // An empty read would be the end for hyper, and the end is not what has come.
        Poll::Ready(if len == 0 { Err(malformed()) } else { Ok(()) })
    }

    /// Watches for the end of the client's side, and takes in a little of what is sent ahead, while a response is due.
    ///
    /// Ready only with an error. hyper is set up not to do this itself: it would make room for a whole read each time.
    pub(super) fn poll_ahead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Whoever is not read from here is read from when the response has been sent.
        while matches!(self.input, Input::Between) && !self.has_ended {
            if self.stash.len() >= AHEAD_BYTES {
                if self.client.phase() == Phase::Watched {
                    self.client.enter(Phase::Busy);
                }
                break;
            }
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            let read = Pin::new(&mut self.stream).poll_read(cx, &mut space);
            if read.is_pending() {
                self.client.enter(Phase::Watched);
            }
            ready!(read)?;
            if space.filled().is_empty() {
                self.has_ended = true;
                self.client.enter(Phase::Leaving);
            }
            self.stash.extend_from_slice(space.filled());
        }
        Poll::Pending
    }

    /// Whether hyper's connection has to be set up anew for this head; if so the driver is told.
    fn is_too_wide(&self, head: Head) -> bool {
        let is_too_wide = self.is_narrow && head.fields > NARROW_FIELDS;
        if is_too_wide {
            self.client.enter(Phase::Wide);
        }
        is_too_wide
    }
}

fn malformed() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "malformed chunked body")
}
