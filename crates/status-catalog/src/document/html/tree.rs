//! html5ever's parser over a small arena that keeps the line of every element.

use std::borrow::Cow;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use html5ever::interface::{ElementFlags, NodeOrText, QuirksMode, Tracer, TreeSink};
use html5ever::tendril::{StrTendril, TendrilSink};
use html5ever::{Attribute, LocalName, Namespace, ParseOpts, QualName, local_name, ns};

/// The parsed nodes; node 0 is the document.
#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
}

#[derive(Debug)]
struct Node {
    parent: Option<usize>,
    children: Vec<usize>,
    line: usize,
    data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Element {
        name: QualName,
        attributes: Vec<Attribute>,
    },
    /// Comments, processing instructions and the document itself.
    Other,
    Text(String),
}

/// A step of a walk through the tree.
#[derive(Debug)]
pub(super) enum Step<'a> {
    Enter { tag: &'a str, attributes: &'a [Attribute], line: usize },
    Leave { tag: &'a str },
    Text { text: &'a str },
}

impl Tree {
    /// Parses a whole page of which the first line is number `first_line`.
    pub(super) fn page(text: &str, first_line: usize) -> Self {
        let sink = Sink { offset: first_line - 1, ..Sink::default() };
        html5ever::parse_document(sink, ParseOpts::default()).one(text)
    }

    /// Parses lines, of which the first is number `first_line`, until every table that they open is closed, and
    /// tells how many lines that took; `None` if the lines end before.
    pub(super) fn tables(lines: &str, first_line: usize) -> Option<(Self, usize)> {
        let sink = Sink { offset: first_line - 1, ..Sink::default() };
        let body = QualName::new(None, ns!(html), local_name!("body"));
        let mut parser = html5ever::parse_fragment(sink, ParseOpts::default(), body, Vec::new(), false);
        let mut is_end_open = false;
        for (index, line) in lines.split_inclusive('\n').enumerate() {
            parser.process(StrTendril::from_slice(line));
            // Nothing but its end tag closes a table, and asking takes as long as the elements are deep.
            let end = line.to_ascii_lowercase().rfind("</table");
            if !is_end_open && end.is_none() {
                continue;
            }
            is_end_open = if line.contains('>') { end > line.rfind('>') } else { true };
            let builder = &parser.tokenizer.sink;
            let open = OpenTables { sink: &builder.sink, any: Cell::new(false) };
            builder.trace_handles(&open);
            if builder.sink.tables.get() > 0 && !open.any.get() {
                return Some((parser.finish(), index + 1));
            }
        }
        None
    }

    /// Walks all nodes in document order. Tables that only lay out the page count as what they stand for, divisions.
    pub(super) fn walk<'a>(&'a self, mut visit: impl FnMut(Step<'a>)) {
        let layouts = self.layouts();
        let mut open = Vec::new();
        self.walk_all(|id, step| {
            let step = match step {
                Step::Enter { tag, attributes, line } => {
                    if tag == "table" {
                        open.push(layouts.contains(&id));
                    }
                    Step::Enter { tag: as_laid_out(tag, &open), attributes, line }
                }
                Step::Leave { tag } => {
                    let laid_out = as_laid_out(tag, &open);
                    if tag == "table" {
                        open.pop();
                    }
                    Step::Leave { tag: laid_out }
                }
                Step::Text { text } => Step::Text { text },
            };
            visit(step);
        });
    }

    /// The tables that hold tables and, beside them, headings, or that have but one row.
    fn layouts(&self) -> HashSet<usize> {
        #[derive(Default)]
        struct Open {
            has_heading: bool,
            has_table: bool,
            rows: usize,
        }
        let mut layouts = HashSet::new();
        let mut open: Vec<Open> = Vec::new();
        self.walk_all(|id, step| match step {
            Step::Enter { tag: "table", .. } => open.push(Open::default()),
            Step::Enter { tag, .. } => {
                if let Some(table) = open.last_mut() {
                    table.rows += usize::from(tag == "tr");
                    table.has_heading |= matches!(tag, "h1" | "h2" | "h3" | "h4" | "h5" | "h6");
                }
            }
            Step::Leave { tag: "table" } => {
                let Some(table) = open.pop() else { return };
                if table.has_table && (table.has_heading || table.rows <= 1) {
                    layouts.insert(id);
                }
                if let Some(outer) = open.last_mut() {
                    outer.has_table = true;
                    outer.has_heading |= table.has_heading;
                }
            }
            Step::Leave { .. } | Step::Text { .. } => {}
        });
        layouts
    }

    /// Walks without recursion: pages may nest as deep as they like.
    fn walk_all<'a>(&'a self, mut visit: impl FnMut(usize, Step<'a>)) {
        let mut pending = vec![(0, false)];
        while let Some((id, entered)) = pending.pop() {
            let node = &self.nodes[id];
            match &node.data {
                Data::Text(text) => visit(id, Step::Text { text }),
                Data::Element { name, .. } if entered => visit(id, Step::Leave { tag: &name.local }),
                Data::Element { name, attributes } => {
                    visit(id, Step::Enter { tag: &name.local, attributes, line: node.line });
                    pending.push((id, true));
                    pending.extend(node.children.iter().rev().map(|child| (*child, false)));
                }
                Data::Other => pending.extend(node.children.iter().rev().map(|child| (*child, false))),
            }
        }
    }
}

/// What a part of the innermost open table is; `open` tells of each one whether it is layout.
fn as_laid_out<'a>(tag: &'a str, open: &[bool]) -> &'a str {
    let is_part = matches!(tag, "table" | "caption" | "tbody" | "td" | "tfoot" | "th" | "thead" | "tr");
    if is_part && open.last() == Some(&true) { "div" } else { tag }
}

