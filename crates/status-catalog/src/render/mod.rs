//! A catalog written out: JSON for programs, a table for terminals, Markdown for pages.
//!
//! TOML, the format that is read back, lives in [`record`](crate::record).

mod json;
mod markdown;
mod operations;
pub(crate) mod table;

pub use table::TableStyle;
