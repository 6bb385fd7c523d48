//! Field lines to blocks (RFC 7541, 6).

use std::collections::VecDeque;

use http::{HeaderName, HeaderValue, Method, StatusCode};

use super::{
    LINE_OVERHEAD, Pseudo, TABLE_SIZE, huffman, integer,
    table::{FIRST_KEPT, static_index},
};

/// Longer strings are encoded: for others that saves a byte or two.
const LONGEST_PLAIN: usize = 8;

/// How many other lines of the same name go by before another is kept if the newest one has not come again: a field that
/// never has the same value twice must not push out the others.
const DOUBTS: u8 = 16;

#[derive(Debug)]
pub(crate) struct Encoder {
    /// The newest one first.
    lines: VecDeque<Entry>,
    /// Of all lines together, as the peer counts it.
    size: usize,
    max_size: usize,
    /// The smallest and the last of the sizes that the peer has set since the last block.
    set_sizes: Option<(usize, usize)>,
    /// The number of the newest line. Numbers repeat: what one stands for may be another line by now.
    newest: u8,
    /// The line that came last in this block, if any, and the one that may be expected.
    last: Option<u8>,
    expected: u8,
    /// The line that began the last block.
    first: u8,
}

/// What a line is about.
#[derive(Clone, Copy)]
enum Name<'a> {
    Field(&'a HeaderName),
    Pseudo(Pseudo),
}

impl Name<'_> {
    fn as_str(&self) -> &str {
        match self {
            Self::Field(name) => name.as_str(),
            Self::Pseudo(pseudo) => pseudo.name(),
        }
    }

    /// Of a line in the static table with this name, or 0.
    fn static_index(self) -> usize {
        match self {
            Self::Field(name) => static_index(name),
            Self::Pseudo(Pseudo::Authority) => 1,
            Self::Pseudo(Pseudo::Method) => 2,
            Self::Pseudo(Pseudo::Path) => 4,
            Self::Pseudo(Pseudo::Scheme) => 6,
            Self::Pseudo(Pseudo::Status) => 8,
            Self::Pseudo(Pseudo::Protocol) => 0,
        }
    }

    fn to_kept(self) -> KeptName {
        match self {
            Self::Field(name) => KeptName::Field(name.clone()),
            Self::Pseudo(pseudo) => KeptName::Pseudo(pseudo),
        }
    }
}

/// The same in the table.
#[derive(Debug)]
enum KeptName {
    Field(HeaderName),
    Pseudo(Pseudo),
}

impl KeptName {
    fn as_name(&self) -> Name<'_> {
        match self {
            Self::Field(name) => Name::Field(name),
            Self::Pseudo(pseudo) => Name::Pseudo(*pseudo),
        }
    }

    #[inline]
    fn is(&self, name: Name<'_>) -> bool {
        match (self, name) {
            (Self::Field(one), Name::Field(other)) => one == other,
            (Self::Pseudo(one), Name::Pseudo(other)) => *one == other,
            _ => false,
        }
    }
}

#[derive(Debug)]
struct Entry {
    name: KeptName,
    value: Box<[u8]>,
    /// The line that came next, the last time.
    next: u8,
    /// What is left of those about its name; none once it has come again.
    doubts: u8,
}

impl Entry {
    fn is(&self, name: Name<'_>, value: &[u8]) -> bool {
        *self.value == *value && self.name.is(name)
    }
}

/// How a line is written that is not in the table, by the bits that say so.
#[derive(Clone, Copy)]
enum Literal {
    Kept = 0x40,
    NotKept = 0x00,
    /// By nobody, on no connection that the line goes over.
    NeverKept = 0x10,
}

impl Encoder {
    /// With a table of the protocol's default size, until the peer sets another.
    pub(crate) const fn new() -> Self {
        Self {
            lines: VecDeque::new(),
            size: 0,
            max_size: TABLE_SIZE,
            set_sizes: None,
            newest: 0,
            last: None,
            expected: 0,
            first: 0,
        }
    }

    /// Takes the peer's SETTINGS_HEADER_TABLE_SIZE, of which no more than the default is used.
    pub(crate) fn set_max_size(&mut self, size: u32) {
        let size = size.min(TABLE_SIZE as u32) as usize;
        let smallest = self.set_sizes.map_or(size, |(smallest, _)| smallest.min(size));
        self.set_sizes = Some((smallest, size));
    }

