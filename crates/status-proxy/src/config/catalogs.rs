//! Catalogs by name or file.

use std::{collections::HashMap, path::Path, sync::Arc};

use status_catalog::{BUILTIN, Catalog};

use super::report::nearest;

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
    let _ = base;
    if let Some(catalog) = Catalog::builtin(name) {
        return Ok(catalog);
    }
    let meant = match nearest(name, BUILTIN) {
        Some(meant) => format!("did you mean `{meant}`? "),
        None => String::new(),
    };
    Err(format!("no catalog is called `{name}`: {meant}The built-in ones are {}", BUILTIN.join(", ")))
}
