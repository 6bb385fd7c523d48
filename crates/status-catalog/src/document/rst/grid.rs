//! Grid tables, spans included.
//!
//! Cells are found as docutils finds them (`docutils/parsers/rst/tableparser.py`): from a corner to the right, down,
//! left and up again along the borders.

use std::{borrow::Cow, collections::BTreeSet, ops::Range};

use super::cell_text;
use super::lines::{Line, PAD, padded};
use crate::document::{Grid, Table};
use crate::error::Malformed;

/// Whether a line is `+---+---+`.
pub(super) fn is_border(text: &str) -> bool {
    text.len() > 3
        && text.starts_with("+-")
        && text.ends_with("-+")
        && text.bytes().all(|byte| matches!(byte, b'+' | b'-'))
}

fn is_header_border(row: &[char]) -> bool {
    row.starts_with(&['+', '=']) && row.iter().all(|character| matches!(character, '+' | '='))
}

/// Reads the table that begins with the first line.
pub(super) fn read(lines: &[Line<'_>], depth: usize) -> Result<(Option<Table>, usize), Malformed> {
    let end = lines.iter().position(|line| !line.text.starts_with(['+', '|'])).unwrap_or(lines.len());
    let lines = &lines[..end];
    let first = lines[0];
    let last = lines[end - 1];
    if end == 1 || !is_border(last.text) {
        let place =
            Malformed::at(last.number, last.column, "grid table ends without a border below its last row");
        return Err(place.help("close the table with a line such as `+----+----+`"));
    }
    let width = first.width();
    for line in lines {
        if line.width() != width || !line.text.ends_with(['+', '|']) {
            let column = line.column + line.text.chars().count().min(width);
            let message = format!("grid table is {width} columns wide, this line is {}", line.width());
            return Err(Malformed::at(line.number, column, message)
                .help("every line of a grid table ends below the right edge of its first line"));
        }
    }
    let mut block: Vec<Vec<char>> = lines.iter().map(|line| padded(line.text)).collect();
    let headers: Vec<usize> = (0..end).filter(|row| is_header_border(&block[*row])).collect();
    if let [_, second, ..] = *headers {
        return Err(Malformed::at(
            lines[second].number,
            lines[second].column,
            "grid table has two header borders",
        ));
    }
    if let Some(header) = headers.first() {
        for character in &mut block[*header] {
            *character = if *character == '=' { '-' } else { *character };
        }
    }
    let table = Scan { lines, block, width, depth }.table(headers.first().copied())?;
    Ok((table, end))
}

struct Rectangle {
    top: usize,
    left: usize,
    bottom: usize,
    right: usize,
}

struct Scan<'a> {
    lines: &'a [Line<'a>],
    block: Vec<Vec<char>>,
    width: usize,
    depth: usize,
}

impl Scan<'_> {
    fn table(&self, header: Option<usize>) -> Result<Option<Table>, Malformed> {
        // In order: each cell finds corners after its own, and the first corner is always the next.
        let mut cells = Vec::new();
        // Per column of characters, the line down to which it is read.
        let mut done = vec![0; self.width];
        let mut corners = BTreeSet::from([(0, 0)]);
        let mut rows = BTreeSet::from([0]);
        let mut columns = BTreeSet::from([0]);
        while let Some((top, left)) = corners.pop_first() {
            if top == self.block.len() - 1 || left == self.width - 1 || done[left] > top {
                continue;
            }
            let cell = self.cell(top, left).ok_or_else(|| self.broken(top, left))?;
            if done[left..cell.right].iter().any(|line| *line != top) {
                return Err(self.broken(top, left));
            }
            done[left..cell.right].fill(cell.bottom);
            rows.insert(cell.bottom);
            columns.insert(cell.right);
            corners.insert((top, cell.right));
            corners.insert((cell.bottom, left));
            cells.push(cell);
        }
        if done[..self.width - 1].iter().any(|line| *line != self.block.len() - 1) {
            return Err(self.broken(0, 0));
        }
        let rows: Vec<usize> = rows.into_iter().collect();
        let columns: Vec<usize> = columns.into_iter().collect();
        let index = |list: &[usize], edge: usize| list.partition_point(|known| *known < edge);
        let mut grid = Grid::default();
        let mut cells = cells.iter().peekable();
        for top in &rows[..rows.len() - 1] {
            while let Some(cell) = cells.next_if(|cell| cell.top == *top) {
                let columns = index(&columns, cell.right) - index(&columns, cell.left);
                let spanned = index(&rows, cell.bottom) - index(&rows, cell.top);
                grid.cell(self.text(cell)?, self.lines[cell.top + 1].number, columns, spanned);
            }
            grid.end_row();
        }
        let headers = header.map_or(0, |header| index(&rows, header));
        grid.into_table(self.lines[0].number, headers)
    }

    fn broken(&self, top: usize, left: usize) -> Malformed {
        let line = self.lines[top];
        Malformed::at(line.number, line.column + left, "the borders of the cell that begins here do not meet")
            .help("a cell has `+` at its four corners, `-` above and below, `|` on both sides")
    }

    fn at(&self, row: usize, column: usize) -> char {
        self.block[row].get(column).copied().unwrap_or(' ')
    }

    fn cell(&self, top: usize, left: usize) -> Option<Rectangle> {
        if self.at(top, left) != '+' {
            return None;
        }
        for right in left + 1..self.width {
            match self.at(top, right) {
                '+' => {
                    if let Some(bottom) = self.bottom(top, left, right) {
                        return Some(Rectangle { top, left, bottom, right });
                    }
                }
                '-' => {}
                _ => return None,
            }
        }
        None
    }

    fn bottom(&self, top: usize, left: usize, right: usize) -> Option<usize> {
        for bottom in top + 1..self.block.len() {
            match self.at(bottom, right) {
                '+' => {
                    if self.closes(top, left, bottom, right) {
                        return Some(bottom);
                    }
                }
                '|' => {}
                _ => return None,
            }
        }
        None
    }

    fn closes(&self, top: usize, left: usize, bottom: usize, right: usize) -> bool {
        self.at(bottom, left) == '+'
            && (left + 1..right).all(|column| matches!(self.at(bottom, column), '+' | '-'))
            && (top + 1..bottom).all(|row| matches!(self.at(row, left), '+' | '|'))
    }

    fn text(&self, cell: &Rectangle) -> Result<String, Malformed> {
        let texts: Vec<Cow<'_, str>> =
            (cell.top + 1..cell.bottom).map(|row| self.inside(row, cell.left + 1..cell.right)).collect();
        let lines: Vec<Line<'_>> = texts
            .iter()
            .zip(&self.lines[cell.top + 1..cell.bottom])
            .map(|(text, line)| Line {
                text: text.trim_end(),
                number: line.number,
                column: line.column + cell.left + 1,
            })
            .collect();
        cell_text(&lines, self.depth)
    }

    /// What stands in these columns of a line.
    fn inside(&self, row: usize, columns: Range<usize>) -> Cow<'_, str> {
        let text = self.lines[row].text;
        if text.is_ascii() {
            return Cow::Borrowed(text.get(columns).unwrap_or_default());
        }
        let inside = self.block[row].get(columns).unwrap_or_default();
        Cow::Owned(inside.iter().filter(|character| **character != PAD).collect())
    }
}
