//! One catalog, several languages.

use crate::support::{
    backend::{Backend, page},
    proxy::{Proxy, run_to_end},
    scratch, trials,
};

trials![
    languages_are_told_by_the_names_of_files,
    pages_that_list_other_codes_are_refused,
    the_client_chooses_the_language
];

const ENGLISH: &str = "# Status codes\n\n## Abnormal\n\n| Status code | Description |\n|---|---|\n\
                       | 404 Not Found | There is no such pet. |\n| 500 Internal Server Error | The shop is closed. |\n";
const CHINESE: &str = "# 状态码\n\n## 异常\n\n| 状态码 | 说明 |\n|---|---|\n\
                       | 404 Not Found | 没有这样的宠物。 |\n| 500 Internal Server Error | 商店已关闭。 |\n";
const FRENCH: &str = "# Codes\n\n| Status code | Description |\n|---|---|\n\
                      | 404 Not Found | Cet animal n'existe pas. |\n| 500 Internal Server Error | La boutique est fermée. |\n";

/// Writes pages, and gives the paths of their files.
fn written(pages: &[(&str, &str)]) -> Vec<String> {
    let folder = scratch("languages");
    let write = |(name, text): &(&str, &str)| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    pages.iter().map(write).collect()
}

fn the_client_chooses_the_language() {
    let backend = Backend::says(page(404));
    let files = written(&[("status.en.md", ENGLISH), ("status.zh.md", CHINESE)]);
    let by_flags =
        Proxy::run(&["--upstream", &backend.url(), "--catalog", &files[0], "--catalog", &files[1]]);
    let by_file = Proxy::configured(&format!("upstream = '{}'\ncatalog = {files:?}\n", backend.url()));
    let (english, chinese) = ("There is no such pet.", "没有这样的宠物。");
    for proxy in [by_flags, by_file] {
        let mut client = proxy.client();
        for (lines, language, detail) in [
            (&[][..], "en", english),
            (&["Accept-Language: zh"], "zh", chinese),
            (&["Accept-Language: zh-CN,zh;q=0.9,en;q=0.8"], "zh", chinese),
            (&["Accept-Language: en-GB, zh;q=0.5"], "en", english),
            (&["Accept-Language: fr"], "en", english),
            (&["Accept-Language: fr, *;q=0.1, en;q=0"], "zh", chinese),
        ] {
            let answer = client.ask("GET", "/", lines);
            assert_eq!(answer.json()["detail"], detail, "{lines:?}");
            assert_eq!(answer.field("content-language"), language, "{lines:?}");
            assert_eq!(answer.tokens("vary"), ["accept", "accept-language"], "{lines:?}");
        }
        let answer = client.ask("GET", "/", &["Accept-Language: zh", "Accept: text/html"]);
        assert!(
            answer.text().contains(chinese) && answer.text().contains("lang=\"zh\""),
            "{}",
            answer.text()
        );
        proxy.wait_for("status_normalize_responses_total", &[("catalog", "status"), ("status", "404")], 7.0);
        let catalogs = proxy.admin("/api/catalogs").json();
        assert_eq!(catalogs[0]["languages"], serde_json::json!(["en", "zh"]), "{catalogs}");
    }
}

fn languages_are_told_by_the_names_of_files() {
    let backend = Backend::says(page(500));
    let files = written(&[("status.fr.md", FRENCH), ("status.en.md", ENGLISH)]);
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", &files[0], "--catalog", &files[1]]);
    for (accepted, language, detail) in [
        ("fr-CA", "fr", "La boutique est fermée."),
        ("de", "fr", "La boutique est fermée."),
        ("en", "en", "The shop is closed."),
    ] {
        let answer = proxy.ask("GET", "/", &[&format!("Accept-Language: {accepted}")]);
        assert_eq!(
            (answer.field("content-language"), &answer.json()["detail"]),
            (language.into(), &detail.into())
        );
    }
}

fn pages_that_list_other_codes_are_refused() {
    let shorter = ENGLISH.replace("404 Not Found", "403 Forbidden");
    let api = "openapi: 3.0.0\ninfo: { title: T, version: '1' }\npaths: { /: { get: { responses: { 200: { description: Fine. } } } } }\n";
    for (pages, expected) in [
        (
            [("status.en.md", ENGLISH), ("status.fr.md", &*shorter)],
            "does not list the same codes as {0}: it lacks 404 and only it has 403",
        ),
        (
            [("one.md", ENGLISH), ("two.md", ENGLISH)],
            "both catalogs are in language `en`: a catalog has each language once",
        ),
        (
            [("status.en.md", ENGLISH), ("status.fr.yaml", api)],
            "is an OpenAPI description, which stands alone",
        ),
    ] {
        let files = written(&pages);
        let flags =
            ["run", "--upstream", "http://127.0.0.1:9", "--catalog", &files[0], "--catalog", &files[1]];
        let output = run_to_end(&flags);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        let told = String::from_utf8(output.stderr).unwrap();
        assert!(told.contains(&expected.replace("{0}", &files[0])), "{told}");
    }
}
