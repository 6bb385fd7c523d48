//! YAML 1.2, with the merge key `<<` of 1.1 that descriptions are written with.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle, ScanError};

use super::{At, MAX_DEPTH, Map, Member, Node, Tree, remark};
use crate::error::Malformed;

/// How many members may come from merged maps: a file can merge a large one many times over.
const MAX_MERGED: usize = 100_000;

pub(super) fn parse(text: &str) -> Result<Tree, Malformed> {
    let mut builder = Builder::default();
    let mut events = Parser::new_from_str(text);
    while let Some(event) = events.next() {
        let (event, span) = event.map_err(|error| malformed(&error))?;
        let at = At::new(span.start.line(), span.start.col() + 1);
        match event {
            Event::MappingStart(anchor, _) => builder.open(anchor, Open::map(), at)?,
            Event::SequenceStart(anchor, _) => builder.open(anchor, Open::List(Vec::new()), at)?,
            Event::MappingEnd | Event::SequenceEnd => builder.close(at)?,
            Event::Scalar(text, style, anchor, _) => {
                let is_plain = style == ScalarStyle::Plain;
                let is_null = is_plain && matches!(&*text, "~" | "null" | "Null" | "NULL");
                let text = if is_null { "" } else { &*text };
                if is_plain && text == "<<" && builder.expects_name() {
                    builder.merge_next();
                } else {
                    builder.add(anchor, Arc::new(Node::Scalar(text.into())), 0, at)?;
                }
            }
            Event::Alias(anchor) => builder.alias(anchor, at)?,
            Event::DocumentEnd => {
                if let Some(Ok((Event::DocumentStart(true), span))) = events.next() {
                    let at = At::new(span.start.line(), span.start.col() + 1);
                    let text = "a further YAML document begins here: only the first one is read";
                    remark(&mut builder.remarks, at, text.to_owned());
                }
                break;
            }
            Event::DocumentStart(_) | Event::Nothing | Event::StreamEnd | Event::StreamStart => {}
        }
    }
    let root = builder.root.unwrap_or_else(|| Arc::new(Node::Scalar("".into())));
    Ok(Tree { root, remarks: builder.remarks })
}

fn malformed(error: &ScanError) -> Malformed {
    let marker = error.marker();
    At::new(marker.line().max(1), marker.col() + 1).malformed(format!("not YAML: {}", error.info()))
}

#[derive(Default)]
struct Builder {
    /// The nodes that have an anchor, with how deep they nest.
    anchors: HashMap<usize, (Arc<Node>, usize)>,
    stack: Vec<Level>,
    root: Option<Arc<Node>>,
    remarks: Vec<(At, String)>,
    merged: usize,
}

/// A collection that is not closed yet.
struct Level {
    anchor: usize,
    at: At,
    /// How deep its members nest so far.
    depth: usize,
    open: Open,
}

enum Open {
    List(Vec<Arc<Node>>),
    Map { members: Vec<Member>, merged: Vec<Arc<Node>>, next: Next },
}

/// What a map expects next.
enum Next {
    Ignored,
    Merged,
    Name,
    Value(Box<str>, At),
}

impl Open {
    fn map() -> Self {
        Self::Map { members: Vec::new(), merged: Vec::new(), next: Next::Name }
    }
}

impl Builder {
    fn open(&mut self, anchor: usize, open: Open, at: At) -> Result<(), Malformed> {
        self.stack.push(Level { anchor, at, depth: 0, open });
        self.fits(0, at)
    }

    /// Whether a node that nests `depth` deep may stand here: an alias may nest deeper than its text.
    fn fits(&self, depth: usize, at: At) -> Result<(), Malformed> {
        let fits = self.stack.len() + depth <= MAX_DEPTH;
        if fits { Ok(()) } else { Err(at.malformed(format!("nested more than {MAX_DEPTH} deep"))) }
    }

    fn close(&mut self, end: At) -> Result<(), Malformed> {
        let Some(Level { anchor, at, depth, open }) = self.stack.pop() else { return Ok(()) };
        let node = match open {
            Open::List(items) => Node::List(items),
            Open::Map { mut members, merged, .. } => {
                self.merge(&mut members, &merged, at)?;
                Node::Map(Map::new(members, &mut self.remarks))
            }
        };
        self.add(anchor, Arc::new(node), depth + 1, end)
    }

    /// What the merged maps have and the map has not; of several the first one counts.
    fn merge(&mut self, members: &mut Vec<Member>, merged: &[Arc<Node>], at: At) -> Result<(), Malformed> {
        if merged.is_empty() {
            return Ok(());
        }
        let mut known: HashSet<Box<str>> = members.iter().map(|member| member.name.clone()).collect();
        for source in merged.iter().flat_map(|node| std::iter::once(node).chain(node.items())) {
            self.merged += source.members().len();
            if self.merged > MAX_MERGED {
                return Err(at.malformed(format!("`<<` merges more than {MAX_MERGED} members in all")));
            }
            members
                .extend(source.members().iter().filter(|member| known.insert(member.name.clone())).cloned());
        }
        Ok(())
    }

    fn alias(&mut self, anchor: usize, at: At) -> Result<(), Malformed> {
        // An alias within its own anchor has nothing to stand for yet.
        let known = self.anchors.get(&anchor).cloned();
        let (node, depth) = known.unwrap_or_else(|| (Arc::new(Node::Scalar("".into())), 0));
        self.add(0, node, depth, at)
    }

    fn add(&mut self, anchor: usize, node: Arc<Node>, depth: usize, at: At) -> Result<(), Malformed> {
        self.fits(depth, at)?;
        if anchor > 0 {
            self.anchors.insert(anchor, (Arc::clone(&node), depth));
        }
        let Some(level) = self.stack.last_mut() else {
            self.root = Some(node);
            return Ok(());
        };
        level.depth = level.depth.max(depth);
        match &mut level.open {
            Open::List(items) => items.push(node),
            Open::Map { members, merged, next } => match std::mem::replace(next, Next::Name) {
                Next::Ignored => {}
                Next::Name => {
                    *next = node.text().map_or(Next::Ignored, |name| Next::Value(name.into(), at));
                    if node.text().is_none() {
                        let text = "a key that is a list or a mapping names nothing in a description";
                        remark(&mut self.remarks, at, text.to_owned());
                    }
                }
                Next::Merged => merged.push(node),
                Next::Value(name, at) => members.push(Member { name, at, node }),
            },
        }
        Ok(())
    }

    fn expects_name(&self) -> bool {
        let open = self.stack.last().map(|level| &level.open);
        matches!(open, Some(Open::Map { next: Next::Name, .. }))
    }

    fn merge_next(&mut self) {
        if let Some(Level { open: Open::Map { next, .. }, .. }) = self.stack.last_mut() {
            *next = Next::Merged;
        }
    }
}