    /// Begins a block: tells the peer what has become of the table's size (RFC 7541, 4.2).
    pub(crate) fn begin(&mut self, block: &mut Vec<u8>) {
        self.last = None;
        self.expected = self.first;
        if let Some((smallest, last)) = self.set_sizes.take() {
            for size in [smallest, last] {
                if size != self.max_size {
                    self.max_size = size;
                    self.shrink_to(size);
                    integer::write(0x20, 5, size, block);
                }
            }
        }
    }

    pub(crate) fn status(&mut self, status: StatusCode, block: &mut Vec<u8>) {
        let index = match status.as_u16() {
            200 => 8,
            204 => 9,
            206 => 10,
            304 => 11,
            400 => 12,
            404 => 13,
            500 => 14,
            _ => return self.other_status(status, block),
        };
        integer::write(0x80, 7, index, block);
    }

    #[inline(never)]
    fn other_status(&mut self, status: StatusCode, block: &mut Vec<u8>) {
        self.line(Name::Pseudo(Pseudo::Status), status.as_str().as_bytes(), block);
    }

    /// The pseudo-fields of a request for an `http` URI.
    pub(crate) fn request(&mut self, method: &Method, authority: &[u8], path: &str, block: &mut Vec<u8>) {
        match *method {
            Method::GET => block.push(0x80 | 2),
            Method::POST => block.push(0x80 | 3),
            _ => self.line(Name::Pseudo(Pseudo::Method), method.as_str().as_bytes(), block),
        }
        block.push(0x80 | 6);
        match path {
            "/" => block.push(0x80 | 4),
            _ => self.line(Name::Pseudo(Pseudo::Path), path.as_bytes(), block),
        }
        self.line(Name::Pseudo(Pseudo::Authority), authority, block);
    }

    #[inline(always)]
    pub(crate) fn field(&mut self, name: &HeaderName, value: &HeaderValue, block: &mut Vec<u8>) {
        if value.is_sensitive() {
            return never_kept(name, value, block);
        }
        self.line(Name::Field(name), value.as_bytes(), block);
    }

    /// Responses resemble each other: after a line that is in the table most often comes the one that came after it the
    /// last time. Only if not the others are looked at.
    #[inline(always)]
    fn line(&mut self, name: Name<'_>, value: &[u8], block: &mut Vec<u8>) {
        let behind = self.newest.wrapping_sub(self.expected);
        if let Some(line) = self.lines.get_mut(usize::from(behind))
            && line.name.is(name)
            && *line.value == *value
        {
            line.doubts = 0;
            self.last = Some(self.expected);
            self.expected = line.next;
            integer::write(0x80, 7, FIRST_KEPT + usize::from(behind), block);
        } else {
            self.unexpected_line(name, value, block);
        }
    }

    #[inline(never)]
    fn unexpected_line(&mut self, name: Name<'_>, value: &[u8], block: &mut Vec<u8>) {
        let mut index = name.static_index();
        let mut manner = self.manner(name, value);
        if !matches!(manner, Literal::Kept) {
            return literal(manner, index, name, value, block);
        }
        if let Some(behind) = self.lines.iter().position(|line| line.is(name, value)) {
            let number = self.newest.wrapping_sub(behind as u8);
            self.lines[behind].doubts = 0;
            integer::write(0x80, 7, FIRST_KEPT + behind, block);
            return self.follow(number);
        }
        let mut lines = self.lines.iter_mut().enumerate();
        if let Some((behind, newest)) = lines.find(|(_, line)| line.name.is(name)) {
            if newest.doubts > 0 {
                newest.doubts -= 1;
                manner = Literal::NotKept;
            }
            if index == 0 {
                index = FIRST_KEPT + behind;
            }
        }
        literal(manner, index, name, value, block);
        if matches!(manner, Literal::Kept) {
            self.keep(name, value);
        }
    }

