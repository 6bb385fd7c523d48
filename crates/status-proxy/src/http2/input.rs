//! What comes on a connection: bytes to frames, and what each of them has to be (RFC 9113, 4 to 6).

use std::mem;

use bytes::{Buf, BytesMut};
use tokio::time::Instant;

use super::{
    Reason,
    frame::{FrameHead, MAX_31_BITS, MAX_PAYLOAD, flag, kind, setting},
    outlet::Shared,
};

/// Compressed fields are taken up to this many times what is allowed of fields: Huffman's code may be longer than the text.
const BLOCK_FACTOR: usize = 4;

/// Fields in parts of less than this are no way to send them.
const SHORT_BYTES: usize = 1024;

/// What has come on a connection and is not complete.
#[derive(Debug, Default)]
pub(crate) struct Input {
    /// Read, and not yet dealt with.
    stash: BytesMut,
    /// The stash is not to be read on before something has been sent.
    is_held: bool,
    /// The peer's first SETTINGS have come.
    has_begun: bool,
    /// Since when a frame other than DATA, or a field block, is incomplete.
    incomplete_since: Option<Instant>,
    /// Fields that are being received.
    block: Option<Block>,
    /// DATA that is being received.
    payload: Option<Payload>,
}

/// A field block of which there is more to come.
#[derive(Debug)]
struct Block {
    stream: u32,
    ends: bool,
    bytes: Vec<u8>,
}

/// The payload of a DATA frame of which there is more to come.
#[derive(Debug)]
struct Payload {
    /// The stream that it is for. None if nobody wants it.
    stream: Option<u32>,
    left: usize,
    padding: usize,
    ends: bool,
}

/// A DATA frame by its head.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Data {
    pub(crate) stream: u32,
    /// As it counts in windows.
    pub(crate) len: u32,
    /// What of that is not data: padding, and how long that is.
    pub(crate) overhead: usize,
    pub(crate) ends: bool,
}

impl Data {
    /// Bytes of the body.
    pub(crate) fn data_len(&self) -> usize {
        self.len as usize - self.overhead
    }
}

impl Input {
    /// `received` is what came before the connection was known for what it is.
    pub(crate) fn new(received: BytesMut) -> Self {
        Self { stash: received, ..Self::default() }
    }

    /// Whether nothing is to be read before something has been sent.
    pub(crate) fn is_held(&self) -> bool {
        self.is_held
    }

    /// Whether there is something to be dealt with before more is read.
    pub(crate) fn is_waiting(&self) -> bool {
        self.is_held || !self.stash.is_empty() && !self.has_begun
    }

    /// Since when the peer has kept us waiting for the rest of a frame or of a field block.
    pub(crate) fn incomplete_since(&self) -> Option<Instant> {
        self.incomplete_since.filter(|_| !self.is_held)
    }

    fn note_progress(&mut self, has_progressed: bool) {
        if self.stash.is_empty() && self.block.is_none() {
            self.incomplete_since = None;
        } else if has_progressed || self.incomplete_since.is_none() {
            self.incomplete_since = Some(Instant::now());
        }
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
}

/// One side of a connection: what it makes of what the other side sends.
///
/// An error is what the connection is to be ended with.
pub(crate) trait Side {
    fn input(&mut self) -> &mut Input;

    fn shared(&mut self) -> &mut Shared;

    /// How many bytes of fields are taken.
    fn max_field_bytes(&self) -> usize;

    /// A part of a field block that is too short to be of use.
    fn short_part(&mut self) -> Result<(), Reason>;

    /// Whether a stream has not been opened by anybody (RFC 9113, 5.1.1).
    fn is_idle(&self, stream: u32) -> bool;

    /// A DATA frame on a stream that is not idle. Returns the stream if it is to have what is in it.
    fn data(&mut self, data: Data) -> Result<Option<u32>, Reason>;

    /// A part of such a frame.
    fn push(&mut self, stream: Option<u32>, data: &[u8]);

    /// The end of the frame that ends a stream.
    fn end(&mut self, stream: u32);

    /// A whole field block.
    fn fields(&mut self, stream: u32, ends: bool, block: &[u8]) -> Result<(), Reason>;

