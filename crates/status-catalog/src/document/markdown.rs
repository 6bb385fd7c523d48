//! Markdown: pipe tables by the Markdown parser, HTML tables by the HTML parser wherever they stand.

use std::ops::Range;

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use super::html::{self, Text};
use super::{Block, Document, Grid, Note};
use crate::error::Malformed;

/// Reads a page.
pub(super) fn read(text: &str) -> Result<Document, Malformed> {
    let mut reader = Reader::new(text, 1);
    reader.run()?;
    reader.lost_tables()?;
    Ok(Document { blocks: reader.blocks })
}

struct Reader<'a> {
    source: &'a str,
    /// The byte at which each line begins.
    lines: Vec<usize>,
    first_line: usize,
    blocks: Vec<Block>,
    /// Events that begin before this byte belong to an HTML table that is read already.
    skip_to: usize,
    text: Text,
    line: usize,
    kind: Kind,
    table: Option<OpenTable>,
    html: String,
    /// Where the HTML block that is open begins.
    html_start: Option<usize>,
    code: Option<Range<usize>>,
    /// What is no place for further tables, in order: tables and code.
    closed: Vec<Range<usize>>,
}

#[derive(Clone, Copy, Default, PartialEq)]
enum Kind {
    Heading(u8),
    ListItem,
    #[default]
    Paragraph,
}

#[derive(Default)]
struct OpenTable {
    grid: Grid,
    line: usize,
}

impl<'a> Reader<'a> {
    fn new(source: &'a str, first_line: usize) -> Self {
        let breaks = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        Self {
            source,
            lines: std::iter::once(0).chain(breaks).collect(),
            first_line,
            blocks: Vec::new(),
            skip_to: 0,
            text: Text::default(),
            line: first_line,
            kind: Kind::Paragraph,
            table: None,
            html: String::new(),
            html_start: None,
            code: None,
            closed: Vec::new(),
        }
    }

    fn run(&mut self) -> Result<(), Malformed> {
        let options = Options::ENABLE_TABLES
            | Options::ENABLE_HEADING_ATTRIBUTES
            | Options::ENABLE_YAML_STYLE_METADATA_BLOCKS;
        for (event, range) in Parser::new_ext(self.source, options).into_offset_iter() {
            if range.start < self.skip_to && !matches!(event, Event::End(_)) {
                continue;
            }
            match event {
                Event::Start(tag) => self.start(&tag, range),
                Event::End(tag) => self.end(tag, &range)?,
                Event::Text(_) if self.code.is_some() => {}
                Event::Text(text) | Event::Code(text) => self.text.push(&text),
                Event::SoftBreak => self.text.push(" "),
                Event::HardBreak => self.text.end_paragraph(),
                Event::Html(html) | Event::InlineHtml(html) if self.html_table(&html, &range)? => {}
                Event::Html(html) => self.html.push_str(&html),
                Event::InlineHtml(html) => self.inline_html(&html),
                _ => {}
            }
        }
        self.flush();
        Ok(())
    }

    fn line_of(&self, byte: usize) -> usize {
        self.lines.partition_point(|start| *start <= byte) - 1 + self.first_line
    }

    fn start(&mut self, tag: &Tag<'_>, range: Range<usize>) {
        match tag {
            Tag::Table(_) => {
                self.flush();
                self.table = Some(OpenTable { line: self.line_of(range.start), ..OpenTable::default() });
            }
            // A cell that the row lacks would stand on the next line.
            Tag::TableHead | Tag::TableRow => self.line = self.line_of(range.start),
            Tag::TableCell => self.text = Text::default(),
            Tag::Heading { level, .. } => self.begin(Kind::Heading(*level as u8), range.start),
            Tag::Item => self.begin(Kind::ListItem, range.start),
            // The first paragraph of an item is the item's text.
            Tag::Paragraph if self.kind == Kind::ListItem => {}
            Tag::Paragraph => self.begin(Kind::Paragraph, range.start),
            Tag::CodeBlock(kind) => {
                self.flush();
                // Below a list item with a short marker, four spaces make code of what is meant as content.
                let indented = matches!(kind, CodeBlockKind::Indented);
                self.code = Some(if indented { range } else { range.start..range.start });
            }
            Tag::HtmlBlock => {
                self.flush();
                self.html.clear();
                self.html_start = Some(range.start);
                self.line = self.line_of(range.start);
            }
            Tag::MetadataBlock(_) => self.code = Some(range.start..range.start),
            _ => {}
        }
    }

