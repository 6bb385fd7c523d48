//! What can go wrong with a document: what, and where.

use std::path::PathBuf;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// A document that is not well-formed, with the place.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{file}:{line}:{column}: {message}")]
pub struct ParseError {
    file: Arc<str>,
    line: usize,
    column: usize,
    message: String,
    help: Option<&'static str>,
    source_line: String,
}

/// Lines longer than this are cut in [`ParseError::picture`]: generated HTML has lines of many kilobytes.
const PICTURE_WIDTH: usize = 200;

impl ParseError {
    /// The file, as the caller named it.
    pub fn file(&self) -> &str {
        &self.file
    }

    /// The line, from 1.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The column in characters, from 1.
    pub fn column(&self) -> usize {
        self.column
    }

    /// What is wrong, in lower case, without the place.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// What to do about it, where there is something to say.
    pub fn help(&self) -> Option<&str> {
        self.help
    }

    /// The error with the line it is about and a mark below the place, in ANSI colours or plain.
    pub fn picture(&self, coloured: bool) -> String {
        let start = byte_of(&self.source_line, self.column);
        let end = self.source_line[start..].chars().next().map_or(start, |next| start + next.len_utf8());
        let snippet = Snippet::source(&*self.source_line)
            .path(&*self.file)
            .line_start(self.line)
            .annotation(AnnotationKind::Primary.span(start..end).label("here"));
        let mut group = Level::ERROR.primary_title(&*self.message).element(snippet);
        if let Some(help) = self.help {
            group = group.element(Level::HELP.message(help));
        }
        let renderer = if coloured { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group]).to_string()
    }
}

fn byte_of(line: &str, column: usize) -> usize {
    line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(byte, _)| byte)
}

/// What a parser reports; the importer adds the file and the text of the line.
#[derive(Debug)]
pub(crate) struct Malformed {
    pub(crate) line: usize,
    pub(crate) column: usize,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

impl Malformed {
    pub(crate) fn at(line: usize, column: usize, message: impl Into<String>) -> Self {
        Self { line, column, message: message.into(), help: None }
    }

    pub(crate) fn help(mut self, help: &'static str) -> Self {
        self.help = Some(help);
        self
    }

    pub(crate) fn in_file(self, file: &str, text: &str) -> ParseError {
        let Self { line, column, message, help } = self;
        let whole = text.lines().nth(line.saturating_sub(1)).unwrap_or_default();
        let source_line: String = whole.chars().take(PICTURE_WIDTH.max(column + 20)).collect();
        ParseError { file: file.into(), line: line.max(1), column: column.max(1), message, help, source_line }
    }
}

/// A document that could not be imported.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// The text is not UTF-8.
    #[error(
        "{}:{line}:{column}: not UTF-8 text; convert it first, for example with `iconv -f GB18030 -t UTF-8`",
        file.display()
    )]
    Encoding {
        /// The file.
        file: PathBuf,
        /// The line of the first byte that is not part of a character, from 1.
        line: usize,
        /// Its column in characters, from 1.
        column: usize,
    },
    /// The document is not well-formed.
    #[error(transparent)]
    Malformed(#[from] ParseError),
    /// The file could not be read.
    #[error("cannot read {}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The file is larger than any document: reading goes no further.
    #[error("{}: larger than {limit} bytes, not a document", file.display())]
    TooLarge {
        /// The file.
        file: PathBuf,
        /// The limit in bytes.
        limit: u64,
    },
}
