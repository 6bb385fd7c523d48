use std::path::Path;

use http_body_util::BodyExt as _;
use metrics::{Key, Label, Level, Metadata, Recorder as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use super::*;
use crate::{
    config::{Config, Overrides},
    drain::Drain,
    recorder::PrometheusRecorder,
    reload::Served,
    serve::Bound,
};

const CONFIGURATION: &str = r#"
upstream = "http://127.0.0.1:3000/v1"
[[route]]
name = "<b>dns</b>"
host = "dns.test"
methods = ["GET"]
path = "/zones/{id}"
catalog = "dns"
mode = "observe"
"#;

struct Operator {
    observed: Observed,
    recorder: PrometheusRecorder,
    drain: Drain,
}

impl Operator {
    fn new() -> Self {
        let config = Config::parse(CONFIGURATION, Path::new("proxy.toml"), &Overrides::default()).unwrap();
        let recorder = PrometheusRecorder::new();
        let drain = Drain::default();
        let bound =
            Bound { listen: "127.0.0.1:8080".parse().unwrap(), admin: "127.0.0.1:9900".parse().unwrap() };
        let served = Served::new(Arc::new(config));
        let observed = Observed { served, bound, recorder: recorder.clone(), drain: drain.clone() };
        Self { observed, recorder, drain }
    }

    fn counted(&self, route: &str, class: &str, action: &str, count: u64) {
        let labels = [("route", route), ("class", class), ("action", action)];
        let labels = labels.map(|(name, value)| Label::new(name.to_owned(), value.to_owned()));
        let key = Key::from_parts("status_normalize_responses_total", labels.to_vec());
        let metadata = Metadata::new("test", Level::INFO, None);
        self.recorder.register_counter(&key, &metadata).increment(count);
    }

    async fn ask(&self, method: &str, path: &str) -> (StatusCode, http::HeaderMap, String) {
        let request = Request::builder().method(method).uri(path).body(()).unwrap();
        let (head, body) = respond(&request, &self.observed.overview()).into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head.status, head.headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn json(&self, path: &str) -> Value {
        let (status, headers, body) = self.ask("GET", path).await;
        assert_eq!(
            (status.as_u16(), &headers[header::CONTENT_TYPE]),
            (200, &HeaderValue::from_static("application/json"))
        );
        serde_json::from_str(&body).unwrap()
    }
}

/// T64
#[tokio::test]
async fn each_path_has_its_answer() {
    let operator = Operator::new();
    let cases = [
        ("GET", "/", 200, "text/html; charset=utf-8"),
        ("GET", "/livez", 200, "text/plain; charset=utf-8"),
        ("GET", "/readyz", 200, "text/plain; charset=utf-8"),
        ("GET", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("HEAD", "/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/metrics?name=x", 200, "text/plain; version=0.0.4; charset=utf-8"),
        ("GET", "/api", 200, "application/json"),
        ("GET", "/api/", 200, "application/json"),
        ("GET", "/api/catalogs/sfs", 200, "application/json"),
        ("GET", "/api/catalogs/vpn", 404, "text/plain; charset=utf-8"),
        ("GET", "/api/nothing", 404, "text/plain; charset=utf-8"),
        ("GET", "/apis", 404, "text/plain; charset=utf-8"),
        ("GET", "/metrics/", 404, "text/plain; charset=utf-8"),
        ("POST", "/", 405, "text/plain; charset=utf-8"),
        ("DELETE", "/nothing", 405, "text/plain; charset=utf-8"),
    ];
    for (method, path, status, content_type) in cases {
        let (found, headers, _) = operator.ask(method, path).await;
        assert_eq!(
            (found.as_u16(), &headers[header::CONTENT_TYPE]),
            (status, &HeaderValue::from_static(content_type)),
            "{method} {path}"
        );
        assert_eq!(headers.get(header::ALLOW).is_some(), status == 405, "{method} {path}");
        assert_eq!(headers[header::X_CONTENT_TYPE_OPTIONS], "nosniff", "{method} {path}");
    }
    let document = include_str!("../../../../docs/CONFIG.md");
    for path in operator.json("/api").await.as_object().unwrap().values() {
        let path = path.as_str().unwrap().replace("{name}", "NAME");
        assert!(document.contains(&format!("`{path}`")), "{path} is documented");
    }
}

#[tokio::test]
async fn readiness_ends_with_the_drain_and_liveness_does_not() {
    let operator = Operator::new();
    assert_eq!(operator.ask("GET", "/readyz").await.0, 200);
    operator.drain.begin();
    let (status, _, body) = operator.ask("GET", "/readyz").await;
    assert_eq!((status.as_u16(), &*body), (503, "draining\n"));
    assert_eq!(operator.ask("GET", "/livez").await.0, 200);
    assert_eq!(operator.json("/api/status").await["state"], "draining");
}

#[tokio::test]
async fn counts_are_added_up_by_route_and_class() {
    let operator = Operator::new();
    operator.counted("default", "normal", "pass", 1200);
    operator.counted("default", "abnormal", "rewrite", 30);
    operator.counted("default", "abnormal", "pass", 4);
    operator.counted("<b>dns</b>", "abnormal", "would_rewrite", 5);
    operator.counted("<b>dns</b>", "undocumented", "pass", 6);
    let counts = |normal, abnormal, undocumented, rewritten, would_rewrite| {
        serde_json::json!({
            "normal": normal, "abnormal": abnormal, "undocumented": undocumented,
            "rewritten": rewritten, "would_rewrite": would_rewrite,
        })
    };
    assert_eq!(operator.json("/api/status").await["responses"], counts(1200, 39, 6, 30, 5));
    let routes = operator.json("/api/routes").await;
    assert_eq!(routes[0]["responses"], counts(0, 5, 6, 0, 5));
    assert_eq!(routes[1]["responses"], counts(1200, 34, 0, 30, 0));
    let (_, _, page) = operator.ask("GET", "/").await;
    assert!(page.contains("<dt>Normal</dt><dd><b>1\u{202f}200</b>"), "{page}");
}

#[tokio::test]
async fn configuration_is_told() {
    let operator = Operator::new();
    let route = &operator.json("/api/routes").await[0];
    for (key, value) in [
        ("host", serde_json::json!("dns.test")),
        ("methods", serde_json::json!(["GET"])),
        ("path", serde_json::json!("/zones/{id}")),
        ("catalog", serde_json::json!("dns")),
        ("mode", serde_json::json!("observe")),
        ("rollout", serde_json::json!(100)),
        ("upstream", serde_json::json!("http://127.0.0.1:3000/v1")),
    ] {
        assert_eq!(route[key], value, "{key}");
    }
    let catalogs = operator.json("/api/catalogs").await;
    let names: Vec<&Value> = catalogs.as_array().unwrap().iter().map(|catalog| &catalog["name"]).collect();
    assert_eq!(names, ["dns", "sfs"]);
    assert_eq!(operator.json("/api/catalogs/sfs").await["entries"].as_array().unwrap().len(), 18);
}

/// T12
#[tokio::test]
async fn page_fetches_nothing_and_escapes_what_it_shows() {
    let (_, headers, page) = Operator::new().ask("GET", "/").await;
    assert!(page.contains("&lt;b&gt;dns&lt;/b&gt;") && !page.contains("<b>dns"), "{page}");
    assert!(!page.contains("src=") && !page.contains("href=\"http") && !page.contains("url("), "{page}");
    assert!(headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap().starts_with("default-src 'none'"));
}

async fn connect() -> TcpStream {
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = admin.address().unwrap();
    tokio::spawn(admin.serve(Arc::new(Operator::new().observed)));
    TcpStream::connect(address).await.unwrap()
}

#[tokio::test]
async fn connections_are_kept_and_head_gets_no_body() {
    let mut stream = connect().await;
    for path in ["/livez", "/", "/metrics"] {
        let request =
            format!("HEAD {path} HTTP/1.1\r\nHost: test\r\n\r\nGET /readyz HTTP/1.1\r\nHost: test\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answers = String::new();
        while !answers.ends_with("ready\n") {
            let mut some = [0; 4096];
            let read = stream.read(&mut some).await.unwrap();
            assert_ne!(read, 0, "{answers}");
            answers.push_str(std::str::from_utf8(&some[..read]).unwrap());
        }
        let (head, rest) = answers.split_once("\r\n\r\n").unwrap();
        assert!(!head.contains("content-length: 0"), "{head}");
        assert!(rest.starts_with("HTTP/1.1 200 OK\r\n"), "{path}: {rest}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_never_ends_is_given_up() {
    let mut stream = connect().await;
    let start = tokio::time::Instant::now();
    stream.write_all(b"GET / HTTP/1.1\r\nHost:").await.unwrap();
    let mut rest = Vec::new();
    stream.read_to_end(&mut rest).await.unwrap();
    assert!((HEAD_TIMEOUT..CONNECTION_TIME).contains(&start.elapsed()), "{:?}", start.elapsed());
}
