use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::{Catalog, Class, Entry};

/// How a table for a terminal looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TableStyle {
    /// With ANSI colours by class.
    Coloured,
    /// Without any escape sequence, for a pipe or a file.
    #[default]
    Plain,
}

impl Catalog {
    /// The catalog as a table of aligned columns, one entry a line (or more, if a description has paragraphs).
    pub fn to_table(&self, style: TableStyle) -> String {
        let row = |entry: &Entry| {
            let cells = vec![
                entry.spelling(),
                entry.class().as_str().to_owned(),
                entry.reason().unwrap_or("-").to_owned(),
                methods(entry),
                entry.description().to_owned(),
            ];
            (Some(entry.class()), cells)
        };
        let rows: Vec<_> = self.entries.iter().map(row).collect();
        let title = bold(self.title(), style);
        let body = render(&["CODE", "CLASS", "REASON", "METHODS", "DESCRIPTION"], &rows, style);
        format!("{title} ({}, {})\n{body}", self.name(), self.languages.join(" "))
    }
}

pub(crate) fn methods(entry: &Entry) -> String {
    if entry.methods().is_empty() { "-".to_owned() } else { entry.methods().join(" ") }
}

/// Aligned columns; the first one is coloured by class, the last one may have several lines.
pub(crate) fn render(headers: &[&str], rows: &[(Option<Class>, Vec<String>)], style: TableStyle) -> String {
    let widths: Vec<usize> = headers
        .iter()
        .enumerate()
        .map(|(column, header)| {
            let cells = rows.iter().filter_map(|(_, row)| row.get(column)).map(|cell| cell.width());
            cells.chain([header.width()]).max().unwrap_or(0)
        })
        .collect();
    let mut table = String::new();
    let headers: Vec<String> = headers.iter().map(|header| (*header).to_owned()).collect();
    let _ = writeln!(table, "{}", bold(line(&headers, &widths).trim_end(), style));
    for (class, row) in rows {
        let text = line(row, &widths);
        let (code, rest) = text.split_at(row.first().map_or(0, String::len));
        let _ = writeln!(table, "{}{}", coloured(code, *class, style), rest.trim_end());
    }
    table
}

fn line(row: &[String], widths: &[usize]) -> String {
    let mut line = String::new();
    let Some((last, row)) = row.split_last() else { return line };
    for (cell, width) in row.iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
    }
    // Further lines of the last column begin below its first one.
    let indent = format!("\n{}", " ".repeat(widths[..row.len()].iter().map(|width| width + 2).sum()));
    line.push_str(&last.replace('\n', &indent));
    line
}

pub(crate) fn bold(text: &str, style: TableStyle) -> String {
    match style {
        TableStyle::Coloured => format!("\x1b[1m{text}\x1b[0m"),
        TableStyle::Plain => text.to_owned(),
    }
}

pub(crate) fn coloured(text: &str, class: Option<Class>, style: TableStyle) -> String {
    let colour = match class {
        Some(Class::Abnormal) => "31",
        Some(Class::Normal) => "32",
        Some(Class::Undocumented) | None => "33",
    };
    match style {
        TableStyle::Coloured => format!("\x1b[{colour}m{text}\x1b[0m"),
        TableStyle::Plain => text.to_owned(),
    }
}
