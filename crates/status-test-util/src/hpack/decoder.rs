//! Fields that are kept, and fields that are read (RFC 7541, 2.3 and 6).

use std::collections::VecDeque;

use super::{STATIC_TABLE, decompress};

/// Name and value.
pub type Field = (Vec<u8>, Vec<u8>);

/// What an entry takes in the table beside its text (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

/// RFC 7541, 6.5.2: of a peer that has said nothing else.
pub const TABLE_BYTES: usize = 4096;

/// The fields that are referred to by number.
#[derive(Clone, Debug)]
pub struct Table {
    /// The last one first.
    entries: VecDeque<Field>,
    size: usize,
    limit: usize,
}

impl Default for Table {
    fn default() -> Self {
        Self { entries: VecDeque::new(), size: 0, limit: TABLE_BYTES }
    }
}

impl Table {
    /// Puts a field in front of the others.
    pub fn add(&mut self, field: Field) {
        self.size += field.0.len() + field.1.len() + ENTRY_OVERHEAD;
        self.entries.push_front(field);
        self.evict();
    }

    /// Keeps what fits.
    pub fn resize(&mut self, limit: usize) {
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
    pub fn find(&self, is_wanted: impl Fn(&[u8], &[u8]) -> bool) -> Vec<usize> {
        let fixed = STATIC_TABLE.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        let kept = self.entries.iter().map(|(name, value)| (&name[..], &value[..]));
        let all = (1..).zip(fixed.chain(kept));
        all.filter(|(_, (name, value))| is_wanted(name, value)).map(|(index, _)| index).collect()
    }
}

/// Reads what a peer says.
#[derive(Debug)]
pub struct Decoder {
    table: Table,
    /// What the peer may use.
    allowed: usize,
    /// It has been allowed less than it uses: its next block begins by saying that it knows.
    owes_update: bool,
}

impl Default for Decoder {
    fn default() -> Self {
        Self { table: Table::default(), allowed: TABLE_BYTES, owes_update: false }
    }
}

impl Decoder {
    /// The peer has acknowledged this size.
    pub fn allow(&mut self, size: usize) {
        self.allowed = size;
        self.owes_update |= size < self.table.limit;
    }

    /// Reads a block.
    ///
    /// # Panics
    ///
    /// If it is none.
    #[track_caller]
    pub fn decode(&mut self, block: &[u8]) -> Vec<Field> {
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
