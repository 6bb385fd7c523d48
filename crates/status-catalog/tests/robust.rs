//! Whatever the bytes: a catalog, a report or an error with its place, never a panic, and in bounded time.

use status_catalog::{Catalog, Format, Importer};

const SOURCES: [(&str, &str); 9] = [
    ("vpn.rst", include_str!("../documents/vpn.rst")),
    ("dns.md", include_str!("../documents/dns.md")),
    ("hiker.rst", include_str!("documents/hiker.rst")),
    ("domain-name-service.rst", include_str!("documents/domain-name-service.rst")),
    ("ims.zh.md", include_str!("documents/ims.zh.md")),
    ("rts.md", include_str!("documents/rts.md")),
    (
        "spans.rst",
        "T\n=\n\n+---+-------+\n| a | b     |\n|   +---+---+\n|   | 1 | 2 |\n+---+---+---+\n\n=== ===\na   b\n=== ===\n1   2\n-------\n=== ===\n\n.. csv-table::\n   :header: a,b\n\n   1,\"2\"\n",
    ),
    (
        "api.yaml",
        "openapi: 3.0.0\nservers: [{url: 'https://{h}/v', variables: {h: {default: x}}}]\npaths:\n  /a/{b}:\n    get: &g {responses: {200: {description: x}, 4XX: {$ref: '#/r/%41~0'}, default: {}}}\n    put: *g\nr: {A~: {description: y}}\n",
    ),
    (
        "catalog.toml",
        "name='x'\ntitle='y'\nlanguages=['en','zh']\n[[entries]]\ncode='4XX'\nclass='normal'\ndescription='d'\ntexts={zh={description='e'}}\n",
    ),
];

/// Numbers that look random and are the same on every run.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap_or(0) % end.max(1)
    }
}

/// Pieces that mean something to one of the parsers.
const PIECES: [&str; 34] = [
    "\n",
    "\n\n",
    " ",
    "    ",
    "|",
    "+",
    "-",
    "=",
    "`",
    "``",
    "*",
    "**",
    ":",
    "..",
    ".. table::\n\n",
    "\\",
    "<table>",
    "</table>",
    "<td rowspan=9>",
    "<tr>",
    "&",
    "名",
    "\u{301}",
    "\t",
    "400",
    "4XX",
    "- ",
    "1. ",
    "$ref",
    "{",
    "]",
    "\"",
    "#",
    "\0",
];

fn mutated(text: &str, random: &mut Random) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=random.below(6) {
        let at = random.below(characters.len());
        let end = (at + random.below(40)).min(characters.len());
        match random.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => characters.truncate(end),
            2 => {
                let copied: Vec<char> = characters[at..end].to_vec();
                let to = random.below(characters.len());
                characters.splice(to..to, copied);
            }
            _ => drop(characters.splice(at..at, PIECES[random.below(PIECES.len())].chars())),
        }
    }
    characters.into_iter().collect()
}

#[test]
fn mutated_documents_never_panic() {
    let mut random = Random(1);
    for round in 0..300 {
        for (name, text) in SOURCES {
            let text = mutated(text, &mut random);
            // Each text to the parser it is for and, now and then, to another one.
            let formats = [Format::Html, Format::Markdown, Format::OpenApi, Format::Rst, Format::Toml];
            let importer = match round % 4 {
                0 => Importer::new().format(formats[random.below(formats.len())]),
                _ => Importer::new(),
            };
            match importer.import_text(name, &text) {
                Ok(import) => {
                    let _ = (import.to_json(), import.report().to_string(), import.check());
                    if let Some(catalog) = import.catalog() {
                        check(catalog);
                    }
                    for operation in import.operations() {
                        check(operation.catalog());
                    }
                }
                Err(error) => {
                    assert!(error.line() > 0 && error.column() > 0, "{error}");
                    assert!(!error.picture(true).is_empty());
                }
            }
        }
    }
}

/// What holds for every catalog.
fn check(catalog: &Catalog) {
    for entry in catalog.entries() {
        let (first, last) = entry.codes();
        assert!((100..=999).contains(&first) && first <= last, "{first}-{last}");
        assert_eq!(entry.texts().len(), catalog.languages().len());
        assert!(catalog.documented(first).is_some());
    }
    let mut codes: Vec<(u16, u16)> = catalog.entries().iter().map(status_catalog::Entry::codes).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), catalog.entries().len(), "a code has one entry");
    let again = Importer::new()
        .import_text("catalog.toml", &catalog.to_toml())
        .map(status_catalog::Import::into_catalog);
    assert_eq!(again.expect("our own TOML").as_ref(), Some(catalog));
}

