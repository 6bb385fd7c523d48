//! Compression of fields in HTTP/2 (RFC 7541), apart from what the program uses for it.

use std::collections::VecDeque;

use status_test_util::hpack::{STATIC_TABLE, decompress};

pub(crate) use status_test_util::hpack::integer;

/// Name and value.
pub(crate) type Field = (String, String);

/// What an entry takes in the table beside its text (RFC 7541, 4.1).
const ENTRY_OVERHEAD: usize = 32;

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
        match STATIC_TABLE.get(index - 1) {
            Some((name, value)) => ((*name).to_owned(), (*value).to_owned()),
            None => {
                self.table.get(index - 1 - STATIC_TABLE.len()).expect("an index within the table").clone()
            }
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
