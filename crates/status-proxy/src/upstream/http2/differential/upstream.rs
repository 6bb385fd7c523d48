//! What an upstream sends: conversations frame by frame, most of them odd but right.

use http::Method;

use super::run::Plan;
use crate::http2::conversation::{
    hpack::{Encoder, Field},
    wire::{Frame, MAX_FRAME, Random, data, flag, frame, head, kind, setting, settings, window_update},
};

/// What is sent within bodies altogether: what may be, whether anybody reads it or not.
const BODY_BYTES: usize = 60_000;

const STATUSES: &[&str] =
    &["200", "200", "200", "200", "201", "204", "206", "304", "400", "404", "500", "503", "599", "999"];

const INTERIM_STATUSES: &[&str] = &["100", "102", "103", "103", "199"];

const FIELDS: &[(&[u8], &[u8])] = &[
    (b"server", b"example"),
    (b"date", b"now"),
    (b"set-cookie", b"a=1"),
    (b"set-cookie", b"b=2; c=3"),
    (b"content-type", b"text/html"),
    (b"x-a", b"b"),
    (b"x-a", b"c"),
    (b"x-empty", b""),
    (b"x-odd", b"\x80\xff\tb"),
    (b"x-long", &[b'l'; 300]),
    (b"x!#$%&'*+-.^_`|~9", b"\"'(),;<=>?@[]{}"),
    (b"trailer", b"x-sum"),
    (b"te", b"trailers"),
    (b"link", b"</a.css>"),
];

const ODD_FIELDS: &[(&[u8], &[u8])] = &[
    (b"X-Upper", b"b"),
    (b"", b"b"),
    (b"x a", b"b"),
    (b"x\xff", b"b"),
    (b"x", b"a\0b"),
    (b"x", b"a\rb"),
    (b"x", b"a\nb"),
    (b"x", b"a\x7fb"),
    (b"connection", b"close"),
    (b"keep-alive", b"1"),
    (b"proxy-connection", b"close"),
    (b"transfer-encoding", b"chunked"),
    (b"upgrade", b"h2c"),
    (b"te", b"gzip"),
    (b"content-length", b"5"),
    (b"content-length", b"0"),
    (b"content-length", b"+5"),
    (b"content-length", b"5, 5"),
    (b"content-length", b"x"),
    (b"content-length", b"18446744073709551616"),
    (b":status", b"200"),
    (b":unknown", b"x"),
    (b":path", b"/"),
    (b":method", b"GET"),
];

const ODD_STATUSES: &[&[u8]] = &[b"", b"0", b"99", b"101", b"1000", b"20", b"2 0", b"-20", b"ok", b"\xff00"];

fn field(name: &str, value: impl AsRef<[u8]>) -> Field {
    (name.as_bytes().to_vec(), value.as_ref().to_vec())
}

/// What is still to be said on a stream.
struct Answer {
    stream: u32,
    is_head: bool,
    interim: usize,
    has_head: bool,
    parts: Vec<usize>,
    has_trailers: bool,
}

/// Says one thing after the other.
pub(super) struct Upstream {
    random: Random,
    encoder: Encoder,
    frames: Vec<Frame>,
    open: Vec<Answer>,
    streams: u32,
    body_bytes: usize,
    /// How rare responses are that may be none.
    odd_one_in: usize,
}

impl Upstream {
    /// What is said to these requests, without mistakes in the frames, though some responses are none.
    pub(super) fn talk(seed: u64, plans: &[Plan]) -> Vec<Frame> {
        let mut random = Random::new(seed ^ 0x0B57_12EA);
        let mut upstream = Self {
            odd_one_in: random.pick(&[5, 30, 1000, 1000]),
            random,
            encoder: Encoder::new(),
            frames: Vec::new(),
            open: Vec::new(),
            streams: plans.len() as u32,
            body_bytes: 0,
        };
        upstream.settings();
        for (number, plan) in plans.iter().enumerate() {
            upstream.plan(2 * number as u32 + 1, plan.method == Method::HEAD);
        }
        while !upstream.open.is_empty() {
            upstream.go_on();
            while upstream.random.one_in(4) {
                upstream.aside();
            }
        }
        upstream.frames
    }

    fn settings(&mut self) {
        let random = &mut self.random;
        let mut values = Vec::new();
        while random.one_in(2) {
            values.push(match random.below(8) {
                0 => (setting::HEADER_TABLE_SIZE, random.pick(&[0, 50, 100, 4096, 1 << 20])),
                1 | 2 => (setting::INITIAL_WINDOW_SIZE, random.pick(&[0, 1, 10, 1000, 65_535, 100_000])),
                3 => (setting::MAX_FRAME_SIZE, random.pick(&[16_384, 16_385, 30_000, 100_000, 16_777_215])),
                4 => (setting::MAX_CONCURRENT_STREAMS, random.pick(&[0, 1, 2, 100, u32::MAX])),
                _ => (random.pick(&[8, 9, 0x1234]), random.pick(&[0, 1])),
            });
        }
        self.frames.push(settings(&values));
    }

