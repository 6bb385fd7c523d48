//! Who asked: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, header,
    header::{Entry, OccupiedEntry},
};

use crate::{
    config::{Forwarding, Trust},
    upstream::Added,
};

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED: HeaderName = header::FORWARDED;

/// Whether a field says who asked.
pub(super) fn describes(name: &HeaderName) -> bool {
    *name == FORWARDED || *name == FOR || *name == PROTO || *name == HOST
}

/// What the fields say of one client connection, rendered once.
#[derive(Debug)]
pub(super) struct Origin {
    ip: IpAddr,
    address: HeaderValue,
    scheme: HeaderValue,
    is_private: bool,
}

/// What the fields say of one request.
#[derive(Debug)]
pub(super) struct Seen {
    host: Option<HeaderValue>,
    /// Of `Forwarded`, where that is wanted.
    element: Option<HeaderValue>,
}

impl Origin {
    pub(super) fn new(peer: SocketAddr, scheme: &'static str) -> Self {
        let ip = peer.ip().to_canonical();
        Self {
            ip,
            address: value(ip.to_string()),
            scheme: HeaderValue::from_static(scheme),
            is_private: is_private(ip),
        }
    }

    /// Whether what the client says of those before it is believed.
    fn is_trusted(&self, trust: Trust) -> bool {
        match trust {
            Trust::All => true,
            Trust::None => false,
            Trust::Private => self.is_private,
        }
    }

    /// Appends to the fields of a trusted client; replaces those of others. A field that the client did not send goes to
    /// `added`; that is all of them unless the request `is_described`.
    pub(super) fn describe(
        &self,
        headers: &mut HeaderMap,
        is_described: bool,
        seen: &Seen,
        trust: Trust,
        added: &mut Added,
    ) {
        let trusted = self.is_trusted(trust);
        let mut describe = |name: &'static HeaderName, value: Option<&HeaderValue>, is_list: bool| {
            let entry = if is_described { occupied(headers, name) } else { None };
            match (entry, value) {
                (None, Some(value)) => added.push(name, value.clone()),
                (Some(mut entry), Some(element)) if is_list && trusted => {
                    let list = joined(entry.iter(), element);
                    entry.insert(list);
                }
                // What the first trusted hop saw stands: the client's own scheme and host.
                (Some(_), _) if trusted => {}
                (Some(mut entry), Some(value)) => drop(entry.insert(value.clone())),
                (Some(entry), None) => drop(entry.remove()),
                (None, None) => {}
            }
        };
        describe(&FORWARDED, seen.element.as_ref(), true);
        describe(&FOR, Some(&self.address), true);
        describe(&PROTO, Some(&self.scheme), false);
        describe(&HOST, seen.host.as_ref(), false);
    }

    /// What is seen of a request to `host`.
    pub(super) fn see(&self, host: Option<HeaderValue>, forwarding: &Forwarding) -> Seen {
        let element = forwarding.forwarded.then(|| self.element(host.as_ref()));
        Seen { host, element }
    }

    /// One element of `Forwarded`. Values that are no tokens are quoted (RFC 7239, section 4).
    fn element(&self, host: Option<&HeaderValue>) -> HeaderValue {
        let mut text = match self.ip {
            IpAddr::V4(ip) => format!("for={ip}"),
            IpAddr::V6(ip) => format!("for=\"[{ip}]\""),
        };
        if let Some(host) = host.and_then(|host| host.to_str().ok()) {
            // A valid Host has neither quotes nor backslashes in it.
            let _ = write!(text, ";host=\"{host}\"");
        }
        text.push_str(";proto=");
        text.push_str(self.scheme.to_str().unwrap_or("http"));
        value(text)
    }
}

fn occupied<'a>(headers: &'a mut HeaderMap, name: &HeaderName) -> Option<OccupiedEntry<'a, HeaderValue>> {
    match headers.entry(name) {
        Entry::Occupied(entry) => Some(entry),
        Entry::Vacant(_) => None,
    }
}