    /// Takes note of the line that came next.
    fn follow(&mut self, number: u8) {
        let line = |encoder: &Self, number| usize::from(encoder.newest.wrapping_sub(number));
        match self.last.map(|last| line(self, last)) {
            None => self.first = number,
            Some(last) => {
                if let Some(last) = self.lines.get_mut(last) {
                    last.next = number;
                }
            }
        }
        self.last = Some(number);
        self.expected = self.lines.get(line(self, number)).map_or(0, |line| line.next);
    }

    /// What is large would push too much else out.
    fn manner(&self, name: Name<'_>, value: &[u8]) -> Literal {
        match name.as_str() {
            "authorization" | "cookie" | "proxy-authorization" | "set-cookie" => Literal::NeverKept,
            _ if size(name, value) > self.max_size / 2 => Literal::NotKept,
            _ => Literal::Kept,
        }
    }

    fn keep(&mut self, name: Name<'_>, value: &[u8]) {
        let size = size(name, value);
        self.shrink_to(self.max_size - size);
        self.size += size;
        self.newest = self.newest.wrapping_add(1);
        let next = self.newest.wrapping_add(1);
        self.lines.push_front(Entry { name: name.to_kept(), value: value.into(), next, doubts: DOUBTS });
        self.follow(self.newest);
    }

    fn shrink_to(&mut self, max_size: usize) {
        while self.size > max_size
            && let Some(oldest) = self.lines.pop_back()
        {
            self.size -= size(oldest.name.as_name(), &oldest.value);
        }
    }
}

#[inline(never)]
fn never_kept(name: &HeaderName, value: &HeaderValue, block: &mut Vec<u8>) {
    literal(Literal::NeverKept, static_index(name), Name::Field(name), value.as_bytes(), block);
}

fn literal(manner: Literal, index: usize, name: Name<'_>, value: &[u8], block: &mut Vec<u8>) {
    let bits = if matches!(manner, Literal::Kept) { 6 } else { 4 };
    integer::write(manner as u8, bits, index, block);
    if index == 0 {
        string(name.as_str().as_bytes(), block);
    }
    string(value, block);
}

fn size(name: Name<'_>, value: &[u8]) -> usize {
    name.as_str().len() + value.len() + LINE_OVERHEAD
}

fn string(text: &[u8], block: &mut Vec<u8>) {
    if text.len() > LONGEST_PLAIN {
        let length = huffman::length(text);
        if length < text.len() {
            integer::write(0x80, 7, length, block);
            return huffman::encode(text, block);
        }
    }
    integer::write(0x00, 7, text.len(), block);
    block.extend_from_slice(text);
}

#[cfg(test)]
mod tests {
    use super::*;

    const OK: StatusCode = StatusCode::OK;

