//! OpenAPI 2.0, 3.0 and 3.1: what each operation promises.

mod envelope;
mod node;
mod reference;
mod server;

use std::sync::Arc;

use crate::error::Malformed;
use crate::reading::phrase_of;
use crate::report::{EntryReport, Report};
use crate::operation::Api;
use crate::{Catalog, Class, Entry, Envelope, Operation, Text};

use node::Node;
pub(crate) use reference::ReadFile;
use reference::{Place, Resolver};
pub(crate) use server::Servers;

/// The methods that a path item may have, as its members are named.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// Reads a description. `file` is its own name, without folder; `read` reads the files beside it.
pub(crate) fn read(
    text: &str,
    file: &str,
    name: &Arc<str>,
    language: &Arc<str>,
    read: ReadFile<'_>,
    report: &mut Report,
) -> Result<Api, Malformed> {
    let root = Place { file: file.into(), node: Node::parse(text)? };
    let title: Arc<str> =
        root.node.get("info").and_then(|info| info.member_text("title")).unwrap_or(name).into();
    let mut promised = Vec::new();
    if let Some(version) = version(&root.node) {
        report.fact(1, format!("{version}, title “{title}”"));
        let reader = Reader { root: &root, is_2: version.starts_with("Swagger") };
        promised = reader.operations(Resolver::new(&root, read), report);
    } else {
        report.leave_out(1, "neither `openapi` nor `swagger` at the top: not an OpenAPI description");
    }
    let usual = usual_envelope(&promised).unwrap_or_default();
    let catalog = |envelope: Option<Envelope>, entries| Catalog {
        name: Arc::clone(name),
        title: Arc::clone(&title),
        languages: vec![Arc::clone(language)],
        envelope: envelope.unwrap_or_else(|| usual.clone()),
        entries,
    };
    let operations = promised.into_iter().map(|Promised { method, path, servers, entries, envelope }| {
        Operation::new(&method.to_ascii_uppercase(), &path, servers, catalog(envelope, entries))
    });
    Ok(Api { operations: operations.collect(), unmatched: Arc::new(catalog(None, Vec::new())) })
}

/// What a description says of one operation.
struct Promised {
    method: &'static str,
    path: String,
    servers: Servers,
    entries: Vec<Entry>,
    /// `None` if no error response of the operation shows one: then it is the one that the API usually has.
    envelope: Option<Envelope>,
}

/// The envelope that most operations have, of equals the first.
fn usual_envelope(promised: &[Promised]) -> Option<Envelope> {
    let mut counts: Vec<(&Envelope, usize)> = Vec::new();
    for envelope in promised.iter().filter_map(|promised| promised.envelope.as_ref()) {
        match counts.iter_mut().find(|(known, _)| *known == envelope) {
            Some((_, count)) => *count += 1,
            None => counts.push((envelope, 1)),
        }
    }
    counts.into_iter().rev().max_by_key(|(_, count)| *count).map(|(envelope, _)| envelope.clone())
}

fn version(root: &Node) -> Option<String> {
    let named = |key: &str, name: &str| Some(format!("{name} {}", root.get(key)?.text()?));
    named("openapi", "OpenAPI").or_else(|| named("swagger", "Swagger"))
}

struct Reader<'a> {
    root: &'a Place,
    is_2: bool,
}

