//! Documents: one file per format, and between them and the catalog one model, a sequence of blocks.
//!
//! A format turns text into [`Document`]; what a table *means* is decided in [`reading`](crate::reading) alone.

mod html;
mod markdown;
mod openapi;
mod rst;
mod table;

use std::path::Path;

use serde::Serialize;

use crate::error::Malformed;

pub(crate) use openapi::{ReadFile, Servers, read as read_openapi};
pub(crate) use table::{Cell, Grid, Table};

/// A page: its blocks in reading order.
#[derive(Debug, Default)]
pub(crate) struct Document {
    pub(crate) blocks: Vec<Block>,
}

/// One block of a page. A table's caption, the list item it stands in and the sections around it are the blocks before it.
#[derive(Debug)]
pub(crate) enum Block {
    /// A caption that belongs to the next table.
    Caption(Note),
    /// A section title; the page's own title is the first of the lowest level.
    Heading(u8, Note),
    /// Something that could document codes but cannot be read, and why.
    LeftOut(Note),
    /// The first paragraph of a list item.
    ListItem(Note),
    Paragraph(Note),
    Table(Table),
}

impl Block {
    pub(crate) fn line(&self) -> usize {
        match self {
            Self::Caption(note)
            | Self::Heading(_, note)
            | Self::LeftOut(note)
            | Self::ListItem(note)
            | Self::Paragraph(note) => note.line,
            Self::Table(table) => table.line,
        }
    }
}

/// Text and where it stands.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub(crate) text: String,
    pub(crate) line: usize,
}

/// The format of a document.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Format {
    /// An HTML page.
    Html,
    /// Markdown, with pipe tables and HTML tables.
    Markdown,
    /// An OpenAPI description 2.0, 3.0 or 3.1, in YAML or JSON.
    OpenApi,
    /// reStructuredText.
    Rst,
    /// A catalog as TOML, the format of record.
    Toml,
}

impl Format {
    /// The format that the file's extension names or, if it names none, that the text looks like.
    pub fn detect(path: &Path, text: &str) -> Self {
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        match extension.to_ascii_lowercase().as_str() {
            "htm" | "html" | "xhtml" => Self::Html,
            "markdown" | "md" | "mdx" | "mkd" => Self::Markdown,
            "json" | "yaml" | "yml" => Self::OpenApi,
            "rest" | "rst" => Self::Rst,
            "toml" => Self::Toml,
            _ => Self::sniff(text),
        }
    }

    /// The word used on the command line and in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Html => "html",
            Self::Markdown => "markdown",
            Self::OpenApi => "openapi",
            Self::Rst => "rst",
            Self::Toml => "toml",
        }
    }

    fn sniff(text: &str) -> Self {
        let start = text.trim_start();
        let opening = start.get(..15).unwrap_or(start).to_ascii_lowercase();
        if opening.starts_with("<!doctype") || opening.starts_with("<html") {
            return Self::Html;
        }
        let is_version = |line: &str| {
            let line = line.trim_start_matches(['"', '\'']);
            line.starts_with("openapi") || line.starts_with("swagger")
        };
        if start.starts_with('{')
            || start.lines().take(100).any(|line| is_version(line) && line.contains(':'))
        {
            return Self::OpenApi;
        }
        if start.lines().any(is_rst) && !start.contains("<table") { Self::Rst } else { Self::Markdown }
    }
}

/// Whether a line is one that reStructuredText has and Markdown does not: a directive, a table border, the field
/// that the family's generator puts first.
fn is_rst(line: &str) -> bool {
    let line = line.trim();
    let is_border = || line.split(' ').filter(|part| part.starts_with("===")).count() > 1;
    line.starts_with(".. ") || line.starts_with("+--") || line.starts_with(":original_name:") || is_border()
}

/// Reads a page of one of the formats that have tables.
pub(crate) fn read(format: Format, text: &str) -> Result<Document, Malformed> {
    match format {
        Format::Html => html::read(text),
        Format::Rst => rst::read(text),
        // The other two have no tables and are read elsewhere.
        Format::Markdown | Format::OpenApi | Format::Toml => markdown::read(text),
    }
}
