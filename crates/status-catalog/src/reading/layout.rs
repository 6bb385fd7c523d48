//! Tables whose rows are not where their headers say, put right before anything is read from them.

use std::borrow::Cow;

use super::{codes, headers};
use crate::document::{Cell, Table};
use crate::report::Report;

/// The table as it was meant; the report says what was put right.
pub(super) fn straightened<'a>(table: &'a Table, report: &mut Report) -> Cow<'a, Table> {
    let table = stacked(table, report);
    match shifted(&table, report) {
        Some(table) => Cow::Owned(table),
        None => table,
    }
}

/// A table that repeats its headers is several tables side by side; they are read one below the other.
fn stacked<'a>(table: &'a Table, report: &mut Report) -> Cow<'a, Table> {
    let Some(header) = table.rows.first() else { return Cow::Borrowed(table) };
    let is_repeated = |width: &usize| {
        let mut parts = header.chunks(*width);
        let first = parts.next().unwrap_or_default();
        let texts = |part: &[Cell]| part.iter().map(|cell| cell.text.clone()).collect::<Vec<_>>();
        table.columns.is_multiple_of(*width)
            && first.iter().all(|cell| !cell.text.is_empty() && !cell.from_left)
            && parts.all(|part| texts(part) == texts(first))
    };
    let Some(width) = (2..=table.columns / 2).find(is_repeated) else { return Cow::Borrowed(table) };
    let part = |at: usize| move |row: &Vec<Cell>| row[at..at + width].to_vec();
    let mut rows: Vec<Vec<Cell>> = table.rows.iter().map(part(0)).collect();
    for at in (width..table.columns).step_by(width) {
        let below = table.rows[table.headers.max(1)..].iter().map(part(at));
        rows.extend(below.filter(|row| row.iter().any(|cell| !cell.text.is_empty())));
    }
    let parts = table.columns / width;
    report.fact(
        table.line,
        format!("table that repeats its headers: {parts} tables side by side, read one below the other"),
    );
    Cow::Owned(Table { line: table.line, headers: table.headers, columns: width, rows })
}

/// Rows that have lost their first cells, because a cell that spanned them got lost in a conversion, begin too far to
/// the left: no code stands below the header of the codes, but one stands before it, and the row is short at its end.
fn shifted(table: &Table, report: &mut Report) -> Option<Table> {
    let first = table.headers.max(1);
    let header = table.rows.first()?;
    let status = header.iter().position(|cell| headers::is_about_status(&cell.text))?;
    let shift = |row: &[Cell]| {
        let missing = row.iter().rev().take_while(|cell| cell.text.is_empty() && !cell.from_above).count();
        let is_code = |at: usize| codes::parse(&row[at].text).is_some();
        let is_lost = missing > 0 && !is_code(status) && !codes::is_none(&row[status].text);
        (1..=missing.min(status)).find(|shift| is_lost && is_code(status - shift))
    };
    let mut rows = None;
    for (at, row) in table.rows.iter().enumerate().skip(first) {
        let Some(shift) = shift(row) else { continue };
        let line = row.iter().map(|cell| cell.line).max().unwrap_or(table.line);
        report.warn(line, format!("row begins too far to the left: {shift} of its first cells are missing"));
        rows.get_or_insert_with(|| table.rows.clone())[at].rotate_right(shift);
    }
    rows.map(|rows| Table { line: table.line, headers: table.headers, columns: table.columns, rows })
}
