//! Blocks to field lines (RFC 7541, 3.2 and 6).

use super::{
    CompressionError, Line, huffman, integer,
    table::{Entry, Name, Table},
};

#[derive(Debug)]
pub(crate) struct Decoder {
    table: Table,
}

impl Decoder {
    /// With a table of the protocol's default size at most.
    pub(crate) const fn new() -> Self {
        Self { table: Table::new() }
    }

    /// Decodes a whole block. `take` is given each line.
    ///
    /// # Errors
    ///
    /// If the block is no such thing. What has been taken before means nothing.
    pub(crate) fn decode(
        &mut self,
        block: &[u8],
        mut take: impl FnMut(Line),
    ) -> Result<(), CompressionError> {
        let mut input = block;
        let mut decoded = Vec::new();
        let mut is_begun = false;
        while let Some((&first, rest)) = input.split_first() {
            input = rest;
            if first & 0x80 != 0 {
                take(self.entry(integer::read(first, 7, &mut input)?)?.line.clone());
            } else if first & 0xe0 == 0x20 {
                let size = integer::read(first, 5, &mut input)?;
                if is_begun || !self.table.resize(size) {
                    return Err(CompressionError);
                }
                continue;
            } else {
                let entry = self.literal(first, &mut input, &mut decoded)?;
                if first & 0x40 == 0 {
                    take(entry.line);
                } else {
                    take(entry.line.clone());
                    self.table.insert(entry);
                }
            }
            is_begun = true;
        }
        Ok(())
    }

    /// Reads a block of which nothing is wanted: what the table holds must stay known.
    ///
    /// # Errors
    ///
    /// If the block is no such thing.
    pub(crate) fn skip(&mut self, block: &[u8]) -> Result<(), CompressionError> {
        self.decode(block, drop)
    }

    fn entry(&self, index: usize) -> Result<&Entry, CompressionError> {
        self.table.get(index).ok_or(CompressionError)
    }

    fn literal(
        &self,
        first: u8,
        input: &mut &[u8],
        decoded: &mut Vec<u8>,
    ) -> Result<Entry, CompressionError> {
        let bits = if first & 0x40 != 0 { 6 } else { 4 };
        let name = match integer::read(first, bits, input)? {
            0 => {
                let name = string(input, decoded)?;
                (Name::parse(name), name.len())
            }
            index => self.entry(index)?.name(),
        };
        let value = string(input, decoded)?;
        Ok(Entry::new(name, value, first & 0xf0 == 0x10))
    }
}

/// Takes a string off the input. If it is encoded it is decoded to `decoded`.
fn string<'a, 'b>(input: &mut &'a [u8], decoded: &'b mut Vec<u8>) -> Result<&'b [u8], CompressionError>
where
    'a: 'b,
{
    let (&first, rest) = input.split_first().ok_or(CompressionError)?;
    *input = rest;
    let length = integer::read(first, 7, input)?;
    let (text, rest) = input.split_at_checked(length).ok_or(CompressionError)?;
    *input = rest;
    if first & 0x80 == 0 {
        return Ok(text);
    }
    huffman::decode(text, decoded)?;
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In a table: `x: y`.
    const KEPT: [u8; 5] = [0x40, 1, b'x', 1, b'y'];

    /// How many lines a block has for one who knows `KEPT`.
    fn lines(block: &[u8]) -> Result<usize, CompressionError> {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.decode(&KEPT, drop), Ok(()));
        let mut lines = 0;
        decoder.decode(block, |_| lines += 1).map(|()| lines)
    }

    #[test]
    fn blocks_that_are_none() {
        for block in [
            &[0x80][..],                                                      // index 0
            &[0xbf],                                                          // an index beyond the table
            &[0x7f, 0, 1, b'y'],                                              // a name beyond the table
            &[0xff, 0xff, 0xff, 0xff, 0x0f],                                  // a huge index
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0], // a number that does not fit
            &[0xff, 0x80],                                                    // a number cut off
            &[0x10],                                                          // a name missing
            &[0x10, 5, b'x'],                                                 // a name cut off
            &[0x10, 1, b'x'],                                                 // a value missing
            &[0x10, 1, b'x', 5, b'y'],                                        // a value cut off
            &[0x10, 1, b'x', 0x82, 0x1f],                                     // codes cut off
            &[0x10, 1, b'x', 0x81, 0x1e],                                     // codes filled up with a zero
            &[0x10, 1, b'x', 0x82, 0x1f, 0xff],                               // codes filled up with a byte
            &[0x10, 1, b'x', 0x84, 0xff, 0xff, 0xff, 0xff],                   // the code of the end
            &[0x20, 0xbe],                                                    // gone with the table
            &[0x3f, 0xe2, 0x1f],                                              // a table larger than allowed
            &[0x82, 0x20],                                                    // a table's size behind a line
        ] {
            assert_eq!(lines(block), Err(CompressionError), "{block:02x?}");
        }
    }

    #[test]
    fn blocks() {
        for (block, expected) in [
            (&[][..], 0),
            (&[0x20], 0),
            (&[0x3f, 0xe1, 0x1f], 0),
            (&[0x20, 0x3f, 0xe1, 0x1f, 0x82], 1),
            (&[0xbe, 0xbe], 2),
            (&[0x7e, 1, b'z', 0xbe, 0xbf], 3),
            (&[0x0f, 0xaf, 0x80, 0x00, 1, b'y'], 1),
            (&[0x10, 1, b'x', 0x80, 0x10, 1, b'x', 0x81, 0x1f], 2),
        ] {
            assert_eq!(lines(block), Ok(expected), "{block:02x?}");
        }
    }

    #[test]
    fn a_line_that_is_never_to_be_kept_stays_one() {
        for (first, expected) in [(0x00, false), (0x10, true), (0x40, false)] {
            let block = [first, 1, b'x', 1, b'y'];
            let take = |line: Line| {
                assert!(matches!(&line, Line::Field(_, value) if value.is_sensitive() == expected));
            };
            assert_eq!(Decoder::new().decode(&block, take), Ok(()));
        }
    }
}
