//! `catalog` as scripts see it: what goes to which stream, exit statuses, and the lines that may be relied on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

fn output(arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_status-proxy"));
    command.args(arguments).env_remove("STATUS_PROXY_LOG").stdin(Stdio::null()).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

fn seed(name: &str) -> String {
    repository(&format!("crates/status-catalog/documents/{name}"))
}

/// A folder that ends with its test.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("status-proxy-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let file = self.0.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, text).unwrap();
        file.display().to_string()
    }

    fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

const CODES: &str = "# Codes\n\n| Status Code | Description |\n|---|---|\n| 404 Not Found | No such pet. |\n";
const PROSE: &str = "# Greetings\n\nWe answer 200 when all is well.\n";
const RAGGED: &str = "Codes\n=====\n\n+------+------+\n| Code | Text |\n+------+---\n";
const PETS: &str = r##"
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers: [{url: "https://pets.example/v1"}]
paths:
  /pets:
    post:
      responses:
        "201": {description: Made.}
        "409": {$ref: "#/components/responses/Conflict"}
  /pets/{id}:
    get:
      responses:
        200: {description: A pet.}
        4XX: {description: Your fault.}
        default: {description: Anything else.}
components:
  responses:
    Conflict: {description: It is there already.}
"##;

#[test]
fn import_of_each_seed_is_explained_and_reads_back_as_the_same_catalog() {
    for name in ["vpn.rst", "csbs.rst", "dns.md", "ecs.md", "sfs.rst"] {
        let file = seed(name);
        let Output { status, stdout, stderr } = output(&["catalog", "import", &file, "--explain"]);
        assert_eq!(status.code(), Some(0), "{name}: {}", text(&stderr));
        for expected in
            [&format!("{file}: "), "status: ", "description: ", "404 abnormal, line ", "class by "]
        {
            assert!(text(&stderr).contains(expected), "{name}: {expected} in {}", text(&stderr));
        }

        let folder = Folder::new(&format!("seed-{name}"));
        let (stem, _) = name.split_once('.').unwrap();
        let toml = folder.file(&format!("{stem}.toml"), text(&stdout));
        let page = output(&["catalog", "import", &file, "--format", "json"]);
        assert!(page.stderr.is_empty(), "not asked to explain: {}", text(&page.stderr));
        let record = output(&["catalog", "show", &toml, "--format", "json"]);
        assert_eq!(text(&record.stdout), text(&page.stdout), "{name}");
    }
}

#[test]
fn a_page_without_codes_is_a_catalog_without_entries_and_standard_error_says_why() {
    let folder = Folder::new("prose");
    let file = folder.file("prose.md", PROSE);
    let ask = |command: &str, format: &str| {
        let Output { status, stdout, stderr } = output(&["catalog", command, &file, "--format", format]);
        assert_eq!(status.code(), Some(0), "{command} {format}: {}", text(&stderr));
        let why = format!("{file}: documents no HTTP status code\n  line 1: the page has no table");
        assert!(text(&stderr).starts_with(&why), "{command} {format}: {}", text(&stderr));
        text(&stdout).to_owned()
    };
    for command in ["show", "import"] {
        let json: serde_json::Value = serde_json::from_str(&ask(command, "json")).unwrap();
        assert_eq!(json["entries"], serde_json::json!([]), "{json}");
        assert!(ask(command, "toml").contains("entries = []"));
    }
    assert!(ask("show", "table").contains("CODE"));
    assert!(ask("show", "markdown").contains("# Greetings"));
}

#[test]
fn a_broken_page_is_shown_with_the_place() {
    let folder = Folder::new("broken");
    let file = folder.file("broken.rst", RAGGED);
    for command in ["show", "import", "check"] {
        let Output { status, stdout, stderr } = output(&["catalog", command, &file]);
        assert_eq!(status.code(), Some(2), "{command}: {}", text(&stderr));
        assert!(stdout.is_empty(), "{command}: {}", text(&stdout));
        for expected in [&*format!("--> {file}:6:"), "^ here", &format!("error: {file}:6:")] {
            assert!(text(&stderr).contains(expected), "{command}: {expected} in {}", text(&stderr));
        }
    }
}

