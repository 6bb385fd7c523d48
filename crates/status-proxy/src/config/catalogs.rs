//! Catalogs by name or file.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use status_catalog::{BUILTIN, Catalog, Importer, Operation};
use status_normalize::Operations;

use super::report::nearest;
use crate::sources::with_sources;

/// What the answers of a route are held against.
#[derive(Clone, Debug)]
pub(super) enum Promise {
    Api(Arc<Api>),
    Catalog(Arc<Catalog>),
}

/// What an OpenAPI description promises.
#[derive(Debug)]
pub(super) struct Api {
    operations: Vec<Operation>,
    /// For requests that are none of them.
    pub(super) unmatched: Arc<Catalog>,
}

/// The catalogs that a configuration serves, each read once.
#[derive(Debug, Default)]
pub(super) struct Catalogs {
    known: HashMap<(PathBuf, Option<String>), Result<Promise, String>>,
    translated: HashMap<Vec<PathBuf>, Result<Arc<Catalog>, Mistake>>,
    /// By description and base path.
    operations: Vec<(Arc<Api>, Option<String>, Arc<Operations>)>,
    /// What was read for them, or would have been if it were there.
    pub(super) files: Vec<PathBuf>,
    /// Those of them that a description refers to and that could not be read, and why.
    pub(super) unread: Vec<(PathBuf, String)>,
}

/// What is wrong with one of several names, by its place among them.
#[derive(Clone, Debug)]
pub(super) struct Mistake {
    pub(super) place: usize,
    pub(super) message: String,
}

impl Catalogs {
    /// The catalog of that name, or what that file in `base` promises; several are one catalog in several languages.
    pub(super) fn find(&mut self, names: &[&str], base: &Path) -> Result<Promise, Mistake> {
        if let [name] = names {
            return self.find_one(name, base, None).map_err(|message| Mistake { place: 0, message });
        }
        let key: Vec<PathBuf> = names.iter().map(|name| base.join(name)).collect();
        if let Some(known) = self.translated.get(&key) {
            return known.clone().map(Promise::Catalog);
        }
        let catalog = self.translate(names, base);
        self.translated.insert(key, catalog.clone());
        catalog.map(Promise::Catalog)
    }

    /// The operations of a description as routes.
    pub(super) fn operations(&mut self, api: &Arc<Api>, base_path: Option<&str>) -> Arc<Operations> {
        let same = |(known, path, _): &&(Arc<Api>, Option<String>, _)| {
            Arc::ptr_eq(known, api) && path.as_deref() == base_path
        };
        if let Some((.., known)) = self.operations.iter().find(same) {
            return known.clone();
        }
        let Api { operations, unmatched } = &**api;
        let routes = Arc::new(match base_path {
            Some(path) => Operations::at_base_path(operations, unmatched.clone(), path),
            None => Operations::new(operations, unmatched.clone()),
        });
        self.operations.push((api.clone(), base_path.map(str::to_owned), routes.clone()));
        routes
    }

    fn find_one(&mut self, name: &str, base: &Path, language: Option<&str>) -> Result<Promise, String> {
        let key = (base.join(name), language.map(str::to_owned));
        if let Some(known) = self.known.get(&key) {
            return known.clone();
        }
        let promise = match named(name, base) {
            Ok(Named::Builtin(catalog)) => Ok(Promise::Catalog(catalog)),
            Ok(Named::File(file)) => self.import(file, language),
            Err(message) => {
                // There may be a file of that name one day.
                self.files.push(key.0.clone());
                Err(message)
            }
        };
        self.known.insert(key, promise.clone());
        promise
    }

