//! Compression of fields (RFC 7541) once more, with all the ways there are to say the same.

pub(crate) use status_test_util::hpack::{Decoder, Field, integer};
use status_test_util::hpack::{TABLE_BYTES, Table, codes};

use super::wire::Random;

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

/// Says each field in one of the ways that there are.
#[derive(Debug)]
pub(crate) struct Encoder(Table);

impl Encoder {
    pub(crate) fn new() -> Self {
        Self(Table::default())
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
