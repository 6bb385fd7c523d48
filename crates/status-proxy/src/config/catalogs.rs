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
pub(super) struct Catalogs {
    known: HashMap<PathBuf, Result<Arc<Catalog>, String>>,
    /// What was read for them, or would have been if it were there.
    pub(super) files: Vec<PathBuf>,
}

impl Catalogs {
    /// The catalog of that name, or of that file in `base`.
    pub(super) fn find(&mut self, name: &str, base: &Path) -> Result<Arc<Catalog>, String> {
        let key = base.join(name);
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let catalog = match named(name, base) {
            Ok(Named::Builtin(catalog)) => Ok(catalog),
            Ok(Named::File(file)) => self.import(file),
            Err(message) => {
                // There may be a file of that name one day.
                self.files.push(key.clone());
                Err(message)
            }
        };
        self.known.insert(key, catalog.clone());
        catalog
    }

    /// The catalog that a document holds.
    fn import(&mut self, file: PathBuf) -> Result<Arc<Catalog>, String> {
        self.files.push(file.clone());
        let import = Importer::new().import(&file).map_err(|error| with_sources(&error))?;
        self.files.extend(import.files().iter().filter(|beside| **beside != file).cloned());
        let nothing = || format!("{}: the document lists no status code", file.display());
        import.into_catalog().map(Arc::new).ok_or_else(nothing)
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
