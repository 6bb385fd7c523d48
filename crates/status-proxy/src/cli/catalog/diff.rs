//! `catalog diff`: two catalogs, or two OpenAPI descriptions, side by side.

use clap::Args;
use status_catalog::{Catalog, Import};

use super::documents::{Source, table_style};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog diff sfs vpn
  status-proxy catalog diff dns docs/status-codes.md
  status-proxy catalog diff v1/openapi.yaml v2/openapi.yaml

Codes that both catalogs describe alike are only counted. Of two OpenAPI descriptions, operations are held against each
other: two are the same one if method and path are, whatever the path's parameters are called. Exits 0 whether they
differ or not.")]
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
    let style = table_style();
    let text = match (&first, &second) {
        (Source::File(first), Source::File(second)) if first.page().is_none() && second.page().is_none() => {
            let name = |import: &Import| import.unmatched().map(|catalog| catalog.name().to_owned());
            match (name(first), name(second)) {
                (Some(one), Some(other)) if one != other => first.diff(second).to_table(&one, &other, style),
                _ => first.diff(second).to_table(left, right, style),
            }
        }
        _ => {
            let first = first.catalog().ok_or_else(|| not_alike(left, right))?;
            let second = second.catalog().ok_or_else(|| not_alike(right, left))?;
            if first.name() == second.name() {
                // Two versions of one page: their files tell them apart.
                named(first, left).diff(&named(second, right)).to_table(style)
            } else {
                first.diff(second).to_table(style)
            }
        }
    };
    output::result(&text)
}

fn named(catalog: &Catalog, name: &str) -> Catalog {
    catalog.clone().with_name(name)
}

fn not_alike(description: &str, page: &str) -> Failure {
    Failure::Usage(format!(
        "{description} is an OpenAPI description and has a catalog per operation, {page} is one catalog for all: they can't be held against each other"
    ))
}
