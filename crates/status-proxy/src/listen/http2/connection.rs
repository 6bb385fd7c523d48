//! One HTTP/2 connection: what comes is read, what it asks for is answered, what the answers come to is sent.
//!
//! The streams run within the connection's own task. As tasks of the runtime they would cost an allocation each, a place in
//! the runtime's lists and their turns in its queue. Here those that can go on do so one after the other, writing their
//! frames into one buffer, which is then sent.

use std::{
    collections::VecDeque,
    mem::{self, MaybeUninit},
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::BytesMut;
use tokio::{io::ReadBuf, task::coop::has_budget_remaining, time::Instant};

use super::{
    CONNECTION_WINDOW, STREAM_WINDOW, STREAMS, head::Asked, inbox::Credit, stream::Streams, wakers::Woken,
    waste::Waste,
};
use crate::{
    config::HeadLimits,
    http2::{
        Reason,
        frame::{MAX_31_BITS, kind, setting},
        hpack::{Decoder, LINE_OVERHEAD},
        input::{self, Input},
        outlet::{DEFAULT_WINDOW, End, Outlet, Shared, Waits},
        output::Output,
    },
    listen::{boundary::Transport, client_conn::ClientConn, connection::Handler},
};

/// What can go on at once without the other tasks of the thread having their turn: a request that has come and is
/// answered without the upstream is read in the first round and its answer sent in the second.
const ROUNDS: usize = 2;

/// Bytes read at once. After so many the streams have their turn: what they pass on makes room, and lies in the
/// processor's cache.
const READ_BYTES: usize = 64 * 1024;

/// Streams that were reset here and whose frames may still be under way, at most.
const RESET_STREAMS: usize = 2 * STREAMS;

/// The payload of our PING, by which we learn that the client knows that the connection ends.
pub(super) const LEAVING: [u8; 8] = *b"\0leaving";

/// The payload of our last PING: behind all that was said, so that its answer tells that the client has read that.
pub(super) const PARTING: [u8; 8] = *b"\0parting";

/// The client's side of an HTTP/2 connection, and what serves it.
pub(super) struct Connection<S, H: Handler> {
    io: S,
    pub(super) service: H,
    pub(super) client: Arc<ClientConn>,
    pub(super) limits: HeadLimits,

    pub(super) input: Input,
    pub(super) decoder: Decoder,
    /// How many fields the last request had.
    pub(super) likely_fields: usize,
    /// What the client may send of bodies, on all streams together.
    pub(super) window: u32,
    pub(super) credit: Arc<Credit>,

    pub(super) shared: Shared,
    pub(super) streams: Streams<H::Future, H::Body>,
    /// Requests that the service has not been given, with the places and numbers of their streams.
    pub(super) asked: Vec<(usize, u32, Asked)>,
    /// The highest number of a stream that the client has used.
    pub(super) last: u32,
    /// The highest number of a stream whose request is served.
    pub(super) last_served: u32,
    /// The last streams that were ended here while the client may still send on them: reset, most of them.
    pub(super) was_reset: VecDeque<u32>,
    pub(super) going: Going,
    pub(super) waste: Waste,

    pub(super) woken: Arc<Woken>,
    waker: Waker,
    /// The places whose turn it is. Kept for its room.
    turn: Vec<usize>,
    /// The streams have used up what the task may do at once, the connection's part too: it goes first then.
    is_left_out: bool,
}

/// Whether further streams are taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Going {
    On,
    /// The client has said that it opens no more.
    ClientLeaves,
    /// The client has been told that there will be an end.
    Leaving,
    /// It has been told which stream was the last.
    Left,
    /// That stream is over, and all has been said. As long as the client reads it, it may send us something, which must find
    /// the connection open: it would be reset, and what is not read be lost.
    Parting,
    /// The client has read it.
    Parted,
    /// It has done what can't be answered otherwise: what is there to be sent is the last.
    Failed,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Ended {
    /// The client has gone.
    Lost,
    /// All has been said. The client may be sending on.
    Said,
}

impl<S: Transport, H: Handler> Connection<S, H> {
    /// `received` is what came behind the preface.
    pub(super) fn new(
        io: S,
        received: BytesMut,
        service: H,
        client: Arc<ClientConn>,
        limits: HeadLimits,
    ) -> Self {
        let woken = Arc::new(Woken::default());
        let waker = woken.connection();
        waker.wake_by_ref();
        let mut shared = Shared::new();
        announce(&mut shared.output, limits);
        Self {
            io,
            service,
            client,
            limits,
            input: Input::new(received),
            decoder: Decoder::new(),
            likely_fields: 0,
            window: CONNECTION_WINDOW,
            credit: Arc::new(Credit::new(waker.clone())),
            shared,
            streams: Streams::new(),
            asked: Vec::new(),
            last: 0,
            last_served: 0,
            was_reset: VecDeque::new(),
            going: Going::On,
            waste: Waste::new(),
            woken,
            waker,
            turn: Vec::new(),
            is_left_out: false,
        }
    }

    /// Polls those streams that can go on, reads if there is anything to be read, and sends what has come of it.
    pub(super) fn poll(&mut self, cx: &Context<'_>) -> Poll<Ended> {
        self.woken.begin();
        for _ in 0..ROUNDS {
            let was_left_out = mem::take(&mut self.is_left_out);
            if !was_left_out {
                self.poll_woken_streams();
            }
            if self.woken.take_connection()
                && self.going != Going::Failed
                && let Err(ended) = self.poll_input()
            {
                let _ = self.poll_output();
                return Poll::Ready(ended);
            }
            if let Poll::Ready(ended) = self.poll_output() {
                return Poll::Ready(ended);
            }
            if self.woken.wait(cx.waker()) {
                return Poll::Pending;
            }
            if !has_budget_remaining() {
                self.is_left_out = !was_left_out;
                break;
            }
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }

    /// Tells the client that no further streams will be served, and when asked again that none are (RFC 9113, 6.8).
    pub(super) fn leave(&mut self) {
        match self.going {
            Going::On => {
                self.going = Going::Leaving;
                self.shared.output.go_away(MAX_31_BITS, Reason::NO_ERROR);
                self.shared.output.frame(kind::PING, 0, 0, &LEAVING);
            }
            Going::ClientLeaves | Going::Leaving => self.left(),
            Going::Left | Going::Parting | Going::Parted | Going::Failed => return,
        }
        self.waker.wake_by_ref();
    }

    /// Tells the client which stream was the last.
    pub(super) fn left(&mut self) {
        self.going = Going::Left;
        self.shared.output.go_away(self.last_served, Reason::NO_ERROR);
    }

    /// Gives back what it takes to go on quickly.
    pub(super) fn rest(&mut self) {
        self.shared.output.rest();
        (self.turn, self.asked) = (Vec::new(), Vec::new());
    }

    pub(super) fn has_streams(&self) -> bool {
        !self.streams.is_empty()
    }

    /// Ready when the system has taken all that was to be sent. The connection goes on when it has.
    pub(super) fn poll_sent(&self) -> Poll<()> {
        if self.shared.output.is_empty() {
            self.io.poll_sent(&Context::from_waker(&self.waker))
        } else {
            Poll::Pending
        }
    }

    /// Since when the client has kept us waiting for the rest of a frame or of a head.
    pub(super) fn incomplete_since(&self) -> Option<Instant> {
        self.input.incomplete_since()
    }

    /// It took too long. As nothing else may come before its end, that is the end of the connection.
    pub(super) fn time_out_head(&mut self) {
        self.fail(Reason::ENHANCE_YOUR_CALM);
        self.waker.wake_by_ref();
    }

    /// The number of the last stream whose request is served.
    pub(super) fn last_served(&self) -> u32 {
        self.last_served
    }

    /// What is left to be closed.
    pub(super) fn io(&mut self) -> &mut S {
        &mut self.io
    }

    fn poll_woken_streams(&mut self) {
        let mut turn = mem::take(&mut self.turn);
        self.woken.take_places(&mut turn);
        for place in turn.drain(..) {
            self.poll_stream(place);
        }
        self.turn = turn;
    }

    /// Has the stream in a place go on.
    pub(super) fn poll_stream(&mut self, place: usize) {
        let stream = self.streams.get(place);
        if stream.id == 0 {
            return;
        }
        if let Some(mut exchange) = stream.exchange.take() {
            let mut cx = Context::from_waker(&stream.waker);
            let (sending, shared) = (&mut stream.sending, &mut self.shared);
            let mut outlet = Outlet { stream: stream.id, place, sending, shared };
            // A panic ends one stream, as it would end a task of the runtime.
            let polled = catch_unwind(AssertUnwindSafe(|| exchange.as_mut().poll(&mut cx, &mut outlet)));
            match polled {
                Ok(Poll::Pending) => stream.exchange = Some(exchange),
                Ok(Poll::Ready(())) => {}
                Err(_) => stream.sending.end = Some(End::Reset(Reason::INTERNAL_ERROR)),
            }
        }
        self.settle(place);
    }

    /// Does what is to be done for a stream after something has happened to it.
    pub(super) fn settle(&mut self, place: usize) {
        let stream = self.streams.get(place);
        if !stream.has_ended
            && let Some(inbox) = &stream.inbox
            && let Some(read) = inbox.take_read()
        {
            stream.window += read;
            self.shared.output.window_update(stream.id, read);
        }
        if stream.exchange.is_some() {
            return;
        }
        match stream.sending.end {
            Some(End::Whole) if stream.has_ended => {
                self.waste.make_up();
                self.streams.close(place);
            }
            // All of the request is here but for its end, which some clients tell apart: nothing is left to be stopped, and
            // they may take a reset for a failure.
            Some(End::Whole) if stream.is_unread() && stream.left == Some(0) => {
                self.waste.make_up();
                let id = stream.id;
                self.forget(id);
                self.streams.close(place);
            }
            // RFC 9113, 8.1: the answer is whole, and the rest of the request not needed.
            Some(End::Whole) if stream.is_unread() => self.reset(place, Reason::NO_ERROR),
            Some(End::Whole) => {}
            Some(End::Reset(reason)) => self.reset(place, reason),
            // It has not begun.
            None => {}
        }
    }

    /// Ends a stream here.
    pub(super) fn reset(&mut self, place: usize, reason: Reason) {
        let id = self.streams.get(place).id;
        self.refuse(id, reason);
        self.streams.cut(place, reason);
    }

    /// Tells the client that a stream is no more. What it has sent on it before it knows is passed over.
    pub(super) fn refuse(&mut self, id: u32, reason: Reason) {
        self.shared.output.reset(id, reason);
        self.forget(id);
    }

    /// What is still to come on a stream is passed over.
    pub(super) fn forget(&mut self, id: u32) {
        if self.was_reset.len() == RESET_STREAMS {
            self.was_reset.pop_front();
        }
        self.was_reset.push_back(id);
    }

    /// Reads as long as there is something. Never part of its callers, which would take so much of the stack each time.
    #[inline(never)]
    fn poll_input(&mut self) -> Result<(), Ended> {
        if self.input.is_waiting() {
            self.deal_with(&[]);
        }
        let waker = self.waker.clone();
        let mut cx = Context::from_waker(&waker);
        while !self.input.is_held() && self.going != Going::Failed {
            let mut space = [const { MaybeUninit::uninit() }; READ_BYTES];
            let mut space = ReadBuf::uninit(&mut space);
            match Pin::new(&mut self.io).poll_read(&mut cx, &mut space) {
                Poll::Ready(Ok(())) if !space.filled().is_empty() => self.deal_with(space.filled()),
                Poll::Ready(_) => return Err(Ended::Lost),
                Poll::Pending => break,
            }
            if space.remaining() == 0 {
                waker.wake();
                break;
            }
        }
        Ok(())
    }

    /// Deals with what has been read.
    fn deal_with(&mut self, bytes: &[u8]) {
        match input::take_in(self, bytes) {
            Ok(()) => self.start_asked(),
            Err(reason) => self.fail(reason),
        }
    }

    /// Ends the connection with an error (RFC 9113, 5.4.1).
    fn fail(&mut self, reason: Reason) {
        if matches!(self.going, Going::Parting | Going::Parted) {
            // There is nothing left that could fail.
            self.going = Going::Parted;
            self.input = Input::default();
            return;
        }
        tracing::debug!(peer = %self.client.peer(), %reason, "HTTP/2 connection failed");
        self.going = Going::Failed;
        self.shared.output.go_away(self.last_served, reason);
        self.streams.cut_all(reason);
        self.input = Input::default();
    }

    /// Sends what there is, and what waited for room.
    fn poll_output(&mut self) -> Poll<Ended> {
        if let Some(read) = self.credit.take() {
            self.window += read;
            self.shared.output.window_update(0, read);
        }
        loop {
            self.end_if_over();
            if !self.shared.output.is_empty() {
                let mut cx = Context::from_waker(&self.waker);
                match self.shared.output.poll_send(&mut self.io, &mut cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Poll::Ready(Ended::Lost),
                    Poll::Pending if self.shared.room() == 0 => return Poll::Pending,
                    Poll::Pending => {}
                }
            }
            if !self.serve_turns() {
                break;
            }
        }
        if self.input.is_held() && !self.shared.output.is_full() {
            self.waker.wake_by_ref();
        }
        match self.going {
            Going::Parted | Going::Failed => self.poll_sent().map(|()| Ended::Said),
            _ => Poll::Pending,
        }
    }

    fn end_if_over(&mut self) {
        if self.going == Going::ClientLeaves && self.streams.is_empty() {
            self.left();
        }
        if self.going == Going::Left && self.streams.is_empty() {
            self.going = Going::Parting;
            self.shared.output.frame(kind::PING, 0, 0, &PARTING);
        }
    }

    /// Whether it is over but for what the client is yet to read.
    pub(super) fn is_parting(&self) -> bool {
        self.going == Going::Parting
    }

    /// Has streams go on that waited for room, in turn. Whether there were any.
    fn serve_turns(&mut self) -> bool {
        let mut has_served = false;
        while self.shared.room() > 0
            && let Some(place) = self.shared.turns.pop_front()
        {
            let sending = &mut self.streams.get(place).sending;
            if sending.waits == Waits::Turn {
                sending.waits = Waits::No;
                self.poll_stream(place);
                has_served = true;
            }
        }
        has_served
    }
}

impl<S, H: Handler> Drop for Connection<S, H> {
    /// What is left of requests is not taken for all of them.
    fn drop(&mut self) {
        self.streams.cut_all(Reason::CANCEL);
    }
}

/// Says what holds on the connection (RFC 9113, 3.4).
fn announce(output: &mut Output, limits: HeadLimits) {
    let fields = limits.bytes + limits.fields * LINE_OVERHEAD;
    let settings = [
        (setting::MAX_CONCURRENT_STREAMS, STREAMS as u32),
        (setting::INITIAL_WINDOW_SIZE, STREAM_WINDOW),
        (setting::MAX_HEADER_LIST_SIZE, u32::try_from(fields).unwrap_or(u32::MAX)),
        (setting::ENABLE_CONNECT_PROTOCOL, 1),
    ];
    output.settings(&settings);
    output.window_update(0, CONNECTION_WINDOW - DEFAULT_WINDOW);
}
