//! One format, one body, whatever `Accept` says; T43 to T45.

use crate::support::{
    backend::{Backend, page},
    catalogs::catalog,
    client::Answer,
    proxy::Proxy,
    trials,
};

trials![
    a_browser_gets_a_page,
    accept_decides_by_quality_and_specificity,
    accept_lines_are_joined,
    every_representation_is_what_it_says,
    languages_fall_back_to_the_catalogs_own,
    nothing_else_of_the_request_plays_a_part,
    odd_accept_values_never_leave_the_client_without_an_answer,
];

const PROBLEM_JSON: &str = "application/problem+json";

fn proxy() -> (Backend, Proxy) {
    let backend = Backend::says(page(404));
    let proxy = Proxy::start(&backend.url());
    (backend, proxy)
}

/// The essence of the media type.
fn kind(answer: &Answer) -> String {
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.field("content-length"), answer.body.len().to_string());
    assert!(!answer.body.is_empty());
    assert!(answer.tokens("vary").contains(&"accept".to_owned()));
    answer.field("content-type").split(';').next().unwrap().to_owned()
}

// T43
fn accept_decides_by_quality_and_specificity() {
    let (_backend, proxy) = proxy();
    let mut client = proxy.client();
    for (accept, expected) in [
        ("*/*", PROBLEM_JSON),
        ("", PROBLEM_JSON),
        ("application/*", PROBLEM_JSON),
        (PROBLEM_JSON, PROBLEM_JSON),
        ("application/json", "application/json"),
        ("APPLICATION/JSON", "application/json"),
        ("application/json;charset=utf-8", "application/json"),
        ("application/problem+xml", "application/problem+xml"),
        ("application/xml", "application/xml"),
        ("text/html", "text/html"),
        ("text/plain", "text/plain"),
        ("text/*", "text/html"),
        ("text/plain, text/html", "text/html"),
        ("text/plain;q=0.9, text/html;q=0.8", "text/plain"),
        ("application/json;q=0.1, text/html;q=0.2, text/plain;q=0.3", "text/plain"),
        ("application/json, */*;q=0.1", "application/json"),
        ("*/*, application/problem+json;q=0", "application/json"),
        ("*/*;q=0.1, text/*;q=0.5, text/html;q=0", "text/plain"),
        ("application/*;q=0.5, application/xml", "application/xml"),
        ("application/json;q=0.500, text/html;q=0.5", "application/json"),
        ("application/json;q=0", PROBLEM_JSON),
        ("*/*;q=0", PROBLEM_JSON),
        ("image/png", PROBLEM_JSON),
        ("application/vnd.foo+json", PROBLEM_JSON),
    ] {
        let answer = client.ask("GET", "/", &[&format!("Accept: {accept}")]);
        assert_eq!(kind(&answer), expected, "Accept: {accept}");
    }
    assert_eq!(kind(&client.get("/")), PROBLEM_JSON, "no Accept at all");
}

// T43
fn accept_lines_are_joined() {
    let (_backend, proxy) = proxy();
    let answer = proxy.ask("GET", "/", &["Accept: text/html;q=0.2", "Accept: text/plain;q=0.4"]);
    assert_eq!(kind(&answer), "text/plain");
}

// T43
fn odd_accept_values_never_leave_the_client_without_an_answer() {
    let (_backend, proxy) = proxy();
    let long = format!("{}text/html", "x/y;q=0.1, ".repeat(9_000));
    for accept in [
        "/",
        "*",
        ";;;",
        "application",
        "text/",
        "/html",
        "text/html;q",
        "text/html;q=",
        "text/html;q=a",
        "text/html;q=2",
        "text/html;q=-1",
        "a/b;q=0.0001",
        ",,,",
        "\"",
        "text/html;x=\"",
        "*/html",
        "q=1",
        "\u{e4}\u{f6}/\u{fc}",
        long.as_str(),
    ] {
        let answer = proxy.ask("GET", "/", &[&format!("Accept: {accept}")]);
        let kind = kind(&answer);
        let known = ["problem+json", "problem+xml", "/json", "/xml", "/html", "/plain"];
        assert!(known.iter().any(|known| kind.ends_with(known)), "{kind} for {accept:.40}");
        if kind == PROBLEM_JSON {
            answer.json();
        }
    }
    for accept in ["/", ";;;", "application", "\"", "text/html;q=a"] {
        assert_eq!(
            kind(&proxy.ask("GET", "/", &[&format!("Accept: {accept}")])),
            PROBLEM_JSON,
            "unreadable: {accept}"
        );
    }
}

fn every_representation_is_what_it_says() {
    let (_backend, proxy) = proxy();
    let detail = catalog("sfs").description(404);
    let ask = |accept: &str| proxy.ask("GET", "/", &[&format!("Accept: {accept}")]);
    for accept in ["application/problem+xml", "application/xml"] {
        let text = ask(accept).text();
        assert!(text.starts_with("<?xml version=\"1.0\" encoding=\"UTF-8\"?>"), "{text}");
        for part in [
            "<problem xmlns=\"urn:ietf:rfc:7807\">",
            "<type>about:blank</type>",
            "<title>Not Found</title>",
            "<status>404</status>",
            &format!("<detail>{detail}</detail>"),
            "</problem>",
        ] {
            assert!(text.contains(part), "{part} in {text}");
        }
    }
    let answer = ask("text/html");
    assert_eq!(answer.field("content-type").to_ascii_lowercase().replace(' ', ""), "text/html;charset=utf-8");
    let page = answer.text();
    assert!(page.to_ascii_lowercase().starts_with("<!doctype html>"), "{page}");
    for part in ["<html lang=\"en\">", "<title>", "404", "Not Found", detail, "</html>"] {
        assert!(page.contains(part), "{part} in {page}");
    }
    let text = ask("text/plain").text();
    assert!(text.starts_with("404 Not Found\n"), "{text}");
    assert!(text.contains(detail), "{text}");
    for accept in [PROBLEM_JSON, "application/json", "application/xml", "text/html", "text/plain"] {
        assert_eq!(ask(accept).field("content-language"), "en", "{accept}");
    }
}

// T44: a catalog of one language has one answer, and `Vary` need not name what does not matter.
fn languages_fall_back_to_the_catalogs_own() {
    let (_backend, proxy) = proxy();
    for language in ["zh-CN, de;q=0.5, *;q=0.1", "x-unknown", "en;q=0", "", "de", "*", "en-GB", ";;"] {
        let answer = proxy.ask("GET", "/", &[&format!("Accept-Language: {language}")]);
        assert_eq!(kind(&answer), PROBLEM_JSON);
        assert_eq!(answer.field("content-language"), "en", "{language}");
        assert_eq!(answer.tokens("vary"), ["accept"]);
    }
}

// T45
fn a_browser_gets_a_page() {
    let (_backend, proxy) = proxy();
    for accept in [
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
        "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,\
         application/signed-exchange;v=b3;q=0.7",
    ] {
        assert_eq!(kind(&proxy.ask("GET", "/", &[&format!("Accept: {accept}")])), "text/html", "{accept}");
    }
}

// T45
fn nothing_else_of_the_request_plays_a_part() {
    let (_backend, proxy) = proxy();
    for line in [
        "Sec-Fetch-Dest: document",
        "Content-Type: text/html",
        "User-Agent: Mozilla/5.0",
        "X-Requested-With: XMLHttpRequest",
    ] {
        assert_eq!(kind(&proxy.ask("GET", "/", &[line])), PROBLEM_JSON, "{line}");
    }
}
