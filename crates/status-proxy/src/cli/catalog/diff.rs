//! `catalog diff`: two catalogs side by side.

use clap::Args;

use super::{
    documents::{Source, table_style},
    show::several,
};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog diff sfs vpn
  status-proxy catalog diff dns docs/status-codes.md

Codes that both catalogs describe alike are only counted. Exits 0 whether they differ or not.")]
pub(super) struct Arguments {
    /// A built-in catalog, or a document's file name
    #[arg(value_name = "A")]
    left: String,
    /// The one to hold against it
    #[arg(value_name = "B")]
    right: String,
}

pub(super) fn diff(Arguments { left, right }: &Arguments) -> Result<(), Failure> {
    let (first, second) = (Source::load(left)?, Source::load(right)?);
    let first = first.catalog().ok_or_else(|| several(left))?;
    let second = second.catalog().ok_or_else(|| several(right))?;
    output::result(&first.diff(second).to_table(table_style()))
}
