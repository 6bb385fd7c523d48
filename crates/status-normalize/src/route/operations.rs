//! The operations of an API as routes.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use http::Method;
use status_catalog::{Catalog, Operation};

use super::{RoutePattern, host_name, template::Template, without_port};
use crate::config::DEFAULT_NAME;

/// The operations of an API as routes, for [`Builder::operations`](crate::Builder::operations).
///
/// An operation takes the requests with its method (GET also HEAD, unless that is an operation of its own) whose path
/// fits its path template behind one of its base paths, as [`RoutePattern`] says, whatever their host: the hosts that
/// a description names are those of a public entrance. Only where two operations have the same method and template does
/// the host tell them apart; requests to any other host are then the first one's.
#[derive(Clone, Debug, PartialEq)]
pub struct Operations {
    unmatched: Arc<Catalog>,
    /// Each for requests of its own, or beside others with the same method and template but other hosts.
    groups: Vec<Vec<Located>>,
    left_out: Vec<String>,
}

/// An operation behind one base path.
#[derive(Clone, Debug, PartialEq)]
struct Located {
    method: Method,
    template: Arc<str>,
    hosts: BTreeSet<Box<str>>,
    catalog: Arc<Catalog>,
}

/// Which requests are an operation's.
#[derive(Debug)]
pub(crate) struct OperationRoute<'a> {
    pub(crate) pattern: RoutePattern,
    pub(crate) catalog: &'a Arc<Catalog>,
    /// The value of the metric label `route`.
    pub(crate) label: String,
}

impl Operations {
    /// The operations behind the base paths that their description names. `unmatched` is for requests that are none of
    /// them; its name is the metric label `catalog` of those.
    pub fn new(operations: &[Operation], unmatched: Arc<Catalog>) -> Self {
        Self::collect(operations, unmatched, None)
    }

    /// The operations behind another base path, such as the empty one where a gateway strips it. A slash at its end
    /// plays no part.
    pub fn at_base_path(operations: &[Operation], unmatched: Arc<Catalog>, base_path: &str) -> Self {
        Self::collect(operations, unmatched, Some(base_path.trim_end_matches('/')))
    }

    fn collect(operations: &[Operation], unmatched: Arc<Catalog>, base_path: Option<&str>) -> Self {
        let (mut groups, mut left_out) = (Vec::new(), Vec::new());
        let mut taken = HashMap::new();
        for operation in operations {
            let templates: Vec<String> = match base_path {
                Some(base_path) => vec![format!("{base_path}{}", operation.path())],
                None => operation.templates().collect(),
            };
            for template in templates {
                if let Err(why) = add(operation, &template, &mut groups, &mut taken) {
                    left_out.push(format!("{} {template}: {why}", operation.method()));
                }
            }
        }
        Self { unmatched, groups, left_out }
    }

    /// How many routes there are, each with a value of its own of the metric label `route`: one for each operation and
    /// base path.
    pub fn len(&self) -> usize {
        self.groups.iter().map(Vec::len).sum()
    }

    /// Whether there are no routes.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// The operations that are no routes, each with the reason: a template that cannot be read, or one that is for
    /// the same requests as another one's.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// The values of the metric label `route` below the route of that name.
    pub fn labels(&self, route: &str) -> impl Iterator<Item = String> {
        let places = self.groups.iter().flat_map(|group| group.iter().enumerate());
        places.map(move |(place, located)| located.label(route, place > 0))
    }

    pub(crate) fn unmatched(&self) -> &Arc<Catalog> {
        &self.unmatched
    }

    /// The routes, below the route of that name.
    pub(crate) fn routes(&self, name: &str) -> impl Iterator<Item = OperationRoute<'_>> {
        let later = self.groups.iter().flat_map(|group| &group[1..]);
        let hosts: BTreeSet<&str> = later.flat_map(|located| &located.hosts).map(|host| &**host).collect();
        // A host that has routes of its own gets all others as well: within a host the most specific path decides.
        let hosts = std::iter::once(None).chain(hosts.into_iter().map(Some));
        hosts.flat_map(move |host| {
            self.groups.iter().map(move |group| {
                let named = |located: &&Located| host.is_some_and(|host| located.hosts.contains(host));
                let by_host = group[1..].iter().find(named);
                let located = by_host.unwrap_or(&group[0]);
                OperationRoute {
                    pattern: RoutePattern {
                        host: host.map(str::to_owned),
                        methods: vec![located.method.clone()],
                        path: Some(located.template.to_string()),
                    },
                    catalog: &located.catalog,
                    label: located.label(name, by_host.is_some()),
                }
            })
        })
    }
}

impl Located {
    fn label(&self, route: &str, needs_host: bool) -> String {
        let host = self.hosts.first().filter(|_| needs_host).map_or("", |host| host);
        let request = format!("{} {host}{}", self.method, self.template);
        if route == DEFAULT_NAME { request } else { format!("{route} {request}") }
    }
}

/// Adds an operation behind one base path, or says why that cannot be.
fn add(
    operation: &Operation,
    template: &str,
    groups: &mut Vec<Vec<Located>>,
    taken: &mut HashMap<(Method, Template), usize>,
) -> Result<(), String> {
    // RFC 9112, 3.2.1: an empty path is sent as `/`.
    let template = if template.is_empty() { "/" } else { template };
    let method = operation.method();
    let method = Method::from_bytes(method.as_bytes()).map_err(|_| format!("`{method}` is not a method"))?;
    let key = (method.clone(), Template::parse(template)?);
    let hosts: BTreeSet<_> =
        operation.hosts().iter().filter_map(|host| host_name(without_port(host)).ok()).collect();
    let located = Located { method, template: template.into(), hosts, catalog: operation.catalog().clone() };
    let group = *taken.entry(key).or_insert(groups.len());
    let Some(group) = groups.get_mut(group) else {
        groups.push(vec![located]);
        return Ok(());
    };
    let same = |known: &&Located| {
        known.hosts.is_empty() || located.hosts.is_empty() || !known.hosts.is_disjoint(&located.hosts)
    };
    match group.iter().find(same) {
        Some(known) => Err(format!("`{}` is for the same requests", known.template)),
        None => {
            group.push(located);
            Ok(())
        }
    }
}
