//! Finds the end of a request head and decides whether its framing has exactly one reading.
//!
//! Only what decides where the message ends, and what hyper would let pass, is looked at: line ends, the version, `Host`,
//! `Content-Length` and `Transfer-Encoding`, and the limits. Everything else that makes a head invalid (tokens, control
//! characters, obs-fold, space before a colon) is refused by hyper's parser, which sees the same bytes.

use http::StatusCode;
use memchr::memchr;

use crate::{config::HeadLimits, field_line::trim_blanks, host::is_valid_host};

/// hyper's (and `http::Uri`'s) own limit on a request target.
const TARGET_BYTES: usize = 65_534;

/// A method and a version are assumed to fit in this many bytes when a request line without end is judged.
const REQUEST_LINE_SLACK: usize = 64;

/// What a complete head says about its message.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Head {
    /// Bytes, the empty line included.
    pub(crate) len: usize,
    pub(crate) fields: usize,
    pub(crate) framing: Framing,
    pub(crate) is_http10: bool,
    /// What follows the head of a CONNECT is the tunnel's, if it comes about.
    pub(crate) is_connect: bool,
    /// To HEAD no body is sent, whatever the answer.
    pub(crate) is_head: bool,
}

/// How the end of a request body is found (RFC 9112, 6.3).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    Chunked,
    Length(u64),
}

/// What is known after some bytes of a head.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Progress {
    Complete(Head),
    Partial,
    Refused(Rule),
}

/// A rule that a head can break.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Rule {
    Host,
    Length,
    LineEnd,
    OneFraming,
    OneHost,
    RequestLine,
    Size,
    Fields,
    Target,
    TransferCoding,
    Version,
}

impl Rule {
    /// What the client gets.
    pub(crate) fn status(self) -> StatusCode {
        match self {
            Self::Host
            | Self::Length
            | Self::LineEnd
            | Self::OneFraming
            | Self::OneHost
            | Self::RequestLine
            | Self::TransferCoding => StatusCode::BAD_REQUEST,
            Self::Fields | Self::Size => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
            Self::Target => StatusCode::URI_TOO_LONG,
            Self::Version => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
        }
    }

    /// What is wrong with a head that breaks it, for whoever reads the log.
    pub(crate) fn broken(self) -> &'static str {
        match self {
            Self::Fields => "more fields than `[limits] head_fields`",
            Self::Host => "no Host",
            Self::Length => "Content-Length is no number, too large, or there are different ones",
            Self::LineEnd => "a line ends without CR",
            Self::OneFraming => "Transfer-Encoding beside Content-Length, or in HTTP/1.0",
            Self::OneHost => "Host is invalid, or there are several",
            Self::RequestLine => "the request line is none",
            Self::Size => "a head larger than `[limits] head_size`",
            Self::Target => "the target is too long",
            Self::TransferCoding => "Transfer-Encoding is not chunked alone",
            Self::Version => "a version of HTTP other than 1.0 and 1.1",
        }
    }
}

/// The state between two looks at a growing head.
#[derive(Debug, Default)]
pub(crate) struct HeadScan {
    /// Where the first line that has not been looked at begins.
    line: usize,
    /// How far its end has been looked for.
    searched: usize,
    fields: usize,
    has_request_line: bool,
    is_http10: bool,
    is_connect: bool,
    is_head: bool,
    has_host: bool,
    is_chunked: bool,
    length: Option<u64>,
}

impl HeadScan {
    /// Goes on with a head of which all bytes so far are given, the first one first.
    pub(crate) fn advance(&mut self, head: &[u8], limits: HeadLimits) -> Progress {
        loop {
            let Some(end) = memchr(b'\n', &head[self.searched..]) else {
                self.searched = head.len();
                return match self.check_size(head.len(), limits) {
                    Some(rule) => Progress::Refused(rule),
                    None => Progress::Partial,
                };
            };
            let end = self.searched + end;
            let line = &head[self.line..end];
            self.line = end + 1;
            self.searched = self.line;
            // RFC 9112, 2.2: a recipient may take a bare LF for a line end; those behind it may not.
            let Some((b'\r', line)) = line.split_last() else {
                return Progress::Refused(Rule::LineEnd);
            };
            let refused = if self.line > limits.bytes {
                self.check_size(self.line, limits)
            } else if !self.has_request_line {
                self.request_line(line).err()
            } else if line.is_empty() {
                return match self.finish() {
                    Ok(head) => Progress::Complete(head),
                    Err(rule) => Progress::Refused(rule),
                };
            } else if self.fields == limits.fields {
                Some(Rule::Fields)
            } else {
                self.field(line).err()
            };
            if let Some(rule) = refused {
                return Progress::Refused(rule);
            }
        }
    }

