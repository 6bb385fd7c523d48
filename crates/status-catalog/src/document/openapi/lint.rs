//! What the writer of a description would want to know before publishing it.

use super::node::At;
use super::reference::Place;
use super::response::Listed;
use crate::check::blames_client;
use crate::reading::phrase_of;
use crate::{Class, Finding, Rule};

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

pub(super) fn path(root: &Place, path: &str, item: &Place) -> Option<Finding> {
    let why = if !path.starts_with('/') {
        "does not begin with a slash"
    } else if path.contains(['?', '#']) {
        "has a query or a fragment, and requests are told apart by their path alone"
    } else {
        return None;
    };
    let path = super::node::shortened(path);
    Some(at(
        root,
        &item.file,
        item.at,
        Rule::UnmatchablePath,
        format!("`{path}` {why}: no request matches it"),
    ))
}

pub(super) fn unresolved(root: &Place, what: &str, place: &Place, why: &str) -> Finding {
    at(root, &place.file, place.at, Rule::UnresolvedReference, format!("{what}: {why}"))
}

pub(super) fn unknown_status(root: &Place, why: &str, place: &Place) -> Finding {
    at(root, &place.file, place.at, Rule::UnknownStatus, why.to_owned())
}

pub(super) fn no_responses(root: &Place, method: &str, path: &str, operation: &Place) -> Finding {
    let text = format!(
        "{method} {} has no `responses`: whatever it answers is undocumented",
        super::node::shortened(path)
    );
    at(root, &operation.file, operation.at, Rule::MissingResponses, text)
}

/// What is wrong with the responses of an operation, together and each.
pub(super) fn responses(root: &Place, label: &str, operation: &Place, listed: &[Listed]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let has = |class| listed.iter().any(|listed| !listed.entry.is_default() && listed.entry.class() == class);
    let has_default = listed.iter().any(|listed| listed.entry.is_default());
    let (success, failure) = (has(Class::Normal), has(Class::Abnormal));
    let mut whole = |rule, text: &str| {
        findings.push(at(root, &operation.file, operation.at, rule, format!("{label} {text}")));
    };
    match (success, failure, has_default) {
        (false, false, true) => whole(
            Rule::DefaultOnly,
            "has a `default` response alone: it says neither what success is nor which errors there are",
        ),
        (false, false, false) => {
            whole(
                Rule::MissingResponses,
                "has `responses` without a status: whatever it answers is undocumented",
            );
        }
        (false, true, _) => {
            whole(Rule::MissingSuccess, "has no response below 400: its success is undocumented")
        }
        (true, false, false) => {
            whole(Rule::MissingError, "has no 4xx, no 5xx and no `default`: every error is undocumented");
        }
        (true, ..) => {}
    }
    for Listed { entry, at: place, target, is_described } in listed {
        let code = entry.spelling();
        let mut found = |rule, text| findings.push(at(root, &place.file, place.at, rule, text));
        if let Err(why) = target {
            found(Rule::UnresolvedReference, format!("{label} {code}: {why}"));
        } else if !is_described {
            found(Rule::MissingDescription, format!("{label} {code} has no description"));
        } else if entry.class() == Class::Abnormal && repeats_phrase(entry.code(), entry.description()) {
            let text =
                format!("{label} {code} says only “{}”: the code says that already", entry.description());
            found(Rule::PhraseOnly, text);
        } else if entry.code() == 502 && blames_client(entry.description()) {
            let text = format!(
                "{label} 502 blames the client: a gateway answers 502 because the upstream server's response was invalid (RFC 9110, 15.6.3)"
            );
            found(Rule::BlamesClient, text);
        }
    }
    findings
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
