//! Response bodies: bytes to data and trailers, by the framing that the head gave.

use std::mem;

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::{Error, Framing, take_front};
use crate::config::HeadLimits;

/// Bytes of chunk extensions in one body; they mean nothing to us (RFC 9112, section 7.1.1).
const EXTENSIONS_LIMIT: usize = 16 * 1024;

/// Larger chunks are not moved to join those before them: a frame of their own costs less.
const JOINED_CHUNK: usize = 4 * 1024;

/// Reads a body off the front of a buffer.
#[derive(Debug)]
pub(crate) enum Decoder {
    /// Nothing more is to come.
    Done,
    /// So many bytes are to come.
    Length(u64),
    /// Chunks are to come.
    Chunked(Chunked),
    /// All that comes until the connection ends.
    Close,
}

/// What a call to [`Decoder::decode`] found.
#[derive(Debug)]
pub(crate) enum Decoded {
    /// Never empty.
    Data(Bytes),
    /// The trailer section; the body is done.
    Trailers(HeaderMap),
    /// The body is done.
    End,
    /// More bytes are needed.
    More,
}

impl Decoder {
    pub(crate) fn new(framing: Framing, limits: HeadLimits) -> Self {
        match framing {
            Framing::Empty | Framing::Tunnel | Framing::Length(0) => Self::Done,
            Framing::Length(length) => Self::Length(length),
            Framing::Chunked => {
                Self::Chunked(Chunked { state: State::Start, left: 0, extensions: 0, limits })
            }
            Framing::Close => Self::Close,
        }
    }

    /// Whether nothing more is to come.
    pub(crate) fn is_done(&self) -> bool {
        matches!(self, Self::Done)
    }

    /// How many bytes are to come, where the head told.
    pub(crate) fn exact(&self) -> Option<u64> {
        match self {
            Self::Done => Some(0),
            Self::Length(left) => Some(*left),
            Self::Chunked(_) | Self::Close => None,
        }
    }

    /// Takes note that so much of a body of known length was read elsewhere.
    pub(crate) fn skip(&mut self, len: u64) {
        if let Self::Length(left) = self {
            *left -= len;
            if *left == 0 {
                *self = Self::Done;
            }
        }
    }

    /// The next piece of the body. `ended` says that no more bytes will come after those in `input`.
    pub(crate) fn decode(&mut self, input: &mut BytesMut, ended: bool) -> Result<Decoded, Error> {
        match self {
            Self::Done => Ok(Decoded::End),
            Self::Length(left) => {
                if input.is_empty() {
                    return if ended { Err(Error::CutOff) } else { Ok(Decoded::More) };
                }
                let take = usize::try_from(*left).map_or(input.len(), |left| left.min(input.len()));
                *left -= take as u64;
                if *left == 0 {
                    *self = Self::Done;
                }
                Ok(Decoded::Data(take_front(input, take)))
            }
            Self::Close if !input.is_empty() => Ok(Decoded::Data(mem::take(input).freeze())),
            Self::Close if ended => {
                *self = Self::Done;
                Ok(Decoded::End)
            }
            Self::Close => Ok(Decoded::More),
            Self::Chunked(chunked) => {
                let decoded = chunked.decode(input)?;
                match decoded {
                    Decoded::More if ended => return Err(Error::CutOff),
                    Decoded::End | Decoded::Trailers(_) => *self = Self::Done,
                    Decoded::Data(_) if chunked.state == State::End => *self = Self::Done,
                    Decoded::More | Decoded::Data(_) => {}
                }
                Ok(decoded)
            }
        }
    }
}

/// A chunked body (RFC 9112, section 7.1).
#[derive(Debug)]
pub(crate) struct Chunked {
    state: State,
    /// Of the size line: the number so far. Of the data: the bytes to come.
    left: u64,
    extensions: usize,
    limits: HeadLimits,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    /// Before the first digit of a size.
    Start,
    Size,
    /// Blanks between size and CRLF: seen in the wild, harmless.
    Blank,
    Extension,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// After the last chunk: fields, or the empty line.
    Trailer,
    /// The empty line has been read along with data.
    End,
}

impl Chunked {
    /// Small chunks that came together leave together: what they carry is moved into one piece.
    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Error> {
        let (mut data, mut at) = (0..0, 0);
        while let Some(&byte) = input.get(at) {
            match self.state {
                State::Data => {
                    let here = input.len() - at;
                    let take = usize::try_from(self.left).map_or(here, |left| left.min(here));
                    if data.is_empty() {
                        data = at..at;
                    } else if take > JOINED_CHUNK {
                        break;
                    } else {
                        input.copy_within(at..at + take, data.end);
                    }
                    data.end += take;
                    at += take;
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                }
                State::Trailer if data.is_empty() => {
                    input.advance(at);
                    return self.trailers(input);
                }
                State::Trailer => {
                    if input[at..].starts_with(b"\r\n") {
                        at += 2;
                        self.state = State::End;
                    }
                    break;
                }
                _ => match self.step(byte) {
                    Ok(state) => {
                        self.state = state;
                        at += 1;
                    }
                    Err(error) if data.is_empty() => return Err(error),
                    // Told when what came before it has been passed on: the next call finds it again.
                    Err(_) => break,
                },
            }
        }
        if data.is_empty() {
            input.advance(at);
            return Ok(Decoded::More);
        }
        input.advance(data.start);
        let behind = at - data.end;
        let data = input.split_to(data.len()).freeze();
        input.advance(behind);
        Ok(Decoded::Data(data))
    }

