//! Every representation of a status, rendered once.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    ops::Range,
    sync::{Mutex, PoisonError},
};

use bytes::Bytes;
use http::{HeaderValue, StatusCode};
use status_catalog::{Catalog, Envelope};

use super::{
    Media,
    markup::{push_element, push_member, push_string, push_text},
    phrase::reason_phrase,
    template::{Placeholder, Slot, Template},
};
use crate::verdict::{Kept, PROBLEM_NAMESPACE};

const PAGE: &str = include_str!("page.html");

/// IANA's phrases are English.
const PHRASE_LANGUAGE: &str = "en";

/// The names of the extension members for what is kept, in JSON and XML; a code keeps its own.
const REQUEST_ID: &str = "request_id";
const UPSTREAM_MESSAGE: &str = "upstream_message";

/// One rendering, with the fields that describe it.
#[derive(Clone, Debug)]
pub(crate) struct Representation {
    pub(crate) content_type: HeaderValue,
    pub(crate) content_length: HeaderValue,
    pub(crate) language: HeaderValue,
    pub(crate) body: Bytes,
    /// Whether browsers would guess at the type.
    pub(crate) nosniff: bool,
    extension: Extension,
}

/// Where what is kept goes.
#[derive(Clone, Debug)]
enum Extension {
    /// The code takes the place of the constant (with its quotes), the other members come after.
    Envelope { code: Range<usize>, end: usize },
    /// Nowhere: pages and plain text have no members, and they are recognised by being equal to ours.
    None,
    /// Members at the end of the object.
    Problem { end: usize },
    /// The places that a template has for it.
    Template(Vec<Slot>),
    /// Elements at the end of the root.
    Xml { end: usize },
}

/// The representations of one status under one catalog, by language and media type.
#[derive(Clone, Debug)]
pub(crate) struct Representations {
    languages: Vec<Rendered>,
}

#[derive(Clone, Debug)]
struct Rendered {
    description: Box<str>,
    /// In the order of [`Media::ALL`].
    media: [Representation; Media::ALL.len()],
}

impl Representations {
    /// Renders a status: in each language of the catalog if that documents it, else by its IANA phrase. `code` is
    /// the constant that stands where the backend gave no code; of several templates for a media type the last counts.
    pub(crate) fn new(catalog: &Catalog, status: StatusCode, code: &str, templates: &[Template]) -> Self {
        let phrase = reason_phrase(status);
        let languages = match catalog.documented(status.as_u16()) {
            Some(documented) => catalog
                .languages()
                .iter()
                .zip(documented.entry.texts())
                .map(|(language, text)| {
                    let named = phrase.or(text.reason.as_deref());
                    Source { status, phrase: named, description: &text.description, code, language }
                        .render(catalog.envelope(), templates)
                })
                .collect(),
            None => {
                let description = phrase.map_or_else(|| format!("Status {}", status.as_str()), str::to_owned);
                let source =
                    Source { status, phrase, description: &description, code, language: PHRASE_LANGUAGE };
                vec![source.render(catalog.envelope(), templates)]
            }
        };
        Self { languages }
    }

    /// The representation; of a status that is described by its phrase there is one language only.
    pub(crate) fn get(&self, media: Media, language: u8) -> &Representation {
        &self.language(language).media[media as usize]
    }

    /// The description that the representations carry.
    pub(crate) fn description(&self, language: u8) -> &str {
        &self.language(language).description
    }

    /// The representation with what is kept of the replaced body, and its length.
    pub(crate) fn with_kept(&self, media: Media, language: u8, kept: &Kept) -> (Bytes, HeaderValue) {
        let representation = self.get(media, language);
        let Some(body) = representation.extended(kept) else {
            return (representation.body.clone(), representation.content_length.clone());
        };
        let length = HeaderValue::from(body.len());
        (Bytes::from(body), length)
    }

    /// Whether a body is one of these, whatever the media type and language.
    pub(crate) fn is_one(&self, body: &[u8]) -> bool {
        self.all().any(|representation| *representation.body == *body)
    }

    fn all(&self) -> impl Iterator<Item = &Representation> {
        self.languages.iter().flat_map(|rendered| &rendered.media)
    }

    fn language(&self, language: u8) -> &Rendered {
        self.languages.get(usize::from(language)).unwrap_or(&self.languages[0])
    }
}

