//! `catalog show`: a catalog for people and programs.

use clap::{Args, ValueEnum};
use status_catalog::{Catalog, Operation, TableStyle};

use super::documents::{Source, table_style};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog show sfs
  status-proxy catalog show dns --format json | jq '.entries[].code'
  status-proxy catalog show docs/status-codes.md
  status-proxy catalog show openapi.yaml --format json | jq -r '.routes[].path'

A page that documents no status code is shown as a catalog without entries, and standard error says why.")]
pub(super) struct Arguments {
    /// A built-in catalog, or a document's file name
    #[arg(value_name = "NAME|FILE")]
    name: String,
    /// How to write it; the table is coloured on a terminal
    #[arg(long, value_enum, default_value_t = Format::Table)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For keeping
    Toml,
    /// For pages
    Markdown,
}

pub(super) fn show(Arguments { name, format }: &Arguments) -> Result<(), Failure> {
    let source = Source::load(name)?;
    let style = table_style();
    let page = || source.catalog().ok_or_else(|| several(name));
    let text = match (format, &source) {
        (Format::Json, Source::Builtin(catalog)) => catalog.to_json(),
        (Format::Json, Source::File(import)) => import.to_json(),
        (Format::Toml, _) => page()?.to_toml(),
        (Format::Markdown, _) => page()?.to_markdown(),
        (Format::Table, Source::Builtin(catalog)) => catalog.to_table(style),
        (Format::Table, Source::File(import)) => match import.page() {
            Some(page) => page.to_table(style),
            None => operations(import.operations(), style),
        },
    };
    output::result(&text)
}

/// Why an OpenAPI description is not written as what holds one catalog.
pub(super) fn several(name: &str) -> Failure {
    Failure::Usage(format!(
        "{name}: an OpenAPI description has a catalog per operation: `catalog show {name} --format json` writes them all"
    ))
}

fn operations(operations: &[Operation], style: TableStyle) -> String {
    let table = |operation: &Operation| {
        let name = format!("{} {}", operation.method(), operation.path());
        Catalog::clone(operation.catalog()).with_name(name).to_table(style)
    };
    operations.iter().map(table).collect::<Vec<_>>().join("\n")
}
