//! The I/O boundary of an HTTP/1.1 client connection: between the socket and hyper.
//!
//! hyper parses requests and writes responses. The boundary does what hyper leaves open:
//!
//! - It follows the requests on the connection and refuses those whose framing has more than one reading, before hyper
//!   sees any of their bytes.
//! - It gives hyper one request at a time. What a client sends ahead waits until the response has been sent, so whatever
//!   hyper writes while no request has reached the service is hyper's own bare refusal, and is taken out.
//! - It hides the end of the client's side from hyper while a response is due: the driver decides what it means.
//! - It writes interim responses ahead of the response.
//! - It reads heads of many fields itself, for less than hyper does.
//! - It keeps bodies of known length from hyper, and leaves reading them to whoever sends them on.
//!
//! Between requests, and while a head is incomplete, hyper holds nothing. So the driver may take hyper's connection down
//! at any such time and keep only the boundary, which is small.

mod fields;
mod read;
mod write;

use std::{
    io,
    mem::MaybeUninit,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use bytes::{Buf, BytesMut};
use http::StatusCode;
use socket2::SockRef;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::Instant,
};

use super::{
    client_conn::{ClientConn, Phase},
    scan::{ChunkedScan, Framing, Head, HeadScan, Malformed, Progress},
    upload::{self, State},
};
use crate::{
    batched::{BatchedStream, Reader},
    config::HeadLimits,
    drain::OpenGuard,
    http2::frame::PREFACE,
    metrics::OpenConnection,
};

pub(super) use self::{fields::give as give_fields, write::write_head};

/// What a client connection runs on.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Makes closing look like a failure to the client, which has not got all that it was to get.
    fn abort_on_close(&self);

    /// Reads in place of the owner, if there is a way to.
    fn reader(&self) -> Option<Reader>;

    /// Whether there is something to read, also if the runtime has not been told yet.
    fn has_input(&self) -> bool;

    /// Ready when the system has taken all that was written.
    fn poll_sent(&self, cx: &Context<'_>) -> Poll<()>;

    /// The socket that it is, if it is one.
    fn socket(&self) -> Option<&BatchedStream> {
        None
    }
}

impl Transport for BatchedStream {
    fn abort_on_close(&self) {
        // Without it the client sees an early end, which is all that can be done then.
        let _ = self.get_ref().set_zero_linger();
    }

    fn reader(&self) -> Option<Reader> {
        Some(self.reader())
    }

    fn has_input(&self) -> bool {
        SockRef::from(self.get_ref()).peek(&mut [MaybeUninit::uninit()]).is_ok_and(|read| read > 0)
    }

    fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        self.poll_sent(cx)
    }

    fn socket(&self) -> Option<&BatchedStream> {
        Some(self)
    }
}

/// How many fields hyper parses without allocating.
pub(super) const NARROW_FIELDS: usize = 100;

/// Bytes sent ahead that are taken in before the client has to wait.
const AHEAD_BYTES: usize = 64 * 1024;

/// Bytes taken in at once when it is not hyper that reads.
const READ_BYTES: usize = 4 * 1024;

/// The client connection as hyper sees it.
#[derive(Debug)]
pub(super) struct Boundary<S> {
    stream: S,
    client: Arc<ClientConn>,
    limits: HeadLimits,
    input: Input,
    /// Read, not yet given to hyper.
    stash: BytesMut,
    /// How much of the stash hyper may have.
    cleared: usize,
    /// Interim responses that are being written.
    interim: BytesMut,
    /// When the first byte of an incomplete head was seen.
    head_since: Option<Instant>,
    /// Heads given to hyper.
    released: u32,
    /// The last head given to hyper has no wholly sent response yet.
    is_answering: bool,
    /// The client has ended its side.
    has_ended: bool,
    /// Nothing has been read yet, so it may be HTTP/2.
    is_fresh: bool,
    /// hyper's connection takes only [`NARROW_FIELDS`] fields.
    is_narrow: bool,
    is_http10: bool,
    /// The last request's body went around hyper, so the next one's is likely to.
    is_uploading: bool,
    /// The request was a CONNECT: unless a tunnel comes about, what follows can't be told apart from one.
    is_connect: bool,
    is_head: bool,
    /// hyper's last write was taken whole, so nothing of it would be torn apart by an interim response.
    is_between_writes: bool,
    refusal: Option<Refusal>,
    /// Counts as open, and takes one of the places for connections, as long as the socket is.
    place: Option<Place>,
}

/// What a client connection is counted by.
pub(super) type Place = (OpenGuard, OwnedSemaphorePermit, OpenConnection);

/// What the next byte from the client belongs to.
#[derive(Debug)]
enum Input {
    /// Nothing: the request is complete, and hyper may have it.
    Between,
    Chunked(ChunkedScan),
    /// Nothing: for hyper the input is over.
    Ended,
    Head(HeadScan),
    Length(u64),
    /// Nothing more can be made out.
    Malformed,
    /// The stash begins with this head, which hyper has not been given.
    Ready(Head),
    Tunnel,
    /// The body that goes around hyper.
    Upload(upload::Unread),
}

