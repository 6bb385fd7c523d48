//! Which error bodies are standard and which are not; T31, T38 to T42.

use crate::support::{
    backend::{Backend, PAGE, answer},
    catalogs::catalog,
    client::Answer,
    proxy::Proxy,
    trials,
};

trials![
    a_message_of_a_4xx_is_kept_if_so_configured,
    a_second_proxy_changes_nothing,
    any_sort_of_bytes_is_judged_without_a_panic,
    bodies_in_a_documented_form_pass_byte_for_byte,
    codes_and_request_ids_are_kept,
    codes_that_are_not_there_are_not_invented,
    hostile_codes_are_not_kept,
    nonstandard_bodies_are_counted_by_reason,
    nothing_else_of_the_old_body_reaches_the_client,
    strict_routes_demand_the_documented_description,
];

const NONSTANDARD: &str = "status_normalize_nonstandard_total";

/// A backend that answers each request with the media type and body that its path numbers.
fn cases(status: u16, cases: Vec<(String, Vec<u8>)>) -> Backend {
    Backend::scripted(move |request| {
        let (kind, body) = &cases[request.target()[1..].parse::<usize>().unwrap()];
        let line = format!("Content-Type: {kind}");
        let lines = if kind.is_empty() { vec![] } else { vec![line.as_str()] };
        vec![crate::support::backend::Step::Send(answer(&format!("{status} Whatever"), &lines, body))]
    })
}

fn owned(list: &[(&str, &str)]) -> Vec<(String, Vec<u8>)> {
    list.iter().map(|(kind, body)| ((*kind).to_owned(), body.as_bytes().to_vec())).collect()
}

