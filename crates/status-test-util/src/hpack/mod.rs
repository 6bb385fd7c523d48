//! Compression of fields in HTTP/2 (RFC 7541): what it is made of, apart from what the program uses for it.

mod decoder;

use std::{collections::HashMap, sync::OnceLock};

pub use decoder::{Decoder, Field, TABLE_BYTES, Table};

/// Names and values of RFC 7541, appendix A. The first one has index 1.
pub const STATIC_TABLE: [(&str, &str); 61] = [
    (":authority", ""),
    (":method", "GET"),
    (":method", "POST"),
    (":path", "/"),
    (":path", "/index.html"),
    (":scheme", "http"),
    (":scheme", "https"),
    (":status", "200"),
    (":status", "204"),
    (":status", "206"),
    (":status", "304"),
    (":status", "400"),
    (":status", "404"),
    (":status", "500"),
    ("accept-charset", ""),
    ("accept-encoding", "gzip, deflate"),
    ("accept-language", ""),
    ("accept-ranges", ""),
    ("accept", ""),
    ("access-control-allow-origin", ""),
    ("age", ""),
    ("allow", ""),
    ("authorization", ""),
    ("cache-control", ""),
    ("content-disposition", ""),
    ("content-encoding", ""),
    ("content-language", ""),
    ("content-length", ""),
    ("content-location", ""),
    ("content-range", ""),
    ("content-type", ""),
    ("cookie", ""),
    ("date", ""),
    ("etag", ""),
    ("expect", ""),
    ("expires", ""),
    ("from", ""),
    ("host", ""),
    ("if-match", ""),
    ("if-modified-since", ""),
    ("if-none-match", ""),
    ("if-range", ""),
    ("if-unmodified-since", ""),
    ("last-modified", ""),
    ("link", ""),
    ("location", ""),
    ("max-forwards", ""),
    ("proxy-authenticate", ""),
    ("proxy-authorization", ""),
    ("range", ""),
    ("referer", ""),
    ("refresh", ""),
    ("retry-after", ""),
    ("server", ""),
    ("set-cookie", ""),
    ("strict-transport-security", ""),
    ("transfer-encoding", ""),
    ("user-agent", ""),
    ("vary", ""),
    ("via", ""),
    ("www-authenticate", ""),
];

/// How many bits each byte takes (RFC 7541, appendix B). The code is canonical: they say what it is.
const CODE_LENGTHS: [u8; 256] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6,
    6, 6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7,
    8, 13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7,
    15, 11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24,
    23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23,
    23, 21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26,
    26, 26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20,
    21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27,
    27, 27, 26,
];

/// Code and length of each byte.
pub fn codes() -> &'static [(u32, u8); 256] {
    static CODES: OnceLock<[(u32, u8); 256]> = OnceLock::new();
    CODES.get_or_init(|| {
        let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
        // Codes of one length follow each other in the order of their bytes, behind those that are shorter.
        bytes.sort_by_key(|&byte| CODE_LENGTHS[usize::from(byte)]);
        let (mut codes, mut next, mut before) = ([(0, 0); 256], 0_u32, 0);
        for byte in bytes {
            let length = CODE_LENGTHS[usize::from(byte)];
            next <<= length - before;
            codes[usize::from(byte)] = (next, length);
            (next, before) = (next + 1, length);
        }
        codes
    })
}

fn bytes_of_codes() -> &'static HashMap<(u32, u8), u8> {
    static BYTES: OnceLock<HashMap<(u32, u8), u8>> = OnceLock::new();
    BYTES.get_or_init(|| (0..=u8::MAX).map(|byte| (codes()[usize::from(byte)], byte)).collect())
}

/// The text that `packed` stands for.
///
/// # Panics
///
/// If it is not compressed text.
pub fn decompress(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let (mut code, mut length) = (0_u32, 0_u8);
    for bit in packed.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        assert!(length <= 30, "a code that there is");
        if let Some(&byte) = bytes_of_codes().get(&(code, length)) {
            text.push(byte);
            (code, length) = (0, 0);
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "filled up with ones");
    text
}

/// A number behind the `upper` bits of its first byte, of which `bits` are its own (RFC 7541, 5.1).
pub fn integer(block: &mut Vec<u8>, upper: u8, bits: u32, mut value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        block.push(upper | value as u8);
        return;
    }
    block.push(upper | most as u8);
    value -= most;
    while value >= 0x80 {
        block.push(value as u8 | 0x80);
        value >>= 7;
    }
    block.push(value as u8);
}
