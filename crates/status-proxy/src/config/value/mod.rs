//! The kinds of values: text to type, so that what was read cannot be wrong any more.

mod name;
mod quantity;
mod rule;
mod word;

use toml::{
    Spanned,
    de::{DeString, DeValue},
};

use super::report::{Report, nearest};

pub(super) use name::BasePath;
pub(crate) use name::address;
pub(super) use quantity::{Count, Size};

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
    const PATTERN: &'static str = ".";
    const EXAMPLE: &'static str;

    #[cfg(test)]
    fn text_schema() -> serde_json::Value {
        serde_json::json!({ "type": "string", "pattern": Self::PATTERN })
    }

    fn parse(text: &str) -> Result<Self, String>;
}

impl<T: Text> Value for T {
    #[cfg(test)]
    fn kind() -> String {
        T::KIND.into()
    }

    #[cfg(test)]
    fn schema() -> serde_json::Value {
        T::text_schema()
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
