//! A catalog written out: JSON for programs, a table for terminals, Markdown for pages.
//!
//! TOML, the format that is read back, lives in [`record`](crate::record).

mod json;
mod markdown;
pub(crate) mod table;

pub(crate) use json::EntryJson;
pub use table::TableStyle;
