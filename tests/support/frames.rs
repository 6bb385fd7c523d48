//! HTTP/2 frame by frame: bytes to send, and a client or an upstream that holds what comes against the rules.

use std::{
    collections::BTreeMap,
    fmt,
    io::{self, BufReader, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use super::{
    PATIENCE,
    hpack::{self, Decoder, Field},
};

/// Types of frames (RFC 9113, 6).
pub(crate) mod kind {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
}

/// Flags of frames.
pub(crate) mod flag {
    pub(crate) const ACK: u8 = 0x1;
    pub(crate) const END_STREAM: u8 = 0x1;
    pub(crate) const END_HEADERS: u8 = 0x4;
    pub(crate) const PADDED: u8 = 0x8;
    pub(crate) const PRIORITY: u8 = 0x20;
    /// HEADERS that are a whole request.
    pub(crate) const WHOLE: u8 = END_STREAM | END_HEADERS;
}

/// RFC 9113, 7.
pub(crate) mod code {
    pub(crate) const NO_ERROR: u32 = 0x0;
    pub(crate) const PROTOCOL_ERROR: u32 = 0x1;
    pub(crate) const INTERNAL_ERROR: u32 = 0x2;
    pub(crate) const FLOW_CONTROL_ERROR: u32 = 0x3;
    pub(crate) const STREAM_CLOSED: u32 = 0x5;
    pub(crate) const FRAME_SIZE_ERROR: u32 = 0x6;
    pub(crate) const REFUSED_STREAM: u32 = 0x7;
    pub(crate) const CANCEL: u32 = 0x8;
    pub(crate) const COMPRESSION_ERROR: u32 = 0x9;
    pub(crate) const ENHANCE_YOUR_CALM: u32 = 0xb;
}

/// RFC 9113, 6.5.2.
pub(crate) mod setting {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 0x1;
    pub(crate) const ENABLE_PUSH: u16 = 0x2;
    pub(crate) const MAX_CONCURRENT_STREAMS: u16 = 0x3;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 0x4;
    pub(crate) const MAX_FRAME_SIZE: u16 = 0x5;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 0x6;
    /// RFC 8441, 3.
    pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 0x8;
}

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// The largest frame that nobody asked to be larger.
pub(crate) const MAX_FRAME: usize = 16 * 1024;

/// The window of a stream or connection of which nothing was said.
pub(crate) const WINDOW: usize = 64 * 1024 - 1;

/// A frame: type, flags, stream, payload.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let payload = payload.as_ref();
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(stream.to_be_bytes());
    bytes.extend(payload);
    bytes
}

/// The fields of `METHOD /path` to `http://a`, then these.
pub(crate) fn request_block(method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block =
        hpack::literals(&[(":method", method), (":scheme", "http"), (":path", path), (":authority", "a")]);
    block.extend(hpack::literals(fields));
    block
}

/// A HEADERS frame that is a whole request: GET / of http://a and these fields.
pub(crate) fn get(stream: u32, fields: &[(&str, &str)]) -> Vec<u8> {
    ask(stream, "GET", "/", fields)
}

/// A HEADERS frame that is a whole request.
pub(crate) fn ask(stream: u32, method: &str, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flag::WHOLE, stream, request_block(method, path, fields))
}

/// A HEADERS frame of a POST whose body follows.
pub(crate) fn post(stream: u32, path: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(kind::HEADERS, flag::END_HEADERS, stream, request_block("POST", path, fields))
}

pub(crate) fn data(stream: u32, flags: u8, payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(kind::DATA, flags, stream, payload)
}

/// The head of a response, or of an interim one.
pub(crate) fn respond(stream: u32, flags: u8, status: &str, fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = hpack::literals(&[(":status", status)]);
    block.extend(hpack::literals(fields));
    frame(kind::HEADERS, flags | flag::END_HEADERS, stream, block)
}

/// A whole response.
pub(crate) fn answer(stream: u32, status: &str, body: &str) -> Vec<u8> {
    [respond(stream, 0, status, &[]), data(stream, flag::END_STREAM, body)].concat()
}

