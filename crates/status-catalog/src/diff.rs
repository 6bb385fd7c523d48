//! Two catalogs side by side.

mod operations;

use crate::render::{TableStyle, table};
use crate::{Catalog, Class, Entry};

pub use operations::{ApiDiff, ApiDiffRow};

/// How two catalogs differ, code by code.
#[derive(Clone, Debug)]
pub struct Diff<'a> {
    left: &'a Catalog,
    right: &'a Catalog,
    rows: Vec<DiffRow<'a>>,
}

/// One code in two catalogs; at least one side has it.
#[derive(Clone, Copy, Debug)]
pub struct DiffRow<'a> {
    /// The entry of the first catalog.
    pub left: Option<&'a Entry>,
    /// The entry of the second catalog.
    pub right: Option<&'a Entry>,
}

impl DiffRow<'_> {
    /// Whether both catalogs say the same of the code: class, phrase, description and methods.
    pub fn is_same(&self) -> bool {
        self.left.zip(self.right).is_some_and(|(left, right)| {
            (left.class(), left.reason(), left.description(), left.methods())
                == (right.class(), right.reason(), right.description(), right.methods())
        })
    }
}

impl Catalog {
    /// How this catalog differs from another, by code.
    pub fn diff<'a>(&'a self, other: &'a Self) -> Diff<'a> {
        let mut rows: Vec<DiffRow<'a>> = self
            .entries()
            .iter()
            .map(|left| {
                let right = other.entries().iter().find(|right| right.codes() == left.codes());
                DiffRow { left: Some(left), right }
            })
            .collect();
        let is_new = |right: &&Entry| self.entries().iter().all(|left| left.codes() != right.codes());
        rows.extend(
            other.entries().iter().filter(is_new).map(|right| DiffRow { left: None, right: Some(right) }),
        );
        rows.sort_by_key(|row| row.left.or(row.right).map(Entry::codes));
        Diff { left: self, right: other, rows }
    }
}

impl<'a> Diff<'a> {
    /// All codes of both catalogs in ascending order, the same ones included.
    pub fn rows(&self) -> &[DiffRow<'a>] {
        &self.rows
    }

    /// Whether the two catalogs say the same of every code.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(DiffRow::is_same)
    }

    /// The codes that differ as a table: a line for each side, `-` where a side has no entry, and the
    /// number of codes that are the same below.
    pub fn to_table(&self, style: TableStyle) -> String {
        let lines = self.lines(self.left.name(), self.right.name());
        let same = self.rows.iter().filter(|row| row.is_same()).count();
        let total = self.rows.len();
        let body = table::render(&HEADERS, &lines, style);
        format!(
            "{body}{same} of {total} codes are the same in {} and {}\n",
            self.left.name(),
            self.right.name()
        )
    }

    fn lines(&self, left: &str, right: &str) -> Vec<(Option<Class>, Vec<String>)> {
        let mut lines = Vec::new();
        for row in self.rows.iter().filter(|row| !row.is_same()) {
            for (name, entry) in [(left, row.left), (right, row.right)] {
                let code = row.left.or(row.right).map(Entry::spelling).unwrap_or_default();
                let text = |text: Option<&str>| text.unwrap_or("-").to_owned();
                lines.push((
                    entry.map(Entry::class),
                    vec![
                        code,
                        name.to_owned(),
                        text(entry.map(|entry| entry.class().as_str())),
                        text(entry.and_then(Entry::reason)),
                        entry.map_or("-".to_owned(), table::methods),
                        text(entry.map(Entry::description)),
                    ],
                ));
            }
        }
        lines
    }
}

const HEADERS: [&str; 6] = ["CODE", "CATALOG", "CLASS", "REASON", "METHODS", "DESCRIPTION"];
