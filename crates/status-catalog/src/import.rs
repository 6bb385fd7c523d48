//! From a file to a catalog: the format is detected, the document parsed and read, everything reported.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::document::{self, Format, ReadFile};
use crate::error::{ImportError, Malformed, ParseError};
use crate::operation::Api;
use crate::reading;
use crate::record::{self, Recorded};
use crate::{Catalog, Envelope, Finding, Operation, Report, TableStyle};

/// Documents are pages; the largest known OpenAPI description has 47 MB, with all files that it refers to.
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
        let bytes = up_to(MAX_FILE, file).map_err(read)?;
        let bytes = bytes.ok_or_else(|| ImportError::TooLarge { file: file.to_owned(), limit: MAX_FILE })?;
        let mut left = MAX_FILE - bytes.len() as u64;
        let text = String::from_utf8(bytes).map_err(|error| {
            let offset = error.utf8_error().valid_up_to();
            let before = String::from_utf8_lossy(&error.as_bytes()[..offset]);
            let line_start = before.rfind('\n').map_or(0, |end| end + 1);
            let (line, column) = (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1);
            ImportError::Encoding { file: file.to_owned(), line, column }
        })?;
        let folder = file.parent().unwrap_or(Path::new(""));
        let mut files = vec![file.to_owned()];
        let mut beside = |name: &str| {
            let path = folder.join(name);
            files.push(path.clone());
            if std::fs::metadata(&path).is_ok_and(|metadata| !metadata.is_file()) {
                return Err(format!("`{name}` is no file"));
            }
            let bytes = up_to(left, &path).map_err(|error| format!("cannot read `{name}`: {error}"))?;
            let bytes = bytes.ok_or_else(|| {
                format!("`{name}` is not read: the files have more than {MAX_FILE} bytes in all")
            })?;
            left -= bytes.len() as u64;
            String::from_utf8(bytes).map_err(|error| {
                format!("`{name}` is not UTF-8 text at byte {}", error.utf8_error().valid_up_to())
            })
        };
        let import = self.import_with(&file.to_string_lossy(), &text, &mut beside)?;
        Ok(Import { files, ..import })
    }

    /// Imports a document whose text is at hand; `file` names it in errors and reports.
    ///
    /// # Errors
    ///
    /// If the document is malformed.
    pub fn import_text(&self, file: &str, text: &str) -> Result<Import, ParseError> {
        self.import_with(file, text, &mut |name| {
            Err(format!("`{name}` is not at hand: only the text was given"))
        })
    }

    fn import_with(&self, file: &str, text: &str, beside: ReadFile<'_>) -> Result<Import, ParseError> {
        // Editors may put a byte order mark first, which is no text.
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        let format = self.format.unwrap_or_else(|| Format::detect(Path::new(file), text));
        let mut report = Report::new(file, format, text);
        let name = self.name.clone().unwrap_or_else(|| name_of(file));
        let in_file = |malformed: Malformed| malformed.in_file(file, text);
        let promise = if format == Format::OpenApi {
            let own = Path::new(file).file_name().map(|own| own.to_string_lossy()).unwrap_or_default();
            let language = self.language.clone().unwrap_or_else(|| "en".into());
            let api = document::read_openapi(text, &own, &name, &language, beside, &mut report);
            Promise::Api(api.map_err(in_file)?)
        } else if format == Format::Toml {
            match record::read(text, self.name.as_ref(), &mut report).map_err(in_file)? {
                Recorded::Api(api) => Promise::Api(api),
                Recorded::Catalog(catalog) => Promise::Catalog(catalog),
            }
        } else {
            let document = document::read(format, text).map_err(in_file)?;
            let page = reading::read(&document, &mut report);
            let language = self.language.clone().unwrap_or_else(|| page.language.into());
            Promise::Catalog(Catalog {
                name,
                title: page.title.into(),
                languages: vec![language],
                envelope: Envelope::default(),
                entries: page.entries,
            })
        };
        Ok(Import { promise, report, files: Vec::new() })
    }
}

/// The content of a file, if it has no more than `limit` bytes.
fn up_to(limit: u64, file: &Path) -> std::io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    std::fs::File::open(file)?.take(limit + 1).read_to_end(&mut bytes)?;
    Ok(Some(bytes).filter(|bytes| bytes.len() as u64 <= limit))
}

fn name_of(file: &str) -> Arc<str> {
    let stem = Path::new(file).file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
    stem.split_whitespace().collect::<Vec<_>>().join("-").into()
}

/// What a document gave.
#[derive(Clone, Debug)]
pub struct Import {
    promise: Promise,
    report: Report,
    files: Vec<PathBuf>,
}

#[derive(Clone, Debug)]
enum Promise {
    /// Without entries if the page lists no codes.
    Catalog(Catalog),
    Api(Api),
}

