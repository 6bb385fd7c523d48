//! `$ref`: into the same file and into files beside it.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::Node;

/// Reads a file that a description refers to; its name is relative to the description.
pub(crate) type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// A node and the file it stands in, as `$ref` within it is relative to that.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) node: Arc<Node>,
}

impl Place {
    /// A node within this one.
    pub(super) fn at(&self, node: &Arc<Node>) -> Self {
        Self { file: Arc::clone(&self.file), node: Arc::clone(node) }
    }

    pub(super) fn get(&self, name: &str) -> Option<Self> {
        self.node.get(name).map(|node| self.at(node))
    }
}

/// How many references may follow one another, and how many files a description may have.
const MAX_CHAIN: usize = 16;
const MAX_FILES: usize = 20_000;

pub(super) struct Resolver<'a> {
    files: HashMap<Arc<str>, Result<Arc<Node>, String>>,
    read: ReadFile<'a>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(root: &Place, read: ReadFile<'a>) -> Self {
        Self { files: HashMap::from([(Arc::clone(&root.file), Ok(Arc::clone(&root.node)))]), read }
    }

    /// What a place refers to, or the place itself if it is no reference.
    pub(super) fn resolve(&mut self, place: Place) -> Result<Place, String> {
        let mut place = place;
        for _ in 0..MAX_CHAIN {
            let Some(reference) = place.node.member_text("$ref").map(str::to_owned) else { return Ok(place) };
            place = self.follow(&place.file, &reference)?;
        }
        Err(format!("more than {MAX_CHAIN} references lead to one another"))
    }

    fn follow(&mut self, from: &str, reference: &str) -> Result<Place, String> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file: Arc<str> = if file.is_empty() { from.into() } else { beside(from, file)?.into() };
        let mut node = self.load(&file)?;
        for part in pointer.split('/').skip(1) {
            let name = percent_decoded(part).replace("~1", "/").replace("~0", "~");
            let next = match name.parse::<usize>() {
                Ok(index) if !node.items().is_empty() => node.items().get(index),
                _ => node.get(&name),
            };
            node =
                Arc::clone(next.ok_or_else(|| format!("`{reference}` leads nowhere: there is no `{name}`"))?);
        }
        Ok(Place { file, node })
    }

    fn load(&mut self, file: &Arc<str>) -> Result<Arc<Node>, String> {
        if let Some(known) = self.files.get(file) {
            return known.clone();
        }
        if self.files.len() >= MAX_FILES {
            return Err(format!("the description refers to more than {MAX_FILES} files"));
        }
        let loaded = (self.read)(file).and_then(|text| {
            Node::parse(&text)
                .map_err(|malformed| format!("`{file}`, line {}: {}", malformed.line, malformed.message))
        });
        self.files.insert(Arc::clone(file), loaded.clone());
        loaded
    }
}

/// The name of `file` as seen from the description, if `from` refers to it.
fn beside(from: &str, file: &str) -> Result<String, String> {
    if file.contains("://") || file.starts_with('/') || file.contains('\\') {
        return Err(format!("`{file}` is not a file beside the description: it is not fetched"));
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in file.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.last().is_some_and(|last| *last != "..") => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    Ok(percent_decoded(&parts.join("/")))
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let [first, after @ ..] = rest {
        let decoded = match rest {
            [b'%', high, low, ..] => hex(*high).zip(hex(*low)).map(|(high, low)| high * 16 + low),
            _ => None,
        };
        bytes.push(decoded.unwrap_or(*first));
        rest = if decoded.is_some() { &rest[3..] } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}
