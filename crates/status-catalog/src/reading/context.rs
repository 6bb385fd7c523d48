//! What stands around a table, and the class it announces.

use super::{class, columns};
use crate::Class;
use crate::document::Note;

/// What stands before a table and says what it is about.
#[derive(Default)]
pub(super) struct Context<'a> {
    /// The title and the sections that are open, outermost first.
    sections: Vec<(u8, &'a Note)>,
    captions: Vec<&'a Note>,
    items: Vec<&'a Note>,
    paragraphs: Vec<&'a Note>,
}

impl<'a> Context<'a> {
    pub(super) fn open_section(&mut self, level: u8, note: &'a Note) {
        self.sections.retain(|(open, _)| *open < level);
        self.sections.push((level, note));
        self.end_table();
    }

    pub(super) fn caption(&mut self, note: &'a Note) {
        self.captions.push(note);
    }

    pub(super) fn item(&mut self, note: &'a Note) {
        self.items.push(note);
    }

    pub(super) fn paragraph(&mut self, note: &'a Note) {
        let is_caption = is_caption(&note.text);
        if is_caption { &mut self.captions } else { &mut self.paragraphs }.push(note);
    }

    pub(super) fn end_table(&mut self) {
        self.captions.clear();
        self.items.clear();
        self.paragraphs.clear();
    }

    pub(super) fn is_about_status(&self) -> bool {
        let sections = self.sections.iter().map(|(_, note)| *note);
        let mut notes =
            sections.chain(self.captions.iter().chain(&self.items).chain(&self.paragraphs).copied());
        notes.any(|note| columns::is_status_header(&note.text) || note.text.contains("HTTP"))
    }

    /// The class that stands around the table, nearest and plainest first.
    pub(super) fn class(&self, codes: &[u16], header: &str) -> Option<(Class, String)> {
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

/// `Table 1 Return code for failed requests`, `表 1  正常返回值`.
fn is_caption(text: &str) -> bool {
    let rest = ["Table", "表"].iter().find_map(|word| text.strip_prefix(word)).map(str::trim_start);
    rest.is_some_and(|rest| {
        rest.starts_with(|digit: char| digit.is_ascii_digit()) && rest.chars().count() < 120
    })
}
