//! Finds the end of a chunked body (RFC 9112, 7.1), strictly: what has two readings is an error.

use memchr::memchr2;

/// Digits of a chunk size: 64 bits.
const SIZE_DIGITS: u32 = 16;

/// Bytes of one chunk's extensions, and of all trailer fields together, that are looked through.
const LINE_BYTES: usize = 16 * 1024;

/// The bytes are no chunked body.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Malformed;

/// Where in the body the next byte belongs.
#[derive(Debug)]
pub(crate) struct ChunkedScan {
    state: State,
    /// Of the chunk whose size is being read.
    size: u64,
    digits: u32,
    /// Bytes of extensions or trailers seen.
    seen: usize,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum State {
    Size,
    /// After the size, up to the end of the line.
    Extension,
    SizeLf,
    Data(u64),
    DataCr,
    DataLf,
    TrailerStart,
    Trailer,
    TrailerLf,
    EndLf,
    End,
}

impl ChunkedScan {
    pub(crate) fn new() -> Self {
        Self { state: State::Size, size: 0, digits: 0, seen: 0 }
    }

    /// Whether the body has ended.
    pub(crate) fn is_end(&self) -> bool {
        self.state == State::End
    }

    /// How many of `bytes` belong to the body.
    pub(crate) fn advance(&mut self, bytes: &[u8]) -> Result<usize, Malformed> {
        let mut at = 0;
        while at < bytes.len() {
            match self.state {
                State::Data(left) => {
                    let here = left.min((bytes.len() - at) as u64);
                    at += here as usize;
                    self.state = if here == left { State::DataCr } else { State::Data(left - here) };
                }
                State::Extension | State::Trailer => {
                    let line = &bytes[at..];
                    let end = memchr2(b'\r', b'\n', line);
                    at += end.map_or(line.len(), |end| end + 1);
                    self.seen += end.map_or(line.len(), |end| end + 1);
                    match end.map(|end| line[end]) {
                        _ if self.seen > LINE_BYTES => return Err(Malformed),
                        Some(b'\r') if self.state == State::Extension => self.state = State::SizeLf,
                        Some(b'\r') => self.state = State::TrailerLf,
                        Some(_) => return Err(Malformed),
                        None => {}
                    }
                }
                State::End => break,
                _ => {
                    self.state = self.step(bytes[at])?;
                    at += 1;
                }
            }
        }
        Ok(at)
    }

    fn step(&mut self, byte: u8) -> Result<State, Malformed> {
        let next = match (self.state, byte) {
            (State::Size, _) if byte.is_ascii_hexdigit() => {
                if self.digits == SIZE_DIGITS {
                    return Err(Malformed);
                }
                self.digits += 1;
                self.size = self.size << 4 | u64::from((byte as char).to_digit(16).unwrap_or_default());
                State::Size
            }
            (State::Size, _) if self.digits == 0 => return Err(Malformed),
            (State::Size, b'\r') => State::SizeLf,
            (State::Size, b';' | b' ' | b'\t') => {
                self.seen = 0;
                State::Extension
            }
            (State::SizeLf, b'\n') if self.size == 0 => {
                self.seen = 0;
                State::TrailerStart
            }
            (State::SizeLf, b'\n') => {
                let size = std::mem::take(&mut self.size);
                self.digits = 0;
                State::Data(size)
            }
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size,
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::TrailerStart, b'\n') => return Err(Malformed),
            (State::TrailerStart, _) => State::Trailer,
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::EndLf, b'\n') => State::End,
            _ => return Err(Malformed),
        };
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How much of `body` is the body, if it ends in it, fed in pieces of `step` bytes.
    fn end(body: &str, step: usize) -> Result<Option<usize>, Malformed> {
        let mut scan = ChunkedScan::new();
        let mut total = 0;
        for piece in body.as_bytes().chunks(step) {
            total += scan.advance(piece)?;
            if scan.is_end() {
                return Ok(Some(total));
            }
        }
        Ok(None)
    }

    #[test]
    fn the_end_is_found_for_any_split() {
        let cases = [
            ("0\r\n\r\n", Some(5)),
            ("5\r\nhello\r\n0\r\n\r\nGET", Some(15)),
            ("5;a=b\r\nhello\r\n00;c\r\n\r\n", Some(22)),
            ("5 ;a=\"b\"\r\nhello\r\n0\r\n\r\n", Some(22)),
            ("A\r\n0\r\n\r\n0\r\n\r\n\r\n0\r\nX: y\r\nZ: w\r\n\r\nrest", Some(32)),
            ("fFf\r\n", None),
            ("5\r\nhello\r\n0\r\n", None),
            ("5\r\nhello\r\n0\r\nX: y\r\n", None),
        ];
        for (body, expected) in cases {
            for step in 1..=body.len() {
                assert_eq!(end(body, step), Ok(expected), "{body:?} by {step}");
            }
        }
    }

    #[test]
    fn what_has_two_readings_is_malformed() {
        let cases = [
            "5\nhello\r\n0\r\n\r\n",
            "5\rhello\r\n0\r\n\r\n",
            "\r\n",
            "g\r\n",
            "0x5\r\nhello",
            "-5\r\n",
            " 5\r\nhello",
            ";a\r\n",
            "5;a\nhello\r\n",
            "5;a\rb\r\nhello\r\n",
            "5\r\nhello0\r\n\r\n",
            "5\r\nhello\n0\r\n\r\n",
            "0\r\n\n",
            "0\r\nX: y\n\r\n",
            "0\r\nX: y\rz\r\n\r\n",
            "0\r\n\rx",
            "11112222333344445\r\n",
        ];
        for body in cases {
            for step in 1..=body.len() {
                assert_eq!(end(body, step), Err(Malformed), "{body:?} by {step}");
            }
        }
        assert_eq!(end(&format!("5;{}\r\n", "a".repeat(LINE_BYTES + 1)), 999), Err(Malformed));
        assert_eq!(end(&format!("0\r\n{}\r\n", "X: y\r\n".repeat(LINE_BYTES)), 999), Err(Malformed));
    }
}
