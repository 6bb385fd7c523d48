//! What the writer of a description would want to know before publishing it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::node::{At, Node, shortened};
use super::reference::Place;
use super::response::Listed;
use crate::check::blames_client;
use crate::operation::nameless;
use crate::reading::phrase_of;
use crate::{Class, Entry, Finding, Rule};

/// A finding about a place of the description, or of a file that it refers to.
fn at(root: &Place, file: &str, at: At, rule: Rule, text: String) -> Finding {
    let elsewhere = (*file != *root.file).then(|| file.to_owned());
    Finding { file: elsewhere, line: at.line(), column: at.column as usize, rule, text }
}

pub(super) fn sort(findings: &mut [Finding]) {
    findings.sort_by(|one, other| {
        (&one.file, one.line, one.column).cmp(&(&other.file, other.line, other.column))
    });
}

pub(super) fn repeated(root: &Place, file: &str, place: At, text: String) -> Finding {
    at(root, file, place, Rule::RepeatedKey, text)
}

/// What is wrong with a path; `known` are the nameless paths before it.
pub(super) fn path(
    root: &Place,
    path: &str,
    item: &Place,
    known: &mut HashMap<String, String>,
) -> Option<Finding> {
    let (rule, why) = if !path.starts_with('/') {
        (Rule::UnmatchablePath, "does not begin with a slash: no request matches it".to_owned())
    } else if path.contains(['?', '#']) {
        let why = "has a query or a fragment, and requests are told apart by their path alone: no request matches it";
        (Rule::UnmatchablePath, why.to_owned())
    } else if path.matches('{').count() != path.matches('}').count() {
        (Rule::UnmatchablePath, "has a brace without its other one: no request matches it".to_owned())
    } else {
        let other = known.insert(nameless(path), shortened(path).into_owned())?;
        (Rule::AmbiguousPath, format!("matches the same requests as `{other}`"))
    };
    Some(at(root, &item.file, item.at, rule, format!("`{}` {why}", shortened(path))))
}

pub(super) fn unresolved(root: &Place, what: &str, place: &Place, why: &str) -> Finding {
    at(root, &place.file, place.at, Rule::UnresolvedReference, format!("{what}: {why}"))
}

pub(super) fn unknown_status(root: &Place, why: &str, place: &Place) -> Finding {
    at(root, &place.file, place.at, Rule::UnknownStatus, why.to_owned())
}

pub(super) fn no_responses(root: &Place, method: &str, path: &str, operation: &Place) -> Finding {
    let text =
        format!("{method} {} has no `responses`: whatever it answers is undocumented", shortened(path));
    at(root, &operation.file, operation.at, Rule::MissingResponses, text)
}

/// The responses that were looked at: operations share them.
#[derive(Default)]
pub(super) struct Seen(HashSet<*const Node>);

/// What is wrong with the responses of an operation, together and each.
pub(super) fn responses(
    root: &Place,
    label: &str,
    operation: &Place,
    listed: &[Listed],
    seen: &mut Seen,
) -> Vec<Finding> {
    let mut findings: Vec<Finding> = together(label, listed)
        .map(|(rule, text)| at(root, &operation.file, operation.at, rule, format!("{label} {text}")))
        .into_iter()
        .collect();
    for Listed { entry, at: place, target, is_described } in listed {
        let target = match target {
            Ok(target) if seen.0.insert(Arc::as_ptr(&target.node)) => target,
            Ok(_) => continue,
            Err(why) => {
                let text = format!("{label} {}: {why}", entry.spelling());
                findings.push(at(root, &place.file, place.at, Rule::UnresolvedReference, text));
                continue;
            }
        };
        let found = text_of(entry, *is_described).map(|(rule, text)| {
            let text = format!("{label} {} {text}", entry.spelling());
            at(root, &target.file, target.at, rule, text)
        });
        findings.extend(found);
    }
    findings
}

fn together(label: &str, listed: &[Listed]) -> Option<(Rule, &'static str)> {
    let has = |class| listed.iter().any(|listed| !listed.entry.is_default() && listed.entry.class() == class);
    let has_default = listed.iter().any(|listed| listed.entry.is_default());
    // The answer to OPTIONS is that of the server, not of the API.
    let is_options = label.starts_with("OPTIONS ");
    match (has(Class::Normal), has(Class::Abnormal), has_default) {
        (false, false, true) => Some((
            Rule::DefaultOnly,
            "has a `default` response alone: it says neither what success is nor which errors there are",
        )),
        (false, false, false) => Some((
            Rule::MissingResponses,
            "has `responses` without a status: whatever it answers is undocumented",
        )),
        (false, true, _) => {
            Some((Rule::MissingSuccess, "has no response below 400: its success is undocumented"))
        }
        (true, false, false) if !is_options => {
            Some((Rule::MissingError, "has no 4xx, no 5xx and no `default`: every error is undocumented"))
        }
        (true, ..) => None,
    }
}

fn text_of(entry: &Entry, is_described: bool) -> Option<(Rule, String)> {
    let (code, description) = (entry.code(), entry.description());
    if !is_described {
        Some((Rule::MissingDescription, "has no description".to_owned()))
    } else if entry.class() == Class::Abnormal && repeats_phrase(code, description) {
        let text = format!("says only “{}”: the code says that already", shortened(description));
        Some((Rule::PhraseOnly, text))
    } else if code == 502 && blames_client(description) {
        let why =
            "a gateway answers 502 because the upstream server's response was invalid (RFC 9110, 15.6.3)";
        Some((Rule::BlamesClient, format!("blames the client: {why}")))
    } else {
        None
    }
}

/// Whether a description is the code, its phrase, or both.
fn repeats_phrase(code: u16, description: &str) -> bool {
    let letters =
        |text: &str| text.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    let (phrase, said) = (letters(phrase_of(code).unwrap_or_default()), letters(description));
    let number = code.to_string();
    let said = said.strip_prefix(&*number).unwrap_or(&said);
    let said = said.strip_suffix(&*number).unwrap_or(said);
    said.is_empty() || said == phrase || said.strip_suffix("error").unwrap_or(said) == phrase
}
