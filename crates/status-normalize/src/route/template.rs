//! Path patterns, read.

use std::borrow::Cow;

/// More than any API nests; what looks a path up goes as deep as the deepest pattern.
const DEEPEST: usize = 128;

/// A path pattern without the names of its parameters, so that `/pets/{id}` and `/pets/{pet}` are equal.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct Template {
    pub(super) segments: Vec<Segment>,
    /// Whether the pattern ends with `{*rest}`.
    pub(super) has_rest: bool,
}

/// What stands between two slashes.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) enum Segment {
    Literal(Box<[u8]>),
    Mixed(Mixed),
    /// A parameter and nothing else.
    Parameter,
}

/// Parameters with text around or between them, such as `{base}...{head}` or `{id}.json`.
#[derive(Clone, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub(super) struct Mixed {
    pub(super) prefix: Box<[u8]>,
    pub(super) suffix: Box<[u8]>,
    /// The text between each parameter and the next.
    pub(super) between: Box<[Box<[u8]>]>,
}

impl Mixed {
    /// How much text it demands.
    pub(super) fn text(&self) -> usize {
        self.prefix.len() + self.suffix.len() + self.between.iter().map(|text| text.len()).sum::<usize>()
    }

    /// What a segment has to begin and to end with.
    pub(super) fn ends(&self) -> (&[u8], &[u8]) {
        (&self.prefix, &self.suffix)
    }

    /// Whether a segment fits that is known to begin with the prefix and to end with the suffix.
    ///
    /// Each text is taken where it comes first: if that leaves too little for what follows, any later place does too.
    pub(super) fn fits_between(&self, segment: &[u8]) -> bool {
        let Some(mut left) = segment.get(self.prefix.len()..segment.len() - self.suffix.len()) else {
            return false;
        };
        for text in &self.between {
            let found = left.get(1..).and_then(|after| memchr::memmem::find(after, text));
            let Some(found) = found else { return false };
            left = &left[1 + found + text.len()..];
        }
        !left.is_empty()
    }
}

impl Template {
    /// Reads a pattern, or says what is wrong with it.
    pub(super) fn parse(pattern: &str) -> Result<Self, String> {
        let Some(path) = pattern.strip_prefix('/') else {
            return Err(format!("a path starts with `/`: write `/{pattern}`"));
        };
        let mut segments = Vec::new();
        let mut texts = path.split('/').peekable();
        while let Some(text) = texts.next() {
            match parse_segment(text)? {
                Parsed::Rest(name) if texts.peek().is_some() => {
                    return Err(format!("`{{*{name}}}` takes the rest of the path, nothing can follow it"));
                }
                Parsed::Rest(_) => return Ok(Self { segments, has_rest: true }),
                Parsed::Segment(segment) => segments.push(segment),
            }
            if segments.len() > DEEPEST {
                return Err(format!("it has more than {DEEPEST} segments"));
            }
        }
        Ok(Self { segments, has_rest: false })
    }
}

enum Parsed<'a> {
    Rest(&'a str),
    Segment(Segment),
}

fn parse_segment(segment: &str) -> Result<Parsed<'_>, String> {
    // The texts before, between and after the parameters.
    let mut texts = vec![String::new()];
    let mut left = segment;
    while let Some(at) = left.find(['{', '}']) {
        let (before, from) = left.split_at(at);
        let last = texts.last_mut().expect("there is always one");
        last.push_str(before);
        // Doubled, they are themselves.
        if from.starts_with("{{") || from.starts_with("}}") {
            last.push_str(&from[..1]);
            left = &from[2..];
            continue;
        }
        let Some(inner) = from.strip_prefix('{') else {
            return Err("a `}` has no `{` before it (a brace that is meant is doubled)".into());
        };
        let Some((name, after)) = inner.split_once('}').filter(|(name, _)| !name.contains('{')) else {
            return Err("a `{` has no `}` behind it (a brace that is meant is doubled)".into());
        };
        if let Some(name) = name.strip_prefix('*') {
            let is_whole = before.is_empty() && texts.len() == 1 && texts[0].is_empty() && after.is_empty();
            return match is_whole {
                _ if name.is_empty() => Err("`{*}` has no name".into()),
                true => Ok(Parsed::Rest(name)),
                false => Err(format!("`{{*{name}}}` takes the rest of the path, nothing stands beside it")),
            };
        }
        if name.is_empty() {
            return Err("`{}` has no name".into());
        }
        texts.push(String::new());
        left = after;
    }
    texts.last_mut().expect("there is always one").push_str(left);
    if let Some(text) = texts.iter().find(|text| text.contains(['?', '#'])) {
        return Err(format!("`{text}` has a query or a fragment, which is no part of a path"));
    }
    let mut texts = texts.iter().map(|text| Box::from(&*canonical(text.as_bytes())));
    let prefix: Box<[u8]> = texts.next().expect("there is always one");
    Ok(Parsed::Segment(match texts.next_back() {
        None => Segment::Literal(prefix),
        Some(suffix) if prefix.is_empty() && suffix.is_empty() && texts.len() == 0 => Segment::Parameter,
        Some(suffix) => Segment::Mixed(Mixed { prefix, suffix, between: texts.collect() }),
    }))
}

/// A path in the form in which paths are compared: percent-decoded, but for `%2F`, which separates nothing, and for
/// `%25`, which keeps the two apart from their own text (RFC 3986, 6.2.2).
pub(super) fn canonical(path: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', path).is_none() {
        return Cow::Borrowed(path);
    }
    let mut decoded = vec![0; path.len()];
    let length = decode(path, &mut decoded);
    decoded.truncate(length);
    Cow::Owned(decoded)
}

/// Writes the canonical form to `out`, which has room for as many bytes as there are in `path`; gives its length.
pub(super) fn decode(path: &[u8], out: &mut [u8]) -> usize {
    let (mut from, mut to) = (0, 0);
    while from < path.len() {
        let octet = match path[from..] {
            [b'%', high, low, ..] => {
                hexadecimal(high).zip(hexadecimal(low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        let taken = match octet {
            Some(b'/') => {
                out[to..to + 3].copy_from_slice(b"%2F");
                to += 3;
                3
            }
            Some(b'%') => {
                out[to..to + 3].copy_from_slice(b"%25");
                to += 3;
                3
            }
            Some(octet) => {
                out[to] = octet;
                to += 1;
                3
            }
            None => {
                out[to] = path[from];
                to += 1;
                1
            }
        };
        from += taken;
    }
    to
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}
