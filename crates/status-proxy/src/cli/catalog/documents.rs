//! Documents as arguments: which files are meant, what stands in them, and what is said if nothing does.

use std::{
    fmt::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use status_catalog::{Catalog, Import, ImportError, Importer, Outcome, TableStyle};

use crate::{
    cli::{Failure, output, with_sources},
    config::{Named, named},
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

/// That a document documents nothing, and why.
pub(super) fn why_nothing(import: &Import) -> String {
    let report = import.report();
    let mut text = format!("{}: documents no HTTP status code", report.file);
    for table in &report.tables {
        if let Outcome::LeftOut(why) = &table.outcome {
            let _ = write!(text, "\n  line {}: table left out: {why}", table.line);
        }
    }
    for remark in &report.left_out {
        let _ = write!(text, "\n  line {}: {}", remark.line, remark.text);
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

/// What is read of a folder. TOML is what an import writes, not what it finds.
const EXTENSIONS: [&str; 11] =
    ["htm", "html", "json", "markdown", "md", "mdx", "mkd", "rest", "rst", "yaml", "yml"];

/// The documents that the arguments mean: files as they are, of folders all documents below them in order of their names.
pub(super) fn expand(arguments: &[PathBuf]) -> Result<Vec<Document>, Failure> {
    let mut documents = Vec::new();
    for argument in arguments {
        if !argument.is_dir() {
            let below = argument.file_stem().map(PathBuf::from).unwrap_or_default();
            documents.push(Document { file: argument.clone(), below });
            continue;
        }
        let mut files = Vec::new();
        files_below(argument, &mut files)
            .map_err(|error| Failure::Usage(format!("cannot read {}: {error}", argument.display())))?;
        if files.is_empty() {
            let extensions = EXTENSIONS.join(", ");
            return Err(Failure::Usage(format!("{}: holds no document ({extensions})", argument.display())));
        }
        files.sort();
        documents.extend(files.into_iter().map(|file| {
            let below = file.strip_prefix(argument).unwrap_or(&file).with_extension("");
            Document { file, below }
        }));
    }
    Ok(documents)
}

/// Symbolic links to folders are not followed: they may lead in circles.
fn files_below(folder: &Path, files: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let path = entry.path();
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if entry.file_type()?.is_dir() {
            files_below(&path, files)?;
        } else if EXTENSIONS.contains(&&*extension.to_ascii_lowercase()) {
            files.push(path);
        }
    }
    Ok(())
}
