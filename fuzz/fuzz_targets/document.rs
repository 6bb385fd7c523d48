//! What holds for any text: a catalog that its own TOML gives back, or an error with its place.

use status_catalog::{Catalog, Format, Importer};

pub fn import(format: Format, text: &str) {
    match Importer::new().format(format).name("fuzz").import_text("document", text) {
        Ok(import) => {
            let _ = (import.to_json(), import.report().to_string(), import.check());
            import.catalog().into_iter().for_each(round_trip);
            import.operations().iter().for_each(|operation| round_trip(operation.catalog()));
        }
        Err(error) => {
            assert!(error.line() > 0 && error.column() > 0, "{error}");
            let _ = error.picture(true);
        }
    }
}

fn round_trip(catalog: &Catalog) {
    let again = Importer::new().format(Format::Toml).import_text("catalog.toml", &catalog.to_toml());
    assert_eq!(again.expect("our own TOML is well-formed").catalog(), Some(catalog));
}