#[test]
fn an_openapi_description_is_a_contract_per_operation() {
    let folder = Folder::new("openapi");
    let file = folder.file("pets.yaml", PETS);
    for arguments in [["catalog", "import", &file], ["catalog", "show", &file]] {
        let Output { status, stdout, .. } = output(&[&arguments[..], &["--format", "json"]].concat());
        assert_eq!(status.code(), Some(0));
        let json: serde_json::Value = serde_json::from_str(text(&stdout)).unwrap();
        let contract: Vec<_> = json["routes"]
            .as_array()
            .unwrap()
            .iter()
            .map(|route| {
                let codes: Vec<_> =
                    route["entries"].as_array().unwrap().iter().map(|entry| &entry["code"]).collect();
                serde_json::json!([route["method"], route["path"], codes, route["default"]])
            })
            .collect();
        let expected = serde_json::json!([
            ["POST", "/pets", [201, 409], false],
            ["GET", "/pets/{id}", [200, "4XX"], true]
        ]);
        assert_eq!(serde_json::Value::from(contract), expected);
    }
    let table = output(&["catalog", "show", &file]);
    for expected in [
        "Pets (pets, en): 2 operations, 5 responses\n",
        "\nPOST /pets\n  201      normal    Made.\n  409      abnormal  It is there already.\n",
        "\n  default  any       Anything else.\n",
    ] {
        assert!(text(&table.stdout).contains(expected), "{expected} in {}", text(&table.stdout));
    }
    let page = output(&["catalog", "show", &file, "--format", "markdown"]);
    assert!(text(&page.stdout).contains("## GET /pets/{id}\n"), "{}", text(&page.stdout));
    let Output { status, stderr, .. } = output(&["catalog", "diff", "sfs", &file]);
    assert_eq!(status.code(), Some(2));
    assert!(text(&stderr).contains("has a catalog per operation"), "{}", text(&stderr));
}

#[test]
fn a_description_as_toml_is_as_good_as_the_description() {
    let folder = Folder::new("record");
    let file = folder.file("pets.yaml", PETS);
    let Output { status, stdout, stderr } = output(&["catalog", "import", &file]);
    assert_eq!((status.code(), text(&stderr)), (Some(0), ""));
    assert_eq!(text(&stdout), text(&output(&["catalog", "show", &file, "--format", "toml"]).stdout));
    let toml = folder.file("api.toml", text(&stdout));
    for format in ["json", "table", "markdown", "toml"] {
        let of = |file: &str| output(&["catalog", "show", file, "--format", format]).stdout;
        assert_eq!(text(&of(&toml)), text(&of(&file)), "{format}");
    }
    // The name stands in the file.
    assert!(text(&stdout).starts_with("name = \"pets\"\n"));
    let routes = |catalog: &str| {
        let config = format!("upstream = \"http://127.0.0.1:9\"\ncatalog = '{catalog}'\n");
        let output = output(&["check", "--config", &folder.file("proxy.toml", &config)]);
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        text(&output.stdout).to_owned()
    };
    assert_eq!(routes(&toml), routes(&file));
    assert!(routes(&toml).contains("catalog pets (2 operations)"), "{}", routes(&toml));
}

#[test]
fn two_descriptions_are_held_against_each_other_by_operation() {
    let folder = Folder::new("api-diff");
    let first = folder.file("v1/pets.yaml", PETS);
    let changed =
        PETS.replace("{id}", "{pet}").replace("Your fault.", "Yours.").replace("    post:", "    put:");
    let second = folder.file("v2/pets.yaml", &changed);
    let Output { status, stdout, stderr } = output(&["catalog", "diff", &first, &second]);
    assert_eq!((status.code(), text(&stderr)), (Some(0), ""));
    for expected in [
        "GET /pets/{pet}\n".to_owned(),
        format!("4XX   {first}  abnormal  Your fault.\n4XX   {second}  abnormal  Yours.\n\n"),
        format!(
            "only in {first}\n  POST /pets\n\nonly in {second}\n  PUT /pets\n\n0 of 3 operations are the same"
        ),
    ] {
        assert!(text(&stdout).contains(&expected), "{expected} in {}", text(&stdout));
    }
    let same = output(&["catalog", "diff", &first, &first]);
    assert_eq!(text(&same.stdout), format!("2 of 2 operations are the same in {first} and {first}\n"));
}

