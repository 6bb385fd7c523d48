//! The kinds of values: text to type, so that what was read cannot be wrong any more.

use std::{net::SocketAddr, time::Duration};

use http::{HeaderName, Method};
use status_normalize::{Mode, Rollout, Shape, StatusRule, Undocumented};
use toml::{
    Spanned,
    de::{DeString, DeValue},
};

use super::{
    LogFormat, Protocol, Trust,
    report::{Report, nearest},
};

/// A value of a key, as a type.
pub(super) trait Value: Sized {
    /// How documentation calls the kind.
    #[cfg(test)]
    fn kind() -> String;

    /// The JSON Schema of the kind.
    #[cfg(test)]
    fn schema() -> serde_json::Value;

    /// Reads the value, or reports why it cannot be.
    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self>;
}

/// A value that is written as a string.
trait Text: Sized {
    #[cfg(test)]
    const KIND: &'static str;
    #[cfg(test)]
    const PATTERN: &'static str;
    const EXAMPLE: &'static str;

    fn parse(text: &str) -> Result<Self, String>;
}

impl<T: Text> Value for T {
    #[cfg(test)]
    fn kind() -> String {
        T::KIND.into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "pattern": T::PATTERN })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(text) = value.get_ref().as_str() else {
            let found = value.get_ref().type_str();
            report.error_with_help(
                value.span(),
                format!("expected a string, found {}", with_article(found)),
                format!("write it as `\"{}\"`", T::EXAMPLE),
            );
            return None;
        };
        T::parse(text).map_err(|message| report.error(value.span(), message)).ok()
    }
}

fn with_article(kind: &str) -> String {
    let article = if kind.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    format!("{article} {kind}")
}

/// Reports a value of another kind than wanted.
pub(super) fn mistyped(value: &Spanned<DeValue<'_>>, wanted: &str, report: &mut Report) {
    let found = with_article(value.get_ref().type_str());
    report.error(value.span(), format!("expected {wanted}, found {found}"));
}

/// A list.
pub(super) type List<T> = Vec<Spanned<T>>;

impl<T: Value> Value for List<T> {
    #[cfg(test)]
    fn kind() -> String {
        format!("list ({})", T::kind())
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "array", "items": T::schema() })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(items) = value.get_ref().as_array() else {
            mistyped(value, "a list, in square brackets", report);
            return None;
        };
        // Every item is read, so that each error is found.
        let read: Vec<Option<Spanned<T>>> = items
            .iter()
            .map(|item| T::read(item, report).map(|value| Spanned::new(item.span(), value)))
            .collect();
        read.into_iter().collect()
    }
}

impl Value for bool {
    #[cfg(test)]
    fn kind() -> String {
        "`true` or `false`".into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "boolean" })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let read = value.get_ref().as_bool();
        if read.is_none() {
            mistyped(value, "`true` or `false` without quotes", report);
        }
        read
    }
}

/// A whole number from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Count<const LEAST: u32, const MOST: u32>(pub(super) u32);

impl<const LEAST: u32, const MOST: u32> Value for Count<LEAST, MOST> {
    #[cfg(test)]
    fn kind() -> String {
        format!("whole number, {LEAST} to {MOST}")
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        serde_json::json!({ "type": "integer", "minimum": LEAST, "maximum": MOST })
    }

    fn read(value: &Spanned<DeValue<'_>>, report: &mut Report) -> Option<Self> {
        let Some(number) = value.get_ref().as_integer() else {
            mistyped(value, "a whole number", report);
            return None;
        };
        let read = u32::from_str_radix(number.as_str(), number.radix()).ok();
        let read = read.filter(|number| (LEAST..=MOST).contains(number));
        if read.is_none() {
            report.error(value.span(), format!("{number} is not in {LEAST} to {MOST}"));
        }
        read.map(Self)
    }
}

/// A number of bytes from `LEAST` to `MOST`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Size<const LEAST: u64, const MOST: u64>(pub(super) u64);

