//! Choices of words.

use status_normalize::{Mode, Shape};

use super::Text;
use crate::config::{LogFormat, Protocol, Trust, report::nearest};

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
            const EXAMPLE: &'static str = words!(@first $($word)+);

            #[cfg(test)]
            fn text_schema() -> serde_json::Value {
                serde_json::json!({ "enum": [$($word),+] })
            }

            fn parse(text: &str) -> Result<Self, String> {
                Self::from_word(text)
            }
        }
    )+ };
    (@first $first:literal $($rest:literal)*) => { $first };
    (@kind $first:literal $($rest:literal)*) => { concat!("`\"", $first, "\"`" $(, ", `\"", $rest, "\"`")*) };
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