/// A value that is kept for ever and so needs no reference count, which all workers would write to. There are few:
/// languages, and lengths of representations.
fn lasting(text: &str) -> HeaderValue {
    static KEPT: Mutex<BTreeSet<&str>> = Mutex::new(BTreeSet::new());
    let mut kept = KEPT.lock().unwrap_or_else(PoisonError::into_inner);
    let known = kept.get(text).copied();
    HeaderValue::from_static(known.unwrap_or_else(|| {
        let new: &'static str = text.to_owned().leak();
        kept.insert(new);
        new
    }))
}

impl Representation {
    fn new(media: Media, language: HeaderValue, body: &str, extension: Extension) -> Self {
        Self {
            content_type: HeaderValue::from_static(media.content_type()),
            content_length: lasting(&body.len().to_string()),
            language,
            body: Bytes::copy_from_slice(body.as_bytes()),
            nosniff: matches!(media, Media::Html | Media::Plain),
            extension,
        }
    }

    /// The body with members for what is kept, in one allocation; `None` where it can't have any.
    fn extended(&self, kept: &Kept) -> Option<String> {
        let Kept { code, request_id, message } = kept;
        let body = str::from_utf8(&self.body).expect("rendered from strings");
        let member = code.as_ref().map_or("", |code| code.member);
        let code = code.as_ref().map(|code| code.token.as_str());
        let request_id = request_id.as_ref().map(|request_id| request_id.as_str());
        let members = [(member, code), (REQUEST_ID, request_id), (UPSTREAM_MESSAGE, message.as_deref())];
        let (constant, end, members) = match &self.extension {
            Extension::None => return None,
            Extension::Template(slots) => return fill_slots(body, slots, code, request_id),
            Extension::Envelope { code, end } => (code.clone(), *end, &members[1..]),
            Extension::Problem { end } | Extension::Xml { end } => (*end..*end, *end, &members[..]),
        };
        let is_xml = matches!(self.extension, Extension::Xml { .. });
        let push: fn(&mut String, &str, &str) = if is_xml { push_element } else { push_later_member };
        // Exact, unless there is a message: tokens need no escapes, a character of a message takes six bytes at most.
        let room = members.iter().fold(body.len(), |room, (name, text)| match text {
            Some(text) if *name == UPSTREAM_MESSAGE => room + 2 * name.len() + 6 * text.len() + 6,
            Some(text) if is_xml => room + 2 * name.len() + text.len() + "<></>".len(),
            Some(text) => room + name.len() + text.len() + ",\"\":\"\"".len(),
            None => room,
        });
        let code = code.filter(|_| !constant.is_empty());
        let room = code.map_or(room, |code| room - constant.len() + code.len() + "\"\"".len());
        let mut out = String::with_capacity(room);
        out.push_str(&body[..constant.start]);
        match code {
            Some(code) => push_string(&mut out, code),
            None => out.push_str(&body[constant.clone()]),
        }
        out.push_str(&body[constant.end..end]);
        for (name, text) in members {
            if let Some(text) = text {
                push(&mut out, name, text);
            }
        }
        out.push_str(&body[end..]);
        Some(out)
    }
}

/// The values are tokens, which no format escapes.
fn fill_slots(body: &str, slots: &[Slot], code: Option<&str>, request_id: Option<&str>) -> Option<String> {
    let of = |slot: &Slot| if slot.placeholder == Placeholder::Code { code } else { request_id };
    let added: usize = slots.iter().filter_map(of).map(str::len).sum();
    if added == 0 {
        return None;
    }
    let mut out = String::with_capacity(body.len() + added);
    let mut from = 0;
    for slot in slots {
        out.push_str(&body[from..slot.default.start]);
        out.push_str(of(slot).unwrap_or(&body[slot.default.clone()]));
        from = slot.default.end;
    }
    out.push_str(&body[from..]);
    Some(out)
}

fn push_later_member(out: &mut String, name: &str, text: &str) {
    out.push(',');
    push_member(out, name, text);
}

/// What the representations of one status in one language are rendered from.
struct Source<'s> {
    status: StatusCode,
    phrase: Option<&'s str>,
    description: &'s str,
    code: &'s str,
    language: &'s str,
}