    fn plan(&mut self, stream: u32, is_head: bool) {
        let random = &mut self.random;
        let mut answer = Answer {
            stream,
            is_head,
            interim: if random.one_in(4) { 1 + random.below(3) } else { 0 },
            has_head: false,
            parts: Vec::new(),
            has_trailers: random.one_in(4),
        };
        for _ in 0..random.below(4) {
            let most = random.pick(&[1, 10, 10, 1000, 1000, MAX_FRAME + 1]);
            let part = random.below(most).min(BODY_BYTES - self.body_bytes);
            self.body_bytes += part;
            answer.parts.push(part);
        }
        self.open.push(answer);
    }

    fn head(&mut self, stream: u32, is_end: bool, fields: &[Field]) {
        self.frames.extend(head(&mut self.random, &mut self.encoder, stream, is_end, fields));
    }

    /// The next of what is to be said on some stream.
    fn go_on(&mut self) {
        let at = self.random.below(self.open.len());
        if self.random.one_in(20) {
            let stream = self.open.remove(at).stream;
            let code = self.random.pick(&[0, 1, 5, 7, 7, 8, 99]);
            return self.frames.push(frame(kind::RST_STREAM, 0, stream, &u32::to_be_bytes(code)));
        }
        if self.random.one_in(40) {
            // Nothing more, and no end.
            self.open.remove(at);
            return;
        }
        if !self.open[at].has_head {
            return self.begin(at);
        }
        let random = &mut self.random;
        let answer = &mut self.open[at];
        let stream = answer.stream;
        if answer.parts.is_empty() && answer.has_trailers {
            self.open.remove(at);
            let mut fields = some_fields(random, self.odd_one_in);
            fields.push(field("x-sum", "1"));
            return self.head(stream, true, &fields);
        }
        let part = if answer.parts.is_empty() { 0 } else { answer.parts.remove(0) };
        let is_last = answer.parts.is_empty() && !answer.has_trailers && (part == 0 || random.one_in(2));
        if is_last {
            self.open.remove(at);
        }
        self.frames.push(data(random, stream, is_last, part));
    }

    /// The head of a response, or an interim one.
    fn begin(&mut self, at: usize) {
        let random = &mut self.random;
        let answer = &mut self.open[at];
        let stream = answer.stream;
        let is_interim = answer.interim > 0;
        let mut status = random.pick(if is_interim { INTERIM_STATUSES } else { STATUSES }).as_bytes();
        if random.one_in(self.odd_one_in) {
            status = random.pick(ODD_STATUSES);
        }
        let mut fields = vec![field(":status", status)];
        fields.extend(some_fields(random, self.odd_one_in));
        if random.one_in(self.odd_one_in) {
            let at = random.below(fields.len());
            match random.below(3) {
                0 => drop(fields.remove(at)),
                1 => fields.push(fields[at].clone()),
                _ => fields.swap(0, at),
            }
        }
        if is_interim {
            answer.interim -= 1;
            let is_end = random.one_in(4 * self.odd_one_in);
            return self.head(stream, is_end, &fields);
        }
        if random.one_in(3) {
            let length: usize = answer.parts.iter().sum();
            let length = if random.one_in(self.odd_one_in) { length + 1 } else { length };
            fields.push(field("content-length", length.to_string()));
        }
        answer.has_head = true;
        if answer.is_head || [&b"204"[..], b"304"].contains(&status) {
            (answer.parts, answer.has_trailers) = (Vec::new(), false);
        }
        let is_end = answer.parts.is_empty() && !answer.has_trailers && !random.one_in(4);
        if is_end {
            self.open.remove(at);
        }
        self.head(stream, is_end, &fields);
    }

    /// Something besides.
    fn aside(&mut self) {
        let random = &mut self.random;
        let stream = 1 + 2 * random.below(self.streams as usize) as u32;
        let any = random.pick(&[0, stream, stream, 99]);
        let bytes: Vec<u8> = (0..8).map(|_| random.below(256) as u8).collect();
        let frame = match random.below(10) {
            0 => frame(kind::PING, random.pick(&[0, 0, 0, flag::ACK, 0xfe]), 0, &bytes),
            1 => frame(kind::PRIORITY, 0, any.max(1), &[0, 0, 0, random.pick(&[0, 4, any as u8 + 2]), 7]),
            2 => frame(random.pick(&[0xa, 0x10, 0xfa]), random.below(256) as u8, any, &bytes),
            3 => return self.settings(),
            4 | 5 => window_update(0, 1 + random.below(100_000) as u32),
            6 | 7 => window_update(stream, 1 + random.below(100_000) as u32),
            8 if random.one_in(4) => frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]),
            8 if random.one_in(4) => {
                let last = random.pick(&[0, stream, 2 * self.streams + 1, 0x7fff_ffff]);
                let code = random.pick(&[0, 0, 1, 11]);
                frame(kind::GOAWAY, 0, 0, &[u32::to_be_bytes(last), u32::to_be_bytes(code)].concat())
            }
            _ => frame(kind::PING, 0, 0, &bytes),
        };
        self.frames.push(frame);
    }
}

fn some_fields(random: &mut Random, odd_one_in: usize) -> Vec<Field> {
    let mut fields = Vec::new();
    while !random.one_in(4) {
        let odd = random.one_in(odd_one_in);
        let (name, value) = random.pick(if odd { ODD_FIELDS } else { FIELDS });
        fields.push((name.to_vec(), value.to_vec()));
    }
    fields
}
