//! What a document promises: the types, no parsing.

use std::sync::Arc;

/// What a catalog says about a status code.
///
/// It is the document's word, not `>= 400`: a page may list 300 as abnormal.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Class {
    /// The document lists the code as an error.
    Abnormal,
    /// The document lists the code as a success.
    Normal,
    /// The document does not list the code.
    Undocumented,
}

impl Class {
    /// What the number of a status says, where a document leaves it to that: below 400 nothing has failed.
    pub(crate) fn of_number(status: u16) -> Self {
        if status < 400 { Self::Normal } else { Self::Abnormal }
    }

    /// The word used in configuration, metrics and documentation.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Abnormal => "abnormal",
            Self::Normal => "normal",
            Self::Undocumented => "undocumented",
        }
    }
}

/// A documented JSON shape of an error body: two members, optionally inside one wrapper member.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Envelope {
    /// The member that wraps the other two, such as `error`.
    pub wrapper: Option<Arc<str>>,
    /// The member that holds the machine-readable code, such as `error_code`.
    pub code: Arc<str>,
    /// The member that holds the sentence for people, such as `error_msg`.
    pub message: Arc<str>,
}

impl Default for Envelope {
    /// `{"error_code","error_msg"}`, the form that most documented services have.
    fn default() -> Self {
        Self { wrapper: None, code: "error_code".into(), message: "error_msg".into() }
    }
}

/// What a document says of one entry in one language.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Text {
    /// The reason phrase as the document spells it, if it gives one.
    pub reason: Option<Arc<str>>,
    /// The description, verbatim; several paragraphs are joined by a newline.
    pub description: Arc<str>,
}

/// One documented status (or, in an OpenAPI description, a range such as `4XX` or `default`).
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub struct Entry {
    pub(crate) first: u16,
    pub(crate) last: u16,
    pub(crate) class: Class,
    pub(crate) methods: Vec<Arc<str>>,
    pub(crate) media_types: Vec<Arc<str>>,
    /// Parallel to [`Catalog::languages`].
    pub(crate) texts: Vec<Text>,
}

impl Entry {
    /// The codes of an OpenAPI `default` response, which documents every status that has no other entry.
    pub(crate) const DEFAULT: (u16, u16) = (100, 999);

    /// Whether the entry documents every status that has no other entry.
    pub fn is_default(&self) -> bool {
        self.codes() == Self::DEFAULT
    }

    /// The status code, or the first one of a range.
    pub fn code(&self) -> u16 {
        self.first
    }

    /// The codes that the entry documents, inclusive; both are equal for a single code.
    pub fn codes(&self) -> (u16, u16) {
        (self.first, self.last)
    }

    /// The codes as documents spell them: `404`, `4XX`, `500-511`.
    pub fn spelling(&self) -> String {
        match (self.first, self.last) {
            (first, last) if first == last => first.to_string(),
            (first, last) if first % 100 == 0 && last == first + 99 => format!("{}XX", first / 100),
            Self::DEFAULT => "default".to_owned(),
            (first, last) => format!("{first}-{last}"),
        }
    }

    /// The codes that a spelling means, as [`spelling`](Self::spelling) gives it.
    pub(crate) fn spelled(spelling: &str) -> Option<(u16, u16)> {
        let code = |digits: &str| digits.parse().ok().filter(|code| (100..=999).contains(code));
        match spelling.as_bytes() {
            b"default" => Some(Self::DEFAULT),
            [hundreds @ b'1'..=b'9', b'X' | b'x', b'X' | b'x'] => {
                let first = u16::from(hundreds - b'0') * 100;
                Some((first, first + 99))
            }
            _ => match spelling.split_once('-') {
                Some((first, last)) => code(first).zip(code(last)).filter(|(first, last)| first <= last),
                None => code(spelling).map(|code| (code, code)),
            },
        }
    }

    /// The class; never [`Class::Undocumented`].
    pub fn class(&self) -> Class {
        self.class
    }

    /// The methods that the entry is for, in upper case; empty where the document names none.
    pub fn methods(&self) -> &[Arc<str>] {
        &self.methods
    }

    /// The media types of the documented bodies; empty where the document names none.
    pub fn media_types(&self) -> &[Arc<str>] {
        &self.media_types
    }

