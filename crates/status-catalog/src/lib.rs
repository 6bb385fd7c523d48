//! Documents that list HTTP status codes, read into catalogs.

mod builtin;
mod catalog;
mod document;
mod error;
mod import;
mod operation;
mod reading;
mod render;
mod report;

pub use builtin::BUILTIN;
pub use catalog::{Catalog, Class, Documented, Entry, Envelope, Text};
pub use document::Format;
pub use error::{ImportError, ParseError};
pub use import::{Import, Importer};
pub use operation::Operation;
pub use render::TableStyle;
pub use report::{EntryReport, Outcome, Remark, Report, TableReport};
