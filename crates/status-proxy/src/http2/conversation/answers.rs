//! What one side says, held against what RFC 9113 allows it to say.

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
};

use super::{
    hpack::{Decoder, Field},
    wire::{FRAME_HEAD, Frame, MAX_FRAME, flag, kind, setting, stream_of},
};

/// The window of a stream or connection of which nothing was said.
const WINDOW: u64 = 64 * 1024 - 1;

/// What came on a stream.
#[derive(Clone, Default, Eq, PartialEq)]
pub(crate) struct Answer {
    pub(crate) interim: Vec<Vec<Field>>,
    pub(crate) head: Option<Vec<Field>>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Vec<Field>>,
    pub(crate) is_ended: bool,
    pub(crate) reset: Option<u32>,
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = |fields: &[Field]| -> Vec<String> {
            fields
                .iter()
                .map(|(name, value)| format!("{}: {}", name.escape_ascii(), value.escape_ascii()))
                .collect()
        };
        let interim: Vec<_> = self.interim.iter().map(|fields| text(fields)).collect();
        let (head, trailers) = (self.head.as_deref().map(text), self.trailers.as_deref().map(text));
        let (end, reset) = (self.is_ended, self.reset);
        write!(f, "interim {interim:?} head {head:?} body {} ", self.body.len())?;
        write!(f, "trailers {trailers:?} ended {end} reset {reset:?}")
    }
}