pub(crate) fn goaway(last: u32, code: u32) -> Vec<u8> {
    frame(kind::GOAWAY, 0, 0, [last.to_be_bytes(), code.to_be_bytes()].concat())
}

pub(crate) fn reset(stream: u32, code: u32) -> Vec<u8> {
    frame(kind::RST_STREAM, 0, stream, code.to_be_bytes())
}

pub(crate) fn settings(values: &[(u16, u32)]) -> Vec<u8> {
    let payload: Vec<u8> = values
        .iter()
        .flat_map(|(key, value)| [&key.to_be_bytes()[..], &value.to_be_bytes()].concat())
        .collect();
    frame(kind::SETTINGS, 0, 0, payload)
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(kind::WINDOW_UPDATE, 0, stream, increment.to_be_bytes())
}

/// What came on a stream.
#[derive(Default)]
pub(crate) struct Stream {
    /// Interim heads.
    pub(crate) interim: Vec<Vec<Field>>,
    pub(crate) head: Option<Vec<Field>>,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<Vec<Field>>,
    /// Whether the peer has ended it.
    pub(crate) is_ended: bool,
    /// Whether the frame that ended it was HEADERS.
    pub(crate) is_ended_by_headers: bool,
    /// The code that it was reset with.
    pub(crate) reset: Option<u32>,
    /// What the peer allowed beyond the initial window.
    pub(crate) credit: usize,
    /// What was sent on it by `upload`.
    sent: usize,
    /// What the peer may send.
    window: i64,
    /// Whether a test has asked for it.
    is_taken: bool,
}

impl Stream {
    /// Ended or reset.
    pub(crate) fn is_over(&self) -> bool {
        self.is_ended || self.reset.is_some()
    }

    /// The status, 0 without an answer.
    pub(crate) fn status(&self) -> u16 {
        self.field(":status").parse().unwrap_or(0)
    }

    /// The one value of a field of the head, or `""`.
    #[track_caller]
    pub(crate) fn field(&self, name: &str) -> &str {
        let mut values = self.head.iter().flatten().filter(|field| field.0 == name);
        let value = values.next().map_or("", |field| &field.1);
        assert!(values.next().is_none(), "{name} stands once");
        value
    }

    /// Ended by the peer with this status and body.
    #[track_caller]
    pub(crate) fn assert_is(&self, status: u16, body: impl AsRef<[u8]>) {
        assert_eq!((self.status(), self.reset, self.is_ended), (status, None, true), "{self:?}");
        assert!(self.body == body.as_ref(), "another body, of {} bytes", self.body.len());
    }
}

/// One side of a connection, which reads frames and panics where they are not what RFC 9113 allows.
pub(crate) struct Wire {
    reader: BufReader<TcpStream>,
    is_upstream: bool,
    decoder: Decoder,
    pub(crate) streams: BTreeMap<u32, Stream>,
    /// The peer's settings, as they came.
    pub(crate) settings: Vec<(u16, u32)>,
    /// How many of ours it acknowledged.
    pub(crate) acknowledged: usize,
    /// What it answered to PING.
    pub(crate) pongs: Vec<Vec<u8>>,
    /// Last stream, code and text.
    pub(crate) goaways: Vec<(u32, u32, String)>,
    /// What the peer allowed on the connection beyond the initial window.
    pub(crate) credit: usize,
    pub(crate) is_closed: bool,
    /// Type and stream of each frame that came.
    pub(crate) log: Vec<(u8, u32)>,
    /// Gives back what it reads, at once.
    pub(crate) is_generous: bool,
    /// Answers no PING.
    pub(crate) is_mute: bool,
    /// What was sent on all streams by `upload`.
    sent: usize,
    /// What the peer may send on a new stream, and on all together.
    stream_window: i64,
    window: i64,
}

impl Wire {
    /// A connection on which nothing has been said.
    pub(crate) fn connect(address: SocketAddr) -> Self {
        Self::on(TcpStream::connect(address).expect("the proxy listens"), false)
    }

