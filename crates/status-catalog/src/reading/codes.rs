//! What a cell of the status column says.

/// Codes, first and last inclusive, and the phrase beside them.
#[derive(Debug, Eq, PartialEq)]
pub(super) struct Status {
    pub(super) codes: Vec<(u16, u16)>,
    pub(super) phrase: Option<String>,
}

/// Reads `400`, `400 Bad Request`, `401Unauthorized`, `400/404/500`, `500-511`, `4xx`, `50x`, `HTTP/1.1 200 OK`.
pub(super) fn parse(cell: &str) -> Option<Status> {
    let is_quote = |edge| matches!(edge, '"' | '\'' | '`' | '[' | '(' | '（');
    let cell = cell.trim_matches(|edge: char| edge.is_whitespace() || is_quote(edge));
    // Pictures before the code say nothing: `✅ 200`.
    let cell = strip_protocol(
        cell.trim_start_matches(|edge: char| !edge.is_alphanumeric() && (edge == ' ' || !edge.is_ascii())),
    );
    let (first, mut rest) = code(cell)?;
    let mut codes = vec![first];
    while rest.bytes().any(|byte| byte.is_ascii_digit()) {
        let (separator, after) = separator(rest);
        let Some((next, after)) = code(after) else { break };
        match separator {
            Separator::List => codes.push(next),
            Separator::None => return None,
            Separator::Range => {
                let last = codes.last_mut().expect("begins with one code");
                if next.0 <= last.1 || last.0 != last.1 {
                    return None;
                }
                last.1 = next.1;
            }
        }
        rest = after;
    }
    let phrase = rest.trim_matches(|edge: char| edge.is_whitespace() || is_mark(edge));
    // A number or an operator after the code shows that it was none: `200 000`, `100 %`, `500*1024`.
    if phrase.chars().next().is_some_and(|first| !first.is_alphabetic()) {
        return None;
    }
    let phrase = phrase.split_whitespace().collect::<Vec<_>>().join(" ");
    Some(Status { codes, phrase: (!phrase.is_empty()).then_some(phrase) })
}

/// What may stand between a code and its phrase, and around both.
fn is_mark(edge: char) -> bool {
    matches!(edge, ':' | '-' | '_' | ',' | '.' | ';' | '(' | ')' | '[' | ']' | '"' | '\'' | '`' | '/' | '|')
        || matches!(edge, '：' | '–' | '—' | '，' | '。' | '；' | '（' | '）')
}

/// Whether a cell says that there is no code here.
pub(super) fn is_none(cell: &str) -> bool {
    let cell = cell.trim();
    cell.is_empty()
        || cell.chars().all(|character| "-–—/".contains(character))
        || ["n/a", "na", "none", "null", "nil", "无", "不涉及"]
            .iter()
            .any(|none| cell.eq_ignore_ascii_case(none))
}

fn strip_protocol(cell: &str) -> &str {
    let Some(rest) = cell.get(..4).filter(|start| start.eq_ignore_ascii_case("http")).map(|_| &cell[4..])
    else {
        return cell;
    };
    let version = rest.strip_prefix('/').map_or(rest, |rest| {
        rest.trim_start_matches(|version: char| version.is_ascii_digit() || version == '.')
    });
    let rest = version.trim_start_matches([' ', ':', '-', '_', '\n']);
    ["status code", "status", "code"]
        .iter()
        .find_map(|word| {
            rest.get(..word.len())
                .filter(|start| start.eq_ignore_ascii_case(word))
                .map(|_| &rest[word.len()..])
        })
        .unwrap_or(rest)
        .trim_start_matches([' ', ':'])
}

fn code(text: &str) -> Option<((u16, u16), &str)> {
    let (digits, rest) = text.split_at_checked(3)?;
    let [hundreds @ b'1'..=b'5', tens, ones] = *digits.as_bytes() else { return None };
    let hundred = u16::from(hundreds - b'0') * 100;
    if rest.starts_with(|next: char| next.is_ascii_digit()) {
        return None;
    }
    match (tens, ones) {
        (b'0'..=b'9', b'0'..=b'9') => {
            let code = hundred + u16::from(tens - b'0') * 10 + u16::from(ones - b'0');
            Some(((code, code), rest))
        }
        (b'x' | b'X' | b'*', b'x' | b'X' | b'*') => Some(((hundred, hundred + 99), rest)),
        (b'0'..=b'9', b'x' | b'X') => {
            let ten = hundred + u16::from(tens - b'0') * 10;
            Some(((ten, ten + 9), rest))
        }
        _ => None,
    }
}

enum Separator {
    List,
    None,
    Range,
}

fn separator(text: &str) -> (Separator, &str) {
    let trimmed = text.trim_start();
    for mark in ["/", ",", "，", "、", ";", "；", "|", "or ", "and ", "和", "或"] {
        if let Some(rest) = trimmed.strip_prefix(mark) {
            return (Separator::List, rest.trim_start());
        }
    }
    for mark in ["-", "–", "—", "~", "～", "to ", "至", "到"] {
        if let Some(rest) = trimmed.strip_prefix(mark) {
            return (Separator::Range, rest.trim_start());
        }
    }
    if text.starts_with('\n') {
        return (Separator::List, trimmed);
    }
    (Separator::None, trimmed)
}

#[cfg(test)]
mod tests {
    use super::*;

    type Case = (&'static str, &'static [(u16, u16)], Option<&'static str>);

    #[test]
    fn spellings_of_a_status() {
        let cases: [Case; 18] = [
            ("400", &[(400, 400)], None),
            ("400 Bad Request", &[(400, 400)], Some("Bad Request")),
            ("401Unauthorized", &[(401, 401)], Some("Unauthorized")),
            ("400/404/500", &[(400, 400), (404, 404), (500, 500)], None),
            ("400, 404", &[(400, 400), (404, 404)], None),
            ("500-511", &[(500, 511)], None),
            ("4xx", &[(400, 499)], None),
            ("5XX Server Error", &[(500, 599)], Some("Server Error")),
            ("500 internal Server Error", &[(500, 500)], Some("internal Server Error")),
            ("HTTP/1.1 200 OK", &[(200, 200)], Some("OK")),
            ("HTTP 404", &[(404, 404)], None),
            ("404: Not Found", &[(404, 404)], Some("Not Found")),
            ("404（资源不存在）", &[(404, 404)], Some("资源不存在")),
            ("200\nOK", &[(200, 200)], Some("OK")),
            ("430", &[(430, 430)], None),
            ("400\n404", &[(400, 400), (404, 404)], None),
            ("50X - Internal Server Error", &[(500, 509)], Some("Internal Server Error")),
            ("✅ 201", &[(201, 201)], None),
        ];
        for (cell, codes, phrase) in cases {
            let expected = Status { codes: codes.to_vec(), phrase: phrase.map(str::to_owned) };
            assert_eq!(parse(cell), Some(expected), "{cell:?}");
        }
    }

    #[test]
    fn not_a_status() {
        for cell in [
            "",
            "-",
            "NA",
            "10000001",
            "500409",
            "KMS.0101",
            "852",
            "86",
            "200 000",
            "Bad Request",
            "4",
            "1.200",
        ] {
            assert_eq!(parse(cell), None, "{cell:?}");
        }
    }
}
