//! Host, method and path pattern to a value: used by the layer for its routes and by the proxy for its own.

mod operations;
mod template;
mod tree;

#[cfg(test)]
mod tests;

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use http::{HeaderMap, Method, Request, Uri, header};

pub(crate) use self::operations::OperationRoute;
pub use self::operations::Operations;
use self::{template::Template, tree::Tree};

/// Which requests a route is for.
///
/// # Path patterns
///
/// A pattern starts with `/` and is compared segment by segment:
///
/// * text stands for itself; `{{` and `}}` are braces;
/// * `{name}` is a whole segment, or a part of one beside text and other parameters: `/{base}...{head}`, `/{id}.json`,
///   `/{name}:cancel`. It takes at least one byte and never a slash. Names mean nothing;
/// * `{*name}` at the end, after a slash, is the rest of the path, whatever it is, but not nothing.
///
/// Where several patterns fit a path, the first segment from the left in which they differ decides: text goes before
/// parameters with text beside them (the more text, the better; then the longer beginning, then the longer end), these
/// before a parameter alone, and that before `{*rest}`. If what follows does not fit, the next best is tried, so that
/// `/pets/mine` does not hide `/pets/{id}/toys` from `/pets/mine/toys`.
///
/// # Paths
///
/// The path is that of the request's target without the query, also in absolute form. A slash at the end and empty
/// segments count: `/pets`, `/pets/` and `//pets` are three paths. Segments are compared percent-decoded, so that `%70ets` and
/// `pets` are equal, as are the two ways to write `é`; an encoded slash separates nothing. `.` and `..` are segments
/// like any other. `*`, the target of an `OPTIONS` for the server as a whole, has no path: only a route for any path
/// takes it.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoutePattern {
    /// The host without port, in any case; `None` for any.
    pub host: Option<String>,
    /// The methods; empty for any. GET includes HEAD unless another route names HEAD.
    pub methods: Vec<Method>,
    /// A path pattern, such as `/pets/{id}` or `/files/{*rest}`; `None` for any path.
    pub path: Option<String>,
}

/// Why a [`RouteTable`] cannot be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Two patterns are for the same requests.
    #[error("path pattern `{pattern}` conflicts with `{with}`")]
    Conflict {
        /// The later pattern.
        pattern: String,
        /// The earlier one.
        with: String,
    },
    /// The host is empty, or has a port, a path or a wildcard.
    #[error("host `{host}` is not a host name or address without port")]
    Host {
        /// The host as given.
        host: String,
    },
    /// The pattern cannot be read.
    #[error("path pattern `{pattern}` is malformed: {reason}")]
    Path {
        /// The pattern as given.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
}

/// Finds the value of the most specific matching route, or the default.
///
/// An exact host goes before any host, then the most specific path decides ([`RoutePattern`]), then a route that names
/// the method goes before one for any method. A lookup takes time by the length of host and path, hardly by the number
/// of routes. It allocates nothing, unless a path of more than a kibibyte is percent-encoded.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    default: T,
    values: Vec<T>,
    index: Arc<Hosts>,
}

/// Which value is whose.
#[derive(Debug, Default)]
struct Hosts {
    /// Sorted by host, lower case.
    named: Vec<(Box<str>, Paths)>,
    any: Paths,
}

/// Paths up to this length are decoded without an allocation.
const SHORT: usize = 1024;

/// The place of a value.
type Index = usize;

/// The routes of one host.
#[derive(Clone, Debug, Default)]
struct Paths {
    patterns: Tree<Methods>,
    any_path: Methods,
}

/// The routes of one path.
#[derive(Clone, Debug, Default)]
struct Methods {
    named: Vec<(Method, Index)>,
    any: Option<Index>,
}

impl<T> RouteTable<T> {
    /// A table with only a default.
    pub fn new(default: T) -> Self {
        Self { default, values: Vec::new(), index: Arc::default() }
    }

    /// A table of routes, in any order.
    ///
    /// # Errors
    ///
    /// If a pattern is malformed or conflicts with another one.
    pub fn build(
        default: T,
        routes: impl IntoIterator<Item = (RoutePattern, T)>,
    ) -> Result<Self, RouteError> {
        let (patterns, values): (Vec<_>, Vec<_>) = routes.into_iter().unzip();
        let mut by_host: BTreeMap<Option<Box<str>>, Paths> = BTreeMap::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let host = pattern.host.as_deref().map(host_name).transpose()?;
            let methods = by_host.entry(host).or_default().entry(pattern.path.as_deref())?;
            methods.add(&pattern.methods, index).map_err(|earlier| RouteError::Conflict {
                pattern: path_or_any(pattern),
                with: path_or_any(&patterns[earlier]),
            })?;
        }
        let any = by_host.remove(&None).unwrap_or_default();
        let named = by_host.into_iter().filter_map(|(host, paths)| Some((host?, paths))).collect();
        Ok(Self { default, values, index: Arc::new(Hosts { named, any }) })
    }

    /// The value for a request.
    #[inline]
    pub fn find<B>(&self, request: &Request<B>) -> &T {
        if self.values.is_empty() {
            &self.default
        } else {
            self.find_route(request.method(), request.uri(), request.headers())
        }
    }

    /// The value of requests that no route is for.
    pub fn default_value(&self) -> &T {
        &self.default
    }

    /// The default, then the values of the routes.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.default).chain(&self.values)
    }

    /// The same routes with other values.
    pub(crate) fn map<U>(&self, mut value: impl FnMut(&T) -> U) -> RouteTable<U> {
        RouteTable {
            default: value(&self.default),
            values: self.values.iter().map(value).collect(),
            index: self.index.clone(),
        }
    }

    fn find_route(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> &T {
        self.index.find(method, uri, headers).map_or(&self.default, |index| &self.values[index])
    }
}

