//! Content codings, undone for the check alone.

use std::{
    borrow::Cow,
    io::{ErrorKind, Read},
    sync::{Mutex, PoisonError},
};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::{HeaderMap, header::CONTENT_ENCODING};

use super::{Reason, brotli};

/// Nobody stacks more codings for a reason.
const CODINGS_MOST: usize = 4;

/// RFC 8878, 3.1.1.1.2, and RFC 9659: recipients need not accept more than 8 MiB.
const ZSTD_WINDOW_MOST: u64 = 8 * 1024 * 1024;

/// `ZSTD_error_dstSize_tooSmall` of zstd's stable error codes.
const ZSTD_OUTPUT_FULL: usize = 70_usize.wrapping_neg();

/// One decoder is alive in the process at any time, so that what decoders hold does not grow with the responses in
/// flight.
static DECODER: Mutex<()> = Mutex::new(());

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Coding {
    Brotli,
    Deflate,
    Gzip,
    Zstd,
}

impl Coding {
    fn from_name(name: &[u8]) -> Option<Self> {
        const NAMES: [(&[u8], Coding); 5] = [
            (b"gzip", Coding::Gzip),
            (b"br", Coding::Brotli),
            (b"deflate", Coding::Deflate),
            (b"zstd", Coding::Zstd),
            (b"x-gzip", Coding::Gzip),
        ];
        NAMES.iter().find(|(known, _)| name.eq_ignore_ascii_case(known)).map(|(_, coding)| *coding)
    }
}

/// Undoes the codings that `Content-Encoding` names. Never holds more than `limit` decoded bytes; a body without
/// codings is borrowed.
///
/// # Errors
///
/// [`Reason::TooLarge`] for a body that decodes to more than `limit` bytes at any stage, [`Reason::Undecodable`] for
/// an unknown coding, corrupt or incomplete data, or bytes after its end.
pub(crate) fn decode<'a>(
    headers: &HeaderMap,
    encoded: &'a [u8],
    limit: usize,
) -> Result<Cow<'a, [u8]>, Reason> {
    let mut codings = [None; CODINGS_MOST];
    let mut count = 0;
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in line.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            let slot = codings.get_mut(count).ok_or(Reason::Undecodable)?;
            *slot = Some(Coding::from_name(name).ok_or(Reason::Undecodable)?);
            count += 1;
        }
    }
    if encoded.is_empty() {
        return Ok(Cow::Borrowed(encoded));
    }
    if encoded.len() > limit {
        return Err(Reason::TooLarge);
    }
    let mut body = Cow::Borrowed(encoded);
    // RFC 9110, 8.4: listed in the order in which they were applied.
    for coding in codings.into_iter().flatten().rev() {
        body = Cow::Owned(undo(coding, &body, limit)?);
    }
    Ok(body)
}

fn undo(coding: Coding, encoded: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    let _alone = DECODER.lock().unwrap_or_else(PoisonError::into_inner);
    match coding {
        Coding::Brotli => brotli::decode(encoded, limit),
        Coding::Deflate => deflate(encoded, limit),
        Coding::Gzip => read_to_end(&mut MultiGzDecoder::new(encoded), limit),
        Coding::Zstd => zstd(encoded, limit),
    }
}

/// RFC 9110, 8.4.1.2: the zlib format; some servers send the bare stream.
fn deflate(encoded: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    // RFC 1950, 2.2.
    let is_zlib = matches!(encoded, [cmf, flags, ..]
        if cmf & 0x0f == 8 && cmf >> 4 <= 7 && u16::from_be_bytes([*cmf, *flags]) % 31 == 0);
    if is_zlib {
        let mut decoder = ZlibDecoder::new(encoded);
        match read_to_end(&mut decoder, limit) {
            Ok(body) if decoder.get_ref().is_empty() => return Ok(body),
            Err(Reason::TooLarge) => return Err(Reason::TooLarge),
            // A bare stream can begin like the zlib format by chance.
            Ok(_) | Err(_) => {}
        }
    }
    let mut decoder = DeflateDecoder::new(encoded);
    let body = read_to_end(&mut decoder, limit)?;
    if decoder.get_ref().is_empty() { Ok(body) } else { Err(Reason::Undecodable) }
}

fn read_to_end(decoder: &mut impl Read, limit: usize) -> Result<Vec<u8>, Reason> {
    let mut body = Vec::new();
    let mut chunk = [0; 4096];
    loop {
        let read = match decoder.read(&mut chunk) {
            Ok(0) => return Ok(body),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(_) => return Err(Reason::Undecodable),
        };
        if body.len() + read > limit {
            return Err(Reason::TooLarge);
        }
        body.extend_from_slice(&chunk[..read]);
    }
}

fn zstd(encoded: &[u8], limit: usize) -> Result<Vec<u8>, Reason> {
    let mut rest = encoded;
    while !rest.is_empty() {
        if zstd_window(rest).ok_or(Reason::Undecodable)? > ZSTD_WINDOW_MOST {
            return Err(Reason::Undecodable);
        }
        let frame = zstd_safe::find_frame_compressed_size(rest).map_err(|_| Reason::Undecodable)?;
        rest = rest.get(frame.max(1)..).unwrap_or_default();
    }
    // In one piece, the output itself serves as the window: nothing else of its size is held.
    let mut body = Vec::with_capacity(limit);
    let mut decoder = zstd_safe::DCtx::try_create().ok_or(Reason::Undecodable)?;
    match decoder.decompress(&mut body, encoded) {
        Ok(_) => Ok(body),
        Err(ZSTD_OUTPUT_FULL) => Err(Reason::TooLarge),
        Err(_) => Err(Reason::Undecodable),
    }
}

/// The `Window_Size` of the frame that begins here (RFC 8878, 3.1.1); 0 for a skippable frame.
fn zstd_window(frame: &[u8]) -> Option<u64> {
    let (magic, header) = frame.split_first_chunk()?;
    match u32::from_le_bytes(*magic) {
        0x184D_2A50..=0x184D_2A5F => return Some(0),
        0xFD2F_B528 => {}
        _ => return None,
    }
    let (descriptor, fields) = header.split_first()?;
    let is_single_segment = descriptor & 0x20 != 0;
    if !is_single_segment {
        let window = *fields.first()?;
        let base = 1_u64 << (10 + (window >> 3));
        return Some(base + base / 8 * u64::from(window & 7));
    }
    // The window of a single segment is its content.
    let dictionary = [0, 1, 2, 4][usize::from(descriptor & 3)];
    let size = [1, 2, 4, 8][usize::from(descriptor >> 6)];
    let field = fields.get(dictionary..dictionary + size)?;
    let content = field.iter().rev().fold(0, |content, byte| content << 8 | u64::from(*byte));
    Some(if size == 2 { content + 256 } else { content })
}

#[cfg(test)]
mod tests;