impl Reader<'_> {
    fn operations(&self, mut resolver: Resolver<'_>, report: &mut Report) -> Vec<Promised> {
        let mut operations = Vec::new();
        let Some(paths) = self.root.get("paths") else {
            report.leave_out(1, "the description has no `paths`, so it documents no operation");
            return operations;
        };
        if let Some(webhooks) = self.root.node.get("webhooks") {
            report.leave_out(
                webhooks.line,
                "webhooks are requests that the API makes, not answers that it gives",
            );
        }
        for (path, item) in paths.node.members().iter().filter(|(path, _)| !path.starts_with("x-")) {
            let own = self.root.at(item);
            // OpenAPI 3.1: a path item may have members beside its `$ref`.
            let places = match resolver.resolve(own.clone()) {
                Ok(referred) if Arc::ptr_eq(&referred.node, &own.node) => vec![own],
                Ok(referred) => vec![own, referred],
                Err(why) => {
                    report.leave_out(item.line, format!("{path}: {why}"));
                    vec![own]
                }
            };
            for place in &places {
                for method in METHODS {
                    let Some(operation) = place.get(method) else { continue };
                    let line = operation.node.line;
                    let label = format!("{} {path}", method.to_ascii_uppercase());
                    match self.operation(&label, operation, &mut resolver, report) {
                        Ok((entries, envelope)) => {
                            let servers = self.servers(place, method);
                            operations.push(Promised {
                                method,
                                path: path.clone(),
                                servers,
                                entries,
                                envelope,
                            });
                        }
                        Err(why) => {
                            report.leave_out(line, format!("{label}{}: {why}", self.elsewhere(place)))
                        }
                    }
                }
            }
        }
        if paths.node.members().is_empty() {
            report.leave_out(paths.node.line, "`paths` is empty: the description documents no operation");
        }
        report.fact(1, format!("{} operations with documented responses", operations.len()));
        operations
    }

    fn operation(
        &self,
        label: &str,
        operation: Place,
        resolver: &mut Resolver<'_>,
        report: &mut Report,
    ) -> Result<(Vec<Entry>, Option<Envelope>), String> {
        let operation = resolver.resolve(operation)?;
        let responses = operation.get("responses").ok_or("the operation has no `responses`")?;
        let responses = resolver.resolve(responses)?;
        let produces = operation.node.get("produces").or_else(|| self.root.node.get("produces"));
        let mut entries = Vec::new();
        for (key, response) in responses.node.members().iter().filter(|(key, _)| !key.starts_with("x-")) {
            let Some((first, last)) = Entry::spelled(key) else {
                let elsewhere = self.elsewhere(&responses);
                let why = format!("{label}{elsewhere}: `{key}` is no status, no range and not `default`");
                report.leave_out(response.line, why);
                continue;
            };
            if entries.iter().any(|known: &Entry| known.codes() == (first, last)) {
                report.leave_out(
                    response.line,
                    format!("{label}: `{key}` is there twice; the first one is kept"),
                );
                continue;
            }
            // An unreadable target does not undo that the status is documented.
            let target = resolver.resolve(responses.at(response)).unwrap_or_else(|why| {
                let label = format!("{label} {key}{}", self.elsewhere(&responses));
                report.warn(response.line, format!("{label}: {why}; the status is kept without its text"));
                responses.at(response)
            });
            let described =
                target.node.member_text("description").or_else(|| target.node.member_text("summary"));
            let description = match described {
                Some(text) => text.trim().into(),
                None => phrase_of(first).filter(|_| first == last).unwrap_or_default().into(),
            };
            let media_types = match target.node.get("content") {
                Some(content) => {
                    content.members().iter().map(|(media_type, _)| media_type.as_str().into()).collect()
                }
                None => produces
                    .filter(|_| self.is_2 && target.node.get("schema").is_some())
                    .map(|types| types.items().iter().filter_map(|item| item.text()).map(Arc::from).collect())
                    .unwrap_or_default(),
            };
            let entry = Entry {
                first,
                last,
                class: Class::of_number(if (first, last) == Entry::DEFAULT { 500 } else { first }),
                methods: Vec::new(),
                media_types,
                texts: vec![Text { reason: None, description }],
            };
            report.entries.push(EntryReport {
                code: format!("{label} {}{}", entry.spelling(), self.elsewhere(&responses)),
                class: entry.class.as_str(),
                lines: vec![response.line].into_iter().filter(|line| *line > 0).collect(),
                rule: "its number".to_owned(),
                has_description: described.is_some(),
                remarks: Vec::new(),
            });
            entries.push(entry);
        }
        if entries.is_empty() {
            return Err("its `responses` has no status".to_owned());
        }
        let envelope = envelope::of(&responses, resolver);
        Ok((entries, envelope))
    }

    /// Names the file of a place if it is not the description's own: lines count within it.
    fn elsewhere(&self, place: &Place) -> String {
        if place.file == self.root.file { String::new() } else { format!(" (in `{}`)", place.file) }
    }

    /// Where the API is served: the operation's own servers, or the path's, or the description's.
    fn servers(&self, item: &Place, method: &str) -> server::Servers {
        if self.is_2 {
            return server::of_2(&self.root.node);
        }
        let own = item.node.get(method).and_then(|operation| operation.get("servers"));
        server::of_3(own.or_else(|| item.node.get("servers")).or_else(|| self.root.node.get("servers")))
    }
}
