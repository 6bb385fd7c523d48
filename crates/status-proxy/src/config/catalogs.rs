//! Catalogs by name or file.

use std::{collections::HashMap, path::Path, sync::Arc};

use status_catalog::{BUILTIN, Catalog, Importer};

use super::report::nearest;
use crate::cli::with_sources;

/// The catalogs that a configuration serves, each read once.
#[derive(Debug)]
pub(super) struct Catalogs<'a> {
    base: &'a Path,
    read: HashMap<String, Arc<Catalog>>,
}

impl<'a> Catalogs<'a> {
    /// Files are looked for in `base`.
    pub(super) fn new(base: &'a Path) -> Self {
        Self { base, read: HashMap::new() }
    }

    pub(super) fn find(&mut self, name: &str) -> Result<Arc<Catalog>, String> {
        if let Some(catalog) = self.read.get(name) {
            return Ok(catalog.clone());
        }
        let catalog = load_catalog(name, self.base)?;
        self.read.insert(name.to_owned(), catalog.clone());
        Ok(catalog)
    }
}

/// The built-in catalog of that name, or the one that a document in `base` holds.
pub(crate) fn load_catalog(name: &str, base: &Path) -> Result<Arc<Catalog>, String> {
    if let Some(catalog) = Catalog::builtin(name) {
        return Ok(catalog);
    }
    // A built-in catalog's name has neither, a document's has at least one.
    if !name.contains(['/', '.']) {
        let meant =
            nearest(name, BUILTIN).map(|meant| format!("did you mean `{meant}`? ")).unwrap_or_default();
        let builtin = BUILTIN.join(", ");
        return Err(format!(
            "no catalog is called `{name}`: {meant}built in are {builtin}; a document needs its file name"
        ));
    }
    let file = base.join(name);
    let import = Importer::new().import(&file).map_err(|error| with_sources(&error))?;
    let nothing = || format!("{}: the document lists no status code", file.display());
    import.into_catalog().map(Arc::new).ok_or_else(nothing)
}