    /// What a document promises.
    fn import(&mut self, file: PathBuf, language: Option<&str>) -> Result<Promise, String> {
        self.files.push(file.clone());
        let mut importer = Importer::new();
        if let Some(language) = language {
            importer = importer.language(language);
        }
        let import = importer.import(&file).map_err(|error| with_sources(&error))?;
        self.files.extend(import.files().iter().filter(|beside| **beside != file).cloned());
        let folder = file.parent().unwrap_or(Path::new(""));
        self.unread.extend(
            import
                .report()
                .unread
                .iter()
                .map(|unread| (folder.join(&unread.file), format!("{}: {}", file.display(), unread.why))),
        );
        match import.unmatched().cloned() {
            Some(_) if import.is_empty() => {
                Err(format!("{}: the description has no operation with a documented status", file.display()))
            }
            Some(unmatched) => {
                Ok(Promise::Api(Arc::new(Api { operations: import.operations().to_vec(), unmatched })))
            }
            None => {
                let nothing = || format!("{}: the document lists no status code", file.display());
                import.into_catalog().map(|catalog| Promise::Catalog(Arc::new(catalog))).ok_or_else(nothing)
            }
        }
    }

    /// One catalog of the pages that say the same in several languages.
    fn translate(&mut self, names: &[&str], base: &Path) -> Result<Arc<Catalog>, Mistake> {
        let mut merged: Option<Catalog> = None;
        for (place, name) in names.iter().enumerate() {
            let mistake = |message| Mistake { place, message };
            let language = language_of(name);
            let page = match self.find_one(name, base, language).map_err(mistake)? {
                Promise::Catalog(page) => page,
                Promise::Api(_) => {
                    let message = format!(
                        "{name} is an OpenAPI description, which stands alone: only pages are merged"
                    );
                    return Err(mistake(message));
                }
            };
            merged = Some(match merged {
                None => {
                    let suffix = language.map(|language| format!(".{language}")).unwrap_or_default();
                    let name = page.name().strip_suffix(&suffix).unwrap_or(page.name()).to_owned();
                    Catalog::clone(&page).with_name(name)
                }
                Some(merged) => {
                    check_codes(&merged, names[0], &page, name).map_err(mistake)?;
                    merged.with_languages_of(&page).map_err(|error| {
                        mistake(format!("{error} (what a file is called tells: `status.fr.md` is in `fr`)"))
                    })?
                }
            });
        }
        let nothing = || Mistake { place: 0, message: "an empty list means nothing here".into() };
        merged.map(Arc::new).ok_or_else(nothing)
    }
}

/// The language that a file's name ends with, such as `zh-Hans` of `status.zh-Hans.md`.
pub(crate) fn language_of(name: &str) -> Option<&str> {
    let stem = Path::new(name).file_stem()?.to_str()?;
    let (_, tag) = stem.rsplit_once('.')?;
    let mut subtags = tag.split('-');
    let is_letters = |subtag: &str| subtag.bytes().all(|byte| byte.is_ascii_alphabetic());
    let is_language = subtags.next().is_some_and(|first| matches!(first.len(), 2 | 3) && is_letters(first));
    let is_subtag = |subtag: &str| {
        (2..=8).contains(&subtag.len()) && subtag.bytes().all(|byte| byte.is_ascii_alphanumeric())
    };
    Some(tag).filter(|_| is_language && subtags.all(is_subtag))
}

/// Whether two pages list the same codes.
fn check_codes(first: &Catalog, first_name: &str, other: &Catalog, other_name: &str) -> Result<(), String> {
    let lacks = |of: &Catalog, in_: &Catalog| {
        let missing = of
            .entries()
            .iter()
            .filter(|entry| in_.entries().iter().all(|known| known.codes() != entry.codes()));
        missing.map(|entry| entry.spelling()).collect::<Vec<_>>().join(", ")
    };
    let (missing, added) = (lacks(first, other), lacks(other, first));
    let differences = [
        (!missing.is_empty()).then(|| format!("it lacks {missing}")),
        (!added.is_empty()).then(|| format!("only it has {added}")),
    ];
    let differences: Vec<_> = differences.into_iter().flatten().collect();
    if differences.is_empty() {
        return Ok(());
    }
    let differences = differences.join(" and ");
    Err(format!("{other_name} does not list the same codes as {first_name}: {differences}"))
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
