//! What there is to see: the configuration that is served, and what was counted under it.

use std::{collections::BTreeMap, sync::Arc};

use status_catalog::Catalog;

use crate::{
    config::{RouteConfig, Series},
    drain::Drain,
    recorder::{Exposition, PrometheusRecorder},
    reload::{Served, State},
    serve::Bound,
};

/// The counter that the page and the API add up.
const RESPONSES: &str = "status_normalize_responses_total";

/// What the operators' listener tells of.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) served: Served,
    pub(crate) bound: Bound,
    pub(crate) recorder: PrometheusRecorder,
    pub(crate) drain: Drain,
}

impl Observed {
    /// What it tells now: of one configuration, however soon there is another.
    pub(super) fn overview(&self) -> Overview {
        Overview {
            configuration: self.served.state(),
            bound: self.bound,
            recorder: self.recorder.clone(),
            is_draining: self.drain.has_begun(),
        }
    }
}

/// Everything that the operators' listener tells at one time.
#[derive(Debug)]
pub(super) struct Overview {
    configuration: State,
    bound: Bound,
    recorder: PrometheusRecorder,
    is_draining: bool,
}

/// How many responses of a route were of each class, and how many were rewritten or would have been.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, serde::Serialize)]
pub(super) struct Counts {
    pub(super) normal: u64,
    pub(super) abnormal: u64,
    pub(super) undocumented: u64,
    pub(super) rewritten: u64,
    pub(super) would_rewrite: u64,
}

impl Overview {
    pub(super) fn is_draining(&self) -> bool {
        self.is_draining
    }

    /// What is served, since when, and why nothing newer.
    pub(super) fn configuration(&self) -> &State {
        &self.configuration
    }

    pub(super) fn state(&self) -> &'static str {
        if self.is_draining() { "draining" } else { "ready" }
    }

    pub(super) fn bound(&self) -> Bound {
        self.bound
    }

    pub(super) fn workers(&self) -> usize {
        self.configuration.config.workers.get()
    }

    pub(super) fn metrics(&self, exposition: Exposition) -> String {
        self.recorder.render(exposition)
    }

    /// The routes, the default one last: it takes what is left.
    pub(super) fn routes(&self) -> impl Iterator<Item = &Arc<RouteConfig>> {
        let config = &self.configuration.config;
        config.routes.iter().chain([&config.default])
    }

    /// Each catalog that a route serves, by name.
    pub(super) fn catalogs(&self) -> BTreeMap<&str, &Arc<Catalog>> {
        self.routes().map(|route| (route.catalog.name(), &route.catalog)).collect()
    }

    /// What was counted under a route and its operations.
    pub(super) fn counts_of(route: &RouteConfig, counts: &BTreeMap<String, Counts>) -> Counts {
        let mut total = counts.get(&*route.name).copied().unwrap_or_default();
        let operations = route.operations.iter().flat_map(|operations| operations.labels(&route.name));
        operations.filter_map(|label| counts.get(&label)).for_each(|counts| total += *counts);
        total
    }

    /// How many series of metrics there can be.
    pub(super) fn series(&self) -> Series {
        self.configuration.config.series()
    }

    /// What was counted, by the metric label `route`.
    pub(super) fn counts(&self) -> BTreeMap<String, Counts> {
        let mut routes: BTreeMap<String, Counts> = BTreeMap::new();
        self.recorder.each_counter(RESPONSES, |key, value| {
            let label =
                |name| key.labels().find(|label| label.key() == name).map_or("", |label| label.value());
            let counts = routes.entry(label("route").to_owned()).or_default();
            match label("class") {
                "normal" => counts.normal += value,
                "abnormal" => counts.abnormal += value,
                _ => counts.undocumented += value,
            }
            match label("action") {
                "rewrite" => counts.rewritten += value,
                "would_rewrite" => counts.would_rewrite += value,
                _ => {}
            }
        });
        routes
    }
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        let Self { normal, abnormal, undocumented, rewritten, would_rewrite } = other;
        self.normal += normal;
        self.abnormal += abnormal;
        self.undocumented += undocumented;
        self.rewritten += rewritten;
        self.would_rewrite += would_rewrite;
    }
}
