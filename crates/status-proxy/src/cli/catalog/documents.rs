//! Documents as arguments: which files are meant, what stands in them, and what is said if nothing does.

use std::{fmt::Write as _, path::Path, sync::Arc};

use status_catalog::{Catalog, Import, ImportError, Importer, Outcome, TableStyle};

use super::super::{Failure, output, with_sources};
use crate::config::{Named, named};

/// A built-in catalog or what a file holds.
pub(super) enum Source {
    Builtin(Arc<Catalog>),
    File(Box<Import>),
}

impl Source {
    /// Of a name as people type it; a page that documents nothing is said to on standard error.
    pub(super) fn load(name: &str) -> Result<Self, Failure> {
        match named(name, Path::new("")).map_err(Failure::Usage)? {
            Named::Builtin(catalog) => Ok(Self::Builtin(catalog)),
            Named::File(file) => {
                let import = Importer::new().import(&file).map_err(failure)?;
                if import.is_empty() {
                    output::note(&why_nothing(&import));
                }
                Ok(Self::File(Box::new(import)))
            }
        }
    }

    /// The catalog, without entries if the page documents none; `None` for an OpenAPI description.
    pub(super) fn catalog(&self) -> Option<&Catalog> {
        match self {
            Self::Builtin(catalog) => Some(catalog),
            Self::File(import) => import.page(),
        }
    }
}

/// The picture of the place goes first, to standard error.
pub(super) fn failure(error: ImportError) -> Failure {
    if let ImportError::Malformed(malformed) = &error {
        output::error_picture(&malformed.picture(output::is_coloured(&std::io::stderr())));
    }
    Failure::Usage(with_sources(&error))
}

/// That a document documents nothing, and why.
pub(super) fn why_nothing(import: &Import) -> String {
    let report = import.report();
    let mut text = format!("{}: documents no HTTP status code", report.file);
    for table in &report.tables {
        if let Outcome::LeftOut(why) = &table.outcome {
            let _ = write!(text, "\n  line {}: table left out: {why}", table.line);
        }
    }
    for remark in &report.left_out {
        let _ = write!(text, "\n  line {}: {}", remark.line, remark.text);
    }
    text
}

/// How a table for standard output looks.
pub(super) fn table_style() -> TableStyle {
    if output::is_coloured(&std::io::stdout()) { TableStyle::Coloured } else { TableStyle::Plain }
}
