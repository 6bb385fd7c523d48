//! OpenAPI 2.0, 3.0 and 3.1: what each operation promises.

mod envelope;
mod lint;
mod node;
mod operation;
mod reference;
mod response;
mod server;

use std::collections::HashMap;
use std::sync::Arc;

use crate::error::Malformed;
use crate::operation::Api;
use crate::report::Report;
use crate::{Catalog, Entry, Envelope, Operation};

use node::Node;
use operation::{Promised, Reader};
pub(crate) use reference::ReadFile;
use reference::Resolver;
pub(crate) use server::Servers;

/// Reads a description. `file` is its own name, without folder; `read` reads the files beside it.
pub(crate) fn read(
    text: &str,
    file: &str,
    name: &Arc<str>,
    language: &Arc<str>,
    read: ReadFile<'_>,
    report: &mut Report,
) -> Result<Api, Malformed> {
    let mut resolver = Resolver::new(read);
    let root = resolver.root(file, text)?;
    let title: Arc<str> =
        root.node.get("info").and_then(|info| info.member_text("title")).unwrap_or(name).into();
    let (mut promised, mut findings) = (Vec::new(), Vec::new());
    if let Some(version) = version(&root.node) {
        report.fact(1, format!("{version}, title “{title}”"));
        let is_2 = version.starts_with("Swagger");
        (promised, findings) = Reader::new(&root, is_2, resolver, report).operations()?;
    } else if root.node.text().is_some_and(|text| text.trim().is_empty()) {
        report.leave_out(1, "the document is empty: not an OpenAPI description");
    } else {
        report.leave_out(1, "neither `openapi` nor `swagger` at the top: not an OpenAPI description");
    }
    let usual = usual_envelope(&promised).unwrap_or_default();
    let catalog = |envelope: Option<&Envelope>, entries: &[Entry]| {
        Arc::new(Catalog {
            name: Arc::clone(name),
            title: Arc::clone(&title),
            languages: vec![Arc::clone(language)],
            envelope: envelope.unwrap_or(&usual).clone(),
            entries: entries.to_vec(),
        })
    };
    let mut catalogs: HashMap<(&[Entry], Option<&Envelope>), Arc<Catalog>> = HashMap::new();
    let operations = promised.iter().map(|Promised { method, path, servers, entries, envelope }| {
        let key = (&**entries, envelope.as_ref());
        let shared = catalogs.entry(key).or_insert_with(|| catalog(key.1, key.0));
        Operation::new(method, path, servers.clone(), Arc::clone(shared))
    });
    Ok(Api { operations: operations.collect(), unmatched: catalog(None, &[]), findings })
}

fn version(root: &Node) -> Option<String> {
    let named = |key: &str, name: &str| Some(format!("{name} {}", node::shortened(root.get(key)?.text()?)));
    named("openapi", "OpenAPI").or_else(|| named("swagger", "Swagger"))
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