/// Collects what the tree builder says. Handles are indices of the arena.
struct Sink {
    nodes: RefCell<Vec<Node>>,
    line: Cell<usize>,
    /// Lines before the first one that is parsed.
    offset: usize,
    /// Tables so far, open or closed.
    tables: Cell<usize>,
}

impl Default for Sink {
    fn default() -> Self {
        let document = Node { parent: None, children: Vec::new(), line: 1, data: Data::Other };
        Self { nodes: RefCell::new(vec![document]), line: Cell::new(1), offset: 0, tables: Cell::new(0) }
    }
}

impl Sink {
    fn add(&self, data: Data) -> usize {
        let mut nodes = self.nodes.borrow_mut();
        nodes.push(Node { parent: None, children: Vec::new(), line: self.line.get() + self.offset, data });
        nodes.len() - 1
    }

    /// Puts `child` among the children of `parent`, at `index` or at the end.
    fn insert(&self, parent: usize, index: Option<usize>, child: NodeOrText<usize>) {
        let id = match child {
            NodeOrText::AppendNode(id) => {
                self.detach(id);
                id
            }
            NodeOrText::AppendText(text) => {
                let mut nodes = self.nodes.borrow_mut();
                let at = index.unwrap_or(nodes[parent].children.len());
                let before = at.checked_sub(1).map(|before| nodes[parent].children[before]);
                if let Some(Data::Text(existing)) = before.map(|before| &mut nodes[before].data) {
                    existing.push_str(&text);
                    return;
                }
                drop(nodes);
                self.add(Data::Text(text.into()))
            }
        };
        let mut nodes = self.nodes.borrow_mut();
        nodes[id].parent = Some(parent);
        let children = &mut nodes[parent].children;
        let at = index.unwrap_or(children.len()).min(children.len());
        children.insert(at, id);
    }

    fn detach(&self, id: usize) {
        let mut nodes = self.nodes.borrow_mut();
        if let Some(parent) = nodes[id].parent.take() {
            nodes[parent].children.retain(|child| *child != id);
        }
    }

    fn is_table(&self, id: usize) -> bool {
        let nodes = self.nodes.borrow();
        matches!(&nodes[id].data, Data::Element { name, .. } if name.local == local_name!("table"))
    }
}

