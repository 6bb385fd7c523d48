//! Catalogs by name or file.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use status_catalog::{BUILTIN, Catalog, Importer};

use super::report::nearest;
use crate::cli::with_sources;

/// The catalogs that a configuration serves, each read once.
#[derive(Debug, Default)]
pub(super) struct Catalogs(HashMap<PathBuf, Arc<Catalog>>);

impl Catalogs {
    /// The catalog of that name, or of that file in `base`.
    pub(super) fn find(&mut self, name: &str, base: &Path) -> Result<Arc<Catalog>, String> {
        let key = base.join(name);
        if let Some(catalog) = self.0.get(&key) {
            return Ok(catalog.clone());
        }
        let catalog = load_catalog(name, base)?;
        self.0.insert(key, catalog.clone());
        Ok(catalog)
    }
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) enum Named {
    Builtin(Arc<Catalog>),
    File(PathBuf),
}

/// What looks like a file, or is one, is meant as one, in `base`.
pub(crate) fn named(name: &str, base: &Path) -> Result<Named, String> {
    if let Some(catalog) = Catalog::builtin(name) {
        return Ok(Named::Builtin(catalog));
    }
    let file = base.join(name);
    if !name.contains(['/', '.']) && !file.is_file() {
        let meant =
            nearest(name, BUILTIN).map(|meant| format!(": did you mean `{meant}`?")).unwrap_or_default();
        let builtin = BUILTIN.join(", ");
        return Err(format!(
            "no catalog is called `{name}`{meant} (built in: {builtin}; or a document's file name)"
        ));
    }
    Ok(Named::File(file))
}

/// The built-in catalog of that name, or the one that a document in `base` holds.
fn load_catalog(name: &str, base: &Path) -> Result<Arc<Catalog>, String> {
    let file = match named(name, base)? {
        Named::Builtin(catalog) => return Ok(catalog),
        Named::File(file) => file,
    };
    let import = Importer::new().import(&file).map_err(|error| with_sources(&error))?;
    let nothing = || format!("{}: the document lists no status code", file.display());
    import.into_catalog().map(Arc::new).ok_or_else(nothing)
}