    fn check_size(&self, len: usize, limits: HeadLimits) -> Option<Rule> {
        if self.has_request_line {
            (len > limits.bytes).then_some(Rule::Size)
        } else {
            (len > limits.bytes.min(TARGET_BYTES + REQUEST_LINE_SLACK)).then_some(Rule::Target)
        }
    }

    fn request_line(&mut self, line: &[u8]) -> Result<(), Rule> {
        let Some((rest, version)) = line.split_last_chunk::<9>() else {
            return Err(Rule::RequestLine);
        };
        self.is_http10 = match version {
            b" HTTP/1.1" => false,
            b" HTTP/1.0" => true,
            [b' ', b'H', b'T', b'T', b'P', b'/', major, b'.', minor]
                if major.is_ascii_digit() && minor.is_ascii_digit() =>
            {
                return Err(Rule::Version);
            }
            _ => return Err(Rule::RequestLine),
        };
        self.is_connect = rest.starts_with(b"CONNECT ");
        self.is_head = rest.starts_with(b"HEAD ");
        if rest.len() > TARGET_BYTES {
            let method = memchr(b' ', rest).ok_or(Rule::RequestLine)?;
            if rest.len() - method - 1 > TARGET_BYTES {
                return Err(Rule::Target);
            }
        }
        self.has_request_line = true;
        Ok(())
    }

