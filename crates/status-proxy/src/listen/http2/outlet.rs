//! Where a stream's response goes: frames within the windows that the client has given (RFC 9113, 5.2).

use std::collections::VecDeque;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, StatusCode};

use super::{frame::MAX_PAYLOAD, hpack::Encoder, output::Output};

/// RFC 9113, 6.9.2: what a window is before anything is said of it.
pub(super) const DEFAULT_WINDOW: u32 = 64 * 1024 - 1;

/// What the streams of a connection have in common when they send.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) output: Output,
    pub(super) encoder: Encoder,
    /// What may be sent of bodies, on all streams together.
    pub(super) window: i64,
    /// The window that a stream begins with.
    pub(super) initial_window: i64,
    /// The longest payload that the client takes.
    pub(super) max_frame: usize,
    /// Places of the streams that wait for the connection's window or for room in the output, each once.
    pub(super) turns: VecDeque<usize>,
}

impl Shared {
    pub(super) fn new() -> Self {
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
    pub(super) fn room(&self) -> usize {
        usize::try_from(self.window).map_or(0, |window| window.min(self.output.room()))
    }
}

/// Our side of a stream.
#[derive(Debug)]
pub(super) struct Sending {
    /// What may be sent of the body. Less than nothing after the client has made it smaller.
    pub(super) window: i64,
    pub(super) waits: Waits,
    pub(super) end: Option<End>,
}

impl Sending {
    pub(super) fn new(window: i64) -> Self {
        Self { window, waits: Waits::No, end: None }
    }
}

/// What a body that can't be sent waits for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Waits {
    No,
    /// The stream's own window.
    Window,
    /// Its turn among those that share what there is.
    Turn,
}

/// How our side of a stream has ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum End {
    Whole,
    Reset(Reason),
}

/// One stream's way to the client.
#[derive(Debug)]
pub(super) struct Outlet<'a> {
    pub(super) stream: u32,
    pub(super) place: usize,
    pub(super) sending: &'a mut Sending,
    pub(super) shared: &'a mut Shared,
}

impl Outlet<'_> {
    /// Sends the head of a response, or an interim response.
    pub(super) fn head(&mut self, status: StatusCode, fields: &HeaderMap, ends: bool) {
        self.fields(Some(status), fields, ends);
    }

    /// Ends the body with trailer fields.
    pub(super) fn trailers(&mut self, fields: &HeaderMap) {
        self.fields(None, fields, true);
    }

    fn fields(&mut self, status: Option<StatusCode>, fields: &HeaderMap, ends: bool) {
        let Shared { output, encoder, max_frame, .. } = &mut *self.shared;
        output.fields(self.stream, ends, *max_frame, |block| {
            encoder.begin(block);
            if let Some(status) = status {
                encoder.status(status, block);
            }
            for (name, value) in fields {
                encoder.field(name, value, block);
            }
        });
        self.note_end(ends);
    }

    /// How many bytes of the body may be sent now. If there are none the stream is woken when there are.
    pub(super) fn room(&mut self) -> usize {
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
        room.min(window).min(self.shared.max_frame)
    }

    /// Sends part of the body, no more than there is room for.
    pub(super) fn data(&mut self, data: Bytes, ends: bool) {
        self.sending.window -= data.len() as i64;
        self.shared.window -= data.len() as i64;
        self.shared.output.data(self.stream, data, ends);
        self.note_end(ends);
    }

    /// Breaks the response off.
    pub(super) fn reset(&mut self, reason: Reason) {
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