    /// One side of a connection on which nothing has been said.
    pub(super) fn on(stream: TcpStream, is_upstream: bool) -> Self {
        stream.set_read_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        stream.set_nodelay(true).expect("a socket takes TCP_NODELAY");
        Self {
            reader: BufReader::new(stream),
            is_upstream,
            decoder: Decoder::default(),
            streams: BTreeMap::new(),
            settings: Vec::new(),
            acknowledged: 0,
            pongs: Vec::new(),
            goaways: Vec::new(),
            credit: 0,
            is_closed: false,
            log: Vec::new(),
            is_generous: false,
            is_mute: false,
            sent: 0,
            stream_window: WINDOW as i64,
            window: WINDOW as i64,
        }
    }

    /// A connection with settings exchanged.
    #[track_caller]
    pub(crate) fn open(address: SocketAddr, values: &[(u16, u32)]) -> Self {
        let mut wire = Self::connect(address);
        wire.exchange_settings([PREFACE, &settings(values)].concat(), values);
        wire
    }

    /// Begins with these bytes, which tell the values.
    #[track_caller]
    pub(crate) fn exchange_settings(&mut self, bytes: Vec<u8>, values: &[(u16, u32)]) {
        if let Some((_, size)) = values.iter().find(|(key, _)| *key == setting::INITIAL_WINDOW_SIZE) {
            self.stream_window = (*size).into();
        }
        if let Some((_, size)) = values.iter().find(|(key, _)| *key == setting::HEADER_TABLE_SIZE) {
            self.decoder.allow(*size as usize);
        }
        self.send(bytes);
        self.until("settings", |wire| wire.acknowledged == 1);
        self.send(frame(kind::SETTINGS, flag::ACK, 0, []));
    }

