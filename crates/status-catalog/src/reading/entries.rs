//! Rows of a table that become entries, merged where a code is repeated.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::columns::{Column, Columns};
use super::context::Context;
use super::{class, codes, methods, phrases};
use crate::document::{Cell, Table};
use crate::report::{EntryReport, Outcome, Report};
use crate::{Class, Entry, Text};

/// The entries found so far, by code.
#[derive(Default)]
pub(super) struct Entries {
    found: Vec<Found>,
    /// Where each code is among those found.
    places: HashMap<(u16, u16), usize>,
}

struct Found {
    codes: (u16, u16),
    class: Class,
    rule: String,
    reason: Option<String>,
    /// Distinct texts in order, of more than one row if the code is repeated.
    descriptions: Vec<Arc<str>>,
    known_descriptions: HashSet<Arc<str>>,
    lines: Vec<usize>,
    remarks: Vec<String>,
}

/// What one row says of one code.
struct Listed<'a> {
    codes: (u16, u16),
    class: Class,
    rule: String,
    phrase: Option<&'a str>,
    description: Option<&'a str>,
    line: usize,
}

impl Entries {
    pub(super) fn read(
        &mut self,
        table: &Table,
        columns: &Columns,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Outcome {
        let Columns { headers, status, reason, description, class, unread } = columns;
        let rows = &table.rows[*headers..];
        let own = rows.iter().map(|row| &row[status.index]).filter(|cell| !cell.from_above);
        let codes: Vec<u16> = own
            .filter_map(|cell| codes::parse(&cell.text))
            .flat_map(|status| status.codes)
            .map(|codes| codes.0)
            .collect();
        let mut reader = Reader {
            columns,
            around: context.class(&codes, &status.header, table.line, report),
            within: None,
            beside: None,
            current: None,
            in_cell: 0,
            in_column: 0,
        };
        for row in rows {
            reader.row(row, self, report);
        }
        let mut unread = unread.clone();
        if let Some(column) = reason
            && reader.in_cell > 0
            && reader.in_column == 0
            && !columns.share_their_text()
        {
            unread.insert(0, column.named("phrases, which stand beside the codes, too"));
        }
        Outcome::Read {
            status: status.told(),
            reason: match (reader.in_cell, reason) {
                (0, reason) => reason.as_ref().map(Column::told),
                (rows, Some(column)) if reader.in_column > 0 => {
                    Some(format!("beside the code, on {}; elsewhere {}", count(rows), column.told()))
                }
                (rows, _) => Some(format!("beside the code, on {}", count(rows))),
            },
            description: description.as_ref().map_or("no column has text".to_owned(), Column::told),
            unread,
            class: match (class, reader.around) {
                (Some(column), _) => column.told(),
                (None, Some((_, rule))) => rule,
                (None, None) => "each code by its number".to_owned(),
            },
        }
    }

    fn add(&mut self, listed: Listed<'_>, report: &mut Report) {
        let Listed { codes, class, rule, phrase, description, line } = listed;
        let phrase = phrase.map(|phrase| phrase.replace('\n', " "));
        let place = *self.places.entry(codes).or_insert(self.found.len());
        if place == self.found.len() {
            self.found.push(Found {
                codes,
                class,
                rule: rule.clone(),
                reason: phrase.clone(),
                descriptions: Vec::new(),
                known_descriptions: HashSet::new(),
                lines: vec![line],
                remarks: Vec::new(),
            });
        }
        let known = &mut self.found[place];
        if known.class != class {
            let (is, was, before) = (class.as_str(), known.class.as_str(), known.lines[0]);
            report.warn(
                line,
                format!("{} is listed as {is} here and as {was} on line {before}; {was} is kept", codes.0),
            );
        }
        if known.lines.last() != Some(&line) {
            known.lines.push(line);
        }
        match (&known.reason, phrase) {
            (None, phrase) => known.reason = phrase,
            (Some(kept), Some(phrase)) if *kept != phrase => {
                known.remarks.push(format!("line {line} has the reason phrase “{phrase}”; “{kept}” is kept"));
            }
            _ => {}
        }
        if let Some(description) = description.map(Arc::<str>::from)
            && known.known_descriptions.insert(Arc::clone(&description))
        {
            known.descriptions.push(description);
        }
    }

    pub(super) fn finish(self, report: &mut Report) -> Vec<Entry> {
        let entry = |found: Found| {
            let Found { codes, class, rule, reason, descriptions, known_descriptions: _, lines, mut remarks } =
                found;
            let has_description = !descriptions.is_empty();
            if !has_description {
                let instead = if reason.is_some() { "phrase" } else { "registered phrase" };
                remarks.push(format!("no description in the document: its {instead} stands for it"));
            }
            let description: Arc<str> = match &*descriptions {
                // Something has to be said to whoever gets the code: the document's phrase, or the registered one.
                [] => reason
                    .as_deref()
                    .or(phrases::phrase_of(codes.0).filter(|_| codes.0 == codes.1))
                    .unwrap_or_default()
                    .into(),
                [one] => Arc::clone(one),
                several => {
                    remarks.push(format!(
                        "merged from {} rows: {} distinct descriptions, one a line",
                        lines.len(),
                        several.len()
                    ));
                    several.join("\n").into()
                }
            };
            let methods = if class == Class::Normal { methods::named_in(&description) } else { Vec::new() };
            if !methods.is_empty() {
                remarks.push(format!("for {}, as the description says", methods.join(", ")));
            }
            let text = Text { reason: reason.map(Arc::from), description };
            let (first, last) = codes;
            let entry = Entry { first, last, class, methods, media_types: Vec::new(), texts: vec![text] };
            report.entries.push(EntryReport {
                code: entry.spelling(),
                class: class.as_str(),
                lines,
                rule,
                has_description,
                remarks,
            });
            entry
        };
        self.found.into_iter().map(entry).collect()
    }
}

/// Reads the rows of one table, each in the light of those above it.
struct Reader<'a> {
    columns: &'a Columns,
    /// The class that stands around the table, and the rule that gives it.
    around: Option<(Class, String)>,
    /// The class that a row across all columns announced.
    within: Option<(Class, String)>,
    /// The class that a cell of this row, or of the last row that has one, names.
    beside: Option<(Class, String)>,
    /// The code of the row, or of the last row that had one.
    current: Option<codes::Status>,
    /// How many rows had a phrase beside the code, how many others in a column of its own.
    in_cell: usize,
    in_column: usize,
}