    fn end(&mut self, tag: TagEnd, range: &Range<usize>) -> Result<(), Malformed> {
        match tag {
            TagEnd::Table => {
                self.closed.push(range.clone());
                if let Some(OpenTable { grid, line }) = self.table.take()
                    && let Some(table) = grid.into_table(line, 1)?
                {
                    self.blocks.push(Block::Table(table));
                }
            }
            TagEnd::TableCell => {
                let text = std::mem::take(&mut self.text).finish();
                if let Some(table) = &mut self.table {
                    table.grid.cell(text, self.line, 1, 1);
                }
            }
            TagEnd::TableHead | TagEnd::TableRow => {
                if let Some(table) = &mut self.table {
                    table.grid.end_row();
                }
            }
            TagEnd::Heading(_) | TagEnd::Item | TagEnd::Paragraph => self.flush(),
            TagEnd::HtmlBlock => {
                let html = std::mem::take(&mut self.html);
                self.html_start = None;
                if range.end > self.skip_to {
                    let line = self.line;
                    self.blocks.extend(html::read_at(&html, line)?.blocks);
                }
            }
            TagEnd::CodeBlock => {
                self.closed.push(range.clone());
                if let Some(range) = self.code.take() {
                    self.indented_code(range)?;
                }
            }
            TagEnd::MetadataBlock(_) => self.code = None,
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, kind: Kind, byte: usize) {
        self.flush();
        self.kind = kind;
        self.line = self.line_of(byte);
    }

    fn flush(&mut self) {
        if self.table.is_some() {
            return;
        }
        let mut text = std::mem::take(&mut self.text).finish();
        if is_delimiter_row(&text) || text.contains("|--") || text.contains("| --") || text.contains("|:-") {
            // What follows the text is a lost table.
            text.truncate(text.find('|').unwrap_or(text.len()));
            text.truncate(text.trim_end().len());
        }
        let kind = std::mem::take(&mut self.kind);
        if text.is_empty() {
            return;
        }
        let note = Note { text, line: self.line };
        self.blocks.push(match kind {
            Kind::Heading(level) => Block::Heading(level, note),
            Kind::ListItem => Block::ListItem(note),
            Kind::Paragraph => Block::Paragraph(note),
        });
    }

    /// Reads the HTML table that begins in `html`, if one does, past the end of the Markdown block if need be:
    /// to Markdown a blank line within a table ends the HTML.
    fn html_table(&mut self, html: &str, range: &Range<usize>) -> Result<bool, Malformed> {
        if self.table.is_some() {
            return Ok(false);
        }
        let Some(at) = find_table(html) else { return Ok(false) };
        let start = self.html_start.unwrap_or(range.start);
        if is_comment_open(&self.source[start..range.start + at]) {
            return Ok(false);
        }
        self.flush();
        self.read_html_table(range.start + at)?;
        Ok(true)
    }

    fn read_html_table(&mut self, byte: usize) -> Result<(), Malformed> {
        let line = self.line_of(byte);
        let (blocks, taken) = html::read_table(&self.source[byte..], line, plain)?;
        self.blocks.extend(blocks);
        let next = line - self.first_line + taken;
        self.skip_to = self.lines.get(next).copied().unwrap_or(self.source.len());
        self.closed.push(byte..self.skip_to);
        Ok(())
    }

    /// Reads the tables that Markdown takes for text, because they follow a list item without a blank line or
    /// their delimiter row has too few columns: people read them as tables.
    fn lost_tables(&mut self) -> Result<(), Malformed> {
        let mut found = Vec::new();
        for at in 1..self.lines.len() {
            let start = self.lines[at];
            if !is_delimiter_row(self.line_text(at)) || !self.line_text(at - 1).contains('|') {
                continue;
            }
            let before = self.closed.partition_point(|closed| closed.start <= start);
            let is_closed = before.checked_sub(1).is_some_and(|last| self.closed[last].contains(&start));
            if is_closed {
                continue;
            }
            let header = self.line_text(at - 1).trim();
            let columns = header.trim_matches('|').split('|').count();
            let mut table = format!("{header}\n{}|\n", "|--".repeat(columns));
            let rows = (at + 1..self.lines.len())
                .map(|row| self.line_text(row).trim())
                .take_while(|row| row.contains('|'));
            for row in rows {
                table.push_str(row);
                table.push('\n');
            }
            let mut inner = Reader::new(&table, self.first_line + at - 1);
            inner.run()?;
            found.append(&mut inner.blocks);
        }
        if !found.is_empty() {
            self.blocks.append(&mut found);
            self.blocks.sort_by_key(Block::line);
        }
        Ok(())
    }

    fn line_text(&self, index: usize) -> &'a str {
        let end = self.lines.get(index + 1).copied().unwrap_or(self.source.len());
        &self.source[self.lines[index]..end]
    }

