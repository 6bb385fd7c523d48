//! From a file to a catalog: the format is detected, the document parsed and read, everything reported.

use std::path::Path;
use std::sync::Arc;

use crate::document::{self, Format};
use crate::error::{ImportError, ParseError};
use crate::reading;
use crate::{Catalog, Envelope, Report};

/// Documents are pages; the largest known OpenAPI descriptions have 3 MB.
const MAX_FILE: u64 = 64 * 1024 * 1024;

/// How documents are imported.
///
/// ```
/// use status_catalog::Importer;
///
/// let page = "# Errors\n\n| Status Code | Description |\n|---|---|\n| 404 Not Found | No such pet. |\n";
/// let import = Importer::new().name("pets").import_text("errors.md", page)?;
/// let catalog = import.catalog().ok_or("the page lists no codes")?;
/// assert_eq!(catalog.documented(404).map(|found| found.entry.description()), Some("No such pet."));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Importer {
    format: Option<Format>,
    language: Option<Arc<str>>,
    name: Option<Arc<str>>,
}

impl Importer {
    /// Name, language and format are found from the document.
    pub fn new() -> Self {
        Self::default()
    }

    /// The name of the catalog. Defaults to the file's name without extension.
    #[must_use]
    pub fn name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// The document's language as a BCP 47 tag. Defaults to what its script shows.
    #[must_use]
    pub fn language(mut self, language: impl Into<Arc<str>>) -> Self {
        self.language = Some(language.into());
        self
    }

    /// The format. Defaults to [`Format::detect`].
    #[must_use]
    pub fn format(mut self, format: Format) -> Self {
        self.format = Some(format);
        self
    }

    /// Imports a file; an OpenAPI description may refer to files beside it.
    ///
    /// # Errors
    ///
    /// If the file can't be read or is malformed. A well-formed document without any status code is no error:
    /// the report says what was left out.
    pub fn import(&self, file: &Path) -> Result<Import, ImportError> {
        let read = |source| ImportError::Read { file: file.to_owned(), source };
        if std::fs::metadata(file).map_err(read)?.len() > MAX_FILE {
            return Err(ImportError::TooLarge { file: file.to_owned(), limit: MAX_FILE });
        }
        let bytes = std::fs::read(file).map_err(read)?;
        let text = String::from_utf8(bytes).map_err(|error| ImportError::Encoding {
            file: file.to_owned(),
            offset: error.utf8_error().valid_up_to(),
        })?;
        Ok(self.import_text(&file.to_string_lossy(), &text)?)
    }

    /// Imports a document whose text is at hand; `file` names it in errors and reports.
    ///
    /// # Errors
    ///
    /// If the document is malformed.
    pub fn import_text(&self, file: &str, text: &str) -> Result<Import, ParseError> {
        let format = self.format.unwrap_or_else(|| Format::detect(Path::new(file), text));
        let mut report = Report::new(file, format, text);
        let document = document::read(format, text).map_err(|malformed| malformed.in_file(file, text))?;
        let page = reading::read(&document, &mut report);
        let language = self.language.clone().unwrap_or_else(|| page.language.into());
        let catalog = (!page.entries.is_empty()).then(|| Catalog {
            name: self.name.clone().unwrap_or_else(|| name_of(file)),
            title: page.title.into(),
            languages: vec![language],
            envelope: Envelope::default(),
            entries: page.entries,
        });
        Ok(Import { catalog, report })
    }
}

fn name_of(file: &str) -> Arc<str> {
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    stem.split_whitespace().collect::<Vec<_>>().join("-").into()
}

/// What a document gave.
#[derive(Clone, Debug)]
pub struct Import {
    catalog: Option<Catalog>,
    report: Report,
}

impl Import {
    /// The catalog; `None` if the document lists no status code.
    pub fn catalog(&self) -> Option<&Catalog> {
        self.catalog.as_ref()
    }

    /// The catalog, owned.
    pub fn into_catalog(self) -> Option<Catalog> {
        self.catalog
    }

    /// What was read and what was not.
    pub fn report(&self) -> &Report {
        &self.report
    }
}
