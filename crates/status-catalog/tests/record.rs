//! What a catalog becomes: TOML and back, JSON, Markdown and back, several languages, diff, lint.

use status_catalog::{BUILTIN, Catalog, Import, Importer, Operation, Rule, TableStyle};

fn import(file: &str, text: &str) -> Catalog {
    Importer::new().import_text(file, text).expect(text).into_catalog().expect(text)
}

fn chinese() -> Catalog {
    import("page.zh.md", include_str!("documents/ims.zh.md"))
}

#[test]
fn toml_round_trips() {
    let both = Catalog::builtin("sfs").expect("sfs").with_languages_of(&chinese()).expect("two languages");
    let ranges = import(
        "ranges.md",
        "# Codes\n\n| Status Code | Description |\n|---|---|\n| 4XX | \"a\" \\\\ b |\n| 500-511 | c<br>d |\n",
    );
    let builtins = BUILTIN.iter().map(|name| Catalog::builtin(name).expect(name).as_ref().clone());
    for catalog in builtins.chain([both, ranges, chinese()]) {
        let toml = catalog.to_toml();
        assert_eq!(import("catalog.toml", &toml), catalog, "{toml}");
    }
}

#[test]
fn markdown_round_trips() {
    for name in BUILTIN {
        let catalog = Catalog::builtin(name).expect(name);
        let page = catalog.to_markdown();
        let again = import(&format!("{name}.md"), &page);
        assert_eq!(again.title(), catalog.title());
        assert_eq!(again.entries(), catalog.entries(), "{page}");
    }
}

#[test]
fn toml_keys_are_those_of_the_schema() {
    let schema: serde_json::Value = serde_json::from_str(Catalog::TOML_SCHEMA).expect("the schema is JSON");
    let both = Catalog::builtin("ecs").expect("ecs").with_languages_of(&chinese()).expect("two languages");
    let toml: toml::Table = both.to_toml().parse().expect("TOML");
    let keys = |schema: &serde_json::Value| -> Vec<String> {
        schema["properties"].as_object().expect("properties").keys().cloned().collect()
    };
    let all_in = |table: &toml::Value, schema: &serde_json::Value| {
        for key in table.as_table().expect("a table").keys() {
            assert!(keys(schema).contains(key), "{key}");
        }
    };
    let (envelope, entry) = (&schema["$defs"]["envelope"], &schema["$defs"]["entries"]["items"]);
    for toml in [toml, pets().to_toml().parse().expect("TOML")] {
        all_in(&toml::Value::Table(toml.clone()), &schema);
        all_in(&toml["envelope"], envelope);
        let entries = |table: &toml::Table| table.get("entries").and_then(toml::Value::as_array).cloned();
        let operations = toml.get("operations").and_then(toml::Value::as_array).cloned().unwrap_or_default();
        for operation in &operations {
            all_in(operation, &schema["properties"]["operations"]["items"]);
        }
        let tables = operations.iter().filter_map(toml::Value::as_table).chain([&toml]);
        for found in tables.flat_map(|table| entries(table).unwrap_or_default()) {
            all_in(&found, entry);
        }
    }
}

fn pets() -> Import {
    Importer::new().name("pets").import_text("pets.yaml", PETS).expect(PETS)
}

