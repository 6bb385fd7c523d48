//! Every operation of an OpenAPI description keeps a promise of its own.

use crate::support::{
    backend::{Backend, Step, head, page},
    client::Client,
    proxy::{Proxy, run_to_end},
    scrape::Scrape,
    scratch, trials,
};

trials![
    a_description_that_describes_nothing_is_an_error,
    a_host_has_an_api_of_its_own,
    an_operation_describes_its_own_errors,
    check_and_the_admin_pages_tell_of_operations,
    classes_are_the_operations_own,
    every_version_and_format_makes_routes,
    ids_make_no_series,
    operations_in_conflict_cost_only_themselves,
    paths_of_public_apis_are_told_apart,
    the_base_path_may_be_stripped_before,
];

const RESPONSES: &str = "status_normalize_responses_total";
const PROMISES: &str = "status_normalize_broken_promises_total";

const STORE: &str = r##"
openapi: 3.0.3
info: { title: Pet store, version: "1" }
servers: [{ url: "https://store.example:8443/v2/" }]
paths:
  /pets:
    get: { responses: { 200: { description: Pets. } } }
    post:
      responses:
        "201": { description: A new pet. }
        "409": { description: There is such a pet. }
  /pets/{id}:
    parameters: [{ name: id, in: path, required: true, schema: { type: string } }]
    get: { responses: { "200": { description: A pet. }, "404": { $ref: "#/components/responses/None" } } }
    delete: { responses: { "204": { description: Gone. }, default: { description: It is still there. } } }
  /pets/{id}/photos/{photo}:
    put: { responses: { 2XX: { description: Kept. }, 4XX: { description: That is no photo. } } }
components:
  responses:
    None: { description: There is no such pet. }
"##;

const ORDERS: &str = r##"{
  "swagger": "2.0", "info": {"title": "Orders", "version": "1"}, "host": "orders.example", "basePath": "/v2",
  "paths": {"/pets": {"get": {"responses": {"200": {"description": "Ordered."}, "404": {"description": "None ordered."}}}}}
}"##;

/// A backend that answers what the field `say` asks for, as an HTML page.
fn obedient() -> Backend {
    Backend::scripted(|request| {
        let status = request.field("say").parse().unwrap_or(200);
        let is_bare = request.method() == "HEAD" || status == 204;
        let bytes =
            if is_bare { head(&format!("{status} X"), &["Content-Type: text/html"]) } else { page(status) };
        vec![Step::Send(bytes)]
    })
}

/// A proxy whose configuration has these files beside it.
fn configured(toml: &str, files: &[(&str, &str)]) -> Proxy {
    let folder = scratch("operations");
    for (name, text) in files {
        std::fs::write(folder.join(name), text).unwrap();
    }
    std::fs::write(folder.join("proxy.toml"), toml).unwrap();
    Proxy::run(&["--config", folder.join("proxy.toml").to_str().unwrap()])
}

fn store(backend: &Backend, more: &str) -> Proxy {
    let top = format!("upstream = '{}'\ncatalog = 'store.yaml'\n", backend.url());
    configured(&format!("{top}{more}"), &[("store.yaml", STORE), ("orders.json", ORDERS)])
}

fn say(client: &mut Client, method: &str, path: &str, status: u16) -> crate::support::client::Answer {
    client.ask(method, path, &[&format!("say: {status}")])
}

/// The labels of the responses counted, without those that are the same everywhere.
fn counted(scrape: &Scrape) -> Vec<(String, String, String)> {
    let mut counted: Vec<_> = scrape
        .matching(RESPONSES, &[])
        .map(|sample| ["route", "class", "upstream_status"].map(|label| sample.labels[label].clone()))
        .map(|[route, class, status]| (route, class, status))
        .collect();
    counted.sort();
    counted
}

