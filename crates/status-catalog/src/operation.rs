//! What an OpenAPI description promises of one operation.

use std::sync::Arc;

use crate::document::Servers;
use crate::{Catalog, Entry, Finding};

/// What an OpenAPI description promises.
#[derive(Clone, Debug)]
pub(crate) struct Api {
    pub(crate) operations: Vec<Operation>,
    /// For requests that are no operation's: it promises nothing.
    pub(crate) unmatched: Arc<Catalog>,
    pub(crate) findings: Vec<Finding>,
}

/// An operation: a method and a path template, with the catalog of its own documented responses.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Operation {
    method: Arc<str>,
    path: Arc<str>,
    hosts: Vec<Arc<str>>,
    base_paths: Vec<Arc<str>>,
    catalog: Arc<Catalog>,
}

impl Operation {
    pub(crate) fn new(method: &str, path: &str, servers: Servers, catalog: Arc<Catalog>) -> Self {
        let Servers { hosts, base_paths } = servers;
        Self { method: method.into(), path: path.into(), hosts, base_paths, catalog }
    }

    /// The method, in upper case.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The path template as the description has it, such as `/pets/{id}`.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The hosts that serve the operation; empty if the description names none.
    pub fn hosts(&self) -> &[Arc<str>] {
        &self.hosts
    }

    /// What stands before the path template on each server, without a slash at the end; never empty.
    pub fn base_paths(&self) -> &[Arc<str>] {
        &self.base_paths
    }

    /// The templates that requests match: each base path with the path template.
    pub fn templates(&self) -> impl Iterator<Item = String> + '_ {
        self.base_paths.iter().map(|base| format!("{base}{}", self.path))
    }

    /// The documented responses. All operations of a description share its name and title; those that promise the same
    /// share one catalog.
    pub fn catalog(&self) -> &Arc<Catalog> {
        &self.catalog
    }

    /// Whether the description has a `default` response, which documents every other status.
    pub fn has_default(&self) -> bool {
        self.catalog.entries().iter().any(Entry::is_default)
    }
}

/// Whether a method is one that a request can have: a token (RFC 9110, 5.6.2).
pub(crate) fn is_method(method: &str) -> bool {
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !method.is_empty() && method.bytes().all(is_token)
}

/// A path template whose parameters have no names: what it matches, whatever they are called.
pub(crate) fn nameless(template: &str) -> String {
    let mut path = String::new();
    let mut rest = template;
    while let Some((before, after)) = rest.split_once('{') {
        path.extend([before, "{}"]);
        rest = after.split_once('}').map_or("", |(_, after)| after);
    }
    path + rest
}
