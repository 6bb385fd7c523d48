//! What an import did: what was read, from which line, by which rule, what was left out and why.

use std::fmt;

use serde::Serialize;

use crate::document::Format;

/// The account of one import.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// The file, as the caller named it.
    pub file: String,
    /// The format that it was read as.
    pub format: Format,
    /// How many lines the document has.
    pub lines: usize,
    /// The catalog's title, where it comes from, and how the language was told.
    pub facts: Vec<Remark>,
    /// The tables of the page, read or not.
    pub tables: Vec<TableReport>,
    /// Where each entry comes from.
    pub entries: Vec<EntryReport>,
    /// What was passed over.
    pub left_out: Vec<Remark>,
    /// What was read but looks wrong in the document.
    pub warnings: Vec<Remark>,
    /// Files that the document refers to and that could not be read. What is left out because of them is left out for
    /// as long as they are.
    pub unread: Vec<Unread>,
}

/// A sentence about a line of the document.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Remark {
    /// The line, from 1.
    pub line: usize,
    /// The sentence.
    pub text: String,
}

/// A file that could not be read.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Unread {
    /// The file, relative to the document's folder.
    pub file: String,
    /// Why, as a sentence that names the file.
    pub why: String,
}

/// What became of a table.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct TableReport {
    /// The line on which the table begins.
    pub line: usize,
    /// Rows, headers included.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
    /// Which column was read as what and why, or why the table was left out.
    pub outcome: Outcome,
}

/// Whether a table was read.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Outcome {
    /// Nothing of it was read; the sentence says why.
    LeftOut(String),
    /// It was read.
    Read {
        /// The column that holds the status, with the rule that found it.
        status: String,
        /// The column that holds the reason phrase, if one does.
        reason: Option<String>,
        /// The column that holds the description.
        description: String,
        /// The rule that gives the class.
        class: String,
        /// The columns that were not read, and what they hold.
        unread: Vec<String>,
    },
}

/// Where an entry comes from.
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct EntryReport {
    /// The code as the catalog spells it.
    pub code: String,
    /// The class; `any` for the default response of an OpenAPI description.
    pub class: &'static str,
    /// The lines that it was read from: more than one if several rows were merged.
    pub lines: Vec<usize>,
    /// The rule that gave the class.
    pub rule: String,
    /// Whether the document has a text for it; without one the description is the phrase.
    pub has_description: bool,
    /// What else there is to say: merged rows, methods found in the text.
    pub remarks: Vec<String>,
}

impl Report {
    pub(crate) fn new(file: &str, format: Format, text: &str) -> Self {
        Self {
            file: file.to_owned(),
            format,
            lines: text.lines().count(),
            facts: Vec::new(),
            tables: Vec::new(),
            entries: Vec::new(),
            left_out: Vec::new(),
            warnings: Vec::new(),
            unread: Vec::new(),
        }
    }

    pub(crate) fn fact(&mut self, line: usize, text: impl Into<String>) {
        self.facts.push(Remark { line, text: text.into() });
    }

    pub(crate) fn leave_out(&mut self, line: usize, text: impl Into<String>) {
        self.left_out.push(Remark { line, text: text.into() });
    }

    pub(crate) fn warn(&mut self, line: usize, text: impl Into<String>) {
        self.warnings.push(Remark { line, text: text.into() });
    }
}

impl fmt::Display for Report {
    /// The whole account, as `--explain` prints it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Whatever refers to a file that is unread is left out, and says so.
        let Self { file, format, lines, facts, tables, entries, left_out, warnings, unread: _ } = self;
        writeln!(f, "{file}: {lines} lines of {}", format.as_str())?;
        remarks(f, "", facts)?;
        for table in tables {
            let TableReport { line, rows, columns, outcome } = table;
            write!(f, "  line {line}: table of {rows} rows and {columns} columns")?;
            match outcome {
                Outcome::LeftOut(why) => writeln!(f, ", left out: {why}")?,
                Outcome::Read { status, reason, description, class, unread } => {
                    writeln!(f, ", read\n    status: {status}")?;
                    writeln!(
                        f,
                        "    reason phrase: {}",
                        reason.as_deref().unwrap_or("none in the document")
                    )?;
                    writeln!(f, "    description: {description}\n    class: {class}")?;
                    if !unread.is_empty() {
                        writeln!(f, "    left out: {}", unread.join(", "))?;
                    }
                }
            }
        }
        if !entries.is_empty() {
            writeln!(f, "  entries")?;
        }
        for EntryReport { code, class, lines, rule, remarks, has_description: _ } in entries {
            let numbers: Vec<String> = lines.iter().map(usize::to_string).collect();
            let lines = match &**lines {
                [] => String::new(),
                [line] => format!(", line {line}"),
                _ => format!(", lines {}", numbers.join(", ")),
            };
            writeln!(f, "    {code} {class}{lines}, class by {rule}")?;
            for remark in remarks {
                writeln!(f, "      {remark}")?;
            }
        }
        remarks(f, "left out: ", left_out)?;
        remarks(f, "warning: ", warnings)
    }
}

fn remarks(f: &mut fmt::Formatter<'_>, label: &str, remarks: &[Remark]) -> fmt::Result {
    for Remark { line, text } in remarks {
        writeln!(f, "  line {line}: {label}{text}")?;
    }
    Ok(())
}