fn classes_are_the_operations_own() {
    let backend = obedient();
    let proxy = store(&backend, "");
    let mut client = proxy.client();
    let cases = [
        ("GET", "/v2/pets", 200, "GET /v2/pets", "normal"),
        ("GET", "/v2/pets?page=2", 409, "GET /v2/pets", "undocumented"),
        ("POST", "/v2/pets", 409, "POST /v2/pets", "abnormal"),
        ("GET", "/v2/pets/7", 404, "GET /v2/pets/{id}", "abnormal"),
        ("HEAD", "/v2/pets/8", 200, "GET /v2/pets/{id}", "normal"),
        ("DELETE", "/v2/pets/7", 204, "DELETE /v2/pets/{id}", "normal"),
        ("DELETE", "/v2/pets/7", 503, "DELETE /v2/pets/{id}", "abnormal"),
        ("PUT", "/v2/pets/7/photos/a.png", 201, "PUT /v2/pets/{id}/photos/{photo}", "normal"),
        ("PUT", "/v2/pets/7/photos/a.png", 415, "PUT /v2/pets/{id}/photos/{photo}", "abnormal"),
        ("PUT", "/v2/pets/7/photos/a.png", 500, "PUT /v2/pets/{id}/photos/{photo}", "undocumented"),
        // These are no operations.
        ("PATCH", "/v2/pets/7", 404, "default", "undocumented"),
        ("GET", "/pets", 200, "default", "undocumented"),
        ("GET", "/v2/pets/", 201, "default", "undocumented"),
    ];
    for (method, path, status, ..) in cases {
        let lines: &[&str] = &[&format!("say: {status}"), "Content-Length: 0"];
        assert_eq!(client.ask(method, path, lines).status(), status, "{method} {path}");
    }
    let scrape = proxy.wait_for(RESPONSES, &[("catalog", "store")], cases.len() as f64);
    let mut expected: Vec<_> = cases
        .into_iter()
        .map(|(_, _, status, route, class)| (route.to_owned(), class.to_owned(), status.to_string()))
        .collect();
    expected.sort();
    assert_eq!(counted(&scrape), expected, "{}", scrape.text);
    let broken = [("route", "GET /v2/pets"), ("kind", "undocumented_status")];
    assert_eq!(scrape.sum(PROMISES, &broken), 1.0, "{}", scrape.text);
}

fn an_operation_describes_its_own_errors() {
    let backend = obedient();
    let proxy = store(&backend, "undocumented = 'describe'\n");
    let mut client = proxy.client();
    for (method, path, status, detail) in [
        ("GET", "/v2/pets/7", 404, "There is no such pet."),
        ("DELETE", "/v2/pets/7", 404, "It is still there."),
        ("PUT", "/v2/pets/7/photos/1", 404, "That is no photo."),
        ("POST", "/v2/pets", 409, "There is such a pet."),
        ("GET", "/v2/pets", 409, "Conflict"),
        ("GET", "/elsewhere", 409, "Conflict"),
    ] {
        let lines: &[&str] = &[&format!("say: {status}"), "Content-Length: 0"];
        let answer = client.ask(method, path, lines);
        assert_eq!((answer.status(), &*answer.field("content-type")), (status, "application/problem+json"));
        assert_eq!(answer.json()["detail"], detail, "{method} {path}");
    }
}

fn ids_make_no_series() {
    let backend = obedient();
    let proxy = store(&backend, "");
    let mut client = proxy.client();
    let mut ask = |id: usize| {
        say(&mut client, "GET", &format!("/v2/pets/{id}"), 404);
        say(&mut client, "GET", &format!("/no/{id}/operation"), 404);
    };
    ask(0);
    let before = proxy.wait_for(RESPONSES, &[], 2.0).samples.len();
    (1..2_000).for_each(&mut ask);
    let after = proxy.wait_for(RESPONSES, &[], 4_000.0);
    assert_eq!(after.samples.len(), before, "{}", after.text);
    let ids = after.samples.iter().flat_map(|sample| sample.labels.values());
    assert!(ids.into_iter().all(|value| !value.contains("1999")), "{}", after.text);
}

