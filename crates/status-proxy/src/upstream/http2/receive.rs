//! What an upstream's frames do to a connection and its streams (RFC 9113, 5.1 and 6).

use http::StatusCode;

use super::{
    CONNECTION_WINDOW,
    error::Error,
    head::{self, Unfit},
    link::State,
};
use crate::{
    http2::{
        Reason,
        fields::{self, Blanks, Malformed},
        frame::setting,
        input::{Data, Input, Side},
        outlet::Shared,
    },
    upstream::MAX_INFORMATIONAL,
};

/// More parts of one head than this are no way to send it.
const MOST_PARTS: u32 = 256;

impl Side for State {
    fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    fn shared(&mut self) -> &mut Shared {
        &mut self.shared
    }

    fn max_field_bytes(&self) -> usize {
        self.limits.bytes
    }

    /// What an upstream sends in vain costs it as much as us.
    fn short_part(&mut self) -> Result<(), Reason> {
        self.short_parts += 1;
        if self.short_parts > MOST_PARTS { Err(Reason::ENHANCE_YOUR_CALM) } else { Ok(()) }
    }

    fn is_idle(&self, stream: u32) -> bool {
        stream >= self.next_id || stream.is_multiple_of(2)
    }

    fn data(&mut self, data: Data) -> Result<Option<u32>, Reason> {
        self.window = self.window.checked_sub(data.len).ok_or(Reason::FLOW_CONTROL_ERROR)?;
        if self.window < CONNECTION_WINDOW / 2 {
            // However much of it is read: each stream has a window of its own.
            self.shared.output.window_update(0, CONNECTION_WINDOW - self.window);
            self.window = CONNECTION_WINDOW;
        }
        let Some(place) = self.streams.find(data.stream) else { return Ok(None) };
        let stream = self.streams.get(place);
        if stream.error.is_some() {
            return Ok(None);
        }
        let fault = if stream.has_ended {
            Reason::STREAM_CLOSED
        } else if !stream.has_head {
            Reason::PROTOCOL_ERROR
        } else if data.len > stream.window {
            Reason::FLOW_CONTROL_ERROR
        } else if let Some(left) = stream.left
            && (data.data_len() as u64 > left || data.ends && (data.data_len() as u64) < left)
        {
            Reason::PROTOCOL_ERROR
        } else {
            stream.window -= data.len;
            stream.left = stream.left.map(|left| left - data.data_len() as u64);
            if data.overhead > 0 && !data.ends {
                self.give_back(place, data.overhead);
            }
            return Ok(Some(data.stream));
        };
        self.fault(place, fault);
        Ok(None)
    }

    fn push(&mut self, stream: Option<u32>, data: &[u8]) {
        // It may have ended since the frame began.
        if let Some(place) = stream.and_then(|stream| self.streams.find(stream)) {
            let stream = self.streams.get(place);
            if stream.is_expected() {
                stream.unread.extend_from_slice(data);
                stream.wake_reader();
            }
        }
    }

    fn end(&mut self, stream: u32) {
        if let Some(place) = self.streams.find(stream) {
            let stream = self.streams.get(place);
            if stream.is_expected() {
                stream.has_ended = true;
                stream.wake_reader();
            }
        }
    }

    fn fields(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        self.short_parts = 0;
        if self.is_idle(id) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let place = self.streams.find(id).filter(|place| self.streams.get(*place).error.is_none());
        let Some(place) = place else {
            // What its table holds must stay known, or the connection is lost.
            return Ok(self.decoder.skip(block)?);
        };
        if self.streams.get(place).has_ended {
            self.decoder.skip(block)?;
            self.fault(place, Reason::STREAM_CLOSED);
            return Ok(());
        }
        if self.streams.get(place).has_head {
            return self.trailers(place, ends, block);
        }
        match head::response(&mut self.decoder, block, self.limits, self.likely_fields)? {
            Ok(head) => self.response(place, ends, head),
            Err(unfit) => self.cut(place, Reason::PROTOCOL_ERROR, unfit.into()),
        }
        Ok(())
    }

