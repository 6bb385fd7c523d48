//! The operations of an OpenAPI description as TOML.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use toml::Spanned;

use super::{EntryRecord, EnvelopeRecord, Places, Record, strings};
use crate::document::Servers;
use crate::error::Malformed;
use crate::operation::{Api, is_method};
use crate::report::Report;
use crate::{Catalog, Entry, Envelope, Operation};

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationRecord {
    method: Spanned<String>,
    path: Spanned<String>,
    /// Of these three, the record's own where an operation has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    hosts: Option<Spanned<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    base_paths: Option<Spanned<Vec<String>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    envelope: Option<EnvelopeRecord>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    entries: Vec<EntryRecord>,
}

impl Api {
    /// The operations as TOML, the format of record: an import of this text gives the same operations.
    pub(crate) fn to_toml(&self) -> String {
        let Self { operations, unmatched, findings: _ } = self;
        // What the first operation has stands at the top; most descriptions have one server for all.
        let hosts = operations.first().map(Operation::hosts).unwrap_or_default();
        let base_paths = operations.first().map(Operation::base_paths).unwrap_or_default();
        let listed = |list: &[Arc<str>]| Spanned::new(0..0, strings(list));
        let operation = |operation: &Operation| {
            let catalog = operation.catalog();
            OperationRecord {
                method: Spanned::new(0..0, operation.method().to_owned()),
                path: Spanned::new(0..0, operation.path().to_owned()),
                hosts: Some(operation.hosts()).filter(|own| *own != hosts).map(listed),
                base_paths: Some(operation.base_paths()).filter(|own| *own != base_paths).map(listed),
                envelope: Some(catalog.envelope()).filter(|own| *own != unmatched.envelope()).map(Into::into),
                entries: catalog
                    .entries()
                    .iter()
                    .map(|entry| EntryRecord::new(entry, catalog.languages()))
                    .collect(),
            }
        };
        let own = Record::new(unmatched);
        let record = Record {
            entries: own.entries.filter(|entries| !entries.is_empty()),
            hosts: Some(hosts).filter(|hosts| !hosts.is_empty()).map(listed),
            base_paths: Some(base_paths).filter(|paths| !is_root(paths)).map(listed),
            operations: Some(operations.iter().map(operation).collect()),
            ..own
        };
        toml::to_string_pretty(&record).expect("strings, numbers and tables always serialize")
    }
}

fn is_root(base_paths: &[Arc<str>]) -> bool {
    base_paths.iter().all(|path| path.is_empty())
}

impl Places<'_> {
    pub(super) fn servers(
        &self,
        hosts: Option<Spanned<Vec<String>>>,
        base_paths: Option<Spanned<Vec<String>>>,
    ) -> Result<Servers, Malformed> {
        if let Some(paths) = &base_paths {
            let is_base = |path: &String| path.is_empty() || path.starts_with('/') && !path.ends_with('/');
            if paths.get_ref().is_empty() || !paths.get_ref().iter().all(is_base) {
                let message =
                    "a base path begins with a slash and does not end with one; that of the root is \"\"";
                return Err(self.malformed(&paths.span(), message));
            }
        }
        let list = |list: Spanned<Vec<String>>| list.into_inner().into_iter().map(Arc::from).collect();
        Ok(Servers {
            hosts: hosts.map(list).unwrap_or_default(),
            base_paths: base_paths.map_or_else(|| vec!["".into()], list),
        })
    }

    /// Reads the operations; `unmatched` is what the record promises for requests that are none of them.
    pub(super) fn api(
        &self,
        unmatched: Catalog,
        servers: &Servers,
        records: Vec<OperationRecord>,
        report: &mut Report,
    ) -> Result<Api, Malformed> {
        let mut known: HashSet<(String, String)> = HashSet::new();
        let mut catalogs: HashMap<(Vec<Entry>, Envelope), Arc<Catalog>> = HashMap::new();
        let mut operations = Vec::new();
        for record in records {
            let OperationRecord { method, path, hosts, base_paths, envelope, entries } = record;
            let (span, method) = (method.span(), method.into_inner());
            if !is_method(&method) {
                return Err(self.malformed(&span, format!("`{method}` is no method")));
            }
            let (span, path) = (path.span(), path.into_inner());
            if !known.insert((method.clone(), path.clone())) {
                return Err(self.malformed(&span, format!("{method} {path} is there twice")));
            }
            let own = self.servers(hosts.clone(), base_paths.clone())?;
            let servers = Servers {
                hosts: if hosts.is_some() { own.hosts } else { servers.hosts.clone() },
                base_paths: if base_paths.is_some() { own.base_paths } else { servers.base_paths.clone() },
            };
            let label = format!("{method} {path} ");
            let entries = self.entries(entries, &unmatched.languages, &label, report)?;
            let envelope = envelope.map_or_else(|| unmatched.envelope.clone(), Envelope::from);
            let shared = catalogs.entry((entries, envelope)).or_insert_with_key(|(entries, envelope)| {
                let (entries, envelope) = (entries.clone(), envelope.clone());
                Arc::new(Catalog { entries, envelope, ..unmatched.clone() })
            });
            operations.push(Operation::new(&method, &path, servers, Arc::clone(shared)));
        }
        Ok(Api { operations, unmatched: Arc::new(unmatched), findings: Vec::new() })
    }
}
