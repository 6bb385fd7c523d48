//! `check`: every error of a configuration in one go.

use std::path::PathBuf;

use clap::Args;

use super::{Failure, output};
use crate::config::{Config, Overrides, Series};

#[derive(Debug, Args)]
#[command(after_help = "Exits 0 if `run --config FILE` would start, 2 if not.")]
pub(super) struct Arguments {
    /// The configuration file
    #[arg(long, short, value_name = "FILE")]
    config: PathBuf,
}

pub(super) fn check(Arguments { config: file }: &Arguments) -> Result<(), Failure> {
    let config = Config::load(Some(file), &Overrides::default())?;
    let mut text = format!("{}: no errors\n", file.display());
    for route in config.all_routes() {
        let upstream = match &route.upstream {
            Some(upstream) => upstream.to_string(),
            None => "answered 404".to_owned(),
        };
        let matches = route.requests();
        let operations = match &route.operations {
            Some(operations) => format!(" ({} operations)", operations.len()),
            None => String::new(),
        };
        let (name, catalog, mode) = (&route.name, route.catalog.name(), route.mode.as_str());
        text.push_str(&format!(
            "  route {name}: {matches} -> {upstream}, catalog {catalog}{operations}, {mode}\n"
        ));
    }
    let Series { in_practice, at_most, .. } = config.series();
    text.push_str(&format!(
        "  metrics: about {in_practice} series in practice, {at_most} at the very most\n"
    ));
    for warning in config.warnings() {
        text.push_str(&format!("  warning: {warning}\n"));
    }
    output::result(&text)
}