    /// Ends a stream for what the peer did on it. False if that is to be the end of the connection, as there is no such stream.
    fn fault_on(&mut self, stream: u32, reason: Reason) -> Result<bool, Reason>;

    /// The peer has ended a stream that is not idle.
    fn reset_by_peer(&mut self, stream: u32, reason: Reason) -> Result<(), Reason>;

    /// A setting that concerns one side only.
    fn setting(&mut self, key: u16, value: u32);

    /// Whatever the peer has set holds.
    fn settled(&mut self);

    /// More may be sent on a stream that is not idle, if it is still there.
    fn widen(&mut self, stream: u32, more: u32) -> Result<(), Reason>;

    /// So much more, or less, may be sent on each stream (RFC 9113, 6.9.2).
    fn widen_all(&mut self, more: i64) -> Result<(), Reason>;

    fn pong(&mut self, payload: &[u8]);

    fn goaway(&mut self, last: u32, reason: Reason) -> Result<(), Reason>;
}

/// Deals with what has been read.
pub(crate) fn take_in<S: Side>(side: &mut S, bytes: &[u8]) -> Result<(), Reason> {
    let stream_of_block = |side: &mut S| side.input().block.as_ref().map(|block| block.stream);
    side.input().is_held = false;
    let block = stream_of_block(side);
    let done = if side.input().stash.is_empty() {
        let done = side.frames(bytes)?;
        side.input().stash.extend_from_slice(&bytes[done..]);
        done
    } else {
        side.input().stash.extend_from_slice(bytes);
        let mut stash = mem::take(&mut side.input().stash);
        let done = side.frames(&stash)?;
        stash.advance(done);
        if !stash.is_empty() {
            side.input().stash = stash;
        }
        done
    };
    side.input().is_held = side.shared().output.is_full();
    let is_in_same_block = block.is_some() && block == stream_of_block(side);
    // Time in which nothing was to be read does not count.
    side.input().note_progress(bytes.is_empty() || done > 0 && !is_in_same_block);
    Ok(())
}

impl<S: Side> Frames for S {}

/// What both sides have in common.
trait Frames: Side {
    /// Deals with the frames that `bytes` begin with. Returns how many bytes those are.
    fn frames(&mut self, bytes: &[u8]) -> Result<usize, Reason> {
        let mut rest = bytes;
        while !self.shared().output.is_full() {
            if let Some(payload) = self.input().payload.take() {
                rest = self.payload(payload, rest);
                if self.input().payload.is_some() {
                    break;
                }
                continue;
            }
            let Some((head, behind)) = FrameHead::split(rest) else { break };
            if head.len > MAX_PAYLOAD {
                return Err(Reason::FRAME_SIZE_ERROR);
            }
            self.input().check_order(head)?;
            if head.kind == kind::DATA {
                let Some((padding, behind)) = padding(head, behind)? else { break };
                self.data_frame(head, padding)?;
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
                // Clients do not push, and servers are told not to.
                kind::PUSH_PROMISE => return Err(Reason::PROTOCOL_ERROR),
                kind::PING => self.ping(head, payload)?,
                kind::GOAWAY => self.goaway_frame(head, payload)?,
                kind::WINDOW_UPDATE => self.window_update(head, payload)?,
                // RFC 9113, 5.5.
                _ => {}
            }
        }
        Ok(bytes.len() - rest.len())
    }

    /// Begins with a DATA frame.
    fn data_frame(&mut self, head: FrameHead, padding: usize) -> Result<(), Reason> {
        let ends = head.has(flag::END_STREAM);
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        // The padding's length is padding, too.
        let overhead = if head.has(flag::PADDED) { padding + 1 } else { 0 };
        let data = Data { stream: head.stream, len: head.len as u32, overhead, ends };
        let stream = self.data(data)?;
        self.input().payload = Some(Payload { stream, left: data.data_len(), padding, ends });
        Ok(())
    }

