//! OpenAPI descriptions: each operation keeps its own promise.

use std::fs;

use status_catalog::{Class, Import, Importer};

fn import(file: &str, text: &str) -> Import {
    Importer::new().name("api").import_text(file, text).expect(text)
}

/// `GET /pets 200,404,default` per operation.
fn operations(import: &Import) -> Vec<String> {
    let line = |operation: &status_catalog::Operation| {
        let codes: Vec<String> =
            operation.catalog().entries().iter().map(status_catalog::Entry::spelling).collect();
        format!("{} {} {}", operation.method(), operation.path(), codes.join(","))
    };
    import.operations().iter().map(line).collect()
}

const PETS: &str = r##"
openapi: 3.1.0
info: {title: Pets, version: "1"}
servers:
  - url: https://{region}.pets.example/v2/
    variables: {region: {default: eu}}
  - url: /v1
paths:
  /pets:
    post:
      responses:
        201: {description: Made.}
        "409": {$ref: "#/components/responses/Conflict"}
        4XX: {description: Your fault., content: {application/problem+json: {}}}
  /pets/{id}:
    parameters: []
    get:
      responses: &shared
        "200": {description: "  A pet.\n", content: {application/json: {}, text/xml: {}}}
        default: {description: Anything else.}
        x-internal: 1
    delete:
      servers: [{url: "https://admin.example"}]
      responses: *shared
  x-extension: {get: {responses: {200: {description: no}}}}
components:
  responses:
    Conflict: {description: It is there already.}
"##;

#[test]
fn operations_have_their_own_catalogs() {
    let import = import("pets.yaml", PETS);
    assert_eq!(
        operations(&import),
        ["POST /pets 201,409,4XX", "GET /pets/{id} 200,default", "DELETE /pets/{id} 200,default"]
    );
    assert!(import.catalog().is_none());
    let [post, get, delete] = import.operations() else { panic!("three operations") };
    assert_eq!(
        post.catalog().documented(409).map(|found| found.entry.description()),
        Some("It is there already.")
    );
    // 409 is documented for POST alone.
    assert_eq!(get.catalog().documented(409).map(|found| found.entry.description()), Some("Anything else."));
    assert_eq!(post.catalog().documented(418).map(|found| found.entry.spelling()), Some("4XX".to_owned()));
    assert!(post.catalog().documented(500).is_none());
    assert_eq!((post.has_default(), get.has_default()), (false, true));
    let media_types = get.catalog().entries()[0].media_types();
    assert_eq!(
        media_types.iter().map(|media_type| &**media_type).collect::<Vec<_>>(),
        ["application/json", "text/xml"]
    );
    assert_eq!(get.catalog().entries()[0].description(), "A pet.");
    assert_eq!(get.templates().collect::<Vec<_>>(), ["/v2/pets/{id}", "/v1/pets/{id}"]);
    assert_eq!(get.hosts().iter().map(|host| &**host).collect::<Vec<_>>(), ["eu.pets.example"]);
    assert_eq!(delete.hosts().iter().map(|host| &**host).collect::<Vec<_>>(), ["admin.example"]);
    assert_eq!((post.catalog().name(), post.catalog().title()), ("api", "Pets"));
}

#[test]
fn a_default_response_gives_each_status_the_class_of_its_number() {
    let import = import("pets.yaml", PETS);
    let get = &import.operations()[1];
    for (status, class) in
        [(200, Class::Normal), (204, Class::Normal), (302, Class::Normal), (404, Class::Abnormal)]
    {
        assert_eq!(get.catalog().documented(status).map(|found| found.class), Some(class), "{status}");
    }
}

#[test]
fn the_envelope_is_that_of_the_error_schema() {
    let plain = "{type: object, properties: {code: {}, message: {}, details: {}}}";
    let wrapped = "{properties: {error: {$ref: '#/components/schemas/Base'}}}";
    let joined = "{allOf: [{$ref: '#/components/schemas/Base'}, {properties: {message: {}}}]}";
    let cases = [
        (plain, (None, "code", "message")),
        (wrapped, (Some("error"), "errCode", "errMsg")),
        (joined, (None, "errCode", "errMsg")),
        ("{type: string}", (None, "error_code", "error_msg")),
        ("{$ref: '#/components/schemas/Loop'}", (None, "error_code", "error_msg")),
    ];
    for (schema, expected) in cases {
        let text = format!(
            "openapi: 3.0.0\npaths: {{/a: {{get: {{responses: {{200: {{}}, 4XX: {{description: x, content: {{application/json: {{schema: {schema}}}}}}}}}}}}}}}\n\
             components: {{schemas: {{Base: {{properties: {{errCode: {{}}, errMsg: {{}}}}}}, Loop: {{allOf: [{{$ref: '#/components/schemas/Loop'}}]}}}}}}\n"
        );
        let import = import("api.yaml", &text);
        let envelope = import.operations()[0].catalog().envelope().clone();
        assert_eq!((envelope.wrapper.as_deref(), &*envelope.code, &*envelope.message), expected, "{schema}");
    }
}

