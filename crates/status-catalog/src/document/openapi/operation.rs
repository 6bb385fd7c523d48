//! Paths and their operations.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use super::envelope::Envelopes;
use super::lint;
use super::node::{Node, shortened};
use super::reference::{Place, Resolver};
use super::response::{self, Listed, Responses};
use super::server::{self, Servers};
use crate::error::Malformed;
use crate::operation::is_method;
use crate::report::Report;
use crate::{Entry, Envelope, Finding};

/// The methods that a path item may have, as its members are named.
const METHODS: [&str; 9] = ["get", "put", "post", "delete", "options", "head", "patch", "trace", "query"];

/// How many operations and responses there may be. The largest known description has 90,000; a small file can say the
/// same very many times by aliases.
const MAX_PROMISES: usize = 250_000;

/// What a description says of one operation.
pub(super) struct Promised {
    pub(super) method: String,
    pub(super) path: Arc<str>,
    pub(super) servers: Servers,
    pub(super) entries: Vec<Entry>,
    /// `None` if no error response of the operation shows one: then it is the one that the API usually has.
    pub(super) envelope: Option<Envelope>,
}

/// An operation as messages name it, with its file if it is not the description's own: lines count within it.
#[derive(Clone, Copy)]
pub(super) struct Label<'a> {
    method: &'a str,
    path: &'a str,
    elsewhere: Option<&'a str>,
}

impl fmt::Display for Label<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, path, elsewhere } = self;
        write!(f, "{} {}", shortened(method), shortened(path))?;
        elsewhere.map_or(Ok(()), |file| write!(f, " (in `{file}`)"))
    }
}

pub(super) struct Reader<'a, 'r> {
    root: &'a Place,
    is_2: bool,
    resolver: Resolver<'r>,
    report: &'a mut Report,
    findings: Vec<Finding>,
    seen: lint::Seen,
    responses: Responses,
    envelopes: Envelopes,
    /// By the list that gives them.
    servers: HashMap<*const Node, Servers>,
    promises: usize,
}

impl<'a, 'r> Reader<'a, 'r> {
    pub(super) fn new(root: &'a Place, is_2: bool, resolver: Resolver<'r>, report: &'a mut Report) -> Self {
        Self {
            root,
            is_2,
            resolver,
            report,
            findings: Vec::new(),
            seen: lint::Seen::default(),
            responses: Responses::default(),
            envelopes: Envelopes::default(),
            servers: HashMap::new(),
            promises: 0,
        }
    }

    /// All operations that document a response, and what is wrong with the description as documentation.
    pub(super) fn operations(mut self) -> Result<(Vec<Promised>, Vec<Finding>), Malformed> {
        let promised = self.paths()?;
        if let Some(webhooks) = self.root.get("webhooks") {
            let why = "webhooks are requests that the API makes, not answers that it gives";
            self.report.leave_out(webhooks.at.line(), why);
        }
        self.report.fact(1, format!("{} operations with documented responses", promised.len()));
        for (file, at, text) in std::mem::take(&mut self.resolver.remarks) {
            let elsewhere = if file == self.root.file { String::new() } else { format!(" (in `{file}`)") };
            self.report.warn(at.line(), format!("{text}{elsewhere}"));
            self.findings.push(lint::repeated(self.root, &file, at, text));
        }
        self.report.unread.append(&mut self.resolver.unread);
        lint::sort(&mut self.findings);
        Ok((promised, self.findings))
    }

    fn paths(&mut self) -> Result<Vec<Promised>, Malformed> {
        let mut promised = Vec::new();
        let Some(paths) = self.root.get("paths") else {
            self.report.leave_out(1, "the description has no `paths`, so it documents no operation");
            return Ok(promised);
        };
        let line = paths.at.line();
        let paths = match self.resolver.resolve(paths) {
            Ok(paths) => paths,
            Err(why) => {
                self.report.leave_out(line, format!("`paths`: {why}"));
                return Ok(promised);
            }
        };
        let (mut elsewhere, mut templates) = (Vec::new(), HashMap::new());
        let (mut operations, mut items) = (0, 0);
        for (path, item) in paths.members().filter(|(path, _)| !path.starts_with("x-")) {
            items += 1;
            let shared: Arc<str> = path.into();
            self.findings.extend(lint::path(self.root, path, &item, &mut templates));
            // OpenAPI 3.1: a path item may have members beside its `$ref`, and they go first.
            let mut places = vec![item.clone()];
            match self.resolver.resolve(item.clone()) {
                Ok(referred) if Arc::ptr_eq(&referred.node, &item.node) => {}
                Ok(referred) => places.push(referred),
                Err(why) => {
                    self.findings.push(lint::unresolved(self.root, &shortened(path), &item, &why));
                    elsewhere.push((item.at.line(), format!("{}: {why}", shortened(path))));
                    operations += 1;
                }
            }
            let mut known: HashSet<String> = HashSet::new();
            for (method, operation, item) in places.iter().flat_map(self::operations) {
                let label = self.label(&method, path, &operation).to_string();
                let line = operation.at.line();
                if !is_method(&method) {
                    self.report.leave_out(line, format!("{label}: no request has such a method"));
                    continue;
                }
                if !known.insert(method.clone()) {
                    self.report
                        .warn(line, format!("{label} is there twice: the one beside the `$ref` counts"));
                    continue;
                }
                operations += 1;
                match self.operation(&method, &shared, operation, item) {
                    Ok(operation) => promised.push(operation),
                    Err(Missing::TooMany(malformed)) => return Err(malformed),
                    Err(Missing::Reference(why)) => elsewhere.push((line, format!("{label}: {why}"))),
                    Err(Missing::Responses(why)) => self.report.leave_out(line, format!("{label}: {why}")),
                }
            }
        }
        if items == 0 {
            self.report.leave_out(line, "`paths` is empty: the description documents no operation");
        }
        if let [(_, _), _, ..] = *elsewhere {
            let (count, of) = (elsewhere.len(), operations);
            self.report
                .leave_out(line, format!("{count} of {of} operations are references that lead nowhere"));
        }
        for (line, why) in elsewhere {
            self.report.leave_out(line, why);
        }
        Ok(promised)
    }

