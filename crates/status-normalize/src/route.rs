//! Host, method and path pattern to a value: used by the layer for its routes and by the proxy for its own.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use http::{HeaderMap, Method, Request, Uri, header};

/// Which requests a route is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoutePattern {
    /// The host without port, in any case; `None` for any.
    pub host: Option<String>,
    /// The methods; empty for any. GET includes HEAD unless another route names HEAD.
    pub methods: Vec<Method>,
    /// A path pattern in `matchit` syntax, such as `/pets/{id}` or `/files/{*rest}`; `None` for any path.
    pub path: Option<String>,
}

/// Why a [`RouteTable`] cannot be built.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RouteError {
    /// Two patterns are for the same requests, or it is undecided which one is more specific.
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
    /// The pattern is not one that `matchit` reads.
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
/// An exact host goes before any host, then the most specific path decides, then a route that names the method goes
/// before one for any method. A lookup takes time by the length of host and path, hardly by the number of routes, and
/// allocates nothing for patterns with up to three parameters.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    default: T,
    values: Vec<T>,
    /// Sorted by host, lower case.
    hosts: Vec<(Box<str>, Methods)>,
    any_host: Methods,
}

/// The index of a value.
type Index = usize;

/// The paths of one host. Each named method has the complete picture, so that one lookup decides.
#[derive(Clone, Debug, Default)]
struct Methods {
    named: Vec<(Method, Paths)>,
    others: Paths,
}

#[derive(Clone, Debug, Default)]
struct Paths {
    patterns: matchit::Router<Index>,
    any_path: Option<Index>,
}

impl<T> RouteTable<T> {
    /// A table with only a default.
    pub fn new(default: T) -> Self {
        Self { default, values: Vec::new(), hosts: Vec::new(), any_host: Methods::default() }
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
        let mut values = Vec::new();
        let mut by_host: BTreeMap<Option<Box<str>>, Vec<(RoutePattern, Index)>> = BTreeMap::new();
        for (pattern, value) in routes {
            let host = pattern.host.as_deref().map(host_name).transpose()?;
            let indexed = (pattern, values.len());
            values.push(value);
            by_host.entry(host).or_default().push(indexed);
        }
        let mut table = Self { values, ..Self::new(default) };
        for (host, patterns) in by_host {
            let methods = Methods::build(&patterns)?;
            match host {
                Some(host) => table.hosts.push((host, methods)),
                None => table.any_host = methods,
            }
        }
        Ok(table)
    }

    /// The value for a request.
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

    /// The default, then the values of the routes in the order that they were given in.
    pub fn values(&self) -> impl Iterator<Item = &T> {
        std::iter::once(&self.default).chain(&self.values)
    }

    /// The same routes with other values.
    pub(crate) fn map<U>(&self, mut value: impl FnMut(&T) -> U) -> RouteTable<U> {
        RouteTable {
            default: value(&self.default),
            values: self.values.iter().map(value).collect(),
            hosts: self.hosts.clone(),
            any_host: self.any_host.clone(),
        }
    }

    fn find_route(&self, method: &Method, uri: &Uri, headers: &HeaderMap) -> &T {
        let by_host = if self.hosts.is_empty() { None } else { self.host(uri, headers) };
        by_host
            .and_then(|host| host.find(method, uri.path()))
            .or_else(|| self.any_host.find(method, uri.path()))
            .map_or(&self.default, |index| &self.values[index])
    }

    fn host(&self, uri: &Uri, headers: &HeaderMap) -> Option<&Methods> {
        let host = match uri.authority() {
            Some(authority) => authority.as_str(),
            None => headers.get(header::HOST)?.to_str().ok()?,
        };
        let host = without_port(host);
        let at = self.hosts.binary_search_by(|(known, _)| compare_lower(known, host)).ok()?;
        Some(&self.hosts[at].1)
    }
}

impl Methods {
    fn build(patterns: &[(RoutePattern, Index)]) -> Result<Self, RouteError> {
        let mut methods: Vec<&Method> = Vec::new();
        for method in patterns.iter().flat_map(|(pattern, _)| &pattern.methods) {
            if !methods.contains(&method) {
                methods.push(method);
            }
        }
        let named =
            methods.into_iter().map(|method| Ok((method.clone(), Paths::build(patterns, Some(method))?)));
        Ok(Self { named: named.collect::<Result<_, _>>()?, others: Paths::build(patterns, None)? })
    }

    fn find(&self, method: &Method, path: &str) -> Option<Index> {
        let named =
            |method: &Method| self.named.iter().find(|(known, _)| known == method).map(|(_, paths)| paths);
        let paths =
            named(method).or_else(|| if *method == Method::HEAD { named(&Method::GET) } else { None });
        paths.unwrap_or(&self.others).find(path)
    }
}

