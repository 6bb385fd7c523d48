//! An HTTP/1.1 client connection of our own (RFC 9112): one reused read buffer, bodies as slices of it, no task, no channel.
//!
//! hyper's client stays as the reference; `differential.rs` holds both against the same bytes.

mod arena;
mod body;
#[cfg(test)]
mod differential;
mod head;
mod request;

use std::{
    io, mem,
    pin::Pin,
    task::{Context, Poll, Waker, ready},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite};

use self::{
    arena::Expected,
    body::{Decoded, Decoder},
    request::Writer,
};
pub(crate) use self::{
    head::{Framing, ResponseHead},
    request::WriteError,
};
use super::{MAX_INFORMATIONAL, RequestHead};
use crate::config::HeadLimits;

/// What went wrong on the upstream's side.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// A chunk or a trailer section is malformed.
    #[error("malformed chunk")]
    Chunk,
    /// The connection ended before the head did. With `clean`, not one byte of an answer had come.
    #[error("connection closed before an answer")]
    Closed { clean: bool },
    /// The connection ended before the body did.
    #[error("connection closed before the end of the body")]
    CutOff,
    /// The head is malformed.
    #[error("malformed response head")]
    Head,
    /// The head has more bytes than allowed.
    #[error("response head too large")]
    HeadTooLarge,
    /// Reading failed.
    #[error("reading failed")]
    Io(#[from] io::Error),
    /// The head has more fields than allowed.
    #[error("too many response fields")]
    TooManyFields,
}

impl From<httparse::Error> for Error {
    fn from(error: httparse::Error) -> Self {
        match error {
            httparse::Error::TooManyHeaders => Self::TooManyFields,
            _ => Self::Head,
        }
    }
}

/// A connection to an upstream: one exchange after the other. Its [`Body`] is that of the response under way.
#[derive(Debug)]
pub(crate) struct Connection<IO, B: Body> {
    io: IO,
    limits: HeadLimits,
    method: Method,
    /// The head of the request, until the fields of the answer, which take the place of its own, are taken.
    head: RequestHead,
    writer: Writer<B>,
    /// The upstream may have answered before it stopped reading: reported only if no answer comes.
    write_failed: Option<WriteError<B::Error>>,
    input: BytesMut,
    /// The upstream has closed its side.
    ended: bool,
    /// At least one byte of an answer has come.
    answered: bool,
    informational: usize,
    keep_alive: bool,
    decoder: Decoder,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum ExchangeError<E> {
    /// The request could not be written, and nothing was answered.
    Write(WriteError<E>),
    /// The answer could not be read.
    Read(Error),
}

impl<IO, B> Connection<IO, B>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes> + Unpin,
{
    pub(crate) fn new(io: IO, limits: HeadLimits) -> Self {
        Self {
            io,
            limits,
            method: Method::GET,
            head: RequestHead::default(),
            writer: Writer::default(),
            write_failed: None,
            input: BytesMut::new(),
            ended: false,
            answered: false,
            informational: 0,
            keep_alive: true,
            decoder: Decoder::Done,
        }
    }

    /// The transport.
    pub(crate) fn io(&self) -> &IO {
        &self.io
    }

    /// The same, between exchanges.
    pub(crate) fn io_mut(&mut self) -> &mut IO {
        &mut self.io
    }

    /// Starts an exchange, the one before being over, with the head that is taken out of `head` and the fields of `added`.
    ///
    /// What has no body leaves at once, as far as it can: the buffer that it is rendered in is the thread's, and several
    /// requests may be started before the first of them is polled.
    pub(crate) fn begin<'a>(
        &mut self,
        head: &mut RequestHead,
        body: B,
        added: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
    ) {
        mem::swap(&mut self.head, head);
        self.method.clone_from(&self.head.method);
        self.writer.begin(&self.head, added, body);
        self.answered = false;
        self.informational = 0;
        if self.writer.is_whole()
            && let Poll::Ready(Err(error)) =
                self.writer.poll(&mut self.io, &mut Context::from_waker(Waker::noop()))
        {
            self.write_failed = Some(error);
        }
    }

    /// The head of the request, to be sent again on another connection; only before an answer.
    pub(crate) fn take_request_head(&mut self) -> RequestHead {
        mem::take(&mut self.head)
    }

    /// Whether any byte of an answer has come.
    pub(crate) fn is_answered(&self) -> bool {
        self.answered
    }

    /// Whether all that there is of the request has been written, and the upstream would take more.
    pub(crate) fn is_starved(&self) -> bool {
        self.write_failed.is_none() && self.writer.is_starved()
    }

    /// How often any part of a request was written.
    pub(crate) fn writes(&self) -> u32 {
        self.writer.writes()
    }

    /// Whether the whole request has been written.
    pub(crate) fn is_written(&self) -> bool {
        self.writer.is_done()
    }

    /// The fields of the answer, once its head is there.
    pub(crate) fn fields_mut(&mut self) -> &mut HeaderMap {
        &mut self.head.headers
    }

    /// Takes the fields of the answer, whose head is there.
    pub(crate) fn take_fields(&mut self) -> HeaderMap {
        let fields = mem::take(self.fields_mut());
        self.head = RequestHead::default();
        fields
    }

