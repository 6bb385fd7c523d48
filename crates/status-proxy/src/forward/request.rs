//! The request's head on its way up (RFC 9110, section 7.6; RFC 9112, section 3.2).

use std::cell::RefCell;

use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version, header,
    header::Entry,
    uri::{Authority, PathAndQuery},
};

use super::{forwarded, hop_by_hop, upgrade};
use crate::{
    config::{HeadLimits, UpstreamConfig},
    host::is_valid_host,
    listen::{MAX_TARGET, expects_continue},
    local_reply::{Cause, Failure},
};

const MAX_FORWARDS_METHODS: [Method; 2] = [Method::OPTIONS, Method::TRACE];

thread_local! {
    /// The Host that an authority was made into last. Most requests are to the same.
    static HOST: RefCell<HeaderValue> = const { RefCell::new(HeaderValue::from_static("")) };
}

/// What has to be known of a request after its head was rewritten.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Facts {
    /// Its Host, which HTTP/1.0 may lack.
    pub(super) host: Option<HeaderValue>,
    /// Whether the client asks for another protocol on this connection.
    pub(super) upgrade: bool,
    /// Whether the body waits for the upstream's 100 (Continue).
    pub(super) expects_continue: bool,
    /// Whether a field says who asked.
    pub(super) is_described: bool,
}

/// What the names of its fields tell of a request. Few requests have any of these, and a look at each name costs less than
/// to look each of them up.
#[derive(Debug, Default)]
struct Names {
    end_here: bool,
    expect: bool,
    describe: bool,
    /// In HTTP/2 only.
    host: bool,
    /// In HTTP/2 only.
    cookie: bool,
}

impl Names {
    fn of(headers: &HeaderMap, version: Version) -> Self {
        let mut names = Self::default();
        let is_http2 = version == Version::HTTP_2;
        for name in headers.keys() {
            names.end_here |= hop_by_hop::ends_here(name);
            names.expect |= *name == header::EXPECT;
            names.describe |= forwarded::describes(name);
            names.host |= is_http2 && *name == header::HOST;
            names.cookie |= is_http2 && *name == header::COOKIE;
        }
        names
    }
}

/// Why a request goes no further.
#[derive(Debug)]
pub(super) enum Stop {
    /// The proxy is the final recipient of an OPTIONS.
    AnswerOptions,
    Fail(Failure),
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Fail(failure)
    }
}

impl From<Cause> for Stop {
    fn from(cause: Cause) -> Self {
        Self::Fail(cause.into())
    }
}

/// Brings a request into the form that the upstream gets: origin-form target, one Host, no hop-by-hop fields.
pub(super) fn rewrite<B>(request: &mut Request<B>, upstream: &UpstreamConfig) -> Result<Facts, Stop> {
    if *request.method() == Method::CONNECT {
        return Err(Cause::Unsupported.into());
    }
    form(request).map_err(|cause| Failure::new(cause, "the target has a form of other methods"))?;
    let version = request.version();
    let names = Names::of(request.headers(), version);
    let host = host(request, names.host)
        .map_err(|cause| Failure::new(cause, "the authority, or Host, is missing, invalid or repeated"))?;
    max_forwards(request)?;
    let headers = request.headers_mut();
    let facts = Facts {
        host,
        upgrade: names.end_here && end_here(version, headers),
        expects_continue: names.expect && version != Version::HTTP_10 && expects_continue(headers),
        is_described: names.describe,
    };
    if names.cookie {
        join_cookies(headers);
    }
    target(request, &upstream.path_prefix)?;
    *request.version_mut() = Version::HTTP_11;
    Ok(facts)
}

