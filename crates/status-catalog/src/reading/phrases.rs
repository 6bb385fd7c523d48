//! The registered reason phrases, to tell a column of phrases from a column of sentences.

/// Whether `text` is the phrase of `code`, in any spelling: `NoContent`, `Request Time-out`, `internal Server Error`.
pub(crate) fn is_phrase_of(text: &str, code: u16) -> bool {
    spelled_phrase(text, code).is_some()
}

/// The phrase or older name of `code` that `text` is, as the registry spells it.
pub(crate) fn spelled_phrase(text: &str, code: u16) -> Option<&'static str> {
    let is_same =
        |(known, phrase): &&(u16, &'static str)| *known == code && letters(phrase).eq(letters(text));
    PHRASES.iter().find(is_same).map(|(_, phrase)| *phrase)
}

/// Whether `text` begins with the phrase of `code` and goes on with something else: `Bad Request -- Try again.`
pub(super) fn begins_with_phrase_of(text: &str, code: u16) -> bool {
    let begins = |(known, phrase): &(u16, &str)| {
        let mut own = letters(text);
        *known == code && letters(phrase).all(|letter| own.next() == Some(letter))
    };
    let separators = [" - ", " -- ", " – ", " — ", ": ", "：", ". ", "。", "; ", ", ", " (", "（", "\n"];
    PHRASES.iter().any(begins)
        && separators
            .iter()
            .filter_map(|separator| text.split_once(separator))
            .any(|(first, _)| is_phrase_of(first, code))
}

/// The phrase of a code in the registry.
pub(crate) fn phrase_of(code: u16) -> Option<&'static str> {
    PHRASES.iter().find(|(known, _)| *known == code).map(|(_, phrase)| *phrase)
}

pub(super) fn is_registered(code: u16) -> bool {
    PHRASES.iter().any(|(known, _)| *known == code)
}

/// What spellings of a phrase have in common.
fn letters(text: &str) -> impl Iterator<Item = u8> {
    text.bytes().filter(u8::is_ascii_alphanumeric).map(|letter| letter.to_ascii_lowercase())
}

/// The registry of RFC 9110 and its older names, as documents use them.
const PHRASES: [(u16, &str); 82] = [
    (100, "Continue"),
    (101, "Switching Protocols"),
    (102, "Processing"),
    (103, "Early Hints"),
    (200, "OK"),
    (201, "Created"),
    (202, "Accepted"),
    (203, "Non-Authoritative Information"),
    (204, "No Content"),
    (205, "Reset Content"),
    (206, "Partial Content"),
    (207, "Multi-Status"),
    (208, "Already Reported"),
    (226, "IM Used"),
    (300, "Multiple Choices"),
    (301, "Moved Permanently"),
    (302, "Found"),
    (302, "Moved Temporarily"),
    (303, "See Other"),
    (304, "Not Modified"),
    (305, "Use Proxy"),
    (306, "Unused"),
    (306, "Switch Proxy"),
    (307, "Temporary Redirect"),
    (308, "Permanent Redirect"),
    (400, "Bad Request"),
    (401, "Unauthorized"),
    (401, "Authentication Failed"),
    (402, "Payment Required"),
    (403, "Forbidden"),
    (404, "Not Found"),
    (405, "Method Not Allowed"),
    (406, "Not Acceptable"),
    (407, "Proxy Authentication Required"),
    (408, "Request Timeout"),
    (408, "Server Timeout"),
    (409, "Conflict"),
    (410, "Gone"),
    (411, "Length Required"),
    (412, "Precondition Failed"),
    (413, "Content Too Large"),
    (413, "Payload Too Large"),
    (413, "Request Entity Too Large"),
    (414, "URI Too Long"),
    (414, "Request-URI Too Large"),
    (415, "Unsupported Media Type"),
    (416, "Range Not Satisfiable"),
    (416, "Requested Range Not Satisfiable"),
    (417, "Expectation Failed"),
    (418, "I'm a teapot"),
    (421, "Misdirected Request"),
    (422, "Unprocessable Content"),
    (422, "Unprocessable Entity"),
    (422, "Too Many Connections"),
    (423, "Locked"),
    (424, "Failed Dependency"),
    (425, "Too Early"),
    (425, "Unordered Collection"),
    (426, "Upgrade Required"),
    (428, "Precondition Required"),
    (429, "Too Many Requests"),
    (431, "Request Header Fields Too Large"),
    (440, "Login Timeout"),
    (441, "Authentication Error"),
    (444, "No Response"),
    (449, "Retry With"),
    (451, "Unavailable For Legal Reasons"),
    (499, "Client Closed Request"),
    (500, "Internal Server Error"),
    (500, "Internal Error"),
    (501, "Not Implemented"),
    (502, "Bad Gateway"),
    (503, "Service Unavailable"),
    (503, "Server Unavailable"),
    (504, "Gateway Timeout"),
    (504, "Server Timeout"),
    (505, "HTTP Version Not Supported"),
    (506, "Variant Also Negotiates"),
    (507, "Insufficient Storage"),
    (508, "Loop Detected"),
    (509, "Bandwidth Limit Exceeded"),
    (511, "Network Authentication Required"),
];
