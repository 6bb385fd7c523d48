//! Who asked: `X-Forwarded-For`, `-Proto`, `-Host`, and `Forwarded` (RFC 7239).

use std::{fmt::Write, net::IpAddr, sync::Arc};

use bytes::Bytes;
use http::{
    HeaderMap, HeaderName, HeaderValue, header,
    header::{Entry, OccupiedEntry},
};

use crate::{
    config::{Forwarding, Trust},
    listen::ClientConn,
};

static FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
static PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
static HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
static FORWARDED: HeaderName = header::FORWARDED;
static VIA: HeaderName = header::VIA;

/// Whether a field says who asked.
pub(super) fn describes(name: &HeaderName) -> bool {
    *name == FORWARDED || *name == FOR || *name == PROTO || *name == HOST
}

/// A client connection, and what the fields say of it, rendered once.
#[derive(Debug)]
pub(crate) struct Origin {
    client: Arc<ClientConn>,
    ip: IpAddr,
    address: HeaderValue,
    scheme: HeaderValue,
    is_private: bool,
}

/// Fields that go out behind those of a request: `Via`, and whichever of these the request does not have already. They
/// are kept apart, because its map would have to grow for them.
#[derive(Debug)]
pub(crate) struct Added {
    pub(crate) origin: Arc<Origin>,
    has_address: bool,
    has_scheme: bool,
    host: Option<HeaderValue>,
    forwarded: Option<HeaderValue>,
}

impl Added {
    pub(crate) fn iter<'a>(
        &'a self,
        via: &'a HeaderValue,
    ) -> impl Iterator<Item = (&'a HeaderName, &'a HeaderValue)> {
        let Self { origin, has_address, has_scheme, host, forwarded } = self;
        [
            (&FORWARDED, forwarded.as_ref()),
            (&FOR, has_address.then_some(&origin.address)),
            (&PROTO, has_scheme.then_some(&origin.scheme)),
            (&HOST, host.as_ref()),
            (&VIA, Some(via)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl Origin {
    pub(super) fn new(client: Arc<ClientConn>) -> Self {
        let ip = client.peer().ip().to_canonical();
        Self {
            ip,
            address: value(ip.to_string()),
            scheme: HeaderValue::from_static(client.scheme()),
            is_private: is_private(ip),
            client,
        }
    }

    pub(crate) fn client(&self) -> &ClientConn {
        &self.client
    }

    /// Whether what the client says of those before it is believed.
    fn is_trusted(&self, trust: Trust) -> bool {
        match trust {
            Trust::All => true,
            Trust::None => false,
            Trust::Private => self.is_private,
        }
    }

    /// Appends to the fields of a trusted client; replaces those of others. What the client did not send is to be added;
    /// that is all of it unless the request `is_described`.
    pub(super) fn describe(
        self: &Arc<Self>,
        headers: &mut HeaderMap,
        is_described: bool,
        host: Option<HeaderValue>,
        forwarding: &Forwarding,
    ) -> Added {
        let forwarded = forwarding.forwarded.then(|| self.element(host.as_ref()));
        let origin = self.clone();
        let mut added = Added { origin, has_address: true, has_scheme: true, host, forwarded };
        if is_described {
            let trusted = self.is_trusted(forwarding.trust);
            let mut state = |name: &HeaderName, value: Option<&HeaderValue>, is_list: bool| {
                let Entry::Occupied(entry) = headers.entry(name) else { return false };
                restate(entry, value, is_list, trusted);
                true
            };
            if state(&FORWARDED, added.forwarded.as_ref(), true) {
                added.forwarded = None;
            }
            added.has_address = !state(&FOR, Some(&self.address), true);
            added.has_scheme = !state(&PROTO, Some(&self.scheme), false);
            if state(&HOST, added.host.as_ref(), false) {
                added.host = None;
            }
        }
        added
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

/// Says `value` in a field that the client has sent.
fn restate(
    mut entry: OccupiedEntry<'_, HeaderValue>,
    value: Option<&HeaderValue>,
    is_list: bool,
    trusted: bool,
) {
    match value {
        Some(element) if is_list && trusted => {
            let list = joined(entry.iter(), element);
            entry.insert(list);
        }
        // What the first trusted hop saw stands: the client's own scheme and host.
        _ if trusted => {}
        Some(value) => drop(entry.insert(value.clone())),
        None => drop(entry.remove()),
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
    use std::net::SocketAddr;

    use super::*;

    fn forwarding(forwarded: bool, trust: Trust) -> Forwarding {
        Forwarding { via: "p".into(), trust, forwarded, request_id: false }
    }

    /// With what is added in its place among the others.
    fn describe(headers: &mut HeaderMap, peer: SocketAddr, forwarding: &Forwarding) {
        let origin = Arc::new(Origin::new(Arc::new(ClientConn::new(peer, "http"))));
        let host = headers.get(header::HOST).cloned();
        let is_described = headers.keys().any(describes);
        let added = origin.describe(headers, is_described, host, forwarding);
        for (name, value) in added.iter(&HeaderValue::from_static("1.1 p")) {
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
