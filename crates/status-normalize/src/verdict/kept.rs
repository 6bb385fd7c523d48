//! What is kept of a nonstandard body.

use std::fmt;

use http::{HeaderMap, header::CONTENT_TYPE};

/// 128 bytes: twice a UUID with a service's prefix; more is not an identifier.
const TOKEN_MOST: usize = 128;

/// 512 bytes: a sentence or three. A stack trace does not fit.
const MESSAGE_MOST: usize = 512;

/// What a nonstandard body says that its clients depend on.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Kept {
    /// The service's own code, such as `DNS.0001`; never an HTTP status.
    pub(crate) code: Option<KeptCode>,
    /// The id by which the service finds the request in its logs.
    pub(crate) request_id: Option<Token>,
    /// The sentence for people, plain text of one line.
    pub(crate) message: Option<Box<str>>,
}

impl Kept {
    /// Whether nothing is kept.
    pub(crate) fn is_empty(&self) -> bool {
        let Self { code, request_id, message } = self;
        code.is_none() && request_id.is_none() && message.is_none()
    }
}

/// A machine code, under the name that the backend's clients look for.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct KeptCode {
    /// One of the names of [`Key`](super::members::Key): needs no escape.
    pub(crate) member: &'static str,
    pub(crate) token: Token,
}

/// 1 to 128 visible ASCII characters that need no escape in JSON, XML or HTML.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct Token(Box<str>);

impl Token {
    /// The only way in.
    pub(crate) fn new(text: &str) -> Option<Self> {
        Self::fits(text).then(|| Self(text.into()))
    }

    pub(super) fn fits(text: &str) -> bool {
        !text.is_empty()
            && text.len() <= TOKEN_MOST
            && text.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"'<>&\\".contains(&byte))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// One line of plain text: control characters become spaces, runs of white space one space, the rest is cut.
pub(crate) fn message(text: &str) -> Option<Box<str>> {
    let mut line = String::new();
    for word in text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|word| !word.is_empty()) {
        let space = usize::from(!line.is_empty());
        let room = MESSAGE_MOST.saturating_sub(line.len() + space);
        if room == 0 {
            break;
        }
        if space == 1 {
            line.push(' ');
        }
        line.push_str(&word[..word.floor_char_boundary(room)]);
        if word.len() > room {
            break;
        }
    }
    (!line.trim().is_empty()).then(|| line.trim_end().into())
}

/// The message of a `text/plain` body; of any other type, least of all HTML, nothing is kept.
pub(crate) fn message_of_text(headers: &HeaderMap, body: &[u8]) -> Option<Box<str>> {
    let media_type = headers.get(CONTENT_TYPE)?.as_bytes();
    let essence = media_type.split(|byte| *byte == b';').next()?.trim_ascii();
    if essence.eq_ignore_ascii_case(b"text/plain") { message(str::from_utf8(body).ok()?) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_needs_no_escape() {
        let long = "x".repeat(TOKEN_MOST + 1);
        let cases = [
            ("DNS.0001", true),
            ("7c1e-42/a:b", true),
            (&long[1..], true),
            ("", false),
            (&long, false),
            ("a b", false),
            ("a\"b", false),
            ("a\\b", false),
            ("<b>", false),
            ("a&b", false),
            ("a\nb", false),
            ("naïve", false),
        ];
        for (text, fits) in cases {
            assert_eq!(Token::new(text).is_some(), fits, "{text:?}");
        }
    }

    #[test]
    fn a_message_is_one_bounded_line() {
        assert_eq!(message(" a \r\n\tb\0c ").as_deref(), Some("a b c"));
        assert_eq!(message(" \n\u{7f}\u{85}"), None);
        for length in MESSAGE_MOST - 3..MESSAGE_MOST + 3 {
            let ä = message(&"ä".repeat(length)).unwrap();
            assert!(ä.len() <= MESSAGE_MOST && ä.chars().all(|c| c == 'ä'), "{length}");
            let words = message(&format!("{} bc", "a".repeat(length))).unwrap();
            assert!(words.len() <= MESSAGE_MOST && !words.ends_with(' '), "{length}");
        }
    }

    #[test]
    fn only_plain_text_has_a_message() {
        // T41
        let cases: [(&str, &[u8], Option<&str>); 5] = [
            ("text/plain", b"no such pet\n", Some("no such pet")),
            ("Text/Plain; charset=utf-8", b"no such pet", Some("no such pet")),
            ("text/plain", b"caf\xe9", None),
            ("text/html", b"<p>no such pet", None),
            ("text/plain-ish", b"no such pet", None),
        ];
        for (media_type, body, expected) in cases {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, media_type.parse().unwrap())]);
            assert_eq!(message_of_text(&headers, body).as_deref(), expected, "{media_type}");
        }
        assert_eq!(message_of_text(&HeaderMap::new(), b"no such pet"), None);
    }
}
