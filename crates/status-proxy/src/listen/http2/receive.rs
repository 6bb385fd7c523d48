//! What a client's frames do to a connection and its streams (RFC 9113, 5.1 and 6).

use std::mem;

use super::{
    STREAM_WINDOW, STREAMS,
    connection::{Connection, Going, LEAVING, PARTING},
    exchange::Exchange,
    head::{self, Asked},
    inbox::Inbox,
};
use crate::{
    http2::{
        Reason,
        fields::{self, Blanks, Malformed},
        input::{Data, Input, Side},
        outlet::{Sending, Shared},
    },
    listen::{boundary::Transport, connection::Handler},
    metrics,
};

impl<S: Transport, H: Handler> Side for Connection<S, H> {
    fn input(&mut self) -> &mut Input {
        &mut self.input
    }

    fn shared(&mut self) -> &mut Shared {
        &mut self.shared
    }

    fn max_field_bytes(&self) -> usize {
        self.limits.bytes
    }

    fn short_part(&mut self) -> Result<(), Reason> {
        self.waste.add()
    }

    fn is_idle(&self, stream: u32) -> bool {
        stream > self.last || stream.is_multiple_of(2)
    }

    fn data(&mut self, data: Data) -> Result<Option<u32>, Reason> {
        self.window = self.window.checked_sub(data.len).ok_or(Reason::FLOW_CONTROL_ERROR)?;
        if data.len == 0 && !data.ends {
            self.waste.add()?;
        }
        self.credit.add(data.overhead);
        let is_wanted = self.receive(data)?;
        if is_wanted
            && data.overhead > 0
            && let Some(inbox) = self.inbox(data.stream)
        {
            inbox.give_back(data.overhead);
        }
        Ok(is_wanted.then_some(data.stream))
    }

    fn push(&mut self, stream: Option<u32>, data: &[u8]) {
        // It may have ended since the frame began.
        match stream.and_then(|stream| self.inbox(stream)) {
            Some(inbox) => inbox.push(data),
            None => self.credit.add(data.len()),
        }
    }

    fn end(&mut self, stream: u32) {
        if let Some(place) = self.streams.find(stream) {
            self.finish(place, None);
        }
    }

    fn fields(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        if let Some(place) = self.streams.find(id) {
            return self.trailers(place, ends, block);
        }
        if self.is_idle(id) && !id.is_multiple_of(2) {
            return self.request(id, ends, block);
        }
        // What its table holds must stay known, or the connection is lost.
        self.decoder.skip(block)?;
        if self.was_reset.contains(&id) { Ok(()) } else { Err(Reason::PROTOCOL_ERROR) }
    }

    fn fault_on(&mut self, stream: u32, reason: Reason) -> Result<bool, Reason> {
        match self.streams.find(stream) {
            Some(place) => self.fault(place, reason).map(|()| true),
            None => Ok(false),
        }
    }

    fn reset_by_peer(&mut self, stream: u32, reason: Reason) -> Result<(), Reason> {
        if let Some(place) = self.streams.find(stream) {
            if self.streams.get(place).exchange.as_ref().is_some_and(|exchange| !exchange.has_answered()) {
                self.waste.add()?;
            }
            self.streams.cut(place, reason);
        }
        Ok(())
    }

    fn setting(&mut self, _: u16, _: u32) {}

    fn settled(&mut self) {}

    fn widen(&mut self, stream: u32, more: u32) -> Result<(), Reason> {
        let Some(place) = self.streams.find(stream) else { return Ok(()) };
        self.streams.get(place).widen(more.into()).or_else(|reason| self.fault(place, reason))
    }

    fn widen_all(&mut self, more: i64) -> Result<(), Reason> {
        self.streams.open_streams().try_for_each(|stream| stream.widen(more))
    }

    fn pong(&mut self, payload: &[u8]) {
        match self.going {
            Going::Leaving if *payload == LEAVING => self.left(),
            Going::Parting if *payload == PARTING => self.going = Going::Parted,
            _ => {}
        }
    }

    /// It concerns pushed streams, of which there are none. But whoever says so is about to leave.
    fn goaway(&mut self, _: u32, _: Reason) -> Result<(), Reason> {
        if self.going == Going::On {
            self.going = Going::ClientLeaves;
        }
        Ok(())
    }
}

impl<S: Transport, H: Handler> Connection<S, H> {
    /// Takes note of DATA on a stream. Whether the stream is still to have it.
    fn receive(&mut self, data: Data) -> Result<bool, Reason> {
        let Some(place) = self.streams.find(data.stream) else {
            if !self.was_reset.contains(&data.stream) {
                self.waste.add()?;
                self.refuse(data.stream, Reason::STREAM_CLOSED);
            }
            return Ok(false);
        };
        let stream = self.streams.get(place);
        if stream.has_ended {
            return self.fault(place, Reason::STREAM_CLOSED).map(|()| false);
        }
        let Some(window) = stream.window.checked_sub(data.len) else {
            return self.fault(place, Reason::FLOW_CONTROL_ERROR).map(|()| false);
        };
        stream.window = window;
        if let Some(left) = &mut stream.left {
            match left.checked_sub(data.data_len() as u64) {
                Some(now) if now == 0 || !data.ends => *left = now,
                _ => return self.malformed(place).map(|()| false),
            }
        }
        Ok(true)
    }

    /// The client has ended its side of a stream.
    fn finish(&mut self, place: usize, trailers: Option<http::HeaderMap>) {
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

    fn request(&mut self, id: u32, ends: bool, block: &[u8]) -> Result<(), Reason> {
        self.last = id;
        if matches!(self.going, Going::Left | Going::Parting | Going::Parted) {
            // The client knows by now that it is not served.
            self.forget(id);
            return Ok(self.decoder.skip(block)?);
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
        if self.asked.capacity() == 0 {
            // Room for four, as it would be, is a KiB.
            self.asked.reserve_exact(1);
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
            self.decoder.skip(block)?;
            return self.fault(place, Reason::STREAM_CLOSED);
        }
        let trailers = fields::trailers(&mut self.decoder, block, self.limits, Blanks::Malformed)?;
        let is_short = self.streams.get(place).left.is_some_and(|left| left > 0);
        match trailers {
            Ok(trailers) if ends && !is_short => {
                self.finish(place, (!trailers.is_empty()).then_some(trailers));
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
        metrics::malformed_stream();
        tracing::debug!(peer = %self.client.peer(), stream, "malformed HTTP/2 request");
    }

    /// Ends a stream for what the client did on it.
    fn fault(&mut self, place: usize, reason: Reason) -> Result<(), Reason> {
        self.waste.add()?;
        self.reset(place, reason);
        Ok(())
    }
}