#[test]
fn operations_of_a_file_that_is_not_there_are_counted() {
    let folder = Folder::new("elsewhere");
    let paths: String = (0..30)
        .map(|number| format!("  /p{number}: {{get: {{$ref: 'resources/p.yml#/{number}'}}}}\n"))
        .collect();
    let file = folder.file("api.yaml", &format!("openapi: 3.0.0\npaths:\n{paths}"));
    let Output { status, stdout, stderr } = output(&["catalog", "import", &file, "--format", "json"]);
    assert_eq!(status.code(), Some(0));
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&stdout).unwrap(),
        serde_json::json!({"routes": []})
    );
    let head = format!(
        "{file}: documents no HTTP status code\n  line 2: 30 of 30 operations are references that lead nowhere\n  line 3: GET /p0: cannot read `resources/p.yml`"
    );
    assert!(text(&stderr).starts_with(&head), "{}", text(&stderr));
    assert!(text(&stderr).ends_with("\n  and 21 more\n"), "{}", text(&stderr));
}

#[test]
fn a_folder_is_imported_as_far_as_it_can_be_read() {
    let folder = Folder::new("folder");
    folder.file("docs/codes.md", CODES);
    folder.file("docs/api/codes.md", CODES);
    folder.file("docs/api/pets.yaml", &format!("{PETS}  schemas: {{}}\n  schemas: {{}}\n"));
    folder.file("docs/broken.rst", RAGGED);
    folder.file("docs/prose.md", PROSE);
    folder.file("docs/picture.svg", "<svg/>");
    folder.file("docs/package.json", "{\"name\": \"openapi-docs\"}");
    folder.file("docs/api/part.yaml", "get: {responses: {200: {description: A part.}}}\n");
    folder.file("docs/.hidden/codes.md", CODES);
    let (docs, out) = (folder.path("docs"), folder.path("out"));
    let Output { status, stdout, stderr } = output(&["catalog", "import", &docs, "-o", &out]);
    assert_eq!(status.code(), Some(2), "{}", text(&stderr));
    assert!(stdout.is_empty(), "{}", text(&stdout));
    let row = |document: &str| {
        let line = text(&stderr).lines().find(|line| line.starts_with(&format!("{docs}/{document} ")));
        let line = line.unwrap_or_else(|| panic!("{document} in {}", text(&stderr)));
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(row("codes.md"), format!("markdown 1 code - {out}/codes.toml"));
    assert_eq!(row("api/codes.md"), format!("markdown 1 code - {out}/api/codes.toml"));
    assert_eq!(row("api/pets.yaml"), format!("openapi 2 operations 1 {out}/api/pets.toml"));
    assert_eq!(row("broken.rst"), "- error - -");
    assert_eq!(row("prose.md"), "markdown nothing - -");
    let counts = "2 pages, 1 OpenAPI description, 1 document without status codes, 1 failure, 2 other YAML or JSON files passed over";
    assert!(text(&stderr).lines().any(|line| line == counts), "{}", text(&stderr));
    for nothing in ["picture.svg", "package.json", "part.yaml", "hidden", "\x1b", "\r"] {
        assert!(!text(&stderr).contains(nothing), "{nothing:?} in {}", text(&stderr));
    }
    assert!(text(&stderr).ends_with("error: 1 of 5 documents could not be imported\n"), "{}", text(&stderr));
    for (file, expected) in [("out/codes.toml", "No such pet."), ("out/api/pets.toml", "/pets/{id}")] {
        assert!(std::fs::read_to_string(folder.path(file)).unwrap().contains(expected), "{file}");
    }

    // Two documents never become one file.
    let (first, second) = (folder.path("docs/codes.md"), folder.path("docs/api/codes.md"));
    let Output { status, stderr, .. } = output(&["catalog", "import", &first, &second, "-o", &out]);
    assert_eq!(status.code(), Some(2));
    assert!(
        text(&stderr).contains(&format!("{second}: not written, as {out}/codes.toml already holds {first}"))
    );
    let Output { status, stderr, .. } = output(&["catalog", "import", &first, &second]);
    assert_eq!(status.code(), Some(2));
    assert!(text(&stderr).contains("2 documents need a folder to be written to: -o DIR"));
}

#[test]
fn name_and_language_of_an_import_may_be_given() {
    let folder = Folder::new("name");
    let file = folder.file("codes.md", CODES);
    let Output { stdout, .. } = output(&["catalog", "import", &file, "--name", "pets", "--lang", "en-GB"]);
    assert!(text(&stdout).contains("name = \"pets\""), "{}", text(&stdout));
    assert!(text(&stdout).contains("languages = [\"en-GB\"]"), "{}", text(&stdout));
}

#[test]
fn diff_shows_what_two_catalogs_say_of_a_code() {
    let Output { status, stdout, stderr } = output(&["catalog", "diff", "sfs", "vpn"]);
    assert_eq!(status.code(), Some(0), "{}", text(&stderr));
    let rows: Vec<_> = text(&stdout).lines().filter(|line| line.starts_with("502 ")).collect();
    let [sfs, vpn] = rows[..] else { panic!("two rows in {}", text(&stdout)) };
    assert!(sfs.contains(" sfs ") && sfs.contains("the server receives an invalid response"), "{sfs}");
    assert!(vpn.contains(" vpn ") && !vpn.contains("the server receives an invalid response"), "{vpn}");
    assert!(text(&stdout).contains("codes are the same in sfs and vpn"));
}

#[test]
fn check_of_a_page_exits_1_with_its_findings_and_0_without() {
    let folder = Folder::new("check");
    let bad = folder.file("bad.md", &format!("{CODES}| 204 NoContent | Gone. |\n"));
    let good = folder.file("good.md", &format!("{CODES}| 200 OK | Here it is. |\n"));
    let Output { status, stdout, stderr } = output(&["catalog", "check", &bad, &good]);
    assert_eq!(status.code(), Some(1), "{}", text(&stderr));
    assert!(text(&stdout).contains(&format!("{bad}:1: the page does not list 200")), "{}", text(&stdout));
    assert!(text(&stdout).contains(&format!("{bad}:6: 204 NoContent is run together")), "{}", text(&stdout));
    assert!(!text(&stdout).contains(&good), "{}", text(&stdout));
    assert!(
        text(&stderr).ends_with("error: 2 findings: 1 missing_ok, 1 run_together_phrase\n"),
        "{}",
        text(&stderr)
    );

    let Output { status, stdout, stderr } = output(&["catalog", "check", &good]);
    assert_eq!(status.code(), Some(0), "{}", text(&stdout));
    assert!(stdout.is_empty() && stderr.is_empty());
}

#[test]
fn check_of_a_page_without_codes_is_a_finding_unless_it_lies_in_a_folder() {
    let folder = Folder::new("check-nothing");
    let prose = folder.file("prose.md", "# Codes\n\n| Code | Meaning |\n|---|---|\n| A1 | Gone |\n");
    let Output { status, stdout, stderr } = output(&["catalog", "check", &prose]);
    assert_eq!(status.code(), Some(1), "{}", text(&stderr));
    assert_eq!(text(&stdout), format!("{prose}:1: documents no HTTP status code (no_codes)\n"));
    assert!(text(&stderr).ends_with("error: 1 finding\n"), "{}", text(&stderr));
    folder.file("good.md", &format!("{CODES}| 200 OK | Here it is. |\n"));
    let below = std::path::Path::new(&prose).parent().unwrap().to_str().unwrap();
    let Output { status, stdout, stderr } = output(&["catalog", "check", below]);
    assert_eq!(status.code(), Some(0), "{}{}", text(&stdout), text(&stderr));
}

#[test]
fn check_of_a_description_shows_the_places() {
    let folder = Folder::new("check-api");
    let file = folder.file(
        "api.yaml",
        "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      responses: {200: {description: Fine.}}\n    put: {$ref: parts/put.yml}\n",
    );
    folder
        .file("parts/put.yml", "responses:\n  200: {description: Done.}\n  404: {description: Not found}\n");
    let Output { status, stdout, stderr } = output(&["catalog", "check", &file]);
    assert_eq!(status.code(), Some(1), "{}", text(&stderr));
    let part = folder.path("parts/put.yml");
    let expected = format!(
        "{file}:4:5: GET /a has no 4xx, no 5xx and no `default`: every error is undocumented (missing_error)\n\
         {part}:3:3: PUT /a (in `parts/put.yml`) 404 says only “Not found”: the code says that already (phrase_only)\n"
    );
    assert_eq!(text(&stdout), expected);
    assert_eq!(text(&stderr), "error: 2 findings: 1 missing_error, 1 phrase_only\n");
    let Output { stdout, .. } = output(&["catalog", "check", &file, "--format", "picture"]);
    let picture = format!(
        "warning[missing_error]: GET /a has no 4xx, no 5xx and no `default`: every error is undocumented\n --> {file}:4:5\n  |\n4 |     get:\n  |     ^^^^\n\n"
    );
    assert!(text(&stdout).starts_with(&picture), "{}", text(&stdout));
}

#[test]
fn pages_in_several_languages_become_one_catalog() {
    let folder = Folder::new("languages");
    let chinese = "# 状态码\n\n| 状态码 | 说明 |\n|---|---|\n| 404 Not Found | 没有这个宠物。 |\n";
    let (en, zh) = (folder.file("codes.md", CODES), folder.file("codes.zh.md", chinese));
    let Output { status, stdout, stderr } = output(&["catalog", "import", &en, &zh, "--name", "pets"]);
    assert_eq!((status.code(), text(&stderr)), (Some(0), ""));
    for expected in [
        "name = \"pets\"",
        "languages = [\n    \"en\",\n    \"zh\",\n]",
        "[entries.texts.zh]",
        "没有这个宠物。",
    ] {
        assert!(text(&stdout).contains(expected), "{expected} in {}", text(&stdout));
    }
    let fr = folder.file("codes.fr.md", CODES);
    let Output { stdout, .. } = output(&["catalog", "import", &en, &fr, &zh, "--name", "pets"]);
    assert!(text(&stdout).contains("\"en\",\n    \"fr\",\n    \"zh\""), "{}", text(&stdout));
    let out = folder.path("out");
    let names = ["--name", "pets", "--lang", "en-GB", "--lang", "zh-CN", "-o", &out, "--format", "json"];
    let Output { status, stderr, .. } = output(&[&["catalog", "import", &en, &zh], &names[..]].concat());
    assert_eq!(status.code(), Some(0), "{}", text(&stderr));
    assert_eq!(text(&stderr), format!("{out}/pets.json: 1 code in en-GB and zh-CN\n"));
    let json: serde_json::Value =
        serde_json::from_slice(&std::fs::read(folder.path("out/pets.json")).unwrap()).unwrap();
    assert_eq!(json["languages"], serde_json::json!(["en-GB", "zh-CN"]));
}

#[test]
fn pages_that_are_not_one_in_several_languages_are_told_apart() {
    let folder = Folder::new("not-one");
    let page = format!("{CODES}| 300 Multiple Choices | Choose. |\n");
    let en = folder.file("codes.md", &page);
    let other = folder.file("other.md", &page.replace("404 Not Found", "409 Conflict"));
    let abnormal = folder.file("abnormal.md", &page.replace("# Codes\n", "# Codes\n\n## Abnormal\n"));
    let (prose, pets) = (folder.file("prose.md", PROSE), folder.file("pets.yaml", PETS));
    let two = ["--lang", "en", "--lang", "de"].as_slice();
    let cases = [
        (
            &other,
            [].as_slice(),
            format!("{en} and {other} are both in `en`: name them as `codes.fr.md`, give --lang for each"),
        ),
        (
            &other,
            two,
            format!(
                "{en} and {other} are not one page in two languages:\n  only {en} lists 404\n  only {other} lists 409"
            ),
        ),
        (&abnormal, two, format!("  {en} lists 300 as normal, {abnormal} as abnormal")),
        (
            &prose,
            two,
            format!("{prose} documents no HTTP status code: it is no page in one of several languages"),
        ),
        (&pets, two, format!("{pets}: an OpenAPI description has a catalog per operation")),
        (
            &other,
            &["--lang", "en", "--lang", "de", "--lang", "fr"],
            "--lang is given 3 times for 2 documents".to_owned(),
        ),
    ];
    for (file, languages, expected) in cases {
        let Output { status, stdout, stderr } =
            output(&[&["catalog", "import", &en, file, "--name", "pets"], languages].concat());
        assert_eq!((status.code(), text(&stdout)), (Some(2), ""), "{expected}");
        assert!(text(&stderr).contains(&expected), "{expected} in {}", text(&stderr));
    }
}