    /// The reason phrase in the catalog's first language.
    pub fn reason(&self) -> Option<&str> {
        self.texts[0].reason.as_deref()
    }

    /// The description in the catalog's first language.
    pub fn description(&self) -> &str {
        &self.texts[0].description
    }

    /// The text in each of [`Catalog::languages`], in that order; never empty.
    pub fn texts(&self) -> &[Text] {
        &self.texts
    }
}

/// The entry that documents a status, with the class it gives to just this status.
#[derive(Clone, Copy, Debug)]
pub struct Documented<'a> {
    /// The class of the status; never [`Class::Undocumented`].
    pub class: Class,
    /// The entry.
    pub entry: &'a Entry,
}

/// What a document promises: a name, a title, languages, an envelope, entries.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Catalog {
    pub(crate) name: Arc<str>,
    pub(crate) title: Arc<str>,
    pub(crate) languages: Vec<Arc<str>>,
    pub(crate) envelope: Envelope,
    pub(crate) entries: Vec<Entry>,
}

impl Catalog {
    /// The name, as configuration and metrics use it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The document's title.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The first language, as a BCP 47 tag.
    pub fn language(&self) -> &str {
        &self.languages[0]
    }

    /// All languages, as BCP 47 tags; never empty.
    pub fn languages(&self) -> &[Arc<str>] {
        &self.languages
    }

    /// The documented JSON envelope.
    pub fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// The entries, in the document's order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// What the catalog says about `status`: an exact code first, then the narrowest range.
    pub fn documented(&self, status: u16) -> Option<Documented<'_>> {
        let entry = self
            .entries
            .iter()
            .filter(|entry| (entry.first..=entry.last).contains(&status))
            .min_by_key(|entry| entry.last - entry.first)?;
        // A default response is for successes and failures alike.
        let class = if entry.is_default() { Class::of_number(status) } else { entry.class };
        Some(Documented { class, entry })
    }
}

/// Two catalogs that cannot be one in several languages.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("both catalogs are in language `{language}`: a catalog has each language once")]
pub struct SameLanguage {
    language: Arc<str>,
}

impl Catalog {
    /// This catalog with the texts of `other` as further languages: an English and a Chinese page become one.
    ///
    /// Classes and methods are this catalog's. A code that only one of them lists is kept, with its one text in
    /// every language.
    ///
    /// # Errors
    ///
    /// If both have the same language.
    pub fn with_languages_of(&self, other: &Self) -> Result<Self, SameLanguage> {
        if let Some(language) = other.languages.iter().find(|language| self.languages.contains(language)) {
            return Err(SameLanguage { language: Arc::clone(language) });
        }
        let mut merged = self.clone();
        merged.languages.extend(other.languages.iter().cloned());
        for entry in &mut merged.entries {
            let translated = other.entries.iter().find(|translated| translated.codes() == entry.codes());
            let own = entry.texts[0].clone();
            match translated {
                Some(translated) => entry.texts.extend(translated.texts.iter().cloned()),
                None => entry.texts.extend(other.languages.iter().map(|_| own.clone())),
            }
        }
        for entry in &other.entries {
            if merged.entries.iter().all(|known| known.codes() != entry.codes()) {
                let first = std::iter::repeat_n(entry.texts[0].clone(), self.languages.len());
                let texts = first.chain(entry.texts.iter().cloned()).collect();
                merged.entries.push(Entry { texts, ..entry.clone() });
            }
        }
        Ok(merged)
    }

    /// This catalog under another name.
    #[must_use]
    pub fn with_name(self, name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// This catalog with another documented JSON envelope, of which a page of status codes says nothing.
    ///
    /// ```
    /// use status_catalog::{Envelope, Importer};
    ///
    /// let import = Importer::new().import_text("codes.md", "| Status Code | Description |\n|---|---|\n| 404 Not Found | Gone. |\n")?;
    /// let envelope = Envelope { wrapper: Some("error".into()), code: "code".into(), message: "message".into() };
    /// let catalog = import.into_catalog().ok_or("the page lists a code")?.with_envelope(envelope);
    /// assert!(catalog.to_toml().contains("wrapper = \"error\""));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn with_envelope(self, envelope: Envelope) -> Self {
        Self { envelope, ..self }
    }
}
