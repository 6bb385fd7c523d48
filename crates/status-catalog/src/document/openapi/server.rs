//! Where an API is served: hosts and base paths.

use std::sync::Arc;

use super::node::Node;

/// The hosts and base paths of an operation, each once.
#[derive(Debug, Default)]
pub(crate) struct Servers {
    /// Empty if the description names none: any host.
    pub(crate) hosts: Vec<Arc<str>>,
    /// Without a slash at the end; never empty, the root is the empty text.
    pub(crate) base_paths: Vec<Arc<str>>,
}

impl Servers {
    fn add(&mut self, host: Option<&str>, path: &str) {
        let path = path.trim_end_matches('/');
        if let Some(host) =
            host.filter(|host| !host.is_empty() && !self.hosts.iter().any(|known| &**known == *host))
        {
            self.hosts.push(host.into());
        }
        if !self.base_paths.iter().any(|known| &**known == path) {
            self.base_paths.push(path.into());
        }
    }
}

/// `host` and `basePath` of version 2.0.
pub(super) fn of_2(root: &Node) -> Servers {
    let mut servers = Servers::default();
    servers.add(root.member_text("host"), root.member_text("basePath").unwrap_or_default());
    servers
}

/// `servers` of version 3, with their variables at their defaults.
pub(super) fn of_3(list: Option<&Arc<Node>>) -> Servers {
    let mut servers = Servers::default();
    for server in list.map(|list| list.items()).unwrap_or_default() {
        let mut url = server.member_text("url").unwrap_or_default().to_owned();
        for (name, variable) in server.get("variables").map(|node| node.members()).unwrap_or_default() {
            let first =
                variable.get("enum").and_then(|values| values.items().first()).and_then(|value| value.text());
            let value = variable.get("default").and_then(|value| value.text()).or(first);
            url = url.replace(&format!("{{{name}}}"), value.unwrap_or_default());
        }
        match url.split_once("://") {
            Some((_, rest)) => {
                let path = rest.find('/').unwrap_or(rest.len());
                servers.add(Some(&rest[..path]), &rest[path..]);
            }
            None => servers.add(None, &url),
        }
    }
    if servers.base_paths.is_empty() {
        servers.add(None, "");
    }
    servers
}
