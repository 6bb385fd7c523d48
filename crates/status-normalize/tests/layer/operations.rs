//! The operations of an API as the layer's own routes.

use http::Method;
use status_catalog::{Import, Importer};
use status_normalize::{BuildError, Operations, RoutePattern, StatusNormalizeLayer, Undocumented};

use crate::support::*;

const PETS: &str = r##"
openapi: 3.0.3
info: { title: Pet store, version: "1" }
servers: [{ url: "https://pets.example:8443/v1" }]
paths:
  /pets:
    get: { responses: { "200": { description: Pets. } } }
    post:
      responses: { "201": { description: A pet. }, "409": { description: There is such a pet. } }
  /pets/{id}:
    get: { responses: { "200": { description: A pet. }, "404": { description: There is no such pet. } } }
    delete: { responses: { "204": { description: Gone. }, default: { description: It is still there. } } }
  /pets/{id}/toys/{toy}:
    put: { responses: { 2XX: { description: A toy. }, 4XX: { description: No toy for this pet. } } }
"##;

fn import(text: &str) -> Import {
    Importer::new().name("pets").import_text("pets.yaml", text).unwrap()
}

fn operations(import: &Import) -> Operations {
    Operations::new(import.operations(), import.unmatched().unwrap().clone())
}

fn pets() -> StatusNormalizeLayer {
    built(settings().undocumented(Undocumented::Describe).operations(operations(&import(PETS))))
}

async fn ask(layer: &StatusNormalizeLayer, method: &str, uri: &str, status: u16) -> Answer {
    let mut asked = request(method.parse::<Method>().unwrap(), &[]);
    *asked.uri_mut() = uri.parse().unwrap();
    answer(layer, asked, html(status)).await
}

/// The one series of `responses_total`: route, class and status.
async fn counted(layer: &StatusNormalizeLayer, method: &str, uri: &str, status: u16) -> [String; 3] {
    let (recorded, _installed) = recording();
    // Handles stay with the recorder that gave them.
    ask(&layer.detached(), method, uri, status).await;
    let [(labels, 1.0)] = &recorded.series(RESPONSES)[..] else { panic!("one series") };
    let label = |name: &str| labels.iter().find(|(key, _)| *key == name).unwrap().1.to_string();
    assert_eq!(label("catalog"), "pets");
    ["route", "class", "upstream_status"].map(label)
}

#[tokio::test]
async fn each_operation_has_its_own_promise() {
    let layer = pets();
    let cases = [
        ("GET", "/v1/pets", 200, "GET /v1/pets", "normal"),
        ("GET", "/v1/pets", 409, "GET /v1/pets", "undocumented"),
        ("POST", "/v1/pets", 409, "POST /v1/pets", "abnormal"),
        ("GET", "/v1/pets/7?x", 404, "GET /v1/pets/{id}", "abnormal"),
        ("HEAD", "/v1/pets/7", 404, "GET /v1/pets/{id}", "abnormal"),
        ("DELETE", "/v1/pets/7", 204, "DELETE /v1/pets/{id}", "normal"),
        ("DELETE", "/v1/pets/7", 200, "DELETE /v1/pets/{id}", "normal"),
        ("DELETE", "/v1/pets/7", 503, "DELETE /v1/pets/{id}", "abnormal"),
        ("PUT", "/v1/pets/7/toys/8", 201, "PUT /v1/pets/{id}/toys/{toy}", "normal"),
        ("PUT", "/v1/pets/7/toys/8", 451, "PUT /v1/pets/{id}/toys/{toy}", "abnormal"),
        ("PUT", "/v1/pets/7/toys/8", 500, "PUT /v1/pets/{id}/toys/{toy}", "undocumented"),
        ("GET", "http://10.0.0.1/v1/pets", 200, "GET /v1/pets", "normal"),
        // None of these is an operation, so that nothing is documented.
        ("PATCH", "/v1/pets/7", 404, "default", "undocumented"),
        ("GET", "/pets", 200, "default", "undocumented"),
        ("GET", "/v1/pets/", 200, "default", "undocumented"),
        ("OPTIONS", "*", 200, "default", "undocumented"),
    ];
    for (method, uri, status, route, class) in cases {
        let found = counted(&layer, method, uri, status).await;
        assert_eq!(found, [route, class, &status.to_string()], "{method} {uri} {status}");
    }
}

#[tokio::test]
async fn the_operation_describes_its_errors() {
    let layer = pets();
    ask(&layer, "GET", "/v1/pets/7", 404).await.assert_described("There is no such pet.");
    ask(&layer, "DELETE", "/v1/pets/7", 404).await.assert_described("It is still there.");
    ask(&layer, "PUT", "/v1/pets/7/toys/8", 404).await.assert_described("No toy for this pet.");
    ask(&layer, "GET", "/v1/pets", 404).await.assert_described("Not Found");
    ask(&layer, "GET", "/elsewhere", 404).await.assert_described("Not Found");
}

