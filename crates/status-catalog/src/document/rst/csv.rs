//! The comma-separated values of `csv-table`, in the dialect of docutils.

use super::lines::Line;
use crate::error::Malformed;

pub(super) struct Dialect {
    delimiter: char,
    quote: char,
    escape: Option<char>,
}

impl Dialect {
    pub(super) fn new(delimiter: Option<&str>, quote: Option<&str>, escape: Option<&str>) -> Self {
        let character = |option: Option<&str>| match option {
            Some("tab") => Some('\t'),
            Some("space") => Some(' '),
            Some(option) => option.chars().next(),
            None => None,
        };
        Self {
            delimiter: character(delimiter).unwrap_or(','),
            quote: character(quote).unwrap_or('"'),
            escape: character(escape),
        }
    }
}

#[derive(Default)]
pub(super) struct Value {
    pub(super) text: String,
    pub(super) line: usize,
}

pub(super) fn rows(lines: &[Line<'_>], dialect: &Dialect) -> Result<Vec<Vec<Value>>, Malformed> {
    let mut rows = Vec::new();
    let mut row = Vec::new();
    let mut value = Value::default();
    // Where the quotation that is open began.
    let mut quoted: Option<(usize, usize)> = None;
    for line in lines {
        if line.is_blank() && quoted.is_none() {
            continue;
        }
        let mut characters = line.text.chars().enumerate().peekable();
        if quoted.is_some() {
            value.text.push('\n');
        } else {
            value.line = line.number;
        }
        while let Some((column, character)) = characters.next() {
            if Some(character) == dialect.escape {
                value.text.extend(characters.next().map(|(_, escaped)| escaped));
            } else if quoted.is_some() {
                let is_quote = character == dialect.quote;
                let is_doubled = is_quote && characters.next_if(|(_, next)| *next == dialect.quote).is_some();
                if is_quote && !is_doubled {
                    quoted = None;
                } else {
                    value.text.push(character);
                }
            } else if character == dialect.delimiter {
                row.push(std::mem::replace(&mut value, Value { line: line.number, ..Value::default() }));
            } else if character == dialect.quote && value.text.is_empty() {
                quoted = Some((line.number, line.column + column));
            } else if !value.text.is_empty() || !character.is_whitespace() {
                value.text.push(character);
            }
        }
        if quoted.is_none() {
            row.push(std::mem::take(&mut value));
            rows.push(std::mem::take(&mut row));
        }
    }
    match quoted {
        Some((line, column)) => Err(Malformed::at(line, column, "quoted value is not closed")),
        None => Ok(rows),
    }
}
