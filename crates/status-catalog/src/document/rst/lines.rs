//! Lines with their place in the document, and indentation.

use std::borrow::Cow;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// A line, without what is indentation to its block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line<'a> {
    /// Without white space at the end.
    pub(super) text: &'a str,
    pub(super) number: usize,
    /// The column at which the text begins, from 1.
    pub(super) column: usize,
}

impl<'a> Line<'a> {
    pub(super) fn is_blank(&self) -> bool {
        self.text.is_empty()
    }

    pub(super) fn indent(&self) -> usize {
        self.text.bytes().take_while(|byte| matches!(byte, b' ' | b'\t')).count()
    }

    /// The display width: wide characters fill two columns of a table.
    pub(super) fn width(&self) -> usize {
        if self.text.is_ascii() { self.text.len() } else { self.text.width() }
    }

    /// The rest of the line after so many bytes.
    pub(super) fn after(&self, bytes: usize) -> Self {
        let text = self.text.get(bytes..).unwrap_or_default();
        Self { text, number: self.number, column: self.column + bytes }
    }
}

/// The text with its tabs replaced by spaces up to the next eighth column.
pub(super) fn without_tabs(text: &str) -> Cow<'_, str> {
    if !text.contains('\t') {
        return Cow::Borrowed(text);
    }
    let mut expanded = String::with_capacity(text.len());
    let mut column = 0;
    for character in text.chars() {
        if character == '\t' {
            let spaces = 8 - column % 8;
            expanded.extend(std::iter::repeat_n(' ', spaces));
            column += spaces;
            continue;
        }
        expanded.push(character);
        column = if character == '\n' { 0 } else { column + character.width().unwrap_or(0) };
    }
    Cow::Owned(expanded)
}

/// The lines of a text of which the first is number `first`.
pub(super) fn split(text: &str, first: usize) -> Vec<Line<'_>> {
    let numbers = first..;
    text.lines()
        .zip(numbers)
        .map(|(text, number)| Line { text: text.trim_end(), number, column: 1 })
        .collect()
}

/// How many of the lines are indented by at least `indent` or blank; blank ones at the end do not count.
pub(super) fn indented_block(lines: &[Line<'_>], indent: usize) -> usize {
    let end = lines.iter().position(|line| !line.is_blank() && line.indent() < indent).unwrap_or(lines.len());
    lines[..end].iter().rposition(|line| !line.is_blank()).map_or(0, |last| last + 1)
}

/// The first line and the indented block below it.
pub(super) fn indented_from(lines: &[Line<'_>], indent: usize) -> usize {
    1 + indented_block(&lines[1..], indent)
}

/// The lines without the indentation that all of them share.
pub(super) fn dedent<'a>(lines: &[Line<'a>]) -> Vec<Line<'a>> {
    let used = indented_block(lines, 0);
    let start = lines.iter().position(|line| !line.is_blank()).unwrap_or(used);
    let lines = &lines[start.min(used)..used];
    let shared = lines.iter().filter(|line| !line.is_blank()).map(Line::indent).min().unwrap_or(0);
    lines.iter().map(|line| line.after(shared)).collect()
}

/// Follows a wide character in [`padded`] text.
pub(super) const PAD: char = '\0';

/// The text as one character per display column.
pub(super) fn padded(text: &str) -> Vec<char> {
    if text.is_ascii() {
        return text.bytes().map(char::from).collect();
    }
    let mut characters = Vec::with_capacity(text.len());
    for character in text.chars() {
        characters.push(character);
        if character.width() == Some(2) {
            characters.push(PAD);
        }
    }
    characters
}