#[tokio::test]
async fn a_base_path_may_be_another_one() {
    let import = import(PETS);
    for (base, uri, route) in [
        ("", "/pets", "GET /pets"),
        ("/", "/pets", "GET /pets"),
        ("/api/v2/", "/api/v2/pets", "GET /api/v2/pets"),
        ("/t-{tenant}", "/t-a/pets", "GET /t-{tenant}/pets"),
    ] {
        let unmatched = import.unmatched().unwrap().clone();
        let operations = Operations::at_base_path(import.operations(), unmatched, base);
        let layer = built(settings().operations(operations));
        assert_eq!(counted(&layer, "GET", uri, 200).await, [route, "normal", "200"], "{base}");
        assert_eq!(counted(&layer, "GET", "/v1/pets", 200).await[1..], ["undocumented", "200"], "{base}");
    }
}

#[tokio::test]
async fn labels_begin_with_the_name_of_the_route() {
    let layer = built(settings().operations(operations(&import(PETS))).name("store"));
    assert_eq!(counted(&layer, "GET", "/v1/pets", 200).await[0], "store GET /v1/pets");
    assert_eq!(counted(&layer, "GET", "/", 200).await[0], "store");
    let labels: Vec<_> = operations(&import(PETS)).labels("store").collect();
    assert_eq!(labels[..2], ["store GET /v1/pets", "store POST /v1/pets"]);
    assert_eq!(labels.len(), operations(&import(PETS)).len());
}

#[tokio::test]
async fn ids_are_no_labels() {
    let layer = pets();
    let (recorded, _installed) = recording();
    for id in 0..1_000 {
        ask(&layer, "GET", &format!("/v1/pets/{id}"), 404).await;
        ask(&layer, "GET", &format!("/{id}"), 404).await;
    }
    assert_eq!(recorded.series(RESPONSES).len(), 2);
}

const AMBIGUOUS: &str = r##"
openapi: 3.0.3
info: { title: Ambiguous, version: "1" }
paths:
  /a/{x}:
    servers: [{ url: "https://one.example" }]
    get: { responses: { "200": { description: One. } } }
  /a/{y}:
    servers: [{ url: "https://Two.example:444" }]
    get: { responses: { "201": { description: Two. } } }
    put: { responses: { "200": { description: Two. } } }
  /a/{z}:
    servers: [{ url: "https://two.example" }]
    get: { responses: { "202": { description: Three. } } }
  /a/b:
    get: { responses: { "203": { description: Four. } } }
  /{x:
    get: { responses: { "200": { description: Five. } } }
"##;

#[tokio::test]
async fn hosts_tell_apart_what_nothing_else_does() {
    let operations = operations(&import(AMBIGUOUS));
    assert_eq!(
        operations.left_out(),
        [
            "GET /a/{z}: `/a/{y}` is for the same requests",
            "GET /{x: a `{` has no `}` behind it (a brace that is meant is doubled)"
        ]
    );
    let layer = built(settings().operations(operations));
    let cases = [
        ("GET", "http://one.example/a/1", "GET /a/{x}"),
        ("GET", "http://two.example/a/1", "GET two.example/a/{y}"),
        ("GET", "http://two.example:80/a/1", "GET two.example/a/{y}"),
        ("GET", "http://localhost/a/1", "GET /a/{x}"),
        ("PUT", "http://localhost/a/1", "PUT /a/{y}"),
        ("PUT", "http://two.example/a/1", "PUT /a/{y}"),
        ("GET", "http://two.example/a/b", "GET /a/b"),
    ];
    for (method, uri, route) in cases {
        assert_eq!(counted(&layer, method, uri, 500).await[0], route, "{method} {uri}");
    }
}

#[test]
fn an_empty_path_is_the_base_path_or_the_root() {
    let import = import(
        r#"{"openapi": "3.0.3", "info": {"title": "T", "version": "1"}, "servers": [{"url": "/v1/"}],
            "paths": {"": {"get": {"responses": {"200": {"description": "Fine."}}}}}}"#,
    );
    assert_eq!(operations(&import).labels("default").collect::<Vec<_>>(), ["GET /v1"]);
    let at_root = Operations::at_base_path(import.operations(), import.unmatched().unwrap().clone(), "");
    assert_eq!(at_root.labels("default").collect::<Vec<_>>(), ["GET /"]);
}

#[test]
fn operations_stand_in_the_layer_alone() {
    let inner = RoutePattern { path: Some("/a".into()), ..RoutePattern::default() };
    let nested = settings().route(inner, |route| route.name("x").operations(operations(&import(PETS))));
    assert!(matches!(nested.build(), Err(BuildError::Nested(name)) if *name == *"x"));
    let same =
        RoutePattern { methods: vec![Method::GET], path: Some("/v1/pets".into()), ..RoutePattern::default() };
    let twice = settings().operations(operations(&import(PETS))).route(same, |route| route.name("x"));
    assert!(matches!(twice.build(), Err(BuildError::Route(_))));
}

#[tokio::test]
async fn a_rollout_takes_its_share_of_first_requests() {
    let mut paths = String::new();
    for number in 0..200 {
        paths.push_str(&format!(
            "  /p{number}:\n    get: {{ responses: {{ \"404\": {{ description: No. }} }} }}\n"
        ));
    }
    let import = import(&format!("openapi: 3.0.3\ninfo: {{ title: Many, version: '1' }}\npaths:\n{paths}"));
    let layer = built(settings().rollout(10.try_into().unwrap()).operations(operations(&import)));
    let (recorded, _installed) = recording();
    for number in 0..200 {
        ask(&layer, "GET", &format!("/p{number}"), 404).await;
    }
    assert_eq!(recorded.sum(RESPONSES, &[("action", "rewrite")]), 20.0);
}
