//! `catalog import`: documents become catalogs, and every step is accounted for.

use std::{
    collections::HashMap,
    path::{Path, PathBuf},
};

use clap::{Args, ValueEnum};
use status_catalog::{Import, Importer};

use super::{
    documents::{self, Document, Documents, failure, why_nothing},
    languages,
    summary::{Row, Summary, counted},
};
use crate::{
    cli::{Failure, output},
    config::language_of,
};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  status-proxy catalog import docs/status-codes.rst > codes.toml
  status-proxy catalog import docs/status-codes.rst --explain
  status-proxy catalog import openapi.yaml > api.toml
  status-proxy catalog import openapi.yaml --format json | jq -r '.routes[].path'
  status-proxy catalog import docs/ openapi.yaml -o catalogs
  status-proxy catalog import vpn.en.md vpn.zh.md --name vpn > vpn.toml
  status-proxy catalog import codes.html code.html --name codes --lang en-GB --lang fr -o catalogs

One document is printed, unless -o names a folder; several need one, and a table on standard error tells what became of
each. Of a folder, reStructuredText, Markdown and HTML files and OpenAPI descriptions in YAML and JSON are read, and their
catalogs are written to the same place below DIR.

Several documents with one --name are one page in several languages and become one catalog; the first one is the default.
They have to list the same codes with the same classes. What language a page is in is told by its file's name
(`codes.fr.md`), else by its script, or by --lang given as often as there are documents, in their order.

An OpenAPI description has a catalog per operation. As TOML it is `[[operations]]` with `[[operations.entries]]`, and `run`
takes it as it takes the description itself. As JSON it is {\"routes\":[{\"method\",\"path\",\"hosts\",\"base_paths\",
\"entries\":[{\"code\",\"class\",\"description\",...}],\"default\",\"default_description\"}]}: `entries` has each status and each
range (\"4XX\") once and never the `default` response; `default` says whether there is one. A description may refer to files
beside it and in folders below, to nothing else.

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
    /// The language of the documents, such as `en` or `zh`, or of each one [default: what its script shows]
    #[arg(long, value_name = "LANG")]
    lang: Vec<String>,
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

impl Format {
    const fn extension(self) -> &'static str {
        match self {
            Self::Toml => "toml",
            Self::Json => "json",
        }
    }
}

pub(super) fn import(arguments: &Arguments) -> Result<(), Failure> {
    let Documents { documents, passed_over } = documents::expand(&arguments.files)?;
    let (count, languages) = (documents.len(), arguments.lang.len());
    if languages > 1 && languages != count {
        return Err(Failure::Usage(format!("--lang is given {languages} times for {count} documents")));
    }
    match (&arguments.name, &arguments.output) {
        (Some(name), folder) if count > 1 => import_languages(name, folder.as_deref(), &documents, arguments),
        (_, Some(folder)) => import_to(folder, &documents, passed_over, arguments),
        (_, None) if count == 1 => import_one(&documents[0].file, arguments),
        (_, None) => Err(Failure::Usage(format!(
            "{count} documents need a folder to be written to: -o DIR; or --name NAME, if they are one page in several languages"
        ))),
    }
}

fn import_one(file: &Path, arguments: &Arguments) -> Result<(), Failure> {
    let import = read(file, 0, arguments)?;
    explain(&import, arguments);
    output::result(&written(&import, arguments.format))
}

/// All documents are one page in several languages.
fn import_languages(
    name: &str,
    folder: Option<&Path>,
    documents: &[Document],
    arguments: &Arguments,
) -> Result<(), Failure> {
    let mut pages = Vec::new();
    for (index, Document { file, .. }) in documents.iter().enumerate() {
        let import = match (arguments.lang.is_empty(), file.to_str().and_then(language_of)) {
            (true, Some(language)) => {
                Importer::new().name(name).language(language).import(file).map_err(failure)?
            }
            _ => read(file, index, arguments)?,
        };
        explain(&import, arguments);
        pages.push((file.as_path(), import));
    }
    let catalog = languages::one_catalog(&pages).map_err(Failure::Usage)?.with_name(name);
    let text = match arguments.format {
        Format::Json => catalog.to_json(),
        Format::Toml => catalog.to_toml(),
    };
    match folder {
        None => output::result(&text),
        Some(folder) => {
            let target = target(folder, Path::new(name), arguments.format);
            write(&target, &text).map_err(Failure::Usage)?;
            let codes = counted(catalog.entries().len(), "code", "codes");
            let languages = catalog.languages().join(" and ");
            output::note(&format!("{}: {codes} in {languages}", target.display()));
            Ok(())
        }
    }
}

fn import_to(
    folder: &Path,
    documents: &[Document],
    passed_over: usize,
    arguments: &Arguments,
) -> Result<(), Failure> {
    let mut summary = Summary::new(documents.len());
    let mut sources: HashMap<PathBuf, &Path> = HashMap::new();
    let mut failed = 0;
    for (index, Document { file, below }) in documents.iter().enumerate() {
        summary.begin(file);
        let import = match read(file, index, arguments) {
            Ok(import) => import,
            Err(failure) => {
                summary.aside(|| output::note(&format!("error: {failure}")));
                summary.add(Row::failed(file));
                failed += 1;
                continue;
            }
        };
        if import.is_empty() || arguments.explain {
            summary.aside(|| explain(&import, arguments));
        }
        if import.is_empty() {
            summary.add(Row::read(file, &import, None));
            continue;
        }
        let stem = arguments.name.as_ref().map_or(below.as_path(), Path::new);
        let target = target(folder, stem, arguments.format);
        let result = match sources.get(&target) {
            Some(other) => Err(format!(
                "{}: not written, as {} already holds {}",
                file.display(),
                target.display(),
                other.display()
            )),
            None => write(&target, &written(&import, arguments.format)),
        };
        if let Err(error) = &result {
            summary.aside(|| output::note(&format!("error: {error}")));
            failed += 1;
        }
        summary.add(Row::read(file, &import, result.is_ok().then_some(&*target)));
        sources.entry(target).or_insert(file);
    }
    output::note(&summary.finish(passed_over));
    match failed {
        0 => Ok(()),
        _ => Err(Failure::Usage(format!("{failed} of {} documents could not be imported", documents.len()))),
    }
}

fn read(file: &Path, index: usize, Arguments { name, lang, .. }: &Arguments) -> Result<Import, Failure> {
    let mut importer = Importer::new();
    if let Some(name) = name {
        importer = importer.name(name.as_str());
    }
    if let Some(lang) = lang.get(index).or(lang.first()) {
        importer = importer.language(lang.as_str());
    }
    importer.import(file).map_err(failure)
}

/// What is worth knowing beside the result, or all that there is to know if that is asked for.
fn explain(import: &Import, arguments: &Arguments) {
    if arguments.explain {
        output::note(import.report().to_string().trim_end());
    } else if import.is_empty() {
        output::note(&why_nothing(import));
    }
}

fn written(import: &Import, format: Format) -> String {
    match format {
        Format::Json => import.to_json(),
        Format::Toml => import.to_toml(),
    }
}

fn target(folder: &Path, stem: &Path, format: Format) -> PathBuf {
    let mut target = folder.join(stem).into_os_string();
    target.push(".");
    target.push(format.extension());
    target.into()
}

fn write(target: &Path, text: &str) -> Result<(), String> {
    let cannot = |error| format!("cannot write {}: {error}", target.display());
    if let Some(folder) = target.parent() {
        std::fs::create_dir_all(folder).map_err(cannot)?;
    }
    std::fs::write(target, text).map_err(cannot)
}