    /// Writes the request and waits for the head of the answer. `informational` gets each 1xx on the way.
    pub(crate) fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        mut informational: impl FnMut(StatusCode, &mut HeaderMap),
    ) -> Poll<Result<ResponseHead, ExchangeError<B::Error>>> {
        loop {
            if !self.writer.is_done()
                && self.write_failed.is_none()
                && let Poll::Ready(Err(error)) = self.writer.poll(&mut self.io, cx)
            {
                match error {
                    WriteError::Io(_) => self.write_failed = Some(error),
                    // Nothing that the upstream could still say would be of use.
                    WriteError::Body(_) | WriteError::Length => {
                        return Poll::Ready(Err(ExchangeError::Write(error)));
                    }
                }
            }
            let read = match arena::poll_read(&mut self.io, cx, &mut self.input, Expected::Short) {
                Poll::Ready(read) => read,
                Poll::Pending => return Poll::Pending,
            };
            let read = match (read, self.write_failed.take()) {
                (Ok(0), Some(error)) | (Err(_), Some(error)) => {
                    return Poll::Ready(Err(ExchangeError::Write(error)));
                }
                (Err(error), None) => return Poll::Ready(Err(ExchangeError::Read(error.into()))),
                (Ok(0), None) => {
                    let clean = !self.answered;
                    return Poll::Ready(Err(ExchangeError::Read(Error::Closed { clean })));
                }
                (Ok(read), failed) => {
                    self.write_failed = failed;
                    read
                }
            };
            self.answered = true;
            // A head that is incomplete stays so until another line has ended.
            if self.input.len() > read && !self.input[self.input.len() - read..].contains(&b'\n') {
                if self.input.len() >= self.limits.bytes {
                    return Poll::Ready(Err(ExchangeError::Read(Error::HeadTooLarge)));
                }
                continue;
            }
            while !self.input.is_empty() {
                let head =
                    match head::parse(&mut self.input, &self.method, self.limits, &mut self.head.headers) {
                        Ok(Some(head)) => head,
                        Ok(None) => break,
                        Err(error) => return Poll::Ready(Err(ExchangeError::Read(error))),
                    };
                if head.status.is_informational() && head.framing != Framing::Tunnel {
                    self.informational += 1;
                    if self.informational > MAX_INFORMATIONAL {
                        return Poll::Ready(Err(ExchangeError::Read(Error::Head)));
                    }
                    informational(head.status, &mut self.head.headers);
                    continue;
                }
                if self.input.is_empty() {
                    arena::release(&mut self.input);
                }
                self.keep_alive = head.keep_alive;
                self.decoder = Decoder::new(head.framing, self.limits);
                return Poll::Ready(Ok(head));
            }
        }
    }

    /// How much is to come of a body of known length. `None` if any of that has been read, or the request is still being
    /// written.
    pub(crate) fn unread(&self) -> Option<u64> {
        match self.decoder {
            Decoder::Length(left) if self.input.is_empty() && self.writer.is_done() => Some(left),
            _ => None,
        }
    }

    /// Takes note that so much of what is [`unread`](Self::unread) was taken from the transport, or, with nothing, that the
    /// upstream has closed its side.
    pub(crate) fn skip(&mut self, len: usize) {
        self.decoder.skip(len as u64);
        self.ended = len == 0;
    }

    /// Whether the exchange is over and another one may follow.
    pub(crate) fn is_reusable(&self) -> bool {
        self.decoder.is_done()
            && self.keep_alive
            && self.writer.is_sent()
            && self.write_failed.is_none()
            && self.input.is_empty()
            && !self.ended
    }

    /// Has nothing of an exchange that is over wait for the next one.
    pub(crate) fn end(&mut self) {
        self.writer.end_body();
    }

    /// After [`Framing::Tunnel`] and a request that has been written: the transport, and what has been read of the other
    /// protocol.
    pub(crate) fn into_tunnel(self) -> (IO, Bytes) {
        (self.io, self.input.freeze())
    }
}

/// Takes `len` bytes off the front of `input`. All of them without sharing: that would cost two locked operations.
fn take_front(input: &mut BytesMut, len: usize) -> Bytes {
    let front = if len == input.len() { mem::take(input) } else { input.split_to(len) };
    front.freeze()
}

impl<IO, B> Body for Connection<IO, B>
where
    IO: AsyncRead + AsyncWrite + Unpin,
    B: Body<Data = Bytes, Error: Unpin> + Unpin,
{
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        let this = &mut *self;
        if !this.writer.is_done()
            && this.write_failed.is_none()
            && let Poll::Ready(Err(error)) = this.writer.poll(&mut this.io, cx)
        {
            this.write_failed = Some(error);
        }
        loop {
            let decoded = this.decoder.decode(&mut this.input, this.ended)?;
            if this.input.is_empty() {
                arena::release(&mut this.input);
            }
            let expected = match decoded {
                Decoded::Data(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Decoded::Trailers(trailers) => return Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
                Decoded::End => return Poll::Ready(None),
                Decoded::More => match this.decoder.exact() {
                    Some(..=4096) => Expected::Short,
                    _ => Expected::Long,
                },
            };
            let read = ready!(arena::poll_read(&mut this.io, cx, &mut this.input, expected))?;
            this.ended = read == 0;
        }
    }

    fn is_end_stream(&self) -> bool {
        self.decoder.is_done()
    }

    fn size_hint(&self) -> SizeHint {
        self.decoder.exact().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
