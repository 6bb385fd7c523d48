//! The routes beside each other: names, and which requests are whose.

use std::{
    collections::{HashMap, hash_map::Entry},
    ops::Range,
};

use status_normalize::{RoutePattern, RouteTable};
use toml::Spanned;

use super::{raw::RawRoute, report::Report, resolve::DEFAULT_ROUTE, value::List};

/// How many patterns are blamed in one go: finding the next one means building the table anew.
const CONFLICTS: usize = 20;
/// A label value on every series of the route.
const NAME_LIMIT: usize = 64;

/// Reports names that are missing, taken or too long.
pub(super) fn check_names(routes: &List<RawRoute>, report: &mut Report) {
    let mut known: HashMap<&str, ()> = HashMap::from([(DEFAULT_ROUTE, ())]);
    for route in routes {
        let Some(name) = &route.get_ref().name else {
            if route.get_ref().unreadable.contains(&"name") {
                continue;
            }
            let help = "add `name = \"...\"`: it is the value of the metric label `route`";
            report.error_with_help(header_of(&route.span()), "the route has no name", help);
            continue;
        };
        if name.get_ref().len() > NAME_LIMIT || name.get_ref().contains(char::is_control) {
            report.error(name.span(), format!("a name has at most {NAME_LIMIT} bytes on one line"));
        }
        match known.entry(name.get_ref()) {
            Entry::Vacant(free) => {
                free.insert(());
            }
            Entry::Occupied(taken) if *taken.key() == DEFAULT_ROUTE => {
                let message = "`default` is the name of what no route takes: choose another one";
                report.error(name.span(), message);
            }
            Entry::Occupied(taken) => {
                report.error(name.span(), format!("another route is called `{}`", taken.key()));
            }
        }
    }
}

/// Reports each route whose pattern is malformed, or conflicts with one before it.
pub(super) fn check_patterns(routes: &List<RawRoute>, report: &mut Report) {
    let mut patterns: Vec<(RoutePattern, &Spanned<RawRoute>)> =
        routes.iter().map(|route| (pattern(route.get_ref()), route)).collect();
    let build = |patterns: &[(RoutePattern, &Spanned<RawRoute>)]| {
        RouteTable::build((), patterns.iter().map(|(pattern, _)| (pattern.clone(), ()))).err()
    };
    for _ in 0..CONFLICTS {
        let Some(mut error) = build(&patterns) else { break };
        // The shortest beginning of the list that fails ends with the route to blame.
        let (mut fine, mut failing) = (0, patterns.len());
        while failing - fine > 1 {
            let middle = fine + (failing - fine) / 2;
            match build(&patterns[..middle]) {
                Some(earlier) => (failing, error) = (middle, earlier),
                None => fine = middle,
            }
        }
        let (_, route) = patterns.remove(failing - 1);
        let raw = route.get_ref();
        let place =
            raw.path.as_ref().or(raw.host.as_ref()).map_or_else(|| header_of(&route.span()), Spanned::span);
        report.error(place, error.to_string());
    }
}

/// Which requests a route is for.
pub(super) fn pattern(raw: &RawRoute) -> RoutePattern {
    RoutePattern {
        host: raw.host.as_ref().map(|host| host.get_ref().clone()),
        methods: raw
            .methods
            .iter()
            .flat_map(|methods| methods.get_ref())
            .map(|m| m.get_ref().clone())
            .collect(),
        path: raw.path.as_ref().map(|path| path.get_ref().clone()),
    }
}

/// The beginning of a table, where its header is.
pub(super) fn header_of(table: &Range<usize>) -> Range<usize> {
    table.start..table.start
}
