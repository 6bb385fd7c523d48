//! Documents that list HTTP status codes, read into catalogs.

mod builtin;
mod catalog;

pub use builtin::BUILTIN;
pub use catalog::{Catalog, Class, Documented, Entry, Envelope, Text};
