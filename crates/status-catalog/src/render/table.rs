use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr;

use crate::{Catalog, Class};

/// How a table for a terminal looks.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum TableStyle {
    /// With ANSI colours by class.
    Coloured,
    /// Without any escape sequence, for a pipe or a file.
    #[default]
    Plain,
}

const HEADERS: [&str; 5] = ["CODE", "CLASS", "REASON", "METHODS", "DESCRIPTION"];

impl Catalog {
    /// The catalog as a table of aligned columns, one entry a line (or more, if a description has paragraphs).
    pub fn to_table(&self, style: TableStyle) -> String {
        let rows: Vec<[String; 5]> = self
            .entries
            .iter()
            .map(|entry| {
                [
                    entry.spelling(),
                    entry.class().as_str().to_owned(),
                    entry.reason().unwrap_or("-").to_owned(),
                    if entry.methods().is_empty() { "-".to_owned() } else { entry.methods().join(" ") },
                    entry.description().to_owned(),
                ]
            })
            .collect();
        let widths: [usize; 5] = std::array::from_fn(|column| {
            rows.iter().map(|row| row[column].width()).chain([HEADERS[column].width()]).max().unwrap_or(0)
        });
        let paint = Paint { style };
        let mut table = String::new();
        let _ =
            writeln!(table, "{} ({}, {})", paint.bold(self.title()), self.name(), self.languages.join(" "));
        let _ = writeln!(table, "{}", paint.bold(line(&HEADERS.map(str::to_owned), &widths, "").trim_end()));
        // The description starts below its header when it has further lines.
        let indent = format!("\n{}", " ".repeat(widths[..4].iter().map(|width| width + 2).sum()));
        for (row, entry) in rows.iter().zip(&self.entries) {
            let text = line(row, &widths, &indent);
            let (code, rest) = text.split_at(widths[0]);
            let _ = writeln!(table, "{}{}", paint.class(code, entry.class()), rest.trim_end());
        }
        table
    }
}

fn line(row: &[String; 5], widths: &[usize; 5], indent: &str) -> String {
    let mut line = String::new();
    for (cell, width) in row[..4].iter().zip(widths) {
        line.push_str(cell);
        line.extend(std::iter::repeat_n(' ', width - cell.width() + 2));
    }
    line.push_str(&row[4].replace('\n', indent));
    line
}

struct Paint {
    style: TableStyle,
}

impl Paint {
    fn bold(&self, text: &str) -> String {
        self.sgr(text, "1")
    }

    fn class(&self, text: &str, class: Class) -> String {
        self.sgr(
            text,
            match class {
                Class::Abnormal => "31",
                Class::Normal => "32",
                Class::Undocumented => "33",
            },
        )
    }

    fn sgr(&self, text: &str, code: &str) -> String {
        match self.style {
            TableStyle::Coloured => format!("\x1b[{code}m{text}\x1b[0m"),
            TableStyle::Plain => text.to_owned(),
        }
    }
}
