//! Where a message goes that is sent on a stream: frames within the windows that the peer has given (RFC 9113, 5.2).

use std::collections::VecDeque;

use bytes::Bytes;

use http::{HeaderMap, Method, StatusCode};

use super::{
    Reason,
    frame::{MAX_31_BITS, MAX_PAYLOAD},
    hpack::Encoder,
    output::Output,
};

/// RFC 9113, 6.9.2: what a window is before anything is said of it.
pub(crate) const DEFAULT_WINDOW: u32 = 64 * 1024 - 1;

/// What the streams of a connection have in common when they send.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) output: Output,
    pub(crate) encoder: Encoder,
    /// What may be sent of bodies, on all streams together.
    pub(crate) window: i64,
    /// The window that a stream begins with.
    pub(crate) initial_window: i64,
    /// The longest payload that the peer takes.
    pub(crate) max_frame: usize,
    /// Places of the streams that wait for the connection's window or for room in the output, each once.
    pub(crate) turns: VecDeque<usize>,
}

impl Shared {
    pub(crate) fn new() -> Self {
        Self {
            output: Output::default(),
            encoder: Encoder::new(),
            window: DEFAULT_WINDOW.into(),
            initial_window: DEFAULT_WINDOW.into(),
            max_frame: MAX_PAYLOAD,
            turns: VecDeque::new(),
        }
    }

    /// How many bytes of bodies may be sent, whosoever they are.
    pub(crate) fn room(&self) -> usize {
        usize::try_from(self.window).map_or(0, |window| window.min(self.output.room()))
    }
}

/// Our side of a stream.
#[derive(Debug)]
pub(crate) struct Sending {
    /// What may be sent of the body. Less than nothing after the peer has made it smaller.
    pub(crate) window: i64,
    pub(crate) waits: Waits,
    pub(crate) end: Option<End>,
}

impl Sending {
    pub(crate) fn new(window: i64) -> Self {
        Self { window, waits: Waits::No, end: None }
    }

    /// So much more, or less, may be sent (RFC 9113, 6.9). Whether the body waited for that and can go on.
    ///
    /// # Errors
    ///
    /// If the window is larger than one may be.
    pub(crate) fn widen(&mut self, more: i64) -> Result<bool, Reason> {
        self.window += more;
        if self.window > MAX_31_BITS.into() {
            return Err(Reason::FLOW_CONTROL_ERROR);
        }
        let goes_on = self.waits == Waits::Window && self.window > 0;
        if goes_on {
            self.waits = Waits::No;
        }
        Ok(goes_on)
    }
}

/// What a body that can't be sent waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Waits {
    No,
    /// The stream's own window.
    Window,
    /// Its turn among those that share what there is.
    Turn,
}

/// How our side of a stream has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum End {
    Whole,
    Reset(Reason),
}

/// One stream's way to the peer.
#[derive(Debug)]
pub(crate) struct Outlet<'a> {
    pub(crate) stream: u32,
    pub(crate) place: usize,
    pub(crate) sending: &'a mut Sending,
    pub(crate) shared: &'a mut Shared,
}

impl Outlet<'_> {
    /// Sends the head of a response, or an interim response.
    pub(crate) fn response(&mut self, status: StatusCode, fields: &HeaderMap, ends: bool) {
        self.fields(|encoder, block| encoder.status(status, block), fields, ends);
    }

    /// Sends the head of a request for an `http` URI.
    pub(crate) fn request(
        &mut self,
        method: &Method,
        authority: &[u8],
        path: &str,
        fields: &HeaderMap,
        ends: bool,
    ) {
        self.fields(|encoder, block| encoder.request(method, authority, path, block), fields, ends);
    }

    /// Ends the body with trailer fields.
    pub(crate) fn trailers(&mut self, fields: &HeaderMap) {
        self.fields(|_, _| {}, fields, true);
    }

    fn fields(&mut self, begin: impl FnOnce(&mut Encoder, &mut Vec<u8>), fields: &HeaderMap, ends: bool) {
        let Shared { output, encoder, max_frame, .. } = &mut *self.shared;
        output.fields(self.stream, ends, *max_frame, |block| {
            encoder.begin(block);
            begin(encoder, block);
            for (name, value) in fields {
                encoder.field(name, value, block);
            }
        });
        self.note_end(ends);
    }

    /// How many bytes of the body may be sent now. If there are none the stream is woken when there are.
    pub(crate) fn room(&mut self) -> usize {
        let Ok(window @ 1..) = usize::try_from(self.sending.window) else {
            self.sending.waits = Waits::Window;
            return 0;
        };
        let room = self.shared.room();
        if room == 0 && self.sending.waits != Waits::Turn {
            self.sending.waits = Waits::Turn;
            // A stream that was there before may have left while it waited.
            if !self.shared.turns.contains(&self.place) {
                self.shared.turns.push_back(self.place);
            }
        }
        room.min(window)
    }

    /// Sends part of the body, no more than there is room for.
    pub(crate) fn data(&mut self, mut data: Bytes, ends: bool) {
        let Shared { output, window, max_frame, .. } = &mut *self.shared;
        self.sending.window -= data.len() as i64;
        *window -= data.len() as i64;
        while data.len() > *max_frame {
            output.data(self.stream, data.split_to(*max_frame), false);
        }
        output.data(self.stream, data, ends);
        self.note_end(ends);
    }

    /// Breaks the message off.
    pub(crate) fn reset(&mut self, reason: Reason) {
        self.sending.end = Some(End::Reset(reason));
    }

    fn note_end(&mut self, ends: bool) {
        if ends {
            self.sending.end = Some(End::Whole);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_one_turn() {
        let mut shared = Shared { window: 0, ..Shared::new() };
        for stream in 0..1_000 {
            // The stream before has been reset while it waited.
            let mut sending = Sending::new(1);
            let mut outlet = Outlet { stream, place: 0, sending: &mut sending, shared: &mut shared };
            assert_eq!((outlet.room(), outlet.room(), sending.waits), (0, 0, Waits::Turn));
        }
        assert_eq!(shared.turns, [0]);
    }
}
