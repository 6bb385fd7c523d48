//! Documents as arguments: which files are meant, what stands in them, and what is said if nothing does.

use std::{
    fmt::Write as _,
    io::Read as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use status_catalog::{Catalog, Import, ImportError, Importer, Outcome, TableStyle};

use crate::{
    cli::{Failure, output},
    config::{Named, named},
    sources::with_sources,
};

/// A built-in catalog or what a file holds.
pub(super) enum Source {
    Builtin(Arc<Catalog>),
    File(Box<Import>),
}

impl Source {
    /// Of a name as people type it; a page that documents nothing is said to on standard error.
    pub(super) fn load(name: &str) -> Result<Self, Failure> {
        match named(name, Path::new("")).map_err(Failure::Usage)? {
            Named::Builtin(catalog) => Ok(Self::Builtin(catalog)),
            Named::File(file) => {
                let import = Importer::new().import(&file).map_err(failure)?;
                if import.is_empty() {
                    output::note(&why_nothing(&import));
                }
                Ok(Self::File(Box::new(import)))
            }
        }
    }

    /// The catalog, without entries if the page documents none; `None` for an OpenAPI description.
    pub(super) fn catalog(&self) -> Option<&Catalog> {
        match self {
            Self::Builtin(catalog) => Some(catalog),
            Self::File(import) => import.page(),
        }
    }
}

/// The picture of the place goes first, to standard error.
pub(super) fn failure(error: ImportError) -> Failure {
    if let ImportError::Malformed(malformed) = &error {
        output::error_picture(&malformed.picture(output::is_coloured(&std::io::stderr())));
    }
    Failure::Usage(with_sources(&error))
}

/// How many of the reasons are told without `--explain`: a description may have a thousand.
const REASONS: usize = 10;

/// That a document documents nothing, and why.
pub(super) fn why_nothing(import: &Import) -> String {
    let report = import.report();
    let mut text = format!("{}: documents no HTTP status code", report.file);
    let tables = report.tables.iter().filter_map(|table| match &table.outcome {
        Outcome::LeftOut(why) => Some(format!("line {}: table left out: {why}", table.line)),
        _ => None,
    });
    let remarks = report.left_out.iter().map(|remark| format!("line {}: {}", remark.line, remark.text));
    let reasons: Vec<String> = tables.chain(remarks).collect();
    for reason in reasons.iter().take(REASONS) {
        let _ = write!(text, "\n  {reason}");
    }
    if reasons.len() > REASONS {
        let _ = write!(text, "\n  and {} more", reasons.len() - REASONS);
    }
    text
}

/// How a table for standard output looks.
pub(super) fn table_style() -> TableStyle {
    if output::is_coloured(&std::io::stdout()) { TableStyle::Coloured } else { TableStyle::Plain }
}

/// A document that an argument means.
pub(super) struct Document {
    pub(super) file: PathBuf,
    /// Where it stands below the folder that was named, without its extension.
    pub(super) below: PathBuf,
}

/// What the arguments mean.
#[derive(Default)]
pub(super) struct Documents {
    pub(super) documents: Vec<Document>,
    /// YAML and JSON files of folders that are no OpenAPI descriptions.
    pub(super) passed_over: usize,
}

/// What is read of a folder. TOML is what an import writes, not what it finds.
const PAGES: [&str; 8] = ["htm", "html", "markdown", "md", "mdx", "mkd", "rest", "rst"];
const DESCRIPTIONS: [&str; 3] = ["json", "yaml", "yml"];

/// The documents that the arguments mean: files as they are, of folders all documents below them in order of their names.
pub(super) fn expand(arguments: &[PathBuf]) -> Result<Documents, Failure> {
    let mut expanded = Documents::default();
    for argument in arguments {
        if !argument.is_dir() {
            let below = argument.file_stem().map(PathBuf::from).unwrap_or_default();
            expanded.documents.push(Document { file: argument.clone(), below });
            continue;
        }
        let mut files = Vec::new();
        files_below(argument, &mut files)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", argument.display())))?;
        let found = files.len();
        files.retain(|file| !has_extension(file, &DESCRIPTIONS) || may_be_description(file));
        expanded.passed_over += found - files.len();
        if files.is_empty() {
            let extensions = [&PAGES[..], &DESCRIPTIONS].concat().join(", ");
            return Err(Failure::Usage(format!("{}: holds no document ({extensions})", argument.display())));
        }
        files.sort();
        expanded.documents.extend(files.into_iter().map(|file| {
            let below = file.strip_prefix(argument).unwrap_or(&file).with_extension("");
            Document { file, below }
        }));
    }
    Ok(expanded)
}

/// Symbolic links to folders are not followed: they may lead in circles. Hidden folders hold no documents.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() {
            if !entry.file_name().to_string_lossy().starts_with('.') {
                files_below(&path, files)?;
            }
        } else if has_extension(&path, &PAGES) || has_extension(&path, &DESCRIPTIONS) {
            files.push(path);
        }
    }
    Ok(())
}

fn has_extension(file: &Path, extensions: &[&str]) -> bool {
    let extension = file.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    extensions.contains(&&*extension.to_ascii_lowercase())
}

/// No description is larger.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Whether a YAML or JSON file says `openapi:` or `swagger:`. Folders hold many others, and the parts of descriptions.
/// What can't be read is for the import to say.
fn may_be_description(file: &Path) -> bool {
    let mut bytes = Vec::new();
    let read = std::fs::File::open(file).and_then(|file| file.take(LARGEST).read_to_end(&mut bytes));
    if read.is_err() {
        return true;
    }
    ["openapi", "swagger"].iter().any(|version| {
        memchr::memmem::find_iter(&bytes, version).any(|at| {
            let rest = &bytes[at + version.len()..];
            let rest = rest.strip_prefix(b"\"").or_else(|| rest.strip_prefix(b"'")).unwrap_or(rest);
            rest.trim_ascii_start().starts_with(b":")
        })
    })
}
