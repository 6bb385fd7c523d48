//! Frames as conversations are made of, and what chance makes of them.

use std::mem;

use super::hpack::{self, Encoder, Field};

pub(crate) use crate::http2::frame::{flag, kind, setting};

/// xorshift64*: the same conversations on every machine.
#[derive(Clone, Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_add(1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        random.below(2);
        random
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound
    }

    pub(crate) fn one_in(&mut self, bound: usize) -> bool {
        self.below(bound) == 0
    }

    pub(crate) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.below(items.len())]
    }
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// RFC 9113, 4.1.
pub(crate) const FRAME_HEAD: usize = 9;

/// The largest frame that nobody asked to be larger.
pub(crate) const MAX_FRAME: usize = 16 * 1024;

pub(crate) type Frame = Vec<u8>;

pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Frame {
    let length = (payload.len() as u32).to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Frame {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(key, value)| [&key.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, 0, 0, &payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Frame {
    frame(kind::WINDOW_UPDATE, 0, stream, &increment.to_be_bytes())
}

/// Cuts what is sent into its frames. The last one may be incomplete.
pub(crate) fn frames(mut bytes: &[u8]) -> Vec<Frame> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) = bytes.split_at(whole_len(bytes).min(bytes.len()));
        frames.push(frame.to_vec());
        bytes = rest;
    }
    frames
}

/// How long the frame is that these bytes begin with.
pub(crate) fn whole_len(bytes: &[u8]) -> usize {
    match bytes {
        [a, b, c, ..] => FRAME_HEAD + u32::from_be_bytes([0, *a, *b, *c]) as usize,
        _ => FRAME_HEAD,
    }
}

pub(crate) fn is_whole(frame: &[u8]) -> bool {
    frame.len() == whole_len(frame)
}

/// The stream of a frame whose head is there.
pub(crate) fn stream_of(frame: &[u8]) -> u32 {
    u32::from_be_bytes([frame[5] & 0x7f, frame[6], frame[7], frame[8]])
}

/// For people.
pub(crate) fn describe(frame: &[u8]) -> String {
    let Some((head, payload)) = frame.split_first_chunk::<FRAME_HEAD>() else {
        return format!("cut off: {frame:02x?}");
    };
    let [a, b, c, kind, flags, stream @ ..] = *head;
    let length = u32::from_be_bytes([0, a, b, c]);
    let stream = u32::from_be_bytes(stream);
    let shown = &payload[..payload.len().min(64)];
    format!("type {kind} flags {flags:#04x} stream {stream} length {length}: {shown:02x?}")
}

/// A block of fields, in as many frames as it pleases.
pub(crate) fn head(
    random: &mut Random,
    encoder: &mut Encoder,
    stream: u32,
    is_end: bool,
    fields: &[Field],
) -> Vec<Frame> {
    let mut block = encoder.encode(random, fields);
    let mut parts = Vec::new();
    while !block.is_empty() || parts.is_empty() || random.one_in(8) {
        let length = if random.one_in(5) { random.below(block.len() + 1) } else { block.len() };
        let rest = block.split_off(length.min(MAX_FRAME - 300));
        parts.push(mem::replace(&mut block, rest));
    }
    let count = parts.len();
    let mut frames = Vec::new();
    for (number, part) in parts.into_iter().enumerate() {
        let mut flags = if number + 1 == count { flag::END_HEADERS } else { 0 };
        if number > 0 {
            frames.push(frame(kind::CONTINUATION, flags, stream, &part));
            continue;
        }
        flags |= u8::from(is_end) * flag::END_STREAM;
        let (mut payload, mut padding) = (Vec::new(), 0);
        if random.one_in(6) {
            flags |= flag::PADDED;
            padding = random.below(random.clone().pick(&[1, 10, 256]));
            payload.push(padding as u8);
        }
        if random.one_in(6) {
            flags |= flag::PRIORITY;
            let depends_on = random.pick(&[0, 0, stream + 2, 7 & !(stream & 2)]);
            payload.extend(u32::to_be_bytes(depends_on | u32::from(random.one_in(2)) << 31));
            payload.push(16);
        }
        payload.extend(part);
        payload.resize(payload.len() + padding, 0);
        frames.push(frame(kind::HEADERS, flags, stream, &payload));
    }
    frames
}

/// A part of a body, with padding or without.
pub(crate) fn data(random: &mut Random, stream: u32, is_last: bool, part: usize) -> Frame {
    let mut flags = u8::from(is_last) * flag::END_STREAM;
    let body: Vec<u8> = (0..part).map(|number| (number + stream as usize) as u8).collect();
    let mut payload = Vec::new();
    if random.one_in(6) && part + 300 < MAX_FRAME {
        flags |= flag::PADDED;
        let padding = random.below(random.clone().pick(&[1, 10, 256]));
        payload.push(padding as u8);
        payload.extend(body);
        payload.resize(payload.len() + padding, 0);
    } else {
        payload = body;
    }
    frame(kind::DATA, flags, stream, &payload)
}

/// Makes a few mistakes.
pub(crate) fn mutate(random: &mut Random, frames: &mut Vec<Frame>) {
    for _ in 0..=random.below(2) {
        let at = random.below(frames.len());
        let other = random.below(frames.len());
        let frame = &mut frames[at];
        let place = random.below(frame.len());
        match random.below(12) {
            0 => drop(frames.remove(at)),
            1 => frames.insert(other, frames[at].clone()),
            2 => frames.swap(at, other),
            3 => frame.truncate(place),
            4 => cut(frame, place),
            5 if frame.len() > 3 => frame[3] = random.below(11) as u8,
            6 if frame.len() > 4 => frame[4] ^= random.pick(&[1, 4, 8, 0x20]),
            7 if frame.len() > 8 => frame[8] = frame[8].wrapping_add(random.pick(&[1, 2, 254, 255])),
            8 if frame.len() > 8 => frame[5..9].copy_from_slice(&random.pick(&[[0; 4], [0x80, 0, 0, 1]])),
            9 if frame.len() > 3 => frame[2] = frame[2].wrapping_add(random.pick(&[1, 255, 100])),
            _ => frame[place] ^= 1 << random.below(8),
        }
        if frames.is_empty() {
            frames.push(settings(&[]));
        }
        frames.retain(|frame| !frame.is_empty());
        if frames.is_empty() {
            frames.push(settings(&[]));
        }
    }
}

/// Shortens a frame, which says so.
fn cut(frame: &mut Frame, place: usize) {
    if let Some(length) = place.checked_sub(FRAME_HEAD) {
        frame.truncate(place);
        frame[..3].copy_from_slice(&(length as u32).to_be_bytes()[1..]);
    }
}

/// A HEADERS frame of fields that enter no table.
pub(crate) fn plain_head(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Frame {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name, value] {
            hpack::integer(&mut block, 0, 7, text.len());
            block.extend(text.as_bytes());
        }
    }
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, &block)
}