#[test]
fn deep_and_wide_documents_are_read_or_refused() {
    let deep_list = "- ".repeat(5_000) + "x\n";
    let deep_quote = (0..1_000).map(|depth| " ".repeat(depth) + "x\n\n").collect::<String>();
    let deep_html = "<div>".repeat(2_000) + "<table><tr><td>200</td><td>OK</td></tr></table>";
    let nested_tables = "<table><tr><td>".repeat(500) + "200" + &"</td></tr></table>".repeat(500);
    let wide_spans = "<table><tr>".to_owned()
        + &"<td rowspan=99999 colspan=99999>x</td>".repeat(200)
        + &"<tr>".repeat(5_000)
        + "</table>";
    let long_spans = format!(
        "<table><tr><td rowspan=999 colspan=999>{}</td>{}",
        "x".repeat(1_000_000),
        "<tr>".repeat(5_000)
    );
    let stars = "**a ".repeat(5_000) + "\n";
    let quotes = "`a ".repeat(5_000) + "\n";
    for (name, text) in [
        ("list.rst", &deep_list),
        ("list.md", &deep_list),
        ("quote.rst", &deep_quote),
        ("deep.html", &deep_html),
        ("deep.md", &deep_html),
        ("nested.md", &nested_tables),
        ("wide.html", &wide_spans),
        ("long.html", &long_spans),
        ("stars.rst", &stars),
        ("quotes.rst", &quotes),
    ] {
        let started = std::time::SystemTime::now();
        let _ = Importer::new().import_text(name, text);
        let elapsed = started.elapsed().unwrap_or_default();
        assert!(elapsed.as_secs() < 30, "{name} took {elapsed:?}");
    }
}

#[test]
fn line_ends_marks_and_tabs_change_nothing() {
    let read = |name: &str, text: &str| {
        let import = Importer::new().import_text(name, text).expect(name);
        import.into_catalog().map(|catalog| catalog.to_json())
    };
    for (name, text) in SOURCES.iter().filter(|(name, _)| !name.ends_with(".yaml")) {
        let plain = read(name, text);
        assert!(plain.is_some() || *name == "spans.rst", "{name}");
        assert_eq!(read(name, &text.replace('\n', "\r\n")), plain, "{name} with CRLF");
        assert_eq!(read(name, &format!("\u{feff}{text}")), plain, "{name} with a byte order mark");
    }
    let tabs = "Status codes\n============\n\n.. table::\n\n\t====\t===\n\tCode\tText\n\t====\t===\n\t404\tGone\n\t====\t===\n";
    let spaces = tabs.replace("\n\t", "\n        ").replace('\t', "    ");
    assert_eq!(read("tabs.rst", tabs), read("tabs.rst", &spaces.replace("404    ", "404     ")));
    assert!(read("tabs.rst", tabs).is_some());
}

#[test]
fn long_pages_take_no_longer_per_line() {
    let tables = "| Status Code | Description |\n|---|---|\n| 200 | Good. |\n\n".repeat(10_000);
    let lost = "- x\n| Status Code | Description | c |\n|--|--|\n| 200 | Good. | d |\n\n".repeat(10_000);
    let open = "<table><tr><td>\n\n".repeat(5_000);
    let row = |number| format!("| 400 | E.{number} | Cause {number}. |\n");
    let causes = "| Status Code | Error Code | Description |\n|---|---|---|\n".to_owned()
        + &(0..50_000).map(row).collect::<String>();
    let references = "a_/".repeat(50_000);
    for (name, text) in [
        ("tables.md", &tables),
        ("lost.md", &lost),
        ("open.md", &open),
        ("causes.md", &causes),
        ("references.rst", &references),
    ] {
        let started = std::time::SystemTime::now();
        let _ = Importer::new().import_text(name, text);
        let elapsed = started.elapsed().unwrap_or_default();
        assert!(elapsed.as_secs() < 20, "{name} took {elapsed:?}");
    }
}
