//! A representation of a user's own, compiled once.

use std::{ops::Range, str::FromStr, sync::Arc};

use super::{
    Media,
    markup::{push_string_content, push_text},
};
use crate::verdict::{BodyKind, is_well_formed};

/// A rendering that takes the place of ours in one media type.
///
/// `{status}`, `{reason}`, `{description}`, `{language}`, `{code}` and `{request_id}` stand for values; other braces
/// are text. Values are escaped for the media type. `{code}` is the kept machine code, else the route's constant, and
/// `{request_id}` the kept request id, else nothing; a page or text that shows either is not recognised by a second
/// layer in front of the first.
///
/// ```
/// use status_normalize::Template;
///
/// let page = Template::new("text/html", "<!DOCTYPE html><title>{status}</title><p>{description}")?;
/// assert!(Template::new("application/json", r#"{"error": {status}, "text": {description}}"#).is_err());
/// # Ok::<(), status_normalize::TemplateError>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Template {
    media: Media,
    pieces: Arc<[Piece]>,
}

/// A template that can't be compiled.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TemplateError {
    /// With values in it, it is not well-formed.
    #[error("the template is no well-formed {0}: quote placeholders in JSON strings, close every element")]
    Malformed(&'static str),
    /// We render no such type.
    #[error("no representation has the media type `{0}`: use {list}", list = Media::ALL.map(Media::essence).join(", "))]
    MediaType(String),
    /// A name in braces that means nothing.
    #[error("unknown placeholder `{{{0}}}`: use {list}", list = Placeholder::ALL.map(Placeholder::as_str).join(", "))]
    Placeholder(String),
}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Piece {
    Placeholder(Placeholder),
    Text(Box<str>),
}

/// What a template has a place for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Placeholder {
    Code,
    Description,
    Language,
    Reason,
    RequestId,
    Status,
}

impl Placeholder {
    const ALL: [Self; 6] =
        [Self::Code, Self::Description, Self::Language, Self::Reason, Self::RequestId, Self::Status];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Code => "code",
            Self::Description => "description",
            Self::Language => "language",
            Self::Reason => "reason",
            Self::RequestId => "request_id",
            Self::Status => "status",
        }
    }
}

/// Where a request's own value goes, and what stands there without one.
#[derive(Clone, Debug)]
pub(super) struct Slot {
    pub(super) placeholder: Placeholder,
    pub(super) default: Range<usize>,
}

impl Template {
    /// Compiles a template.
    ///
    /// # Errors
    ///
    /// If the media type is not one of ours, a placeholder is unknown, or the outcome would not be well-formed.
    pub fn new(media_type: &str, text: &str) -> Result<Self, TemplateError> {
        let media = Media::ALL
            .into_iter()
            .find(|media| media.essence().eq_ignore_ascii_case(media_type.trim()))
            .ok_or_else(|| TemplateError::MediaType(media_type.to_owned()))?;
        let mut pieces = Vec::new();
        let mut rest = text;
        let mut from = 0;
        while let Some(at) = rest[from..].find('{').map(|at| from + at) {
            let name = rest[at + 1..].split('}').next().filter(|name| rest.len() > at + 1 + name.len());
            let Some(name) = name.filter(|name| is_name(name)) else {
                from = at + 1;
                continue;
            };
            pieces.push(Piece::Text(rest[..at].into()));
            pieces.push(Piece::Placeholder(name.parse()?));
            rest = &rest[at + name.len() + 2..];
            from = 0;
        }
        pieces.push(Piece::Text(rest.into()));
        let template = Self { media, pieces: pieces.into() };
        let (sample, _) = template.fill(|placeholder| match placeholder {
            Placeholder::Status => "404",
            _ => "\"<&\\",
        });
        let (kind, name) = match media {
            Media::ProblemJson | Media::Json => (BodyKind::Json, "JSON"),
            Media::ProblemXml | Media::Xml => (BodyKind::Xml, "XML"),
            Media::Html | Media::Plain => return Ok(template),
        };
        if is_well_formed(&sample, kind) { Ok(template) } else { Err(TemplateError::Malformed(name)) }
    }

    pub(super) fn media(&self) -> Media {
        self.media
    }

    /// Fills in what is known of a status; the rest has its default and a slot.
    pub(super) fn fill<'v>(&self, value: impl Fn(Placeholder) -> &'v str) -> (String, Vec<Slot>) {
        let mut body = String::new();
        let mut slots = Vec::new();
        for piece in &*self.pieces {
            match piece {
                Piece::Text(text) => body.push_str(text),
                Piece::Placeholder(placeholder) => {
                    let start = body.len();
                    push_value(&mut body, self.media, value(*placeholder));
                    if matches!(placeholder, Placeholder::Code | Placeholder::RequestId) {
                        slots.push(Slot { placeholder: *placeholder, default: start..body.len() });
                    }
                }
            }
        }
        (body, slots)
    }
}

impl FromStr for Placeholder {
    type Err = TemplateError;

    fn from_str(name: &str) -> Result<Self, TemplateError> {
        let known = Self::ALL.into_iter().find(|placeholder| placeholder.as_str() == name);
        known.ok_or_else(|| TemplateError::Placeholder(name.to_owned()))
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
}

fn push_value(body: &mut String, media: Media, value: &str) {
    match media {
        Media::ProblemJson | Media::Json => push_string_content(body, value),
        Media::ProblemXml | Media::Xml | Media::Html => push_text(body, value),
        Media::Plain => body.push_str(value),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_can_not_be_compiled_is_told() {
        let cases = [
            ("image/png", "", "media type"),
            ("text/plain", "{stauts}", "unknown placeholder `{stauts}`: use code"),
            ("application/json", "{\"a\": {status}}", ""),
            ("application/json", "{\"a\": {description}}", "JSON"),
            ("application/json", "{\"a\": \"{code}\"", "JSON"),
            ("application/problem+xml", "<a>{status}</b>", "XML"),
            ("application/xml", "<a b='{status}'>{description}</a>", ""),
            ("Text/HTML", "<p>{status} p { color: red } {} { status } {", ""),
        ];
        for (media_type, text, expected) in cases {
            let error = Template::new(media_type, text).err().map(|error| error.to_string());
            match error {
                None => assert_eq!(expected, "", "{text}"),
                Some(error) => assert!(!expected.is_empty() && error.contains(expected), "{text}: {error}"),
            }
        }
    }

    #[test]
    fn values_are_escaped_for_the_media_type() {
        // T12
        let hostile = "\"<&\\{status}\n";
        for (media_type, text, expected) in [
            ("application/json", "{\"a\":\"{code}\"}", r#"{"a":"\"<&\\{status}\n"}"#),
            ("application/xml", "<a>{code}</a>", "<a>&quot;&lt;&amp;\\{status}\n</a>"),
            ("text/html", "<b>{code}", "<b>&quot;&lt;&amp;\\{status}\n"),
            ("text/plain", "{code}.", "\"<&\\{status}\n."),
        ] {
            let (body, slots) = Template::new(media_type, text).unwrap().fill(|_| hostile);
            assert_eq!(body, expected);
            assert_eq!(slots.len(), 1);
            assert!(text.starts_with(&body[..slots[0].default.start]), "{body}");
        }
    }
}
