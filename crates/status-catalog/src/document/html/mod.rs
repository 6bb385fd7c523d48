//! HTML: whole pages, and the tables that Markdown pages hold.

mod tree;

use html5ever::Attribute;

use super::{Block, Document, Grid, Note};
use crate::error::Malformed;
use tree::{Step, Tree};

/// Reads a whole page.
pub(super) fn read(text: &str) -> Result<Document, Malformed> {
    read_at(text, 1)
}

/// Reads HTML of which the first line is number `first_line`.
pub(super) fn read_at(text: &str, first_line: usize) -> Result<Document, Malformed> {
    let mut reader = Reader::default();
    Tree::page(text, first_line).walk(|step| reader.step(step));
    Ok(Document { blocks: reader.finish()? })
}

/// Reads the table at the beginning of `lines` and tells how many lines it took. Text between blank lines is Markdown,
/// which `markdown` turns into plain text.
pub(super) fn read_table(
    lines: &str,
    first_line: usize,
    markdown: fn(&str) -> String,
) -> Result<(Vec<Block>, usize), Malformed> {
    let Some((tree, taken)) = Tree::tables(lines, first_line) else {
        return Err(Malformed::at(first_line, 1, "table is not closed before the document ends")
            .help("add the missing `</table>`, or restore the part of the file that was cut off"));
    };
    let mut reader = Reader { markdown: Some(markdown), ..Reader::default() };
    tree.walk(|step| reader.step(step));
    Ok((reader.finish()?, taken))
}

#[derive(Default)]
struct Reader {
    blocks: Vec<Block>,
    /// The text since the last block began.
    text: Text,
    line: usize,
    kind: Kind,
    tables: Vec<OpenTable>,
    /// Inside `script`, `style` and such: how deep.
    hidden: usize,
    /// The first table that is too large to be one.
    error: Option<Malformed>,
    /// How Markdown in cells is read, if the page is Markdown.
    markdown: Option<fn(&str) -> String>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    Caption,
    Heading(u8),
    ListItem,
    #[default]
    Paragraph,
}

#[derive(Default)]
struct OpenTable {
    grid: Grid,
    line: usize,
    headers: usize,
    in_head: bool,
    row_is_header: bool,
    cell: Option<OpenCell>,
}

struct OpenCell {
    text: Text,
    /// The text with its lines, and whether a blank one makes Markdown of it.
    source: String,
    is_markdown: bool,
    line: usize,
    columns: usize,
    rows: usize,
}

impl Reader {
    fn finish(mut self) -> Result<Vec<Block>, Malformed> {
        self.flush();
        self.error.map_or(Ok(self.blocks), Err)
    }

    fn step(&mut self, step: Step<'_>) {
        match step {
            Step::Text { .. } if self.hidden > 0 => {}
            Step::Text { text } => {
                self.current().push(text);
                if self.markdown.is_some()
                    && let Some(OpenTable { cell: Some(cell), .. }) = self.tables.last_mut()
                {
                    cell.source.push_str(text);
                    cell.is_markdown |= has_blank_line(text);
                }
            }
            Step::Enter { tag, attributes, line } => self.enter(tag, attributes, line),
            Step::Leave { tag } => self.leave(tag),
        }
    }

    fn current(&mut self) -> &mut Text {
        match self.tables.last_mut() {
            Some(OpenTable { cell: Some(cell), .. }) => &mut cell.text,
            _ => &mut self.text,
        }
    }

    fn is_in_cell(&self) -> bool {
        self.tables.last().is_some_and(|table| table.cell.is_some())
    }

    fn enter(&mut self, tag: &str, attributes: &[Attribute], line: usize) {
        if is_hidden(tag) {
            self.hidden += 1;
            return;
        }
        if self.is_in_cell() {
            if is_block(tag) {
                self.end_paragraph();
            }
            if tag == "table" {
                self.tables.push(OpenTable { line, ..OpenTable::default() });
            }
            return;
        }
        match tag {
            "table" => {
                self.flush();
                self.tables.push(OpenTable { line, ..OpenTable::default() });
            }
            "br" => self.text.end_paragraph(),
            _ if is_block(tag) => {
                self.flush();
                self.line = line;
                self.kind = match tag.as_bytes() {
                    b"caption" | b"figcaption" => Kind::Caption,
                    [b'h', level @ b'1'..=b'6'] => Kind::Heading(level - b'0'),
                    b"li" | b"dt" => Kind::ListItem,
                    // `<li><p>Normal</p>`
                    _ if self.kind == Kind::ListItem && tag == "p" => Kind::ListItem,
                    _ => Kind::Paragraph,
                };
            }
            _ => {}
        }
        let Some(table) = self.tables.last_mut() else { return };
        match tag {
            "thead" => table.in_head = true,
            "tr" => table.row_is_header = true,
            "td" | "th" => {
                table.row_is_header &= tag == "th";
                table.cell = Some(OpenCell {
                    text: Text::default(),
                    source: String::new(),
                    is_markdown: false,
                    line,
                    columns: span(attributes, "colspan"),
                    rows: span(attributes, "rowspan"),
                });
            }
            _ => {}
        }
    }

