//! The URL of an upstream.

use std::{str::FromStr, sync::Arc};

use http::{Uri, uri::Scheme};

/// `http://HOST:PORT`, with a path prefix if there is one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct UpstreamUrl {
    /// Without the brackets of an IPv6 address.
    pub(super) host: Arc<str>,
    pub(super) port: u16,
    /// Empty or `/prefix`.
    pub(super) path_prefix: Arc<str>,
}

/// Why a text is not the URL of an upstream.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum UpstreamUrlError {
    #[error("`{0}` names no host: write `http://HOST:PORT`")]
    Host(String),
    #[error("TLS to the upstream is not supported yet: `{0}` has to start with `http://`")]
    Https(String),
    #[error("`{0}` is not a URL: {1}")]
    Malformed(String, String),
    #[error("`{0}` has port 0: name the port that the upstream listens on")]
    Port(String),
    #[error("`{0}` has a query or fragment: an upstream is a host, a port and at most a path prefix")]
    Query(String),
    #[error("`{0}` has scheme `{1}`: only `http` is supported")]
    Scheme(String, String),
    #[error("`{0}` has no scheme: write `http://{0}`")]
    SchemeMissing(String),
    #[error("`{0}` is no host and port: an upstream is reached over TCP, as `http://HOST:PORT`")]
    Socket(String),
    #[error("a user name or password in the URL is not sent anywhere: remove what stands before the `@`")]
    UserInfo,
}

impl FromStr for UpstreamUrl {
    type Err = UpstreamUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let named = || text.to_owned();
        if text.starts_with("unix:/") || text.starts_with(['/', '.']) {
            return Err(UpstreamUrlError::Socket(named()));
        }
        let Some((scheme, rest)) = text.split_once("://") else {
            return Err(UpstreamUrlError::SchemeMissing(named()));
        };
        if scheme.eq_ignore_ascii_case("https") {
            return Err(UpstreamUrlError::Https(named()));
        }
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(UpstreamUrlError::Scheme(named(), scheme.into()));
        }
        if rest.contains(['?', '#']) {
            return Err(UpstreamUrlError::Query(named()));
        }
        if rest.split('/').next().is_some_and(|authority| authority.contains('@')) {
            return Err(UpstreamUrlError::UserInfo);
        }
        if rest.starts_with([':', '/']) || rest.is_empty() {
            return Err(UpstreamUrlError::Host(named()));
        }
        let malformed = |reason: String| UpstreamUrlError::Malformed(named(), reason);
        let uri = Uri::from_str(text).map_err(|error| malformed(error.to_string()))?;
        debug_assert_eq!(uri.scheme(), Some(&Scheme::HTTP));
        let authority = uri.authority().ok_or_else(|| UpstreamUrlError::Host(named()))?;
        let port = match authority.as_str()[authority.host().len()..].strip_prefix(':') {
            None => 80,
            Some(port) => port
                .parse::<u16>()
                .map_err(|_| malformed(format!("`{port}` is not a port from 1 to 65535")))?,
        };
        if port == 0 {
            return Err(UpstreamUrlError::Port(named()));
        }
        Ok(Self {
            host: authority.host().trim_start_matches('[').trim_end_matches(']').into(),
            port,
            path_prefix: uri.path().trim_end_matches('/').into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_are_taken_apart() {
        let cases = [
            ("http://127.0.0.1:3000", "127.0.0.1", 3000, ""),
            ("http://127.0.0.1:3000/", "127.0.0.1", 3000, ""),
            ("HTTP://backend/", "backend", 80, ""),
            ("http://[::1]:3000/v1/", "::1", 3000, "/v1"),
            ("http://backend.test:65535/a/b", "backend.test", 65535, "/a/b"),
        ];
        for (text, host, port, path_prefix) in cases {
            let expected = UpstreamUrl { host: host.into(), port, path_prefix: path_prefix.into() };
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_with_a_url_is_said() {
        let cases = [
            ("", "has no scheme"),
            ("127.0.0.1:3000", "write `http://127.0.0.1:3000`"),
            ("localhost:3000", "write `http://localhost:3000`"),
            ("https://127.0.0.1:3000", "TLS to the upstream is not supported yet"),
            ("ftp://127.0.0.1", "scheme `ftp`"),
            (
                "unix:/tmp/x",
                "`unix:/tmp/x` is no host and port: an upstream is reached over TCP, as `http://HOST:PORT`",
            ),
            ("unix:///tmp/x", "over TCP"),
            ("/tmp/x", "over TCP"),
            ("http://", "names no host"),
            ("http://:3000", "names no host"),
            ("http:///path", "names no host"),
            ("http://backend:0", "port 0"),
            ("http://backend:70000", "is not a"),
            ("http://backend:port", "is not a"),
            ("http://user:secret@backend", "user name or password"),
            ("http://backend/?a=b", "query or fragment"),
            ("http://backend/#top", "query or fragment"),
            ("http://back end", "is not a URL"),
            ("http://[::1", "is not a URL"),
        ];
        for (text, expected) in cases {
            let error = text.parse::<UpstreamUrl>().expect_err(text).to_string();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }
}
