//! The page to look at: plain HTML, nothing fetched from anywhere, readable without style and by screen readers.

use std::fmt::Write as _;

use httpdate::fmt_http_date;
use status_catalog::Catalog;

use super::overview::{Counts, Overview};
use crate::{config::RouteConfig, reload::State};

const STYLE: &str = include_str!("page.css");

/// Writes the page.
pub(super) fn render(overview: &Overview) -> String {
    let mut page = String::with_capacity(16 * 1024);
    let state = overview.state();
    let bound = overview.bound();
    let _ = write!(
        page,
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <title>status-proxy: {state}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n\
         <header>\n<h1>status-proxy <small>{}</small></h1>\n\
         <p><strong class=\"state {state}\">{state}</strong> Clients connect to <code>{}</code>, {} {} served by {} \
         {}. Loaded {}.</p>\n<nav aria-label=\"More\"><a href=\"/\">Refresh</a> <a href=\"/metrics\">Metrics</a> \
         <a href=\"/api/\">API</a></nav>\n</header>\n<main>\n",
        env!("CARGO_PKG_VERSION"),
        bound.listen,
        overview.routes().count(),
        plural(overview.routes().count(), "route", "routes"),
        overview.workers(),
        plural(overview.workers(), "worker", "workers"),
        fmt_http_date(overview.configuration().loaded),
    );
    notices(&mut page, overview);
    summary(&mut page, overview);
    routes(&mut page, overview);
    catalogs(&mut page, overview);
    page.push_str("</main>\n</body>\n</html>\n");
    page
}

fn plural<'a>(count: usize, one: &'a str, several: &'a str) -> &'a str {
    if count == 1 { one } else { several }
}

/// What an operator has to do something about.
fn notices(page: &mut String, overview: &Overview) {
    let State { failure, needs_restart, .. } = overview.configuration();
    if let Some(failure) = failure {
        let _ = writeln!(
            page,
            "<section class=\"notice failed\" role=\"alert\">\n<p><strong>The configuration is not what the files \
             say.</strong> They were read again {}, and what is served is what was loaded before:</p>\n\
             <pre>{}</pre>\n</section>",
            fmt_http_date(failure.at),
            Escaped(&failure.reason),
        );
    }
    if !needs_restart.is_empty() {
        let keys: Vec<_> = needs_restart.iter().map(|key| format!("<code>{}</code>", Escaped(key))).collect();
        let _ = writeln!(
            page,
            "<section class=\"notice\">\n<p>Changed in the file, and waiting for a restart: {}.</p>\n</section>",
            keys.join(", "),
        );
    }
}

fn summary(page: &mut String, overview: &Overview) {
    let mut total = Counts::default();
    overview.counts().into_values().for_each(|counts| total += counts);
    page.push_str(
        "<section aria-labelledby=\"answers\">\n<h2 id=\"answers\">Answers so far</h2>\n<dl class=\"sum\">\n",
    );
    let figures = [
        ("normal", "Normal", total.normal, "documented as a success"),
        ("abnormal", "Abnormal", total.abnormal, "documented as an error"),
        ("undocumented", "Undocumented", total.undocumented, "the document does not list it"),
        ("rewritten", "Rewritten", total.rewritten, "given the documented description"),
        ("observed", "Would rewrite", total.would_rewrite, "only observed"),
    ];
    for (class, name, count, meaning) in figures {
        let _ = writeln!(
            page,
            "<div class=\"{class}\"><dt>{name}</dt><dd><b>{}</b> <small>{meaning}</small></dd></div>",
            Grouped(count)
        );
    }
    page.push_str("</dl>\n</section>\n");
}

fn routes(page: &mut String, overview: &Overview) {
    let counts = overview.counts();
    page.push_str(
        "<section aria-labelledby=\"routes\">\n<h2 id=\"routes\">Routes</h2>\n\
         <div class=\"wide\" role=\"region\" aria-labelledby=\"routes\" tabindex=\"0\"><table>\n<thead><tr>\
         <th scope=\"col\">Route</th><th scope=\"col\">Requests</th><th scope=\"col\">Upstream</th>\
         <th scope=\"col\">Catalog</th><th scope=\"col\">Mode</th><th scope=\"col\" class=\"n\">Normal</th>\
         <th scope=\"col\" class=\"n\">Abnormal</th><th scope=\"col\" class=\"n\">Undocumented</th>\
         <th scope=\"col\" class=\"n\">Rewritten</th></tr></thead>\n<tbody>\n",
    );
    for route in overview.routes() {
        route_row(page, route, Overview::counts_of(route, &counts));
    }
    page.push_str("</tbody>\n</table></div>\n</section>\n");
}

