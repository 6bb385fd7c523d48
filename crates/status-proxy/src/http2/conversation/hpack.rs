//! Compression of fields (RFC 7541) once more, with all the ways there are to say the same.

use std::collections::VecDeque;

pub(crate) use status_test_util::hpack::integer;
use status_test_util::hpack::{STATIC_TABLE, codes, decompress};

use super::wire::Random;

/// Name and value.
pub(crate) type Field = (Vec<u8>, Vec<u8>);

/// What an entry takes in the table beside its text (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// RFC 7541, 6.5.2: of a peer that has said nothing else.
const TABLE_BYTES: usize = 4096;

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
        match STATIC_TABLE.get(index.checked_sub(1)?) {
            Some((name, value)) => Some((name.as_bytes().to_vec(), value.as_bytes().to_vec())),
            None => self.entries.get(index - 1 - STATIC_TABLE.len()).cloned(),
        }
    }

    /// The numbers of the entries that are like this.
    fn find(&self, is_wanted: impl Fn(&[u8], &[u8]) -> bool) -> Vec<usize> {
        let fixed = STATIC_TABLE.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let kept = self.entries.iter().map(|(name, value)| (&name[..], &value[..]));
        let all = (1..).zip(fixed.chain(kept));
        all.filter(|(_, (name, value))| is_wanted(name, value)).map(|(index, _)| index).collect()
    }
}

/// Says each field in one of the ways that there are.
#[derive(Debug)]
pub(crate) struct Encoder(Table);

impl Encoder {
    pub(crate) fn new() -> Self {
        Self(Table::new())
    }

    pub(crate) fn encode(&mut self, random: &mut Random, fields: &[Field]) -> Vec<u8> {
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
pub(crate) struct Decoder {
    table: Table,
    /// What the server may use.
    allowed: usize,
    /// It has been allowed less than it uses: its next block begins by saying that it knows.
    owes_update: bool,
}

impl Decoder {
    pub(crate) fn new() -> Self {
        Self { table: Table::new(), allowed: TABLE_BYTES, owes_update: false }
    }

    /// The server has acknowledged this size.
    pub(crate) fn allow(&mut self, size: usize) {
        self.allowed = size;
        self.owes_update |= size < self.table.limit;
    }

    pub(crate) fn decode(&mut self, block: &[u8]) -> Vec<Field> {
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