fn a_host_has_an_api_of_its_own() {
    let backend = obedient();
    let more = "[[route]]\nname = 'orders'\nhost = 'orders.internal'\ncatalog = 'orders.json'\n";
    let proxy = store(&backend, more);
    for (host, route, catalog, detail) in [
        ("orders.internal", "orders GET /v2/pets", "orders", Some("None ordered.")),
        ("ORDERS.internal:8080", "orders GET /v2/pets", "orders", Some("None ordered.")),
        // The hosts that descriptions name are those of a public entrance.
        ("localhost", "GET /v2/pets", "store", None),
        ("orders.example", "GET /v2/pets", "store", None),
    ] {
        let before = proxy.scrape().sum(RESPONSES, &[("route", route), ("catalog", catalog)]);
        let mut client = proxy.client();
        client.send(format!("GET /v2/pets HTTP/1.1\r\nHost: {host}\r\nsay: 404\r\n\r\n"));
        let answer = client.answer("GET");
        match detail {
            Some(detail) => assert_eq!(answer.json()["detail"], detail, "{host}"),
            None => assert_eq!(answer.field("content-type"), "text/html", "{host}"),
        }
        proxy.wait_for(RESPONSES, &[("route", route), ("catalog", catalog)], before + 1.0);
    }
}

fn the_base_path_may_be_stripped_before() {
    let backend = obedient();
    let proxy = store(&backend, "base_path = ''\n");
    let mut client = proxy.client();
    assert_eq!(say(&mut client, "GET", "/pets/7", 404).json()["detail"], "There is no such pet.");
    assert_eq!(say(&mut client, "GET", "/v2/pets/7", 404).field("content-type"), "text/html");
    let scrape = proxy.wait_for(RESPONSES, &[], 2.0);
    let route = |route: &str, class: &str| (route.to_owned(), class.to_owned(), "404".to_owned());
    assert_eq!(counted(&scrape), [route("GET /pets/{id}", "abnormal"), route("default", "undocumented")]);
}

fn paths_of_public_apis_are_told_apart() {
    let paths = [
        ("/repos/{owner}/{repo}/compare/{base}...{head}", "/repos/a/b/compare/main...topic"),
        ("/repos/{owner}/{repo}/compare/{basehead}", "/repos/a/b/compare/main"),
        ("/pets/{id}", "/pets/7"),
        ("/pets/{id}.json", "/pets/7.json"),
        ("/pets/{name}:cancel", "/pets/7:cancel"),
        ("/pets/mine", "/pets/mine"),
        ("/a/{b}/c/{d}/e/{f}/g/{h}/i/{j}", "/a/1/c/2/e/3/g/4/i/5"),
        ("/range(address='{address}')", "/range(address='A1')"),
    ];
    let mut text = "openapi: 3.1.0\ninfo: { title: Public, version: '1' }\npaths:\n".to_owned();
    for (number, (template, _)) in paths.iter().enumerate() {
        text.push_str(&format!(
            "  \"{template}\": {{ get: {{ responses: {{ '404': {{ description: Number {number}. }} }} }} }}\n"
        ));
    }
    let backend = obedient();
    let toml = format!("upstream = '{}'\ncatalog = 'public.yaml'\n", backend.url());
    let proxy = configured(&toml, &[("public.yaml", &text)]);
    let mut client = proxy.client();
    for (number, (template, path)) in paths.iter().enumerate() {
        let detail = say(&mut client, "GET", path, 404).json()["detail"].clone();
        assert_eq!(detail, format!("Number {number}."), "{path}");
        proxy.wait_for(RESPONSES, &[("route", &format!("GET {template}"))], 1.0);
    }
}

fn every_version_and_format_makes_routes() {
    let backend = obedient();
    let folder = scratch("descriptions");
    let store_as_json = |version: &str| {
        format!(
            r#"{{"openapi": "{version}", "info": {{"title": "T", "version": "1"}}, "servers": [{{"url": "/v2"}}],
                "paths": {{"/pets": {{"get": {{"responses": {{"404": {{"description": "None ordered."}}}}}}}}}}}}"#
        )
    };
    let file = |name: &str, text: &str| {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let record = run_to_end(&["catalog", "show", &file("orders.json", ORDERS), "--format", "toml"]);
    assert!(record.status.success(), "{record:?}");
    let files = [
        file("two.json", ORDERS),
        file("three.json", &store_as_json("3.0.0")),
        file("three-one.yaml", &store_as_json("3.1.0")),
        file("record.toml", &String::from_utf8(record.stdout).unwrap()),
    ];
    for catalog in &files {
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", catalog]);
        let answer = say(&mut proxy.client(), "GET", "/v2/pets", 404);
        assert_eq!(answer.json()["detail"], "None ordered.", "{catalog}");
        proxy.wait_for(RESPONSES, &[("route", "GET /v2/pets"), ("class", "abnormal")], 1.0);
    }
}

