//! JSON bodies, read in one pass without a tree.

use std::{borrow::Cow, fmt};

use serde::de::{Deserialize, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::{
    body::{DEEPEST, Findings, Place},
    members::{Criteria, Key, Members, Value},
};

/// Reads a body.
pub(super) fn read<'a>(
    text: &'a str,
    criteria: &Criteria<'_>,
    findings: &mut Findings<'a>,
) -> Result<(), serde_json::Error> {
    let mut deserializer = serde_json::Deserializer::from_str(text);
    Node { criteria, findings, depth: 0, place: Place::Root }.deserialize(&mut deserializer)?;
    deserializer.end()
}

/// A value that is about to be read: what an object there would be.
struct Node<'n, 'a, 'c> {
    criteria: &'n Criteria<'c>,
    findings: &'n mut Findings<'a>,
    depth: u8,
    place: Place,
}

impl<'de> DeserializeSeed<'de> for Node<'_, 'de, '_> {
    type Value = Value<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value<'de>, D::Error> {
        if self.depth < DEEPEST {
            return deserializer.deserialize_any(self);
        }
        // Skipping takes no stack, however deep it goes.
        IgnoredAny::deserialize(deserializer).map(|_| Value::Other)
    }
}

impl<'de> Visitor<'de> for Node<'_, 'de, '_> {
    type Value = Value<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any value")
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_i64<E>(self, number: i64) -> Result<Value<'de>, E> {
        Ok(Value::Signed(number))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Value<'de>, E> {
        Ok(Value::Unsigned(number))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Value<'de>, E> {
        Ok(Value::Text(Cow::Owned(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Value<'de>, E> {
        Ok(Value::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Value<'de>, A::Error> {
        let Self { criteria, findings, depth, place: _ } = self;
        let depth = depth + 1;
        while elements.next_element_seed(Node { criteria, findings, depth, place: Place::Inside })?.is_some()
        {
        }
        Ok(Value::Other)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value<'de>, A::Error> {
        let Self { criteria, findings, depth, place } = self;
        let depth = depth + 1;
        let below = if place == Place::Root { Place::Member } else { Place::Inside };
        let mut members = Members::default();
        let read = loop {
            let key = match entries.next_key::<Name>() {
                Ok(Some(Name(key))) => key,
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
            };
            match entries.next_value_seed(Node { criteria, findings, depth, place: below }) {
                Ok(value) => {
                    if let Some(key) = key {
                        members.set(key, value);
                    }
                }
                Err(error) => break Err(error),
            }
        };
        if read.is_ok() {
            findings.close(&members, place, criteria);
        }
        // What a broken body said before it broke is kept too.
        findings.keep(&mut members, depth);
        read.map(|()| Value::Other)
    }
}

/// The name of a member.
struct Name(Option<Key>);

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameVisitor;
        impl Visitor<'_> for NameVisitor {
            type Value = Name;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }

            fn visit_str<E>(self, name: &str) -> Result<Name, E> {
                Ok(Name(Key::of_member(name)))
            }
        }
        deserializer.deserialize_identifier(NameVisitor)
    }
}
