//! Rows of a table that become entries, merged where a code is repeated.

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
}

struct Found {
    codes: (u16, u16),
    class: Class,
    rule: String,
    reason: Option<String>,
    /// Distinct texts in order, of more than one row if the code is repeated.
    descriptions: Vec<String>,
    lines: Vec<usize>,
    remarks: Vec<String>,
}

impl Entries {
    pub(super) fn read(
        &mut self,
        table: &Table,
        columns: &Columns,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Outcome {
        let Columns { headers, status, reason, description, unread } = columns;
        let rows = &table.rows[*headers..];
        let codes: Vec<u16> = rows
            .iter()
            .filter(|row| !row[status.index].from_above)
            .filter_map(|row| codes::parse(&row[status.index].text))
            .flat_map(|status| status.codes)
            .map(|(first, _)| first)
            .collect();
        let around = context.class(&codes, &status.header);
        let mut within: Option<(Class, String)> = None;
        let mut current: Option<codes::Status> = None;
        let mut in_cell = 0;
        for row in rows {
            let cell = &row[status.index];
            let line = cell.line.max(row.iter().map(|cell| cell.line).max().unwrap_or(table.line));
            if let Some(text) = is_one_cell(row) {
                match class::announced_by(text) {
                    Some(class) => within = Some((class, format!("row “{text}” (line {line})"))),
                    None => report
                        .leave_out(line, format!("row “{}” has one cell for all columns", excerpt(text))),
                }
                continue;
            }
            let text = |column: Option<&Column>| {
                column.map(|column| row[column.index].text.trim()).filter(|text| !codes::is_none(text))
            };
            let described = text(description.as_ref());
            match codes::parse(&cell.text) {
                Some(status) => current = Some(status),
                None if cell.text.trim().is_empty() && described.is_some() && current.is_some() => {}
                None => {
                    current = None;
                    if !row.iter().all(|cell| cell.text.trim().is_empty()) {
                        report.leave_out(
                            line,
                            format!("row with “{}” in the status column", excerpt(&cell.text)),
                        );
                    }
                    continue;
                }
            }
            let Some(found) = &current else { continue };
            let beside = text(reason.as_ref()).filter(|_| !cell.text.trim().is_empty());
            // Where the only text is both, a sentence is a description and no phrase.
            let is_phrase =
                |text: &&str| found.codes.iter().any(|(code, _)| phrases::is_phrase_of(text, *code));
            let beside = beside.filter(|text| !columns.share_their_text() || is_phrase(text));
            let phrase = found.phrase.as_deref().or(beside);
            in_cell += usize::from(found.phrase.is_some());
            let class = within.as_ref().or(around.as_ref());
            for codes in &found.codes {
                let (class, rule) = match class {
                    Some((class, rule)) => (*class, rule.clone()),
                    None => (Class::of_number(codes.0), "its number".to_owned()),
                };
                if class::contradicts(class, codes.0) {
                    let number = Class::of_number(codes.0).as_str();
                    report.warn(
                        line,
                        format!(
                            "{} is listed as {} by {rule}, but its number says {number}",
                            codes.0,
                            class.as_str()
                        ),
                    );
                }
                self.add(*codes, class, rule, phrase, described, line, report);
            }
        }
        Outcome::Read {
            status: status.told(),
            reason: match in_cell {
                0 => reason.as_ref().map(Column::told),
                _ => Some(format!("beside the code, on {in_cell} rows")),
            },
            description: description.as_ref().map_or("no column has text".to_owned(), Column::told),
            unread: unread.clone(),
            class: around.map_or("each code by its number".to_owned(), |(_, rule)| rule),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "one row of a table, as it is")]
    fn add(
        &mut self,
        codes: (u16, u16),
        class: Class,
        rule: String,
        phrase: Option<&str>,
        description: Option<&str>,
        line: usize,
        report: &mut Report,
    ) {
        let description = description.map(str::to_owned);
        let phrase = phrase.map(|phrase| phrase.replace('\n', " "));
        let Some(known) = self.found.iter_mut().find(|known| known.codes == codes) else {
            self.found.push(Found {
                codes,
                class,
                rule,
                reason: phrase,
                descriptions: description.into_iter().collect(),
                lines: vec![line],
                remarks: Vec::new(),
            });
            return;
        };
        if known.class != class {
            let was = known.class.as_str();
            report.warn(
                line,
                format!(
                    "{} is listed as {} here and as {was} on line {}; {was} is kept",
                    codes.0,
                    class.as_str(),
                    known.lines[0]
                ),
            );
        }
        if known.lines.last() != Some(&line) {
            known.lines.push(line);
        }
        if known.reason.is_none() {
            known.reason = phrase;
        } else if phrase.is_some() && phrase != known.reason {
            let kept = known.reason.as_deref().unwrap_or_default();
            known.remarks.push(format!(
                "line {line} has the reason phrase “{}”; “{kept}” is kept",
                phrase.unwrap_or_default()
            ));
        }
        if let Some(description) = description.filter(|description| !known.descriptions.contains(description))
        {
            known.descriptions.push(description);
        }
    }

    pub(super) fn finish(self, report: &mut Report) -> Vec<Entry> {
        let entry = |found: Found| {
            let Found { codes, class, rule, reason, descriptions, lines, mut remarks } = found;
            let has_description = !descriptions.is_empty();
            let description: Arc<str> = match &*descriptions {
                [] => reason.as_deref().unwrap_or_default().into(),
                [one] => one.as_str().into(),
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
