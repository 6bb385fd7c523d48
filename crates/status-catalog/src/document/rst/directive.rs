//! Directives: those that make tables, those that only hold content, those that hold code.

use super::inline;
use super::lines::{self, Line, dedent};
use super::{Reader, bullet, cell_text, csv, dedent_by, indented_from, is_field};
use crate::document::{Block, Grid, Note, html};
use crate::error::Malformed;

/// `name` and `argument` of `.. name:: argument`.
pub(super) fn split(text: &str) -> Option<(&str, &str)> {
    let (name, argument) = text.strip_prefix("..")?.trim_start().split_once("::")?;
    let is_name = name.chars().all(|character| character.is_alphanumeric() || "-_+.:".contains(character));
    (is_name && !name.is_empty() && (argument.is_empty() || argument.starts_with(' ')))
        .then(|| (name, argument.trim()))
}

/// Directives whose content is not text of the page.
const NOT_TEXT: [&str; 16] = [
    "code",
    "code-block",
    "contents",
    "figure",
    "graphviz",
    "highlight",
    "image",
    "include",
    "literalinclude",
    "math",
    "meta",
    "parsed-literal",
    "prompt",
    "sourcecode",
    "todo",
    "toctree",
];

/// Directives whose argument is text of the page, above their content.
const TITLED: [&str; 8] =
    ["admonition", "collapse", "dropdown", "rubric", "sidebar", "tab", "tab-item", "topic"];

/// A directive's options and content.
struct Body<'a> {
    options: Vec<(&'a str, &'a str)>,
    content: Vec<Line<'a>>,
}

impl<'a> Body<'a> {
    fn new(lines: &[Line<'a>]) -> Self {
        let lines = dedent(lines);
        let fields = lines.iter().take_while(|line| is_field(line.text)).count();
        let option =
            |line: &Line<'a>| line.text[1..].split_once(':').map(|(name, value)| (name, value.trim()));
        Self {
            options: lines[..fields].iter().filter_map(option).collect(),
            content: dedent(&lines[fields..]),
        }
    }

    fn option(&self, name: &str) -> Option<&'a str> {
        self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| *value)
    }

    fn number(&self, name: &str) -> usize {
        self.option(name).and_then(|value| value.parse().ok()).unwrap_or(0)
    }
}

impl Reader {
    pub(super) fn directive(
        &mut self,
        name: &str,
        argument: &str,
        lines: &[Line<'_>],
    ) -> Result<(), Malformed> {
        let first = lines[0];
        let body = Body::new(&lines[1..]);
        if matches!(name, "csv-table" | "list-table" | "table") && !argument.is_empty() {
            self.blocks.push(Block::Caption(Note { text: inline::plain(argument), line: first.number }));
        }
        if TITLED.contains(&name) {
            self.text(&[Line { text: argument, ..first }]);
        }
        match name {
            "csv-table" => self.csv_table(&body, first),
            "list-table" => self.list_table(&body, first),
            "raw" if argument.contains("html") => {
                let text: String = body.content.iter().flat_map(|line| [line.text, "\n"]).collect();
                let line = body.content.first().map_or(first.number, |line| line.number);
                self.blocks.extend(html::read_at(&text, line)?.blocks);
                Ok(())
            }
            "raw" => Ok(()),
            "code" | "code-block" | "parsed-literal" | "sourcecode" if self.in_cell => {
                self.text(&body.content);
                Ok(())
            }
            _ if NOT_TEXT.contains(&name) => Ok(()),
            _ => self.read(&body.content),
        }
    }

    fn list_table(&mut self, body: &Body<'_>, first: Line<'_>) -> Result<(), Malformed> {
        let mut grid = Grid::default();
        for row in items(&body.content)? {
            for cell in items(&dedent(&row))? {
                let line = cell.first().map_or(first.number, |line| line.number);
                grid.cell(cell_text(&cell, self.depth)?, line, 1, 1);
            }
            grid.end_row();
        }
        self.blocks.extend(grid.into_table(first.number, body.number("header-rows"))?.map(Block::Table));
        Ok(())
    }

    fn csv_table(&mut self, body: &Body<'_>, first: Line<'_>) -> Result<(), Malformed> {
        if let Some(file) = body.option("file").or_else(|| body.option("url")) {
            let text = format!("table of {file}: only tables within the document are read");
            self.blocks.push(Block::LeftOut(Note { text, line: first.number }));
            return Ok(());
        }
        let dialect = csv::Dialect::new(body.option("delim"), body.option("quote"), body.option("escape"));
        let mut grid = Grid::default();
        if let Some(header) = body.option("header") {
            let line = Line { text: header, ..first };
            self.csv_rows(&[line], &dialect, &mut grid)?;
        }
        let headers = grid.rows() + body.number("header-rows");
        self.csv_rows(&body.content, &dialect, &mut grid)?;
        self.blocks.extend(grid.into_table(first.number, headers)?.map(Block::Table));
        Ok(())
    }

    fn csv_rows(&self, lines: &[Line<'_>], dialect: &csv::Dialect, grid: &mut Grid) -> Result<(), Malformed> {
        for row in csv::rows(lines, dialect)? {
            for cell in row {
                let lines = lines::split(&cell.text, cell.line);
                grid.cell(cell_text(&lines, self.depth)?, cell.line, 1, 1);
            }
            grid.end_row();
        }
        Ok(())
    }
}

/// The items of a bullet list, each without its bullet.
fn items<'a>(lines: &[Line<'a>]) -> Result<Vec<Vec<Line<'a>>>, Malformed> {
    let mut items = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at) {
        if line.is_blank() {
            at += 1;
            continue;
        }
        let Some(width) = bullet(line.text) else {
            return Err(Malformed::at(
                line.number,
                line.column,
                "a list-table holds nothing but a list of lists",
            )
            .help("begin each row with `* - ` and each further cell with `  - `"));
        };
        let taken = indented_from(&lines[at..], width.min(line.text.len()));
        let mut item = vec![line.after(width)];
        item.extend(dedent_by(&lines[at + 1..at + taken], width));
        items.push(item);
        at += taken;
    }
    Ok(items)
}
