//! Documentation lint: what a writer of a status page would want to know before publishing it.

use serde::Serialize;

use crate::reading::{contradicts, is_phrase_of, phrase_of, spelled_phrase};
use crate::{Catalog, Class, Entry, Import};

/// A remark on the document.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Finding {
    /// The file that it is about, as the document refers to it; `None` for the document itself.
    pub file: Option<String>,
    /// The line that it is about; 1 if it is about the whole page.
    pub line: usize,
    /// The column in characters, from 1; 1 if it is about the whole line.
    pub column: usize,
    /// The rule, as a stable word.
    pub rule: Rule,
    /// What is wrong, with the words of the document.
    pub text: String,
}

/// What [`Import::check`] looks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Rule {
    /// Two paths that match the same requests, such as `/a/{x}` and `/a/{y}`.
    AmbiguousPath,
    /// A 502 that says the request was invalid: it is the upstream server's answer that was.
    BlamesClient,
    /// The class and the number exclude each other, such as a 5xx under Normal.
    ClassContradiction,
    /// An operation with a `default` response alone.
    DefaultOnly,
    /// The same code has several descriptions.
    Merged,
    /// An entry without a description.
    MissingDescription,
    /// An operation without any 4xx, 5xx or `default`.
    MissingError,
    /// The page does not list 200, so every ordinary success would be undocumented.
    MissingOk,
    /// An operation without a response.
    MissingResponses,
    /// An operation without a response below 400.
    MissingSuccess,
    /// A phrase in unusual capitals, such as `internal Server Error`.
    PhraseCapitalisation,
    /// The description of an error that only repeats the phrase, such as `Not Found` for 404.
    PhraseOnly,
    /// The same key twice in one mapping.
    RepeatedKey,
    /// A phrase without its spaces, such as `NoContent`.
    RunTogetherPhrase,
    /// A key of `responses` that is no status, no range and not `default`.
    UnknownStatus,
    /// A path that no request can have.
    UnmatchablePath,
    /// A `$ref` that leads nowhere.
    UnresolvedReference,
    /// The phrase of another code, such as `201 OK`.
    WrongPhrase,
}

impl Rule {
    /// The word used in reports.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AmbiguousPath => "ambiguous_path",
            Self::BlamesClient => "blames_client",
            Self::ClassContradiction => "class_contradiction",
            Self::DefaultOnly => "default_only",
            Self::Merged => "merged",
            Self::MissingDescription => "missing_description",
            Self::MissingError => "missing_error",
            Self::MissingOk => "missing_ok",
            Self::MissingResponses => "missing_responses",
            Self::MissingSuccess => "missing_success",
            Self::PhraseCapitalisation => "phrase_capitalisation",
            Self::PhraseOnly => "phrase_only",
            Self::RepeatedKey => "repeated_key",
            Self::RunTogetherPhrase => "run_together_phrase",
            Self::UnknownStatus => "unknown_status",
            Self::UnmatchablePath => "unmatchable_path",
            Self::UnresolvedReference => "unresolved_reference",
            Self::WrongPhrase => "wrong_phrase",
        }
    }
}

impl Import {
    /// What is wrong with the document as documentation, in the order of its lines.
    pub fn check(&self) -> Vec<Finding> {
        let Some(catalog) = self.catalog() else { return self.api_findings().to_vec() };
        let mut findings = Vec::new();
        findings.extend(missing_ok(catalog));
        let is_titled = catalog.entries().iter().filter_map(Entry::reason).any(is_title_case);
        for (entry, source) in catalog.entries().iter().zip(&self.report().entries) {
            let line = source.lines.first().copied().unwrap_or(1);
            let mut found = |rule, text| findings.push(Finding { file: None, line, column: 1, rule, text });
            if let Some(text) = contradiction(entry) {
                found(Rule::ClassContradiction, text);
            }
            let fault = |phrase| phrase_fault(entry.code(), phrase, is_titled);
            if let Some((rule, text)) = entry.reason().and_then(fault) {
                found(rule, text);
            }
            if entry.code() == 502 && blames_client(entry.description()) {
                let text = format!(
                    "502 says “{}”: a gateway answers 502 because the upstream server's response was invalid (RFC 9110, 15.6.3)",
                    entry.description()
                );
                found(Rule::BlamesClient, text);
            }
            if !source.has_description {
                found(Rule::MissingDescription, format!("{} has no description", entry.spelling()));
            }
            if source.lines.len() > 1 && entry.description().contains('\n') {
                found(
                    Rule::Merged,
                    format!(
                        "{} stands on {} rows with different descriptions",
                        entry.spelling(),
                        source.lines.len()
                    ),
                );
            }
        }
        findings.sort_by_key(|finding| finding.line);
        findings
    }
}