const PETS: &str = "\
openapi: 3.0.0
info: {title: Pets}
servers: [{url: 'https://pets.example/v2'}]
paths:
  /pets:
    get: {responses: {200: {description: All pets., content: {application/json: {}}}, default: {description: No.}}}
    put: {responses: {4XX: {description: \"a \\\"b\\\"\\nc\", content: {a/json: {schema: {properties: {code: {}, message: {}}}}}}}}
  /pets/{id}:
    servers: [{url: /admin}, {url: /}]
    get: &get {responses: {409: {description: x, content: {a/json: {schema: {properties: {errCode: {}, errMsg: {}}}}}}}}
    delete: *get
    post: {responses: {409: {description: x, content: {a/json: {schema: {properties: {code: {}, message: {}}}}}}}}
  '': {additionalOperations: {M-SEARCH: {responses: {200: {description: Found.}}}}}
";

#[test]
fn operations_round_trip_as_toml() {
    let pets = pets();
    let toml = pets.to_toml();
    let again = Importer::new().import_text("api.toml", &toml).expect(&toml);
    assert_eq!(again.operations(), pets.operations(), "{toml}");
    assert_eq!(again.operations().len(), 6);
    assert_eq!(again.unmatched(), pets.unmatched());
    assert_eq!(again.to_toml(), toml);
    assert_eq!(toml.matches("pets.example").count(), 1, "{toml}");
    let renamed = Importer::new().name("other").import_text("api.toml", &toml).expect(&toml);
    assert!(renamed.operations().iter().all(|operation| operation.catalog().name() == "other"));
    let nothing =
        Importer::new().import_text("api.yaml", "openapi: 3.0.0\npaths: {}\n").expect("a description");
    let again = Importer::new().import_text("api.toml", &nothing.to_toml()).expect("TOML");
    assert!(again.is_empty() && again.unmatched().is_some());
}

#[test]
fn toml_of_operations_may_promise_something_for_other_requests() {
    let toml = "name = 'a'\ntitle = 'A'\nlanguages = ['en']\n\
        [[entries]]\ncode = 404\nclass = 'abnormal'\ndescription = 'No such path.'\n\
        [[operations]]\nmethod = 'GET'\npath = '/x'\n[[operations.entries]]\ncode = 200\nclass = 'normal'\ndescription = ''\n";
    let import = Importer::new().import_text("a.toml", toml).expect(toml);
    let unmatched = import.unmatched().expect("operations");
    assert_eq!(unmatched.documented(404).map(|found| found.entry.description()), Some("No such path."));
    let operation = &import.operations()[0];
    assert!(operation.catalog().documented(404).is_none() && operation.catalog().documented(200).is_some());
    assert_eq!(operation.templates().collect::<Vec<_>>(), ["/x"]);
}

#[test]
fn what_is_wrong_with_toml_of_operations_has_its_place() {
    let head = "name = 'a'\ntitle = 'A'\nlanguages = ['en']\n";
    let operation = "[[operations]]\nmethod = 'GET'\npath = '/x'\n";
    let cases = [
        (format!("{head}hosts = ['a']\n"), 4, "`hosts` and `base_paths` are those of `operations`"),
        (format!("{head}base_paths = ['v2']\n{operation}"), 4, "a base path begins with a slash"),
        (format!("{head}{operation}{operation}"), 9, "GET /x is there twice"),
        (format!("{head}{operation}hosts = 1\n"), 7, "invalid type"),
        (format!("{head}[[operations]]\nmethod = 'G T'\npath = '/x'\n"), 5, "`G T` is no method"),
        (
            format!(
                "{head}{operation}[[operations.entries]]\ncode = 99\nclass = 'normal'\ndescription = ''\n"
            ),
            8,
            "three digits",
        ),
    ];
    for (text, line, message) in cases {
        let error = Importer::new().import_text("a.toml", &text).expect_err(&text);
        assert!(error.message().contains(message), "{text}{error}");
        assert_eq!(error.line(), line, "{text}{error}");
    }
}

#[test]
fn json_has_the_documented_form() {
    let json: serde_json::Value =
        serde_json::from_str(&Catalog::builtin("dns").expect("dns").to_json()).expect("JSON");
    assert_eq!((&json["name"], &json["title"]), (&"dns".into(), &"General Request Return Code".into()));
    assert_eq!(json["language"], "en");
    assert_eq!(json.as_object().expect("an object").len(), 4);
    let expected = serde_json::json!({
        "code": 200, "class": "normal", "reason": null, "description": "Request succeeded.", "methods": [],
    });
    assert_eq!(json["entries"][0], expected);
    assert_eq!(json["entries"].as_array().expect("entries").len(), 16);
}

#[test]
fn tables_are_plain_in_a_pipe_and_coloured_on_a_terminal() {
    let catalog = Catalog::builtin("sfs").expect("sfs");
    let plain = catalog.to_table(TableStyle::Plain);
    assert!(!plain.contains('\x1b'));
    let line = "200   normal    OK                             GET PUT  Specifies the normal response for the GET and PUT operations.";
    assert!(plain.lines().any(|found| found == line), "{plain}");
    let coloured = catalog.to_table(TableStyle::Coloured);
    assert!(coloured.contains("\x1b[32m200\x1b[0m") && coloured.contains("\x1b[31m404\x1b[0m"), "{coloured}");
    // Han characters are two columns wide.
    let wide = chinese().to_table(TableStyle::Plain);
    assert!(wide.lines().any(|found| found.starts_with("404   abnormal  Not Found ")), "{wide}");
}

#[test]
fn two_languages_make_one_catalog() {
    let english = Catalog::builtin("sfs").expect("sfs");
    let both = english.with_languages_of(&chinese()).expect("two languages");
    assert_eq!(both.languages().iter().map(|tag| &**tag).collect::<Vec<_>>(), ["en", "zh"]);
    let entry = both.documented(404).expect("404").entry;
    assert_eq!(
        entry.texts().iter().map(|text| &*text.description).collect::<Vec<_>>(),
        ["The requested page was not found.", "服务器无法找到被请求的页面。"]
    );
    assert_eq!(
        english.with_languages_of(&english).expect_err("the same language").to_string(),
        "both catalogs are in language `en`: a catalog has each language once"
    );
    let json: serde_json::Value = serde_json::from_str(&both.to_json()).expect("JSON");
    assert_eq!(json["languages"], serde_json::json!(["en", "zh"]));
    assert_eq!(json["entries"][0]["texts"][1]["language"], "zh");
}

#[test]
fn diff_puts_sentences_side_by_side() {
    let (sfs, vpn) = (Catalog::builtin("sfs").expect("sfs"), Catalog::builtin("vpn").expect("vpn"));
    let diff = sfs.diff(&vpn);
    assert_eq!(diff.rows().len(), 18);
    let only_left = diff.rows().iter().find(|row| row.right.is_none()).expect("202 is in sfs only");
    assert_eq!(only_left.left.expect("202").code(), 202);
    let table = diff.to_table(TableStyle::Plain);
    let of_502: Vec<&str> = table.lines().filter(|line| line.starts_with("502")).collect();
    assert!(
        of_502[0].ends_with("because the server receives an invalid response from an upstream server."),
        "{table}"
    );
    assert!(of_502[1].ends_with("because the request is invalid."), "{table}");
    // DOCUMENTS: six descriptions are equal, and their phrases and classes are, too.
    assert!(table.ends_with("6 of 18 codes are the same in sfs and vpn\n"), "{table}");
    assert!(sfs.diff(&sfs).is_empty());
}

#[test]
fn operations_are_held_against_each_other_whatever_their_parameters_are_called() {
    let api = |paths: &str| {
        let text = format!("openapi: 3.0.0\npaths: {{{paths}}}\n");
        Importer::new().import_text("api.yaml", &text).expect("a description")
    };
    let get = |path: &str, text: &str| {
        format!("'{path}': {{get: {{responses: {{200: {{description: {text}}}}}}}}}, ")
    };
    let left = api(&[get("/a/{x}", "1"), get("/a/{y}", "2"), get("/b/{x}/c", "3"), get("/d", "4")].concat());
    let right = api(&[get("/a/{y}", "2"), get("/a/{z}", "1"), get("/b/{y}/c", "5"), get("/e", "6")].concat());
    let diff = left.diff(&right);
    let path = |operation: Option<&Operation>| operation.map_or("-", Operation::path).to_owned();
    let rows: Vec<String> =
        diff.rows().iter().map(|row| format!("{} {}", path(row.left), path(row.right))).collect();
    assert_eq!(rows, ["/a/{x} /a/{z}", "/a/{y} /a/{y}", "/b/{x}/c /b/{y}/c", "/d -", "- /e"]);
    let table = diff.to_table("one", "two", TableStyle::Plain);
    assert!(table.ends_with("2 of 5 operations are the same in one and two\n"), "{table}");
    assert!(left.diff(&left).is_empty() && !diff.is_empty());
}

#[test]
fn lint_finds_what_a_writer_should_know() {
    let page = "\
# Codes

## Normal

| Status Code | Description |
|---|---|
| 201 OK | Made. |
| 204 NoContent | Gone. |
| 202 Accepted | Later. |
| 501 Not Implemented | Odd. |

## Abnormal

| Status Code | Description |
|---|---|
| 500 internal Server Error | Broke. |
| 502 Bad Gateway | The request is not completed because the request is invalid. |
| 503 Service Unavailable | - |
";
    let import = Importer::new().import_text("page.md", page).expect(page);
    let found: Vec<(usize, Rule)> =
        import.check().iter().map(|finding| (finding.line, finding.rule)).collect();
    assert_eq!(
        found,
        [
            (1, Rule::MissingOk),
            (7, Rule::WrongPhrase),
            (8, Rule::RunTogetherPhrase),
            (10, Rule::ClassContradiction),
            (16, Rule::PhraseCapitalisation),
            (17, Rule::BlamesClient),
            (18, Rule::MissingDescription),
        ]
    );
    let sfs = Catalog::builtin("sfs").expect("sfs").to_markdown();
    assert_eq!(Importer::new().import_text("sfs.md", &sfs).expect("sfs").check(), []);
}
