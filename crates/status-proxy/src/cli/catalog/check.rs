//! `catalog check`: what the writer of a page would want to know before publishing it.

use std::{fmt::Write as _, path::PathBuf};

use clap::Args;
use status_catalog::Importer;

use super::documents::{self, Document, failure, why_nothing};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog check docs/status-codes.md
  status-proxy catalog check docs/

Each finding is a line: FILE:LINE: what is wrong (rule). The rules:
  blames_client          a 502 that says the request was invalid
  class_contradiction    a class that the number excludes, such as a 5xx under Normal
  merged                 a code with several descriptions
  missing_description    a code without a description
  missing_ok             a page without 200
  phrase_capitalisation  a phrase in unusual capitals, such as `internal Server Error`
  run_together_phrase    a phrase without its spaces, such as `NoContent`
  wrong_phrase           the phrase of another code, such as `201 OK`
OpenAPI descriptions are only parsed. Exits 0 if nothing is found, 1 if something is, 2 if a document could not be read.")]
pub(super) struct Arguments {
    /// Documents, or folders of documents
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
}

pub(super) fn check(Arguments { files }: &Arguments) -> Result<(), Failure> {
    let documents = documents::expand(files)?;
    let (mut text, mut found, mut failed) = (String::new(), 0, 0);
    for Document { file, .. } in &documents {
        let import = match Importer::new().import(file).map_err(failure) {
            Ok(import) => import,
            Err(failure) => {
                output::note(&format!("error: {failure}"));
                failed += 1;
                continue;
            }
        };
        if import.is_empty() {
            output::note(&why_nothing(&import));
        }
        for finding in import.check() {
            let (file, rule) = (file.display(), finding.rule.as_str());
            let _ = writeln!(text, "{file}:{}: {} ({rule})", finding.line, finding.text);
            found += 1;
        }
    }
    output::result(&text)?;
    let total = documents.len();
    match (failed, found) {
        (0, 0) => Ok(()),
        (0, 1) => Err(Failure::Runtime("1 finding".to_owned())),
        (0, _) => Err(Failure::Runtime(format!("{found} findings"))),
        _ => Err(Failure::Usage(format!("{failed} of {total} documents could not be read"))),
    }
}
