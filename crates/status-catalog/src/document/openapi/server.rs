//! Where an API is served: hosts and base paths.

use std::sync::Arc;

use super::node::Node;

/// The hosts and base paths of an operation, each once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Servers {
    /// In lower case, with the port unless it is the scheme's own. Empty if the description names none: any host.
    pub(crate) hosts: Vec<Arc<str>>,
    /// Without a slash at the end; never empty, the root is the empty text.
    pub(crate) base_paths: Vec<Arc<str>>,
}

/// A description of one host per customer does not name them all.
const MAX_SERVERS: usize = 32;
const MAX_URL: usize = 2_048;

impl Servers {
    fn add(&mut self, host: Option<String>, path: &str) {
        let path = path.trim_end_matches('/');
        let path =
            if path.is_empty() || path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        // A variable without a default may be anything.
        let host = host.filter(|host| !host.is_empty() && !host.contains('{'));
        if let Some(host) = host.filter(|host| self.hosts.iter().all(|known| **known != **host)) {
            self.hosts.push(host.into());
        }
        if self.base_paths.iter().all(|known| **known != *path) {
            self.base_paths.push(path.into());
        }
    }
}

/// `host` and `basePath` of version 2.0.
pub(super) fn of_2(root: &Node) -> Servers {
    let mut servers = Servers::default();
    let host = root.member_text("host").map(str::to_ascii_lowercase);
    servers.add(host, root.member_text("basePath").unwrap_or_default());
    servers
}

/// `servers` of version 3, with their variables at their defaults.
pub(super) fn of_3(list: Option<&Node>) -> Servers {
    let mut servers = Servers::default();
    for server in list.map(Node::items).unwrap_or_default().iter().take(MAX_SERVERS) {
        let url = with_defaults(server);
        let url = url.split(['?', '#']).next().unwrap_or_default();
        // A URL may leave its scheme to the document's.
        let (scheme, rest) = match url.split_once("://") {
            Some((scheme, rest)) => (scheme, Some(rest)),
            None => ("", url.strip_prefix("//")),
        };
        match rest {
            Some(rest) => {
                let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                servers.add(Some(host(scheme, authority)), path);
            }
            None => servers.add(None, url.trim_start_matches("./")),
        }
    }
    if servers.base_paths.is_empty() {
        servers.add(None, "");
    }
    servers
}

/// What a `Host` field says of an authority.
fn host(scheme: &str, authority: &str) -> String {
    let host = authority.rsplit('@').next().unwrap_or_default().to_ascii_lowercase();
    let own_port = match scheme.to_ascii_lowercase().as_str() {
        "http" => ":80",
        "https" => ":443",
        _ => "",
    };
    host.strip_suffix(own_port).map(str::to_owned).unwrap_or(host)
}

fn with_defaults(server: &Node) -> String {
    let mut url = String::new();
    let mut rest = server.member_text("url").unwrap_or_default();
    let variables = server.get("variables");
    while let Some((before, after)) = rest.split_once('{') {
        url.push_str(before);
        if url.len() > MAX_URL {
            return String::new();
        }
        let Some((name, after)) = after.split_once('}') else {
            url.push('{');
            rest = after;
            continue;
        };
        match variables.and_then(|variables| value(variables.get(name)?)) {
            Some(value) => url.push_str(value),
            None => url.extend(["{", name, "}"]),
        }
        rest = after;
    }
    url + rest
}

fn value(variable: &Node) -> Option<&str> {
    let first = || variable.get("enum")?.items().first()?.text();
    variable.get("default").and_then(|value| value.text()).or_else(first)
}
