//! How many series of metrics there can be, which is known once the configuration is.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use super::{Config, report::Report};

/// Of one route or operation if a backend sends every status in every state: the sum of the table in docs/METRICS.md.
const AT_MOST: usize = 7_130;
/// Those of no route, by the same table.
const APART: usize = 37;
/// Of one route or operation in practice, by the same page.
const IN_PRACTICE: usize = 150;
/// A scrape of more takes some 20 MB and a second.
const MANY: usize = 100_000;

/// How many series of metrics there can be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Series {
    /// Values of the metric label `route`: one for each route, and one for each operation below it.
    pub(crate) labels: usize,
    pub(crate) in_practice: usize,
    pub(crate) at_most: usize,
}

impl Series {
    pub(super) fn of(config: &Config) -> Self {
        let operations = config.all_routes().filter_map(|route| route.operations.as_ref());
        let labels =
            config.all_routes().count() + operations.map(|operations| operations.len()).sum::<usize>();
        Self { labels, in_practice: labels * IN_PRACTICE, at_most: labels * AT_MOST + APART }
    }

    /// What an operator should know before Prometheus does.
    pub(super) fn warning(self) -> Option<String> {
        let Self { labels, in_practice, at_most } = self;
        (in_practice > MANY).then(|| {
            format!(
                "{labels} routes and operations make about {in_practice} series of metrics in practice, {at_most} at \
                 the very most"
            )
        })
    }
}

/// Reports routes whose labels would be those of operations.
pub(super) fn check_labels(config: &Config, report: &mut Report) {
    let mut known: HashMap<String, &Arc<str>> = HashMap::new();
    for route in config.all_routes() {
        let operations = route.operations.iter().flat_map(|operations| operations.labels(&route.name));
        for label in std::iter::once(route.name.to_string()).chain(operations) {
            match known.entry(label) {
                Entry::Vacant(free) => {
                    free.insert(&route.name);
                }
                // Two routes of one name are reported where they stand.
                Entry::Occupied(taken) if **taken.get() == route.name => {}
                Entry::Occupied(taken) => report.general(
                    format!("routes `{}` and `{}` both count as `{}`", taken.get(), route.name, taken.key()),
                    "operations have the name of their route, method and template as the metric label `route`: choose \
                     another name",
                ),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bound_is_the_documented_one() {
        let page = include_str!("../../../../docs/METRICS.md");
        let (_, after) = page.split_once("at the very most:").expect("the table of the bound");
        let (table, _) = after.trim_start().split_once("\n\n").expect("it ends");
        let (mut of_a_route, mut apart) = (0, 0);
        for line in table.lines().skip(2) {
            let number = line.rsplit("| ").next().expect("a cell");
            let (sum, number) =
                number.strip_prefix("R × ").map_or((&mut apart, number), |number| (&mut of_a_route, number));
            let digits: String =
                number.chars().filter(|c| *c != ',').take_while(char::is_ascii_digit).collect();
            *sum += digits.parse::<usize>().expect("a number");
        }
        assert_eq!((of_a_route, apart), (AT_MOST, APART));
        assert!(page.contains(&format!("count with R × {IN_PRACTICE}**")));
    }
}
