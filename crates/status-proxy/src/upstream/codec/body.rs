//! Response bodies: bytes to data and trailers, by the framing that the head gave.

use bytes::{Buf, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue};
use memchr::memchr;

use super::{Error, Framing, HeadLimits};

/// Bytes of chunk extensions in one body; they mean nothing to us (RFC 9112, section 7.1.1).
const EXTENSIONS_LIMIT: usize = 16 * 1024;

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
                Ok(Decoded::Data(input.split_to(take).freeze()))
            }
            Self::Close if !input.is_empty() => Ok(Decoded::Data(input.split().freeze())),
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
}

impl Chunked {
    fn decode(&mut self, input: &mut BytesMut) -> Result<Decoded, Error> {
        loop {
            let Some(&byte) = input.first() else { return Ok(Decoded::More) };
            match self.state {
                State::Start | State::Size => match (byte as char).to_digit(16) {
                    Some(digit) => {
                        let left = self.left.checked_mul(16).and_then(|left| left.checked_add(digit.into()));
                        self.left = left.ok_or(Error::Chunk)?;
                        self.state = State::Size;
                    }
                    None if self.state == State::Start => return Err(Error::Chunk),
                    None => self.state = after_size(byte)?,
                },
                State::Blank => self.state = after_size(byte)?,
                State::Extension => match byte {
                    b'\r' => self.state = State::SizeLf,
                    // Some peers end the line here; what follows would be read differently by them and by us.
                    b'\n' => return Err(Error::Chunk),
                    _ => {
                        self.extensions += 1;
                        if self.extensions >= EXTENSIONS_LIMIT {
                            return Err(Error::Chunk);
                        }
                    }
                },
                State::SizeLf if byte == b'\n' => {
                    self.state = if self.left == 0 { State::Trailer } else { State::Data };
                }
                State::Data => {
                    let take = usize::try_from(self.left).map_or(input.len(), |left| left.min(input.len()));
                    self.left -= take as u64;
                    if self.left == 0 {
                        self.state = State::DataCr;
                    }
                    return Ok(Decoded::Data(input.split_to(take).freeze()));
                }
                State::DataCr if byte == b'\r' => self.state = State::DataLf,
                State::DataLf if byte == b'\n' => self.state = State::Start,
                State::SizeLf | State::DataCr | State::DataLf => return Err(Error::Chunk),
                State::Trailer => return self.trailers(input),
            }
            input.advance(1);
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