impl Source<'_> {
    fn render(&self, envelope: &Envelope, templates: &[Template]) -> Rendered {
        // RFC 5646, 4.1: the tag for content whose language has none.
        let tag = if HeaderValue::from_str(self.language).is_ok() { self.language } else { "und" };
        let language = lasting(tag);
        let mut body = String::new();
        let media = Media::ALL.map(|media| {
            body.clear();
            let template = templates.iter().rfind(|template| template.media() == media);
            let extension = match (template, media) {
                (Some(template), _) => self.fill(template, &mut body),
                (None, Media::ProblemJson) => self.problem_json(&mut body),
                (None, Media::Json) => self.envelope(envelope, &mut body),
                (None, Media::ProblemXml | Media::Xml) => self.problem_xml(&mut body),
                (None, Media::Html) => self.html(&mut body),
                (None, Media::Plain) => self.plain(&mut body),
            };
            Representation::new(media, language.clone(), &body, extension)
        });
        Rendered { description: self.description.into(), media }
    }

    fn fill(&self, template: &Template, body: &mut String) -> Extension {
        let title = self.title();
        let (filled, slots) = template.fill(|placeholder| match placeholder {
            Placeholder::Code => self.code,
            Placeholder::Description => self.description,
            Placeholder::Language => self.language,
            Placeholder::Reason => &title,
            Placeholder::RequestId => "",
            Placeholder::Status => self.status.as_str(),
        });
        *body = filled;
        Extension::Template(slots)
    }

    fn title(&self) -> Cow<'_, str> {
        match self.phrase {
            Some(phrase) => Cow::Borrowed(phrase),
            None => Cow::Owned(format!("Status {}", self.status.as_str())),
        }
    }

    /// `404 Not Found`
    fn heading(&self) -> String {
        let status = self.status.as_str();
        self.phrase.map_or_else(|| status.to_owned(), |phrase| format!("{status} {phrase}"))
    }

    /// What there is to say beyond the heading.
    fn paragraphs(&self) -> impl Iterator<Item = &str> {
        let said = self.phrase.unwrap_or_default();
        self.description.lines().map(str::trim).filter(move |line| !line.is_empty() && *line != said)
    }

    /// RFC 9457, 3.
    fn problem_json(&self, body: &mut String) -> Extension {
        body.push('{');
        push_member(body, "type", "about:blank");
        body.push(',');
        push_member(body, "title", &self.title());
        body.push_str(",\"status\":");
        body.push_str(self.status.as_str());
        body.push(',');
        push_member(body, "detail", self.description);
        let end = body.len();
        body.push('}');
        Extension::Problem { end }
    }

    fn envelope(&self, envelope: &Envelope, body: &mut String) -> Extension {
        let Envelope { wrapper, code, message } = envelope;
        body.push('{');
        if let Some(wrapper) = wrapper {
            push_string(body, wrapper);
            body.push_str(":{");
        }
        push_string(body, code);
        body.push(':');
        let start = body.len();
        push_string(body, self.code);
        let constant = start..body.len();
        body.push(',');
        push_member(body, message, self.description);
        let end = body.len();
        body.push_str(if wrapper.is_some() { "}}" } else { "}" });
        Extension::Envelope { code: constant, end }
    }

    /// RFC 9457, appendix B.
    fn problem_xml(&self, body: &mut String) -> Extension {
        body.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<problem xmlns=\"");
        push_text(body, PROBLEM_NAMESPACE);
        body.push_str("\">");
        push_element(body, "type", "about:blank");
        push_element(body, "title", &self.title());
        push_element(body, "status", self.status.as_str());
        push_element(body, "detail", self.description);
        let end = body.len();
        body.push_str("</problem>");
        Extension::Xml { end }
    }

    fn html(&self, body: &mut String) -> Extension {
        let mut heading = String::new();
        push_text(&mut heading, &self.heading());
        let mut language = String::new();
        push_text(&mut language, self.language);
        let mut paragraphs = String::new();
        for paragraph in self.paragraphs() {
            push_element(&mut paragraphs, "p", paragraph);
            paragraphs.push('\n');
        }
        let values = [("{language}", &*language), ("{heading}", &heading), ("{paragraphs}", &paragraphs)];
        fill(PAGE, &values, body);
        Extension::None
    }

    fn plain(&self, body: &mut String) -> Extension {
        body.push_str(&self.heading());
        body.push('\n');
        for paragraph in self.paragraphs() {
            body.push_str(paragraph);
            body.push('\n');
        }
        Extension::None
    }
}

/// Puts values in the place of their names, each once: what looks like a name in a value is text.
fn fill(template: &str, values: &[(&str, &str)], out: &mut String) {
    let mut rest = template;
    while let Some(at) = rest.find('{') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let (name, value) = values.iter().find(|(name, _)| from.starts_with(name)).unwrap_or(&("{", "{"));
        out.push_str(value);
        rest = &from[name.len()..];
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests;
