#![doc = include_str!("../README.md")]

mod builtin;
mod catalog;
mod check;
mod diff;
mod document;
mod error;
mod import;
mod operation;
mod reading;
mod record;
mod render;
mod report;

pub use builtin::BUILTIN;
pub use catalog::{Catalog, Class, Documented, Entry, Envelope, SameLanguage, Text};
pub use check::{Finding, Rule};
pub use diff::{ApiDiff, ApiDiffRow, Diff, DiffRow};
pub use document::Format;
pub use error::{ImportError, ParseError};
pub use import::{Import, Importer};
pub use operation::Operation;
pub use render::TableStyle;
pub use report::{EntryReport, Outcome, Remark, Report, TableReport, Unread};
