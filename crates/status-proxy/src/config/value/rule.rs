//! What becomes of a status: rules, and the policy for undocumented ones.

use status_normalize::{StatusRule, Undocumented};
use toml::{Spanned, de::DeValue};

use super::{Count, List, Value, mistyped, word::Word};
use crate::config::report::Report;

impl Value for StatusRule {
    #[cfg(test)]
    fn kind() -> String {
        "rule such as `{ codes = \"420-451\", to = 400 }`".into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({
            "type": "object",
            "properties": {
                "codes": {
                    "description": "A status, a range such as \"420-451\", or a hundred such as \"5xx\".",
                    "oneOf": [
                        { "type": "integer", "minimum": 200, "maximum": 999 },
                        { "type": "string", "pattern": "^([2-9][0-9]{2}(-[2-9][0-9]{2})?|[2-9][xX]{2})$" },
                    ],
                },
                "to": { "description": "What the client gets.", "type": "integer", "minimum": 200, "maximum": 599 },
            },
            "required": ["codes", "to"],
            "additionalProperties": false,
        })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(table) = value.get_ref().as_table() else {
            mistyped(value, "a rule such as `{ codes = \"420-451\", to = 400 }`", report);
            return None;
        };
        let (mut codes, mut to) = (None, None);
        for (key, value) in table {
            match &**key.get_ref() {
                "codes" => codes = Some(Codes::read(value, report)?),
                "to" => to = Some(Count::<200, 599>::read(value, report)?),
                unknown => report.unknown_key(key, unknown, "a rule", &["codes", "to"]),
            }
        }
        let (Some(Codes(first, last)), Some(Count(to))) = (codes, to) else {
            report.error(value.span(), "a rule needs both `codes` and `to`");
            return None;
        };
        let to = u16::try_from(to).expect("at most 599");
        Self::new(first..=last, to).map_err(|error| report.error(value.span(), error.to_string())).ok()
    }
}

/// The statuses that a rule is for.
struct Codes(u16, u16);

impl Codes {
    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let read = match value.get_ref() {
            DeValue::Integer(number) => Self::parse(number.as_str()),
            DeValue::String(text) => Self::parse(text),
            _ => None,
        };
        if read.is_none() {
            let message = "expected statuses from 200 to 999 such as `418`, `\"420-451\"` or `\"5xx\"`";
            report.error(value.span(), message);
        }
        read
    }

    fn parse(text: &str) -> Option<Self> {
        let three_digits = |text: &str| text.parse().ok().filter(|code| (200..=999).contains(code));
        if let Some(hundred) = text.strip_suffix("xx").or_else(|| text.strip_suffix("XX")) {
            let first = three_digits(&format!("{hundred}00"))?;
            return Some(Self(first, first + 99));
        }
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let (first, last) = (three_digits(first.trim())?, three_digits(last.trim())?);
        (first <= last).then_some(Self(first, last))
    }
}

impl Value for Undocumented {
    #[cfg(test)]
    fn kind() -> String {
        "`\"pass\"`, `\"describe\"`, `\"nearest\"`, or a list of rules".into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "oneOf": [{ "enum": ["pass", "describe", "nearest"] }, List::<StatusRule>::schema()] })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        if value.get_ref().is_array() {
            let rules = List::<StatusRule>::read(value, report)?;
            return Some(Self::Map(rules.into_iter().map(Spanned::into_inner).collect()));
        }
        #[derive(Clone, Copy)]
        enum Policy {
            Pass,
            Describe,
            Nearest,
        }
        impl Word for Policy {
            const WORDS: &'static [(&'static str, Self)] =
                &[("pass", Self::Pass), ("describe", Self::Describe), ("nearest", Self::Nearest)];
        }
        let Some(word) = value.get_ref().as_str() else {
            mistyped(value, "`\"pass\"`, `\"describe\"`, `\"nearest\"` or a list of rules", report);
            return None;
        };
        match Policy::from_word(word) {
            Ok(Policy::Pass) => Some(Self::Pass),
            Ok(Policy::Describe) => Some(Self::Describe),
            Ok(Policy::Nearest) => Some(Self::Nearest),
            Err(message) => {
                report.error(value.span(), message);
                None
            }
        }
    }
}