    fn inline_html(&mut self, html: &str) {
        let tag = html.trim_start_matches(['<', '/']).trim_end_matches(['>', '/', ' ']);
        let name = tag.split_ascii_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        if matches!(name.as_str(), "br" | "div" | "li" | "ol" | "p" | "ul") {
            self.text.end_paragraph();
        }
    }

    fn indented_code(&mut self, range: Range<usize>) -> Result<(), Malformed> {
        let code = &self.source[range.clone()];
        let mut from = 0;
        while let Some(at) = find_table(&code[from..]) {
            let byte = range.start + from + at;
            self.read_html_table(byte)?;
            if self.skip_to >= range.end {
                return Ok(());
            }
            from = self.skip_to - range.start;
        }
        if from == 0 && code.lines().any(is_delimiter_row) {
            let dedented: String = code.lines().flat_map(|line| [line.trim_start(), "\n"]).collect();
            let mut inner = Reader::new(&dedented, self.line_of(range.start));
            inner.run()?;
            self.blocks.extend(inner.blocks);
        }
        Ok(())
    }
}

/// What a reader sees of a cell's text.
fn plain(text: &str) -> String {
    let lines: Vec<&str> = text.lines().map(str::trim_start).collect();
    let mut plain = Text::default();
    for event in Parser::new(&lines.join("\n")) {
        match event {
            Event::Text(text) | Event::Code(text) => plain.push(&text),
            Event::SoftBreak => plain.push(" "),
            Event::HardBreak | Event::End(TagEnd::Heading(_) | TagEnd::Item | TagEnd::Paragraph) => {
                plain.end_paragraph();
            }
            _ => {}
        }
    }
    plain.finish()
}

fn is_comment_open(html: &str) -> bool {
    html.rfind("<!--").is_some_and(|open| html.rfind("-->").is_none_or(|close| close < open))
}

fn find_table(html: &str) -> Option<usize> {
    const TAG: &str = "<table";
    let bytes = html.as_bytes();
    (0..bytes.len()).find(|at| {
        bytes[*at] == b'<'
            && bytes.get(*at..at + TAG.len()).is_some_and(|tag| tag.eq_ignore_ascii_case(TAG.as_bytes()))
            && bytes
                .get(at + TAG.len())
                .is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'>' | b'/'))
    })
}

/// Whether a line is `|---|:--:|`.
fn is_delimiter_row(line: &str) -> bool {
    let line = line.trim();
    line.contains("--")
        && line.contains('|')
        && line.chars().all(|character| matches!(character, '|' | '-' | ':' | ' '))
}
