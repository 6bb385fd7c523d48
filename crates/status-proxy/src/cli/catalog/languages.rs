//! Pages that are one page in several languages.

use std::{fmt::Write as _, path::Path};

use status_catalog::{Catalog, Entry, Import};

/// The pages as one catalog, the first one's language first, or why they are not one.
pub(super) fn one_catalog(pages: &[(&Path, Import)]) -> Result<Catalog, String> {
    let mut read: Vec<(&Path, &Catalog)> = Vec::new();
    for (file, import) in pages {
        let name = file.display();
        let page = import.page().ok_or_else(|| {
            format!("{name}: an OpenAPI description has a catalog per operation and is no page in one of several languages")
        })?;
        if page.entries().is_empty() {
            return Err(format!(
                "{name} documents no HTTP status code: it is no page in one of several languages"
            ));
        }
        for (other, known) in &read {
            if let Some(language) = page.languages().iter().find(|tag| known.languages().contains(tag)) {
                return Err(format!(
                    "{} and {name} are both in `{language}`: name them as `codes.fr.md`, give --lang for each, or leave --name out to import each by itself",
                    other.display()
                ));
            }
        }
        read.push((file, page));
    }
    let Some(((first_file, first), others)) = read.split_first() else {
        return Err("there is no page".to_owned());
    };
    let mut catalog = Catalog::clone(first);
    for (file, page) in others {
        let differences = differences((first_file, first), (file, page));
        if !differences.is_empty() {
            return Err(format!(
                "{} and {} are not one page in two languages:{differences}",
                first_file.display(),
                file.display()
            ));
        }
        catalog = catalog.with_languages_of(page).map_err(|error| error.to_string())?;
    }
    Ok(catalog)
}

/// The codes that only one lists, and those that the two class differently, a line each.
fn differences((left_file, left): (&Path, &Catalog), (right_file, right): (&Path, &Catalog)) -> String {
    let mut text = String::new();
    for (file, own, other) in [(left_file, left, right), (right_file, right, left)] {
        let only: Vec<String> =
            own.entries().iter().filter(|entry| find(other, entry).is_none()).map(Entry::spelling).collect();
        if !only.is_empty() {
            let _ = write!(text, "\n  only {} lists {}", file.display(), only.join(", "));
        }
    }
    for entry in left.entries() {
        let Some(other) = find(right, entry).filter(|other| other.class() != entry.class()) else { continue };
        let (code, class, other) = (entry.spelling(), entry.class().as_str(), other.class().as_str());
        let (left, right) = (left_file.display(), right_file.display());
        let _ = write!(text, "\n  {left} lists {code} as {class}, {right} as {other}");
    }
    text
}

fn find<'a>(catalog: &'a Catalog, entry: &Entry) -> Option<&'a Entry> {
    catalog.entries().iter().find(|other| other.codes() == entry.codes())
}