impl Paths {
    /// The patterns for one method, or for the methods that none names.
    fn build(patterns: &[(RoutePattern, Index)], method: Option<&Method>) -> Result<Self, RouteError> {
        // From the most to the least specific, so that a later pattern for the same path yields to an earlier one.
        let mut levels: Vec<Vec<&(RoutePattern, Index)>> = Vec::new();
        let naming = |wanted: &Method| patterns.iter().filter(|(p, _)| p.methods.contains(wanted)).collect();
        if let Some(method) = method {
            levels.push(naming(method));
            if *method == Method::HEAD {
                levels.push(naming(&Method::GET));
            }
        }
        levels.push(patterns.iter().filter(|(pattern, _)| pattern.methods.is_empty()).collect());

        let mut paths = Self::default();
        let mut taken: HashMap<String, (usize, &str)> = HashMap::new();
        let mut any_path: Option<(usize, Index)> = None;
        for (level, patterns) in levels.iter().enumerate() {
            for (pattern, index) in patterns {
                let Some(path) = pattern.path.as_deref() else {
                    match any_path {
                        Some((earlier, _)) if earlier == level => {
                            return Err(RouteError::Conflict {
                                pattern: "any path".into(),
                                with: "any path".into(),
                            });
                        }
                        Some(_) => {}
                        None => any_path = Some((level, *index)),
                    }
                    continue;
                };
                let anonymous = without_names(path);
                match taken.get(&anonymous) {
                    Some((earlier, with)) if *earlier == level => {
                        return Err(RouteError::Conflict { pattern: path.into(), with: (*with).into() });
                    }
                    Some(_) => {}
                    None => {
                        paths
                            .patterns
                            .insert(anonymous.clone(), *index)
                            .map_err(|error| refused(path, &error, &taken))?;
                        taken.insert(anonymous, (level, path));
                    }
                }
            }
        }
        paths.any_path = any_path.map(|(_, index)| index);
        Ok(paths)
    }

    fn find(&self, path: &str) -> Option<Index> {
        self.patterns.at(path).map_or(self.any_path, |found| Some(*found.value))
    }
}

fn refused(path: &str, error: &matchit::InsertError, taken: &HashMap<String, (usize, &str)>) -> RouteError {
    match error {
        matchit::InsertError::Conflict { with } => RouteError::Conflict {
            pattern: path.into(),
            with: taken.get(with).map_or_else(|| with.clone(), |(_, as_given)| (*as_given).into()),
        },
        other => RouteError::Path { pattern: path.into(), reason: other.to_string() },
    }
}

