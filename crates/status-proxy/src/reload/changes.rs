//! What differs between two configurations, in the words of the file.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use status_catalog::Catalog;
use status_normalize::Operations;

use crate::config::{Config, RouteConfig};

/// How many names are told before it says how many more there are.
const TOLD: usize = 20;

/// What a reload changes. Each list is in order, and empty if there is nothing.
#[derive(Debug, Default, Eq, PartialEq)]
pub(super) struct Changes {
    pub(super) routes_added: Vec<String>,
    pub(super) routes_removed: Vec<String>,
    pub(super) routes_changed: Vec<String>,
    pub(super) catalogs_added: Vec<String>,
    pub(super) catalogs_removed: Vec<String>,
    pub(super) catalogs_changed: Vec<String>,
    /// Tables of the file.
    pub(super) settings: Vec<String>,
}

impl Changes {
    pub(super) fn between(old: &Config, new: &Config) -> Self {
        let (old_routes, new_routes) = (routes(old), routes(new));
        let (old_catalogs, new_catalogs) = (catalogs(old), catalogs(new));
        let settings = [
            ("[limits]", old.limits != new.limits),
            ("[timeouts]", old.timeouts != new.timeouts),
            ("[forwarding]", old.forwarding != new.forwarding),
            ("[log]", old.log != new.log),
        ];
        Self {
            routes_added: missing(&new_routes, &old_routes),
            routes_removed: missing(&old_routes, &new_routes),
            routes_changed: different(&old_routes, &new_routes, |old, new| is_same(old, new)),
            catalogs_added: missing(&new_catalogs, &old_catalogs),
            catalogs_removed: missing(&old_catalogs, &new_catalogs),
            catalogs_changed: different(&old_catalogs, &new_catalogs, |old, new| old == new),
            settings: settings
                .into_iter()
                .filter(|(_, is_changed)| *is_changed)
                .map(|(name, _)| name.into())
                .collect(),
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

fn routes(config: &Config) -> BTreeMap<&str, &Arc<RouteConfig>> {
    config.all_routes().map(|route| (&*route.name, route)).collect()
}

/// A catalog, with the operations beside it if it is that of an API.
type Promise<'a> = (&'a Arc<Catalog>, Option<&'a Arc<Operations>>);

/// By name, of which several catalogs may have the same.
fn catalogs(config: &Config) -> BTreeMap<&str, Vec<Promise<'_>>> {
    let mut by_name: BTreeMap<_, Vec<Promise<'_>>> = BTreeMap::new();
    for route in config.all_routes() {
        let (catalog, operations) = (&route.catalog, route.operations.as_ref());
        let known = by_name.entry(catalog.name()).or_default();
        let is_same = |known: &Promise<'_>| {
            Arc::ptr_eq(known.0, catalog) && known.1.map(Arc::as_ptr) == operations.map(Arc::as_ptr)
        };
        if !known.iter().any(is_same) {
            known.push((catalog, operations));
        }
    }
    by_name
}

fn is_same(old: &RouteConfig, new: &RouteConfig) -> bool {
    old.pattern == new.pattern && old.settings == new.settings && old.upstream == new.upstream
}

fn missing<T>(of: &BTreeMap<&str, T>, from: &BTreeMap<&str, T>) -> Vec<String> {
    of.keys().filter(|name| !from.contains_key(*name)).map(|name| (*name).to_owned()).collect()
}

fn different<T>(
    old: &BTreeMap<&str, T>,
    new: &BTreeMap<&str, T>,
    is_same: impl Fn(&T, &T) -> bool,
) -> Vec<String> {
    let both = old.iter().filter_map(|(name, old)| Some((name, old, new.get(name)?)));
    both.filter(|(_, old, new)| !is_same(old, new)).map(|(name, ..)| (*name).to_owned()).collect()
}

/// The names as one text; `None` if there are none.
pub(super) fn told(names: &[String]) -> Option<String> {
    let mut text = names.iter().take(TOLD).map(String::as_str).collect::<Vec<_>>().join(", ");
    if let Some(more) = names.len().checked_sub(TOLD).filter(|more| *more > 0) {
        text.push_str(&format!(" and {more} more"));
    }
    (!text.is_empty()).then_some(text)
}

impl Config {
    /// Takes over from a running configuration what only a restart can change, and names what of it was to be
    /// different.
    pub(super) fn keep_until_restart(&mut self, running: &Self) -> Vec<&'static str> {
        let mut kept = BTreeSet::new();
        let mut keep = |key, is_same: bool| {
            if !is_same {
                kept.insert(key);
            }
        };
        keep("listen", self.listen == running.listen);
        keep("[admin] listen", self.admin == running.admin);
        keep("workers", self.workers == running.workers);
        keep("[limits] connections", self.limits.connections == running.limits.connections);
        keep("[log] format", self.log.format == running.log.format);
        self.listen = running.listen;
        self.admin = running.admin;
        self.workers = running.workers;
        self.limits.connections = running.limits.connections;
        self.log.format = running.log.format;
        kept.into_iter().collect()
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::Overrides;