// T38
fn bodies_in_a_documented_form_pass_byte_for_byte() {
    let mut list = owned(&[
        ("application/json", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        (
            "application/json",
            r#"{"error_msg":"no such share","request_id":"7","error_code":"SFS.0001","more":[1,{"a":null}]}"#,
        ),
        ("application/json; charset=utf-8", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        ("APPLICATION/JSON;Charset=\"UTF-8\"", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        ("text/json", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        ("application/vnd.sfs.v2+json", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#),
        ("application/json", r#"{"code": "DNS.0001", "message": "no such zone"}"#),
        ("application/json", r#"{"code": 404, "message": "no such zone"}"#),
        ("application/json", r#"{"code": "404", "message": "no such zone"}"#),
        ("application/json", r#"{"code": 1017, "message": "no such zone"}"#),
        ("application/json", r#"{"code": "12000002", "message": "no such zone"}"#),
        ("application/json", r#"{"errCode": "SFS.TURBO.0001", "errMsg": "parameter error"}"#),
        ("application/json", r#"{"errorCode": "DIS.4000", "errorMessage": "parameter error"}"#),
        ("application/json", r#"{"errorCode": "DIS.4000", "errorMsg": "parameter error"}"#),
        ("application/json", r#"{"errorCode": "DIS.4000", "message": "parameter error"}"#),
        ("application/json", r#"{"error": {"message": "request body is illegal.", "code": "Ecs.0005"}}"#),
        ("application/json", r#"{"error": {"message": "no", "code": 404, "title": "Not Found"}}"#),
        ("application/json", r#"{"error": {"error_code": "KMS.0201", "error_msg": "no such key"}}"#),
        ("application/json", r#"{"itemNotFound": {"message": "no such disk", "code": 404}}"#),
        ("application/json", r#"{"whateverFault": {"message": "no such disk", "code": "404"}}"#),
        (
            "application/json",
            r#"{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no pod","reason":"NotFound","code":404}"#,
        ),
        ("application/problem+json", r#"{"title": "No such share"}"#),
        ("application/problem+json", r#"{"detail": "No such share", "status": 404}"#),
        (
            "application/problem+json",
            r#"{"type": "https://x.test/no", "title": "No", "detail": "No share", "status": 404, "x": 1}"#,
        ),
        ("application/xml", "<Error><Code>NoSuchKey</Code><Message>no such key</Message></Error>"),
        (
            "text/xml; charset=UTF-8",
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>NoSuchKey</Code><Message>no</Message><Resource>/x\
             </Resource><RequestId>1</RequestId></Error>",
        ),
        (
            "application/problem+xml",
            "<problem xmlns=\"urn:ietf:rfc:7807\"><title>No</title><status>404</status><detail>No share</detail></problem>",
        ),
    ]);
    let mut marked = b"\xef\xbb\xbf".to_vec();
    marked.extend(&list[0].1);
    list.push(("application/json".into(), marked));
    let backend = cases(404, list.clone());
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for (number, (kind, body)) in list.iter().enumerate() {
        let answer = client.ask("GET", &format!("/{number}"), &["Accept: text/html"]);
        assert_eq!(answer.text(), String::from_utf8_lossy(body), "{number}");
        assert_eq!(answer.body, *body, "{number}");
        assert_eq!(answer.field("content-type"), *kind, "{number}");
        assert_eq!(answer.start, "HTTP/1.1 404 Whatever", "{number}");
        assert!(!answer.has("vary") && !answer.has("cache-control"), "nothing is added: {number}");
    }
    let scrape = proxy.wait_for("status_normalize_responses_total", &[("action", "pass")], list.len() as f64);
    assert_eq!(scrape.sum(NONSTANDARD, &[]), 0.0);
}

// T40
fn nonstandard_bodies_are_counted_by_reason() {
    let standard = r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#;
    let list = [
        ("text/plain", standard, "media_type"),
        ("", standard, "media_type"),
        ("text/html", PAGE, "media_type"),
        ("image/png", "\u{89}PNG", "media_type"),
        ("application/jsonp", standard, "media_type"),
        ("application/json", "", "empty"),
        ("text/html", "", "empty"),
        ("", "", "empty"),
        ("application/json", PAGE, "malformed"),
        ("application/json", "{\"error_code\": \"SFS.0001\", ", "malformed"),
        ("application/json", "   ", "empty"),
        ("application/json", "{\"error_code\":\"a\",\"error_msg\":\"b\"} trailing", "malformed"),
        ("application/xml", "<Error><Code>x</Code>", "malformed"),
        ("application/json", "[1, 2, 3]", "shape"),
        ("application/json", "\"a string\"", "shape"),
        ("application/json", "null", "shape"),
        ("application/json", "{}", "shape"),
        ("application/json", r#"{"details": "Not found."}"#, "shape"),
        ("application/json", r#"{"error_code": "SFS.0001"}"#, "shape"),
        ("application/json", r#"{"error_code": "SFS.0001", "error_msg": ""}"#, "shape"),
        ("application/json", r#"{"error_code": "SFS.0001", "error_msg": {"a": 1}}"#, "shape"),
        ("application/json", r#"{"error": "not found"}"#, "shape"),
        ("application/problem+json", r#"{"status": 404}"#, "shape"),
        ("application/problem+json", r#"{"title": "", "detail": ""}"#, "shape"),
        ("application/xml", "<html><body>no</body></html>", "shape"),
        ("application/problem+json", r#"{"title": "No", "status": 500}"#, "status_mismatch"),
        ("application/json", r#"{"code": 500, "message": "m"}"#, "status_mismatch"),
        ("application/json", r#"{"code": "403", "message": "m"}"#, "status_mismatch"),
        ("application/json", r#"{"error": {"code": 400, "message": "m"}}"#, "status_mismatch"),
    ];
    for (kind, body, reason) in list {
        let backend = cases(404, owned(&[(kind, body)]));
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.get("/0");
        assert_eq!(answer.json()["status"], 404, "{kind} {body}");
        assert_eq!(answer.json()["detail"], catalog("sfs").description(404), "{kind} {body}");
        let labels = [("reason", reason), ("status", "404"), ("catalog", "sfs"), ("route", "default")];
        let scrape = proxy.wait_for("status_normalize_responses_total", &[], 1.0);
        assert_eq!(scrape.sum(NONSTANDARD, &labels), 1.0, "{kind} {body} is {reason}: {}", scrape.text);
    }
}

// T40
fn any_sort_of_bytes_is_judged_without_a_panic() {
    let mut list = owned(&[
        ("application/json", r#"{"error_code": "A", "error_code": "B", "error_msg": "x", "error_msg": "y"}"#),
        ("application/json", "{\"error_code\": \"\\ud800\", \"error_msg\": \"\\udfff lone\"}"),
        ("application/json", "{\"error_code\": 1e999999, \"error_msg\": \"x\"}"),
        (
            "application/xml",
            "<!DOCTYPE a [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><Error><Code>&b;</Code></Error>",
        ),
        (";;;=", "x"),
        ("application/json; charset=utf-16", "{\"error_code\": \"a\", \"error_msg\": \"b\"}"),
    ]);
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let deep = format!("{}1{}", open.repeat(10_000), close.repeat(10_000));
        list.push(("application/json".into(), deep.clone().into_bytes()));
        let wrapped = format!("{{\"error_code\": \"A\", \"error_msg\": \"m\", \"deep\": {deep}}}");
        list.push(("application/json".into(), wrapped.into_bytes()));
    }
    list.push(("application/xml".into(), format!("<Error>{}", "<a>".repeat(10_000)).into_bytes()));
    list.push(("application/json".into(), (0..=255).collect()));
    list.push((
        "application/json".into(),
        b"{\"error_code\": \"\xff\xfe\", \"error_msg\": \"\xc3\x28\"}".to_vec(),
    ));
    let backend = cases(500, list.clone());
    let mut proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for (number, (_, body)) in list.iter().enumerate() {
        let answer = client.get(&format!("/{number}"));
        let passed = answer.body == *body;
        assert!(
            passed || answer.json()["status"] == 500,
            "{number} either passes or is described: {}",
            answer.text()
        );
    }
    let scrape = proxy.wait_for("status_normalize_responses_total", &[], list.len() as f64);
    let nonstandard = scrape.sum(NONSTANDARD, &[]);
    assert_eq!(nonstandard, scrape.sum("status_normalize_responses_total", &[("action", "rewrite")]));
    assert!(proxy.is_running());
    assert!(!proxy.log().contains("panicked"));
}

// T39
fn codes_and_request_ids_are_kept() {
    let list = [
        r#"{"error_code": "SFS.0042", "request_id": "0b1c-7", "stack": "secret"}"#,
        r#"{"request_id": "0b1c-7", "errors": {"code": "SFS.0042"}, "n": 1, "error_code": "SFS.0042"}"#,
        r#"{"requestId": "0b1c-7", "errorCode": "SFS.0042", "trace": ["secret"]}"#,
        r#"{"error": {"code": "SFS.0042", "request_id": "0b1c-7"}, "other": "secret"}"#,
    ];
    let backend = cases(409, owned(&list.map(|body| ("application/json", body))));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for (number, body) in list.iter().enumerate() {
        let path = format!("/{number}");
        let problem = client.get(&path).json();
        assert_eq!(problem["detail"], catalog("sfs").description(409));
        // Under the name that the backend gave it.
        let names = ["error_code", "code", "errorCode"];
        let codes: Vec<_> = names.iter().filter_map(|name| problem[name].as_str()).collect();
        assert_eq!(codes, ["SFS.0042"], "{body}: {problem}");
        assert_eq!(problem["request_id"], "0b1c-7", "{body}: {problem}");
        let answer = client.ask("GET", &path, &["Accept: application/json"]);
        // What an SDK of this service reads.
        assert_eq!(answer.json()["error_code"], "SFS.0042", "{body}");
        assert_eq!(answer.json()["error_msg"], catalog("sfs").description(409));
        assert_eq!(answer.json()["request_id"], "0b1c-7", "{body}");
        assert_eq!(answer.field("content-length"), answer.body.len().to_string());
        for accept in ["application/problem+xml", "text/html", "text/plain", "*/*"] {
            let answer = client.ask("GET", &path, &[&format!("Accept: {accept}")]);
            assert!(!answer.text().contains("secret"), "{accept} {body}");
        }
    }
    let xml = "<Failure><Code>SFS.0042</Code><RequestId>0b1c-7</RequestId><Host>secret</Host></Failure>";
    let backend = cases(409, owned(&[("application/xml", xml)]));
    let problem = Proxy::start(&backend.url()).get("/0").json();
    assert_eq!(problem["request_id"], "0b1c-7", "{problem}");
    assert!(problem.to_string().contains("SFS.0042"), "{problem}");
}

// T39
fn codes_that_are_not_there_are_not_invented() {
    let list = [
        ("application/json", r#"{"oops": 1}"#),
        ("text/html", r#"{"error_code": "X", "request_id": "Y"}"#),
        ("text/plain", "error_code=X"),
    ];
    let backend = cases(500, owned(&list));
    let proxy = Proxy::start(&backend.url());
    for number in 0..list.len() {
        let problem = proxy.get(&format!("/{number}")).json();
        let members: Vec<_> = problem.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(members, ["detail", "status", "title", "type"], "{number}");
        let envelope = proxy.ask("GET", &format!("/{number}"), &["Accept: application/json"]).json();
        assert_eq!(envelope["error_code"], "HTTP.500");
        assert_eq!(envelope.get("request_id"), None);
    }
}

// T39, T12
fn hostile_codes_are_not_kept() {
    let long = format!(r#"{{"error_code": "{}", "request_id": "{}"}}"#, "A".repeat(5_000), "b".repeat(5_000));
    let list = [
        r#"{"error_code": "<script>alert(1)</script>", "request_id": "\"><img src=x>"}"#,
        r#"{"error_code": "a\r\nSet-Cookie: x=1", "request_id": "line\nbreak"}"#,
        r#"{"error_code": {"nested": true}, "request_id": ["a"]}"#,
        r#"{"error_code": "", "request_id": "\u0000"}"#,
        &long,
    ];
    let backend = cases(500, owned(&list.map(|body| ("application/json", body))));
    let proxy = Proxy::start(&backend.url());
    for (number, body) in list.iter().enumerate() {
        for accept in
            ["application/problem+json", "application/json", "text/html", "application/xml", "text/plain"]
        {
            let answer = proxy.ask("GET", &format!("/{number}"), &[&format!("Accept: {accept}")]);
            let text = answer.text();
            assert!(
                !text.contains("<script") && !text.contains("<img") && !text.contains("Set-Cookie"),
                "{body}: {text}"
            );
            assert!(!answer.has("set-cookie"));
            assert!(text.len() < 2_000, "bounded: {text}");
            if accept == "application/problem+json" {
                assert_eq!(answer.json().as_object().unwrap().len(), 4, "{body}: {text}");
            }
        }
    }
}

// T41
fn nothing_else_of_the_old_body_reaches_the_client() {
    let json = r#"{"error_code": "SFS.0042", "error": "SELECT * FROM users", "path": "/srv/app/views.py",
                   "host": "db-3.internal", "trace": "Traceback (most recent call last)", "message": "root:hunter2"}"#;
    let text = "Traceback SELECT * FROM users /srv/app/views.py db-3.internal root:hunter2";
    for status in [400, 500] {
        let list = [("application/json", json), ("text/plain", text), ("text/html", PAGE)];
        let backend = cases(status, owned(&list));
        let proxy = Proxy::start(&backend.url());
        for number in 0..3 {
            for accept in ["*/*", "application/json", "text/html", "text/plain", "application/xml"] {
                let answer = proxy.ask("GET", &format!("/{number}"), &[&format!("Accept: {accept}")]);
                let whole = String::from_utf8_lossy(&answer.raw);
                for secret in ["Traceback", "SELECT", "views.py", "internal\"", "db-3", "hunter2", "Whatever"]
                {
                    assert!(!whole.contains(secret), "{status} {number} {accept}: {secret} in {whole}");
                }
            }
        }
    }
}

fn a_message_of_a_4xx_is_kept_if_so_configured() {
    let body = r#"{"oops": {"a": 1}, "message": "share 17 is <in use>"}"#;
    for (status, kept) in [(409, true), (500, false)] {
        let backend = cases(status, owned(&[("application/json", body)]));
        let proxy = Proxy::configured(&format!("upstream = '{}'\nkeep_detail = true\n", backend.url()));
        for accept in ["application/problem+json", "application/json"] {
            let answer = proxy.ask("GET", "/0", &[&format!("Accept: {accept}")]);
            let text = answer.json().to_string();
            assert_eq!(text.contains("share 17 is <in use>"), kept, "{status} {accept}: {text}");
            assert!(
                text.contains(catalog("sfs").description(status)),
                "beside the documented description: {text}"
            );
        }
    }
}

fn strict_routes_demand_the_documented_description() {
    let documented = catalog("sfs").description(404);
    let list = [
        ("application/json", format!(r#"{{"error_code": "SFS.0001", "error_msg": "{documented}"}}"#), true),
        ("application/json", r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#.to_owned(), false),
        ("application/problem+json", format!(r#"{{"title": "Not Found", "detail": "{documented}"}}"#), true),
        ("application/problem+json", r#"{"title": "Not Found"}"#.to_owned(), false),
    ];
    let owned = list.iter().map(|(kind, body, _)| ((*kind).to_owned(), body.clone().into_bytes())).collect();
    let backend = cases(404, owned);
    let proxy = Proxy::configured(&format!("upstream = '{}'\nstrict = true\n", backend.url()));
    for (number, (_, body, passes)) in list.iter().enumerate() {
        assert_eq!(proxy.get(&format!("/{number}")).text() == *body, *passes, "{body}");
    }
}

// T42
fn a_second_proxy_changes_nothing() {
    let compare = |first: &Answer, second: &Answer, case: &str| {
        assert_eq!(first.body, second.body, "{case}");
        let essential = |answer: &Answer| {
            let fields = answer.fields.iter().map(|(name, value)| (name.to_ascii_lowercase(), value.clone()));
            fields.filter(|(name, _)| name != "via" && name != "date").collect::<Vec<_>>()
        };
        assert_eq!(essential(first), essential(second), "{case}");
    };
    let list = [
        ("text/html", PAGE),
        ("application/json", r#"{"error_code": "SFS.0042", "request_id": "7", "x": 1}"#),
    ];
    for status in [404, 502] {
        let backend = cases(status, owned(&list));
        let inner = Proxy::start(&backend.url());
        let outer = Proxy::start(&format!("http://{}", inner.listen));
        let mut asked = 0.0;
        for number in 0..list.len() {
            for accept in [
                "*/*",
                "application/json",
                "application/problem+xml",
                "application/xml",
                "text/html",
                "text/plain",
            ] {
                let line = format!("Accept: {accept}");
                let path = format!("/{number}");
                let first = inner.ask("GET", &path, &[&line]);
                let second = outer.ask("GET", &path, &[&line]);
                compare(&first, &second, &format!("{status} {number} {accept}"));
                asked += 1.0;
            }
        }
        let scrape = outer.wait_for("status_normalize_responses_total", &[("action", "pass")], asked);
        assert_eq!(scrape.sum(NONSTANDARD, &[]), 0.0, "the second finds it standard: {}", scrape.text);
    }
}
