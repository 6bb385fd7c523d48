//! Which class a heading, caption or list item announces.

use crate::Class;

/// What a text says of the codes below it; `None` if it names no class or both.
pub(super) fn announced_by(text: &str) -> Option<Class> {
    let mut lower = text.to_lowercase();
    // What a table of error codes is called says nothing of its statuses: 200 and 304 occur in such tables.
    for phrase in ["error codes", "error code", "error message", "错误码", "错误信息"] {
        lower = lower.replace(phrase, " ");
    }
    let words: Vec<&str> =
        lower.split(|end: char| !end.is_alphanumeric()).filter(|word| !word.is_empty()).collect();
    let starts = |stems: &[&str]| words.iter().any(|word| stems.iter().any(|stem| word.starts_with(stem)));
    let contains = |parts: &[&str]| parts.iter().any(|part| lower.contains(part));
    let abnormal = starts(&["abnormal", "error", "exception", "fail", "unsuccessful"])
        || contains(&["异常", "错误", "失败"]);
    let normal = starts(&["normal", "success"]) || contains(&["正常", "成功"]);
    match (normal, abnormal) {
        (true, false) => Some(Class::Normal),
        (false, true) => Some(Class::Abnormal),
        _ => None,
    }
}

/// Whether a text is hardly more than the name of a class: `Normal`, `Abnormal values`, `异常返回值`.
pub(super) fn is_name(text: &str) -> bool {
    text.chars().count() <= if text.is_ascii() { 20 } else { 8 }
}

/// Whether a text speaks of errors.
pub(super) fn names_errors(text: &str) -> bool {
    text.to_lowercase().contains("error") || text.contains("错误")
}

/// Whether a class and a number exclude each other. A redirect may be listed as either.
pub(crate) fn contradicts(class: Class, code: u16) -> bool {
    match class {
        Class::Abnormal => (200..300).contains(&code),
        Class::Normal => code >= 400,
        Class::Undocumented => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headings_announce_a_class() {
        let cases = [
            ("Normal", Some(Class::Normal)),
            ("Abnormal values", Some(Class::Abnormal)),
            ("Return code for successful requests", Some(Class::Normal)),
            ("Return code for failed requests", Some(Class::Abnormal)),
            ("Error Return Code", Some(Class::Abnormal)),
            ("Successful Response", Some(Class::Normal)),
            ("正常返回码", Some(Class::Normal)),
            ("异常", Some(Class::Abnormal)),
            ("错误返回码", Some(Class::Abnormal)),
            ("错误码状态", None),
            ("Error codes", None),
            ("Status Codes", None),
            ("Normal and error status codes", None),
        ];
        for (text, class) in cases {
            assert_eq!(announced_by(text), class, "{text:?}");
        }
    }
}
