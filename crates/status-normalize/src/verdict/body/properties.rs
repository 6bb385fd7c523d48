//! The one-pass reader against a plain reading of the contract from a tree.

use serde_json::{Map, Value};

use super::{super::BodyKind, *};

/// A small generator, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % sides as u64) as usize
    }

    fn pick<'t>(&mut self, from: &[&'t str]) -> &'t str {
        from[self.roll(from.len())]
    }
}

const NAMES: [&str; 17] = [
    "code",
    "message",
    "error_code",
    "error_msg",
    "errCode",
    "errMsg",
    "externalMessage",
    "errorCode",
    "errorMessage",
    "errorMsg",
    "title",
    "detail",
    "status",
    "kind",
    "error",
    "itemNotFound",
    "request_id",
];

const SCALARS: [&str; 15] = [
    r#""""#,
    r#"" ""#,
    r#""A.1""#,
    r#""404""#,
    r#""500""#,
    r#""Status""#,
    r#""Failure""#,
    r#""g\u006fne""#,
    "404",
    "500",
    "600",
    "-1",
    "1.5",
    "null",
    "true",
];

fn value(dice: &mut Dice, depth: usize) -> String {
    match dice.roll(if depth < 6 { 8 } else { 5 }) {
        0..=4 => dice.pick(&SCALARS).to_owned(),
        5 | 6 => object(dice, depth),
        _ => {
            let elements: Vec<String> = (0..dice.roll(3)).map(|_| value(dice, depth + 1)).collect();
            format!("[{}]", elements.join(","))
        }
    }
}

fn object(dice: &mut Dice, depth: usize) -> String {
    let mut names: Vec<&str> = (0..dice.roll(5)).map(|_| dice.pick(&NAMES)).collect();
    names.sort_unstable();
    names.dedup();
    let turn = dice.roll(names.len().max(1));
    names.rotate_left(turn);
    let members: Vec<String> =
        names.iter().map(|name| format!("\"{name}\":{}", value(dice, depth + 1))).collect();
    format!("{{{}}}", members.join(","))
}

fn is_text(value: Option<&Value>) -> bool {
    value.and_then(Value::as_str).is_some_and(|text| !text.trim().is_empty())
}

/// `None`: not there. `Some(false)`: another status.
fn agrees(claim: Option<&Value>, status: u64) -> bool {
    let number = match claim {
        Some(Value::Number(number)) => number.as_u64(),
        Some(Value::String(text)) if text.len() == 3 => text.parse().ok(),
        _ => None,
    };
    !number.is_some_and(|number| (400..600).contains(&number) && number != status)
}

fn pairs(object: &Map<String, Value>, status: u64) -> Option<bool> {
    let has = |code: &str, messages: &[&str]| {
        let is_code = match object.get(code) {
            Some(Value::Number(number)) => number.is_i64() || number.is_u64(),
            code => is_text(code),
        };
        is_code && messages.iter().any(|message| is_text(object.get(*message)))
    };
    if has("code", &["message"]) {
        return Some(agrees(object.get("code"), status));
    }
    let other = has("error_code", &["error_msg"])
        || has("errCode", &["errMsg", "externalMessage"])
        || has("errorCode", &["errorMessage", "errorMsg", "message"]);
    other.then_some(true)
}

fn by_tree(body: &str, status: u64) -> Result<(), Reason> {
    let Ok(Value::Object(object)) = serde_json::from_str(body) else { return Err(Reason::Shape) };
    let mut found = Vec::new();
    found.extend(pairs(&object, status));
    if is_text(object.get("title")) || is_text(object.get("detail")) {
        found.push(agrees(object.get("status"), status));
    }
    let is = |name: &str, text: &str| object.get(name).and_then(Value::as_str) == Some(text);
    if is("kind", "Status") && is("status", "Failure") && is_text(object.get("message")) {
        found.push(agrees(object.get("code"), status));
    }
    if found.is_empty() {
        let wrapped: Vec<bool> =
            object.values().filter_map(Value::as_object).filter_map(|inner| pairs(inner, status)).collect();
        found.extend(wrapped.contains(&true).then_some(true).or(wrapped.first().copied()));
    }
    match found {
        found if found.is_empty() => Err(Reason::Shape),
        found if found.contains(&false) => Err(Reason::StatusMismatch),
        _ => Ok(()),
    }
}

#[test]
fn one_pass_finds_what_a_tree_shows() {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15);
    let mut standard = 0;
    for _ in 0..60_000 {
        let mut body = value(&mut dice, 0);
        if dice.roll(4) > 0 {
            body = object(&mut dice, 0);
        }
        let judged = judge(body.as_bytes(), BodyKind::Json, 404, &Accepted::ALL, None);
        let finding = match judged.finding {
            BodyFinding::Nonstandard(reason) => Err(reason),
            BodyFinding::Standard => Ok(()),
        };
        assert_eq!(finding, by_tree(&body, 404), "{body}");
        standard += usize::from(finding.is_ok());
    }
    assert!(standard > 1_000, "only {standard} bodies were standard");
}
