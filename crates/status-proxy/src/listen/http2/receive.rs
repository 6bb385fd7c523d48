//! What a client's frames do to a connection and its streams (RFC 9113, 5.1 and 6).

use std::mem;

use super::{
    STREAM_WINDOW, STREAMS,
    connection::{Connection, Going, LEAVING},
    exchange::Exchange,
    head::{self, Asked, Malformed},
    inbox::Inbox,
};
use crate::{
    http2::{
        Reason,
        frame::{FrameHead, MAX_31_BITS, MAX_PAYLOAD, flag, kind, setting},
        outlet::{Sending, Waits},
    },
    listen::{boundary::Transport, connection::Handler},
    metrics,
};

/// Compressed fields are taken up to this many times what is allowed of fields: Huffman's code may be longer than the text.
const BLOCK_FACTOR: usize = 4;

/// Fields in parts of less than this are no way to send them.
const SHORT_BYTES: usize = 1024;

/// A field block of which there is more to come.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) stream: u32,
    ends: bool,
    bytes: Vec<u8>,
}

/// The payload of a DATA frame of which there is more to come.
#[derive(Debug)]
pub(super) struct Payload {
    /// The stream that it is for. None if nobody wants it.
    stream: Option<u32>,
    left: usize,
    padding: usize,
    ends: bool,
}

