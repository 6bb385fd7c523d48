//! Which representation a request prefers: RFC 9110, 12.5.1 and 12.5.4. One pass per line, no allocation.

use std::{ops::Range, sync::Arc};

use http::{HeaderMap, HeaderValue, header::ACCEPT_LANGUAGE};
use memchr::memchr3;

use crate::verdict::is_token;

/// The media types of our representations, in the order that decides between equal qualities.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[repr(u8)]
pub(crate) enum Media {
    /// `application/problem+json`
    #[default]
    ProblemJson,
    /// `application/json`
    Json,
    /// `application/problem+xml`
    ProblemXml,
    /// `application/xml`
    Xml,
    /// `text/html`
    Html,
    /// `text/plain`
    Plain,
}

impl Media {
    /// Every media type, in the order of the variants.
    pub(crate) const ALL: [Self; 6] =
        [Self::ProblemJson, Self::Json, Self::ProblemXml, Self::Xml, Self::Html, Self::Plain];

    /// The media type without parameters.
    pub(crate) const fn essence(self) -> &'static str {
        match self {
            Self::ProblemJson => "application/problem+json",
            Self::Json => "application/json",
            Self::ProblemXml => "application/problem+xml",
            Self::Xml => "application/xml",
            Self::Html => "text/html",
            Self::Plain => "text/plain",
        }
    }

    /// The media type with its parameters.
    pub(crate) const fn content_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Plain => "text/plain; charset=utf-8",
            Self::ProblemJson | Self::Json | Self::ProblemXml | Self::Xml => self.essence(),
        }
    }
}

/// What most clients send, spared the reading: libraries, Firefox and Safari, Firefox before, Chromium, axios.
const USUAL: [(&[u8], Media); 7] = [
    (b"*/*", Media::ProblemJson),
    (b"application/json", Media::Json),
    (b"application/problem+json", Media::ProblemJson),
    (b"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", Media::Html),
    (b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8", Media::Html),
    (
        b"text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
          application/signed-exchange;v=b3;q=0.7",
        Media::Html,
    ),
    (b"application/json, text/plain, */*", Media::ProblemJson),
];

/// What the lines of `Accept` prefer. Ranges that can't be read are passed over; where nothing is left that is acceptable, it is
/// the default: an error that the client can't read is better than none.
pub(crate) fn media<'h>(lines: impl IntoIterator<Item = &'h HeaderValue>) -> Media {
    let mut lines = lines.into_iter();
    let Some(first) = lines.next().map(HeaderValue::as_bytes) else { return Media::default() };
    let second = lines.next();
    let usual = USUAL.iter().find(|(line, _)| *line == first);
    match (usual, second) {
        (Some((_, media)), None) => *media,
        _ => preferred(
            std::iter::once(first).chain(second.into_iter().chain(lines).map(HeaderValue::as_bytes)),
        ),
    }
}

fn preferred<'a>(lines: impl Iterator<Item = &'a [u8]>) -> Media {
    let mut preferences = [Preference::default(); Media::ALL.len()];
    for line in lines {
        for (range, parameters) in Elements(line) {
            prefer(&mut preferences, range, parameters);
        }
    }
    let mut best = (0, Media::default());
    for (media, preference) in Media::ALL.into_iter().zip(preferences) {
        if preference.quality > best.0 {
            best = (preference.quality, media);
        }
    }
    best.1
}

/// What the most specific range so far says about a media type.
#[derive(Clone, Copy, Default)]
struct Preference {
    specificity: u8,
    /// In thousandths.
    quality: u16,
}

fn prefer(preferences: &mut [Preference; Media::ALL.len()], range: &[u8], parameters: Parameters<'_>) {
    let Some((specificity, media)) = our_range(range) else { return };
    let Some(quality) = quality(parameters) else { return };
    for preference in &mut preferences[media] {
        // Ranges that differ in parameters alone are the same to us: the best of them counts.
        if (specificity, quality) > (preference.specificity, preference.quality) {
            *preference = Preference { specificity, quality };
        }
    }
}

/// How specific a range is, and for which places of [`Media::ALL`] it stands. The others say nothing about us.
fn our_range(range: &[u8]) -> Option<(u8, Range<usize>)> {
    let one = |media| (3, media as usize..media as usize + 1);
    // No two of them are equally long.
    let (name, found) = match range.len() {
        3 => ("*/*", (1, 0..Media::ALL.len())),
        6 => ("text/*", (2, Media::Html as usize..Media::Plain as usize + 1)),
        13 => ("application/*", (2, Media::ProblemJson as usize..Media::Xml as usize + 1)),
        9 => (Media::Html.essence(), one(Media::Html)),
        10 => (Media::Plain.essence(), one(Media::Plain)),
        15 => (Media::Xml.essence(), one(Media::Xml)),
        16 => (Media::Json.essence(), one(Media::Json)),
        23 => (Media::ProblemXml.essence(), one(Media::ProblemXml)),
        24 => (Media::ProblemJson.essence(), one(Media::ProblemJson)),
        _ => return None,
    };
    // Hardly anybody writes them otherwise.
    let name = name.as_bytes();
    (range == name || range.eq_ignore_ascii_case(name)).then_some(found)
}