impl Reader<'_> {
    /// Where a row says what it says: at its description, else at its code.
    fn line(&self, row: &[Cell]) -> usize {
        let Columns { status, description, .. } = self.columns;
        let told = description.iter().chain([status]).map(|column| &row[column.index]);
        let own = told.filter(|cell| !cell.from_above && cell.line > 0).map(|cell| cell.line).next();
        own.or(row.iter().map(|cell| cell.line).max()).unwrap_or_default()
    }

    fn row(&mut self, row: &[Cell], entries: &mut Entries, report: &mut Report) {
        let line = self.line(row);
        if let Some(text) = is_one_cell(row) {
            match class::announced_by(text) {
                Some(class) => self.within = Some((class, format!("row “{text}” (line {line})"))),
                None => {
                    report.leave_out(line, format!("row “{}” has one cell for all columns", excerpt(text)))
                }
            }
            return;
        }
        let text = |column: Option<&Column>| {
            column.map(|column| row[column.index].text.trim()).filter(|text| !codes::is_none(text))
        };
        let description = text(self.columns.description.as_ref());
        let cell = row[self.columns.status.index].text.trim();
        let continues = cell.is_empty() && description.is_some() && self.current.is_some();
        if !continues {
            self.current = codes::parse(cell);
        }
        let Some(status) = &self.current else {
            if row.iter().any(|cell| !cell.text.trim().is_empty()) {
                report.leave_out(line, format!("row with “{}” in the status column", excerpt(cell)));
            }
            return;
        };
        // Where the only text is both, a sentence is a description and no phrase.
        let is_phrase = |text: &&str| status.codes.iter().any(|(code, _)| phrases::is_phrase_of(text, *code));
        let beside = text(self.columns.reason.as_ref())
            .filter(|text| !cell.is_empty() && (!self.columns.share_their_text() || is_phrase(text)));
        self.in_cell += usize::from(status.phrase.is_some());
        self.in_column += usize::from(status.phrase.is_none() && beside.is_some());
        if let Some(column) = &self.columns.class
            && let Some(class) = class::announced_by(&row[column.index].text)
        {
            self.beside = Some((class, format!("cell “{}”", row[column.index].text.trim())));
        }
        for codes in &status.codes {
            let (class, rule) = match self.beside.as_ref().or(self.within.as_ref()).or(self.around.as_ref()) {
                Some((class, rule)) => (*class, rule.clone()),
                None => (Class::of_number(codes.0), "its number".to_owned()),
            };
            if class::contradicts(class, codes.0) {
                let (is, number) = (class.as_str(), Class::of_number(codes.0).as_str());
                report.warn(
                    line,
                    format!("{} is listed as {is} by {rule}, but its number says {number}", codes.0),
                );
            }
            let phrase = status.phrase.as_deref().or(beside);
            entries.add(Listed { codes: *codes, class, rule, phrase, description, line }, report);
        }
    }
}

fn count(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

/// The text of a row that is one cell across all columns.
fn is_one_cell(row: &[Cell]) -> Option<&str> {
    let [first, rest @ ..] = row else { return None };
    (!rest.is_empty() && rest.iter().all(|cell| cell.from_left)).then_some(first.text.trim())
}

fn excerpt(text: &str) -> String {
    let line = text.replace('\n', " ");
    match line.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
