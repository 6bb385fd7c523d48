//! The page as JSON, for programs.

use httpdate::fmt_http_date;
use serde_json::{Value, json};

use super::overview::Overview;
use crate::{
    config::{RouteConfig, Series},
    reload::State,
};

/// The JSON at a path; `None` if there is nothing.
pub(super) fn respond(path: &str, overview: &Overview) -> Option<String> {
    let rest = path.strip_prefix("/api")?;
    let value = match rest {
        "" | "/" => json!({
            "status": "/api/status",
            "routes": "/api/routes",
            "operations": "/api/operations",
            "catalogs": "/api/catalogs",
            "catalog": "/api/catalogs/{name}",
        }),
        "/status" => status(overview),
        "/routes" => routes(overview),
        "/operations" => operations(overview),
        "/catalogs" => catalogs(overview),
        _ => {
            let name = rest.strip_prefix("/catalogs/")?;
            return overview.catalogs().get(name).map(|catalog| catalog.to_json());
        }
    };
    Some(format!("{value:#}\n"))
}

fn status(overview: &Overview) -> Value {
    let mut total = super::overview::Counts::default();
    overview.counts().into_values().for_each(|counts| total += counts);
    let Series { in_practice, at_most, .. } = overview.series();
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "state": overview.state(),
        "listen": overview.bound().listen.to_string(),
        "admin": overview.bound().admin.to_string(),
        "workers": overview.workers(),
        "configuration": configuration(overview),
        "series": json!({ "in_practice": in_practice, "at_most": at_most }),
        "responses": total,
    })
}

/// When and how the configuration came to be served, and what stands in the way of a newer one.
fn configuration(overview: &Overview) -> Value {
    let State { loaded, failure, needs_restart, .. } = overview.configuration();
    json!({
        "loaded": fmt_http_date(*loaded),
        "last_reload": if failure.is_some() { "failure" } else { "success" },
        "failure": failure.as_ref().map(|failure| json!({ "at": fmt_http_date(failure.at), "reason": &*failure.reason })),
        "needs_restart": needs_restart,
    })
}

fn routes(overview: &Overview) -> Value {
    let counts = overview.counts();
    overview.routes().map(|route| route_json(route, Overview::counts_of(route, &counts))).collect()
}

/// Each with the value of the metric label `route`.
fn operations(overview: &Overview) -> Value {
    let counts = overview.counts();
    let labels = overview.routes().flat_map(|route| {
        let operations = route.operations.iter().flat_map(|operations| operations.labels(&route.name));
        operations.map(|label| (&route.name, label))
    });
    let operations = labels.map(|(route, label)| {
        let responses = counts.get(&label).copied().unwrap_or_default();
        json!({ "name": label, "route": &**route, "responses": responses })
    });
    operations.collect()
}

fn route_json(route: &RouteConfig, counts: super::overview::Counts) -> Value {
    json!({
        "name": &*route.name,
        "host": route.pattern.host,
        "methods": route.pattern.methods.iter().map(http::Method::as_str).collect::<Vec<_>>(),
        "path": route.pattern.path,
        "catalog": route.catalog.name(),
        "operations": route.operations.as_ref().map_or(0, |operations| operations.len()),
        "mode": route.mode.as_str(),
        "rollout": route.rollout.percent(),
        "upstream": route.upstream.as_ref().map(|upstream| upstream.to_string()),
        "responses": counts,
    })
}

fn catalogs(overview: &Overview) -> Value {
    let catalogs = overview.catalogs();
    let catalogs = catalogs.iter().map(|(name, catalog)| {
        json!({
            "name": name,
            "title": catalog.title(),
            "languages": catalog.languages().iter().map(|language| &**language).collect::<Vec<_>>(),
            "entries": catalog.entries().len(),
        })
    });
    catalogs.collect()
}
