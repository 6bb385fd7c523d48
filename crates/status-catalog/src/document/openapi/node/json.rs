//! JSON, read by a parser that tells no places: they are taken from how far it has read.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};
use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};

use super::{At, Map, Member, Node, Tree};
use crate::error::Malformed;

pub(super) fn parse(text: &str) -> Result<Tree, Malformed> {
    let read = Cell::new(At { line: 1, column: 0 });
    let mut remarks = Vec::new();
    let mut parser = serde_json::Deserializer::from_reader(Reader { rest: text.as_bytes(), read: &read });
    let value = Value { read: &read, remarks: &mut remarks };
    let root =
        value.deserialize(&mut parser).and_then(|root| parser.end().map(|()| root)).map_err(|error| {
            let message = error.to_string();
            let end = message.rfind(" at line ").unwrap_or(message.len());
            // The parser counts bytes.
            let At { line, column } = read.get();
            let is_here = error.line() == line as usize;
            let column = if is_here { column as usize } else { error.column() };
            Malformed::at(error.line(), column.max(1), format!("not JSON: {}", &message[..end]))
        })?;
    Ok(Tree { root: Arc::new(root), remarks })
}

/// The text, with the place of the character that was read last.
struct Reader<'a> {
    rest: &'a [u8],
    read: &'a Cell<At>,
}

impl Read for Reader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let (Some((first, rest)), Some(space)) = (self.rest.split_first(), buffer.first_mut()) else {
            return Ok(0);
        };
        let At { line, column } = self.read.get();
        match first {
            b'\n' => self.read.set(At { line: line.saturating_add(1), column: 0 }),
            // All bytes of a character but its first.
            0x80..=0xbf => {}
            _ => self.read.set(At { line, column: column.saturating_add(1) }),
        }
        *space = *first;
        self.rest = rest;
        Ok(1)
    }
}

struct Value<'a, 'r> {
    read: &'a Cell<At>,
    remarks: &'r mut Vec<(At, String)>,
}

impl<'de> DeserializeSeed<'de> for Value<'_, '_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Value<'_, '_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(scalar(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(scalar(value))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(scalar(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(scalar(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar("".into()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(node) = access.next_element_seed(Value { read: self.read, remarks: self.remarks })? {
            items.push(Arc::new(node));
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        let mut members = Vec::new();
        while let Some((name, at)) = access.next_key_seed(Name { read: self.read })? {
            let node = access.next_value_seed(Value { read: self.read, remarks: self.remarks })?;
            members.push(Member { name, at, node: Arc::new(node) });
        }
        Ok(Node::Map(Map::new(members, self.remarks)))
    }
}

fn scalar(value: impl fmt::Display) -> Node {
    Node::Scalar(value.to_string().into())
}

/// A name of which the parser has seen the opening quote.
struct Name<'a> {
    read: &'a Cell<At>,
}

impl<'de> DeserializeSeed<'de> for Name<'_> {
    type Value = (Box<str>, At);

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let at = self.read.get();
        deserializer.deserialize_str(NameText).map(|name| (name, at))
    }
}

struct NameText;

impl Visitor<'_> for NameText {
    type Value = Box<str>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Box<str>, E> {
        Ok(name.into())
    }
}
