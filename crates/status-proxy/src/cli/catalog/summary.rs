//! What became of many documents: a line while they are read, a table at the end, both on standard error.

use std::path::Path;

use status_catalog::Import;
use unicode_width::UnicodeWidthStr as _;

use super::progress::Progress;
use crate::cli::output;

/// One document.
pub(super) struct Row {
    cells: [String; 5],
    outcome: Outcome,
}

#[derive(Clone, Copy, Eq, PartialEq)]
enum Outcome {
    Catalog,
    Failed,
    Nothing,
    Operations,
}

impl Row {
    pub(super) fn failed(file: &Path) -> Self {
        let cells = [&file.display().to_string(), "-", "error", "-", "-"];
        Self { cells: cells.map(str::to_owned), outcome: Outcome::Failed }
    }

    /// `target` is where it was written, if it was.
    pub(super) fn read(file: &Path, import: &Import, target: Option<&Path>) -> Self {
        let (outcome, found) = match import.page() {
            _ if import.is_empty() => (Outcome::Nothing, "nothing".to_owned()),
            Some(page) => (Outcome::Catalog, counted(page.entries().len(), "code", "codes")),
            None => (Outcome::Operations, counted(import.operations().len(), "operation", "operations")),
        };
        let outcome = if target.is_none() && outcome != Outcome::Nothing { Outcome::Failed } else { outcome };
        let report = import.report();
        let warnings = match report.warnings.len() {
            0 => "-".to_owned(),
            warnings => warnings.to_string(),
        };
        let target = target.map_or_else(|| "-".to_owned(), |target| target.display().to_string());
        let cells = [file.display().to_string(), report.format.as_str().to_owned(), found, warnings, target];
        Self { cells, outcome }
    }
}

pub(super) struct Summary {
    progress: Progress,
    rows: Vec<Row>,
    is_coloured: bool,
}

const HEADERS: [&str; 5] = ["DOCUMENT", "FORMAT", "FOUND", "WARNINGS", "WRITTEN TO"];

impl Summary {
    pub(super) fn new(documents: usize) -> Self {
        let is_coloured = output::is_coloured(&std::io::stderr());
        Self { progress: Progress::new(documents, is_coloured), rows: Vec::new(), is_coloured }
    }

    pub(super) fn begin(&self, file: &Path) {
        self.progress.show(self.rows.len(), file);
    }

    /// Does something that may write to standard error.
    pub(super) fn aside(&self, write: impl FnOnce()) {
        self.progress.clear();
        write();
    }

    pub(super) fn add(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The table, and how many documents gave what.
    pub(super) fn finish(self, passed_over: usize) -> String {
        let Self { progress, rows, is_coloured } = self;
        progress.clear();
        let mut widths = HEADERS.map(str::width);
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(&row.cells) {
                *width = cell.width().max(*width);
            }
        }
        let line = |cells: [&str; 5]| {
            let padded = cells
                .iter()
                .zip(widths)
                .map(|(cell, width)| format!("{cell}{:1$}", "", width - cell.width()));
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        let paint = |colour: &str, text: String| match is_coloured {
            true => format!("\x1b[{colour}m{text}\x1b[0m"),
            false => text,
        };
        let mut lines = vec![paint("1", line(HEADERS))];
        for Row { cells, outcome } in &rows {
            let text = line(cells.each_ref().map(String::as_str));
            lines.push(match outcome {
                Outcome::Failed => paint("31", text),
                Outcome::Nothing => paint("33", text),
                Outcome::Catalog | Outcome::Operations => text,
            });
        }
        let count = |wanted: Outcome| rows.iter().filter(|row| row.outcome == wanted).count();
        let parts = [
            (count(Outcome::Catalog), "page", "pages"),
            (count(Outcome::Operations), "OpenAPI description", "OpenAPI descriptions"),
            (count(Outcome::Nothing), "document without status codes", "documents without status codes"),
            (count(Outcome::Failed), "failure", "failures"),
            (passed_over, "other YAML or JSON file passed over", "other YAML or JSON files passed over"),
        ];
        let parts = parts.into_iter().filter(|(count, ..)| *count > 0);
        let parts = parts.map(|(count, one, several)| counted(count, one, several));
        lines.push(parts.collect::<Vec<_>>().join(", "));
        lines.join("\n")
    }
}

pub(super) fn counted(count: usize, one: &str, several: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { several })
}