/// Asks the tree builder, by its hook for garbage collectors, whether a table is among the open elements.
struct OpenTables<'a> {
    sink: &'a Sink,
    any: Cell<bool>,
}

impl Tracer for OpenTables<'_> {
    type Handle = usize;

    fn trace_handle(&self, node: &usize) {
        self.any.set(self.any.get() || self.sink.is_table(*node));
    }
}

/// An element's name, owned: the arena is behind a `RefCell`.
#[derive(Debug)]
struct Name(QualName);

impl html5ever::interface::ElemName for Name {
    fn ns(&self) -> &Namespace {
        &self.0.ns
    }

    fn local_name(&self) -> &LocalName {
        &self.0.local
    }
}

impl TreeSink for Sink {
    type Handle = usize;
    type Output = Tree;
    type ElemName<'a> = Name;

    fn finish(self) -> Tree {
        Tree { nodes: self.nodes.into_inner() }
    }

    fn parse_error(&self, _: Cow<'static, str>) {}

    fn get_document(&self) -> usize {
        0
    }

    fn elem_name<'a>(&'a self, target: &'a usize) -> Name {
        match &self.nodes.borrow()[*target].data {
            Data::Element { name, .. } => Name(name.clone()),
            Data::Other | Data::Text(_) => Name(QualName::new(None, ns!(), local_name!(""))),
        }
    }

    fn create_element(&self, name: QualName, attributes: Vec<Attribute>, _: ElementFlags) -> usize {
        if name.local == local_name!("table") {
            self.tables.set(self.tables.get() + 1);
        }
        self.add(Data::Element { name, attributes })
    }

    fn create_comment(&self, _: StrTendril) -> usize {
        self.add(Data::Other)
    }

    fn create_pi(&self, _: StrTendril, _: StrTendril) -> usize {
        self.add(Data::Other)
    }

    fn append(&self, parent: &usize, child: NodeOrText<usize>) {
        self.insert(*parent, None, child);
    }

    fn append_based_on_parent_node(&self, element: &usize, previous: &usize, child: NodeOrText<usize>) {
        let parent = self.nodes.borrow()[*element].parent;
        match parent {
            Some(_) => self.append_before_sibling(element, child),
            None => self.append(previous, child),
        }
    }

    fn append_doctype_to_document(&self, _: StrTendril, _: StrTendril, _: StrTendril) {}

    fn get_template_contents(&self, target: &usize) -> usize {
        *target
    }

    fn same_node(&self, x: &usize, y: &usize) -> bool {
        x == y
    }

    fn set_quirks_mode(&self, _: QuirksMode) {}

    fn append_before_sibling(&self, sibling: &usize, child: NodeOrText<usize>) {
        if let NodeOrText::AppendNode(id) = &child {
            self.detach(*id);
        }
        let place = {
            let nodes = self.nodes.borrow();
            nodes[*sibling].parent.map(|parent| {
                let index = nodes[parent].children.iter().position(|child| child == sibling);
                (parent, index)
            })
        };
        if let Some((parent, index)) = place {
            self.insert(parent, index, child);
        }
    }

    fn add_attrs_if_missing(&self, target: &usize, added: Vec<Attribute>) {
        if let Data::Element { attributes, .. } = &mut self.nodes.borrow_mut()[*target].data {
            for attribute in added {
                if !attributes.iter().any(|existing| existing.name == attribute.name) {
                    attributes.push(attribute);
                }
            }
        }
    }

    fn remove_from_parent(&self, target: &usize) {
        self.detach(*target);
    }

    fn reparent_children(&self, node: &usize, new_parent: &usize) {
        let moved = std::mem::take(&mut self.nodes.borrow_mut()[*node].children);
        let mut nodes = self.nodes.borrow_mut();
        for child in &moved {
            nodes[*child].parent = Some(*new_parent);
        }
        nodes[*new_parent].children.extend(moved);
    }

    fn set_current_line(&self, line: u64) {
        self.line.set(usize::try_from(line).unwrap_or(usize::MAX));
    }
}