/// Which of the languages `Accept-Language` prefers, as an index: lookup (RFC 4647, 3.4), and where that finds nothing
/// for a range, the first language that the range is a prefix of. A range with quality 0 excludes what it is a prefix
/// of; equal qualities go by the order in the header. Nothing acceptable: the first language that is not excluded.
pub(crate) fn language(headers: &HeaderMap, languages: &[Arc<str>]) -> u8 {
    let languages = &languages[..languages.len().min(LANGUAGES_MOST)];
    let mut excluded = 0_u32;
    let mut named = 0_u32;
    let mut best: Option<(u16, usize)> = None;
    let mut any: Option<u16> = None;
    for line in headers.get_all(ACCEPT_LANGUAGE) {
        for (range, parameters) in Elements(line.as_bytes()) {
            if !is_token(range) {
                continue;
            }
            let Some(quality) = quality(parameters) else { continue };
            if range == b"*" {
                any = any.max(Some(quality));
            } else if quality == 0 {
                for (index, tag) in languages.iter().enumerate() {
                    if is_prefix(range, tag.as_bytes()) {
                        excluded |= 1 << index;
                    }
                }
            } else if let Some(index) = lookup(range, languages) {
                named |= 1 << index;
                if best.is_none_or(|(before, _)| quality > before) {
                    best = Some((quality, index));
                }
            }
        }
    }
    let first_without = |mask: u32| (0..languages.len()).find(|index| mask & (1 << index) == 0);
    let rest = any.filter(|quality| *quality > 0).and_then(|quality| {
        // `*` stands for what no other range names (RFC 9110, 12.5.4).
        first_without(excluded | named).map(|index| (quality, index))
    });
    let chosen = match (best, rest) {
        (Some(best), Some(rest)) if rest.0 > best.0 => Some(rest),
        (None, rest) => rest,
        (best, _) => best,
    };
    let index = chosen.map_or_else(|| first_without(excluded).unwrap_or(0), |(_, index)| index);
    u8::try_from(index).unwrap_or(0)
}

/// No catalog has more; the masks above are that wide.
const LANGUAGES_MOST: usize = 32;

fn lookup(range: &[u8], languages: &[Arc<str>]) -> Option<usize> {
    let by_lookup = languages
        .iter()
        .enumerate()
        .filter(|(_, tag)| is_prefix(tag.as_bytes(), range))
        .max_by_key(|(index, tag)| (tag.len(), std::cmp::Reverse(*index)));
    let by_prefix = || languages.iter().enumerate().find(|(_, tag)| is_prefix(range, tag.as_bytes()));
    by_lookup.or_else(by_prefix).map(|(index, _)| index)
}

/// Whether `prefix` is `tag` or its first subtags.
fn is_prefix(prefix: &[u8], tag: &[u8]) -> bool {
    tag.len() >= prefix.len()
        && tag[..prefix.len()].eq_ignore_ascii_case(prefix)
        && matches!(tag.get(prefix.len()), None | Some(b'-'))
}

/// The first `q` among parameters in thousandths, 1000 without one, `None` if it can't be read.
fn quality(parameters: Parameters<'_>) -> Option<u16> {
    for parameter in parameters {
        let [b'q' | b'Q', value @ ..] = parameter else { continue };
        if let [b'=', value @ ..] = value.trim_ascii_start() {
            return weight(value.trim_ascii());
        }
    }
    Some(1000)
}

/// RFC 9110, 12.4.2.
fn weight(value: &[u8]) -> Option<u16> {
    let (whole, decimals) = match value {
        [whole @ (b'0' | b'1')] => (whole, &[][..]),
        [whole @ (b'0' | b'1'), b'.', decimals @ ..] => (whole, decimals),
        _ => return None,
    };
    if !decimals.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let thousandths = (0..3)
        .map(|place| decimals.get(place).map_or(0, |digit| u16::from(digit - b'0')))
        .fold(u16::from(whole - b'0'), |sum, digit| sum * 10 + digit);
    (thousandths <= 1000).then_some(thousandths)
}

/// The elements of a list: what is before the first semicolon, and the parameters. A comma in quotes ends none.
struct Elements<'a>(&'a [u8]);

impl<'a> Iterator for Elements<'a> {
    type Item = (&'a [u8], Parameters<'a>);

    fn next(&mut self) -> Option<Self::Item> {
        let Self(rest) = self;
        let end = memchr3(b',', b';', b'"', rest);
        let (before, after) = match end {
            Some(end) if rest[end] != b'"' => (&rest[..end], &rest[end + 1..]),
            Some(_) => {
                let mut parts = Parameters(next_part(rest, b',')?);
                return Some((parts.next().unwrap_or_default(), parts));
            }
            None if rest.is_empty() => return None,
            None => (*rest, &[][..]),
        };
        let has_parameters = end.is_some_and(|end| rest[end] == b';');
        *rest = after;
        let parameters = if has_parameters { next_part(rest, b',') } else { None };
        Some((before.trim_ascii(), Parameters(parameters.unwrap_or_default())))
    }
}

/// What semicolons separate in an element, without the white space around it; one in quotes separates nothing.
struct Parameters<'a>(&'a [u8]);

impl<'a> Iterator for Parameters<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        next_part(&mut self.0, b';')
    }
}

fn next_part<'a>(rest: &mut &'a [u8], separator: u8) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    // The parts are too short for a search by words to pay.
    let end = rest.iter().position(|byte| *byte == separator || *byte == b'"');
    let end = end.and_then(|end| if rest[end] == b'"' { end_of_quoted(rest, separator) } else { Some(end) });
    let (part, after) = match end {
        Some(end) => (&rest[..end], &rest[end + 1..]),
        None => (*rest, &[][..]),
    };
    *rest = after;
    Some(part.trim_ascii())
}

/// Where a part with quotes in it ends.
fn end_of_quoted(rest: &[u8], separator: u8) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    rest.iter().position(|byte| {
        if escaped {
            escaped = false;
        } else if quoted && *byte == b'\\' {
            escaped = true;
        } else if *byte == b'"' {
            quoted = !quoted;
        } else if *byte == separator {
            return !quoted;
        }
        false
    })
}

#[cfg(test)]
mod tests;