impl<const LEAST: u64, const MOST: u64> Text for Size<LEAST, MOST> {
    #[cfg(test)]
    const KIND: &'static str = "size such as `\"64KiB\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]+ ?(B|KiB|MiB|GiB)$";
    const EXAMPLE: &'static str = "64KiB";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(|| {
            format!("`{text}` is not a size such as `64KiB`: a whole number and B, KiB, MiB or GiB")
        })?;
        let scale: u64 = match unit {
            "B" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err(format!("`{unit}` is not a unit of size: use B, KiB, MiB or GiB")),
        };
        number
            .checked_mul(scale)
            .filter(|bytes| (LEAST..=MOST).contains(bytes))
            .map(Self)
            .ok_or_else(|| format!("{text} is not in {} to {}", size_text(LEAST), size_text(MOST)))
    }
}

/// A size as configuration writes it, in the largest unit that keeps it whole.
pub(super) fn size_text(bytes: u64) -> String {
    let units = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];
    match units.into_iter().find(|(_, scale)| bytes >= *scale && bytes.is_multiple_of(*scale)) {
        Some((unit, scale)) => format!("{}{unit}", bytes / scale),
        None => format!("{bytes}B"),
    }
}

/// 1 ms. Zero would mean "never" to some and "at once" to others.
const SHORTEST: Duration = Duration::from_millis(1);
/// A day: what is longer is a typing error.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

impl Text for Duration {
    #[cfg(test)]
    const KIND: &'static str = "duration such as `\"250ms\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]+ ?(ms|s|m|h)$";
    const EXAMPLE: &'static str = "30s";

    fn parse(text: &str) -> Result<Self, String> {
        let (number, unit) = number_and_unit(text).ok_or_else(|| {
            format!("`{text}` is not a duration such as `250ms`: a whole number and ms, s, m or h")
        })?;
        let scale: u64 = match unit {
            "ms" => 1,
            "s" => 1000,
            "m" => 60 * 1000,
            "h" => 60 * 60 * 1000,
            _ => return Err(format!("`{unit}` is not a unit of time: use ms, s, m or h")),
        };
        number
            .checked_mul(scale)
            .map(Self::from_millis)
            .filter(|duration| (SHORTEST..=LONGEST).contains(duration))
            .ok_or_else(|| format!("{text} is not in 1ms to 24h"))
    }
}

fn number_and_unit(text: &str) -> Option<(u64, &str)> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    Some((number.parse().ok()?, unit.strip_prefix(' ').unwrap_or(unit)))
}

impl Text for SocketAddr {
    #[cfg(test)]
    const KIND: &'static str = "address and port";
    #[cfg(test)]
    const PATTERN: &'static str = "^.+:[0-9]{1,5}$";
    const EXAMPLE: &'static str = "127.0.0.1:8080";

    fn parse(text: &str) -> Result<Self, String> {
        address(text)
    }
}

/// An IP address and a port.
pub(crate) fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        let hint = match text.rsplit_once(':') {
            Some(("localhost", port)) => format!("`127.0.0.1:{port}` or `[::1]:{port}`"),
            Some(("" | "*", port)) => format!("`0.0.0.0:{port}` or `[::]:{port}`"),
            _ => "`127.0.0.1:8080` or `[::1]:8080`".to_owned(),
        };
        format!("`{text}` is not an IP address and a port such as {hint}")
    })
}

impl Text for String {
    #[cfg(test)]
    const KIND: &'static str = "string";
    #[cfg(test)]
    const PATTERN: &'static str = ".";
    const EXAMPLE: &'static str = "text";

    fn parse(text: &str) -> Result<Self, String> {
        if text.is_empty() { Err("an empty string means nothing here".into()) } else { Ok(text.into()) }
    }
}

impl Text for HeaderName {
    #[cfg(test)]
    const KIND: &'static str = "field name";
    #[cfg(test)]
    const PATTERN: &'static str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";
    const EXAMPLE: &'static str = "x-request-id";

    fn parse(text: &str) -> Result<Self, String> {
        text.parse().map_err(|_| format!("`{text}` is not the name of a header field"))
    }
}

