//! YAML and JSON as one tree of maps, lists and scalars, with lines.
//!
//! Only what an OpenAPI description needs: scalars stay text, so that the keys `200` and `"200"` are the same.

use std::fmt;
use std::sync::Arc;

use saphyr_parser::{Event, Parser, ScalarStyle};
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use crate::error::Malformed;

/// A node of the tree. An alias shares its anchor's node, so that aliases of aliases cost nothing.
#[derive(Debug)]
pub(super) struct Node {
    /// 0 where the format tells no lines (JSON).
    pub(super) line: usize,
    pub(super) value: Value,
}

#[derive(Debug)]
pub(super) enum Value {
    List(Vec<Arc<Node>>),
    Map(Vec<(String, Arc<Node>)>),
    /// Null is the empty text.
    Scalar(String),
}

/// Descriptions nest about 20 deep; freeing a tree takes stack for each level.
const MAX_DEPTH: usize = 256;

impl Node {
    pub(super) fn parse(text: &str) -> Result<Arc<Self>, Malformed> {
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        if text.trim_start().starts_with('{') {
            let node: Result<Self, _> = serde_json::from_str(text);
            match node {
                Ok(node) => return Ok(Arc::new(node)),
                // A YAML description may be written as one flow mapping.
                Err(error) => return yaml(text).map_err(|_| at_json(&error)),
            }
        }
        yaml(text)
    }

    /// The member of that name, in the map itself or in one that it merges by `<<`.
    pub(super) fn get(&self, name: &str) -> Option<&Arc<Self>> {
        let Value::Map(members) = &self.value else { return None };
        let own = members.iter().find(|(key, _)| key == name).map(|(_, node)| node);
        own.or_else(|| {
            members.iter().filter(|(key, _)| key == "<<").find_map(|(_, merged)| merged.get_own(name))
        })
    }

    fn get_own(&self, name: &str) -> Option<&Arc<Self>> {
        match &self.value {
            Value::List(merged) => merged.iter().find_map(|merged| merged.get_own(name)),
            Value::Map(members) => members.iter().find(|(key, _)| key == name).map(|(_, node)| node),
            Value::Scalar(_) => None,
        }
    }

    pub(super) fn members(&self) -> &[(String, Arc<Self>)] {
        match &self.value {
            Value::Map(members) => members,
            Value::List(_) | Value::Scalar(_) => &[],
        }
    }

    pub(super) fn items(&self) -> &[Arc<Self>] {
        match &self.value {
            Value::List(items) => items,
            Value::Map(_) | Value::Scalar(_) => &[],
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar(text) => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// The text of a member, if it is a scalar with any.
    pub(super) fn member_text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|node| node.text()).filter(|text| !text.is_empty())
    }
}

fn at_json(error: &serde_json::Error) -> Malformed {
    let message = error.to_string();
    let end = message.rfind(" at line ").unwrap_or(message.len());
    Malformed::at(error.line(), error.column(), format!("not JSON: {}", &message[..end]))
}

/// A collection that is not closed yet.
struct Open {
    anchor: usize,
    line: usize,
    value: Value,
    /// In a map, the key that waits for its value.
    key: Option<String>,
}

fn yaml(text: &str) -> Result<Arc<Node>, Malformed> {
    let mut anchors: Vec<(usize, Arc<Node>)> = Vec::new();
    let mut stack: Vec<Open> = Vec::new();
    let mut root = None;
    for event in Parser::new_from_str(text) {
        let (event, span) = event.map_err(|error| {
            let marker = error.marker();
            Malformed::at(marker.line(), marker.col() + 1, format!("not YAML: {}", error.info()))
        })?;
        let line = span.start.line();
        let (anchor, node) = match event {
            Event::MappingStart(..) | Event::SequenceStart(..) if stack.len() >= MAX_DEPTH => {
                let column = span.start.col() + 1;
                return Err(Malformed::at(line, column, format!("nested more than {MAX_DEPTH} deep")));
            }
            Event::MappingStart(anchor, _) => {
                stack.push(Open { anchor, line, value: Value::Map(Vec::new()), key: None });
                continue;
            }
            Event::SequenceStart(anchor, _) => {
                stack.push(Open { anchor, line, value: Value::List(Vec::new()), key: None });
                continue;
            }
            Event::MappingEnd | Event::SequenceEnd => {
                let Some(Open { anchor, line, value, .. }) = stack.pop() else { continue };
                (anchor, Arc::new(Node { line, value }))
            }
            Event::Scalar(text, style, anchor, _) => {
                let is_null = style == ScalarStyle::Plain && matches!(&*text, "~" | "null" | "Null" | "NULL");
                let text = if is_null { String::new() } else { text.into_owned() };
                (anchor, Arc::new(Node { line, value: Value::Scalar(text) }))
            }
            Event::Alias(anchor) => {
                let known = anchors.iter().rev().find(|(known, _)| *known == anchor);
                let node = known.map(|(_, node)| Arc::clone(node));
                (0, node.unwrap_or_else(|| Arc::new(Node { line, value: Value::Scalar(String::new()) })))
            }
            Event::DocumentEnd => break,
            Event::DocumentStart(_) | Event::Nothing | Event::StreamEnd | Event::StreamStart => continue,
        };
        if anchor > 0 {
            anchors.push((anchor, Arc::clone(&node)));
        }
        match stack.last_mut() {
            None => root = Some(node),
            Some(Open { value: Value::List(items), .. }) => items.push(node),
            Some(Open { value: Value::Map(members), key, .. }) => match key.take() {
                Some(key) => members.push((key, node)),
                // A key that is a collection can't name anything of a description.
                None => *key = Some(node.text().unwrap_or_default().to_owned()),
            },
            Some(Open { value: Value::Scalar(_), .. }) => {}
        }
    }
    Ok(root.unwrap_or_else(|| Arc::new(Node { line: 1, value: Value::Scalar(String::new()) })))
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = deserializer.deserialize_any(AnyValue)?;
        Ok(Self { line: 0, value })
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::Scalar(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::Scalar(value))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Scalar(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(node) = access.next_element::<Node>()? {
            items.push(Arc::new(node));
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut members = Vec::new();
        while let Some((key, node)) = access.next_entry::<String, Node>()? {
            members.push((key, Arc::new(node)));
        }
        Ok(Value::Map(members))
    }
}
