//! The methods that a description binds an entry to.

use std::sync::Arc;

const METHODS: [&str; 8] = ["CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"];

/// A sentence binds its entry if it calls the answer the usual one for a list of methods: "Specifies the normal
/// response code for the GET and PUT operations", "DELETE操作正常返回。". A method that is merely
/// mentioned ("in response to an HTTP OPTIONS request") binds nothing.
pub(super) fn named_in(description: &str) -> Vec<Arc<str>> {
    let mut methods: Vec<Arc<str>> = Vec::new();
    let ends = |end: char| matches!(end, '.' | '。' | '\n' | ';' | '；');
    for sentence in
        description.split(ends).filter(|sentence| is_usual(sentence) && is_about_requests(sentence))
    {
        let words = sentence.split(|end: char| !end.is_ascii_alphabetic());
        for word in words.filter(|word| METHODS.contains(word)) {
            if !methods.iter().any(|known| &**known == word) {
                methods.push(word.into());
            }
        }
    }
    methods
}

fn is_usual(sentence: &str) -> bool {
    let lower = sentence.to_lowercase();
    ["normal", "expected", "success", "succeed", "正常", "成功"].iter().any(|word| lower.contains(word))
}

fn is_about_requests(sentence: &str) -> bool {
    ["operation", "request", "method", "操作", "请求", "方法"].iter().any(|word| sentence.contains(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_are_read_from_the_text() {
        let cases: [(&str, &[&str]); 8] = [
            ("Specifies the normal response code for the GET and PUT operations.", &["GET", "PUT"]),
            ("The results of the POST operation are returned as expected.", &["POST"]),
            ("Normal response to DELETE requests.", &["DELETE"]),
            ("GET操作正常返回\nPOST操作有返回体时正常返回", &["GET", "POST"]),
            (
                "The results of GET, PATCH, and PUT operations are returned normally.",
                &["GET", "PATCH", "PUT"],
            ),
            ("The status code is returned in response to an HTTP OPTIONS request.", &[]),
            ("You are not allowed to use the method specified in the request.", &[]),
            ("Request succeeded.", &[]),
        ];
        for (text, expected) in cases {
            assert_eq!(
                named_in(text).iter().map(|method| &**method).collect::<Vec<_>>(),
                expected,
                "{text:?}"
            );
        }
    }
}
