//! Who asked: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).

use std::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, header, header::Entry};

use crate::config::{Forwarding, Trust};

const FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const HOST: HeaderName = HeaderName::from_static("x-forwarded-host");

/// What a forwarded request has that the client's had not, `Via` included: the map grows once.
const ADDED_FIELDS: usize = 5;

/// What the fields say of one client connection, rendered once.
#[derive(Debug)]
pub(super) struct Origin {
    ip: IpAddr,
    address: HeaderValue,
    scheme: HeaderValue,
    is_private: bool,
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

    /// Appends to the fields of a trusted client; replaces those of others.
    pub(super) fn describe(&self, headers: &mut HeaderMap, forwarding: &Forwarding) {
        headers.reserve(ADDED_FIELDS);
        let trusted = self.is_trusted(forwarding.trust);
        let host = headers.get(header::HOST).cloned();
        if forwarding.forwarded {
            let element = self.element(host.as_ref());
            append(headers, header::FORWARDED, element, trusted);
        } else if !trusted {
            headers.remove(header::FORWARDED);
        }
        append(headers, FOR, self.address.clone(), trusted);
        set(headers, PROTO, Some(self.scheme.clone()), trusted);
        set(headers, HOST, host, trusted);
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

/// A list that grows at each hop.
fn append(headers: &mut HeaderMap, name: HeaderName, element: HeaderValue, trusted: bool) {
    match headers.entry(name) {
        Entry::Vacant(entry) => {
            entry.insert(element);
        }
        Entry::Occupied(mut entry) => {
            let list = if trusted { joined(entry.iter(), &element) } else { element };
            entry.insert(list);
        }
    }
}

/// What the first trusted hop saw stands: the client's own scheme and host.
fn set(headers: &mut HeaderMap, name: HeaderName, seen: Option<HeaderValue>, trusted: bool) {
    match headers.entry(name) {
        Entry::Occupied(_) if trusted => {}
        Entry::Occupied(mut entry) => match seen {
            Some(seen) => drop(entry.insert(seen)),
            None => drop(entry.remove()),
        },
        Entry::Vacant(entry) => {
            if let Some(seen) = seen {
                entry.insert(seen);
            }
        }
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
            Origin::new(peer, "http").describe(&mut headers, &forwarding(false, trust));
            assert_eq!(headers.get_all(FOR).iter().collect::<Vec<_>>(), [address], "{case}");
            assert_eq!(headers.get_all(PROTO).iter().collect::<Vec<_>>(), [proto], "{case}");
            assert_eq!(headers.get_all(HOST).iter().collect::<Vec<_>>(), [host], "{case}");
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
            Origin::new(peer.parse().unwrap(), "http").describe(&mut headers, &forwarding);
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
