//! The lines that an index can stand for (RFC 7541, 2.3).

use std::collections::VecDeque;

use bytes::Bytes;
use http::{HeaderName, HeaderValue};

use super::{LINE_OVERHEAD, Line, Pseudo, TABLE_SIZE};

/// The index of the newest line in a table that a peer fills.
pub(super) const FIRST_KEPT: usize = STATIC.len() + 1;

/// What the name of a line turned out to be.
#[derive(Clone, Debug)]
pub(super) enum Name {
    Pseudo(Pseudo),
    Field(HeaderName),
    Malformed,
}

impl Name {
    pub(super) fn parse(written: &[u8]) -> Self {
        if let [b':', rest @ ..] = written {
            return match rest {
                b"authority" => Self::Pseudo(Pseudo::Authority),
                b"method" => Self::Pseudo(Pseudo::Method),
                b"path" => Self::Pseudo(Pseudo::Path),
                b"protocol" => Self::Pseudo(Pseudo::Protocol),
                b"scheme" => Self::Pseudo(Pseudo::Scheme),
                b"status" => Self::Pseudo(Pseudo::Status),
                _ => Self::Malformed,
            };
        }
        HeaderName::from_lowercase(written).map_or(Self::Malformed, Self::Field)
    }
}

/// A line, and what is asked about it.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) line: Line,
    /// The name of a line that is malformed for its value.
    name: Option<Box<HeaderName>>,
    name_length: usize,
    /// As it counts in a table (RFC 7541, 4.1).
    pub(super) size: usize,
}

impl Entry {
    pub(super) fn new((name, name_length): (Name, usize), value: &[u8], is_sensitive: bool) -> Self {
        let (mut line, mut kept_name) = (Line::Malformed, None);
        match name {
            Name::Pseudo(pseudo) => line = Line::Pseudo(pseudo, Bytes::copy_from_slice(value)),
            Name::Field(name) => match HeaderValue::from_bytes(value) {
                Ok(mut value) => {
                    value.set_sensitive(is_sensitive);
                    line = Line::Field(name, value);
                }
                Err(_) => kept_name = Some(Box::new(name)),
            },
            Name::Malformed => {}
        }
        Self { line, name: kept_name, name_length, size: name_length + value.len() + LINE_OVERHEAD }
    }

    /// The name, and how many bytes it has.
    pub(super) fn name(&self) -> (Name, usize) {
        let name = match &self.line {
            Line::Pseudo(pseudo, _) => Name::Pseudo(*pseudo),
            Line::Field(name, _) => Name::Field(name.clone()),
            Line::Malformed => self.name.as_deref().map_or(Name::Malformed, |name| Name::Field(name.clone())),
        };
        (name, self.name_length)
    }

    const fn pseudo(pseudo: Pseudo, name: &str, value: &'static str) -> Self {
        Self::known(Line::Pseudo(pseudo, Bytes::from_static(value.as_bytes())), name, value)
    }

    const fn field(name: &'static str, value: &'static str) -> Self {
        Self::known(Line::Field(HeaderName::from_static(name), HeaderValue::from_static(value)), name, value)
    }

    const fn known(line: Line, name: &str, value: &str) -> Self {
        Self { line, name: None, name_length: name.len(), size: name.len() + value.len() + LINE_OVERHEAD }
    }
}

/// A table as a peer fills it.
#[derive(Debug)]
pub(super) struct Table {
    /// The newest one first.
    lines: VecDeque<Entry>,
    /// Of all lines together.
    size: usize,
    max_size: usize,
}

impl Table {
    pub(super) const fn new() -> Self {
        Self { lines: VecDeque::new(), size: 0, max_size: TABLE_SIZE }
    }

    #[inline]
    pub(super) fn get(&self, index: usize) -> Option<&Entry> {
        match index.checked_sub(FIRST_KEPT) {
            Some(place) => self.lines.get(place),
            None => STATIC.get(index.wrapping_sub(1)),
        }
    }

    /// A line that is larger than the table empties it (RFC 7541, 4.4).
    pub(super) fn insert(&mut self, entry: Entry) {
        let size = entry.size;
        self.shrink_to(self.max_size.saturating_sub(size));
        if size <= self.max_size {
            self.size += size;
            self.lines.push_front(entry);
        }
    }

    /// Whether the table may have so many bytes.
    pub(super) fn resize(&mut self, max_size: usize) -> bool {
        let is_allowed = max_size <= TABLE_SIZE;
        if is_allowed {
            self.max_size = max_size;
            self.shrink_to(max_size);
        }
        is_allowed
    }

    fn shrink_to(&mut self, size: usize) {
        while self.size > size
            && let Some(oldest) = self.lines.pop_back()
        {
            self.size -= oldest.size;
        }
    }
}

