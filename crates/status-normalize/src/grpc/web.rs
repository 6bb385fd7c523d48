//! gRPC-Web carries the trailers as the last frame of the body.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-WEB.md>

use super::GrpcStatus;

/// What of a trailer frame is looked at: a status comes early, and a frame may claim 4 GiB.
const MOST: usize = 4 * 1024;

/// Flags and length.
const PREFIX: usize = 5;

/// The bit of the flags that marks trailers.
const TRAILERS: u8 = 0x80;

/// Follows the frames of a body to its trailers. Nothing is held back, only the trailers are copied.
#[derive(Debug, Default)]
pub(crate) struct WebTrailers {
    prefix: [u8; PREFIX],
    /// Bytes of the prefix that are here.
    begun: usize,
    /// Bytes of the frame that are not here.
    left: u32,
    trailers: Vec<u8>,
    text: Option<Base64>,
}

impl WebTrailers {
    /// For a body in the text encoding (`application/grpc-web-text`) or in the binary one.
    pub(crate) fn new(is_text: bool) -> Self {
        Self { text: is_text.then(Base64::default), ..Self::default() }
    }

    pub(crate) fn follow(&mut self, data: &[u8]) {
        match self.text.take() {
            None => self.frames(data),
            Some(mut text) => {
                text.decode(data, |bytes| self.frames(bytes));
                self.text = Some(text);
            }
        }
    }

    fn frames(&mut self, mut data: &[u8]) {
        while !data.is_empty() {
            if self.begun < PREFIX {
                self.prefix[self.begun] = data[0];
                self.begun += 1;
                data = &data[1..];
                let [_, length @ ..] = self.prefix;
                self.left = u32::from_be_bytes(length);
            } else {
                let taken = data.len().min(usize::try_from(self.left).unwrap_or(usize::MAX));
                let (frame, rest) = data.split_at(taken);
                if self.prefix[0] & TRAILERS != 0 {
                    let room = MOST.saturating_sub(self.trailers.len());
                    self.trailers.extend_from_slice(&frame[..frame.len().min(room)]);
                }
                self.left -= u32::try_from(taken).unwrap_or(u32::MAX);
                data = rest;
            }
            if self.begun == PREFIX && self.left == 0 {
                self.begun = 0;
            }
        }
    }

    /// The status in the trailers so far.
    pub(crate) fn status(&self) -> GrpcStatus {
        self.trailers
            .split(|byte| *byte == b'\n')
            .find_map(|line| {
                let colon = line.iter().position(|byte| *byte == b':')?;
                let (name, value) = line.split_at(colon);
                name.trim_ascii().eq_ignore_ascii_case(b"grpc-status").then(|| value[1..].trim_ascii())
            })
            .map_or(GrpcStatus::Missing, GrpcStatus::of)
    }
}

/// Base64 in pieces; each frame may be padded by itself.
#[derive(Debug, Default)]
struct Base64 {
    bits: u32,
    digits: u8,
}

impl Base64 {
    fn decode(&mut self, text: &[u8], mut bytes: impl FnMut(&[u8])) {
        for &letter in text {
            let digit = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                b'=' => {
                    self.end(&mut bytes);
                    continue;
                }
                _ => continue,
            };
            self.bits = self.bits << 6 | u32::from(digit);
            self.digits += 1;
            if self.digits == 4 {
                let [_, whole @ ..] = self.bits.to_be_bytes();
                bytes(&whole);
                (self.bits, self.digits) = (0, 0);
            }
        }
    }

    /// What a padded group holds.
    fn end(&mut self, bytes: &mut impl FnMut(&[u8])) {
        match self.digits {
            2 => bytes(&[(self.bits >> 4) as u8]),
            3 => bytes(&((self.bits >> 2) as u16).to_be_bytes()),
            _ => {}
        }
        (self.bits, self.digits) = (0, 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MESSAGE: &[u8] = b"\0\0\0\0\x03abc";
    const TRAILER: &[u8] = b"\x80\0\0\0\x20grpc-status: 5\r\ngrpc-message: x\r";

    fn status(body: &[u8], is_text: bool, piece: usize) -> GrpcStatus {
        let mut trailers = WebTrailers::new(is_text);
        body.chunks(piece).for_each(|piece| trailers.follow(piece));
        trailers.status()
    }

    #[test]
    fn the_status_is_read_from_the_trailer_frame() {
        // T53
        let body = [MESSAGE, MESSAGE, TRAILER].concat();
        let cases: [(&[u8], bool, GrpcStatus); 7] = [
            (&body, false, GrpcStatus::Code(5)),
            (TRAILER, false, GrpcStatus::Code(5)),
            (MESSAGE, false, GrpcStatus::Missing),
            (b"", false, GrpcStatus::Missing),
            (b"\x80\0\0\0\x0fgrpc-status:100", false, GrpcStatus::Other),
            // Two groups, each padded by itself.
            (b"AAAAAANhYmM=gAAAAA5ncnBjLXN0YXR1czogNw==", true, GrpcStatus::Code(7)),
            (b"AAAAAANhYmM=", true, GrpcStatus::Missing),
        ];
        for (body, is_text, expected) in cases {
            for piece in 1..=body.len().max(1) {
                assert_eq!(status(body, is_text, piece), expected, "{piece} {body:?}");
            }
        }
    }

    #[test]
    fn a_frame_that_claims_much_is_not_held() {
        let mut trailers = WebTrailers::new(false);
        trailers.follow(b"\x80\xff\xff\xff\xff");
        for _ in 0..100 {
            trailers.follow(&[b'a'; 1000]);
        }
        assert!(trailers.trailers.len() <= MOST);
        assert_eq!(trailers.status(), GrpcStatus::Missing);
    }
}
