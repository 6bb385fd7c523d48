//! `catalog show`: a catalog for people and programs.

use clap::{Args, ValueEnum};

use super::documents::{Source, table_style};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog show sfs
  status-proxy catalog show dns --format json | jq '.entries[].code'
  status-proxy catalog show docs/status-codes.md
  status-proxy catalog show openapi.yaml --format json | jq -r '.routes[].path'

An OpenAPI description is shown operation by operation. A page that documents no status code is shown as a catalog
without entries, and standard error says why.")]
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
    let style = table_style();
    let text = match (Source::load(name)?, format) {
        (Source::Builtin(catalog), Format::Json) => catalog.to_json(),
        (Source::Builtin(catalog), Format::Markdown) => catalog.to_markdown(),
        (Source::Builtin(catalog), Format::Table) => catalog.to_table(style),
        (Source::Builtin(catalog), Format::Toml) => catalog.to_toml(),
        (Source::File(import), Format::Json) => import.to_json(),
        (Source::File(import), Format::Markdown) => import.to_markdown(),
        (Source::File(import), Format::Table) => import.to_table(style),
        (Source::File(import), Format::Toml) => import.to_toml(),
    };
    output::result(&text)
}
