//! `catalog`: what documents promise.

use std::{fmt::Write as _, path::Path};

use clap::{Args, Subcommand, ValueEnum};
use status_catalog::{BUILTIN, Catalog, Class, TableStyle};

use super::{Failure, output};
use crate::config::load_catalog;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the built-in catalogs
    List,
    /// Show what a catalog promises
    #[command(after_help = "Examples:
  status-proxy catalog show sfs
  status-proxy catalog show dns --format json | jq '.entries[].code'
  status-proxy catalog show docs/status-codes.md")]
    Show {
        /// A built-in catalog, or a document's file name
        #[arg(value_name = "NAME|FILE")]
        name: String,
        /// How to write it; the table is coloured on a terminal
        #[arg(long, value_enum, default_value_t = Format::Table)]
        format: Format,
    },
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

pub(super) fn catalog(Arguments { command }: Arguments) -> Result<(), Failure> {
    match command {
        Command::List => output::result(&list()),
        Command::Show { name, format } => {
            let catalog = load_catalog(&name, Path::new("")).map_err(Failure::Usage)?;
            output::result(&match format {
                Format::Table if output::is_coloured(&std::io::stdout()) => {
                    catalog.to_table(TableStyle::Coloured)
                }
                Format::Table => catalog.to_table(TableStyle::Plain),
                Format::Json => catalog.to_json(),
                Format::Toml => catalog.to_toml(),
                Format::Markdown => catalog.to_markdown(),
            })
        }
    }
}

fn list() -> String {
    let mut text = String::from("NAME  NORMAL  ABNORMAL  ENVELOPE                       TITLE\n");
    for name in BUILTIN {
        let Some(catalog) = Catalog::builtin(name) else { continue };
        let of = |class| catalog.entries().iter().filter(|entry| entry.class() == class).count();
        let envelope = catalog.envelope();
        let members = format!("{{{}, {}}}", envelope.code, envelope.message);
        let envelope = match &envelope.wrapper {
            Some(wrapper) => format!("{wrapper} {members}"),
            None => members,
        };
        let (normal, abnormal) = (of(Class::Normal), of(Class::Abnormal));
        let title = catalog.title();
        let default = if name == BUILTIN[BUILTIN.len() - 1] { " (default)" } else { "" };
        let _ = writeln!(text, "{name:<6}{normal:<8}{abnormal:<10}{envelope:<31}{title}{default}");
    }
    text
}