    fn leave(&mut self, tag: &str) {
        if is_hidden(tag) {
            self.hidden -= 1;
            return;
        }
        match tag {
            "br" => {}
            "table" => self.end_table(),
            "td" | "th" => {
                if let Some(table) = self.tables.last_mut()
                    && let Some(cell) = table.cell.take()
                {
                    let OpenCell { text, source, is_markdown, line, columns, rows } = cell;
                    let text = match self.markdown.filter(|_| is_markdown) {
                        Some(plain) => plain(&source),
                        None => text.finish(),
                    };
                    table.grid.cell(text, line, columns, rows);
                }
            }
            "tr" => {
                if let Some(table) = self.tables.last_mut().filter(|table| table.cell.is_none()) {
                    let is_header = table.in_head || (table.row_is_header && table.grid.is_row_open());
                    table.grid.end_row();
                    if is_header && table.headers + 1 == table.grid.rows() {
                        table.headers += 1;
                    }
                }
            }
            "thead" => {
                if let Some(table) = self.tables.last_mut() {
                    table.in_head = false;
                }
            }
            _ if !is_block(tag) => {}
            _ if self.is_in_cell() => self.end_paragraph(),
            _ => {
                self.flush();
                self.kind = Kind::Paragraph;
            }
        }
    }

    /// Ends a paragraph of the cell that is open.
    fn end_paragraph(&mut self) {
        self.current().end_paragraph();
        if let Some(OpenTable { cell: Some(cell), .. }) = self.tables.last_mut() {
            cell.source.push_str("\n\n");
        }
    }

    fn end_table(&mut self) {
        let Some(OpenTable { grid, line, headers, .. }) = self.tables.pop() else { return };
        let table = match grid.into_table(line, headers) {
            Ok(Some(table)) => table,
            Ok(None) => return,
            Err(error) => {
                self.error.get_or_insert(error);
                return;
            }
        };
        if self.is_in_cell() {
            // The outer table may be layout, so the inner one counts by itself; to the outer one it is text.
            for cell in table.rows.iter().flatten().filter(|cell| !cell.from_above && !cell.from_left) {
                self.current().end_paragraph();
                self.current().push(&cell.text);
            }
            self.current().end_paragraph();
        } else {
            self.flush();
        }
        self.blocks.push(Block::Table(table));
    }

    /// Ends the text block that is open, if it has any text.
    fn flush(&mut self) {
        let text = std::mem::take(&mut self.text).finish();
        if text.is_empty() {
            return;
        }
        let note = Note { text, line: self.line.max(1) };
        self.blocks.push(match std::mem::take(&mut self.kind) {
            Kind::Caption => Block::Caption(note),
            Kind::Heading(level) => Block::Heading(level, note),
            Kind::ListItem => Block::ListItem(note),
            Kind::Paragraph => Block::Paragraph(note),
        });
    }
}

fn span(attributes: &[Attribute], name: &str) -> usize {
    let attribute = attributes.iter().find(|attribute| &*attribute.name.local == name);
    attribute.and_then(|attribute| attribute.value.trim().parse().ok()).unwrap_or(1)
}

fn has_blank_line(text: &str) -> bool {
    let mut lines = text.split('\n').skip(1).peekable();
    std::iter::from_fn(|| lines.next().filter(|_| lines.peek().is_some())).any(|line| line.trim().is_empty())
}

fn is_hidden(tag: &str) -> bool {
    matches!(tag, "head" | "nav" | "script" | "style" | "template" | "noscript")
}

fn is_block(tag: &str) -> bool {
    matches!(
        tag,
        "address"
            | "article"
            | "aside"
            | "blockquote"
            | "body"
            | "br"
            | "caption"
            | "dd"
            | "div"
            | "dl"
            | "dt"
            | "fieldset"
            | "figcaption"
            | "figure"
            | "footer"
            | "form"
            | "h1"
            | "h2"
            | "h3"
            | "h4"
            | "h5"
            | "h6"
            | "header"
            | "hr"
            | "html"
            | "li"
            | "main"
            | "nav"
            | "ol"
            | "p"
            | "pre"
            | "section"
            | "table"
            | "tbody"
            | "td"
            | "tfoot"
            | "th"
            | "thead"
            | "tr"
            | "ul"
    )
}

/// Text as a browser shows it: white space collapsed, paragraphs on lines of their own.
#[derive(Debug, Default)]
pub(super) struct Text {
    done: String,
    space: bool,
    paragraph: bool,
}

impl Text {
    pub(super) fn push(&mut self, text: &str) {
        for character in text.chars() {
            if character.is_whitespace() {
                self.space = true;
                continue;
            }
            if !self.done.is_empty() {
                if self.paragraph {
                    self.done.push('\n');
                } else if self.space {
                    self.done.push(' ');
                }
            }
            (self.space, self.paragraph) = (false, false);
            self.done.push(character);
        }
    }

    pub(super) fn end_paragraph(&mut self) {
        self.paragraph = true;
    }

    pub(super) fn finish(self) -> String {
        self.done
    }
}