#[test]
fn json_lists_the_routes() {
    let json: serde_json::Value = serde_json::from_str(&import("pets.yaml", PETS).to_json()).expect("JSON");
    let routes = json["routes"].as_array().expect("routes");
    assert_eq!(routes.len(), 3);
    assert_eq!((&routes[1]["method"], &routes[1]["path"]), (&"GET".into(), &"/pets/{id}".into()));
    assert_eq!((&routes[1]["default"], &routes[0]["default"]), (&true.into(), &false.into()));
    assert_eq!(routes[1]["entries"].as_array().expect("entries").len(), 1);
    assert_eq!(
        (&routes[0]["entries"][0]["code"], &routes[0]["entries"][2]["code"]),
        (&201.into(), &"4XX".into())
    );
}

#[test]
fn version_2_in_json() {
    let text = r##"{"swagger": "2.0", "info": {"title": "Old"}, "host": "old.example", "basePath": "/v1/",
      "produces": ["application/json"],
      "paths": {"/p/{x}": {"get": {"responses": {"200": {"description": "", "schema": {}}, "500": {"$ref": "#/responses/E"}}}}},
      "responses": {"E": {"description": "Broken."}}}"##;
    let import = import("old.json", text);
    assert_eq!(operations(&import), ["GET /p/{x} 200,500"]);
    let operation = &import.operations()[0];
    assert_eq!(operation.templates().collect::<Vec<_>>(), ["/v1/p/{x}"]);
    assert_eq!(operation.catalog().entries()[0].description(), "OK");
    assert_eq!(&*operation.catalog().entries()[0].media_types()[0], "application/json");
    assert_eq!(operation.catalog().entries()[1].description(), "Broken.");
}

#[test]
fn references_lead_into_files_beside_the_description() {
    let folder = std::env::temp_dir().join(format!("status-catalog-openapi-{}", std::process::id()));
    fs::create_dir_all(folder.join("resources")).expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect(name);
    write(
        "api.yaml",
        "openapi: 3.0.0\npaths:\n  /a:\n    get: {$ref: resources/a.yml}\n  /b: {$ref: 'resources/a.yml#/~1items'}\n  /c: {$ref: resources/gone.yml}\n  /d: {get: {$ref: 'https://x.example/d.yml'}}\n",
    );
    write(
        "resources/a.yml",
        "responses: {200: {description: Fine.}, 404: {$ref: '../common.yml#/missing'}, 500: {$ref: '#/loop'}}\n/items: {put: {responses: {204: {description: Done.}}}}\nloop: {$ref: '#/loop'}\n",
    );
    write("common.yml", "missing: {description: Not here.}\n");
    let import = Importer::new().import(&folder.join("api.yaml")).expect("a description");
    fs::remove_dir_all(&folder).expect("the folder is ours");
    assert_eq!(operations(&import), ["GET /a 200,404,500", "PUT /b 204"]);
    let files: Vec<_> = import.files().iter().filter_map(|file| file.strip_prefix(&folder).ok()).collect();
    let expected = ["api.yaml", "resources/a.yml", "common.yml", "resources/gone.yml"];
    assert_eq!(files, expected.map(std::path::Path::new));
    let get = import.operations()[0].catalog();
    assert_eq!(get.documented(404).map(|found| found.entry.description()), Some("Not here."));
    let unread: Vec<_> = import.report().unread.iter().map(|unread| &*unread.file).collect();
    assert_eq!(unread, ["resources/gone.yml"]);
    let report = import.report().to_string();
    for expected in
        ["cannot read `resources/gone.yml`", "is not fetched", "references that lead to one another"]
    {
        assert!(report.contains(expected), "{expected}\n{report}");
    }
}