/// The pattern with its parameters numbered, so that `/pets/{id}` and `/pets/{pet}` are the same path.
fn without_names(pattern: &str) -> String {
    let mut anonymous = String::with_capacity(pattern.len());
    let mut rest = pattern;
    let mut number = 0;
    while let Some(open) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(open);
        anonymous.push_str(before);
        // `{{` and `}}` are literal braces; whatever is malformed stays as it is, for `matchit` to refuse.
        if let Some(after) = from.strip_prefix("{{").or_else(|| from.strip_prefix("}}")) {
            anonymous.push_str(&from[..2]);
            rest = after;
            continue;
        }
        match from.strip_prefix('{').and_then(|inner| inner.split_once('}')) {
            Some((name, after)) if !name.is_empty() && name != "*" && !name.contains(['{', '/']) => {
                anonymous.push_str(if name.starts_with('*') { "{*p" } else { "{p" });
                anonymous.push_str(&number.to_string());
                anonymous.push('}');
                number += 1;
                rest = after;
            }
            _ => {
                anonymous.push_str(from);
                return anonymous;
            }
        }
    }
    anonymous.push_str(rest);
    anonymous
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

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(host: &str, methods: &[Method], path: &str) -> RoutePattern {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        RoutePattern { host: some(host), methods: methods.to_vec(), path: some(path) }
    }

    fn table(patterns: &[RoutePattern]) -> Result<RouteTable<usize>, RouteError> {
        RouteTable::build(usize::MAX, patterns.iter().cloned().zip(0..))
    }

    fn ask(method: &str, uri: &str, host: Option<&str>) -> Request<()> {
        let mut request = Request::builder().method(method).uri(uri);
        if let Some(host) = host {
            request = request.header(header::HOST, host);
        }
        request.body(()).unwrap()
    }

    #[test]
    fn the_most_specific_route_is_found() {
        let routes = [
            pattern("", &[], "/pets"),
            pattern("", &[Method::GET], "/pets"),
            pattern("", &[], "/pets/{id}"),
            pattern("", &[Method::DELETE], "/pets/{pet}"),
            pattern("", &[], "/pets/mine"),
            pattern("", &[], "/{*rest}"),
            pattern("a.example", &[], ""),
            pattern("a.example", &[Method::POST], "/pets"),
            pattern("B.example", &[Method::PUT], "/only"),
            pattern("[::1]", &[], ""),
            pattern("", &[Method::OPTIONS], ""),
        ];
        let table = table(&routes).unwrap();
        let none = usize::MAX;
        let cases = [
            ("GET", "/pets", None, 1),
            ("HEAD", "/pets", None, 1),
            ("POST", "/pets", None, 0),
            ("GET", "/pets/7", None, 2),
            ("DELETE", "/pets/7", None, 3),
            ("DELETE", "/pets/mine", None, 4),
            ("GET", "/pets/7/toys?x=/pets", None, 5),
            ("GET", "/", None, none),
            ("OPTIONS", "*", None, 10),
            ("OPTIONS", "/pets", None, 0),
            ("GET", "/pets", Some("a.example"), 6),
            ("POST", "/pets", Some("A.Example:8080"), 7),
            ("POST", "http://a.example/pets", Some("c.example"), 7),
            ("PUT", "/only", Some("b.EXAMPLE"), 8),
            ("GET", "/only", Some("b.example"), 5),
            ("GET", "/pets", Some("[::1]:8080"), 9),
            ("GET", "/pets", Some("[::1]"), 9),
            ("GET", "/pets", Some("xa.example"), 1),
            ("GET", "/pets", Some(""), 1),
            ("BREW", "/pets", None, 0),
        ];
        for (method, uri, host, expected) in cases {
            assert_eq!(*table.find(&ask(method, uri, host)), expected, "{method} {uri} {host:?}");
        }
    }

    #[test]
    fn head_may_have_a_route_of_its_own() {
        let routes = [
            pattern("", &[Method::GET], "/a"),
            pattern("", &[Method::HEAD], "/a"),
            pattern("", &[Method::GET], "/b"),
        ];
        let table = table(&routes).unwrap();
        assert_eq!(*table.find(&ask("HEAD", "/a", None)), 1);
        assert_eq!(*table.find(&ask("HEAD", "/b", None)), 2);
    }

    #[test]
    fn bad_patterns_are_named() {
        let cases: [(&[RoutePattern], &str); 10] = [
            (
                &[pattern("", &[], "/a/{id}"), pattern("", &[], "/a/{name}")],
                "`/a/{name}` conflicts with `/a/{id}`",
            ),
            (&[pattern("", &[Method::PUT], "/a"), pattern("", &[Method::PUT], "/a")], "`/a` conflicts"),
            (&[pattern("", &[], ""), pattern("", &[], "")], "`any path` conflicts"),
            (&[pattern("", &[], "/a/{x}b"), pattern("", &[], "/a/{*y}")], "`/a/{*y}`"),
            (&[pattern("", &[], "/{")], "`/{` is malformed"),
            (&[pattern("", &[], "/{}")], "`/{}` is malformed"),
            (&[pattern("", &[], "/{*a}/b")], "`/{*a}/b` is malformed"),
            (&[pattern("a:80", &[], "")], "host `a:80`"),
            (&[pattern("*.a", &[], "")], "host `*.a`"),
            (&[pattern("a/b", &[], "")], "host `a/b`"),
        ];
        for (routes, message) in cases {
            let error = table(routes).unwrap_err().to_string();
            assert!(error.contains(message), "{error} / {message}");
        }
    }

    #[test]
    fn literal_braces_are_not_parameters() {
        let table = table(&[pattern("", &[], "/{{a}}"), pattern("", &[], "/{b}")]).unwrap();
        assert_eq!(*table.find(&ask("GET", "/%7Ba%7D", None)), 1);
        let anonymous = ["/{{a}}/{b}", "/{*rest}", "/x-{y}.z", "/plain"].map(without_names);
        assert_eq!(anonymous, ["/{{a}}/{p0}", "/{*p0}", "/x-{p0}.z", "/plain"]);
    }

    #[test]
    fn ten_thousand_routes_are_told_apart() {
        let routes: Vec<_> = (0..10_000)
            .map(|number| {
                pattern(&format!("h{}", number % 100), &[Method::GET], &format!("/api/v{number}/{{id}}"))
            })
            .collect();
        let table = table(&routes).unwrap();
        for number in [0, 99, 5_000, 9_999] {
            let request = ask("GET", &format!("/api/v{number}/7"), Some(&format!("h{}", number % 100)));
            assert_eq!(*table.find(&request), number);
        }
    }
}
