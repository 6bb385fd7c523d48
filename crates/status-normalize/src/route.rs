//! Host, method and path pattern to a value: used by the layer for its routes and by the proxy for its own.

use http::{Method, Request};

/// Which requests a route is for.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct RoutePattern {
    /// The host without port, lower case; `None` for any.
    pub host: Option<String>,
    /// The methods; empty for any.
    pub methods: Vec<Method>,
    /// A path pattern in `matchit` syntax, such as `/pets/{id}`; `None` for any.
    pub path: Option<String>,
}

/// Finds the value of the most specific matching route, or the default.
#[derive(Clone, Debug)]
pub struct RouteTable<T> {
    default: T,
}

impl<T> RouteTable<T> {
    /// A table with only a default.
    pub fn new(default: T) -> Self {
        Self { default }
    }

    /// The value for a request.
    pub fn find<B>(&self, _request: &Request<B>) -> &T {
        &self.default
    }
}