/// How a body gets around hyper.
struct Detour {
    reader: Reader,
    length: u64,
    /// How long the head is without what tells of the body.
    head_len: usize,
}

/// A request that got no further than this.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) struct Refusal {
    pub(super) status: StatusCode,
    /// To HEAD no body is sent.
    pub(super) is_head: bool,
    /// For the log.
    pub(super) reason: &'static str,
}

/// Why hyper refuses what the boundary has let pass.
const MALFORMED: &str = "malformed head";

/// What a connection that waited for a request woke up to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Woken {
    /// The client has gone, or its request has been refused.
    Ended,
    /// A complete HTTP/1.1 head.
    Head,
    /// The preface of HTTP/2.
    Http2,
}

impl<S: Transport> Boundary<S> {
    pub(super) fn new(stream: S, client: Arc<ClientConn>, limits: HeadLimits, place: Option<Place>) -> Self {
        if stream.socket().is_some() {
            client.bypass().open();
        }
        Self {
            stream,
            client,
            limits,
            input: Input::Between,
            stash: BytesMut::new(),
            cleared: 0,
            interim: BytesMut::new(),
            head_since: None,
            released: 0,
            is_answering: false,
            has_ended: false,
            is_fresh: true,
            is_narrow: true,
            is_http10: false,
            is_uploading: false,
            is_connect: false,
            is_head: false,
            is_between_writes: true,
            refusal: None,
            place,
        }
    }

    /// Waits for a request while no hyper connection exists.
    pub(super) fn poll_request(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<Woken>> {
        loop {
            match self.input {
                Input::Between => self.input = Input::Head(HeadScan::default()),
                Input::Ready(_) => return Poll::Ready(Ok(Woken::Head)),
                Input::Head(_) => {
                    if self.is_fresh && !self.stash.is_empty() {
                        let seen = self.stash.len().min(PREFACE.len());
                        if self.stash[..seen] != PREFACE[..seen] {
                            self.is_fresh = false;
                            continue;
                        }
                        if seen == PREFACE.len() {
                            self.input = Input::Tunnel;
                            return Poll::Ready(Ok(Woken::Http2));
                        }
                        self.head_since.get_or_insert_with(Instant::now);
                    } else if self.scan_stash() {
                        continue;
                    }
                    let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
                    let mut space = ReadBuf::uninit(&mut space);
                    ready!(Pin::new(&mut self.stream).poll_read(cx, &mut space))?;
                    if space.filled().is_empty() {
                        self.end_in_head();
                    }
                    self.stash.extend_from_slice(space.filled());
                }
                // The client may have ended its side only, and still be reading.
                _ => return self.poll_sent(cx).map(|()| Ok(Woken::Ended)),
            }
        }
    }

    /// Goes on with a head that lies in the stash. Returns whether there is anything new to act upon.
    fn scan_stash(&mut self) -> bool {
        let Input::Head(scan) = &mut self.input else { return true };
        if self.head_since.is_none() {
            // RFC 9112, 2.2: empty lines in front of a request line are ignored.
            while self.stash.starts_with(b"\r\n") {
                self.stash.advance(2);
            }
            if self.stash.is_empty() || *self.stash == *b"\r" {
                return false;
            }
        }
        let progress = scan.advance(&self.stash, self.limits);
        self.note(progress);
        progress != Progress::Partial
    }

    /// Takes note of how far the head in the stash has come.
    fn note(&mut self, progress: Progress) {
        match progress {
            Progress::Complete(head) => self.input = Input::Ready(head),
            Progress::Partial => {
                self.head_since.get_or_insert_with(Instant::now);
            }
            Progress::Refused(rule) => self.refuse(rule.status(), rule.broken()),
        }
    }

    /// The client has ended its side before a head was complete.
    fn end_in_head(&mut self) {
        self.has_ended = true;
        if self.head_since.is_some() {
            self.refuse(StatusCode::BAD_REQUEST, "the client ended its side within the head");
        } else {
            self.input = Input::Ended;
        }
    }

    fn refuse(&mut self, status: StatusCode, reason: &'static str) {
        let is_head = self.stash.starts_with(b"HEAD ");
        self.refusal = Some(Refusal { status, is_head, reason });
        self.input = Input::Ended;
    }

    /// Gives a request to hyper. Returns how many of the bytes that follow its head are its own.
    fn release(&mut self, head: Head, rest: &[u8]) -> usize {
        self.start(head);
        if std::mem::take(&mut self.is_uploading) {
            // Not to be taken for this one's.
            self.client.take_upload();
        }
        self.input = match head.framing {
            Framing::Length(0) => Input::Between,
            Framing::Length(length) => Input::Length(length),
            Framing::Chunked => Input::Chunked(ChunkedScan::new()),
        };
        self.body_part(rest)
    }

    /// Gives hyper a request without its body, which begins with `rest`; what follows it is kept.
    fn release_around(&mut self, cx: &Context<'_>, head: Head, detour: Detour, mut rest: BytesMut) {
        self.start(head);
        self.is_uploading = true;
        let here = usize::try_from(detour.length).map_or(rest.len(), |length| length.min(rest.len()));
        self.stash.extend_from_slice(&rest[here..]);
        rest.truncate(here);
        let left = detour.length - here as u64;
        let unread = upload::put(&self.client, rest.freeze(), left, detour.reader, cx);
        self.input = unread.map_or(Input::Between, Input::Upload);
    }

    /// Takes note of what has become of the body that goes around hyper.
    fn follow_upload(&mut self) {
        let Input::Upload(unread) = &self.input else { return };
        match unread.state() {
            State::Going | State::Abandoned => {}
            State::Ended => self.input = Input::Between,
            State::Cut => {
                self.has_ended = true;
                self.input = Input::Ended;
                // The response may have begun, and the upstream have nothing to send for long.
                self.client.enter(Phase::Leaving);
            }
        }
    }

    /// Whether somebody reads the body that goes around hyper.
    fn is_read_by_others(&self) -> bool {
        matches!(&self.input, Input::Upload(unread) if unread.state() == State::Going)
    }

    fn start(&mut self, head: Head) {
        self.head_since = None;
        self.released = self.released.wrapping_add(1);
        self.is_answering = true;
        self.is_http10 = head.is_http10;
        self.is_connect = head.is_connect;
        self.is_head = head.is_head;
        self.client.enter(Phase::Busy);
        self.client.take_interim_responses(!head.is_http10);
    }

    /// How many of `bytes` belong to the body that is being read.
    fn body_part(&mut self, bytes: &[u8]) -> usize {
        match &mut self.input {
            Input::Length(left) => {
                let here = (*left).min(bytes.len() as u64);
                *left -= here;
                if *left == 0 {
                    self.input = Input::Between;
                }
                here as usize
            }
            Input::Chunked(scan) => match scan.advance(bytes) {
                Ok(here) => {
                    if scan.is_end() {
                        self.input = Input::Between;
                    }
                    here
                }
                Err(Malformed) => {
                    self.input = Input::Malformed;
                    0
                }
            },
            _ => 0,
        }
    }

    /// Whether a head waits that hyper's connection, as it is set up, would refuse for its many fields.
    pub(super) fn is_wide(&self) -> bool {
        matches!(&self.input, Input::Ready(head) if head.fields > NARROW_FIELDS)
    }

    /// How hyper's next connection is set up.
    pub(super) fn set_narrow(&mut self, is_narrow: bool) {
        self.is_narrow = is_narrow;
    }

    /// Whether not one byte of a next request has come.
    pub(super) fn is_silent(&self) -> bool {
        self.head_since.is_none() && self.stash.is_empty() && !self.stream.has_input()
    }

    /// Ready when the system has taken all that was written.
    pub(super) fn poll_sent(&self, cx: &Context<'_>) -> Poll<()> {
        self.stream.poll_sent(cx)
    }

    /// When the first byte of the head that is being received came.
    pub(super) fn head_since(&self) -> Option<Instant> {
        self.head_since
    }

    /// The head took too long.
    pub(super) fn time_out_head(&mut self) {
        self.refuse(StatusCode::REQUEST_TIMEOUT, "the head took longer than `[timeouts] request_head`");
    }

    /// What is to be answered, now that hyper has done with the connection.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        // hyper gave up without a word on a request that it was given.
        let unanswered =
            Refusal { status: StatusCode::BAD_REQUEST, is_head: self.is_head, reason: MALFORMED };
        self.refusal.or_else(|| (self.released != self.client.started()).then_some(unanswered))
    }

