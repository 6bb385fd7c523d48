//! Heads of many fields.
//!
//! hyper takes a thousand instructions for a field, twice what is needed. Of a head with more than a few it gets the
//! request line and what concerns hyper itself; all of its fields are read here, and the request has them when it reaches
//! the service. hyper's is the last word all the same: a head that can't be read here is hyper's to refuse.

use std::cell::RefCell;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, Request, header};

use super::{Head, NARROW_FIELDS};
use crate::{
    field_line::{self, Lines},
    field_name,
};

/// So many fields are left to hyper.
const FEW: usize = 8;

thread_local! {
    /// The map of a request before: it has room.
    static SPARE: RefCell<HeaderMap> = RefCell::new(HeaderMap::new());
}

/// Whether the fields of a head are worth reading.
pub(super) fn are_many(head: Head) -> bool {
    (FEW + 1..=NARROW_FIELDS).contains(&head.fields)
}

/// Which way the body of a request goes.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Body {
    /// Around hyper, which gets a request without one.
    Around,
    Through,
}

/// Reads the fields of `head` and leaves it with those that concern hyper. Returns them all, and how long it is now.
///
/// `None` also if hyper has more to do with a body than to pass it on.
pub(super) fn take(head: &mut [u8], fields: usize, body: Body) -> Option<(HeaderMap, usize)> {
    let whole = Bytes::copy_from_slice(head);
    let taken = split(&whole, head, fields, body);
    if taken.is_none() {
        head.copy_from_slice(&whole);
    }
    taken
}

/// Gives a request the fields that were read for it.
pub(in crate::listen) fn give<B>(request: &mut Request<B>, fields: HeaderMap) {
    SPARE.set(std::mem::replace(request.headers_mut(), fields));
}

fn split(whole: &Bytes, kept: &mut [u8], fields: usize, body: Body) -> Option<(HeaderMap, usize)> {
    let mut lines = Lines::of(whole);
    let mut len = 0;
    let mut keep = |line: &[u8]| {
        kept[len..len + line.len()].copy_from_slice(line);
        kept[len + line.len()..][..2].copy_from_slice(b"\r\n");
        len += line.len() + 2;
    };
    keep(lines.next()?);
    let mut headers = SPARE.take();
    headers.clear();
    headers.reserve(fields);
    field_name::with(|names| {
        for line in lines {
            let (name, value) = field_line::parse(line, whole, names)?;
            let is_length = name == header::CONTENT_LENGTH;
            if body == Body::Around && (name == header::EXPECT || name == header::UPGRADE) {
                return None;
            }
            if concerns_hyper(&name) && !(is_length && body == Body::Around) {
                keep(line);
            }
            if is_length {
                // Equal ones: others have been refused.
                headers.insert(name, value);
            } else {
                headers.append(name, value);
            }
        }
        Some(())
    })?;
    keep(b"");
    Some((headers, len))
}

/// Whether hyper looks at a field: for the body's framing, to keep the connection, to hand it over, to ask for the body,
/// or to know whether it may send trailers.
fn concerns_hyper(name: &HeaderName) -> bool {
    [
        header::CONNECTION,
        header::CONTENT_LENGTH,
        header::EXPECT,
        header::TE,
        header::TRANSFER_ENCODING,
        header::UPGRADE,
    ]
    .contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hyper_gets_what_concerns_it() {
        let given = "POST /a?b HTTP/1.1\r\nHost: a\r\nX-A: 1\r\nCONNECTION: keep-alive\r\nx-a:2 \r\nExpect: \
                     100-continue\r\nContent-Length: 5\r\nAccept:\r\nContent-Length: 5\r\nTE: trailers\r\nUpgrade: \
                     x\r\nTransfer-Encoding: chunked\r\n\r\n";
        let kept = "POST /a?b HTTP/1.1\r\nCONNECTION: keep-alive\r\nExpect: 100-continue\r\nContent-Length: \
                    5\r\nContent-Length: 5\r\nTE: trailers\r\nUpgrade: x\r\nTransfer-Encoding: chunked\r\n\r\n";
        for _ in 0..2 {
            let mut head = given.as_bytes().to_vec();
            let (headers, len) = take(&mut head, 11, Body::Through).unwrap();
            assert_eq!(str::from_utf8(&head[..len]).unwrap(), kept);
            assert_eq!(headers.get_all("x-a").iter().collect::<Vec<_>>(), ["1", "2"]);
            assert_eq!(headers["accept"], "");
            assert_eq!(headers["host"], "a");
            assert_eq!(headers.get_all("content-length").iter().count(), 1);
            assert_eq!(headers.len(), 10);
            give(&mut Request::new(()), headers);
        }
    }

    #[test]
    fn hyper_does_not_learn_of_a_body_that_goes_around_it() {
        let given =
            "POST / HTTP/1.1\r\nContent-Length: 5\r\nTE: trailers\r\nHost: a\r\ncontent-length: 5\r\n\r\n";
        let mut head = given.as_bytes().to_vec();
        let (headers, len) = take(&mut head, 4, Body::Around).unwrap();
        assert_eq!(str::from_utf8(&head[..len]).unwrap(), "POST / HTTP/1.1\r\nTE: trailers\r\n\r\n");
        assert_eq!(headers.get_all("content-length").iter().collect::<Vec<_>>(), ["5"]);
        for line in ["Expect: 100-continue", "Upgrade: x"] {
            let given = format!("POST / HTTP/1.1\r\nContent-Length: 5\r\n{line}\r\n\r\n");
            let mut head = given.as_bytes().to_vec();
            assert!(take(&mut head, 2, Body::Around).is_none(), "{line:?}");
            assert_eq!(head, given.as_bytes(), "{line:?}");
        }
    }

    #[test]
    fn what_cannot_be_read_is_left_as_it_is() {
        for line in ["no colon", "X : y", " X: y", ": y", "X: \u{1}", "X: a\rb", "X\u{e9}: y"] {
            let given = format!(
                "GET / HTTP/1.1\r\nHost: a\r\nTE: trailers\r\nX: y\r\n{line}\r\nConnection: close\r\n\r\n"
            );
            let mut head = given.as_bytes().to_vec();
            assert!(take(&mut head, 5, Body::Through).is_none(), "{line:?}");
            assert_eq!(head, given.as_bytes(), "{line:?}");
        }
    }
}