impl Text for Method {
    #[cfg(test)]
    const KIND: &'static str = "method";
    #[cfg(test)]
    const PATTERN: &'static str = "^[A-Z][A-Z-]*$";
    const EXAMPLE: &'static str = "GET";

    fn parse(text: &str) -> Result<Self, String> {
        if text.bytes().any(|byte| byte.is_ascii_lowercase()) {
            return Err(format!("methods are case-sensitive: write `{}`", text.to_ascii_uppercase()));
        }
        Self::from_bytes(text.as_bytes()).map_err(|_| format!("`{text}` is not a method"))
    }
}

impl Text for Rollout {
    #[cfg(test)]
    const KIND: &'static str = "percentage such as `\"25%\"`";
    #[cfg(test)]
    const PATTERN: &'static str = "^[0-9]{1,3}%$";
    const EXAMPLE: &'static str = "25%";

    fn parse(text: &str) -> Result<Self, String> {
        text.strip_suffix('%')
            .and_then(|number| number.trim_end().parse::<u64>().ok())
            .and_then(|percent| Self::try_from(percent).ok())
            .ok_or_else(|| format!("`{text}` is not a percentage from `0%` to `100%`"))
    }
}

/// A choice of words.
pub(super) trait Word: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];

    fn from_word(text: &str) -> Result<Self, String> {
        let words = || Self::WORDS.iter().map(|(word, _)| *word);
        if let Some((_, value)) = Self::WORDS.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let all = words().map(|word| format!("`{word}`")).collect::<Vec<_>>().join(", ");
        Err(match nearest(text, words()) {
            Some(meant) => format!("`{text}` is none of {all}: did you mean `{meant}`?"),
            None => format!("`{text}` is none of {all}"),
        })
    }
}

macro_rules! words {
    ($($type:ty: $($word:literal => $value:expr),+;)+) => { $(
        impl Word for $type {
            const WORDS: &'static [(&'static str, Self)] = &[$(($word, $value)),+];
        }

        impl Text for $type {
            #[cfg(test)]
            const KIND: &'static str = words!(@kind $($word)+);
            #[cfg(test)]
            const PATTERN: &'static str = words!(@pattern $($word)+);
            const EXAMPLE: &'static str = words!(@first $($word)+);

            fn parse(text: &str) -> Result<Self, String> {
                Self::from_word(text)
            }
        }
    )+ };
    (@first $first:literal $($rest:literal)*) => { $first };
    (@kind $first:literal $($rest:literal)*) => { concat!("`\"", $first, "\"`" $(, ", `\"", $rest, "\"`")*) };
    (@pattern $first:literal $($rest:literal)*) => { concat!("^(", $first $(, "|", $rest)*, ")$") };
}

words! {
    Mode: "enforce" => Self::Enforce, "observe" => Self::Observe, "off" => Self::Off;
    Protocol: "auto" => Self::Auto, "http1" => Self::Http1, "http2" => Self::Http2;
    Shape: "problem" => Self::Problem, "error_code" => Self::ErrorCodeMsg, "code_message" => Self::CodeMessage,
        "err_code" => Self::ErrCode, "errorcode" => Self::ErrorCode, "wrapped" => Self::Wrapped,
        "kubernetes_status" => Self::KubernetesStatus, "xml_error" => Self::XmlError;
    Trust: "all" => Self::All, "private" => Self::Private, "none" => Self::None;
    LogFormat: "text" => Self::Text, "json" => Self::Json;
    tracing::Level: "error" => Self::ERROR, "warn" => Self::WARN, "info" => Self::INFO, "debug" => Self::DEBUG, "trace" => Self::TRACE;
}

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

impl Report {
    /// Reports a key that the table does not have.
    pub(super) fn unknown_key(
        &mut self,
        key: &Spanned<DeString<'_>>,
        name: &str,
        table: &str,
        known: &[&str],
    ) {
        let help = match nearest(name, known.iter().copied()) {
            Some(meant) => format!("did you mean `{meant}`?"),
            None => format!("the keys of {table} are {}", known.join(", ")),
        };
        self.error_with_help(key.span(), format!("unknown key `{name}` in {table}"), help);
    }
}