    /// Goes on with the payload of DATA. Returns what is behind it in `bytes`.
    fn payload<'a>(&mut self, mut payload: Payload, bytes: &'a [u8]) -> &'a [u8] {
        let (data, rest) = bytes.split_at(payload.left.min(bytes.len()));
        let (padding, rest) = rest.split_at(payload.padding.min(rest.len()));
        payload.left -= data.len();
        payload.padding -= padding.len();
        if !data.is_empty() {
            self.push(payload.stream, data);
        }
        if payload.left > 0 || payload.padding > 0 {
            self.input().payload = Some(payload);
        } else if payload.ends
            && let Some(stream) = payload.stream
        {
            self.end(stream);
        }
        rest
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
        self.input().block = Some(Block { stream: head.stream, ends, bytes: fields.to_vec() });
        Ok(())
    }

    fn continuation(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let Some(mut block) = self.input().block.take() else { return Err(Reason::PROTOCOL_ERROR) };
        if payload.len() < SHORT_BYTES {
            self.short_part()?;
        }
        if block.bytes.len() + payload.len() > self.max_field_bytes().saturating_mul(BLOCK_FACTOR) {
            return Err(Reason::ENHANCE_YOUR_CALM);
        }
        block.bytes.extend_from_slice(payload);
        if head.has(flag::END_HEADERS) {
            return self.fields(block.stream, block.ends, &block.bytes);
        }
        self.input().block = Some(block);
        Ok(())
    }

    /// RFC 9113, 5.3.2: it is not followed.
    fn priority(&mut self, head: FrameHead) -> Result<(), Reason> {
        match (head.stream, head.len) {
            (0, _) => Err(Reason::PROTOCOL_ERROR),
            (_, 5) => Ok(()),
            (stream, _) => match self.fault_on(stream, Reason::FRAME_SIZE_ERROR)? {
                true => Ok(()),
                false => Err(Reason::FRAME_SIZE_ERROR),
            },
        }
    }

    fn rst_stream(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let reason = number(payload)?;
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        self.reset_by_peer(head.stream, reason.into())
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
        let mut initial_window = self.shared().initial_window;
        for [a, b, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            match u16::from_be_bytes([*a, *b]) {
                setting::HEADER_TABLE_SIZE => self.shared().encoder.set_max_size(value),
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
                setting::MAX_FRAME_SIZE => self.shared().max_frame = value as usize,
                key => self.setting(key, value),
            }
        }
        let more = initial_window - mem::replace(&mut self.shared().initial_window, initial_window);
        if more != 0 {
            self.widen_all(more)?;
        }
        self.settled();
        self.shared().output.frame(kind::SETTINGS, flag::ACK, 0, &[]);
        Ok(())
    }

    fn ping(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if payload.len() != 8 {
            return Err(Reason::FRAME_SIZE_ERROR);
        }
        if head.has(flag::ACK) {
            self.pong(payload);
        } else {
            self.shared().output.frame(kind::PING, flag::ACK, 0, payload);
        }
        Ok(())
    }

    fn goaway_frame(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        if head.stream != 0 {
            return Err(Reason::PROTOCOL_ERROR);
        }
        let Some(([last, reason], _)) = payload.as_chunks::<4>().0.split_first_chunk::<2>() else {
            return Err(Reason::FRAME_SIZE_ERROR);
        };
        let reason = u32::from_be_bytes(*reason);
        self.goaway(u32::from_be_bytes(*last) & MAX_31_BITS, reason.into())
    }

    fn window_update(&mut self, head: FrameHead, payload: &[u8]) -> Result<(), Reason> {
        let more = number(payload)? & MAX_31_BITS;
        if head.stream == 0 {
            if more == 0 {
                return Err(Reason::PROTOCOL_ERROR);
            }
            let shared = self.shared();
            shared.window += i64::from(more);
            let is_too_large = shared.window > MAX_31_BITS.into();
            return if is_too_large { Err(Reason::FLOW_CONTROL_ERROR) } else { Ok(()) };
        }
        if self.is_idle(head.stream) {
            return Err(Reason::PROTOCOL_ERROR);
        }
        if more == 0 {
            return self.fault_on(head.stream, Reason::PROTOCOL_ERROR).map(drop);
        }
        self.widen(head.stream, more)
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