    const OLD: &str = "listen = '127.0.0.1:1'\nupstream = 'http://127.0.0.1:3000'\n\
                       [[route]]\nname = 'pets'\npath = '/pets'\n\
                       [[route]]\nname = 'zones'\npath = '/zones'\ncatalog = 'dns'\n";

    fn parse(text: &str) -> Config {
        Config::parse(text, Path::new("proxy.toml"), &Overrides::default()).unwrap()
    }

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn what_is_written_otherwise_and_means_the_same_is_no_change() {
        let new =
            format!("# A comment.\nmode = 'enforce'\n{OLD}methods = []\n[timeouts]\nidle = '75000ms'\n");
        assert!(Changes::between(&parse(OLD), &parse(&new)).is_empty());
    }

    #[test]
    fn changes_are_named() {
        let edit = |from: &str, to: &str| Changes::between(&parse(OLD), &parse(&OLD.replacen(from, to, 1)));
        let default = Changes::default;
        let cases = [
            (edit("'/pets'", "'/cats'"), Changes { routes_changed: names(&["pets"]), ..default() }),
            (
                edit("3000", "3001"),
                Changes { routes_changed: names(&["default", "pets", "zones"]), ..default() },
            ),
            (
                edit("'/pets'\n", "'/pets'\nstrict = true\n"),
                Changes { routes_changed: names(&["pets"]), ..default() },
            ),
            (
                edit("name = 'pets'", "name = 'cats'"),
                Changes { routes_added: names(&["cats"]), routes_removed: names(&["pets"]), ..default() },
            ),
            (
                edit("'dns'", "'vpn'"),
                Changes {
                    routes_changed: names(&["zones"]),
                    catalogs_added: names(&["vpn"]),
                    catalogs_removed: names(&["dns"]),
                    ..default()
                },
            ),
            (
                edit("'dns'\n", "'dns'\n[log]\naccess = true\n"),
                Changes { settings: names(&["[log]"]), ..default() },
            ),
            (
                edit(
                    "'dns'\n",
                    "'dns'\n[limits]\nhead_size = '8KiB'\n[timeouts]\nidle = '1s'\n[forwarding]\nvia = 'x'\n",
                ),
                Changes { settings: names(&["[limits]", "[timeouts]", "[forwarding]"]), ..default() },
            ),
        ];
        for (number, (found, expected)) in cases.into_iter().enumerate() {
            assert_eq!(found, expected, "{number}");
        }
    }

    #[test]
    fn what_needs_a_restart_stays_and_is_named() {
        let running = parse(OLD);
        let mut new = parse(
            &(OLD.replace("127.0.0.1:1", "127.0.0.1:2").replacen("listen", "workers = 77\nlisten", 1)
                + "[admin]\nlisten = '127.0.0.1:3'\n[limits]\nconnections = 5\n[log]\nformat = 'json'\n"),
        );
        let kept = new.keep_until_restart(&running);
        assert_eq!(kept, ["[admin] listen", "[limits] connections", "[log] format", "listen", "workers"]);
        assert!(Changes::between(&running, &new).is_empty());
        assert_eq!((new.listen, new.admin, new.workers), (running.listen, running.admin, running.workers));
        assert_eq!(new.keep_until_restart(&running), [""; 0]);
    }

    #[test]
    fn long_lists_are_cut() {
        let many: Vec<String> = (0..25).map(|number| format!("r{number}")).collect();
        assert!(told(&many).unwrap().ends_with("r18, r19 and 5 more"));
        assert_eq!(told(&names(&["a", "b"])).as_deref(), Some("a, b"));
        assert_eq!(told(&[]), None);
    }
}