    fn fault_on(&mut self, stream: u32, reason: Reason) -> Result<bool, Reason> {
        if let Some(place) = self.streams.find(stream) {
            self.fault(place, reason);
        }
        Ok(!self.is_idle(stream))
    }

    fn reset_by_peer(&mut self, stream: u32, reason: Reason) -> Result<(), Reason> {
        if let Some(place) = self.streams.find(stream) {
            self.streams.get(place).cut(Error::Reset(reason));
        }
        Ok(())
    }

    fn setting(&mut self, key: u16, value: u32) {
        match key {
            setting::MAX_CONCURRENT_STREAMS => {
                self.max_streams = Some(value as usize);
                self.changed.notify_one();
            }
            setting::MAX_HEADER_LIST_SIZE => self.max_list_bytes = Some(value as usize),
            _ => {}
        }
    }

    fn settled(&mut self) {
        self.max_streams.get_or_insert(usize::MAX);
    }

    fn widen(&mut self, stream: u32, more: u32) -> Result<(), Reason> {
        let Some(place) = self.streams.find(stream) else { return Ok(()) };
        if let Err(reason) = self.streams.get(place).widen(more.into()) {
            self.fault(place, reason);
        }
        Ok(())
    }

    fn widen_all(&mut self, more: i64) -> Result<(), Reason> {
        self.streams.held().try_for_each(|stream| stream.widen(more))
    }

    fn pong(&mut self, _: &[u8]) {}

    fn goaway(&mut self, last: u32, reason: Reason) -> Result<(), Reason> {
        if self.last.is_some_and(|before| last > before) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.last = Some(last);
        for stream in self.streams.held().filter(|stream| stream.id > last) {
            stream.cut(Error::GoneAway(reason));
        }
        Ok(())
    }
}

impl State {
    /// The head of a response has come, or an interim response.
    fn response(&mut self, place: usize, ends: bool, mut head: head::Head) {
        let stream = self.streams.get(place);
        if head.status.is_informational() {
            stream.interims += 1;
            // RFC 9113, 8.6: there is no 101. One that ends the stream is malformed (8.1).
            if ends || head.status == StatusCode::SWITCHING_PROTOCOLS {
                self.fault(place, Reason::PROTOCOL_ERROR);
            } else if stream.interims > MAX_INFORMATIONAL {
                self.cut(place, Reason::CANCEL, Unfit::TooLarge.into());
            } else {
                stream.interim.push_back(head);
                stream.wake_reader();
            }
            return;
        }
        self.likely_fields = head.fields.len();
        let is_empty =
            stream.is_head || [StatusCode::NO_CONTENT, StatusCode::NOT_MODIFIED].contains(&head.status);
        if is_empty {
            head.length = Some(0);
        } else if ends && head.length.is_some_and(|length| length > 0) {
            return self.fault(place, Reason::PROTOCOL_ERROR);
        }
        stream.left = head.length;
        stream.has_head = true;
        stream.has_ended = ends;
        stream.head = Some(head);
        stream.wake_reader();
    }

    fn trailers(&mut self, place: usize, ends: bool, block: &[u8]) -> Result<(), Reason> {
        let trailers = fields::trailers(&mut self.decoder, block, self.limits, Blanks::Removed)?;
        let stream = self.streams.get(place);
        let is_short = stream.left.is_some_and(|left| left > 0);
        match trailers {
            Ok(trailers) if ends && !is_short => {
                stream.trailers = Some(trailers);
                stream.has_ended = true;
                stream.wake_reader();
            }
            Ok(_) | Err(Malformed) => self.fault(place, Reason::PROTOCOL_ERROR),
        }
        Ok(())
    }

    /// Ends a stream for what the upstream did on it.
    fn fault(&mut self, place: usize, reason: Reason) {
        self.cut(place, reason, Error::Fault(reason));
    }

    fn cut(&mut self, place: usize, reason: Reason, error: Error) {
        let stream = self.streams.get(place);
        if stream.error.is_none() {
            self.shared.output.reset(stream.id, reason);
            stream.cut(error);
        }
    }
}