    fn operation(
        &mut self,
        method: &str,
        path: &Arc<str>,
        listed: Place,
        item: &Place,
    ) -> Result<Promised, Missing> {
        self.count(item)?;
        let operation = match self.resolver.resolve(listed.clone()) {
            Ok(operation) => operation,
            Err(why) => {
                let label = self.label(method, path, &listed).to_string();
                self.findings.push(lint::unresolved(self.root, &label, &listed, &why));
                return Err(Missing::Reference(why));
            }
        };
        let responses = operation.get("responses").map(|responses| self.resolver.resolve(responses));
        let responses = match responses {
            Some(Ok(responses)) => responses,
            Some(Err(why)) => return Err(Missing::Reference(why)),
            None => {
                self.findings.push(lint::no_responses(self.root, method, path, &operation));
                return Err(Missing::Responses("the operation has no `responses`"));
            }
        };
        let own_types = operation.node.get("produces").or_else(|| self.root.node.get("produces"));
        let produces = own_types.filter(|_| self.is_2).cloned();
        let mut listed: Vec<Listed> = Vec::new();
        for (key, response) in responses.members().filter(|(key, _)| !key.starts_with("x-")) {
            let label = self.label(method, path, &responses);
            let line = response.at.line();
            let Some(codes) = response::codes(key) else {
                let why = response::unknown(&label, key);
                self.findings.push(lint::unknown_status(self.root, &why, &response));
                self.report.leave_out(line, why);
                continue;
            };
            if listed.iter().any(|known| known.entry.codes() == codes) {
                self.report
                    .leave_out(line, format!("{label}: `{key}` is there twice; the first one is kept"));
                continue;
            }
            self.count(item)?;
            let response = self.responses.read(codes, response, produces.as_deref(), &mut self.resolver);
            let label = self.label(method, path, &responses);
            response.report(&label, self.report);
            listed.push(response);
        }
        let label = self.label(method, path, &responses).to_string();
        self.findings.extend(lint::responses(self.root, &label, &operation, &listed, &mut self.seen));
        if listed.is_empty() {
            return Err(Missing::Responses("its `responses` has no status"));
        }
        let errors = listed.iter().filter(|listed| listed.entry.class == crate::Class::Abnormal);
        let mut targets = errors.filter_map(|listed| listed.target.as_ref().ok());
        let envelope = targets.find_map(|target| self.envelopes.of(target, &mut self.resolver));
        let servers = self.servers(&operation, item);
        let entries = listed.into_iter().map(|listed| listed.entry).collect();
        Ok(Promised { method: method.to_owned(), path: Arc::clone(path), servers, entries, envelope })
    }

    fn count(&mut self, item: &Place) -> Result<(), Missing> {
        self.promises += 1;
        if self.promises <= MAX_PROMISES {
            return Ok(());
        }
        let text = format!("more than {MAX_PROMISES} operations and responses in all");
        Err(Missing::TooMany(item.at.malformed(text)))
    }

    fn label<'l>(&self, method: &'l str, path: &'l str, place: &'l Place) -> Label<'l> {
        let elsewhere = Some(&*place.file).filter(|file| **file != *self.root.file);
        Label { method, path, elsewhere }
    }

    /// Where the operation is served: its own servers, or the path's, or the description's.
    fn servers(&mut self, operation: &Place, item: &Place) -> Servers {
        let root = &self.root.node;
        let own = || operation.node.get("servers").or_else(|| item.node.get("servers"));
        let list = if self.is_2 { None } else { own().or_else(|| root.get("servers")) };
        let key = list.map_or(std::ptr::null(), Arc::as_ptr);
        let servers = self.servers.entry(key).or_insert_with(|| match list {
            None if self.is_2 => server::of_2(root),
            list => server::of_3(list.map(|list| &**list)),
        });
        servers.clone()
    }
}

/// Why an operation promises nothing.
enum Missing {
    Reference(String),
    Responses(&'static str),
    TooMany(Malformed),
}

/// The operations of a path item: in the order of the specification, and what OpenAPI 3.2 adds by other methods.
fn operations(item: &Place) -> impl Iterator<Item = (String, Place, &Place)> {
    let usual =
        METHODS.into_iter().filter_map(|method| Some((method.to_ascii_uppercase(), item.get(method)?)));
    let further = item.get("additionalOperations");
    let further: Vec<_> = further
        .iter()
        .flat_map(Place::members)
        .map(|(method, operation)| (method.to_owned(), operation))
        .collect();
    usual.chain(further).map(move |(method, operation)| (method, operation, item))
}
