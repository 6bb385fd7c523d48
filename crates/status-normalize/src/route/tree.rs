//! Path patterns to values, one segment at a time.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::template::{Mixed, Segment, Template};

/// A tree of segments. Each node is a beginning of patterns, so that a look-up comes to each at most once.
#[derive(Clone, Debug)]
pub(super) struct Tree<L> {
    nodes: Vec<Node<L>>,
}

/// The place of a node.
type Place = u32;

#[derive(Clone, Debug)]
struct Node<L> {
    literals: HashMap<Box<[u8]>, Place, BuildHasherDefault<SegmentHasher>>,
    /// Those that demand the most text first.
    shapes: Vec<Shape>,
    parameter: Option<Place>,
    /// For the path that ends here.
    here: Option<L>,
    /// For whatever follows.
    rest: Option<L>,
}

/// The segments of parameters and text whose texts are equally long, so that a segment's two ends find those it fits.
#[derive(Clone, Debug)]
struct Shape {
    text: usize,
    prefix: usize,
    suffix: usize,
    /// In order.
    members: Vec<(Mixed, Place)>,
}

impl<L> Default for Tree<L> {
    fn default() -> Self {
        Self { nodes: vec![Node::default()] }
    }
}

impl<L> Default for Node<L> {
    fn default() -> Self {
        Self { literals: HashMap::default(), shapes: Vec::new(), parameter: None, here: None, rest: None }
    }
}

impl<L: Default> Tree<L> {
    /// Where the value of a pattern is kept.
    pub(super) fn entry(&mut self, template: Template) -> &mut L {
        let Template { segments, has_rest } = template;
        let place = segments.into_iter().fold(0, |place, segment| self.child(place, segment));
        let node = self.node_mut(place);
        let leaf = if has_rest { &mut node.rest } else { &mut node.here };
        leaf.get_or_insert_default()
    }

    fn node_mut(&mut self, place: Place) -> &mut Node<L> {
        &mut self.nodes[place as usize]
    }

    fn child(&mut self, parent: Place, segment: Segment) -> Place {
        let next = Place::try_from(self.nodes.len()).expect("patterns are read from less than 4 GiB");
        let node = self.node_mut(parent);
        let place = match segment {
            Segment::Literal(text) => *node.literals.entry(text).or_insert(next),
            Segment::Mixed(mixed) => node.mixed(mixed, next),
            Segment::Parameter => *node.parameter.get_or_insert(next),
        };
        if place == next {
            self.nodes.push(Node::default());
        }
        place
    }
}

impl<L> Node<L> {
    fn mixed(&mut self, mixed: Mixed, next: Place) -> Place {
        let measures = (mixed.text(), mixed.prefix.len(), mixed.suffix.len());
        let (text, prefix, suffix) = measures;
        let of = |shape: &Shape| (shape.text, shape.prefix, shape.suffix);
        let at = match self.shapes.binary_search_by(|shape| measures.cmp(&of(shape))) {
            Ok(at) => at,
            Err(at) => {
                self.shapes.insert(at, Shape { text, prefix, suffix, members: Vec::new() });
                at
            }
        };
        let members = &mut self.shapes[at].members;
        match members.binary_search_by(|(known, _)| known.cmp(&mixed)) {
            Ok(known) => members[known].1,
            Err(at) => {
                members.insert(at, (mixed, next));
                next
            }
        }
    }
}

impl Shape {
    /// The children that a segment fits.
    fn fitting(&self, segment: &[u8]) -> impl Iterator<Item = Place> {
        let has_room = segment.len() > self.prefix + self.suffix;
        let ends = has_room.then(|| (&segment[..self.prefix], &segment[segment.len() - self.suffix..]));
        let members = match ends {
            Some(ends) => &self.members[self.members.partition_point(|(mixed, _)| mixed.ends() < ends)..],
            None => &[],
        };
        let alike = members.iter().take_while(move |(mixed, _)| Some(mixed.ends()) == ends);
        alike.filter(|(mixed, _)| mixed.fits_between(segment)).map(|(_, place)| *place)
    }
}

impl<L> Tree<L> {
    /// What `accept` makes of the most specific pattern that fits a path and that it accepts.
    ///
    /// Segment by segment from the left, a literal goes before parameters with text beside them, the more text the
    /// better, these before a parameter alone, and that before the rest of a path.
    #[inline]
    pub(super) fn find<R>(&self, path: &[u8], accept: impl Fn(&L) -> Option<R> + Copy) -> Option<R> {
        self.find_below(0, path.strip_prefix(b"/")?, accept)
    }

    fn find_below<R>(&self, place: Place, path: &[u8], accept: impl Fn(&L) -> Option<R> + Copy) -> Option<R> {
        let node = &self.nodes[place as usize];
        let end = path.iter().position(|byte| *byte == b'/').unwrap_or(path.len());
        let segment = &path[..end];
        let descend = |child: Place| match path.get(end + 1..) {
            Some(path) => self.find_below(child, path, accept),
            None => self.nodes[child as usize].here.as_ref().and_then(accept),
        };
        let mut found = node.literals.get(segment).and_then(|child| descend(*child));
        for shape in &node.shapes {
            if found.is_some() {
                return found;
            }
            found = shape.fitting(segment).find_map(descend);
        }
        found
            .or_else(|| node.parameter.filter(|_| !segment.is_empty()).and_then(descend))
            .or_else(|| node.rest.as_ref().filter(|_| !path.is_empty()).and_then(accept))
    }
}

/// Segments are hashed to be found among those of the configuration; nothing that a client sends is ever kept by it.
#[derive(Clone, Copy, Debug, Default)]
struct SegmentHasher(u64);

impl SegmentHasher {
    /// 2^64 divided by the golden ratio, which spreads what is alike.
    const SPREAD: u64 = 0x9E37_79B9_7F4A_7C15;

    fn add(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(Self::SPREAD);
    }
}

impl Hasher for SegmentHasher {
    fn write(&mut self, bytes: &[u8]) {
        let (words, rest) = bytes.as_chunks::<8>();
        words.iter().for_each(|word| self.add(u64::from_le_bytes(*word)));
        let rest = rest.iter().fold(0, |word, byte| word << 8 | u64::from(*byte));
        self.add(rest);
    }

    fn write_usize(&mut self, length: usize) {
        self.add(length as u64);
    }

    fn finish(&self) -> u64 {
        // The table takes the lowest bits for the place and the highest for a tag; a product's lowest are poor.
        self.0 ^ self.0 >> 32
    }
}
