//! The documented JSON form of an error body, from the schema of an operation's error responses.

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

/// How deep `allOf` is followed, and how many parts of each: a schema that is all of itself, many times over, must end.
const MAX_DEPTH: usize = 3;
const MAX_PARTS: usize = 8;

/// The form that the first described error response has; `None` if no schema has a known pair of members.
pub(super) fn of(responses: &Place, resolver: &mut Resolver<'_>) -> Option<Envelope> {
    let is_error = |key: &str| key.starts_with(['4', '5']) || key == "default";
    let errors = responses.node.members().iter().filter(|(key, _)| is_error(key));
    errors.map(|(_, response)| responses.at(response)).find_map(|response| {
        let response = resolver.resolve(response).ok()?;
        let members = members(schema(&response)?, resolver, 0);
        if let Some((code, message)) = pair(&members) {
            return Some(Envelope { wrapper: None, code: code.into(), message: message.into() });
        }
        members.into_iter().find_map(|(name, place)| {
            let (code, message) = pair(&self::members(place, resolver, 0))?;
            Some(Envelope { wrapper: Some(name.into()), code: code.into(), message: message.into() })
        })
    })
}

/// The JSON schema of a response: in `content` since 3.0, in `schema` before.
fn schema(response: &Place) -> Option<Place> {
    let Some(content) = response.get("content") else { return response.get("schema") };
    let is_json = |media_type: &str| media_type.contains("json") || media_type == "*/*";
    let (_, body) = content.node.members().iter().find(|(media_type, _)| is_json(media_type))?;
    content.at(body).get("schema")
}

/// The members that a schema gives to its objects, those of `allOf` included.
fn members(schema: Place, resolver: &mut Resolver<'_>, depth: usize) -> Vec<(String, Place)> {
    let Ok(schema) = resolver.resolve(schema) else { return Vec::new() };
    let properties = schema.get("properties");
    let mut found: Vec<(String, Place)> = properties
        .iter()
        .flat_map(|properties| {
            properties.node.members().iter().map(|(name, node)| (name.clone(), properties.at(node)))
        })
        .collect();
    if let Some(parts) = schema.get("allOf").filter(|_| depth < MAX_DEPTH) {
        for part in parts.node.items().iter().take(MAX_PARTS) {
            found.extend(members(parts.at(part), resolver, depth + 1));
        }
    }
    found
}

fn pair(members: &[(String, Place)]) -> Option<(&'static str, &'static str)> {
    let has = |name: &str| members.iter().any(|(member, _)| member == name);
    PAIRS.into_iter().find(|(code, message)| has(code) && has(message))
}