/// All that came.
#[derive(Debug)]
pub(crate) struct Answers {
    unread: Vec<u8>,
    decoder: Decoder,
    /// A block of fields that goes on: stream, whether it ends the stream, bytes.
    partial: Option<(u32, bool, Vec<u8>)>,
    /// The other side's, of which it has not said yet that it knows.
    settings: VecDeque<Vec<(u16, u32)>>,
    max_frame: usize,
    is_greeted: bool,
    data: u64,
    pub(crate) streams: BTreeMap<u32, Answer>,
    pub(crate) acknowledged: usize,
    pub(crate) pings: Vec<Vec<u8>>,
    pub(crate) pongs: Vec<Vec<u8>>,
    /// Last stream and code.
    pub(crate) goaways: Vec<(u32, u32)>,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self {
            unread: Vec::new(),
            decoder: Decoder::default(),
            partial: None,
            settings: VecDeque::new(),
            max_frame: MAX_FRAME,
            is_greeted: false,
            data: 0,
            streams: BTreeMap::new(),
            acknowledged: 0,
            pings: Vec::new(),
            pongs: Vec::new(),
            goaways: Vec::new(),
        }
    }

    /// Takes note of what it is told.
    pub(crate) fn expect(&mut self, sent: &Frame) {
        if sent.len() >= FRAME_HEAD && sent[3] == kind::SETTINGS && sent[4] & flag::ACK == 0 {
            let values: Vec<_> = values(&sent[FRAME_HEAD..]).collect();
            for (key, value) in &values {
                if *key == setting::MAX_FRAME_SIZE {
                    self.max_frame = self.max_frame.max(*value as usize);
                }
            }
            self.settings.push_back(values);
        }
    }

    /// Reads what has come.
    pub(crate) fn read(&mut self, bytes: &[u8]) {
        self.unread.extend(bytes);
        while let [a, b, c, kind, flags, stream @ ..] = &self.unread[..]
            && let Some((stream, rest)) = stream.split_first_chunk()
        {
            let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
            assert!(length <= self.max_frame, "a frame of {length} bytes");
            if rest.len() < length {
                return;
            }
            let (kind, flags, stream, payload) =
                (*kind, *flags, u32::from_be_bytes(*stream), rest[..length].to_vec());
            self.unread.drain(..FRAME_HEAD + length);
            self.frame(kind, flags, stream, &payload);
        }
    }

    fn frame(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        assert!(self.is_greeted || kind == kind::SETTINGS, "type {kind} before SETTINGS");
        self.is_greeted = true;
        assert!(self.partial.is_none() || kind == kind::CONTINUATION, "type {kind} within a head");
        match kind {
            kind::DATA => {
                assert!(flags & !flag::END_STREAM == 0, "flags of DATA: {flags}");
                self.data += payload.len() as u64;
                let answer = self.answer(stream);
                assert!(answer.head.is_some() && answer.trailers.is_none(), "DATA out of place: {answer:?}");
                answer.body.extend(payload);
                answer.is_ended = flags & flag::END_STREAM != 0;
            }
            kind::HEADERS => {
                assert!(flags & (flag::PADDED | flag::PRIORITY) == 0, "flags of HEADERS: {flags}");
                self.partial = Some((stream, flags & flag::END_STREAM != 0, payload.to_vec()));
                self.end_of_head(flags);
            }
            kind::CONTINUATION => {
                let (of, _, block) = self.partial.as_mut().expect("a head goes on");
                assert_eq!(*of, stream);
                block.extend(payload);
                self.end_of_head(flags);
            }
            kind::RST_STREAM => {
                let answer = self.streams.entry(stream).or_default();
                assert!(stream != 0 && answer.reset.is_none(), "RST_STREAM twice, {stream}: {answer:?}");
                answer.reset = Some(u32::from_be_bytes(payload.try_into().unwrap()));
            }
            kind::SETTINGS if flags & flag::ACK != 0 => {
                assert!(payload.is_empty());
                self.acknowledged += 1;
                let values = self.settings.pop_front().expect("settings to be acknowledged");
                // Those of one frame come all at once: the last one holds.
                let size = values.iter().rev().find(|(key, _)| *key == setting::HEADER_TABLE_SIZE);
                if let Some((_, size)) = size {
                    self.decoder.allow(*size as usize);
                }
            }
            kind::SETTINGS => assert!(stream == 0 && payload.len().is_multiple_of(6), "SETTINGS"),
            kind::PING => {
                assert!(stream == 0 && payload.len() == 8, "PING");
                if flags & flag::ACK != 0 { &mut self.pongs } else { &mut self.pings }.push(payload.to_vec());
            }
            kind::GOAWAY => {
                assert!(stream == 0 && payload.len() >= 8, "GOAWAY");
                let [last, code] = [&payload[..4], &payload[4..8]]
                    .map(|bytes| u32::from_be_bytes(bytes.try_into().expect("four bytes")));
                assert!(self.goaways.last().is_none_or(|(before, _)| last <= *before), "GOAWAY grows");
                self.goaways.push((last, code));
            }
            kind::WINDOW_UPDATE => {
                let increment = u32::from_be_bytes(payload.try_into().unwrap());
                assert!(increment > 0 && increment < 1 << 31, "WINDOW_UPDATE of {increment}");
            }
            _ => panic!("nobody sends type {kind}"),
        }
    }

    /// A stream on which something may come.
    fn answer(&mut self, stream: u32) -> &mut Answer {
        assert!(stream % 2 == 1, "stream {stream}");
        let answer = self.streams.entry(stream).or_default();
        assert!(!answer.is_ended && answer.reset.is_none(), "behind the end of {stream}: {answer:?}");
        answer
    }

    fn end_of_head(&mut self, flags: u8) {
        if flags & flag::END_HEADERS == 0 {
            return;
        }
        let (stream, is_end, block) = self.partial.take().expect("a head");
        let mut fields = self.decoder.decode(&block);
        for (name, value) in &mut fields {
            assert!(!name.iter().any(u8::is_ascii_uppercase), "{}", name.escape_ascii());
            if name == b"date" {
                *value = b"now".to_vec();
            }
        }
        // Lines of the same name stay in order; the order among names is the map's own business.
        fields.sort_by(|a, b| a.0.cmp(&b.0));
        let answer = self.answer(stream);
        // A request's method stands where a response's status does.
        let is_first = |name: &[u8]| [&b":status"[..], b":method"].contains(&name);
        let first = fields.iter().find(|(name, _)| is_first(name)).map(|(_, value)| &value[..]);
        match first {
            Some([b'1', ..]) => {
                assert!(!is_end && answer.head.is_none(), "an interim head out of place");
                answer.interim.push(fields);
            }
            Some(_) => {
                assert!(answer.head.is_none(), "two heads on {stream}");
                answer.head = Some(fields);
            }
            None => {
                assert!(is_end && answer.head.is_some(), "trailers out of place");
                answer.trailers = Some(fields);
            }
        }
        answer.is_ended = is_end;
    }

    /// Whether it kept to the windows of one who has sent no more than this.
    pub(crate) fn assert_within_windows(&self, sent: &[Frame]) {
        let (mut connection, mut initial) = (WINDOW, WINDOW);
        let mut streams: BTreeMap<u32, u64> = BTreeMap::new();
        for frame in sent.iter().filter(|frame| frame.len() > FRAME_HEAD) {
            let payload = &frame[FRAME_HEAD..];
            match (frame[3], payload) {
                (kind::WINDOW_UPDATE, &[a, b, c, d, ..]) => {
                    let more = u64::from(u32::from_be_bytes([a, b, c, d]) & (u32::MAX >> 1));
                    let stream = stream_of(frame);
                    if stream == 0 {
                        connection += more;
                    } else {
                        *streams.entry(stream).or_default() += more;
                    }
                }
                (kind::SETTINGS, payload) => {
                    for (_, size) in values(payload).filter(|(key, _)| *key == setting::INITIAL_WINDOW_SIZE) {
                        initial = initial.max(size.into());
                    }
                }
                _ => {}
            }
        }
        assert!(self.data <= connection, "{} bytes in a window of {connection}", self.data);
        for (stream, answer) in &self.streams {
            let window = initial + streams.get(stream).unwrap_or(&0);
            assert!(answer.body.len() as u64 <= window, "stream {stream}, window {window}: {answer:?}");
        }
    }
}

fn values(payload: &[u8]) -> impl Iterator<Item = (u16, u32)> {
    let values = payload.chunks_exact(6);
    values.map(|value| {
        (
            u16::from_be_bytes([value[0], value[1]]),
            u32::from_be_bytes([value[2], value[3], value[4], value[5]]),
        )
    })
}
