//! The reference of the configuration and the schema for editors, written from the declarations and held against the
//! files of the repository. `UPDATE=1 cargo test -p status-proxy documentation` writes the files anew.

use std::{fmt::Write as _, path::PathBuf};

use serde_json::{Map, Value, json};

use super::{
    raw::{
        RawAdmin, RawConfig, RawForwarding, RawLimits, RawLog, RawPolicy, RawRoute, RawTimeouts,
        RawUpstreamTable,
    },
    section::{KeyDescription, Section},
};

const BEGIN: &str = "<!-- keys: written by a test from the declarations -->\n";
const END: &str = "<!-- end of keys -->\n";

/// The schema of a table.
pub(super) fn schema_of<T: Section>() -> Value {
    let properties: Map<String, Value> = T::describe()
        .into_iter()
        .map(|key| {
            let mut schema = key.schema;
            let members = schema.as_object_mut().expect("a schema is an object");
            members.insert("description".into(), key.about.replace('`', "").into());
            if let Some(default) = default_json(key.default) {
                members.insert("default".into(), default);
            }
            (key.name.to_owned(), schema)
        })
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

fn default_json(toml: &str) -> Option<Value> {
    let table: toml::Table = format!("value = {toml}").parse().ok()?;
    serde_json::to_value(&table["value"]).ok()
}

fn schema() -> String {
    let mut schema = schema_of::<RawConfig>();
    let members = schema.as_object_mut().expect("a schema is an object");
    members.insert("$schema".into(), "https://json-schema.org/draft/2020-12/schema".into());
    members.insert("title".into(), "The configuration of status-proxy".into());
    members["properties"]["route"]["items"]["required"] = json!(["name"]);
    format!("{schema:#}\n")
}

fn reference() -> String {
    let mut text = String::new();
    let own = |keys: Vec<KeyDescription>| {
        let policy: Vec<_> = RawPolicy::describe().into_iter().map(|key| key.name).collect();
        keys.into_iter().filter(move |key| !policy.contains(&key.name)).collect::<Vec<_>>()
    };
    table(&mut text, "Top level", &own(RawConfig::describe()));
    table(&mut text, "Top level and `[[route]]`", &RawPolicy::describe());
    table(&mut text, "`[[route]]`", &own(RawRoute::describe()));
    table(&mut text, "`upstream` as a table", &RawUpstreamTable::describe());
    table(&mut text, "`[admin]`", &RawAdmin::describe());
    table(&mut text, "`[limits]`", &RawLimits::describe());
    table(&mut text, "`[timeouts]`", &RawTimeouts::describe());
    table(&mut text, "`[forwarding]`", &RawForwarding::describe());
    table(&mut text, "`[log]`", &RawLog::describe());
    text.push('\n');
    text
}

fn table(text: &mut String, title: &str, keys: &[KeyDescription]) {
    let _ = write!(text, "\n### {title}\n\n| key | kind | default | what it does |\n|---|---|---|---|\n");
    for KeyDescription { name, about, kind, default, .. } in keys {
        let default = if default.is_empty() { String::new() } else { format!("`{default}`") };
        let _ = writeln!(text, "| `{name}` | {kind} | {default} | {about} |");
    }
}

fn repository(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)
}

/// Holds a file against what it should be, or writes it.
fn agree(file: &str, expected: &str) {
    let path = repository(file);
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, expected).unwrap();
    }
    let found = std::fs::read_to_string(&path).unwrap();
    assert!(found == expected, "{file} is out of date: UPDATE=1 cargo test -p status-proxy documentation");
}

#[test]
fn schema_for_editors_is_the_declarations() {
    agree("config/status-proxy.schema.json", &schema());
}

#[test]
fn reference_is_the_declarations() {
    let file = "docs/CONFIG.md";
    let found = std::fs::read_to_string(repository(file)).unwrap();
    let (before, rest) = found.split_once(BEGIN).expect("the mark before the keys");
    let (_, after) = rest.split_once(END).expect("the mark behind the keys");
    agree(file, &format!("{before}{BEGIN}{}{END}{after}", reference()));
}