    /// What follows a byte outside of data and trailers.
    fn step(&mut self, byte: u8) -> Result<State, Error> {
        match self.state {
            State::Start | State::Size => match (byte as char).to_digit(16) {
                Some(digit) => {
                    let left = self.left.checked_mul(16).and_then(|left| left.checked_add(digit.into()));
                    self.left = left.ok_or(Error::Chunk)?;
                    Ok(State::Size)
                }
                None if self.state == State::Start => Err(Error::Chunk),
                None => after_size(byte),
            },
            State::Blank => after_size(byte),
            State::Extension => match byte {
                b'\r' => Ok(State::SizeLf),
                // Some peers end the line here; what follows would be read differently by them and by us.
                b'\n' => Err(Error::Chunk),
                _ => {
                    self.extensions += 1;
                    if self.extensions >= EXTENSIONS_LIMIT { Err(Error::Chunk) } else { Ok(State::Extension) }
                }
            },
            State::SizeLf if byte == b'\n' => Ok(if self.left == 0 { State::Trailer } else { State::Data }),
            State::DataCr if byte == b'\r' => Ok(State::DataLf),
            State::DataLf if byte == b'\n' => Ok(State::Start),
            _ => Err(Error::Chunk),
        }
    }

    fn trailers(&self, input: &mut BytesMut) -> Result<Decoded, Error> {
        if input.starts_with(b"\r\n") {
            input.advance(2);
            return Ok(Decoded::End);
        }
        let Some(length) = trailer_section(input, self.limits)? else { return Ok(Decoded::More) };
        let section = input.split_to(length);
        let mut table = vec![httparse::EMPTY_HEADER; self.limits.fields];
        let httparse::Status::Complete((_, fields)) = httparse::parse_headers(&section, &mut table)? else {
            return Err(Error::Chunk);
        };
        let mut trailers = HeaderMap::with_capacity(fields.len());
        for field in fields {
            let name = HeaderName::from_bytes(field.name.as_bytes()).map_err(|_| Error::Chunk)?;
            let value = HeaderValue::from_bytes(field.value).map_err(|_| Error::Chunk)?;
            trailers.append(name, value);
        }
        Ok(Decoded::Trailers(trailers))
    }
}

fn after_size(byte: u8) -> Result<State, Error> {
    match byte {
        b'\t' | b' ' => Ok(State::Blank),
        b';' => Ok(State::Extension),
        b'\r' => Ok(State::SizeLf),
        _ => Err(Error::Chunk),
    }
}

/// The length of the trailer section, its empty line included; every line must end in CRLF.
fn trailer_section(input: &[u8], limits: HeadLimits) -> Result<Option<usize>, Error> {
    let mut at = 0;
    let mut fields = 0;
    loop {
        let rest = &input[at..];
        if rest.starts_with(b"\r\n") {
            return if at + 2 >= limits.bytes { Err(Error::Chunk) } else { Ok(Some(at + 2)) };
        }
        let Some(cr) = memchr(b'\r', rest) else { break };
        if memchr(b'\n', &rest[..cr]).is_some() {
            return Err(Error::Chunk);
        }
        match rest.get(cr + 1) {
            Some(b'\n') => at += cr + 2,
            Some(_) => return Err(Error::Chunk),
            None => break,
        }
        fields += 1;
        if fields > limits.fields {
            return Err(Error::Chunk);
        }
    }
    if input.len() >= limits.bytes { Err(Error::Chunk) } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The frames of what came at once, as their lengths; then how it ended.
    fn frames(body: &str) -> (Vec<usize>, &'static str) {
        let limits = HeadLimits { bytes: 1024, fields: 10 };
        let mut decoder = Decoder::new(Framing::Chunked, limits);
        let mut input = BytesMut::from(body);
        let mut frames = Vec::new();
        loop {
            match decoder.decode(&mut input, false) {
                Ok(Decoded::Data(data)) => {
                    assert!(data.iter().all(|&byte| byte == b'x'));
                    frames.push(data.len());
                    if decoder.is_done() {
                        assert!(input.is_empty());
                        return (frames, "with the data");
                    }
                }
                Ok(Decoded::End) => return (frames, "end"),
                Ok(Decoded::Trailers(_)) => return (frames, "trailers"),
                Ok(Decoded::More) => return (frames, "more"),
                Err(_) => return (frames, "malformed"),
            }
        }
    }

    #[test]
    fn small_chunks_that_came_together_are_one_frame() {
        let chunk = |length: usize| format!("{length:x}\r\n{}\r\n", "x".repeat(length));
        let large = chunk(JOINED_CHUNK + 1);
        let small = chunk(1) + &chunk(20) + &chunk(300);
        let cases = [
            ("all", format!("{small}0\r\n\r\n"), vec![321], "with the data"),
            ("end to come", format!("{small}0\r\n"), vec![321], "more"),
            ("trailers", format!("{small}0\r\nA: b\r\n\r\n"), vec![321], "trailers"),
            ("part of a chunk", format!("{small}5\r\nxx"), vec![323], "more"),
            (
                "a large one in between",
                format!("{small}{large}{small}"),
                vec![321, JOINED_CHUNK + 322],
                "more",
            ),
            ("malformed behind", format!("{small}y"), vec![321], "malformed"),
            ("malformed after a chunk", "1\r\nxy".to_owned(), vec![1], "malformed"),
            ("no data", "0\r\n\r\n".to_owned(), vec![], "end"),
        ];
        for (case, body, lengths, ending) in cases {
            assert_eq!(frames(&body), (lengths, ending), "{case}");
        }
    }
}
