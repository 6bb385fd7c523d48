//! The operations of an OpenAPI description, written out.

use std::fmt::Write as _;

use serde::Serialize;

use super::json::EntryJson;
use super::markdown::escape;
use super::table::{TableStyle, bold, coloured};
use crate::operation::Api;
use crate::{Entry, Operation};

impl Api {
    /// See [`Import::to_json`](crate::Import::to_json).
    pub(crate) fn to_json(&self) -> String {
        let routes = self.operations.iter().map(RouteJson::new).collect();
        let mut text = serde_json::to_string_pretty(&RoutesJson { routes })
            .expect("strings and numbers always serialize");
        text.push('\n');
        text
    }

    /// An operation a section, with its responses below it: one table for all would be as wide as the longest path.
    pub(crate) fn to_table(&self, style: TableStyle) -> String {
        let Self { operations, unmatched, findings: _ } = self;
        let entries = || operations.iter().flat_map(|operation| operation.catalog().entries());
        let width = entries().map(|entry| entry.spelling().len()).max().unwrap_or(0);
        let (title, name) = (bold(unmatched.title(), style), unmatched.name());
        let counts =
            format!("{}, {}", counted(operations.len(), "operation"), counted(entries().count(), "response"));
        let mut text = format!("{title} ({name}, {}): {counts}\n", unmatched.language());
        for operation in operations {
            let heading = format!("{} {}", operation.method(), operation.path());
            let _ = writeln!(text, "\n{}", bold(&heading, style));
            for entry in operation.catalog().entries() {
                let code = format!("{:width$}", entry.spelling());
                // A default response is for successes and failures alike.
                let class = if entry.is_default() { "any" } else { entry.class().as_str() };
                let class_of_code = (!entry.is_default()).then(|| entry.class());
                let indent = format!("\n{}", " ".repeat(width + 14));
                let description = entry.description().replace('\n', &indent);
                let line = format!("  {}  {class:8}  {description}", coloured(&code, class_of_code, style));
                let _ = writeln!(text, "{}", line.trim_end());
            }
        }
        text
    }

    /// A page with one pipe table per operation.
    pub(crate) fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n", escape(self.unmatched.title()));
        for operation in &self.operations {
            let (method, path) = (operation.method(), escape(operation.path()));
            let _ = write!(page, "\n## {method} {path}\n\n| Status Code | Description |\n|---|---|\n");
            for entry in operation.catalog().entries() {
                let _ = writeln!(page, "| {} | {} |", entry.spelling(), escape(entry.description()));
            }
        }
        page
    }
}

fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

#[derive(Serialize)]
struct RoutesJson<'a> {
    routes: Vec<RouteJson<'a>>,
}

#[derive(Serialize)]
struct RouteJson<'a> {
    method: &'a str,
    path: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<&'a str>,
    base_paths: Vec<&'a str>,
    entries: Vec<EntryJson<'a>>,
    default: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    default_description: Option<&'a str>,
}

impl<'a> RouteJson<'a> {
    fn new(operation: &'a Operation) -> Self {
        let catalog = operation.catalog();
        let (default, entries): (Vec<&Entry>, Vec<&Entry>) =
            catalog.entries().iter().partition(|entry| entry.is_default());
        Self {
            method: operation.method(),
            path: operation.path(),
            hosts: operation.hosts().iter().map(|host| &**host).collect(),
            base_paths: operation.base_paths().iter().map(|base| &**base).collect(),
            entries: entries.into_iter().map(|entry| EntryJson::new(entry, catalog)).collect(),
            default: operation.has_default(),
            default_description: default.first().map(|entry| entry.description()),
        }
    }
}