    fn field(&mut self, line: &[u8]) -> Result<(), Rule> {
        self.fields += 1;
        match line[0] {
            b'C' | b'c' => match value_of(b"content-length", line) {
                Some(value) => self.content_length(value),
                None => Ok(()),
            },
            b'H' | b'h' => match value_of(b"host", line) {
                Some(value) if !self.has_host && is_valid_host(value) => {
                    self.has_host = true;
                    Ok(())
                }
                Some(_) => Err(Rule::OneHost),
                None => Ok(()),
            },
            b'T' | b't' => match value_of(b"transfer-encoding", line) {
                // Other codings, and several lines, have more than one reading among the recipients behind.
                Some(value) if !self.is_chunked && value.eq_ignore_ascii_case(b"chunked") => {
                    self.is_chunked = true;
                    Ok(())
                }
                Some(_) => Err(Rule::TransferCoding),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    fn content_length(&mut self, value: &[u8]) -> Result<(), Rule> {
        let mut length = 0_u64;
        for &digit in value {
            if !digit.is_ascii_digit() {
                return Err(Rule::Length);
            }
            length = length
                .checked_mul(10)
                .and_then(|length| length.checked_add(u64::from(digit - b'0')))
                .filter(|&length| i64::try_from(length).is_ok())
                .ok_or(Rule::Length)?;
        }
        if value.is_empty() || self.length.is_some_and(|other| other != length) {
            return Err(Rule::Length);
        }
        self.length = Some(length);
        Ok(())
    }

    fn finish(&self) -> Result<Head, Rule> {
        let framing = match (self.is_chunked, self.length) {
            // RFC 9112, 6.1: HTTP/1.0 knows no transfer codings, and both fields at once are an attack or a mistake.
            (true, None) if !self.is_http10 => Framing::Chunked,
            (true, _) => return Err(Rule::OneFraming),
            (false, length) => Framing::Length(length.unwrap_or(0)),
        };
        // RFC 9112, 3.2.
        if !self.has_host && !self.is_http10 {
            return Err(Rule::Host);
        }
        Ok(Head {
            len: self.line,
            fields: self.fields,
            framing,
            is_http10: self.is_http10,
            is_connect: self.is_connect,
            is_head: self.is_head,
        })
    }
}

/// The value in `line`, without the white space around it, if the field's name is `name` (in lower case).
fn value_of<'a>(name: &[u8], line: &'a [u8]) -> Option<&'a [u8]> {
    let (found, value) = line.split_at_checked(name.len())?;
    let value = value.strip_prefix(b":")?;
    found.eq_ignore_ascii_case(name).then(|| trim_blanks(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HeadLimits = HeadLimits { bytes: 128 * 1024, fields: 256 };

    fn scan(head: &[u8]) -> Progress {
        HeadScan::default().advance(head, LIMITS)
    }

    #[test]
    fn framing_with_one_reading_is_accepted() {
        let cases: [(&str, Framing); 10] = [
            ("GET / HTTP/1.1\r\nHost: a\r\n\r\n", Framing::Length(0)),
            ("GET / HTTP/1.0\r\n\r\n", Framing::Length(0)),
            ("GET / HTTP/1.0\r\nHost: a:80\r\n\r\n", Framing::Length(0)),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\n\r\n", Framing::Length(12)),
            ("POST / HTTP/1.1\r\nHost: a\r\ncontent-length:\t12 \r\n\r\n", Framing::Length(12)),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nContent-Length: 12\r\n\r\n",
                Framing::Length(12),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775807\r\n\r\n",
                Framing::Length(i64::MAX as u64),
            ),
            ("POST / HTTP/1.1\r\nHOST: a\r\nTRANSFER-ENCODING: Chunked\r\n\r\n", Framing::Chunked),
            (
                "POST / HTTP/1.1\r\nContent-Lengthy: x\r\nTransfer-Encodings: y\r\nHost: [::1]:8080\r\nHosts: z\r\n\r\n",
                Framing::Length(0),
            ),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nC: 1\r\nT: 2\r\nH: 3\r\nX: Content-Length: 4\r\n\r\n",
                Framing::Length(0),
            ),
        ];
        for (head, framing) in cases {
            match scan(head.as_bytes()) {
                Progress::Complete(found) => {
                    assert_eq!(found.framing, framing, "{head:?}");
                    assert_eq!(found.len, head.len(), "{head:?}");
                }
                other => panic!("{head:?}: {other:?}"),
            }
        }
    }

    #[test]
    fn ambiguous_or_invalid_heads_are_refused() {
        let cases: [(&str, u16); 32] = [
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 0x5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5 5\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length:\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 9223372036854775808\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: identity\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n\r\n", 400),
            ("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: \u{b}chunked\r\n\r\n", 400),
            (
                "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n",
                400,
            ),
            ("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: b\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
            ("GET / HTTP/1.1\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\n\r\n", 400),
            ("GET / HTTP/1.1\r\nHost: a\r\n\n", 400),
            ("GET /\r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/1.1 \r\nHost: a\r\n\r\n", 400),
            ("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
            ("GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505),
            ("\n\r\n", 400),
        ];
        for (head, status) in cases {
            let Progress::Refused(rule) = scan(head.as_bytes()) else { panic!("{head:?} is read") };
            assert_eq!(rule.status(), status, "{head:?}");
        }
    }

    #[test]
    fn limits_are_those_configured() {
        let limits = HeadLimits { bytes: 100, fields: 2 };
        let refused = |head: &str| match HeadScan::default().advance(head.as_bytes(), limits) {
            Progress::Refused(rule) => rule.status().as_u16(),
            other => panic!("{head:?}: {other:?}"),
        };
        assert_eq!(refused(&format!("GET /{}", "a".repeat(100))), 414);
        assert_eq!(refused(&format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(100))), 414);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(100))), 431);
        assert_eq!(refused(&format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(100))), 431);
        assert_eq!(refused("GET / HTTP/1.1\r\nHost: a\r\nX: b\r\nY: c\r\n\r\n"), 431);
        // A head of exactly the limit passes.
        let head = format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}\r\n\r\n", "a".repeat(100 - 32));
        assert_eq!(head.len(), 100);
        assert!(matches!(HeadScan::default().advance(head.as_bytes(), limits), Progress::Complete(_)));
        // Without a limit on the head in the way, the target has hyper's.
        assert_eq!(
            scan(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(TARGET_BYTES)).as_bytes()),
            Progress::Refused(Rule::Target)
        );
        assert!(matches!(
            scan(format!("GET /{} HTTP/1.1\r\nHost: a\r\n\r\n", "a".repeat(TARGET_BYTES - 1)).as_bytes()),
            Progress::Complete(_)
        ));
    }

    #[test]
    fn a_head_split_anywhere_is_read_as_if_it_were_whole() {
        let heads = [
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 12\r\nX: y\r\n\r\nbody",
            "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n",
            "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n",
        ];
        for head in heads {
            let whole = scan(head.as_bytes());
            for first in 0..head.len() {
                for second in first..head.len() {
                    let mut scan = HeadScan::default();
                    let mut progress = Progress::Partial;
                    for end in [first, second, head.len()] {
                        if progress == Progress::Partial {
                            progress = scan.advance(&head.as_bytes()[..end], LIMITS);
                        }
                    }
                    assert_eq!(progress, whole, "{head:?} split at {first} and {second}");
                }
            }
        }
    }
}