fn operations_in_conflict_cost_only_themselves() {
    let text = "openapi: 3.0.0\ninfo: { title: T, version: '1' }\npaths:\n  \
                /a/{x}: { get: { responses: { '404': { description: One. } } } }\n  \
                /a/{y}: { get: { responses: { '404': { description: Two. } } } }\n  \
                /b}: { get: { responses: { '404': { description: Three. } } } }\n  \
                /c: { get: { responses: { '404': { description: Four. } } } }\n";
    let backend = obedient();
    let toml = format!("upstream = '{}'\ncatalog = 'api.yaml'\n", backend.url());
    let proxy = configured(&toml, &[("api.yaml", text)]);
    let mut client = proxy.client();
    for (path, detail) in [("/a/1", "One."), ("/c", "Four.")] {
        assert_eq!(say(&mut client, "GET", path, 404).json()["detail"], detail);
    }
    let log = proxy.log();
    for warning in [
        "no route for GET /a/{y}: `/a/{x}` is for the same requests",
        "no route for GET /b}: a `}` has no `{`",
    ] {
        assert!(log.contains(warning), "{log}");
    }
}

fn a_description_that_describes_nothing_is_an_error() {
    let folder = scratch("nothing");
    let file = folder.join("empty.yaml");
    std::fs::write(&file, "openapi: 3.0.0\ninfo: { title: T, version: '1' }\npaths: {}\n").unwrap();
    let output =
        run_to_end(&["run", "--upstream", "http://127.0.0.1:9", "--catalog", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("empty.yaml: the description has no operation with a documented status"), "{told}");
}

fn check_and_the_admin_pages_tell_of_operations() {
    let backend = obedient();
    let folder = scratch("told");
    std::fs::write(folder.join("store.yaml"), STORE).unwrap();
    let toml = format!(
        "upstream = '{}'\n[[route]]\nname = 'pets'\npath = '/v2/{{*rest}}'\ncatalog = 'store.yaml'\n",
        backend.url()
    );
    let file = folder.join("proxy.toml");
    std::fs::write(&file, toml).unwrap();
    let file = file.to_str().unwrap();
    let checked = run_to_end(&["check", "--config", file]);
    let told = String::from_utf8(checked.stdout).unwrap();
    assert!(told.contains("route pets: */v2/{*rest} -> "), "{told}");
    assert!(told.contains("catalog store (5 operations), enforce"), "{told}");
    // Seven values of the label `route`: the default, the route, its operations.
    assert!(told.contains("metrics: about 1050 series in practice, 49947 at the very most"), "{told}");

    let proxy = Proxy::run(&["--config", file]);
    say(&mut proxy.client(), "GET", "/v2/pets/7", 404);
    say(&mut proxy.client(), "GET", "/v2/nothing", 404);
    proxy.wait_for(RESPONSES, &[], 2.0);
    let routes = proxy.admin("/api/routes").json();
    let pets = routes.as_array().unwrap().iter().find(|route| route["name"] == "pets").unwrap().clone();
    assert_eq!((&pets["operations"], &pets["catalog"]), (&5.into(), &"store".into()), "{pets}");
    let responses = (&pets["responses"]["abnormal"], &pets["responses"]["undocumented"]);
    assert_eq!(responses, (&1.into(), &1.into()), "{pets}");
    let operations = proxy.admin("/api/operations").json();
    let operations = operations.as_array().unwrap();
    assert_eq!(operations.len(), 5);
    let one = operations.iter().find(|operation| operation["name"] == "pets GET /v2/pets/{id}").unwrap();
    assert_eq!((&one["route"], &one["responses"]["abnormal"]), (&"pets".into(), &1.into()), "{one}");
    assert_eq!(proxy.admin("/api/status").json()["series"]["at_most"], 49_947);
    assert!(proxy.admin("/").text().contains("5 operations"));
}