    /// Writes; a peer that has closed is not an error here, what it said is read next.
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        if let Err(error) = self.reader.get_mut().write_all(bytes.as_ref()) {
            let gone = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            assert!(gone.contains(&error.kind()), "cannot write: {error}, {self:?}");
        }
    }

    /// Writes the same again and again and reads nothing, until so many bytes are written or the peer takes no more: how many.
    pub(crate) fn flood(&mut self, bytes: &[u8], most: usize) -> usize {
        let stream = self.reader.get_mut();
        let patience = Duration::from_millis(300);
        stream.set_write_timeout(Some(patience)).expect("a socket takes a timeout");
        let mut written = 0;
        while written < most
            && let Ok(more) = stream.write(&bytes[written % bytes.len()..])
        {
            written += more;
        }
        stream.set_write_timeout(Some(PATIENCE)).expect("a socket takes a timeout");
        written
    }

    /// Writes in pieces of so many bytes, each on its own way.
    pub(crate) fn send_pieces(&mut self, bytes: &[u8], size: usize) {
        for piece in bytes.chunks(size) {
            self.send(piece);
            std::thread::sleep(Duration::from_micros(30));
        }
    }

    /// Allows the peer more, on a stream or, as stream 0, on the connection.
    pub(crate) fn allow(&mut self, stream: u32, more: u32) {
        if stream == 0 {
            self.window += i64::from(more);
        } else {
            self.stream(stream).window += i64::from(more);
        }
        self.send(window_update(stream, more));
    }

    /// Changes what every stream may have, and waits until that is known.
    #[track_caller]
    pub(crate) fn set_stream_window(&mut self, size: u32) {
        let change = i64::from(size) - self.stream_window;
        let acknowledged = self.acknowledged;
        self.send(settings(&[(setting::INITIAL_WINDOW_SIZE, size)]));
        if change > 0 {
            self.change_stream_windows(change);
        }
        self.until("settings are acknowledged", |wire| wire.acknowledged > acknowledged);
        if change < 0 {
            self.change_stream_windows(change);
        }
    }

    fn change_stream_windows(&mut self, change: i64) {
        self.stream_window += change;
        for stream in self.streams.values_mut() {
            stream.window += change;
        }
    }

    /// What may be sent on a stream.
    pub(crate) fn room(&self, number: u32) -> usize {
        let (credit, sent) = self.streams.get(&number).map_or((0, 0), |stream| (stream.credit, stream.sent));
        let initial = self.settings.iter().rev().find(|(key, _)| *key == setting::INITIAL_WINDOW_SIZE);
        let initial = initial.map_or(WINDOW, |(_, size)| *size as usize);
        (initial + credit - sent).min(WINDOW + self.credit - self.sent)
    }

    /// Sends a frame of a body, as much of it as may be sent. What is left.
    pub(crate) fn upload<'a>(&mut self, number: u32, body: &'a [u8]) -> &'a [u8] {
        let (now, rest) = body.split_at(self.room(number).min(body.len()).min(MAX_FRAME));
        if !now.is_empty() {
            self.sent += now.len();
            self.stream(number).sent += now.len();
            self.send(data(number, 0, now));
        }
        rest
    }

    /// Sends a body as fast as it may be sent, and ends the stream.
    #[track_caller]
    pub(crate) fn upload_whole(&mut self, number: u32, mut body: &[u8]) {
        while !body.is_empty() {
            self.until("a window opens", |wire| wire.room(number) > 0);
            body = self.upload(number, body);
        }
        self.send(data(number, flag::END_STREAM, ""));
    }

    /// What has come on a stream so far.
    pub(crate) fn stream(&mut self, stream: u32) -> &mut Stream {
        let window = self.stream_window;
        self.streams.entry(stream).or_insert_with(|| Stream { window, ..Stream::default() })
    }

    pub(crate) fn is_over(&self, stream: u32) -> bool {
        self.streams.get(&stream).is_some_and(Stream::is_over)
    }

    pub(crate) fn body_len(&self, stream: u32) -> usize {
        self.streams.get(&stream).map_or(0, |stream| stream.body.len())
    }

    /// Reads until `done`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, done: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !done(self) {
            assert!(!self.is_closed, "closed before {what}: {self:?}");
            assert!(tokio::time::Instant::now() < deadline, "gave up: {what}: {self:?}");
            if let Err(error) = self.read() {
                panic!("no {what}: {error}, {self:?}");
            }
        }
    }

    /// Reads until a stream is over.
    #[track_caller]
    pub(crate) fn over(&mut self, stream: u32) -> &Stream {
        self.until(&format!("stream {stream} is over"), |wire| wire.is_over(stream));
        &self.streams[&stream]
    }

    /// Reads until a stream is reset: the code.
    #[track_caller]
    pub(crate) fn reset_of(&mut self, stream: u32) -> u32 {
        let code = |wire: &Self| wire.streams.get(&stream).and_then(|stream| stream.reset);
        self.until(&format!("stream {stream} is reset"), |wire| code(wire).is_some());
        code(self).expect("it is there")
    }

    /// Reads what a client says first.
    pub(crate) fn read_preface(&mut self) {
        let mut preface = [0; PREFACE.len()];
        self.reader.read_exact(&mut preface).expect("the program speaks first");
        assert_eq!(preface, PREFACE);
    }

    /// Reads until the head of a request has come: the first that was not asked for before. Its stream.
    #[track_caller]
    pub(crate) fn request(&mut self) -> u32 {
        let next = |wire: &Self| {
            wire.streams
                .iter()
                .find(|(_, stream)| stream.head.is_some() && !stream.is_taken)
                .map(|(number, _)| *number)
        };
        self.until("a request", |wire| next(wire).is_some());
        let number = next(self).expect("it has come");
        self.stream(number).is_taken = true;
        number
    }

    /// Reads until the peer closes: the code of its last GOAWAY.
    #[track_caller]
    pub(crate) fn closed(&mut self) -> Option<u32> {
        self.until("the connection is closed", |wire| wire.is_closed);
        self.goaways.last().map(|goaway| goaway.1)
    }

    /// What was sent before has been seen by the peer.
    #[track_caller]
    pub(crate) fn round_trip(&mut self) {
        let number = self.pongs.len();
        self.send(frame(kind::PING, 0, 0, (number as u64).to_be_bytes()));
        self.until("PING is answered", |wire| wire.pongs.len() > number);
    }

    /// Nothing of a body comes for a while, on any stream.
    #[track_caller]
    pub(crate) fn assert_no_data(&mut self) {
        let count = |wire: &Self| wire.streams.values().map(|stream| stream.body.len()).sum::<usize>();
        let before = count(self);
        for _ in 0..3 {
            std::thread::sleep(Duration::from_millis(15));
            self.round_trip();
            assert_eq!(count(self), before, "nothing more is due: {self:?}");
        }
    }

    /// Another request on this stream is answered with 200 and these bytes.
    #[track_caller]
    pub(crate) fn assert_goes_on(&mut self, stream: u32, body: &str) {
        self.send(get(stream, &[]));
        self.over(stream).assert_is(200, body);
    }

    /// Reads one frame, or the end.
    #[track_caller]
    fn read(&mut self) -> io::Result<()> {
        let mut head = [0; 9];
        if let Err(error) = self.reader.read_exact(&mut head) {
            let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
            self.is_closed = closed.contains(&error.kind());
            return if self.is_closed { Ok(()) } else { Err(error) };
        }
        let [_, _, _, kind, flags, number @ ..] = head;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        assert!(length <= MAX_FRAME, "a frame of {length} bytes");
        let mut payload = vec![0; length];
        self.reader.read_exact(&mut payload)?;
        self.take(kind, flags, u32::from_be_bytes(number), payload)
    }

    #[track_caller]
    fn take(&mut self, kind: u8, flags: u8, number: u32, mut payload: Vec<u8>) -> io::Result<()> {
        let connections = [kind::SETTINGS, kind::PING, kind::GOAWAY];
        assert!(
            connections.contains(&kind) == (number == 0) || kind == kind::WINDOW_UPDATE,
            "{kind} on {number}"
        );
        self.log.push((kind, number));
        match kind {
            kind::DATA => {
                assert_eq!(flags & !flag::END_STREAM, 0, "not padded");
                self.take_data(number, flags & flag::END_STREAM != 0, &payload);
            }
            kind::HEADERS => {
                assert_eq!(flags & !flag::WHOLE, 0, "neither padded nor with a priority");
                let mut last = flags;
                while last & flag::END_HEADERS == 0 {
                    let mut head = [0; 9];
                    self.reader.read_exact(&mut head)?;
                    assert_eq!(head[3..4], [kind::CONTINUATION], "nothing between");
                    assert_eq!(head[5..], number.to_be_bytes(), "the same stream");
                    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
                    let begun = payload.len();
                    payload.resize(begun + length, 0);
                    self.reader.read_exact(&mut payload[begun..])?;
                    last = head[4];
                }
                let fields = hpack::texts(self.decoder.decode(&payload));
                let is_upstream = self.is_upstream;
                self.stream(number).take_fields(fields, flags & flag::END_STREAM != 0, is_upstream);
            }
            kind::RST_STREAM => {
                let code = u32::from_be_bytes(payload.try_into().expect("four bytes"));
                let before = self.stream(number).reset.replace(code);
                assert!(before.is_none(), "stream {number} is reset again");
            }
            kind::SETTINGS if flags == flag::ACK => {
                assert!(payload.is_empty());
                self.acknowledged += 1;
            }
            kind::SETTINGS => {
                let (values, rest) = payload.as_chunks::<6>();
                assert!(rest.is_empty(), "{payload:?}");
                self.settings.extend(values.iter().map(|value| {
                    let [a, b, value @ ..] = *value;
                    (u16::from_be_bytes([a, b]), u32::from_be_bytes(value))
                }));
            }
            kind::PING => {
                assert_eq!(payload.len(), 8);
                if flags == flag::ACK {
                    self.pongs.push(payload);
                } else if !self.is_mute {
                    self.send(frame(kind::PING, flag::ACK, 0, payload));
                }
            }
            kind::GOAWAY => {
                let word = |at| u32::from_be_bytes(payload[at..at + 4].try_into().expect("four bytes"));
                self.goaways.push((word(0), word(4), String::from_utf8_lossy(&payload[8..]).into_owned()));
            }
            kind::WINDOW_UPDATE => {
                let more = u32::from_be_bytes(payload.try_into().expect("four bytes")) as usize;
                assert!(more > 0 && more < 1 << 31);
                if number == 0 {
                    self.credit += more;
                } else {
                    assert_eq!(self.stream(number).reset, None, "stream {number} was reset");
                    self.stream(number).credit += more;
                }
            }
            _ => panic!("a frame of type {kind} on stream {number}"),
        }
        Ok(())
    }

    #[track_caller]
    fn take_data(&mut self, number: u32, is_end: bool, payload: &[u8]) {
        let length = payload.len() as i64;
        self.window -= length;
        assert!(self.window >= 0, "beyond the connection's window: {self:?}");
        let stream = self.stream(number);
        assert!(stream.head.is_some() && !stream.is_over(), "DATA on stream {number}: {stream:?}");
        stream.window -= length;
        // It may be below zero by a change of the settings.
        assert!(length == 0 || stream.window >= 0, "beyond the window of stream {number}: {stream:?}");
        stream.body.extend_from_slice(payload);
        if is_end {
            stream.end();
        }
        if self.is_generous && length > 0 {
            let more = payload.len() as u32;
            self.allow(0, more);
            if !is_end {
                self.allow(number, more);
            }
        }
    }
}

