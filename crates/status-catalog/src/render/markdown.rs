use std::fmt::Write as _;

use crate::{Catalog, Class, Entry};

impl Catalog {
    /// The catalog as a Markdown page with one pipe table per class; the importer reads it back.
    pub fn to_markdown(&self) -> String {
        let mut page = format!("# {}\n", escape(self.title()));
        for (class, heading) in [(Class::Normal, "Normal"), (Class::Abnormal, "Abnormal")] {
            let entries: Vec<&Entry> = self.entries.iter().filter(|entry| entry.class() == class).collect();
            if entries.is_empty() {
                continue;
            }
            let _ = write!(page, "\n## {heading}\n\n| Status Code | Description |\n|---|---|\n");
            for entry in entries {
                let reason = entry.reason().map(|reason| format!(" {}", escape(reason))).unwrap_or_default();
                let _ = writeln!(page, "| {}{reason} | {} |", entry.spelling(), escape(entry.description()));
            }
        }
        page
    }
}

/// Text that means itself in a cell of a pipe table.
pub(super) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => escaped.push_str("<br>"),
            '\\' | '|' | '*' | '_' | '`' | '[' | ']' | '#' | '~' => escaped.extend(['\\', character]),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '&' => escaped.push_str("&amp;"),
            _ => escaped.push(character),
        }
    }
    escaped
}
