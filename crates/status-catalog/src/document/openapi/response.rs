//! The documented responses of one operation.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::{Node, shortened};
use super::operation::Label;
use super::reference::{Place, Resolver};
use crate::reading::phrase_of;
use crate::report::{EntryReport, Report};
use crate::{Class, Entry, Text};

/// No response has more in practice; responses are shared, and each operation has its own list.
const MAX_MEDIA_TYPES: usize = 32;

/// The texts that responses have in common, each kept once.
#[derive(Default)]
pub(super) struct Responses {
    texts: HashMap<Arc<str>, Arc<str>>,
}

/// A response as the operation lists it.
pub(super) struct Listed {
    pub(super) entry: Entry,
    /// The status, where the operation names it.
    pub(super) at: Place,
    /// The response itself, if it was found.
    pub(super) target: Result<Place, String>,
    pub(super) is_described: bool,
}

/// The codes that a key of `responses` means.
pub(super) fn codes(key: &str) -> Option<(u16, u16)> {
    let key = key.trim();
    let is_status = matches!(key.as_bytes(), [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9']);
    let is_range = matches!(key.as_bytes(), [b'1'..=b'9', b'X' | b'x', b'X' | b'x']);
    if is_status || is_range || key == "default" { Entry::spelled(key) } else { None }
}

impl Responses {
    /// Reads one response. `produces` holds the media types of version 2.0.
    pub(super) fn read(
        &mut self,
        (first, last): (u16, u16),
        at: Place,
        produces: Option<&Node>,
        resolver: &mut Resolver<'_>,
    ) -> Listed {
        let target = resolver.resolve(at.clone());
        // An unreadable target does not undo that the status is documented.
        let node = target.as_ref().map_or(&at.node, |target| &target.node);
        // OpenAPI 3.1: what stands beside a `$ref` goes before what it leads to.
        let own = at.node.member_text("description").filter(|_| at.node.get("$ref").is_some());
        let described =
            own.or_else(|| node.member_text("description")).or_else(|| node.member_text("summary"));
        let described = described.map(str::trim).filter(|text| !text.is_empty());
        let phrase = phrase_of(first).filter(|_| first == last).unwrap_or_default();
        let media_types = match node.get("content") {
            Some(content) => content
                .members()
                .iter()
                .map(|member| self.shared(&member.name))
                .take(MAX_MEDIA_TYPES)
                .collect(),
            None => {
                let types =
                    produces.filter(|_| node.get("schema").is_some()).map(Node::items).unwrap_or_default();
                types
                    .iter()
                    .filter_map(|item| item.text())
                    .map(|text| self.shared(text))
                    .take(MAX_MEDIA_TYPES)
                    .collect()
            }
        };
        let entry = Entry {
            first,
            last,
            class: Class::of_number(if (first, last) == Entry::DEFAULT { 500 } else { first }),
            methods: Vec::new(),
            media_types,
            texts: vec![Text { reason: None, description: self.shared(described.unwrap_or(phrase)) }],
        };
        let is_described = described.is_some();
        Listed { entry, target, is_described, at }
    }

    fn shared(&mut self, text: &str) -> Arc<str> {
        if let Some(known) = self.texts.get(text) {
            return Arc::clone(known);
        }
        let shared: Arc<str> = text.into();
        self.texts.insert(Arc::clone(&shared), Arc::clone(&shared));
        shared
    }
}

impl Listed {
    /// Where the entry comes from, for the report.
    pub(super) fn report(&self, label: &Label<'_>, report: &mut Report) {
        let Self { entry, at, target, is_described } = self;
        let (line, code) = (at.at.line(), entry.spelling());
        let mut remarks = Vec::new();
        match target {
            Ok(target) if !Arc::ptr_eq(&target.node, &at.node) => {
                let elsewhere =
                    if target.file == at.file { String::new() } else { format!(" of `{}`", target.file) };
                remarks.push(format!("its response is on line {}{elsewhere}", target.at.line));
            }
            Ok(_) => {}
            Err(why) => {
                report.warn(line, format!("{label} {code}: {why}; the status is kept without its text"));
            }
        }
        if !is_described {
            remarks.push("without a description: the phrase of the code".to_owned());
        }
        report.entries.push(EntryReport {
            code: format!("{label} {code}"),
            class: if entry.is_default() { "any" } else { entry.class.as_str() },
            lines: vec![line],
            rule: if entry.is_default() { "the number of each status" } else { "its number" }.to_owned(),
            has_description: *is_described,
            remarks,
        });
    }
}

/// A key of `responses` that is no status.
pub(super) fn unknown(label: &Label<'_>, key: &str) -> String {
    format!("{label}: `{}` is no status, no range and not `default`", shortened(key))
}
