//! From blocks to entries: the one place that decides what a page means.

mod class;
mod codes;
mod columns;
mod methods;
mod phrases;

use std::sync::Arc;

use crate::document::{Block, Cell, Document, Note, Table};
use crate::report::{EntryReport, Outcome, Report, TableReport};
use crate::{Class, Entry, Text};

pub(crate) use class::contradicts;
use columns::Columns;
pub(crate) use phrases::{is_phrase_of, phrase_of, spelled_phrase};

/// What a page says.
pub(crate) struct Page {
    pub(crate) title: String,
    pub(crate) language: &'static str,
    pub(crate) entries: Vec<Entry>,
}

/// Reads the entries of all tables, in the document's order.
pub(crate) fn read(document: &Document, report: &mut Report) -> Page {
    let title = title(document, report);
    let language = language(document, report);
    let mut entries = Entries::default();
    let mut context = Context::default();
    for block in &document.blocks {
        match block {
            Block::Caption(note) => context.captions.push(note),
            Block::Heading(level, note) => context.open_section(*level, note),
            Block::LeftOut(note) => report.leave_out(note.line, &*note.text),
            Block::ListItem(note) => context.items.push(note),
            Block::Paragraph(note) if is_caption(&note.text) => context.captions.push(note),
            Block::Paragraph(note) => context.paragraphs.push(note),
            Block::Table(table) => {
                let outcome = match columns::find(table, context.is_about_status()) {
                    Ok(columns) => entries.read(table, &columns, &context, report),
                    Err(why) => Outcome::LeftOut(why),
                };
                let Table { line, columns, rows, .. } = table;
                report.tables.push(TableReport { line: *line, rows: rows.len(), columns: *columns, outcome });
                context.end_table();
            }
        }
    }
    if report.tables.is_empty() {
        report.leave_out(1, "the page has no table: status codes in prose or lists are not read");
    }
    Page { title, language, entries: entries.finish(report) }
}

fn title(document: &Document, report: &mut Report) -> String {
    let mut headings = document.blocks.iter().filter_map(|block| match block {
        Block::Heading(_, note) => Some(note),
        _ => None,
    });
    match headings.next() {
        Some(note) => {
            report.fact(note.line, format!("title “{}”, the first heading", note.text));
            note.text.clone()
        }
        None => {
            report.fact(1, "title “Status Codes”, because the page has no heading");
            "Status Codes".to_owned()
        }
    }
}

/// The language by script: a page with Han characters is Chinese, with kana Japanese, anything else English.
fn language(document: &Document, report: &mut Report) -> &'static str {
    let (mut han, mut kana, mut letters) = (0, 0, 0);
    let mut count = |text: &str| {
        for character in text.chars().filter(|character| character.is_alphabetic()) {
            match character {
                '\u{3040}'..='\u{30ff}' => kana += 1,
                '\u{3400}'..='\u{9fff}' => han += 1,
                _ => letters += 1,
            }
        }
    };
    for block in &document.blocks {
        match block {
            Block::Caption(note)
            | Block::Heading(_, note)
            | Block::LeftOut(note)
            | Block::ListItem(note)
            | Block::Paragraph(note) => count(&note.text),
            Block::Table(table) => table.rows.iter().flatten().for_each(|cell| count(&cell.text)),
        }
    }
    let (language, why) = match () {
        () if kana * 10 > letters => ("ja", "kana"),
        () if han * 10 > letters => ("zh", "Han characters"),
        () => ("en", "neither Han characters nor kana"),
    };
    report.fact(1, format!("language “{language}”: the page has {why}"));
    language
}

/// `Table 1 Return code for failed requests`, `表 1  正常返回值`.
fn is_caption(text: &str) -> bool {
    let rest = ["Table", "表"].iter().find_map(|word| text.strip_prefix(word)).map(str::trim_start);
    rest.is_some_and(|rest| {
        rest.starts_with(|digit: char| digit.is_ascii_digit()) && rest.chars().count() < 120
    })
}

/// What stands before a table and says what it is about.
#[derive(Default)]
struct Context<'a> {
    /// The title and the sections that are open, outermost first.
    sections: Vec<(u8, &'a Note)>,
    captions: Vec<&'a Note>,
    items: Vec<&'a Note>,
    paragraphs: Vec<&'a Note>,
}

impl<'a> Context<'a> {
    fn open_section(&mut self, level: u8, note: &'a Note) {
        self.sections.retain(|(open, _)| *open < level);
        self.sections.push((level, note));
        self.end_table();
    }

    fn end_table(&mut self) {
        self.captions.clear();
        self.items.clear();
        self.paragraphs.clear();
    }

    fn is_about_status(&self) -> bool {
        let sections = self.sections.iter().map(|(_, note)| *note);
        let mut notes =
            sections.chain(self.captions.iter().chain(&self.items).chain(&self.paragraphs).copied());
        notes.any(|note| columns::is_status_header(&note.text) || note.text.contains("HTTP"))
    }

    /// The class that stands around the table, nearest and plainest first.
    fn class(&self, codes: &[u16], header: &str) -> Option<(Class, String)> {
        let last = |notes: &[&'a Note], what: &str| {
            let found = notes.iter().rev().find_map(|note| Some((class::announced_by(&note.text)?, *note)));
            found.map(|(class, note)| (class, format!("{what} “{}” (line {})", note.text, note.line), false))
        };
        let items: Vec<&Note> = self.items.iter().copied().filter(|note| is_short(note)).collect();
        let paragraphs: Vec<&Note> = self.paragraphs.iter().copied().filter(|note| is_short(note)).collect();
        let sections = self.sections.iter().rev().filter_map(|(level, note)| {
            let is_title = self.sections.first().is_some_and(|(first, _)| first == level);
            let what = if is_title { "title" } else { "section" };
            Some((
                class::announced_by(&note.text)?,
                format!("{what} “{}” (line {})", note.text, note.line),
                is_title,
            ))
        });
        let header =
            class::announced_by(header).map(|class| (class, format!("column header “{header}”"), false));
        last(&items, "list item")
            .into_iter()
            .chain(last(&self.captions, "caption"))
            .chain(last(&paragraphs, "paragraph"))
            .chain(sections)
            .chain(header)
            // A heading over codes of both kinds is about something else.
            .find(|(class, _, is_title)| {
                let against = codes.iter().filter(|code| class::contradicts(*class, **code)).count();
                against * 3 <= codes.len() && !(*is_title && against > 0)
            })
            .map(|(class, rule, _)| (class, rule))
    }
}

/// Short enough to be a heading rather than a sentence that happens to speak of errors.
fn is_short(note: &Note) -> bool {
    note.text.chars().count() <= 50 && !note.text.ends_with(['.', '。'])
}

/// The entries found so far, by code.
#[derive(Default)]
struct Entries {
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
    fn read(
        &mut self,
        table: &Table,
        columns: &Columns,
        context: &Context<'_>,
        report: &mut Report,
    ) -> Outcome {
        let Columns { headers, status, reason, description } = columns;
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
            let text = |column: Option<&columns::Column>| {
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
            let phrase =
                found.phrase.as_deref().or(text(reason.as_ref()).filter(|_| !cell.text.trim().is_empty()));
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
                0 => reason.as_ref().map(columns::Column::told),
                _ => Some(format!("beside the code, on {in_cell} rows")),
            },
            description: description.as_ref().map_or("no column has text".to_owned(), columns::Column::told),
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

    fn finish(self, report: &mut Report) -> Vec<Entry> {
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