#[test]
fn a_description_that_documents_nothing_says_why() {
    let cases = [
        ("openapi: 3.0.0\ninfo: {}\n", "has no `paths`"),
        ("openapi: 3.0.0\npaths: {}\n", "`paths` is empty"),
        ("openapi: 3.0.0\npaths: {/a: {get: {summary: x}}}\n", "GET /a: the operation has no `responses`"),
        ("openapi: 3.0.0\npaths: {/a: {get: {responses: {}}}}\n", "GET /a: its `responses` has no status"),
        ("openapi: 3.0.0\npaths: {/a: {get: {$ref: a.yml}}}\n", "GET /a: `a.yml` is not at hand"),
        ("a: 1\n", "not an OpenAPI description"),
        ("", "the document is empty"),
        (" \n# nothing\n", "the document is empty"),
        ("[1, 2]", "not an OpenAPI description"),
    ];
    for (text, why) in cases {
        let import = import("api.yaml", text);
        assert!(import.is_empty(), "{text}");
        assert!(
            import.report().left_out.iter().any(|remark| remark.text.contains(why)),
            "{text}: {}",
            import.report()
        );
    }
}

#[test]
fn files_are_read_beside_the_description_and_below_only() {
    let folder = std::env::temp_dir().join(format!("status-catalog-beside-{}", std::process::id()));
    fs::create_dir_all(folder.join("api/below")).expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.join(name), text).expect(name);
    write("secret.yml", "get: {responses: {200: {description: Secret.}}}\n");
    write(
        "api/below/fine.yml",
        "get: {responses: {200: {description: Fine.}}}\nagain: {$ref: '../beside.yml'}\n",
    );
    write("api/beside.yml", "put: {responses: {204: {description: Fine.}}}\n");
    let refused = [
        ("../secret.yml", "is outside the description's folder"),
        ("below/../../secret.yml", "is outside the description's folder"),
        ("%2e%2e/secret.yml", "is outside the description's folder"),
        ("/etc/hostname", "is not fetched"),
        ("file:///etc/hostname", "is not fetched"),
        ("//example/x.yml", "is not fetched"),
        ("https://example/x.yml", "is not fetched"),
        ("c:/x.yml", "is not fetched"),
        ("..\\secret.yml", "is not fetched"),
        (".", "is no file"),
        ("below", "is no file"),
        ("#name", "is a path of names"),
        ("#/nope", "there is no `nope`"),
    ];
    let items: String =
        refused.iter().enumerate().map(|(at, (to, _))| format!("  /{at}: {{$ref: '{to}'}}\n")).collect();
    write(
        "api/api.yml",
        &format!(
            "openapi: 3.0.0\npaths:\n  /a: {{$ref: ./below/fine.yml}}\n  /b: {{$ref: 'below/fine.yml#/again'}}\n{items}"
        ),
    );
    let import = Importer::new().import(&folder.join("api/api.yml")).expect("a description");
    fs::remove_dir_all(&folder).expect("the folder is ours");
    assert_eq!(operations(&import), ["GET /a 200", "PUT /b 204"]);
    for (to, why) in refused {
        let found = |text: &str| text.contains(&format!("`{to}`")) && text.contains(why);
        assert!(
            import.report().left_out.iter().any(|remark| found(&remark.text)),
            "{to} {why}\n{}",
            import.report()
        );
        let finding = import.check().into_iter().find(|finding| found(&finding.text)).expect(to);
        assert_eq!(finding.rule, status_catalog::Rule::UnresolvedReference);
    }
}

#[test]
fn sections_may_be_references() {
    let text = r##"{"swagger": "2.0", "paths": {"$ref": "#/x-parts/all"}, "x-parts": {
        "all": {"/a": {"get": {"responses": {"$ref": "#/x-parts/shared/found"}}}},
        "shared": {"$ref": "#/x-parts/more"},
        "more": {"found": {"200": {"description": "Found."}}}}}"##;
    assert_eq!(operations(&import("api.json", text)), ["GET /a 200"]);
}

