//! What the tests of pages share.

use status_catalog::{Class, Import, Importer};

/// Code, class, phrase and description of an entry.
pub(crate) type Read = (String, Class, Option<String>, String);

pub(crate) const N: Class = Class::Normal;
pub(crate) const A: Class = Class::Abnormal;

pub(crate) fn import(file: &str, page: &str) -> Import {
    Importer::new().import_text(file, page).expect(page)
}

pub(crate) fn read(file: &str, page: &str) -> Vec<Read> {
    let entries = import(file, page).catalog().map(|catalog| catalog.entries().to_vec()).unwrap_or_default();
    let read = |entry: &status_catalog::Entry| {
        let reason = entry.reason().map(str::to_owned);
        (entry.spelling(), entry.class(), reason, entry.description().to_owned())
    };
    entries.iter().map(read).collect()
}

pub(crate) fn entry(code: &str, class: Class, reason: Option<&str>, description: &str) -> Read {
    (code.to_owned(), class, reason.map(str::to_owned), description.to_owned())
}
