//! Every entry of the five documents reaches the client and the metrics as the document has it.

use serde_json::json;

use crate::support::{
    backend::{Backend, answer, page},
    catalogs::{ABNORMAL, CATALOGS, iana_phrase},
    proxy::{Proxy, run_to_end},
    trials,
};

trials![
    abnormal_codes_are_described,
    each_catalog_has_its_own_json_envelope,
    metrics_have_the_class_of_every_code,
    normal_codes_are_never_touched,
    shown_as_json_every_entry_is_as_documented,
    the_default_catalog_is_sfs,
    two_hosts_have_two_catalogs,
];

/// A backend that answers `/404` with an HTML page and 404.
fn pages() -> Backend {
    Backend::scripted(|request| {
        let status = request.target().trim_start_matches('/').parse().unwrap();
        vec![crate::support::backend::Step::Send(page(status))]
    })
}

fn serving(catalog: &str, backend: &Backend) -> Proxy {
    Proxy::run(&["--upstream", &backend.url(), "--catalog", catalog])
}

fn abnormal_codes_are_described() {
    let backend = pages();
    for catalog in &CATALOGS {
        let proxy = serving(catalog.name, &backend);
        let mut client = proxy.client();
        for line in catalog.abnormal {
            let case = format!("{} {}", catalog.name, line.code);
            let answer = client.get(&format!("/{}", line.code));
            assert_eq!(answer.status(), line.code, "{case}");
            assert_eq!(answer.field("content-type"), "application/problem+json", "{case}");
            let phrase = iana_phrase(line.code);
            assert_eq!(answer.reason(), phrase, "{case}");
            let expected = json!({
                "type": "about:blank", "title": phrase, "status": line.code, "detail": line.description,
            });
            assert_eq!(answer.json(), expected, "{case}");
        }
    }
}

fn each_catalog_has_its_own_json_envelope() {
    let backend = pages();
    for catalog in &CATALOGS {
        let proxy = serving(catalog.name, &backend);
        let mut client = proxy.client();
        for line in catalog.abnormal {
            let answer = client.ask("GET", &format!("/{}", line.code), &["Accept: application/json"]);
            assert_eq!(answer.field("content-type"), "application/json", "{} {}", catalog.name, line.code);
            let code = format!("HTTP.{}", line.code);
            let expected = match catalog.name {
                "dns" => json!({ "code": code, "message": line.description }),
                "ecs" => json!({ "error": { "code": code, "message": line.description } }),
                _ => json!({ "error_code": code, "error_msg": line.description }),
            };
            assert_eq!(answer.json(), expected, "{} {}", catalog.name, line.code);
        }
    }
}

fn normal_codes_are_never_touched() {
    let backend = pages();
    for catalog in &CATALOGS {
        let proxy = serving(catalog.name, &backend);
        for line in catalog.normal.iter().filter(|line| line.code != 204) {
            let answer = proxy.get(&format!("/{}", line.code));
            assert_eq!(answer.status(), line.code, "{}", catalog.name);
            // T36: a passed answer keeps the backend's phrase.
            assert_eq!(answer.reason(), "Whatever", "{} {}", catalog.name, line.code);
            assert_eq!(answer.text(), crate::support::backend::PAGE, "{} {}", catalog.name, line.code);
        }
    }
}

// T33: 201, 202 and 204 are in one document and not in another.
fn metrics_have_the_class_of_every_code() {
    let backend = pages();
    for catalog in &CATALOGS {
        let proxy = serving(catalog.name, &backend);
        let mut client = proxy.client();
        let codes = [200, 201, 202, 204].into_iter().chain(ABNORMAL).chain([402, 410, 418, 422, 429, 505]);
        for code in codes.clone() {
            // A 204 with bytes after it costs the connection, and is tested elsewhere.
            if code == 204 {
                continue;
            }
            client.get(&format!("/{code}"));
        }
        let total = codes.clone().count() as f64 - 1.0;
        let scrape = proxy.wait_for("status_normalize_responses_total", &[], total);
        for code in codes.filter(|&code| code != 204) {
            let status = code.to_string();
            let class = catalog.class(code);
            let labels = [
                ("catalog", catalog.name),
                ("route", "default"),
                ("class", class),
                ("status", &status),
                ("upstream_status", &status),
                ("source", "upstream"),
                ("action", if class == "abnormal" { "rewrite" } else { "pass" }),
            ];
            let found = scrape.sum("status_normalize_responses_total", &labels);
            assert_eq!(found, 1.0, "{labels:?} in {}", scrape.text);
        }
    }
}

fn shown_as_json_every_entry_is_as_documented() {
    let mut entries = 0;
    for catalog in &CATALOGS {
        let output = run_to_end(&["catalog", "show", catalog.name, "--format", "json"]);
        assert!(output.status.success(), "{output:?}");
        let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(shown["name"], catalog.name);
        assert!(shown["title"].as_str().is_some_and(|title| !title.is_empty()), "{shown}");
        assert_eq!(shown["language"], "en");
        let lines = catalog.normal.iter().map(|line| ("normal", line));
        let lines: Vec<_> = lines.chain(catalog.abnormal.iter().map(|line| ("abnormal", line))).collect();
        let shown = shown["entries"].as_array().unwrap();
        assert_eq!(shown.len(), lines.len(), "{}", catalog.name);
        for ((class, line), entry) in lines.into_iter().zip(shown) {
            let bound = ["vpn", "csbs", "sfs"].contains(&catalog.name);
            let methods: &[&str] = match line.code {
                200 if bound => &["GET", "PUT"],
                201 if bound => &["POST"],
                204 if bound => &["DELETE"],
                _ => &[],
            };
            let expected = json!({
                "code": line.code, "class": class, "reason": line.reason, "description": line.description, "methods": methods,
            });
            assert_eq!(*entry, expected, "{} {}", catalog.name, line.code);
            entries += 1;
        }
    }
    assert_eq!(entries, 86);
}

fn the_default_catalog_is_sfs() {
    let backend = Backend::says(page(502));
    let proxy = Proxy::run(&["--upstream", &backend.url()]);
    let detail = "The request is not completed because the server receives an invalid response from an upstream server.";
    assert_eq!(proxy.get("/").json()["detail"], detail);
}

// T33: in one process, by host.
fn two_hosts_have_two_catalogs() {
    let backend = Backend::says(answer("502 Bad Gateway", &[], ""));
    let proxy = Proxy::configured(&format!(
        "upstream = '{url}'\ncatalog = 'sfs'\n\
         [[route]]\nname = 'names'\nhost = 'dns.test'\ncatalog = 'dns'\nupstream = '{url}'\n",
        url = backend.url()
    ));
    let mut client = proxy.client();
    for (host, catalog) in
        [("dns.test", "dns"), ("other.test", "sfs"), ("DNS.test:8080", "dns"), ("dns.test", "dns")]
    {
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let detail = crate::support::catalogs::catalog(catalog).description(502);
        assert_eq!(client.answer("GET").json()["detail"], detail, "{host}");
    }
    proxy.wait_for("status_normalize_responses_total", &[("catalog", "dns"), ("route", "names")], 3.0);
    proxy.wait_for("status_normalize_responses_total", &[("catalog", "sfs"), ("route", "default")], 1.0);
}
