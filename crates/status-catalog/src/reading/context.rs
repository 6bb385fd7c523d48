//! What stands around a table, and the class it announces.

use super::{class, headers};
use crate::Class;
use crate::document::Note;
use crate::report::Report;

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
        notes.any(|note| headers::is_about_status(&note.text))
    }

    /// The class that stands around the table, nearest and plainest first. A text that says what the codes
    /// contradict is about something else; the report gets a warning of it.
    pub(super) fn class(
        &self,
        codes: &[u16],
        header: &str,
        line: usize,
        report: &mut Report,
    ) -> Option<(Class, String)> {
        for Announcement { text, what, line: announced } in self.announcements(header) {
            let Some(class) = class::announced_by(text) else { continue };
            let against = codes.iter().filter(|code| class::contradicts(class, **code)).count();
            let allowed = match what {
                // "Errors" is also what tables of all codes are called.
                "title" => 0,
                _ if class::names_errors(text) => 0,
                _ if class::is_name(text) => codes.len() / 2,
                _ => codes.len().min(2) / 2,
            };
            let place = if announced > 0 { format!(" (line {announced})") } else { String::new() };
            let rule = format!("{what} “{text}”{place}");
            if against <= allowed {
                return Some((class, rule));
            }
            let all = codes.len();
            report.warn(
                line,
                format!(
                    "{rule} says {}, but {against} of {all} codes do not fit: it does not count",
                    class.as_str()
                ),
            );
        }
        None
    }

    fn announcements<'b>(&'b self, header: &'b str) -> impl Iterator<Item = Announcement<'b>> {
        let items = self.items.iter().rev().filter(|note| is_short(note));
        let items = items.map(|note| Announcement::new("list item", note));
        let captions = self.captions.iter().rev().map(|note| Announcement::new("caption", note));
        let paragraphs = self.paragraphs.iter().rev().filter(|note| is_short(note));
        let paragraphs = paragraphs.map(|note| Announcement::new("paragraph", note));
        let sections = self.sections.iter().rev().map(|(level, section)| {
            let is_title = self.sections.first().is_some_and(|(first, _)| first == level);
            Announcement::new(if is_title { "title" } else { "section" }, section)
        });
        let header = Announcement { text: header, what: "column header", line: 0 };
        items.chain(captions).chain(paragraphs).chain(sections).chain([header])
    }
}

/// A text that may say which class the codes of a table have.
struct Announcement<'a> {
    text: &'a str,
    what: &'static str,
    /// 0 where the text stands in the table itself.
    line: usize,
}

impl<'a> Announcement<'a> {
    fn new(what: &'static str, note: &'a Note) -> Self {
        Self { text: &note.text, what, line: note.line }
    }
}

/// Short enough to be a heading rather than a sentence that happens to speak of errors; Chinese says more in less.
fn is_short(note: &Note) -> bool {
    let limit = if note.text.is_ascii() { 50 } else { 25 };
    note.text.chars().count() <= limit && !note.text.ends_with(['.', '。'])
}

/// `Table 1 Return code for failed requests`, `表 1  正常返回值`.
fn is_caption(text: &str) -> bool {
    let rest = ["Table", "表"].iter().find_map(|word| text.strip_prefix(word)).map(str::trim_start);
    rest.is_some_and(|rest| {
        rest.starts_with(|digit: char| digit.is_ascii_digit()) && rest.chars().count() < 120
    })
}