#[test]
fn keys_of_responses_are_statuses_ranges_or_default() {
    let text = "openapi: 3.0.0\npaths:\n  /a:\n    get:\n      responses:\n        ' 410 ': {}\n        2xx: {}\n        5XX: {}\n        299: {}\n        999: {}\n        default: {}\n\
        \x20       ? [200]\n        : {}\n        true: {}\n        0x1F4: {}\n        4e2: {}\n        +404: {}\n        0404: {}\n        40400: {}\n        -1: {}\n        50X: {}\n        099: {}\n        200-299: {}\n        Default: {}\n        x-200: {}\n        99999999999999999999: {}\n";
    let import = import("api.yaml", text);
    assert_eq!(operations(&import), ["GET /a 410,2XX,5XX,299,999,default"]);
    let unknown = import.check().iter().filter(|finding| finding.rule.as_str() == "unknown_status").count();
    assert_eq!(unknown, 12);
    assert!(import.report().warnings.iter().any(|remark| remark.line == 12), "{}", import.report());
}

#[test]
fn of_a_path_or_status_that_is_there_twice_the_last_counts() {
    let text = "openapi: 3.0.0\npaths:\n  /a: {get: {responses: {200: {description: one}}}}\n  /a: {get: {responses: {404: {description: two}, \"404\": {description: three}}}}\n";
    let import = import("api.yaml", text);
    assert_eq!(operations(&import), ["GET /a 404"]);
    assert_eq!(import.operations()[0].catalog().entries()[0].description(), "three");
    let lines: Vec<usize> = import.report().warnings.iter().map(|remark| remark.line).collect();
    assert_eq!(lines, [4, 4]);
}

#[test]
fn a_path_item_may_have_operations_beside_its_reference() {
    let text = "openapi: 3.1.0\npaths:\n  /a: {$ref: '#/items/a', get: {responses: {200: {description: own}}}}\n\
        items: {a: {get: {responses: {404: {}}}, put: {responses: {204: {}}}, additionalOperations: {COPY: {responses: {201: {}}}, 'A B': {responses: {201: {}}}}}}\n";
    assert_eq!(operations(&import("api.yaml", text)), ["GET /a 200", "PUT /a 204", "COPY /a 201"]);
}

#[test]
fn servers_give_hosts_and_base_paths() {
    let cases = [
        ("[]", "", "/a"),
        ("[{url: /}]", "", "/a"),
        ("[{url: v2/}]", "", "/v2/a"),
        ("[{url: ./v2}]", "", "/v2/a"),
        ("[{url: '//API.example/v2'}]", "api.example", "/v2/a"),
        ("[{url: 'https://u:p@api.example:443/v2?x=y#z'}]", "api.example", "/v2/a"),
        (
            "[{url: 'https://api.example:8443'}, {url: 'http://api.example:80'}]",
            "api.example:8443 api.example",
            "/a",
        ),
        ("[{url: 'https://{region}.example/{base}', variables: {base: {default: v3}}}]", "", "/v3/a"),
        (
            "[{url: 'https://{h}/{tenant}/v1', variables: {h: {enum: [one.example, two.example]}}}]",
            "one.example",
            "/{tenant}/v1/a",
        ),
        ("[{url: 'https://x.example/{a'}]", "x.example", "/{a/a"),
    ];
    for (servers, hosts, template) in cases {
        let text = format!(
            "openapi: 3.0.0\nservers: {servers}\npaths: {{/a: {{get: {{responses: {{200: {{}}}}}}}}}}\n"
        );
        let import = import("api.yaml", &text);
        let operation = &import.operations()[0];
        let found: Vec<&str> = operation.hosts().iter().map(|host| &**host).collect();
        assert_eq!(found.join(" "), hosts, "{servers}");
        assert_eq!(operation.templates().collect::<Vec<_>>(), [template], "{servers}");
    }
}

#[test]
fn operations_that_promise_the_same_share_a_catalog() {
    let text = "openapi: 3.0.0\npaths: {/a: {get: {responses: {200: {description: x}}}, put: {responses: {200: {description: x}}}, post: {responses: {200: {description: y}}}}}\n";
    let import = import("api.yaml", text);
    let [get, put, post] = import.operations() else { panic!("three operations") };
    assert!(std::sync::Arc::ptr_eq(get.catalog(), put.catalog()));
    assert!(!std::sync::Arc::ptr_eq(get.catalog(), post.catalog()));
}