    fn encode(encoder: &mut Encoder, status: StatusCode, fields: &[(&'static str, &str)]) -> Vec<u8> {
        let mut block = Vec::new();
        encoder.begin(&mut block);
        encoder.status(status, &mut block);
        for (name, value) in fields {
            let value = HeaderValue::from_str(value).unwrap();
            encoder.field(&HeaderName::from_static(name), &value, &mut block);
        }
        let sizes = encoder.lines.iter().map(|line| size(line.name.as_name(), &line.value));
        assert_eq!(encoder.size, sizes.sum::<usize>());
        assert!(encoder.size <= encoder.max_size && encoder.max_size <= TABLE_SIZE);
        block
    }

    const USUAL: [(&str, &str); 5] = [
        ("content-type", "text/plain"),
        ("date", "Sun, 22 Nov 2026 01:28:13 GMT"),
        ("server", "example"),
        ("x-one", "1"),
        ("via", "1.1 status-proxy"),
    ];

    #[test]
    fn what_comes_again_takes_a_byte() {
        let mut encoder = Encoder::new();
        let first = encode(&mut encoder, OK, &USUAL).len();
        assert!(first < USUAL.map(|(name, value)| name.len() + value.len()).iter().sum::<usize>());
        assert_eq!(encode(&mut encoder, OK, &USUAL), [0x88, 0xc2, 0xc1, 0xc0, 0xbf, 0xbe]);
        let mut reversed = USUAL;
        reversed.reverse();
        assert_eq!(encode(&mut encoder, OK, &reversed), [0x88, 0xbe, 0xbf, 0xc0, 0xc1, 0xc2]);
        assert_eq!(encode(&mut encoder, StatusCode::NO_CONTENT, &USUAL[2..4]), [0x89, 0xc0, 0xbf]);
        encode(&mut encoder, StatusCode::BAD_GATEWAY, &USUAL);
        let again = encode(&mut encoder, StatusCode::BAD_GATEWAY, &USUAL);
        assert_eq!(again, [0xbe, 0xc3, 0xc2, 0xc1, 0xc0, 0xbf]);
    }

    #[test]
    fn the_line_that_came_next_is_found_first() {
        let mut encoder = Encoder::new();
        let expected = |encoder: &Encoder| {
            let behind = encoder.newest.wrapping_sub(encoder.expected);
            encoder.lines.get(usize::from(behind)).map(|line| line.value.to_vec())
        };
        for _ in 0..2 {
            encode(&mut encoder, OK, &USUAL);
        }
        // The date has changed; from the second time on what follows is expected again.
        let mut later = USUAL;
        later[1].1 = "Sun, 22 Nov 2026 01:28:14 GMT";
        encode(&mut encoder, OK, &later);
        encoder.begin(&mut Vec::new());
        for (name, value) in later {
            assert_eq!(expected(&encoder).as_deref(), Some(value.as_bytes()));
            let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
            encoder.field(&name, &value, &mut Vec::new());
        }
    }

    #[test]
    fn a_value_that_never_comes_again_does_not_push_the_others_out() {
        let mut encoder = Encoder::new();
        encode(&mut encoder, OK, &USUAL);
        let mut literals = 0;
        for number in 0..1000 {
            let id = ("x-request-id", &*format!("{number:040}"));
            let block = encode(&mut encoder, OK, &[&USUAL[..], &[id]].concat());
            literals += usize::from(block[1..USUAL.len() + 1].iter().any(|byte| byte & 0x80 == 0));
        }
        assert!(literals <= 2, "{literals}");
    }

    #[test]
    fn the_value_after_one_that_has_come_again_is_kept() {
        let mut encoder = Encoder::new();
        for second in 10..60 {
            let date = ("date", &*format!("Sun, 22 Nov 2026 01:28:{second} GMT"));
            assert!(encode(&mut encoder, OK, &[date]).len() > 2);
            assert_eq!(encode(&mut encoder, OK, &[date]), [0x88, 0xbe]);
        }
    }

    #[test]
    fn secrets_are_never_kept() {
        let mut encoder = Encoder::new();
        for _ in 0..3 {
            let block = encode(&mut encoder, OK, &[("set-cookie", "a=b")]);
            assert_eq!(block, [0x88, 0x1f, 40, 3, b'a', b'=', b'b']);
            let mut secret = HeaderValue::from_static("secret");
            secret.set_sensitive(true);
            let mut block = Vec::new();
            encoder.begin(&mut block);
            encoder.field(&HeaderName::from_static("x"), &secret, &mut block);
            assert_eq!(block, b"\x10\x01x\x06secret");
        }
        assert!(encoder.lines.is_empty());
    }

    #[test]
    fn a_large_line_is_not_kept() {
        let mut encoder = Encoder::new();
        let value = "~".repeat(TABLE_SIZE / 2);
        encode(&mut encoder, OK, &[("x", &value), ("y", &value[40..])]);
        assert_eq!(encoder.lines.len(), 1);
    }

    #[test]
    fn sizes_are_told() {
        let mut encoder = Encoder::new();
        let mut told = |sizes: &[u32]| {
            sizes.iter().for_each(|size| encoder.set_max_size(*size));
            let block = encode(&mut encoder, OK, &USUAL);
            let end = block.iter().position(|byte| *byte == 0x88).unwrap();
            block[..end].to_vec()
        };
        let default = [0x3f, 0xe1, 0x1f];
        assert!(told(&[4096]).is_empty());
        assert!(told(&[u32::MAX]).is_empty());
        assert_eq!(told(&[0]), [0x20]);
        assert!(told(&[]).is_empty());
        assert_eq!(told(&[5000]), default);
        assert_eq!(told(&[4096, 30, 0, 10, 4096]), [&[0x20][..], &default].concat());
        assert_eq!(told(&[30, 29]), [0x3d]);
        assert_eq!(told(&[30, 50]), [0x3e, 0x3f, 19]);
    }
}
