//! Requests: head and body to bytes.

use std::{
    cell::RefCell,
    io::{self, IoSlice, Write as _},
    pin::Pin,
    task::{Context, Poll, ready},
};

use bytes::{Buf, Bytes};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use http_body::Body;
use tokio::io::AsyncWrite;

use crate::upstream::RequestHead;

thread_local!(static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) });

/// What a request leaves behind in the thread's scratch buffer.
const SCRATCH_KEPT: usize = 16 * 1024;

/// How the end of a request body is told.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum BodyFraming {
    Chunked,
    /// So many bytes are left.
    Length(u64),
    None,
}

/// Why a request could not be written.
#[derive(Debug)]
pub(crate) enum WriteError<E> {
    /// The upstream's side of the connection failed.
    Io(io::Error),
    /// The body failed: the client went away.
    Body(E),
    /// The body was longer or shorter than its `Content-Length`.
    Length,
}

/// A request on its way out.
#[derive(Debug)]
pub(crate) struct Writer<B> {
    /// What precedes `data`: the head, a chunk's size line, the last chunk.
    prefix: Vec<u8>,
    written: usize,
    data: Bytes,
    suffix: &'static [u8],
    body: Option<B>,
    framing: BodyFraming,
    /// How often anything was written, of all requests.
    writes: u32,
}

impl<B> Default for Writer<B> {
    fn default() -> Self {
        Self {
            prefix: Vec::new(),
            written: 0,
            data: Bytes::new(),
            suffix: b"",
            body: None,
            framing: BodyFraming::None,
            writes: 0,
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Writer<B> {
    /// Renders the head: method, path and query, the fields as they are, those that are added. `Transfer-Encoding` is
    /// ours.
    pub(crate) fn begin<'a>(
        &mut self,
        head: &RequestHead,
        added: impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)>,
        body: B,
    ) {
        let mut prefix = SCRATCH.take();
        prefix.clear();
        prefix.extend_from_slice(head.method.as_str().as_bytes());
        prefix.push(b' ');
        let target = head.uri.path_and_query().map_or("/", |target| target.as_str());
        prefix.extend_from_slice(target.as_bytes());
        prefix.extend_from_slice(b" HTTP/1.1\r\n");
        let ended = body.is_end_stream();
        let mut length = None;
        for (name, value) in &head.headers {
            if name == header::TRANSFER_ENCODING {
                continue;
            }
            if name == header::CONTENT_LENGTH {
                length = value.to_str().ok().and_then(|length| length.parse().ok());
            }
            field(&mut prefix, name.as_str(), value.as_bytes());
        }
        for (name, value) in added {
            field(&mut prefix, name.as_str(), value.as_bytes());
        }
        let framing = match length {
            _ if ended => BodyFraming::None,
            Some(length) => BodyFraming::Length(length),
            None => {
                field(&mut prefix, "transfer-encoding", b"chunked");
                BodyFraming::Chunked
            }
        };
        prefix.extend_from_slice(b"\r\n");
        self.prefix = prefix;
        self.written = 0;
        self.data = Bytes::new();
        self.suffix = b"";
        self.body = (!ended).then_some(body);
        self.framing = framing;
    }

    /// Whether everything has been written, and the end of the body is known.
    pub(crate) fn is_done(&self) -> bool {
        self.body.is_none() && self.is_flushed()
    }

    /// Whether the upstream has all of the request. Of a body of known length an HTTP/2 client may not have told the end.
    pub(crate) fn is_sent(&self) -> bool {
        (self.body.is_none() || self.framing == BodyFraming::Length(0)) && self.is_flushed()
    }

    /// Has no more of the body read.
    pub(crate) fn end_body(&mut self) {
        self.body = None;
    }

    /// Whether no body is to come.
    pub(crate) fn is_whole(&self) -> bool {
        self.body.is_none()
    }

    /// Whether everything that there is has been written, and the upstream waits for more.
    pub(crate) fn is_starved(&self) -> bool {
        self.is_flushed() && !self.is_sent()
    }

    /// How often anything was written.
    pub(crate) fn writes(&self) -> u32 {
        self.writes
    }

    fn is_flushed(&self) -> bool {
        self.written == self.prefix.len() && self.data.is_empty() && self.suffix.is_empty()
    }

    /// Writes what can be written.
    pub(crate) fn poll<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), WriteError<B::Error>>> {
        loop {
            // A body that is at hand leaves together with the head.
            if self.data.is_empty() && self.suffix.is_empty() {
                match self.poll_body(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending if self.is_flushed() => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if self.is_flushed() {
                self.give_back();
                return if self.body.is_none() { Poll::Ready(Ok(())) } else { Poll::Pending };
            }
            ready!(self.poll_flush(io, cx)).map_err(WriteError::Io)?;
        }
    }

    /// The next frame of the body, framed.
    fn poll_body(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), WriteError<B::Error>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(Ok(())) };
        loop {
            let frame = match ready!(Pin::new(&mut *body).poll_frame(cx)) {
                None => {
                    self.body = None;
                    return Poll::Ready(self.end(None));
                }
                Some(Err(error)) => return Poll::Ready(Err(WriteError::Body(error))),
                Some(Ok(frame)) => frame,
            };
            match frame.into_data() {
                Ok(data) if data.is_empty() => {}
                Ok(data) => {
                    let ended = body.is_end_stream();
                    self.data = data;
                    let length = self.data.len();
                    match &mut self.framing {
                        BodyFraming::Chunked => {
                            write!(self.prefix, "{length:x}\r\n").expect("a Vec takes it all");
                            self.suffix = if ended { b"\r\n0\r\n\r\n" } else { b"\r\n" };
                        }
                        BodyFraming::Length(left) => match left.checked_sub(length as u64) {
                            Some(rest) => *left = rest,
                            None => return Poll::Ready(Err(WriteError::Length)),
                        },
                        BodyFraming::None => return Poll::Ready(Err(WriteError::Length)),
                    }
                    if ended {
                        self.body = None;
                        if let BodyFraming::Length(1..) = self.framing {
                            return Poll::Ready(Err(WriteError::Length));
                        }
                    }
                    return Poll::Ready(Ok(()));
                }
                Err(frame) => {
                    let trailers = frame.into_trailers().ok();
                    self.body = None;
                    return Poll::Ready(self.end(trailers));
                }
            }
        }
    }

