//! `catalog import`: documents become catalogs, and every step is accounted for.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use status_catalog::{Import, Importer};

use super::documents::{self, Document, failure, why_nothing};
use crate::cli::{Failure, output};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog import docs/status-codes.rst > codes.toml
  status-proxy catalog import docs/status-codes.rst --explain
  status-proxy catalog import openapi.yaml --format json | jq -r '.routes[].path'
  status-proxy catalog import docs/ openapi.yaml -o catalogs

One document is printed, unless -o names a folder; several need one. Of a folder, reStructuredText, Markdown, HTML, YAML and
JSON files are read, and their catalogs are written to the same place below DIR. An OpenAPI description has a catalog per
operation and is always written as JSON: {\"routes\":[{\"method\",\"path\",\"entries\",\"default\"}]}.

Exits 0 if every document could be read, also if it documents no status code, which standard error then says with the
reason. Exits 2 if one could not be read; the others are imported all the same.")]
pub(super) struct Arguments {
    /// Documents, or folders of documents
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// The folder to write to, one file per document
    #[arg(long, short, value_name = "DIR")]
    output: Option<PathBuf>,
    /// The name of the catalog [default: the file's name without extension]
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// The documents' language, such as `en` or `zh` [default: what their script shows]
    #[arg(long, value_name = "LANG")]
    lang: Option<String>,
    /// Report on standard error what was read, from which line, by which rule, what was left out and why
    #[arg(long)]
    explain: bool,
    /// How catalogs are written
    #[arg(long, value_enum, default_value_t = Format::Toml)]
    format: Format,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Format {
    /// The format of record, which the configuration reads
    Toml,
    /// For programs
    Json,
}

pub(super) fn import(arguments: &Arguments) -> Result<(), Failure> {
    let documents = documents::expand(&arguments.files)?;
    let is_one = documents.len() == 1;
    if arguments.name.is_some() && !is_one {
        return Err(Failure::Usage(format!("--name is for one document, not for {}", documents.len())));
    }
    match &arguments.output {
        Some(folder) => import_to(folder, &documents, arguments),
        None if is_one => import_one(&documents[0].file, arguments),
        None => Err(Failure::Usage(format!(
            "{} documents need a folder to be written to: -o DIR",
            documents.len()
        ))),
    }
}

fn import_one(file: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let import = read(file, arguments)?;
    if import.is_empty() && !arguments.explain {
        output::note(&why_nothing(&import));
    }
    output::result(&written(&import, arguments.format).0)
}

fn import_to(folder: &Path, documents: &[Document], arguments: &Arguments) -> Result<(), Failure> {
    let mut table =
        vec![["DOCUMENT".to_owned(), "FORMAT".to_owned(), "FOUND".to_owned(), "WRITTEN TO".to_owned()]];
    let mut sources: HashMap<PathBuf, &Path> = HashMap::new();
    let mut failed = 0;
    for Document { file, below } in documents {
        let mut row = |format: &str, found: String, to: String| {
            table.push([file.display().to_string(), format.to_owned(), found, to]);
        };
        let import = match read(file, arguments) {
            Ok(import) => import,
            Err(failure) => {
                output::note(&format!("error: {failure}"));
                row("-", "error".to_owned(), "-".to_owned());
                failed += 1;
                continue;
            }
        };
        let format = import.report().format.as_str();
        if import.is_empty() {
            if !arguments.explain {
                output::note(&why_nothing(&import));
            }
            row(format, "nothing".to_owned(), "-".to_owned());
            continue;
        }
        let (text, extension) = written(&import, arguments.format);
        let stem = arguments.name.as_ref().map_or(below.clone(), PathBuf::from);
        let mut target = folder.join(stem).into_os_string();
        target.push(extension);
        let target = PathBuf::from(target);
        let result = match sources.get(&target) {
            Some(other) => Err(format!(
                "{}: not written, as {} already holds {}",
                file.display(),
                target.display(),
                other.display()
            )),
            None => write(&target, &text),
        };
        match result {
            Ok(()) => row(format, found(&import), target.display().to_string()),
            Err(error) => {
                output::note(&format!("error: {error}"));
                row(format, found(&import), "-".to_owned());
                failed += 1;
            }
        }
        sources.entry(target).or_insert(file);
    }
    output::note(&aligned(&table));
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Usage(format!("{failed} of {} documents could not be imported", documents.len()))),
    }
}

fn read(file: &Path, arguments: &Arguments) -> Result<Import, Failure> {
    let Arguments { name, lang, explain, .. } = arguments;
    let mut importer = Importer::new();
    if let Some(name) = name {
        importer = importer.name(name.as_str());
    }
    if let Some(lang) = lang {
        importer = importer.language(lang.as_str());
    }
    let import = importer.import(file).map_err(failure)?;
    if *explain {
        output::note(import.report().to_string().trim_end());
    }
    Ok(import)
}

/// The text that holds an import, and its extension.
fn written(import: &Import, format: Format) -> (String, &'static str) {
    match (format, import.page()) {
        (Format::Toml, Some(page)) => (page.to_toml(), ".toml"),
        _ => (import.to_json(), ".json"),
    }
}

fn write(target: &Path, text: &str) -> Result<(), String> {
    let cannot = |error| format!("cannot write {}: {error}", target.display());
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    std::fs::write(target, text).map_err(cannot)
}

fn found(import: &Import) -> String {
    let (count, what) = match import.page() {
        Some(page) => (page.entries().len(), "code"),
        None => (import.operations().len(), "operation"),
    };
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

fn aligned(table: &[[String; 4]]) -> String {
    let width = |column: usize| table.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1), width(2)];
    let line = |[document, format, found, target]: &[String; 4]| {
        let [first, second, third] = widths;
        format!("{document:first$}  {format:second$}  {found:third$}  {target}")
    };
    table.iter().map(line).collect::<Vec<_>>().join("\n")
}
