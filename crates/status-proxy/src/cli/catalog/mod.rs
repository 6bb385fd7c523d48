//! `catalog`: what documents promise.

mod check;
mod diff;
mod documents;
mod import;
mod languages;
mod progress;
mod show;
mod summary;

use std::fmt::Write as _;

use clap::{Args, Subcommand};
use status_catalog::{BUILTIN, Catalog, Class};

use super::{Failure, output};

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Find what is wrong with documents as documentation
    Check(check::Arguments),
    /// Hold two catalogs or OpenAPI descriptions against each other
    Diff(diff::Arguments),
    /// Turn documents into catalogs
    Import(import::Arguments),
    /// List the built-in catalogs
    List,
    /// Show what a catalog promises
    Show(show::Arguments),
}

pub(super) fn catalog(Arguments { command }: Arguments) -> Result<(), Failure> {
    match command {
        Command::Check(arguments) => check::check(&arguments),
        Command::Diff(arguments) => diff::diff(&arguments),
        Command::Import(arguments) => import::import(&arguments),
        Command::List => output::result(&list()),
        Command::Show(arguments) => show::show(&arguments),
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
