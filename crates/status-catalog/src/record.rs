//! Catalog TOML, the format of record: written by an import, edited by people, read back as the same catalog.

mod operations;

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use crate::error::Malformed;
use crate::operation::Api;
use crate::report::{EntryReport, Report};
use crate::{Catalog, Class, Entry, Envelope, Text};

use operations::OperationRecord;

impl Catalog {
    /// The JSON Schema of Catalog TOML, for editors.
    pub const TOML_SCHEMA: &str = include_str!("../schema/catalog.schema.json");

    /// The catalog as TOML, the format of record: an import of this text is the same catalog.
    ///
    /// ```toml
    /// name = "sfs"
    /// title = "Status Codes"
    /// languages = ["en", "zh"]        # the first one is the default
    ///
    /// [envelope]                      # the documented JSON form of an error body
    /// code = "error_code"
    /// message = "error_msg"
    /// # wrapper = "error"             # where both stand inside one member
    ///
    /// [[entries]]
    /// code = 404                      # or "4XX", "500-511", "default"
    /// class = "abnormal"              # or "normal": the document's word, not the number's
    /// reason = "Not Found"            # as the document spells it, if it does
    /// description = "The requested page was not found."
    /// # methods = ["GET"]             # where the text binds the entry to methods
    /// # media_types = ["application/json"]
    ///
    /// [entries.texts.zh]              # the same in each further language
    /// description = "请求的页面未找到。"
    /// ```
    #[expect(clippy::missing_panics_doc, reason = "a tree of strings, numbers and tables always serializes")]
    pub fn to_toml(&self) -> String {
        let record = Record::new(self);
        toml::to_string_pretty(&record).expect("strings, numbers and tables always serialize")
    }
}

/// What a record holds.
pub(crate) enum Recorded {
    Api(Api),
    Catalog(Catalog),
}

/// Reads a record, under another name if one is given; the report gets a line per entry.
pub(crate) fn read(
    text: &str,
    renamed: Option<&Arc<str>>,
    report: &mut Report,
) -> Result<Recorded, Malformed> {
    let place = Places::of(text);
    let record: Record = toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        place.malformed(&span, error.message().replace('\n', ", "))
    })?;
    let Record { name, title, languages, hosts, base_paths, envelope, entries, operations } = record;
    if name.get_ref().is_empty() {
        return Err(place.malformed(&name.span(), "the name of a catalog is empty"));
    }
    let tags: Vec<Arc<str>> = languages.get_ref().iter().map(|tag| tag.as_str().into()).collect();
    if tags.is_empty() {
        return Err(place.malformed(&languages.span(), "a catalog has at least one language"));
    }
    let catalog = Catalog {
        name: renamed.cloned().unwrap_or_else(|| name.get_ref().as_str().into()),
        title: title.into(),
        entries: place.entries(entries.unwrap_or_default(), &tags, "", report)?,
        languages: tags,
        envelope: envelope.into(),
    };
    let Some(operations) = operations else {
        if let Some(key) = hosts.as_ref().or(base_paths.as_ref()) {
            return Err(place.malformed(&key.span(), "`hosts` and `base_paths` are those of `operations`"));
        }
        report.fact(1, format!("catalog “{}” as TOML", name.get_ref()));
        return Ok(Recorded::Catalog(catalog));
    };
    report.fact(1, format!("“{}” as TOML, {} operations", name.get_ref(), operations.len()));
    let servers = place.servers(hosts, base_paths)?;
    Ok(Recorded::Api(place.api(catalog, &servers, operations, report)?))
}

struct Places<'a> {
    text: &'a str,
    /// Where each line begins.
    lines: Vec<usize>,
}

impl<'a> Places<'a> {
    fn of(text: &'a str) -> Self {
        let ends = text.match_indices('\n').map(|(end, _)| end + 1);
        Self { text, lines: std::iter::once(0).chain(ends).collect() }
    }

    fn line_and_column(&self, span: &Range<usize>) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= span.start);
        let start = self.lines[line - 1];
        (line, self.text.get(start..span.start).unwrap_or_default().chars().count() + 1)
    }

    /// The entries of a catalog or, with a label before their codes, of an operation.
    fn entries(
        &self,
        records: Vec<EntryRecord>,
        languages: &[Arc<str>],
        label: &str,
        report: &mut Report,
    ) -> Result<Vec<Entry>, Malformed> {
        let mut read: Vec<Entry> = Vec::new();
        for record in records {
            let span = record.code.span();
            let line = self.line_and_column(&span).0;
            let entry = record.read(languages).map_err(|message| self.malformed(&span, message))?;
            if read.iter().any(|known| known.codes() == entry.codes()) {
                return Err(self.malformed(&span, format!("code {} has two entries", entry.spelling())));
            }
            report.entries.push(EntryReport {
                code: format!("{label}{}", entry.spelling()),
                class: entry.class.as_str(),
                lines: vec![line],
                rule: "its key `class`".to_owned(),
                has_description: !entry.description().is_empty(),
                remarks: Vec::new(),
            });
            read.push(entry);
        }
        Ok(read)
    }

    fn malformed(&self, span: &Range<usize>, message: impl Into<String>) -> Malformed {
        let (line, column) = self.line_and_column(span);
        Malformed::at(line, column, message)
    }
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Record {
    name: Spanned<String>,
    title: String,
    languages: Spanned<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<Spanned<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_paths: Option<Spanned<Vec<String>>>,
    #[serde(default)]
    envelope: EnvelopeRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    entries: Option<Vec<EntryRecord>>,
    /// What makes the record that of an OpenAPI description.
    #[serde(skip_serializing_if = "Option::is_none")]
    operations: Option<Vec<OperationRecord>>,
}

