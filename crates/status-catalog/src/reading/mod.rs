//! From blocks to entries: the one place that decides what a page means.

mod class;
mod codes;
mod columns;
mod context;
mod entries;
mod headers;
mod layout;
mod methods;
mod phrases;

use crate::Entry;
use crate::document::{Block, Document, Table};
use crate::report::{Outcome, Report, TableReport};

pub(crate) use class::contradicts;
use context::Context;
use entries::Entries;
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
            Block::Caption(note) => context.caption(note),
            Block::Heading(level, note) => context.open_section(*level, note),
            Block::LeftOut(note) => report.leave_out(note.line, &*note.text),
            Block::ListItem(note) => context.item(note),
            Block::Paragraph(note) => context.paragraph(note),
            Block::Table(table) => {
                let straight = layout::straightened(table, report);
                let outcome = match columns::find(&straight, context.is_about_status()) {
                    Ok(columns) => entries.read(&straight, &columns, &context, report),
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
        if text.is_ascii() {
            letters += text.bytes().filter(u8::is_ascii_alphabetic).count();
            return;
        }
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
