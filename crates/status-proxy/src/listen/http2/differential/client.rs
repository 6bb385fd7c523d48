//! What a client sends: conversations frame by frame, most of them odd but right.

use std::mem;

use crate::http2::conversation::{
    hpack::{Encoder, Field},
    wire::{Frame, MAX_FRAME, Random, data, flag, frame, head, kind, setting, settings, window_update},
};

/// What a client sends within bodies altogether: what it may, whether anybody reads it or not.
const BODY_BYTES: usize = 60_000;

const METHODS: &[&str] = &["GET", "GET", "GET", "POST", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE"];

const PATHS: &[&str] = &[
    "/",
    "/?a=b",
    "/echo",
    "/echo",
    "/duplex",
    "/duplex",
    "/plain/0",
    "/plain/5",
    "/plain/70000",
    "/pieces/0",
    "/pieces/5",
    "/pieces/70000",
    "/paused/30000",
    "/trailers/0",
    "/trailers/5",
    "/early/0",
    "/early/5",
    "/early/70000",
    "/unread/0",
    "/unread/5",
    "/unread/70000",
    "/status/204",
    "/status/304",
    "/status/500",
    "/interim/0",
    "/interim/5",
    "/broken/0",
    "/broken/5",
    "/error",
    "/never",
];

const FIELDS: &[(&[u8], &[u8])] = &[
    (b"accept", b"*/*"),
    (b"accept-encoding", b"gzip, deflate"),
    (b"cookie", b"a=1"),
    (b"cookie", b"b=2; c=3"),
    (b"user-agent", b"Mozilla/5.0 (X11; Linux x86_64)"),
    (b"x-a", b"b"),
    (b"x-a", b"c"),
    (b"x-empty", b""),
    (b"x-odd", b"\x80\xff\tb"),
    (b"x-long", &[b'l'; 300]),
    (b"x-blank", b"a \t b"),
    (b"x!#$%&'*+-.^_`|~9", b"\"'(),;<=>?@[]{}"),
    (b"te", b"trailers"),
    (b"expect", b"100-continue"),
    (b"host", b"a"),
    (b"trailer", b"x-sum"),
    (b"content-type", b"text/plain"),
];

const ODD_FIELDS: &[(&[u8], &[u8])] = &[
    (b"X-Upper", b"b"),
    (b"", b"b"),
    (b"x a", b"b"),
    (b"x:a", b"b"),
    (b"x\xff", b"b"),
    (b"x\0", b"b"),
    (b"x", b"a\0b"),
    (b"x", b"a\rb"),
    (b"x", b"a\nb"),
    (b"x", b"a\x7fb"),
    (b"x", b"a\x01b"),
    (b"connection", b"close"),
    (b"connection", b""),
    (b"keep-alive", b"1"),
    (b"proxy-connection", b"close"),
    (b"transfer-encoding", b"chunked"),
    (b"upgrade", b"h2c"),
    (b"te", b"gzip"),
    (b"te", b"trailers, gzip"),
    (b"te", b"Trailers"),
    (b"host", b"b"),
    (b"host", b""),
    (b"content-length", b"5"),
    (b"content-length", b"0"),
    (b"content-length", b"+5"),
    (b"content-length", b"5, 5"),
    (b"content-length", b"x"),
    (b"content-length", b"18446744073709551616"),
    (b":status", b"200"),
    (b":unknown", b"x"),
    (b":", b"x"),
    (b":path", b"/echo"),
    (b":protocol", b"websocket"),
    (b":protocol", b"connect-udp"),
];

const ODD_VALUES: &[&[u8]] = &[
    b"",
    b" ",
    b"a b",
    b"/",
    b"*",
    b"x",
    b"/a b",
    b"/#a",
    b"//",
    b"/?",
    b"/\xc3\xa9",
    b"http://b/",
    b"GET",
    b"G T",
    b"CONNECT",
    b"get",
    b"http",
    b"HTTP",
    b"ftp",
    b"1x",
    b"a:80",
    b"a:",
    b":80",
    b"a:99999",
    b"u@a",
    b"[::1]",
    b"[",
    b"a/b",
    b"websocket",
];

fn field(name: &str, value: impl AsRef<[u8]>) -> Field {
    (name.as_bytes().to_vec(), value.as_ref().to_vec())
}

/// What is still to be said on a stream.
struct Plan {
    stream: u32,
    parts: Vec<usize>,
    has_trailers: bool,
}

/// Says one thing after the other.
pub(super) struct Client {
    random: Random,
    encoder: Encoder,
    frames: Vec<Frame>,
    next_stream: u32,
    open: Vec<Plan>,
    body_bytes: usize,
    has_acknowledged: bool,
    /// How rare requests are that may be none.
    odd_one_in: usize,
}

impl Client {
    /// A conversation behind the preface, without mistakes in its frames, though some requests are none.
    pub(super) fn talk(seed: u64) -> Vec<Frame> {
        let mut random = Random::new(seed);
        let mut client = Self {
            odd_one_in: random.pick(&[5, 30, 1000]),
            random,
            encoder: Encoder::new(),
            frames: Vec::new(),
            next_stream: 1,
            open: Vec::new(),
            body_bytes: 0,
            has_acknowledged: false,
        };
        client.settings();
        let streams = 1 + client.random.below(5);
        let mut left = streams;
        while left > 0 || !client.open.is_empty() {
            if left > 0 && (client.open.is_empty() || client.random.one_in(3)) {
                left -= 1;
                client.request();
            } else {
                client.go_on();
            }
            while client.random.one_in(4) {
                client.aside();
            }
        }
        client.frames
    }

    fn settings(&mut self) {
        let random = &mut self.random;
        let mut values = Vec::new();
        while random.one_in(2) {
            values.push(match random.below(8) {
                0 => (setting::HEADER_TABLE_SIZE, random.pick(&[0, 50, 100, 4096, 1 << 20])),
                1 | 2 => (setting::INITIAL_WINDOW_SIZE, random.pick(&[0, 1, 10, 1000, 65_535, 100_000])),
                3 => (setting::MAX_FRAME_SIZE, random.pick(&[16_384, 16_385, 30_000, 100_000, 16_777_215])),
                4 => (2, random.pick(&[0, 1])),
                5 => (3, random.pick(&[0, 1, 100])),
                6 => (6, random.pick(&[0, 100, 65_536])),
                _ => (random.pick(&[8, 9, 0x1234]), random.pick(&[0, 1])),
            });
        }
        self.frames.push(settings(&values));
    }

    fn request(&mut self) {
        let random = &mut self.random;
        let (mut method, path) = (random.pick(METHODS), random.pick(PATHS));
        let is_tunnel = random.one_in(12);
        if is_tunnel {
            method = "CONNECT";
        }
        let path = if is_tunnel { "/tunnel" } else { path };
        let mut plan = Plan { stream: self.next_stream, parts: Vec::new(), has_trailers: false };
        self.next_stream += 2 * (1 + random.below(8) as u32 / 7);
        if method != "GET" && method != "HEAD" || random.one_in(6) {
            for _ in 0..random.below(4) {
                let most = random.pick(&[1, 10, 10, 1000, 1000, MAX_FRAME + 1]);
                let part = random.below(most).min(BODY_BYTES - self.body_bytes);
                self.body_bytes += part;
                plan.parts.push(part);
            }
            plan.has_trailers = random.one_in(3);
        }
        let length: usize = plan.parts.iter().sum();
        let mut fields = vec![
            field(":method", method),
            field(":scheme", random.pick(&["http", "http", "https"])),
            field(":path", path),
            field(":authority", random.pick(&["a", "a:80", "example.org"])),
        ];
        if is_tunnel {
            fields.push(field(":protocol", "websocket"));
        }
        while random.one_in(self.odd_one_in) {
            let at = random.below(fields.len());
            match random.below(5) {
                0 if fields.len() > 1 => drop(fields.remove(at)),
                1 => fields.push(fields[at].clone()),
                2 => fields.swap(0, at),
                3 => fields[at].1 = random.pick(ODD_VALUES).to_vec(),
                _ => fields.insert(at, field("x-before", "b")),
            }
        }
        if random.one_in(3) {
            let length = if random.one_in(self.odd_one_in) { length + 1 } else { length };
            fields.push(field("content-length", length.to_string()));
        }
        fields.extend(some_fields(random, self.odd_one_in));
        let is_end = plan.parts.is_empty() && !plan.has_trailers && !random.one_in(4);
        self.head(plan.stream, is_end, &fields);
        if !is_end {
            self.open.push(plan);
        }
    }

    fn head(&mut self, stream: u32, is_end: bool, fields: &[Field]) {
        self.frames.extend(head(&mut self.random, &mut self.encoder, stream, is_end, fields));
    }

    /// The next of what is to be said on some stream.
    fn go_on(&mut self) {
        let random = &mut self.random;
        let at = random.below(self.open.len());
        let plan = &mut self.open[at];
        let stream = plan.stream;
        if random.one_in(20) {
            self.open.remove(at);
            let code = random.pick(&[0, 1, 5, 7, 8, 99]);
            return self.frames.push(frame(kind::RST_STREAM, 0, stream, &u32::to_be_bytes(code)));
        }
        if random.one_in(40) {
            // Nothing more, and no end.
            self.open.remove(at);
            return;
        }
        if plan.parts.is_empty() && plan.has_trailers {
            self.open.remove(at);
            let mut fields = some_fields(random, self.odd_one_in);
            // h2 takes them, and should not.
            fields.retain(|(name, _)| !name.starts_with(b":"));
            fields.push(field("x-sum", "1"));
            return self.head(stream, true, &fields);
        }
        let part = if plan.parts.is_empty() { 0 } else { plan.parts.remove(0) };
        let is_last = plan.parts.is_empty() && !plan.has_trailers && (part == 0 || random.one_in(2));
        if is_last {
            self.open.remove(at);
        }
        self.frames.push(data(random, stream, is_last, part));
    }

    /// Something besides.
    fn aside(&mut self) {
        let random = &mut self.random;
        let stream = 1 + 2 * random.below((self.next_stream as usize / 2).max(1)) as u32;
        let any = random.pick(&[0, stream, stream, 99]);
        let bytes: Vec<u8> = (0..8).map(|_| random.below(256) as u8).collect();
        let frame = match random.below(10) {
            0 => frame(kind::PING, random.pick(&[0, 0, 0, flag::ACK, 0xfe]), 0, &bytes),
            1 => frame(kind::PRIORITY, 0, any.max(1), &[0, 0, 0, random.pick(&[0, 4, any as u8 + 2]), 7]),
            2 => frame(random.pick(&[0xa, 0x10, 0xfa]), random.below(256) as u8, any, &bytes),
            3 => return self.settings(),
            4 if !mem::replace(&mut self.has_acknowledged, true) => frame(kind::SETTINGS, flag::ACK, 0, &[]),
            5 => window_update(0, 1 + random.below(100_000) as u32),
            6 | 7 => window_update(stream, 1 + random.below(100_000) as u32),
            8 if random.one_in(4) => frame(kind::RST_STREAM, 0, stream, &[0, 0, 0, 8]),
            8 if random.one_in(8) => frame(kind::GOAWAY, 0, 0, &[0; 8]),
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
