//! `catalog check`: what the writer of a document would want to know before publishing it.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::IsTerminal as _,
    path::{Path, PathBuf},
};

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};
use clap::{Args, ValueEnum};
use status_catalog::{Finding, Importer};

use super::documents::{self, Document, failure, why_nothing};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog check docs/status-codes.md
  status-proxy catalog check docs/ openapi.yaml
  status-proxy catalog check openapi.yaml | grep -v phrase_only

Each finding is a line: FILE:LINE: what is wrong (rule). On a terminal it is a picture of the place.

The rules for pages:
  blames_client          a 502 that says the request was invalid
  class_contradiction    a class that the number excludes, such as a 5xx under Normal
  merged                 a code with several descriptions
  missing_description    a code without a description
  missing_ok             a page without 200
  phrase_capitalisation  a phrase in unusual capitals, such as `internal Server Error`
  run_together_phrase    a phrase without its spaces, such as `NoContent`
  wrong_phrase           the phrase of another code, such as `201 OK`

The rule for documents that are named, not found in a folder:
  no_codes               a document in which no status code was recognised

The rules for OpenAPI descriptions, with blames_client and missing_description:
  ambiguous_path         a path that matches the same requests as another, such as `/a/{x}` and `/a/{y}`
  default_only           an operation with a `default` response alone
  missing_error          an operation without any 4xx, 5xx or `default`
  missing_responses      an operation without a response
  missing_success        an operation without a response below 400
  phrase_only            an error whose description only repeats the phrase, such as `Not Found` for 404
  repeated_key           the same key twice in one mapping: readers keep one of them
  unknown_status         a key of `responses` that is no status, no range and not `default`
  unmatchable_path       a path with a query, a fragment or a lone brace, or without a slash at its beginning
  unresolved_reference   a `$ref` that leads nowhere

Exits 0 if nothing is found, 1 if something is, 2 if a document could not be read.")]
pub(super) struct Arguments {
    /// Documents, or folders of documents
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// How findings are written [default: picture on a terminal, line elsewhere]
    #[arg(long, value_enum)]
    format: Option<Format>,
}

/// The rule that a document without any code breaks.
const NO_CODES: &str = "no_codes";

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// A line each
    Line,
    /// The place in the document
    Picture,
}

pub(super) fn check(Arguments { files, format }: &Arguments) -> Result<(), Failure> {
    let format = format
        .unwrap_or_else(|| if std::io::stdout().is_terminal() { Format::Picture } else { Format::Line });
    let documents = documents::expand(files)?.documents;
    let (mut found, mut failed) = (BTreeMap::new(), 0);
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
            // A folder may hold pages about anything.
            if files.contains(file) {
                *found.entry(NO_CODES).or_insert(0) += 1;
                let file = file.display();
                output::result(&format!("{file}:1: documents no HTTP status code ({NO_CODES})\n"))?;
            }
        }
        let findings = import.check();
        for finding in &findings {
            *found.entry(finding.rule.as_str()).or_insert(0) += 1;
        }
        output::result(&written(file, &findings, format))?;
    }
    let total: usize = found.values().sum();
    match (failed, total) {
        (0, 0) => Ok(()),
        (0, 1) => Err(Failure::Runtime("1 finding".to_owned())),
        (0, _) => Err(Failure::Runtime(format!("{total} findings: {}", by_rule(&found)))),
        _ => Err(Failure::Usage(format!("{failed} of {} documents could not be read", documents.len()))),
    }
}

/// `3 missing_error, 1 phrase_only`, the most frequent first.
fn by_rule(found: &BTreeMap<&str, usize>) -> String {
    let mut found: Vec<_> = found.iter().map(|(rule, count)| (*count, *rule)).collect();
    found.sort_by_key(|(count, _)| std::cmp::Reverse(*count));
    found.iter().map(|(count, rule)| format!("{count} {rule}")).collect::<Vec<_>>().join(", ")
}

fn written(document: &Path, findings: &[Finding], format: Format) -> String {
    let mut text = String::new();
    let mut source = Source::default();
    for finding in findings {
        let file = match &finding.file {
            Some(beside) => document.with_file_name(beside),
            None => document.to_owned(),
        };
        let picture = match format {
            Format::Line => None,
            Format::Picture => source.picture(&file, finding),
        };
        let _ = match picture {
            Some(picture) => writeln!(text, "{picture}\n"),
            None => writeln!(text, "{}", line(&file, finding)),
        };
    }
    text
}

fn line(file: &Path, finding: &Finding) -> String {
    let Finding { line, column, rule, text, .. } = finding;
    let column = if *column > 1 { format!(":{column}") } else { String::new() };
    format!("{}:{line}{column}: {text} ({})", file.display(), rule.as_str())
}

/// The lines of the file that the findings are about: they come file by file.
#[derive(Default)]
struct Source {
    file: PathBuf,
    lines: Vec<String>,
}

/// Longer lines, such as that of a description in one line, make no picture.
const LONGEST: usize = 1_000;

impl Source {
    fn picture(&mut self, file: &Path, finding: &Finding) -> Option<String> {
        if self.file != file {
            let text = std::fs::read_to_string(file).ok()?;
            *self = Self { file: file.to_owned(), lines: text.lines().map(str::to_owned).collect() };
        }
        let Finding { line, column, rule, text, .. } = finding;
        let source =
            self.lines.get(line - 1).filter(|line| !line.trim().is_empty() && line.len() <= LONGEST)?;
        let start = match column {
            1 => source.len() - source.trim_start().len(),
            _ => source.char_indices().nth(column - 1).map_or(0, |(start, _)| start),
        };
        let snippet = Snippet::source(source)
            .path(file.display().to_string())
            .line_start(*line)
            .annotation(AnnotationKind::Primary.span(start..source.trim_end().len().max(start)));
        let title = Level::WARNING.primary_title(text).id(rule.as_str());
        let coloured = output::is_coloured(&std::io::stdout());
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        Some(renderer.render(&[title.element(snippet)]).to_string())
    }
}
