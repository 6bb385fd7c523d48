//! The documented JSON form of an error body, from the schema of an operation's error responses.

use std::collections::HashMap;
use std::sync::Arc;

use super::node::Node;
use super::reference::{Place, Resolver};
use crate::Envelope;

/// Members that hold the machine-readable code and the sentence for people, as APIs name them.
const PAIRS: [(&str, &str); 8] = [
    ("error_code", "error_msg"),
    ("error_code", "error_message"),
    ("code", "message"),
    ("errCode", "errMsg"),
    ("errorCode", "errorMessage"),
    ("errorCode", "errorMsg"),
    ("errorCode", "message"),
    ("code", "msg"),
];

/// How deep `allOf` is followed, how many parts of each, and how many members are looked at, and into: a schema that is
/// all of itself, many times over, must end.
const MAX_DEPTH: usize = 3;
const MAX_PARTS: usize = 8;
const MAX_MEMBERS: usize = 64;
const MAX_WRAPPERS: usize = 8;

/// The forms of the schemas that were looked at. Responses share them.
#[derive(Default)]
pub(super) struct Envelopes {
    known: HashMap<*const Node, (Arc<Node>, Option<Envelope>)>,
}

impl Envelopes {
    /// The form that a response's JSON schema has, if it has a known pair of members.
    pub(super) fn of(&mut self, response: &Place, resolver: &mut Resolver<'_>) -> Option<Envelope> {
        let schema = resolver.resolve(schema(response)?).ok()?;
        let key = Arc::as_ptr(&schema.node);
        if let Some((_, envelope)) = self.known.get(&key) {
            return envelope.clone();
        }
        let node = Arc::clone(&schema.node);
        let envelope = envelope(schema, resolver);
        self.known.insert(key, (node, envelope.clone()));
        envelope
    }
}

/// The JSON schema of a response: in `content` since 3.0, in `schema` before.
fn schema(response: &Place) -> Option<Place> {
    let Some(content) = response.get("content") else { return response.get("schema") };
    let is_json = |media_type: &str| media_type.contains("json") || media_type == "*/*";
    let (_, body) = content.members().find(|(media_type, _)| is_json(media_type))?;
    body.get("schema")
}

fn envelope(schema: Place, resolver: &mut Resolver<'_>) -> Option<Envelope> {
    let members = members(schema, resolver, 0);
    if let Some((code, message)) = pair(&members) {
        return Some(Envelope { wrapper: None, code: code.into(), message: message.into() });
    }
    members.into_iter().take(MAX_WRAPPERS).find_map(|(name, place)| {
        let (code, message) = pair(&self::members(place, resolver, 0))?;
        Some(Envelope { wrapper: Some(name.into()), code: code.into(), message: message.into() })
    })
}

/// The members that a schema gives to its objects, those of `allOf` included.
fn members(schema: Place, resolver: &mut Resolver<'_>, depth: usize) -> Vec<(String, Place)> {
    let Ok(schema) = resolver.resolve(schema) else { return Vec::new() };
    let mut found = Vec::new();
    if let Some(properties) = schema.get("properties") {
        found.extend(properties.members().take(MAX_MEMBERS).map(|(name, place)| (name.to_owned(), place)));
    }
    if let Some(parts) = schema.get("allOf").filter(|_| depth < MAX_DEPTH) {
        for part in parts.node.items().iter().take(MAX_PARTS) {
            if found.len() >= MAX_MEMBERS {
                break;
            }
            found.extend(members(Place { node: Arc::clone(part), ..parts.clone() }, resolver, depth + 1));
        }
    }
    found
}

fn pair(members: &[(String, Place)]) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    PAIRS.into_iter().find(|(code, message)| has(code) && has(message))
}
