//! The table model: what every format's tables become before anything is decided about them.

use std::sync::Arc;

use crate::error::Malformed;

/// A table with its spans resolved: every row has a cell for every column.
#[derive(Clone, Debug)]
pub(crate) struct Table {
    pub(crate) line: usize,
    /// How many of the first rows are headers; 0 if the format marks none.
    pub(crate) headers: usize,
    pub(crate) columns: usize,
    pub(crate) rows: Vec<Vec<Cell>>,
}

/// One position of the table.
#[derive(Clone, Debug)]
pub(crate) struct Cell {
    /// Inline markup is gone; paragraphs are joined by a newline.
    pub(crate) text: Arc<str>,
    pub(crate) line: usize,
    /// The position belongs to a cell that begins in a row above (a `rowspan`).
    pub(crate) from_above: bool,
    /// The position belongs to a cell that begins in a column to the left (a `colspan`).
    pub(crate) from_left: bool,
}

impl Default for Cell {
    fn default() -> Self {
        Self { text: "".into(), line: 0, from_above: false, from_left: false }
    }
}

/// The widest and tallest span that is followed (HTML's own limits are 1,000 and 65,534), and how many cells a
/// table may have: a crafted page must not turn a few bytes into gigabytes.
const MAX_SPAN: usize = 1_000;
const MAX_CELLS: usize = 500_000;

/// Lays cells out row by row, as browsers do: a cell takes the first position that no cell above still covers.
#[derive(Debug, Default)]
pub(crate) struct Grid {
    rows: Vec<Vec<Cell>>,
    /// Per column, the cell that reaches down and how many further rows it covers.
    open: Vec<(usize, Cell)>,
    row: Vec<Cell>,
    cells: usize,
}

impl Grid {
    pub(crate) fn cell(&mut self, text: impl Into<Arc<str>>, line: usize, columns: usize, rows: usize) {
        self.fill_from_above();
        let text = text.into();
        for column in 0..columns.clamp(1, MAX_SPAN) {
            let position = self.row.len();
            let cell = Cell { text: Arc::clone(&text), line, from_above: false, from_left: column > 0 };
            if self.open.len() <= position {
                self.open.resize(position + 1, (0, Cell::default()));
            }
            let further = rows.clamp(1, MAX_SPAN) - 1;
            self.open[position] = (further, Cell { from_above: true, ..cell.clone() });
            self.push(cell);
        }
    }

    pub(crate) fn end_row(&mut self) {
        self.fill_from_above();
        let row = std::mem::take(&mut self.row);
        if !row.is_empty() {
            self.rows.push(row);
        }
    }

    pub(crate) fn rows(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_row_open(&self) -> bool {
        !self.row.is_empty()
    }

    /// The finished table; `None` if it has no cells.
    pub(crate) fn into_table(mut self, line: usize, headers: usize) -> Result<Option<Table>, Malformed> {
        if self.is_row_open() {
            self.end_row();
        }
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        if self.cells > MAX_CELLS || columns * self.rows.len() > MAX_CELLS {
            return Err(Malformed::at(line, 1, format!("table has more than {MAX_CELLS} cells")));
        }
        for row in &mut self.rows {
            row.resize(columns, Cell::default());
        }
        let headers = headers.min(self.rows.len());
        Ok((columns > 0).then_some(Table { line, headers, columns, rows: self.rows }))
    }

    fn push(&mut self, cell: Cell) {
        self.cells += 1;
        if self.cells <= MAX_CELLS {
            self.row.push(cell);
        }
    }

    fn fill_from_above(&mut self) {
        while let Some((further, cell)) =
            self.open.get_mut(self.row.len()).filter(|(further, _)| *further > 0)
        {
            if self.cells > MAX_CELLS {
                return;
            }
            *further -= 1;
            let cell = cell.clone();
            self.push(cell);
        }
    }
}