    /// Whether the client may still be sending what nobody will read: closing at once would reset the connection, and
    /// the reset can overtake the response (RFC 9112, 9.6).
    pub(super) fn has_unread_input(&self) -> bool {
        !self.has_ended
            && (self.refusal().is_some()
                || !self.stash.is_empty()
                || match &self.input {
                    Input::Between | Input::Head(_) | Input::Ended => false,
                    // Only one may read: who else does so finds the end when this is let go of.
                    Input::Upload(unread) => unread.state() == State::Abandoned,
                    _ => true,
                })
    }

    /// Whether more is to be done than to let go of the socket.
    pub(super) fn needs_closing(&self) -> bool {
        self.refusal().is_some() || self.has_unread_input()
    }

    /// Makes closing look like a failure to the client.
    pub(super) fn abort(&self) {
        self.stream.abort_on_close();
    }

    pub(super) fn is_http10(&self) -> bool {
        self.is_http10
    }

    pub(super) fn reader(&self) -> Option<Reader> {
        self.stream.reader()
    }

    /// What is left when the client has turned out to speak HTTP/2: what it sent behind the preface, and what it is
    /// counted by as long as the socket is open.
    pub(super) fn into_http2(mut self) -> (S, BytesMut, Arc<ClientConn>, Option<Place>) {
        self.stash.advance(PREFACE.len());
        (self.stream, self.stash, self.client, self.place)
    }

    pub(super) fn client(&self) -> &Arc<ClientConn> {
        &self.client
    }

    pub(super) fn stream_mut(&mut self) -> &mut S {
        &mut self.stream
    }
}
