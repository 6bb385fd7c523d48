//! Numbers that begin within a byte (RFC 7541, 5.1).

use super::CompressionError;

/// Reads the rest of a number that begins with the lower `bits` bits of `first`.
#[inline]
pub(super) fn read(first: u8, bits: u32, input: &mut &[u8]) -> Result<usize, CompressionError> {
    let most = (1 << bits) - 1;
    let beginning = usize::from(first) & most;
    if beginning < most { Ok(beginning) } else { read_on(most, input) }
}

/// No more bytes than 32 bits take, which may all be zeros but the last one's highest bit.
fn read_on(most: usize, input: &mut &[u8]) -> Result<usize, CompressionError> {
    let mut number = most as u64;
    for shift in [0, 7, 14, 21, 28] {
        let (&byte, rest) = input.split_first().ok_or(CompressionError)?;
        *input = rest;
        number += u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let number = u32::try_from(number).map_err(|_| CompressionError)?;
            return usize::try_from(number).map_err(|_| CompressionError);
        }
    }
    Err(CompressionError)
}

/// Writes a number into the lower `bits` bits of a byte, whose others are those of `first`, and as many more as it takes.
#[inline]
pub(super) fn write(first: u8, bits: u32, number: usize, block: &mut Vec<u8>) {
    let most = (1 << bits) - 1;
    if number < most {
        block.push(first | number as u8);
    } else {
        write_on(first | most as u8, number - most, block);
    }
}

#[inline(never)]
fn write_on(first: u8, mut number: usize, block: &mut Vec<u8>) {
    block.push(first);
    while number >= 0x80 {
        block.push(0x80 | (number & 0x7f) as u8);
        number >>= 7;
    }
    block.push(number as u8);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(bits: u32, bytes: &[u8]) -> Result<(usize, usize), CompressionError> {
        let mut input = &bytes[1..];
        read(bytes[0], bits, &mut input).map(|number| (number, input.len()))
    }

    #[test]
    fn examples() {
        // RFC 7541, C.1.
        assert_eq!(parse(5, &[0b1110_1010]), Ok((10, 0)));
        assert_eq!(parse(5, &[0b0001_1111, 0b1001_1010, 0b0000_1010]), Ok((1337, 0)));
        assert_eq!(parse(8, &[42, 7]), Ok((42, 1)));
    }

    #[test]
    fn what_is_written_is_read() {
        for bits in 4..=8 {
            for number in (0..5000).chain([1 << 14, 1 << 21, 1 << 28, u32::MAX as usize]) {
                let mut block = Vec::new();
                write(0, bits, number, &mut block);
                assert_eq!(parse(bits, &block), Ok((number, 0)), "{bits} bits");
                for cut in 1..block.len() {
                    assert_eq!(parse(bits, &block[..cut]), Err(CompressionError));
                }
            }
        }
    }

    #[test]
    fn more_bytes_than_needed() {
        assert_eq!(parse(4, &[0x0f, 0x80, 0x80, 0]), Ok((15, 0)));
        assert_eq!(parse(4, &[0x0f, 0x80, 0x80, 0x80, 0x80, 0]), Ok((15, 0)));
        assert_eq!(parse(4, &[0x0f, 0x80, 0x80, 0x80, 0x80, 0x80, 0]), Err(CompressionError));
    }

    #[test]
    fn numbers_that_do_not_fit() {
        let most = u32::MAX as usize;
        assert_eq!(parse(7, &[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f]), Ok((most, 0)));
        assert_eq!(parse(7, &[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f]), Err(CompressionError));
        assert_eq!(parse(7, &[0x7f, 0x80, 0xff, 0xff, 0xff, 0x10]), Err(CompressionError));
        assert_eq!(parse(7, &[0x7f, 0xff, 0xff, 0xff, 0xff, 0x7f]), Err(CompressionError));
    }
}
