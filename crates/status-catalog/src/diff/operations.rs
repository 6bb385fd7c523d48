//! Two OpenAPI descriptions side by side, operation by operation.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;

use super::Diff;
use crate::operation::nameless;
use crate::render::{TableStyle, table};
use crate::{Class, Import, Operation};

/// How two descriptions differ, operation by operation.
#[derive(Clone, Debug)]
pub struct ApiDiff<'a> {
    rows: Vec<ApiDiffRow<'a>>,
}

/// One operation in two descriptions; at least one side has it.
#[derive(Clone, Copy, Debug)]
pub struct ApiDiffRow<'a> {
    /// The operation of the first description.
    pub left: Option<&'a Operation>,
    /// The operation of the second description.
    pub right: Option<&'a Operation>,
}

impl<'a> ApiDiffRow<'a> {
    /// How the two sides differ, if both have the operation.
    pub fn diff(&self) -> Option<Diff<'a>> {
        let (left, right) = self.left.zip(self.right)?;
        Some(left.catalog().diff(right.catalog()))
    }
}

impl Import {
    /// How the operations of this OpenAPI description differ from those of another. Two are the same operation if
    /// their methods and paths are, whatever the path's parameters are called.
    pub fn diff<'a>(&'a self, other: &'a Self) -> ApiDiff<'a> {
        let same: HashSet<_> = self.operations().iter().map(exactly).collect();
        let (mut exact, mut nameless) = (HashMap::new(), HashMap::new());
        for right in other.operations() {
            if same.contains(&exactly(right)) {
                exact.insert(exactly(right), right);
            } else {
                nameless.entry(roughly(right)).or_insert(right);
            }
        }
        let mut found = HashSet::new();
        let mut rows: Vec<ApiDiffRow<'a>> = Vec::new();
        for left in self.operations() {
            let right = exact.remove(&exactly(left)).or_else(|| nameless.remove(&roughly(left)));
            found.extend(right.map(exactly));
            rows.push(ApiDiffRow { left: Some(left), right });
        }
        let new = other.operations().iter().filter(|right| !found.contains(&exactly(right)));
        rows.extend(new.map(|right| ApiDiffRow { left: None, right: Some(right) }));
        ApiDiff { rows }
    }
}

fn exactly(operation: &Operation) -> (&str, &str) {
    (operation.method(), operation.path())
}

fn roughly(operation: &Operation) -> (&str, String) {
    (operation.method(), nameless(operation.path()))
}

impl<'a> ApiDiff<'a> {
    /// All operations of both descriptions in their order, the same ones included.
    pub fn rows(&self) -> &[ApiDiffRow<'a>] {
        &self.rows
    }

    /// Whether the two descriptions promise the same of every operation.
    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(|row| row.diff().is_some_and(|diff| diff.is_empty()))
    }

    /// The operations whose responses differ, each with a table of what differs, those that only one side has, and how
    /// many are the same. `left` and `right` are what to call the two.
    pub fn to_table(&self, left: &str, right: &str, style: TableStyle) -> String {
        let mut text = String::new();
        for row in &self.rows {
            let Some((operation, diff)) = row.right.zip(row.diff()).filter(|(_, diff)| !diff.is_empty())
            else {
                continue;
            };
            let body = table::render(&HEADERS, &lines(&diff, left, right), style);
            let _ = writeln!(text, "{}\n{body}", table::bold(&heading(operation), style));
        }
        let only_left = self.rows.iter().filter(|row| row.right.is_none()).filter_map(|row| row.left);
        let only_right = self.rows.iter().filter(|row| row.left.is_none()).filter_map(|row| row.right);
        for (name, only) in [(left, only_left.collect::<Vec<_>>()), (right, only_right.collect())] {
            if only.is_empty() {
                continue;
            }
            let _ = writeln!(text, "{}", table::bold(&format!("only in {name}"), style));
            for operation in only {
                let _ = writeln!(text, "  {}", heading(operation));
            }
            text.push('\n');
        }
        let same = self.rows.iter().filter(|row| row.diff().is_some_and(|diff| diff.is_empty())).count();
        let _ = writeln!(text, "{same} of {} operations are the same in {left} and {right}", self.rows.len());
        text
    }
}

const HEADERS: [&str; 4] = ["CODE", "CATALOG", "CLASS", "DESCRIPTION"];

/// The lines of a diff without phrases and methods, which pages have.
fn lines(diff: &Diff<'_>, left: &str, right: &str) -> Vec<(Option<Class>, Vec<String>)> {
    let shown = |line: Vec<String>| {
        let columns = line.into_iter().enumerate().filter(|(column, _)| !matches!(column, 3 | 4));
        columns.map(|(_, cell)| cell).collect()
    };
    diff.lines(left, right).into_iter().map(|(class, line)| (class, shown(line))).collect()
}

fn heading(operation: &Operation) -> String {
    format!("{} {}", operation.method(), operation.path())
}
