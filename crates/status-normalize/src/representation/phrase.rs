//! Reason phrases of the IANA registry.

use http::StatusCode;

/// The phrase that IANA's registry has for a status, which bodies have as their title. `None` for one that is unassigned or
/// reserved unused.
///
/// [`StatusCode::canonical_reason`] has older names for some: `Payload Too Large`, `Unprocessable Entity`.
pub fn reason_phrase(status: StatusCode) -> Option<&'static str> {
    match status.as_u16() {
        // RFC 9110 renamed two, `http` spells one without its hyphen; 418 is reserved so that nobody uses it.
        203 => Some("Non-Authoritative Information"),
        413 => Some("Content Too Large"),
        422 => Some("Unprocessable Content"),
        418 => None,
        _ => status.canonical_reason(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phrases_are_those_of_the_registry() {
        let cases = [
            (203, Some("Non-Authoritative Information")),
            (404, Some("Not Found")),
            (413, Some("Content Too Large")),
            (418, None),
            (421, Some("Misdirected Request")),
            (422, Some("Unprocessable Content")),
            (451, Some("Unavailable For Legal Reasons")),
            (499, None),
            (505, Some("HTTP Version Not Supported")),
            (599, None),
            (999, None),
        ];
        for (code, expected) in cases {
            assert_eq!(reason_phrase(StatusCode::from_u16(code).unwrap()), expected, "{code}");
        }
    }
}