fn route_row(page: &mut String, route: &RouteConfig, counts: Counts) {
    let upstream = match &route.upstream {
        Some(upstream) => format!("<code>{}</code>", Escaped(&upstream.to_string())),
        None => "none: answered 404".to_owned(),
    };
    let operations = match &route.operations {
        Some(operations) => format!(", <a href=\"/api/operations\">{} operations</a>", operations.len()),
        None => String::new(),
    };
    let rollout = match route.rollout.percent() {
        100 => String::new(),
        percent => format!(", {percent} %"),
    };
    let _ = writeln!(
        page,
        "<tr><th scope=\"row\">{}</th><td>{}</td><td>{upstream}</td><td><a href=\"#catalog-{catalog}\">{catalog}</a>{operations}</td>\
         <td>{}{rollout}</td><td class=\"n\">{}</td><td class=\"n\">{}</td><td class=\"n\">{}</td>\
         <td class=\"n\">{}</td></tr>",
        Escaped(&route.name),
        Escaped(&route.requests()),
        route.mode.as_str(),
        Grouped(counts.normal),
        Grouped(counts.abnormal),
        Grouped(counts.undocumented),
        Grouped(counts.rewritten),
        catalog = Escaped(route.catalog.name()),
    );
}

fn catalogs(page: &mut String, overview: &Overview) {
    page.push_str("<section aria-labelledby=\"catalogs\">\n<h2 id=\"catalogs\">Catalogs served</h2>\n");
    let catalogs = overview.catalogs();
    // One catalog is what the visitor came for; several are for looking up.
    let open = if catalogs.len() == 1 { " open" } else { "" };
    for (name, catalog) in catalogs {
        catalog_details(page, name, catalog, open);
    }
    page.push_str("</section>\n");
}

fn catalog_details(page: &mut String, name: &str, catalog: &Catalog, open: &str) {
    let _ = write!(
        page,
        "<details id=\"catalog-{name}\"{open}>\n<summary><strong>{name}</strong> {title} ({} {})</summary>\n\
         <p><a href=\"/api/catalogs/{name}\">{name} as JSON</a></p>\n\
         <div class=\"wide\"><table lang=\"{language}\">\n<thead><tr><th scope=\"col\">Status</th>\
         <th scope=\"col\">Class</th><th scope=\"col\">Reason phrase</th><th scope=\"col\">Methods</th>\
         <th scope=\"col\">Description</th></tr></thead>\n<tbody>\n",
        catalog.entries().len(),
        plural(catalog.entries().len(), "entry", "entries"),
        name = Escaped(name),
        title = Escaped(catalog.title()),
        language = Escaped(catalog.language()),
    );
    if catalog.entries().is_empty() {
        page.push_str(
            "<tr><td colspan=\"5\">Each operation of the description has entries of its own.</td></tr>\n",
        );
    }
    for entry in catalog.entries() {
        let code = match entry.codes() {
            (first, last) if first == last => first.to_string(),
            (first, last) => format!("{first}-{last}"),
        };
        let class = entry.class().as_str();
        let _ = writeln!(
            page,
            "<tr class=\"{class}\"><th scope=\"row\">{code}</th><td>{class}</td><td>{}</td><td>{}</td><td>{}</td></tr>",
            Escaped(entry.reason().unwrap_or_default()),
            Escaped(&entry.methods().join(", ")),
            Escaped(entry.description()),
        );
    }
    page.push_str("</tbody>\n</table></div>\n</details>\n");
}

/// Text that is safe in HTML, also within an attribute.
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                '\'' => f.write_str("&#39;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A number with its thousands apart.
struct Grouped(u64);

impl std::fmt::Display for Grouped {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let digits = self.0.to_string();
        for (index, digit) in digits.chars().enumerate() {
            if index > 0 && (digits.len() - index).is_multiple_of(3) {
                f.write_char('\u{202f}')?;
            }
            f.write_char(digit)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped() {
        let cases = [(0, "0"), (999, "999"), (1000, "1\u{202f}000"), (1_234_567, "1\u{202f}234\u{202f}567")];
        for (number, text) in cases {
            assert_eq!(Grouped(number).to_string(), text);
        }
    }

    /// T12
    #[test]
    fn text_is_escaped() {
        assert_eq!(Escaped("<a href=\"x\">'&").to_string(), "&lt;a href=&quot;x&quot;&gt;&#39;&amp;");
    }
}