fn missing_ok(catalog: &Catalog) -> Option<Finding> {
    let has_success = catalog.entries().iter().any(|entry| entry.code() < 400);
    let text = match has_success {
        true => "the page does not list 200: every ordinary success is undocumented",
        false => "the page lists errors only: as a catalog it leaves every success undocumented",
    };
    let finding = Finding { file: None, line: 1, column: 1, rule: Rule::MissingOk, text: text.to_owned() };
    catalog.documented(200).is_none().then_some(finding)
}

fn contradiction(entry: &Entry) -> Option<String> {
    contradicts(entry.class(), entry.code()).then(|| {
        let number = Class::of_number(entry.code()).as_str();
        format!("{} is listed as {}, but its number says {number}", entry.spelling(), entry.class().as_str())
    })
}

/// `is_titled`: the page writes phrases in title case; without such a one, sentence case is its style.
fn phrase_fault(code: u16, phrase: &str, is_titled: bool) -> Option<(Rule, String)> {
    let Some(usual) = spelled_phrase(phrase, code) else {
        let registered = phrase_of(code)?;
        let other = (100..600).find(|other| is_phrase_of(phrase, *other))?;
        let text = format!("{code} {phrase}: this is the phrase of {other}; {code} is {registered}");
        return Some((Rule::WrongPhrase, text));
    };
    if is_identifier(phrase) {
        return None;
    }
    if !phrase.contains(' ') && usual.contains(' ') {
        let registered = phrase_of(code).filter(|registered| *registered != usual);
        let better = registered.map(|registered| format!(", or as registered {code} {registered}"));
        let better = better.unwrap_or_default();
        let text = format!("{code} {phrase} is run together: {code} {usual}{better}");
        return Some((Rule::RunTogetherPhrase, text));
    }
    let is_odd = phrase != usual && phrase.eq_ignore_ascii_case(usual);
    let is_style = !is_titled && is_sentence_case(phrase);
    (is_odd && !is_style)
        .then(|| (Rule::PhraseCapitalisation, format!("{code} {phrase} is usually written {code} {usual}")))
}

/// `NOT_FOUND` is a constant, not a phrase.
fn is_identifier(phrase: &str) -> bool {
    phrase.contains('_') || (phrase.len() > 2 && !phrase.contains(char::is_lowercase))
}

/// `Not Found`
fn is_title_case(phrase: &str) -> bool {
    phrase.contains(' ')
        && phrase.split(' ').all(|word| word.starts_with(char::is_uppercase))
        && !is_identifier(phrase)
}

/// `Not found`
fn is_sentence_case(phrase: &str) -> bool {
    let mut characters = phrase.chars();
    characters.next().is_some_and(char::is_uppercase) && !characters.any(char::is_uppercase)
}

pub(crate) fn blames_client(description: &str) -> bool {
    let lower = description.to_lowercase();
    let blames = ["request is invalid", "invalid request", "请求无效", "无效的请求", "请求非法", "无效请求"];
    blames.iter().any(|words| lower.contains(words))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_judged() {
        let cases = [
            (204, "No Content", None),
            (204, "NoContent", Some(Rule::RunTogetherPhrase)),
            (400, "BadRequest", Some(Rule::RunTogetherPhrase)),
            (500, "internal Server Error", Some(Rule::PhraseCapitalisation)),
            (201, "OK", Some(Rule::WrongPhrase)),
            (408, "Request Time-out", None),
            (422, "Unprocessable Entity", None),
            (413, "Payload Too Large", None),
            (430, "Anything", None),
            (404, "Resource Not Found", None),
            (404, "NOT_FOUND", None),
            (403, "FORBIDDEN", None),
            (404, "Not found", Some(Rule::PhraseCapitalisation)),
            (504, "ServerTimeout", Some(Rule::RunTogetherPhrase)),
        ];
        for (code, phrase, rule) in cases {
            assert_eq!(phrase_fault(code, phrase, true).map(|(rule, _)| rule), rule, "{code} {phrase}");
        }
        assert_eq!(phrase_fault(404, "Not found", false), None, "sentence case throughout");
        let (_, text) = phrase_fault(504, "ServerTimeout", true).expect("a fault");
        assert_eq!(
            text,
            "504 ServerTimeout is run together: 504 Server Timeout, or as registered 504 Gateway Timeout"
        );
    }
}