impl Stream {
    #[track_caller]
    fn take_fields(&mut self, fields: Vec<Field>, is_end: bool, is_request: bool) {
        assert!(!self.is_over(), "HEADERS after the end: {self:?}");
        for (name, value) in &fields {
            // T10, and RFC 9113, 8.2.
            let hop_by_hop =
                ["connection", "keep-alive", "proxy-connection", "te", "transfer-encoding", "upgrade"];
            let is_for_upstreams = is_request && name == "te" && value == "trailers";
            assert!(!hop_by_hop.contains(&&**name) || is_for_upstreams, "{name} in {fields:?}");
            assert!(!name.bytes().any(|byte| byte.is_ascii_uppercase()), "{name} in {fields:?}");
            assert_eq!(value.trim(), value, "{fields:?}");
        }
        let pseudo = fields.iter().filter(|(name, _)| name.starts_with(':')).count();
        if self.head.is_some() {
            assert!(is_end && pseudo == 0, "trailers: {fields:?}");
            self.trailers = Some(fields);
            self.end();
            return;
        }
        if is_request {
            let mut names: Vec<_> = fields[..4].iter().map(|(name, _)| &**name).collect();
            names.sort_unstable();
            assert!(pseudo == 4 && names == [":authority", ":method", ":path", ":scheme"], "{fields:?}");
            self.head = Some(fields);
            (self.is_ended, self.is_ended_by_headers) = (is_end, is_end);
            return;
        }
        assert!(pseudo == 1 && fields[0].0 == ":status", "{fields:?}");
        if fields[0].1.starts_with('1') {
            assert!(!is_end, "an interim response ends nothing: {fields:?}");
            self.interim.push(fields);
            return;
        }
        let dates = fields.iter().filter(|(name, _)| name == "date").count();
        assert_eq!(dates, 1, "{fields:?}");
        self.head = Some(fields);
        (self.is_ended, self.is_ended_by_headers) = (is_end, is_end);
    }

    #[track_caller]
    fn end(&mut self) {
        let length = self.field("content-length");
        assert!(length.is_empty() || length == self.body.len().to_string(), "{self:?}");
        self.is_ended = true;
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("head", &self.head)
            .field("body", &self.body.len())
            .field("trailers", &self.trailers)
            .field("is_ended", &self.is_ended)
            .field("reset", &self.reset)
            .field("window", &self.window)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Wire {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wire")
            .field("streams", &self.streams)
            .field("log", &&self.log[self.log.len().saturating_sub(20)..])
            .field("acknowledged", &self.acknowledged)
            .field("goaways", &self.goaways)
            .field("credit", &self.credit)
            .field("is_closed", &self.is_closed)
            .finish_non_exhaustive()
    }
}
