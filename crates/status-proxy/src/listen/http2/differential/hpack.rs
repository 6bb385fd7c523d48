//! Compression of fields (RFC 7541) once more, with all the ways there are to say the same.

use std::{
    collections::{HashMap, VecDeque},
    sync::OnceLock,
};

use super::client::Random;

/// Name and value.
pub(super) type Field = (Vec<u8>, Vec<u8>);

/// What an entry takes in the table beside its text (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// RFC 7541, 6.5.2: of a peer that has said nothing else.
const TABLE_BYTES: usize = 4096;

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

/// Code and length of each byte.
fn codes() -> &'static [(u32, u8); 256] {
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

fn compress(text: &[u8]) -> Vec<u8> {
    let (mut packed, mut bits, mut count) = (Vec::new(), 0_u64, 0);
    for &byte in text {
        let (code, length) = codes()[usize::from(byte)];
        bits = bits << length | u64::from(code);
        count += length;
        while count >= 8 {
            count -= 8;
            packed.push((bits >> count) as u8);
        }
    }
    if count > 0 {
        packed.push((bits << (8 - count)) as u8 | 0xff >> count);
    }
    packed
}

fn decompress(packed: &[u8]) -> Vec<u8> {
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

/// A number behind the upper bits of a byte (RFC 7541, 5.1).
pub(super) fn integer(block: &mut Vec<u8>, upper: u8, bits: u32, mut value: usize) {
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

fn text(random: &mut Random, block: &mut Vec<u8>, text: &[u8]) {
    if random.one_in(2) {
        integer(block, 0, 7, text.len());
        block.extend(text);
    } else {
        let packed = compress(text);
        integer(block, 0x80, 7, packed.len());
        block.extend(packed);
    }
}

/// The last one first.
#[derive(Clone, Debug)]
struct Table {
    entries: VecDeque<Field>,
    size: usize,
    limit: usize,
}

impl Table {
    fn new() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: TABLE_BYTES }
    }

    fn add(&mut self, field: Field) {
        self.size += field.0.len() + field.1.len() + ENTRY_OVERHEAD;
        self.entries.push_front(field);
        self.evict();
    }

    fn resize(&mut self, limit: usize) {
        self.limit = limit;
        self.evict();
    }

    fn evict(&mut self) {
        while self.size > self.limit {
            let (name, value) = self.entries.pop_back().expect("what has a size has an entry");
            self.size -= name.len() + value.len() + ENTRY_OVERHEAD;
        }
    }

    fn get(&self, index: usize) -> Option<Field> {
        match STATIC.get(index.checked_sub(1)?) {
            Some((name, value)) => Some((name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            None => self.entries.get(index - 1 - STATIC.len()).cloned(),
        }
    }

    /// The numbers of the entries that are like this.
    fn find(&self, is_wanted: impl Fn(&[u8], &[u8]) -> bool) -> Vec<usize> {
        let fixed = STATIC.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let kept = self.entries.iter().map(|(name, value)| (&name[..], &value[..]));
        let all = (1..).zip(fixed.chain(kept));
        all.filter(|(_, (name, value))| is_wanted(name, value)).map(|(index, _)| index).collect()
    }
}

/// Says each field in one of the ways that there are.
#[derive(Debug)]
pub(super) struct Encoder(Table);

impl Encoder {
    pub(super) fn new() -> Self {
        Self(Table::new())
    }

    pub(super) fn encode(&mut self, random: &mut Random, fields: &[Field]) -> Vec<u8> {
        let mut block = Vec::new();
        while random.one_in(16) {
            let limit = [0, 64, 200, TABLE_BYTES][random.below(4)];
            self.0.resize(limit);
            integer(&mut block, 0x20, 5, limit);
        }
        for field in fields {
            self.field(random, &mut block, field);
        }
        block
    }

    fn field(&mut self, random: &mut Random, block: &mut Vec<u8>, field: &Field) {
        let same = self.0.find(|name, value| name == field.0 && value == field.1);
        if !same.is_empty() && !random.one_in(4) {
            return integer(block, 0x80, 7, random.pick(&same));
        }
        let (upper, bits) = random.pick(&[(0x40, 6), (0x40, 6), (0x00, 4), (0x10, 4)]);
        let named = self.0.find(|name, _| name == field.0);
        if named.is_empty() || random.one_in(4) {
            block.push(upper);
            text(random, block, &field.0);
        } else {
            integer(block, upper, bits, random.pick(&named));
        }
        text(random, block, &field.1);
        if upper == 0x40 {
            self.0.add(field.clone());
        }
    }
}

/// Reads what the server says.
#[derive(Debug)]
pub(super) struct Decoder {
    table: Table,
    /// What the server may use.
    allowed: usize,
    /// It has been allowed less than it uses: its next block begins by saying that it knows.
    owes_update: bool,
}

impl Decoder {
    pub(super) fn new() -> Self {
        Self { table: Table::new(), allowed: TABLE_BYTES, owes_update: false }
    }

    /// The server has acknowledged this size.
    pub(super) fn allow(&mut self, size: usize) {
        self.allowed = size;
        self.owes_update |= size < self.table.limit;
    }

    pub(super) fn decode(&mut self, block: &[u8]) -> Vec<Field> {
        let mut input = Input(block);
        let mut fields = Vec::new();
        while let [first, ..] = *input.0 {
            if first & 0xe0 == 0x20 {
                assert!(fields.is_empty(), "the table's size stands first: {block:02x?}");
                let limit = input.integer(5);
                assert!(limit <= self.allowed, "a table of {limit} bytes");
                self.table.resize(limit);
                self.owes_update = false;
                continue;
            }
            assert!(!self.owes_update, "the table was made smaller: {block:02x?}");
            if first & 0x80 != 0 {
                let index = input.integer(7);
                fields.push(self.table.get(index).expect("an index within the table"));
                continue;
            }
            let enters_table = first & 0x40 != 0;
            let name = match input.integer(if enters_table { 6 } else { 4 }) {
                0 => input.text(),
                index => self.table.get(index).expect("an index within the table").0,
            };
            let field = (name, input.text());
            if enters_table {
                self.table.add(field.clone());
            }
            fields.push(field);
        }
        fields
    }
}

struct Input<'a>(&'a [u8]);

impl Input<'_> {
    fn byte(&mut self) -> u8 {
        let (&first, rest) = self.0.split_first().expect("a block is whole");
        self.0 = rest;
        first
    }

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

    fn text(&mut self) -> Vec<u8> {
        let is_compressed = self.0.first().expect("a block is whole") & 0x80 != 0;
        let length = self.integer(7);
        let (text, rest) = self.0.split_at_checked(length).expect("a block is whole");
        self.0 = rest;
        if is_compressed { decompress(text) } else { text.to_vec() }
    }
}