impl<S: Transport, H: Handler> Connection<S, H> {
    /// Deals with the frames that `bytes` begin with. Returns how many bytes those are.
    ///
    /// # Errors
    ///
    /// With what the connection is to be ended with.
    pub(super) fn frames(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let mut rest = bytes;
        while !self.shared.output.is_full() {
            if let Some(payload) = self.payload.take() {
                rest = self.payload(payload, rest)?;
                if self.payload.is_some() {
                    break;
                }
                continue;
            }
            let Some((head, behind)) = FrameHead::split(rest) else { break };
            if head.len > MAX_PAYLOAD {
                return Err(Reason::FRAME_SIZE_ERROR);
            }
            self.check_order(head)?;
            if head.kind == kind::DATA {
                let Some((padding, behind)) = padding(head, behind)? else { break };
                self.data(head, padding)?;
                rest = behind;
                continue;
            }
            let Some((payload, behind)) = behind.split_at_checked(head.len) else { break };
            rest = behind;
            match head.kind {
                kind::HEADERS => self.headers(head, payload)?,
                kind::CONTINUATION => self.continuation(head, payload)?,
                kind::PRIORITY => self.priority(head)?,
                kind::RST_STREAM => self.rst_stream(head, payload)?,
                kind::SETTINGS => self.settings(head, payload)?,
                kind::PUSH_PROMISE => return Err(Reason::PROTOCOL_ERROR),
                kind::PING => self.ping(head, payload)?,
                kind::GOAWAY => self.goaway(head)?,
                kind::WINDOW_UPDATE => self.window_update(head, payload)?,
                // RFC 9113, 5.5.
                _ => {}
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// SETTINGS come first (RFC 9113, 3.4), and fields in one piece (6.10).
    fn check_order(&mut self, head: FrameHead) -> Result<(), Reason> {
        if !self.has_begun {
            if head.kind != kind::SETTINGS || head.has(flag::ACK) {
                return Err(Reason::PROTOCOL_ERROR);
            }
            self.has_begun = true;
        }
        let is_in_order = match &self.block {
            Some(block) => head.kind == kind::CONTINUATION && head.stream == block.stream,
            None => head.kind != kind::CONTINUATION,
        };
        if is_in_order { Ok(()) } else { Err(Reason::PROTOCOL_ERROR) }
    }

    /// Whether a stream has not been opened by anybody (RFC 9113, 5.1.1).
    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last || stream.is_multiple_of(2)
    }

    /// Begins with a DATA frame.
    fn data(&mut self, head: FrameHead, padding: usize) -> Result<(), Reason> {
        let (stream, ends) = (head.stream, head.has(flag::END_STREAM));
        if self.is_idle(stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let len = head.len as u32;
        self.window = self.window.checked_sub(len).ok_or(Reason::FLOW_CONTROL_ERROR)?;
        if head.len == 0 && !ends {
            self.waste.add()?;
        }
        // The padding's length is padding, too.
        let overhead = if head.has(flag::PADDED) { padding + 1 } else { 0 };
        let data = head.len - overhead;
        self.credit.add(overhead);
        let target = self.receive_on(stream, len, data, ends)?;
        if target.is_some()
            && overhead > 0
            && let Some(inbox) = self.inbox(stream)
        {
            inbox.give_back(overhead);
        }
        self.payload = Some(Payload { stream: target, left: data, padding, ends });
        Ok(())
    }

    /// Takes note of DATA on a stream. Returns the stream if it is still to have it.
    fn receive_on(&mut self, id: u32, len: u32, data: usize, ends: bool) -> Result<Option<u32>, Reason> {
        let Some(place) = self.streams.find(id) else {
            if !self.was_reset.contains(&id) {
                self.waste.add()?;
                self.refuse(id, Reason::STREAM_CLOSED);
            }
            return Ok(None);
        };
        let stream = self.streams.get(place);
        if stream.has_ended {
            return self.fault(place, Reason::STREAM_CLOSED).map(|()| None);
        }
        let Some(window) = stream.window.checked_sub(len) else {
            return self.fault(place, Reason::FLOW_CONTROL_ERROR).map(|()| None);
        };
        stream.window = window;
        if let Some(left) = &mut stream.left {
            match left.checked_sub(data as u64) {
                Some(now) if now == 0 || !ends => *left = now,
                _ => return self.malformed(place).map(|()| None),
            }
        }
        Ok(Some(id))
    }

    /// Goes on with the payload of DATA. Returns what is behind it in `bytes`.
    fn payload<'a>(&mut self, mut payload: Payload, bytes: &'a [u8]) -> Result<&'a [u8], Reason> {
        let (data, rest) = bytes.split_at(payload.left.min(bytes.len()));
        let (padding, rest) = rest.split_at(payload.padding.min(rest.len()));
        payload.left -= data.len();
        payload.padding -= padding.len();
        // Its stream may have ended since the frame began.
        let place = payload.stream.and_then(|stream| self.streams.find(stream));
        let inbox = place.and_then(|place| self.streams.get(place).inbox.as_ref());
        match inbox {
            Some(inbox) if !data.is_empty() => inbox.push(data),
            Some(_) => {}
            None => self.credit.add(data.len()),
        }
        if payload.left > 0 || payload.padding > 0 {
            self.payload = Some(payload);
        } else if payload.ends
            && let Some(place) = place
        {
            self.end(place, None);
        }
        Ok(rest)
    }

    /// The client has ended its side of a stream.
    fn end(&mut self, place: usize, trailers: Option<http::HeaderMap>) {
        let stream = self.streams.get(place);
        stream.has_ended = true;
        if let Some(inbox) = &stream.inbox {
            inbox.finish(trailers);
        }
        self.settle(place);
    }

    fn inbox(&mut self, stream: u32) -> Option<&Inbox> {
        let place = self.streams.find(stream)?;
        self.streams.get(place).inbox.as_deref()
    }

    fn headers(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        if head.stream == 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some((padding, mut fields)) = padding(head, payload)? else {
            return Err(Reason::FRAME_SIZE_ERROR);
        };
        fields = &fields[..fields.len() - padding];
        if head.has(flag::PRIORITY) {
            fields = fields.get(5..).ok_or(Reason::FRAME_SIZE_ERROR)?;
        }
        let ends = head.has(flag::END_STREAM);
        if head.has(flag::END_HEADERS) {
            return self.fields(head.stream, ends, fields);
        }
        self.block = Some(Block { stream: head.stream, ends, bytes: fields.to_vec() });
        Ok(())
    }

    fn continuation(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let Some(mut block) = self.block.take() else { return Err(Reason::PROTOCOL_ERROR) };
        if payload.len() < SHORT_BYTES {
            self.waste.add()?;
        }
        if block.bytes.len() + payload.len() > self.limits.bytes.saturating_mul(BLOCK_FACTOR) {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        block.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.fields(block.stream, block.ends, &block.bytes);
        }
        self.block = Some(block);
        Ok(())
    }

    /// A whole field block has come.
    fn fields(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        if let Some(place) = self.streams.find(id) {
            return self.trailers(place, ends, block);
        }
        if self.is_idle(id) && !id.is_multiple_of(2) {
            return self.request(id, ends, block);
        }
        // What its table holds must stay known, or the connection is lost.
        head::skip(&mut self.decoder, block)?;
        if self.was_reset.contains(&id) { Ok(()) } else { Err(Reason::PROTOCOL_ERROR) }
    }

    fn request(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        self.last = id;
        if self.going == Going::Left {
            // The client knows by now that it is not served.
            self.forget(id);
            return Ok(head::skip(&mut self.decoder, block)?);
        }
        let asked = match head::request(&mut self.decoder, block, self.limits, self.likely_fields)? {
            Ok(asked) if !(ends && asked.length.is_some_and(|length| length > 0)) => asked,
            Ok(_) | Err(Malformed) => {
                self.count_malformed(id);
                self.refuse(id, Reason::PROTOCOL_ERROR);
                return self.waste.add();
            }
        };
        self.likely_fields = asked.request.headers().len();
        if self.streams.len() >= STREAMS {
            self.refuse(id, Reason::REFUSED_STREAM);
            return Ok(());
        }
        self.open(id, ends, asked);
        Ok(())
    }

    /// Opens a stream. Its request waits until all has been dealt with that has come by now: it may be its end.
    fn open(&mut self, id: u32, ends: bool, asked: Asked) {
        self.last_served = id;
        let place = self.streams.open(id, &self.woken);
        let stream = self.streams.get(place);
        stream.has_ended = ends;
        stream.window = STREAM_WINDOW;
        stream.left = asked.length;
        stream.sending = Sending::new(self.shared.initial_window);
        if !ends || asked.protocol.is_some() {
            let inbox = Inbox::new(asked.length, self.credit.clone(), stream.waker.clone());
            if ends {
                inbox.finish(None);
            }
            stream.inbox = Some(inbox);
        }
        self.asked.push((place, id, asked));
        if self.asked.len() == STREAMS {
            // Of those that have ended since there may be any number.
            self.start_asked();
        }
    }

    /// Gives the requests that have come to the service.
    pub(super) fn start_asked(&mut self) {
        let mut requests = mem::take(&mut self.asked);
        for (place, id, asked) in requests.drain(..) {
            let stream = self.streams.get(place);
            if stream.id == id {
                let inbox = stream.inbox.as_ref();
                let exchange = Exchange::new(&self.service, asked, inbox, self.client.clone());
                stream.exchange = Some(Box::pin(exchange));
                self.poll_stream(place);
            }
        }
        self.asked = requests;
    }

    fn trailers(&mut self, place: usize, ends: bool, block: &[u8]) -> Result<(), Reason> {
        if self.streams.get(place).has_ended {
            head::skip(&mut self.decoder, block)?;
            return self.fault(place, Reason::STREAM_CLOSED);
        }
        let trailers = head::trailers(&mut self.decoder, block, self.limits)?;
        let is_short = self.streams.get(place).left.is_some_and(|left| left > 0);
        match trailers {
            Ok(trailers) if ends && !is_short => {
                self.end(place, (!trailers.is_empty()).then_some(trailers));
                Ok(())
            }
            Ok(_) | Err(Malformed) => self.malformed(place),
        }
    }

    /// Ends a stream of which the request is malformed (RFC 9113, 8.1.1).
    fn malformed(&mut self, place: usize) -> Result<(), Reason> {
        let stream = self.streams.get(place).id;
        self.count_malformed(stream);
        self.fault(place, Reason::PROTOCOL_ERROR)
    }

    fn count_malformed(&self, stream: u32) {
        metrics::malformed_streams(1);
        tracing::debug!(peer = %self.client.peer(), stream, "malformed HTTP/2 request");
    }

    /// Ends a stream for what the client did on it.
    fn fault(&mut self, place: usize, reason: Reason) -> Result<(), Reason> {
        self.waste.add()?;
        self.reset(place, reason);
        Ok(())
    }

    /// RFC 9113, 5.3.2: it is not followed.
    fn priority(&mut self, head: FrameHead) -> Result<(), Reason> {
        match (head.stream, head.len) {
            (0, _) => Err(Reason::PROTOCOL_ERROR),
            (_, 5) => Ok(()),
            (stream, _) => match self.streams.find(stream) {
                Some(place) => self.fault(place, Reason::FRAME_SIZE_ERROR),
                None => Err(Reason::FRAME_SIZE_ERROR),
            },
        }
    }

    fn rst_stream(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let reason = number(payload)?;
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if let Some(place) = self.streams.find(head.stream) {
            if self.streams.get(place).exchange.as_ref().is_some_and(|exchange| !exchange.has_answered()) {
                self.waste.add()?;
            }
            self.streams.cut(place, reason.into());
        }
        Ok(())
    }

    fn settings(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let (settings, rest) = payload.as_chunks::<6>();
        if !rest.is_empty() || head.has(flag::ACK) && !settings.is_empty() {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        if head.has(flag::ACK) {
            return Ok(());
        }
        let mut initial_window = self.shared.initial_window;
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                setting::HEADER_TABLE_SIZE => self.shared.encoder.set_max_size(value),
                setting::ENABLE_PUSH | setting::ENABLE_CONNECT_PROTOCOL if value > 1 => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE if value > MAX_31_BITS => {
                    return Err(Reason::FLOW_CONTROL_ERROR);
                }
                setting::INITIAL_WINDOW_SIZE => initial_window = value.into(),
                setting::MAX_FRAME_SIZE if !(MAX_PAYLOAD..1 << 24).contains(&(value as usize)) => {
                    return Err(Reason::PROTOCOL_ERROR);
                }
                setting::MAX_FRAME_SIZE => self.shared.max_frame = value as usize,
                _ => {}
            }
        }
        self.change_initial_window(initial_window)?;
        self.shared.output.frame(kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    /// RFC 9113, 6.9.2.
    fn change_initial_window(&mut self, window: i64) -> Result<(), Reason> {
        let more = window - mem::replace(&mut self.shared.initial_window, window);
        if more == 0 {
            return Ok(());
        }
        for stream in self.streams.open_streams() {
            stream.sending.window += more;
            if stream.sending.window > MAX_31_BITS.into() {
                return Err(Reason::FLOW_CONTROL_ERROR);
            }
            stream.go_on();
        }
        Ok(())
    }

    fn ping(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if payload.len() != 8 {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        if !head.has(flag::ACK) {
            self.shared.output.frame(kind::PING, flag::ACK, 0, payload);
        } else if self.going == Going::Leaving && *payload == LEAVING {
            self.left();
        }
        Ok(())
    }

    /// It concerns pushed streams, of which there are none. But whoever says so is about to leave.
    fn goaway(&mut self, head: FrameHead) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if head.len < 8 {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        if self.going == Going::On {
            self.going = Going::ClientLeaves;
        }
        Ok(())
    }

    fn window_update(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let more = number(payload)? & MAX_31_BITS;
        if head.stream == 0 {
            if more == 0 {
                return Err(Reason::PROTOCOL_ERROR);
            }
            self.shared.window += i64::from(more);
            let is_too_large = self.shared.window > MAX_31_BITS.into();
            return if is_too_large { Err(Reason::FLOW_CONTROL_ERROR) } else { Ok(()) };
        }
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(place) = self.streams.find(head.stream) else { return Ok(()) };
        let stream = self.streams.get(place);
        stream.sending.window += i64::from(more);
        if more == 0 {
            return self.fault(place, Reason::PROTOCOL_ERROR);
        }
        if stream.sending.window > MAX_31_BITS.into() {
            return self.fault(place, Reason::FLOW_CONTROL_ERROR);
        }
        stream.go_on();
        Ok(())
    }
}

impl<F, B> super::stream::Stream<F, B> {
    /// Wakes a stream that waited for its window, if there is one now.
    fn go_on(&mut self) {
        if self.sending.waits == Waits::Window && self.sending.window > 0 {
            self.sending.waits = Waits::No;
            self.waker.wake_by_ref();
        }
    }
}

/// The length of a frame's padding, and what is behind that number in `payload`. `None` if the number is to come.
fn padding(head: FrameHead, payload: &[u8]) -> Result<Option<(usize, &[u8])>, Reason> {
    if !head.has(flag::PADDED) {
        return Ok(Some((0, payload)));
    }
    if head.len == 0 {
        return Err(Reason::FRAME_SIZE_ERROR);
    }
    let Some((padding, rest)) = payload.split_first() else { return Ok(None) };
    if usize::from(*padding) >= head.len {
        return Err(Reason::PROTOCOL_ERROR);
    }
    Ok(Some((usize::from(*padding), rest)))
}

/// A payload that is a number.
fn number(payload: &[u8]) -> Result<u32, Reason> {
    let bytes = payload.try_into().map_err(|_| Reason::FRAME_SIZE_ERROR)?;
    Ok(u32::from_be_bytes(bytes))
}