#[test]
fn lints_are_for_writers_of_descriptions() {
    let text = "\
openapi: 3.0.0
paths:
  /fine: {get: {responses: {200: {description: OK}, 404: {description: No such thing.}}}}
  /default:
    get: {responses: {default: {description: x}}}
  /error:
    get: {responses: {200: {description: x}}}
  /success:
    get: {responses: {404: {description: x}}}
  /texts:
    get:
      responses:
        200: {}
        400: {description: '400 Bad request'}
        401: {description: Unauthorized error.}
        403: {$ref: '#/shared'}
        404: {$ref: '#/shared'}
        409: {$ref: '#/gone'}
        502: {description: Invalid request.}
        800: {description: x}
  /none:
    get: {summary: x}
    put: {responses: {}}
    head: {$ref: '#/gone'}
  no-slash: {options: {responses: {200: {description: x}}}}
  '/a?b=c': {get: {responses: {2XX: {description: x}, 5XX: {description: x}}}}
  '/{a}/b': {get: {responses: {2XX: {description: x}, 5XX: {description: x}}}}
  '/{c}/b': {put: {responses: {2XX: {description: x}, 5XX: {description: x}}}}
  '/{c/d': {put: {responses: {2XX: {description: x}, 5XX: {description: x}}}}
shared: {description: Forbidden}
";
    let import = import("api.yaml", text);
    let found: Vec<String> = import
        .check()
        .iter()
        .map(|finding| format!("{}:{} {}", finding.line, finding.column, finding.rule.as_str()))
        .collect();
    assert_eq!(
        found,
        [
            "5:5 default_only",
            "7:5 missing_error",
            "9:5 missing_success",
            "13:9 missing_description",
            "14:9 phrase_only",
            "15:9 phrase_only",
            "18:9 unresolved_reference",
            "19:9 blames_client",
            "22:5 missing_responses",
            "23:5 missing_responses",
            "24:5 unresolved_reference",
            "25:3 unmatchable_path",
            "26:3 unmatchable_path",
            "28:3 ambiguous_path",
            "29:3 unmatchable_path",
            "30:1 phrase_only",
        ]
    );
}

#[test]
fn a_small_file_that_says_the_same_a_million_times_is_refused() {
    let codes: String = (100..1000).map(|code| format!("{code}: {{}}, ")).collect();
    let aliases: String = (0..2_000).map(|number| format!("  /p{number}: *item\n")).collect();
    let responses = format!(
        "openapi: 3.0.0\nitem: &item {{get: &op {{responses: {{{codes}}}}}, put: *op}}\npaths:\n{aliases}"
    );
    let aliases: String = (0..40_000).map(|number| format!("  /p{number}: *item\n")).collect();
    let methods = "get: &op {}, put: *op, post: *op, delete: *op, options: *op, head: *op, patch: *op";
    let nothing = format!("openapi: 3.0.0\nitem: &item {{{methods}}}\npaths:\n{aliases}");
    for text in [responses, nothing] {
        let error = Importer::new().import_text("api.yaml", &text).expect_err("a bomb");
        assert_eq!(error.message(), "more than 250000 operations and responses in all");
        assert!(error.line() > 100, "{error}");
    }
}

#[test]
fn aliases_of_aliases_cost_nothing() {
    let mut text = "openapi: 3.0.0\na0: &a0 {x: 1}\n".to_owned();
    for level in 1..60 {
        let before = level - 1;
        text.push_str(&format!("a{level}: &a{level} [*a{before}, *a{before}, *a{before}, *a{before}]\n"));
    }
    assert!(import("bomb.yaml", &text).is_empty());
    let deep = format!("openapi: {}{}", "[".repeat(10_000), "]".repeat(10_000));
    assert!(Importer::new().import_text("deep.yaml", &deep).is_err());
}

#[test]
fn what_no_operation_matches_is_promised_nothing() {
    let error =
        "{description: x, content: {application/json: {schema: {properties: {code: {}, message: {}}}}}}";
    let text = format!(
        "openapi: 3.0.0\ninfo: {{title: Pets}}\npaths: {{/a: {{get: {{responses: {{200: {{}}}}}}, put: {{responses: {{400: {error}}}}}}}}}\n"
    );
    let import = import("api.yaml", &text);
    let unmatched = import.unmatched().expect("a description");
    assert_eq!((unmatched.name(), unmatched.title(), unmatched.entries().len()), ("api", "Pets", 0));
    assert!(unmatched.documented(404).is_none());
    // An operation that shows no error body has the envelope of the others, as what is no operation has.
    for catalog in [unmatched, import.operations()[0].catalog()] {
        assert_eq!((&*catalog.envelope().code, &*catalog.envelope().message), ("code", "message"));
    }
    assert!(Importer::new().import_text("a.md", "# A\n").expect("a page").unmatched().is_none());
}
