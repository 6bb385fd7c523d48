//! Simple tables: columns by a border of `=== ===`, rows by the text in their first column.

use super::cell_text;
use super::lines::{Line, PAD, padded};
use crate::document::{Grid, Table};
use crate::error::Malformed;

/// Whether a line is `=== ===`.
pub(super) fn is_border(text: &str) -> bool {
    is_rule(text, b'=') && text.contains(' ')
}

fn is_rule(text: &str, mark: u8) -> bool {
    text.as_bytes().first() == Some(&mark) && text.bytes().all(|byte| byte == mark || byte == b' ')
}

/// Reads the table that begins with the first line.
pub(super) fn read(lines: &[Line<'_>], depth: usize) -> Result<(Option<Table>, usize), Malformed> {
    let first = lines[0];
    let mut borders = Vec::new();
    for (at, line) in lines.iter().enumerate().skip(1) {
        if is_rule(line.text, b'=') {
            borders.push(at);
            if borders.len() == 2 || lines.get(at + 1).is_none_or(Line::is_blank) {
                break;
            }
        }
    }
    let Some(bottom) = borders.last().copied() else {
        return Err(Malformed::at(
            first.number,
            first.column,
            "simple table has no border below its last row",
        )
        .help("close the table with a line such as `=== ===`"));
    };
    let columns = parts(first.text);
    let mut reader = Reader { columns: &columns, grid: Grid::default(), row: Vec::new(), depth };
    let mut headers = 0;
    for (at, line) in lines[..bottom].iter().enumerate().skip(1) {
        if borders.contains(&at) {
            reader.end_row(None)?;
            headers = reader.grid.rows();
        } else if is_rule(line.text, b'-') && !reader.row.is_empty() {
            reader.end_row(Some(*line))?;
        } else {
            reader.line(*line)?;
        }
    }
    reader.end_row(None)?;
    Ok((reader.grid.into_table(first.number, headers)?, bottom + 1))
}

/// The parts of a border or rule: where each begins and ends.
fn parts(rule: &str) -> Vec<(usize, usize)> {
    let mut parts = Vec::new();
    let mut at = 0;
    for part in rule.split(' ') {
        if !part.is_empty() {
            parts.push((at, at + part.len()));
        }
        at += part.len() + 1;
    }
    parts
}

struct Reader<'a> {
    columns: &'a [(usize, usize)],
    grid: Grid,
    row: Vec<Line<'a>>,
    depth: usize,
}

impl<'a> Reader<'a> {
    fn line(&mut self, line: Line<'a>) -> Result<(), Malformed> {
        let (start, end) = self.columns[0];
        let begins_row = padded(line.text)
            .get(start..)
            .is_some_and(|rest| rest.iter().take(end - start).any(|character| !character.is_whitespace()));
        if begins_row {
            self.end_row(None)?;
        }
        if begins_row || !self.row.is_empty() || !line.is_blank() {
            self.row.push(line);
        }
        Ok(())
    }

    /// Ends the row; a rule of hyphens below it tells which of its columns are joined.
    fn end_row(&mut self, rule: Option<Line<'_>>) -> Result<(), Malformed> {
        let row = std::mem::take(&mut self.row);
        let Some(first) = row.first() else { return Ok(()) };
        let columns = match rule {
            Some(rule) => self.joined(rule)?,
            None => self.columns.iter().map(|(start, end)| (*start, *end, 1)).collect(),
        };
        let padded_row: Vec<Vec<char>> = row.iter().map(|line| padded(line.text)).collect();
        for (index, (start, end, span)) in columns.iter().copied().enumerate() {
            let is_last = index + 1 == columns.len();
            let mut texts = Vec::with_capacity(row.len());
            for (line, characters) in row.iter().zip(&padded_row) {
                if !is_last
                    && let Some(column) = (end..columns[index + 1].0).find(|at| is_text(characters, *at))
                {
                    return Err(Malformed::at(
                        line.number,
                        line.column + column,
                        "text in the gap between two columns",
                    )
                    .help("widen the `===` border of the column, or move the text below its own column"));
                }
                let end = if is_last { characters.len() } else { end.min(characters.len()) };
                let inside = characters.get(start..end).unwrap_or_default();
                texts.push(inside.iter().filter(|character| **character != PAD).collect::<String>());
            }
            let lines: Vec<Line<'_>> = texts
                .iter()
                .zip(&row)
                .map(|(text, line)| Line {
                    text: text.trim_end(),
                    number: line.number,
                    column: line.column + start,
                })
                .collect();
            self.grid.cell(cell_text(&lines, self.depth)?, first.number, span, 1);
        }
        self.grid.end_row();
        Ok(())
    }

    fn joined(&self, rule: Line<'_>) -> Result<Vec<(usize, usize, usize)>, Malformed> {
        let mut joined = Vec::new();
        for (start, end) in parts(rule.text) {
            let within = self.columns.iter().filter(|column| column.0 >= start && column.1 <= end).count();
            let begins = self.columns.iter().any(|column| column.0 == start);
            let ends = self.columns.iter().any(|column| column.1 == end);
            if within == 0 || !begins || !ends {
                return Err(Malformed::at(
                    rule.number,
                    rule.column + start,
                    "rule does not match the columns of the table",
                )
                .help("each run of `-` begins and ends below the border of a column"));
            }
            joined.push((start, end, within));
        }
        Ok(joined)
    }
}

fn is_text(characters: &[char], at: usize) -> bool {
    characters.get(at).is_some_and(|character| !character.is_whitespace() && *character != PAD)
}
