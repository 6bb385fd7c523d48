//! Text as it stands in markup and JSON: the only way into a rendering.

use std::fmt::Write;

/// Appends text to XML or HTML, as content or within double quotes.
pub(super) fn push_text(out: &mut String, text: &str) {
    if is_plain(text, |byte| matches!(byte, b'&' | b'<' | b'>' | b'"' | b'\'') | !matches!(byte, b' '..0x7f))
    {
        out.push_str(text);
        return;
    }
    let mut from = 0;
    for (at, character) in text.char_indices() {
        let escaped = match character {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            '"' => "&quot;",
            '\'' => "&#39;",
            // A parser would turn it into a line feed.
            '\r' => "&#13;",
            '\n' | '\t' => continue,
            // XML 1.0, 2.2: these can't stand in a document, not even as references.
            '\0'..='\u{1f}' | '\u{fffe}' | '\u{ffff}' => "\u{fffd}",
            // HTML reads some of these bytes, and references to them, as other characters.
            '\u{7f}'..='\u{9f}' => "\u{fffd}",
            _ => continue,
        };
        out.push_str(&text[from..at]);
        out.push_str(escaped);
        from = at + character.len_utf8();
    }
    out.push_str(&text[from..]);
}

/// Whether no byte is special, as in most texts. Without a branch: many bytes are looked at in one instruction.
fn is_plain(text: &str, is_special: impl Fn(u8) -> bool) -> bool {
    text.bytes().fold(true, |is_plain, byte| is_plain & !is_special(byte))
}

/// Appends `<name>text</name>`.
pub(super) fn push_element(out: &mut String, name: &str, text: &str) {
    out.push('<');
    out.push_str(name);
    out.push('>');
    push_text(out, text);
    out.push_str("</");
    out.push_str(name);
    out.push('>');
}

/// Appends a JSON string with its quotes.
pub(super) fn push_string(out: &mut String, text: &str) {
    out.push('"');
    push_string_content(out, text);
    out.push('"');
}

/// Appends what stands between the quotes of a JSON string.
pub(super) fn push_string_content(out: &mut String, text: &str) {
    // All of them are ASCII, which no other character has among its bytes.
    let is_escaped = |byte| matches!(byte, b'"' | b'\\') | (byte < b' ');
    if is_plain(text, is_escaped) {
        out.push_str(text);
        return;
    }
    let mut from = 0;
    for (at, byte) in text.bytes().enumerate() {
        if !is_escaped(byte) {
            continue;
        }
        out.push_str(&text[from..at]);
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\t' => out.push_str("\\t"),
            _ => write!(out, "\\u{byte:04x}").expect("a string takes everything"),
        }
        from = at + 1;
    }
    out.push_str(&text[from..]);
}

/// Appends `"name":"text"`.
pub(super) fn push_member(out: &mut String, name: &str, text: &str) {
    push_string(out, name);
    out.push(':');
    push_string(out, text);
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every character, the surrogates apart.
    fn all_characters() -> impl Iterator<Item = char> {
        '\0'..=char::MAX
    }

    #[test]
    fn a_string_is_read_back_by_a_json_parser() {
        let text: String = all_characters().collect();
        let mut out = String::new();
        push_string(&mut out, &text);
        assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
    }

    #[test]
    fn text_is_read_back_by_an_xml_parser() {
        let text: String = all_characters().collect();
        let mut out = String::new();
        push_text(&mut out, &text);
        for byte in [b'<', b'>', b'"', b'\'', b'\0', b'\r', 0x1b, 0x7f] {
            assert!(!out.as_bytes().contains(&byte), "{byte}: T12");
        }
        let back = quick_xml::escape::unescape(&out).unwrap();
        for (before, after) in text.chars().zip(back.chars()) {
            let refused =
                before.is_control() && !"\t\n\r".contains(before) || "\u{fffe}\u{ffff}".contains(before);
            assert_eq!(after, if refused { '\u{fffd}' } else { before }, "{before:?}");
        }
        assert_eq!(text.chars().count(), back.chars().count());
    }
}
