//! The code of strings (RFC 7541, 5.2 and appendix B). It is canonical: the lengths of the codes say what they are.

use std::mem;

use super::CompressionError;

/// How many bits each byte takes, and at last the end of a string, which must not be sent.
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 30, 28, 28, 28,
    28, 28, 28, 28, 28, 28, 6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6, 5, 5, 5, 6, 6, 6, 6, 6, 6,
    6, 7, 8, 15, 6, 12, 10, 13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8,
    13, 19, 13, 14, 6, 15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5, 6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15,
    11, 14, 13, 28, 20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23, 24, 24, 22, 23, 24, 23,
    23, 23, 23, 21, 22, 23, 22, 23, 23, 24, 22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23, 26, 26, 20, 19, 22, 23, 22, 25, 26, 26,
    26, 27, 27, 26, 24, 25, 19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27, 20, 24, 20, 21,
    22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23, 26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27,
    27, 26, 30,
];

const LONGEST: usize = 30;

/// Of the 257 symbols in the order of their codes, the bytes: the end of a string would be the last one.
static IN_ORDER: [u8; 256] = TABLES.in_order;

static CODES: [u32; 257] = TABLES.codes;

/// The byte that begins eight bits and the length of its code; 0 if the code is longer.
static SHORT: [(u8, u8); 256] = TABLES.short;

/// For codes of each length, the least number that is no code of it nor begins one, and how far the codes are from their
/// places in the order.
static LONG: [(u32, u32); LONGEST + 1] = TABLES.long;

const TABLES: Tables = tables();

struct Tables {
    codes: [u32; 257],
    in_order: [u8; 256],
    short: [(u8, u8); 256],
    long: [(u32, u32); LONGEST + 1],
}

const fn tables() -> Tables {
    let mut tables =
        Tables { codes: [0; 257], in_order: [0; 256], short: [(0, 0); 256], long: [(0, 0); LONGEST + 1] };
    let (mut code, mut place, mut length) = (0, 0, 1);
    while length <= LONGEST {
        code <<= 1;
        let distance = code - place;
        let mut symbol = 0;
        while symbol < LENGTHS.len() {
            if LENGTHS[symbol] as usize == length {
                tables.codes[symbol] = code;
                if symbol < 256 {
                    tables.in_order[place as usize] = symbol as u8;
                }
                if length <= 8 {
                    let unused = 8 - length;
                    let mut rest = 0;
                    while rest < 1 << unused {
                        tables.short[(code as usize) << unused | rest] = (symbol as u8, length as u8);
                        rest += 1;
                    }
                }
                code += 1;
                place += 1;
            }
            symbol += 1;
        }
        tables.long[length] = (code, distance);
        length += 1;
    }
    assert!(code == 1 << LONGEST, "every number is a code or begins one");
    tables
}

/// Puts the string in place of `text`.
pub(super) fn decode(coded: &[u8], text: &mut Vec<u8>) -> Result<(), CompressionError> {
    // The shortest code has 5 bits.
    text.resize(coded.len() * 8 / 5, 0);
    let mut length = 0;
    let mut input = coded;
    // The next bits are the highest.
    let (mut bits, mut count) = (0_u64, 0);
    loop {
        if count <= 32 {
            if let Some((word, rest)) = input.split_first_chunk() {
                bits |= u64::from(u32::from_be_bytes(*word)) << (32 - count);
                count += 32;
                input = rest;
            } else {
                for byte in mem::take(&mut input) {
                    bits |= u64::from(*byte) << (56 - count);
                    count += 8;
                }
            }
        }
        while count >= 8
            && let (byte, bits_taken @ 1..) = SHORT[(bits >> 56) as usize]
        {
            *text.get_mut(length).ok_or(CompressionError)? = byte;
            length += 1;
            bits <<= bits_taken;
            count -= u32::from(bits_taken);
        }
        if count <= 32 && !input.is_empty() {
            continue;
        }
        let (byte, bits_taken) = match SHORT[(bits >> 56) as usize] {
            (_, 0) => long(bits)?,
            short => short,
        };
        if u32::from(bits_taken) > count {
            // What is left is the beginning of the longest code, less than a byte of it.
            let is_filled_up = count < 8 && bits.leading_ones() == count;
            text.truncate(length);
            return if is_filled_up { Ok(()) } else { Err(CompressionError) };
        }
        *text.get_mut(length).ok_or(CompressionError)? = byte;
        length += 1;
        bits <<= bits_taken;
        count -= u32::from(bits_taken);
    }
}