impl Import {
    /// The catalog of a page; `None` if the page lists no status code, or if the document is an OpenAPI
    /// description, which has [`operations`](Self::operations).
    pub fn catalog(&self) -> Option<&Catalog> {
        match &self.promise {
            Promise::Catalog(catalog) => Some(catalog).filter(|catalog| !catalog.entries.is_empty()),
            Promise::Api(_) => None,
        }
    }

    /// The catalog of a page even if it lists no status code, and then has no entries; `None` for an OpenAPI
    /// description.
    pub fn page(&self) -> Option<&Catalog> {
        match &self.promise {
            Promise::Catalog(catalog) => Some(catalog),
            Promise::Api(_) => None,
        }
    }

    /// The catalog of a page, owned.
    pub fn into_catalog(self) -> Option<Catalog> {
        match self.promise {
            Promise::Catalog(catalog) => Some(catalog).filter(|catalog| !catalog.entries.is_empty()),
            Promise::Api(_) => None,
        }
    }

    /// The operations of an OpenAPI description, in its order; empty for a page.
    pub fn operations(&self) -> &[Operation] {
        match &self.promise {
            Promise::Catalog(_) => &[],
            Promise::Api(api) => &api.operations,
        }
    }

    /// What an OpenAPI description promises for a request that is none of its operations: a catalog of its name, title
    /// and envelope without entries, so that every status is undocumented. (A description as TOML may give it
    /// entries.) `None` for a page.
    pub fn unmatched(&self) -> Option<&Arc<Catalog>> {
        match &self.promise {
            Promise::Catalog(_) => None,
            Promise::Api(api) => Some(&api.unmatched),
        }
    }

    pub(crate) fn api_findings(&self) -> &[Finding] {
        match &self.promise {
            Promise::Catalog(_) => &[],
            Promise::Api(api) => &api.findings,
        }
    }

    /// What was read and what was not.
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// The files that were read, or would have been if they were there: the document and those that it refers to.
    /// Whoever reloads on change watches them. Empty if the text was at hand.
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Whether the document documents nothing; [`report`](Self::report) says why.
    pub fn is_empty(&self) -> bool {
        match &self.promise {
            Promise::Catalog(catalog) => catalog.entries.is_empty(),
            Promise::Api(api) => api.operations.is_empty(),
        }
    }

    /// The import as TOML, the format of record: a catalog as [`Catalog::to_toml`] writes it, or the operations of an
    /// OpenAPI description. An import of this text promises the same.
    ///
    /// ```toml
    /// name = "pets"
    /// title = "Pet store"
    /// languages = ["en"]
    /// hosts = ["pets.example"]        # where the operations are served; none for any host
    /// base_paths = ["/v2"]            # what stands before their paths
    ///
    /// [envelope]
    /// code = "code"
    /// message = "message"
    ///
    /// [[operations]]                  # may have hosts, base_paths and an envelope of its own
    /// method = "GET"
    /// path = "/pets/{id}"
    ///
    /// [[operations.entries]]          # as the entries of a catalog
    /// code = 404
    /// class = "abnormal"
    /// description = "No such pet."
    /// ```
    ///
    /// `[[entries]]` beside the operations are for requests that match none of them.
    pub fn to_toml(&self) -> String {
        match &self.promise {
            Promise::Catalog(catalog) => catalog.to_toml(),
            Promise::Api(api) => api.to_toml(),
        }
    }

    /// The import as JSON: a catalog as [`Catalog::to_json`] writes it, with empty `entries` if the page lists none; the
    /// operations of an OpenAPI description as
    /// `{"routes":[{"method","path","hosts","base_paths","entries":[...],"default","default_description"}]}`.
    ///
    /// A route has one entry for each status and each range (`"4XX"`) that its operation documents, and none for the
    /// `default` response: `default` says whether there is one, and `default_description` is its text. So a route
    /// documents as many responses as it has entries, and one more if `default` is true.
    pub fn to_json(&self) -> String {
        match &self.promise {
            Promise::Catalog(catalog) => catalog.to_json(),
            Promise::Api(api) => api.to_json(),
        }
    }

    /// The import as a table for a terminal: a catalog as [`Catalog::to_table`] writes it, or the operations of an
    /// OpenAPI description one below the other.
    pub fn to_table(&self, style: TableStyle) -> String {
        match &self.promise {
            Promise::Catalog(catalog) => catalog.to_table(style),
            Promise::Api(api) => api.to_table(style),
        }
    }

    /// The import as a Markdown page: a catalog as [`Catalog::to_markdown`] writes it, or a table per operation of an
    /// OpenAPI description.
    pub fn to_markdown(&self) -> String {
        match &self.promise {
            Promise::Catalog(catalog) => catalog.to_markdown(),
            Promise::Api(api) => api.to_markdown(),
        }
    }
}
