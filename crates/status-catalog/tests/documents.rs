//! Public pages of the family against what a reader takes from them: `documents/SOURCES.md` names the pages.

use std::fs;
use std::path::Path;

use status_catalog::{Catalog, Class, Import, Importer, Outcome};

fn import(name: &str) -> Import {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents").join(name);
    Importer::new().import(&path).expect(name)
}

/// Code, class, phrase and description of each entry, as the `.expected` files have them.
fn lines(catalog: &Catalog) -> Vec<String> {
    let line = |entry: &status_catalog::Entry| {
        let reason = entry.reason().unwrap_or("-");
        let description = entry.description().replace('\n', "⏎");
        format!("{}\t{}\t{reason}\t{description}", entry.spelling(), entry.class().as_str())
    };
    catalog.entries().iter().map(line).collect()
}

#[test]
fn pages_are_read_as_people_read_them() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    let mut pages = 0;
    for file in fs::read_dir(folder).expect("the folder of pages") {
        let path = file.expect("a page").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let Some(page) = name.strip_suffix(".expected") else { continue };
        let expected = fs::read_to_string(&path).expect("expectations");
        let import = import(page);
        let found = import.catalog().map(lines).unwrap_or_default();
        assert_eq!(found, expected.lines().collect::<Vec<_>>(), "{page}");
        pages += 1;
    }
    assert_eq!(pages, 12);
}

#[test]
fn a_page_of_service_error_codes_gives_nothing_and_says_why() {
    let import = import("kms.md");
    assert!(import.is_empty());
    assert!(import.catalog().is_none());
    let [table] = &*import.report().tables else { panic!("one table") };
    assert!(matches!(&table.outcome, Outcome::LeftOut(why) if why == "no column holds status codes"));
    assert!(import.report().to_string().contains("left out: no column holds status codes"));
    assert!(import.to_json().contains("\"entries\": []"));
}

#[test]
fn a_redirect_under_abnormal_is_the_documents_word() {
    let import = import("ecs-general.rst");
    let catalog = import.catalog().expect("a catalog");
    let found = catalog.documented(300).expect("300 is listed");
    assert_eq!((found.class, found.entry.reason()), (Class::Abnormal, Some("multiple choices")));
    assert!(import.report().warnings.is_empty(), "{:?}", import.report().warnings);
}

#[test]
fn repeated_codes_are_merged_visibly() {
    let import = import("rts.md");
    let entry = import.report().entries.iter().find(|entry| entry.code == "401").expect("401");
    assert_eq!(entry.lines, [84, 87, 90]);
    assert_eq!(entry.remarks, ["merged from 3 rows: 3 distinct descriptions, one a line"]);
    assert_eq!(entry.rule, "section “Error Return Code” (line 38)");
}