/// Removes what ends here, but for what the upstream is to know as well. Whether another protocol is asked for.
fn end_here(version: Version, headers: &mut HeaderMap) -> bool {
    // In HTTP/2 only a WebSocket's extended CONNECT has come to ask for one: the field itself is malformed there.
    let protocol = if version == Version::HTTP_10 { None } else { upgrade::requested(headers) };
    let trailers = hop_by_hop::lists(headers, &header::TE, "trailers");
    hop_by_hop::remove(headers);
    let is_upgrade = protocol.is_some();
    if let Some(protocol) = protocol {
        headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
        headers.insert(header::UPGRADE, protocol);
    } else if trailers {
        // RFC 9110, 10.1.4: whoever sends TE names it in Connection.
        headers.insert(header::CONNECTION, HeaderValue::from_static("te"));
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    is_upgrade
}

/// Whether an HTTP/2 request's head is no larger than allowed. HTTP/1.1 heads are measured as they are received.
pub(super) fn measure<B>(request: &Request<B>, limits: HeadLimits) -> Result<(), Cause> {
    let target = request.uri().path_and_query().map_or(0, |target| target.as_str().len());
    if target >= limits.bytes.min(MAX_TARGET) {
        return Err(Cause::UriTooLong);
    }
    // As a line of HTTP/1.1: colon, space and the line's end.
    let bytes = |(name, value): (&HeaderName, &HeaderValue)| name.as_str().len() + value.len() + 4;
    let headers = request.headers();
    let is_too_large =
        headers.len() > limits.fields || target + headers.iter().map(bytes).sum::<usize>() > limits.bytes;
    if is_too_large { Err(Cause::HeadTooLarge) } else { Ok(()) }
}

/// RFC 9112, sections 3.2.3 and 3.2.4: an authority alone is a target for CONNECT, `*` one for OPTIONS.
fn form<B>(request: &Request<B>) -> Result<(), Cause> {
    let uri = request.uri();
    let is_authority = uri.scheme().is_none() && uri.authority().is_some();
    if is_authority || uri.path() == "*" && *request.method() != Method::OPTIONS {
        return Err(Cause::BadRequest);
    }
    Ok(())
}

/// Leaves exactly one valid Host, which it returns: that of the target where it has one (RFC 9112, section 3.2.2).
///
/// In HTTP/1.1 there is exactly one and it is valid: the connection's boundary has seen to that.
fn host<B>(request: &mut Request<B>, has_host: bool) -> Result<Option<HeaderValue>, Cause> {
    if request.version() == Version::HTTP_2 {
        let is_valid = if has_host {
            let mut hosts = request.headers().get_all(header::HOST).iter();
            hosts.next().is_some_and(|host| is_valid_host(host.as_bytes())) && hosts.next().is_none()
        } else {
            request.uri().authority().is_some()
        };
        if !is_valid {
            return Err(Cause::BadRequest);
        }
    }
    let Some(authority) = request.uri().authority() else {
        return Ok(request.headers().get(header::HOST).cloned());
    };
    let host = host_of(authority)?;
    request.headers_mut().insert(header::HOST, host.clone());
    Ok(Some(host))
}

/// The authority without user information, which Host does not have.
fn host_of(authority: &Authority) -> Result<HeaderValue, Cause> {
    HOST.with_borrow_mut(|last| {
        let text = authority.as_str();
        if last != text {
            let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
            if !is_valid_host(host.as_bytes()) {
                return Err(Cause::BadRequest);
            }
            *last = HeaderValue::from_str(host).map_err(|_| Cause::BadRequest)?;
        }
        Ok(last.clone())
    })
}

/// RFC 9110, section 7.6.2.
fn max_forwards<B>(request: &mut Request<B>) -> Result<(), Stop> {
    if !MAX_FORWARDS_METHODS.contains(request.method()) {
        return Ok(());
    }
    let is_options = *request.method() == Method::OPTIONS;
    let Entry::Occupied(mut entry) = request.headers_mut().entry(header::MAX_FORWARDS) else { return Ok(()) };
    match entry.get().to_str().ok().and_then(|value| value.parse::<u64>().ok()) {
        Some(0) if is_options => Err(Stop::AnswerOptions),
        Some(0) => Err(Cause::MaxForwards.into()),
        Some(left) => {
            entry.insert(HeaderValue::from(left - 1));
            Ok(())
        }
        None => Ok(()),
    }
}

/// RFC 9113, section 8.2.3: HTTP/2 clients may split Cookie; HTTP/1.1 servers expect one line.
fn join_cookies(headers: &mut HeaderMap) {
    let mut cookies = headers.get_all(header::COOKIE).iter();
    let (Some(first), Some(second)) = (cookies.next(), cookies.next()) else { return };
    let mut joined = first.as_bytes().to_vec();
    for cookie in std::iter::once(second).chain(cookies) {
        joined.extend_from_slice(b"; ");
        joined.extend_from_slice(cookie.as_bytes());
    }
    let joined =
        HeaderValue::from_maybe_shared(bytes::Bytes::from(joined)).expect("joined values are a value");
    headers.insert(header::COOKIE, joined);
}

/// Origin-form, with the upstream's prefix in front; `*` stays.
fn target<B>(request: &mut Request<B>, prefix: &str) -> Result<(), Cause> {
    if request.uri().authority().is_none() && prefix.is_empty() {
        return Ok(());
    }
    let target = request.uri().path_and_query().map_or("/", PathAndQuery::as_str);
    let target = if target == "*" {
        PathAndQuery::from_static("*")
    } else if prefix.is_empty() {
        // An absolute target may have no path, only a query.
        request.uri().path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
    } else {
        // Either is a target by itself.
        PathAndQuery::from_maybe_shared(bytes::Bytes::from(format!("{prefix}{target}")))
            .map_err(|_| Cause::UriTooLong)?
    };
    *request.uri_mut() = Uri::from(target);
    Ok(())
}

/// Says that there is no body where a server would otherwise wonder (RFC 9110, section 8.6). HTTP/2 needs no such field.
pub(super) fn state_empty_body(method: &Method, headers: &mut HeaderMap) {
    if matches!(*method, Method::POST | Method::PUT | Method::PATCH) {
        headers.entry(header::CONTENT_LENGTH).or_insert_with(|| HeaderValue::from_static("0"));
    }
}

/// The name of the field that ties a request's traces together.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::config::Protocol;

    fn upstream(prefix: &str) -> UpstreamConfig {
        UpstreamConfig {
            host: Arc::from("up.example"),
            port: 3000,
            path_prefix: Arc::from(prefix),
            protocol: Protocol::Auto,
            keep_host: true,
            max_requests: 1,
        }
    }

    fn request(
        method: &str,
        target: &str,
        version: Version,
        fields: &[(&'static str, &'static str)],
    ) -> Request<()> {
        let mut request = Request::builder().method(method).uri(target).version(version).body(()).unwrap();
        for (name, value) in fields {
            request.headers_mut().append(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        request
    }

    /// Whoever tells the client to go on has to understand it alike: hyper, and what serves HTTP/2.
    #[test]
    fn one_expectation_holds_a_body() {
        let held = |version, value| {
            let mut request = request("POST", "/", version, &[("host", "a"), ("expect", value)]);
            rewrite(&mut request, &upstream("")).unwrap().expects_continue
        };
        assert!(held(Version::HTTP_11, "100-continue") && held(Version::HTTP_2, "100-Continue"));
        assert!(!held(Version::HTTP_10, "100-continue"));
        for value in ["100-continue, x", "100-continue;a=b", "x"] {
            assert!(!held(Version::HTTP_11, value), "{value}");
        }
    }

    #[test]
    fn target_and_host_that_the_upstream_gets() {
        let one = Version::HTTP_11;
        let two = Version::HTTP_2;
        let cases = [
            ("origin form", one, "/a?b", Some("c"), "", Ok(("/a?b", "c"))),
            (
                "absolute form beats Host",
                one,
                "http://x.example/a?b",
                Some("c"),
                "",
                Ok(("/a?b", "x.example")),
            ),
            (
                "user information goes",
                one,
                "http://u:p@x.example:81/",
                Some("c"),
                "",
                Ok(("/", "x.example:81")),
            ),
            (
                "absolute form without path",
                one,
                "http://x.example?q",
                Some("c"),
                "",
                Ok(("/?q", "x.example")),
            ),
            ("neither authority nor Host", two, "/", None, "", Err(())),
            ("no Host in HTTP/1.0", Version::HTTP_10, "/", None, "", Ok(("/", ""))),
            ("authority", two, "http://x.example/a", None, "", Ok(("/a", "x.example"))),
            ("authority and Host", two, "http://x.example/a", Some("c"), "", Ok(("/a", "x.example"))),
            ("prefix", one, "/a?b", Some("c"), "/v1", Ok(("/v1/a?b", "c"))),
            ("prefix and root", one, "/", Some("c"), "/v1", Ok(("/v1/", "c"))),
            ("asterisk", one, "*", Some("c"), "/v1", Ok(("*", "c"))),
            ("bad Host", two, "/", Some("a b"), "", Err(())),
            ("empty authority and Host", two, "/", Some(""), "", Err(())),
        ];
        for (case, version, target, host, prefix, expected) in cases {
            let mut request = request("OPTIONS", target, version, &[]);
            if let Some(host) = host {
                request.headers_mut().insert(header::HOST, HeaderValue::from_static(host));
            }
            let outcome = rewrite(&mut request, &upstream(prefix));
            match expected {
                Ok((target, host)) => {
                    assert!(outcome.is_ok(), "{case}: {outcome:?}");
                    assert_eq!(request.uri().to_string(), target, "{case}");
                    let hosts = request.headers().get(header::HOST).map_or("", |host| host.to_str().unwrap());
                    assert_eq!(hosts, host, "{case}");
                    assert_eq!(request.version(), Version::HTTP_11, "{case}");
                }
                Err(()) => {
                    assert!(
                        matches!(outcome, Err(Stop::Fail(Failure { cause: Cause::BadRequest, .. }))),
                        "{case}"
                    );
                }
            }
        }
    }

    #[test]
    fn targets_in_a_form_of_other_methods_are_refused() {
        for (method, target, is_ok) in [
            ("OPTIONS", "*", true),
            ("GET", "*", false),
            ("GET", "a", false),
            ("GET", "a:80", false),
            ("OPTIONS", "a:80", false),
            ("GET", "/*", true),
        ] {
            let mut request = request(method, target, Version::HTTP_11, &[("host", "a")]);
            assert_eq!(rewrite(&mut request, &upstream("")).is_ok(), is_ok, "{method} {target}");
        }
    }

    #[test]
    fn two_hosts_are_refused() {
        let mut request = request("GET", "/", Version::HTTP_2, &[("host", "a"), ("host", "a")]);
        assert!(rewrite(&mut request, &upstream("")).is_err());
    }

    #[test]
    fn what_is_passed_on_for_the_upstream_alone() {
        type Fields = &'static [(&'static str, &'static str)];
        type Field = Option<&'static str>;
        let cases: &[(&str, Fields, Field, Field, Field)] = &[
            ("trailers", &[("te", "gzip, trailers")], Some("te"), Some("trailers"), None),
            ("codings", &[("te", "gzip")], None, None, None),
            (
                "websocket",
                &[("connection", "Upgrade"), ("upgrade", "websocket")],
                Some("upgrade"),
                None,
                Some("websocket"),
            ),
            ("upgrade not named", &[("upgrade", "websocket")], None, None, None),
            (
                "h2c",
                &[("connection", "Upgrade, HTTP2-Settings"), ("upgrade", "h2c"), ("http2-settings", "x")],
                None,
                None,
                None,
            ),
        ];
        for (case, fields, connection, te, protocol) in cases {
            let mut request = request("GET", "/", Version::HTTP_11, fields);
            request.headers_mut().insert(header::HOST, HeaderValue::from_static("a"));
            let facts = rewrite(&mut request, &upstream("")).unwrap();
            let field = |name: HeaderName| request.headers().get(name).map(|value| value.to_str().unwrap());
            assert_eq!(field(header::CONNECTION), *connection, "{case}");
            assert_eq!(field(header::TE), *te, "{case}");
            assert_eq!(field(header::UPGRADE), *protocol, "{case}");
            assert_eq!(facts.upgrade, protocol.is_some(), "{case}");
            assert!(!request.headers().contains_key("http2-settings"), "{case}");
        }
    }

    #[test]
    fn max_forwards_counts_down_to_here() {
        for (method, value, left) in [
            ("OPTIONS", "2", Some("1")),
            ("TRACE", "1", Some("0")),
            ("GET", "0", Some("0")),
            ("OPTIONS", "x", Some("x")),
        ] {
            let mut request = request(method, "/", Version::HTTP_11, &[("host", "a")]);
            request.headers_mut().insert(header::MAX_FORWARDS, HeaderValue::from_static(value));
            assert!(rewrite(&mut request, &upstream("")).is_ok(), "{method} {value}");
            let passed = request.headers().get(header::MAX_FORWARDS).map(|value| value.to_str().unwrap());
            assert_eq!(passed, left, "{method} {value}");
        }
        let mut options = request("OPTIONS", "/", Version::HTTP_11, &[("host", "a"), ("max-forwards", "0")]);
        assert!(matches!(rewrite(&mut options, &upstream("")), Err(Stop::AnswerOptions)));
        let mut trace = request("TRACE", "/", Version::HTTP_11, &[("host", "a"), ("max-forwards", "0")]);
        assert!(matches!(
            rewrite(&mut trace, &upstream("")),
            Err(Stop::Fail(Failure { cause: Cause::MaxForwards, .. }))
        ));
    }

    #[test]
    fn cookies_split_by_http2_are_one_line() {
        let mut request = request(
            "GET",
            "http://a/",
            Version::HTTP_2,
            &[("cookie", "a=1"), ("cookie", "b=2"), ("cookie", "c=3")],
        );
        rewrite(&mut request, &upstream("")).unwrap();
        assert_eq!(request.headers().get_all(header::COOKIE).iter().collect::<Vec<_>>(), ["a=1; b=2; c=3"]);
    }

    #[test]
    fn connect_is_not_served() {
        let mut request = request("CONNECT", "a.example:443", Version::HTTP_11, &[("host", "a.example:443")]);
        assert!(matches!(
            rewrite(&mut request, &upstream("")),
            Err(Stop::Fail(Failure { cause: Cause::Unsupported, .. }))
        ));
    }
}
