use serde::Serialize;

use crate::{Catalog, Entry};

impl Catalog {
    /// The catalog as JSON: `{"name","title","language","entries":[{"code","class","reason","description","methods"}]}`.
    ///
    /// `reason` is null and `methods` is empty where the document says none. A range has its spelling as code
    /// (`"4XX"`, `"500-511"`), a single code is a number. A catalog in several languages has them in
    /// `languages`, and each entry has `texts`, one per language.
    #[expect(clippy::missing_panics_doc, reason = "strings and numbers always serialize")]
    pub fn to_json(&self) -> String {
        let json = CatalogJson {
            name: self.name(),
            title: self.title(),
            language: self.language(),
            languages: self
                .languages
                .iter()
                .map(|tag| &**tag)
                .skip_while(|_| self.languages.len() == 1)
                .collect(),
            entries: self.entries.iter().map(|entry| EntryJson::new(entry, self)).collect(),
        };
        let mut text = serde_json::to_string_pretty(&json).expect("strings and numbers always serialize");
        text.push('\n');
        text
    }
}

#[derive(Serialize)]
struct CatalogJson<'a> {
    name: &'a str,
    title: &'a str,
    language: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    languages: Vec<&'a str>,
    entries: Vec<EntryJson<'a>>,
}

#[derive(Serialize)]
pub(super) struct EntryJson<'a> {
    code: CodeJson,
    class: &'static str,
    reason: Option<&'a str>,
    description: &'a str,
    methods: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    media_types: Vec<&'a str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    texts: Vec<TextJson<'a>>,
}

impl<'a> EntryJson<'a> {
    pub(super) fn new(entry: &'a Entry, catalog: &'a Catalog) -> Self {
        let several = catalog.languages.len() > 1;
        let texts = catalog.languages.iter().zip(entry.texts()).map(|(language, text)| TextJson {
            language,
            reason: text.reason.as_deref(),
            description: &text.description,
        });
        Self {
            code: match entry.codes() {
                (first, last) if first == last => CodeJson::Single(first),
                _ => CodeJson::Range(entry.spelling()),
            },
            class: entry.class().as_str(),
            reason: entry.reason(),
            description: entry.description(),
            methods: entry.methods().iter().map(|method| &**method).collect(),
            media_types: entry.media_types().iter().map(|media_type| &**media_type).collect(),
            texts: texts.filter(|_| several).collect(),
        }
    }
}

#[derive(Serialize)]
#[serde(untagged)]
enum CodeJson {
    Range(String),
    Single(u16),
}

#[derive(Serialize)]
struct TextJson<'a> {
    language: &'a str,
    reason: Option<&'a str>,
    description: &'a str,
}