/// The byte that begins the bits if its code is longer than eight bits, and its length.
fn long(bits: u64) -> Result<(u8, u8), CompressionError> {
    for (length, &(end, distance)) in LONG.iter().enumerate().skip(9) {
        let code = (bits >> (64 - length)) as u32;
        if code < end {
            let byte = IN_ORDER.get((code - distance) as usize).ok_or(CompressionError)?;
            return Ok((*byte, length as u8));
        }
    }
    Err(CompressionError)
}

/// How many bytes the code of `text` takes.
pub(super) fn length(text: &[u8]) -> usize {
    let bits: usize = text.iter().map(|byte| usize::from(LENGTHS[usize::from(*byte)])).sum();
    bits.div_ceil(8)
}

/// Appends the code of `text` to `block`.
pub(super) fn encode(text: &[u8], block: &mut Vec<u8>) {
    block.reserve(text.len());
    // The last `count` bits are to be written.
    let (mut bits, mut count) = (0_u64, 0_u32);
    for &byte in text {
        let length = u32::from(LENGTHS[usize::from(byte)]);
        bits = bits << length | u64::from(CODES[usize::from(byte)]);
        count += length;
        if count >= 32 {
            count -= 32;
            block.extend_from_slice(&((bits >> count) as u32).to_be_bytes());
        }
    }
    let missing = count.wrapping_neg() % 8;
    bits = bits << missing | ((1 << missing) - 1);
    count += missing;
    block.extend_from_slice(&bits.to_be_bytes()[8 - count as usize / 8..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, CompressionError> {
        let mut text = Vec::new();
        decode(coded, &mut text).map(|()| text)
    }

    fn encoded(text: &[u8]) -> Vec<u8> {
        let mut coded = Vec::new();
        encode(text, &mut coded);
        coded
    }

    #[test]
    fn codes_are_those_of_the_standard() {
        for (symbol, code) in [
            (0, 0x1ff8),
            (b' ', 0x14),
            (b'0', 0x0),
            (b'a', 0x3),
            (b'z', 0x7b),
            (b'~', 0x1ffd),
            (0x7f, 0xfff_fffc),
            (0x80, 0xfffe6),
            (0xf9, 0xfff_fffe),
            (0xff, 0x3ff_ffee),
        ] {
            assert_eq!(CODES[usize::from(symbol)], code, "{symbol:#x}");
        }
        assert_eq!(CODES[256], 0x3fff_ffff);
    }

    #[test]
    fn each_byte_is_read_as_written() {
        for byte in 0..=u8::MAX {
            for times in 0..20 {
                let text = vec![byte; times];
                let coded = encoded(&text);
                assert_eq!(coded.len(), (usize::from(LENGTHS[usize::from(byte)]) * times).div_ceil(8));
                assert_eq!(decoded(&coded).as_ref(), Ok(&text), "{byte:#x}");
            }
        }
    }

    #[test]
    fn bytes_beside_each_other() {
        for step in (1..256).step_by(2) {
            let text: Vec<u8> = (0..256).map(|number| (number * step) as u8).collect();
            let coded = encoded(&text);
            assert_eq!(decoded(&coded).as_ref(), Ok(&text));
            assert_ne!(decoded(&coded[..coded.len() - 1]).as_ref(), Ok(&text));
        }
    }

    #[test]
    fn the_end_is_never_sent() {
        let ones = |length: u32, before: &[u8]| {
            let mut coded = encoded(before);
            coded.extend(vec![0xff; length as usize]);
            decoded(&coded)
        };
        for length in 1..12 {
            assert_eq!(ones(length, b""), Err(CompressionError), "{length} bytes");
            // Of 8 bits.
            assert_eq!(ones(length, b"&"), Err(CompressionError), "{length} bytes");
        }
    }

    #[test]
    fn strings_are_filled_up_with_ones() {
        assert_eq!(decoded(&[]).as_deref(), Ok(&b""[..]));
        // a: 00011
        assert_eq!(decoded(&[0x1f]).as_deref(), Ok(&b"a"[..]));
        for filling in 0..7 {
            assert_eq!(decoded(&[0x18 | filling]), Err(CompressionError), "{filling}");
        }
        assert_eq!(decoded(&[0x1f, 0xff]), Err(CompressionError));
        // A long code cut off.
        for byte in [0, b'\n', 0x80, 0xff] {
            let coded = encoded(&[byte]);
            for cut in 1..coded.len() {
                assert_eq!(decoded(&coded[..cut]), Err(CompressionError));
            }
        }
    }
}