/// All lines of a list and one more element, in one line.
fn joined<'a>(lines: impl IntoIterator<Item = &'a HeaderValue>, element: &'a HeaderValue) -> HeaderValue {
    let mut list = Vec::with_capacity(64);
    for line in lines.into_iter().chain([element]) {
        if !list.is_empty() {
            list.extend_from_slice(b", ");
        }
        list.extend_from_slice(line.as_bytes());
    }
    HeaderValue::from_maybe_shared(Bytes::from(list)).expect("values joined by a comma are a value")
}

fn value(text: String) -> HeaderValue {
    HeaderValue::from_maybe_shared(Bytes::from(text)).expect("addresses and visible hosts are values")
}

fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn forwarding(forwarded: bool, trust: Trust) -> Forwarding {
        Forwarding { via: "p".into(), trust, forwarded, request_id: false }
    }

    /// With what is added in its place among the others.
    fn describe(headers: &mut HeaderMap, peer: SocketAddr, forwarding: &Forwarding) {
        let origin = Origin::new(peer, "http");
        let seen = origin.see(headers.get(header::HOST).cloned(), forwarding);
        let is_described = headers.keys().any(describes);
        let mut added = Added::default();
        origin.describe(headers, is_described, &seen, forwarding.trust, &mut added);
        for (name, value) in added.iter() {
            assert!(headers.insert(name, value.clone()).is_none(), "{name} is there twice");
        }
    }

    #[test]
    fn trust_decides_between_appending_and_replacing() {
        let earlier: &[(&str, &str)] = &[
            ("x-forwarded-for", "192.0.2.1"),
            ("x-forwarded-for", "192.0.2.2"),
            ("x-forwarded-proto", "https"),
            ("x-forwarded-host", "first.example"),
            ("forwarded", "for=192.0.2.1"),
        ];
        let appended = ("192.0.2.1, 192.0.2.2, 10.0.0.9", "https", "first.example", Some("for=192.0.2.1"));
        let replaced = ("10.0.0.9", "http", "a.example:8080", None);
        let fresh = ("10.0.0.9", "http", "a.example:8080", None);
        let cases = [
            ("trusted", Trust::All, earlier, appended),
            ("private peer", Trust::Private, earlier, appended),
            ("nobody", Trust::None, earlier, replaced),
            ("nothing said before", Trust::All, &[], fresh),
        ];
        for (case, trust, fields, (address, proto, host, list)) in cases {
            let mut headers =
                HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a.example:8080"))]);
            for (name, value) in fields {
                headers.append(HeaderName::from_static(name), HeaderValue::from_static(value));
            }
            let peer = SocketAddr::from(([10, 0, 0, 9], 4711));
            describe(&mut headers, peer, &forwarding(false, trust));
            assert_eq!(headers.get_all(&FOR).iter().collect::<Vec<_>>(), [address], "{case}");
            assert_eq!(headers.get_all(&PROTO).iter().collect::<Vec<_>>(), [proto], "{case}");
            assert_eq!(headers.get_all(&HOST).iter().collect::<Vec<_>>(), [host], "{case}");
            assert_eq!(headers.get(header::FORWARDED).map(|v| v.to_str().unwrap()), list, "{case}");
        }
    }

    #[test]
    fn forwarded_quotes_what_is_no_token() {
        let cases = [
            ("[::ffff:192.0.2.7]:1", "for=192.0.2.7;host=\"a:1\";proto=http"),
            ("[2001:db8::1]:1", "for=\"[2001:db8::1]\";host=\"a:1\";proto=http"),
        ];
        for (peer, expected) in cases {
            let mut headers = HeaderMap::from_iter([(header::HOST, HeaderValue::from_static("a:1"))]);
            let forwarding = forwarding(true, Trust::None);
            describe(&mut headers, peer.parse().unwrap(), &forwarding);
            assert_eq!(headers[header::FORWARDED], expected, "{peer}");
        }
    }

    #[test]
    fn private_addresses() {
        for (ip, private) in
            [("127.0.0.1", true), ("172.16.0.1", true), ("fd00::1", true), ("8.8.8.8", false), ("::1", true)]
        {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
