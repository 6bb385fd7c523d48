//! `$ref`: into the same file and into files beside it.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::{At, Node, Tree};
use crate::{error::Malformed, report::Unread};

/// Reads a file that a description refers to; its name is relative to the description and leads nowhere above it.
pub(crate) type ReadFile<'a> = &'a mut dyn FnMut(&str) -> Result<String, String>;

/// A node, and where it stands: `$ref` within it is relative to its file.
#[derive(Clone)]
pub(super) struct Place {
    pub(super) file: Arc<str>,
    pub(super) at: At,
    pub(super) node: Arc<Node>,
}

impl Place {
    /// The members of this node, with their names.
    pub(super) fn members(&self) -> impl Iterator<Item = (&str, Self)> {
        self.node.members().iter().map(|member| {
            let place = Self { file: Arc::clone(&self.file), at: member.at, node: Arc::clone(&member.node) };
            (&*member.name, place)
        })
    }

    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let member = self.node.member(name)?;
        Some(Self { file: Arc::clone(&self.file), at: member.at, node: Arc::clone(&member.node) })
    }
}

/// How many references may follow one another, how long they may be, and how many files a description may have.
const MAX_CHAIN: usize = 32;
const MAX_REFERENCE: usize = 2_048;
const MAX_FILES: usize = 20_000;

pub(super) struct Resolver<'a> {
    files: HashMap<Arc<str>, Result<Arc<Node>, String>>,
    read: ReadFile<'a>,
    /// What is odd in the files that were read.
    pub(super) remarks: Vec<(Arc<str>, At, String)>,
    /// The files that could not be read.
    pub(super) unread: Vec<Unread>,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(read: ReadFile<'a>) -> Self {
        Self { files: HashMap::new(), read, remarks: Vec::new(), unread: Vec::new() }
    }

    /// The description itself; `file` is its own name, without folder.
    pub(super) fn root(&mut self, file: &str, text: &str) -> Result<Place, Malformed> {
        let file: Arc<str> = file.into();
        let node = self.keep(&file, Tree::parse(text)?);
        self.files.insert(Arc::clone(&file), Ok(Arc::clone(&node)));
        Ok(Place { file, at: At::START, node })
    }

    /// What a place refers to, or the place itself if it is no reference.
    pub(super) fn resolve(&mut self, place: Place) -> Result<Place, String> {
        self.resolve_within(place, &mut 0)
    }

    fn resolve_within(&mut self, mut place: Place, followed: &mut usize) -> Result<Place, String> {
        while let Some(reference) = place.node.member_text("$ref").map(str::to_owned) {
            if reference.len() > MAX_REFERENCE {
                return Err(format!("a reference of {} bytes leads nowhere", reference.len()));
            }
            *followed += 1;
            if *followed > MAX_CHAIN {
                return Err(format!(
                    "`{reference}` is one of more than {MAX_CHAIN} references that lead to one another"
                ));
            }
            place = self.follow(&place.file, &reference, followed)?;
        }
        Ok(place)
    }

    fn follow(&mut self, from: &str, reference: &str, followed: &mut usize) -> Result<Place, String> {
        let (file, pointer) = reference.split_once('#').unwrap_or((reference, ""));
        let file: Arc<str> = if file.is_empty() { from.into() } else { beside(from, file)?.into() };
        let mut place = Place { node: self.load(&file)?, file, at: At::START };
        if !pointer.is_empty() && !pointer.starts_with('/') {
            return Err(format!(
                "`{reference}` leads nowhere: what follows `#` is a path of names, each after a `/`"
            ));
        }
        for part in pointer.split('/').skip(1) {
            let name = percent_decoded(part).replace("~1", "/").replace("~0", "~");
            if place.node.member(&name).is_none() {
                // Large descriptions keep whole sections, such as `components`, in files of their own.
                place = self.resolve_within(place, followed)?;
            }
            let item = || {
                let node = Arc::clone(place.node.items().get(name.parse::<usize>().ok()?)?);
                Some(Place { node, ..place.clone() })
            };
            let next = place.get(&name).or_else(item);
            place = next.ok_or_else(|| format!("`{reference}` leads nowhere: there is no `{name}`"))?;
        }
        Ok(place)
    }

    fn load(&mut self, file: &Arc<str>) -> Result<Arc<Node>, String> {
        if let Some(known) = self.files.get(file) {
            return known.clone();
        }
        if self.files.len() >= MAX_FILES {
            return Err(format!("the description refers to more than {MAX_FILES} files"));
        }
        let tree = (self.read)(file).and_then(|text| {
            Tree::parse(&text).map_err(|Malformed { line, column, message, .. }| {
                format!("`{file}` can't be read: {line}:{column}: {message}")
            })
        });
        let root = tree.map(|tree| self.keep(file, tree));
        if let Err(why) = &root {
            self.unread.push(Unread { file: file.to_string(), why: why.clone() });
        }
        self.files.insert(Arc::clone(file), root.clone());
        root
    }

    fn keep(&mut self, file: &Arc<str>, Tree { root, remarks }: Tree) -> Arc<Node> {
        self.remarks.extend(remarks.into_iter().map(|(at, text)| (Arc::clone(file), at, text)));
        root
    }
}

/// The name of `file` as seen from the description, if `from` refers to it. Other people's descriptions must not
/// read what is elsewhere on this machine, nor fetch anything.
fn beside(from: &str, file: &str) -> Result<String, String> {
    let name = percent_decoded(file);
    let is_drive = name.as_bytes().get(1) == Some(&b':');
    if name.contains("://") || name.starts_with('/') || is_drive || name.contains(['\\', '\0']) {
        return Err(format!("`{file}` is not fetched: only files beside the description are read"));
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." if parts.pop().is_none() => {
                return Err(format!(
                    "`{file}` is outside the description's folder: only files in it and below are read"
                ));
            }
            ".." => {}
            part => parts.push(part),
        }
    }
    if parts.is_empty() {
        return Err(format!("`{file}` is no file"));
    }
    Ok(parts.join("/"))
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