impl Record {
    fn new(Catalog { name, title, languages, envelope, entries }: &Catalog) -> Self {
        Self {
            name: Spanned::new(0..0, name.to_string()),
            title: title.to_string(),
            languages: Spanned::new(0..0, strings(languages)),
            hosts: None,
            base_paths: None,
            envelope: envelope.into(),
            entries: Some(entries.iter().map(|entry| EntryRecord::new(entry, languages)).collect()),
            operations: None,
        }
    }
}

fn strings(list: &[Arc<str>]) -> Vec<String> {
    list.iter().map(ToString::to_string).collect()
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EnvelopeRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    wrapper: Option<String>,
    code: String,
    message: String,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct EntryRecord {
    code: Spanned<CodeRecord>,
    class: ClassRecord,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    description: String,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    methods: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    media_types: Vec<String>,
    /// Per further language.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    texts: BTreeMap<String, TextRecord>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum CodeRecord {
    Number(u16),
    Spelling(String),
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
enum ClassRecord {
    Abnormal,
    Normal,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct TextRecord {
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    description: String,
}

impl EntryRecord {
    fn new(entry: &Entry, languages: &[Arc<str>]) -> Self {
        let Entry { first, last, class, methods, media_types, texts } = entry;
        let code =
            if first == last { CodeRecord::Number(*first) } else { CodeRecord::Spelling(entry.spelling()) };
        Self {
            code: Spanned::new(0..0, code),
            class: match class {
                Class::Normal => ClassRecord::Normal,
                Class::Abnormal | Class::Undocumented => ClassRecord::Abnormal,
            },
            reason: texts[0].reason.as_deref().map(str::to_owned),
            description: texts[0].description.to_string(),
            methods: strings(methods),
            media_types: strings(media_types),
            texts: languages
                .iter()
                .zip(texts)
                .skip(1)
                .map(|(tag, text)| (tag.to_string(), text.into()))
                .collect(),
        }
    }

    fn read(self, languages: &[Arc<str>]) -> Result<Entry, String> {
        let Self { code, class, reason, description, methods, media_types, mut texts } = self;
        let (first, last) = match code.into_inner() {
            CodeRecord::Number(code) => (code, code),
            CodeRecord::Spelling(spelling) => Entry::spelled(&spelling).ok_or_else(|| {
                format!("`{spelling}` is no code: write 404, \"4XX\", \"500-511\" or \"default\"")
            })?,
        };
        if first < 100 || last > 999 || first > last {
            return Err("a status code has three digits, from 100 to 999".to_owned());
        }
        let own = Text { reason: reason.map(Arc::from), description: description.into() };
        // A text that a further language lacks is served in the first one.
        let further =
            languages[1..].iter().map(|tag| texts.remove(&**tag).map_or_else(|| own.clone(), Text::from));
        let further: Vec<Text> = further.collect();
        if let Some(tag) = texts.keys().next() {
            return Err(format!(
                "the entry has a text in `{tag}`, which is not a further one of `languages`"
            ));
        }
        if let Some(method) =
            methods.iter().find(|method| method.is_empty() || **method != method.to_uppercase())
        {
            return Err(format!("method `{method}` is not in upper case"));
        }
        Ok(Entry {
            first,
            last,
            class: match class {
                ClassRecord::Abnormal => Class::Abnormal,
                ClassRecord::Normal => Class::Normal,
            },
            methods: methods.into_iter().map(Arc::from).collect(),
            media_types: media_types.into_iter().map(Arc::from).collect(),
            texts: std::iter::once(own).chain(further).collect(),
        })
    }
}

impl Default for EnvelopeRecord {
    fn default() -> Self {
        Self::from(&Envelope::default())
    }
}

impl From<&Envelope> for EnvelopeRecord {
    fn from(Envelope { wrapper, code, message }: &Envelope) -> Self {
        Self {
            wrapper: wrapper.as_deref().map(str::to_owned),
            code: code.to_string(),
            message: message.to_string(),
        }
    }
}

impl From<EnvelopeRecord> for Envelope {
    fn from(EnvelopeRecord { wrapper, code, message }: EnvelopeRecord) -> Self {
        Self { wrapper: wrapper.map(Arc::from), code: code.into(), message: message.into() }
    }
}

impl From<&Text> for TextRecord {
    fn from(Text { reason, description }: &Text) -> Self {
        Self { reason: reason.as_deref().map(str::to_owned), description: description.to_string() }
    }
}

impl From<TextRecord> for Text {
    fn from(TextRecord { reason, description }: TextRecord) -> Self {
        Self { reason: reason.map(Arc::from), description: description.into() }
    }
}