impl Hosts {
    fn find(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> Option<Index> {
        let paths = if self.named.is_empty() { None } else { self.paths_of_host(uri, headers) };
        let path = uri.path().as_bytes();
        match memchr::memchr(b'%', path) {
            None => self.find_path(paths, method, path),
            Some(_) => self.find_encoded_path(paths, method, path),
        }
    }

    #[cold]
    #[inline(never)]
    fn find_encoded_path(&self, paths: Option<&Paths>, method: &Method, path: &[u8]) -> Option<Index> {
        let mut short = [0; SHORT];
        let mut long = Vec::new();
        let decoded = match short.get_mut(..path.len()) {
            Some(short) => short,
            None => {
                long.resize(path.len(), 0);
                &mut long[..]
            }
        };
        let length = template::decode(path, decoded);
        self.find_path(paths, method, &decoded[..length])
    }

    fn find_path(&self, paths: Option<&Paths>, method: &Method, path: &[u8]) -> Option<Index> {
        paths.and_then(|paths| paths.find(method, path)).or_else(|| self.any.find(method, path))
    }

    fn paths_of_host(&self, uri: &Uri, headers: &HeaderMap) -> Option<&Paths> {
        let host = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(header::HOST)?.to_str().ok()?,
        };
        let host = without_port(host);
        let at = self.named.binary_search_by(|(known, _)| compare_lower(known, host)).ok()?;
        Some(&self.named[at].1)
    }
}

impl Paths {
    /// The routes of a pattern, or of any path.
    fn entry(&mut self, pattern: Option<&str>) -> Result<&mut Methods, RouteError> {
        let Some(pattern) = pattern else { return Ok(&mut self.any_path) };
        match Template::parse(pattern) {
            Ok(template) => Ok(self.patterns.entry(template)),
            Err(reason) => Err(RouteError::Path { pattern: pattern.into(), reason }),
        }
    }

    fn find(&self, method: &Method, path: &[u8]) -> Option<Index> {
        self.patterns.find(path, |methods| methods.find(method)).or_else(|| self.any_path.find(method))
    }
}

impl Methods {
    /// Adds a route, or gives the one that is for the same requests already.
    fn add(&mut self, methods: &[Method], index: Index) -> Result<(), Index> {
        if methods.is_empty() {
            return self.any.replace(index).map_or(Ok(()), Err);
        }
        for method in methods {
            match self.named.iter().find(|(known, _)| known == method) {
                Some((_, earlier)) if *earlier == index => {}
                Some((_, earlier)) => return Err(*earlier),
                None => self.named.push((method.clone(), index)),
            }
        }
        Ok(())
    }

    fn find(&self, method: &Method) -> Option<Index> {
        let named = |method: &Method| self.named.iter().find(|(known, _)| known == method);
        named(method)
            .or_else(|| if *method == Method::HEAD { named(&Method::GET) } else { None })
            .map(|(_, index)| *index)
            .or(self.any)
    }
}

fn path_or_any(pattern: &RoutePattern) -> String {
    pattern.path.clone().unwrap_or_else(|| "any path".into())
}

fn host_name(host: &str) -> Result<Box<str>, RouteError> {
    let lower = host.to_ascii_lowercase();
    let valid = host.parse::<http::uri::Authority>().is_ok_and(|authority| {
        authority.host() == host && without_port(host) == host && !host.contains(['*', '@'])
    });
    if valid { Ok(lower.into()) } else { Err(RouteError::Host { host: host.into() }) }
}

/// RFC 9110, 4.2.3: the port and letter case are no part of a host's identity here; user information is not expected.
fn without_port(authority: &str) -> &str {
    let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    match host.rfind(':') {
        // The colons of `[::1]` are inside of the brackets.
        Some(colon) if !host[colon..].contains(']') => &host[..colon],
        _ => host,
    }
}

fn compare_lower(known: &str, host: &str) -> Ordering {
    known.bytes().cmp(host.bytes().map(|byte| byte.to_ascii_lowercase()))
}
