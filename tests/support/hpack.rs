//! Compression of fields in HTTP/2 (RFC 7541), apart from what the program uses for it.

use std::{
    collections::{HashMap, VecDeque},
    sync::OnceLock,
};

/// Name and value.
pub(crate) type Field = (String, String);

/// What an entry takes in the table beside its text (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// RFC 7541, appendix A.
const STATIC: [(&str, &str); 61] = [
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

/// The fields as literals that enter no table, not compressed.
pub(crate) fn literals<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0x10);
        for text in [name.as_ref(), value.as_ref()] {
            integer(&mut block, 0, 7, text.len());
            block.extend(text);
        }
    }
    block
}

/// A number behind the upper bits of a byte (RFC 7541, 5.1).
pub(crate) fn integer(block: &mut Vec<u8>, upper: u8, bits: u32, mut value: usize) {
    let most = (1 << bits) - 1;
    if value < most {
        block.push(upper | u8::try_from(value).unwrap());
        return;
    }
    block.push(upper | u8::try_from(most).unwrap());
    value -= most;
    while value >= 0x80 {
        block.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    block.push(u8::try_from(value).unwrap());
}

/// What the peer's fields refer to.
#[derive(Debug)]
pub(crate) struct Decoder {
    /// The last one first.
    table: VecDeque<Field>,
    size: usize,
    limit: usize,
    /// What the peer was allowed.
    allowed: usize,
    /// The peer has been allowed less than it uses: its next block begins by saying that it knows.
    owes_update: bool,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { table: VecDeque::new(), size: 0, limit: 4096, allowed: 4096, owes_update: false }
    }

    /// The peer has acknowledged this table size.
    pub(crate) fn allow(&mut self, size: usize) {
        self.allowed = size;
        self.owes_update = size < self.limit;
    }

    /// Reads a block.
    #[track_caller]
    pub(crate) fn decode(&mut self, block: &[u8]) -> Vec<Field> {
        let mut input = Input(block);
        let mut fields: Vec<Field> = Vec::new();
        while let [first, ..] = *input.0 {
            let is_update = first & 0xe0 == 0x20;
            assert!(is_update || !self.owes_update, "the table was made smaller: {block:02x?}");
            if is_update {
                assert!(fields.is_empty(), "the table's size stands first: {block:02x?}");
                self.limit = input.integer(5);
                assert!(self.limit <= self.allowed, "a table of {} bytes", self.limit);
                self.owes_update = false;
                self.evict();
            } else if first & 0x80 != 0 {
                let index = input.integer(7);
                fields.push(self.entry(index));
            } else {
                let enters_table = first & 0x40 != 0;
                let index = input.integer(if enters_table { 6 } else { 4 });
                let name = if index == 0 { input.text() } else { self.entry(index).0 };
                let field = (name, input.text());
                if enters_table {
                    self.size += field.0.len() + field.1.len() + ENTRY_OVERHEAD;
                    self.table.push_front(field.clone());
                    self.evict();
                }
                fields.push(field);
            }
        }
        fields
    }

    #[track_caller]
    fn entry(&self, index: usize) -> Field {
        assert!(index > 0, "index 0");
        match STATIC.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => self.table.get(index - 1 - STATIC.len()).expect("an index within the table").clone(),
        }
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            let (name, value) = self.table.pop_back().expect("what has a size has an entry");
            self.size -= name.len() + value.len() + ENTRY_OVERHEAD;
        }
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    #[track_caller]
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().expect("a block is whole");
        self.0 = rest;
        first
    }

    #[track_caller]
    fn integer(&mut self, bits: u32) -> usize {
        let most = (1 << bits) - 1;
        let mut value = usize::from(self.byte()) & most;
        if value == most {
            for shift in (0..28).step_by(7) {
                let byte = self.byte();
                value += usize::from(byte & 0x7f) << shift;
                if byte & 0x80 == 0 {
                    return value;
                }
            }
            panic!("a number that does not end");
        }
        value
    }

    #[track_caller]
    fn text(&mut self) -> String {
        let is_compressed = self.0.first().expect("a block is whole") & 0x80 != 0;
        let length = self.integer(7);
        let (text, rest) = self.0.split_at_checked(length).expect("a block is whole");
        self.0 = rest;
        let bytes = if is_compressed { decompress(text) } else { text.to_vec() };
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

/// RFC 7541, 5.2.
#[track_caller]
fn decompress(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let (mut length, mut code) = (0_u8, 0_u32);
    for bit in text.iter().flat_map(|byte| (0..8).rev().map(move |place| byte >> place & 1)) {
        code = code << 1 | u32::from(bit);
        length += 1;
        assert!(length <= 30, "a code that there is");
        if let Some(&byte) = codes().get(&(length, code)) {
            bytes.push(byte);
            (length, code) = (0, 0);
        }
    }
    assert!(length < 8 && code == (1 << length) - 1, "filled up with ones");
    bytes
}

/// Codes of one length follow each other in the order of their bytes, behind those that are shorter.
fn codes() -> &'static HashMap<(u8, u32), u8> {
    static CODES: OnceLock<HashMap<(u8, u32), u8>> = OnceLock::new();
    CODES.get_or_init(|| {
        let mut bytes: Vec<u8> = (0..=u8::MAX).collect();
        bytes.sort_by_key(|&byte| CODE_LENGTHS[usize::from(byte)]);
        let (mut codes, mut next, mut before) = (HashMap::new(), 0_u32, 0);
        for byte in bytes {
            let length = CODE_LENGTHS[usize::from(byte)];
            next <<= length - before;
            codes.insert((length, next), byte);
            (next, before) = (next + 1, length);
        }
        codes
    })
}
