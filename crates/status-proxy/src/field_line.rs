//! The lines of a head (RFC 9112, sections 2.1 and 5), whichever side it comes from.

use bytes::Bytes;
use http::{HeaderName, HeaderValue};
use memchr::memchr;

use crate::field_name::FieldNames;

/// The lines of a head, without their ends, up to the empty one.
#[derive(Debug)]
pub(crate) struct Lines<'a>(&'a [u8]);

impl<'a> Lines<'a> {
    pub(crate) fn of(head: &'a [u8]) -> Self {
        Self(head)
    }
}

impl<'a> Iterator for Lines<'a> {
    type Item = &'a [u8];

    #[inline]
    fn next(&mut self) -> Option<&'a [u8]> {
        let (line, rest) = self.0.split_at(memchr(b'\n', self.0)?);
        self.0 = &rest[1..];
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        (!line.is_empty()).then_some(line)
    }
}

/// Name and value in a line of `head`, which the value is a slice of; `None` if they are malformed.
#[inline]
pub(crate) fn parse(line: &[u8], head: &Bytes, names: &mut FieldNames) -> Option<(HeaderName, HeaderValue)> {
    let colon = memchr(b':', line)?;
    // Neither a blank before the colon is part of a name nor one at the start of a line, which once continued the line
    // before.
    let name = names.parse(&line[..colon]).ok()?;
    let value = HeaderValue::from_maybe_shared(head.slice_ref(trim_blanks(&line[colon + 1..]))).ok()?;
    Some((name, value))
}

/// What is left without the blanks around it.
#[inline]
pub(crate) fn trim_blanks(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field_name;

    #[test]
    fn fields_in_their_lines() {
        let cases: &[(&str, Option<(&str, &str)>)] = &[
            ("Name: value", Some(("name", "value"))),
            ("Name:value", Some(("name", "value"))),
            ("Name: \t value \t ", Some(("name", "value"))),
            ("Name:", Some(("name", ""))),
            ("Name: \t", Some(("name", ""))),
            ("Name: a: b", Some(("name", "a: b"))),
            ("Name : value", None),
            (" Name: value", None),
            ("\tvalue: continued", None),
            (": value", None),
            ("no colon", None),
            ("Name: a\rb", None),
            ("Name: a\0b", None),
            ("Na\u{e9}me: value", None),
        ];
        for (line, expected) in cases {
            let head = Bytes::copy_from_slice(line.as_bytes());
            let field = field_name::with(|names| parse(&head, &head, names));
            let field = field.as_ref().map(|(name, value)| (name.as_str(), value.to_str().unwrap()));
            assert_eq!(field, *expected, "{line:?}");
        }
    }

    #[test]
    fn lines_end_at_the_empty_one() {
        let lines = |head: &'static str| Lines::of(head.as_bytes()).collect::<Vec<_>>();
        assert_eq!(lines("a\r\nb\nc\r\n\r\nd\r\n"), [b"a", b"b", b"c"]);
        assert_eq!(lines("a\r\nb"), [b"a"]);
        assert_eq!(lines("\r\na\r\n"), [b""; 0]);
    }
}