macro_rules! static_table {
    (
        $($pseudo:ident $pseudo_name:literal $pseudo_value:literal,)*
        $($index:literal $name:literal $value:literal,)*
    ) => {
        /// RFC 7541, appendix A.
        static STATIC: [Entry; 61] = [
            $(Entry::pseudo(Pseudo::$pseudo, $pseudo_name, $pseudo_value),)*
            $(Entry::field($name, $value),)*
        ];

        /// The index of the line with this name in the static table, or 0.
        pub(super) fn static_index(name: &HeaderName) -> usize {
            match name.as_str() {
                $($name => $index,)*
                _ => 0,
            }
        }
    };
}

static_table! {
    Authority ":authority" "",
    Method ":method" "GET",
    Method ":method" "POST",
    Path ":path" "/",
    Path ":path" "/index.html",
    Scheme ":scheme" "http",
    Scheme ":scheme" "https",
    Status ":status" "200",
    Status ":status" "204",
    Status ":status" "206",
    Status ":status" "304",
    Status ":status" "400",
    Status ":status" "404",
    Status ":status" "500",
    15 "accept-charset" "",
    16 "accept-encoding" "gzip, deflate",
    17 "accept-language" "",
    18 "accept-ranges" "",
    19 "accept" "",
    20 "access-control-allow-origin" "",
    21 "age" "",
    22 "allow" "",
    23 "authorization" "",
    24 "cache-control" "",
    25 "content-disposition" "",
    26 "content-encoding" "",
    27 "content-language" "",
    28 "content-length" "",
    29 "content-location" "",
    30 "content-range" "",
    31 "content-type" "",
    32 "cookie" "",
    33 "date" "",
    34 "etag" "",
    35 "expect" "",
    36 "expires" "",
    37 "from" "",
    38 "host" "",
    39 "if-match" "",
    40 "if-modified-since" "",
    41 "if-none-match" "",
    42 "if-range" "",
    43 "if-unmodified-since" "",
    44 "last-modified" "",
    45 "link" "",
    46 "location" "",
    47 "max-forwards" "",
    48 "proxy-authenticate" "",
    49 "proxy-authorization" "",
    50 "range" "",
    51 "referer" "",
    52 "refresh" "",
    53 "retry-after" "",
    54 "server" "",
    55 "set-cookie" "",
    56 "strict-transport-security" "",
    57 "transfer-encoding" "",
    58 "user-agent" "",
    59 "vary" "",
    60 "via" "",
    61 "www-authenticate" "",
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn static_names_are_found() {
        let table = Table::new();
        let mut found = 0;
        for index in 1..=61 {
            let Line::Field(name, _) = &table.get(index).unwrap().line else { continue };
            assert_eq!(static_index(name), index);
            found += 1;
        }
        assert_eq!(found, 47);
        assert_eq!(static_index(&HeaderName::from_static("x-accept")), 0);
        assert!(table.get(0).is_none() && table.get(62).is_none() && table.get(usize::MAX).is_none());
    }

    #[test]
    fn no_more_is_held_than_allowed() {
        let mut table = Table::new();
        let insert = |table: &mut Table, length| {
            table.insert(Entry::new((Name::parse(b"x"), 1), &vec![b'a'; length], false));
            assert!(table.size <= table.max_size);
            assert_eq!(table.size, table.lines.iter().map(|line| line.size).sum::<usize>());
        };
        for length in (0..5000).chain([0; 500]) {
            insert(&mut table, length);
        }
        assert_eq!(table.lines.len(), TABLE_SIZE / 33);
        insert(&mut table, TABLE_SIZE - 33);
        assert_eq!(table.lines.len(), 1);
        insert(&mut table, TABLE_SIZE - 32);
        assert!(table.lines.is_empty());
        assert!(table.resize(0) && !table.resize(TABLE_SIZE + 1) && table.resize(TABLE_SIZE));
    }

    #[test]
    fn names_of_malformed_lines_stay_known() {
        let entry = |name: &[u8], value: &[u8]| Entry::new((Name::parse(name), name.len()), value, false);
        let bad_value = entry(b"x-name", b"a\0");
        assert!(matches!(bad_value.line, Line::Malformed));
        assert!(matches!(bad_value.name(), (Name::Field(name), 6) if name == "x-name"));
        for name in [&b"X-Name"[..], b"", b":unknown", b":", b"x name", b"x:", b"\xff", &[b'a'; 1 << 16]] {
            let entry = entry(name, b"a");
            assert!(matches!(entry.line, Line::Malformed));
            assert!(matches!(entry.name(), (Name::Malformed, length) if length == name.len()));
            assert_eq!(entry.size, name.len() + 33);
        }
        for value in [&b"\r"[..], b"\n", b"\0", b"\x7f"] {
            assert!(matches!(entry(b"x", value).line, Line::Malformed));
            assert!(matches!(entry(b":path", value).line, Line::Pseudo(Pseudo::Path, _)));
        }
        assert!(matches!(entry(b"x", b"\t \x80\xff").line, Line::Field(..)));
    }
}