    fn end(&mut self, trailers: Option<HeaderMap>) -> Result<(), WriteError<B::Error>> {
        match self.framing {
            BodyFraming::None | BodyFraming::Length(0) => Ok(()),
            BodyFraming::Length(_) => Err(WriteError::Length),
            BodyFraming::Chunked => {
                self.prefix.extend_from_slice(b"0\r\n");
                for (name, value) in trailers.iter().flatten() {
                    field(&mut self.prefix, name.as_str(), value.as_bytes());
                }
                self.prefix.extend_from_slice(b"\r\n");
                Ok(())
            }
        }
    }

    fn poll_flush<IO: AsyncWrite + Unpin>(
        &mut self,
        io: &mut IO,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        while !self.is_flushed() {
            let prefix = &self.prefix[self.written..];
            let written = if self.data.is_empty() && self.suffix.is_empty() {
                ready!(Pin::new(&mut *io).poll_write(cx, prefix))?
            } else {
                let slices = [IoSlice::new(prefix), IoSlice::new(&self.data), IoSlice::new(self.suffix)];
                ready!(Pin::new(&mut *io).poll_write_vectored(cx, &slices))?
            };
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.writes = self.writes.wrapping_add(1);
            let of_prefix = written.min(self.prefix.len() - self.written);
            self.written += of_prefix;
            let of_data = (written - of_prefix).min(self.data.len());
            self.data.advance(of_data);
            self.suffix = &self.suffix[written - of_prefix - of_data..];
        }
        self.prefix.clear();
        self.written = 0;
        // Empty it would still keep the memory that it was read into.
        self.data = Bytes::new();
        Poll::Ready(Ok(()))
    }

    /// The next request of this thread renders into the same memory.
    fn give_back(&mut self) {
        if self.body.is_none() && (1..=SCRATCH_KEPT).contains(&self.prefix.capacity()) {
            SCRATCH.set(std::mem::take(&mut self.prefix));
        }
    }
}

fn field(out: &mut Vec<u8>, name: &str, value: &[u8]) {
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
