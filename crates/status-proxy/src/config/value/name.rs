//! Addresses, names and other texts that mean something elsewhere.

use std::net::SocketAddr;

use http::{HeaderName, Method};
use status_normalize::{Rollout, RoutePattern, RouteTable};

use super::Text;

impl Text for SocketAddr {
    #[cfg(test)]
    const KIND: &'static str = "address and port";
    #[cfg(test)]
    const PATTERN: &'static str = "^.+:[0-9]{1,5}$";
    const EXAMPLE: &'static str = "127.0.0.1:8080";

    fn parse(text: &str) -> Result<Self, String> {
        address(text)
    }
}

/// An IP address and a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let hint = match text.rsplit_once(':') {
            Some(("localhost", port)) => format!("`127.0.0.1:{port}` or `[::1]:{port}`"),
            Some(("" | "*", port)) => format!("`0.0.0.0:{port}` or `[::]:{port}`"),
            _ => "`127.0.0.1:8080` or `[::1]:8080`".to_owned(),
        };
        format!("`{text}` is not an IP address and a port such as {hint}")
    })
}

impl Text for String {
    #[cfg(test)]
    const KIND: &'static str = "string";
    const EXAMPLE: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("an empty string means nothing here".into()) } else { Ok(text.into()) }
    }
}

/// What stands before the paths of an API, without a slash at its end.
#[derive(Debug)]
pub(in crate::config) struct BasePath(pub(in crate::config) String);

impl Text for BasePath {
    #[cfg(test)]
    const KIND: &'static str = "path, or `\"\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^(/[^?#]*)?$";
    const EXAMPLE: &'static str = "/v1";

    fn parse(text: &str) -> Result<Self, String> {
        if text.contains(['?', '#']) {
            return Err("a base path has no query and no fragment".into());
        }
        let path = text.trim_end_matches('/');
        if !path.is_empty() {
            let pattern = RoutePattern { path: Some(path.into()), ..RoutePattern::default() };
            RouteTable::build((), [(pattern, ())]).map_err(|error| error.to_string())?;
        }
        Ok(Self(path.into()))
    }
}

impl Text for HeaderName {
    #[cfg(test)]
    const KIND: &'static str = "field name";
    #[cfg(test)]
    const PATTERN: &'static str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
    const EXAMPLE: &'static str = "x-request-id";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not the name of a header field"))
    }
}

impl Text for Method {
    #[cfg(test)]
    const KIND: &'static str = "method";
    #[cfg(test)]
    const PATTERN: &'static str = "^[A-Z][A-Z-]*$";
    const EXAMPLE: &'static str = "GET";

    fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("methods are case-sensitive: write `{}`", text.to_ascii_uppercase()));
        }
        Self::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is not a method"))
    }
}

impl Text for Rollout {
    #[cfg(test)]
    const KIND: &'static str = "percentage such as `\"25%\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]{1,3}%$";
    const EXAMPLE: &'static str = "25%";

    fn parse(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|number| number.trim_end().parse::<u64>().ok())
            .and_then(|percent| Self::try_from(percent).ok())
            .ok_or_else(|| format!("`{text}` is not a percentage from `0%` to `100%`"))
    }
}
