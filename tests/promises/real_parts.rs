//! Programs that others wrote, on every side: a Prometheus server, backends, clients.

use std::{
    fmt::Write as _,
    fs::{self, File},
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use libtest_mimic::Completion;

use crate::support::{
    backend::{Backend, Step, page},
    catalogs::{ABNORMAL, CATALOGS, catalog, iana_phrase},
    client::Client,
    eventually,
    proxy::{Proxy, finish, finish_with},
    refused, scratch,
    tools::{Served, find, from_pypi, ignored, nginx},
    trials,
};

trials![
    a_prometheus_server_scrapes_the_counts,
    a_python_client_reads_the_answers,
    curl_reads_the_answers,
    every_abnormal_code_of_httpbin_is_described,
    every_abnormal_code_of_nginx_is_described,
    promtool_finds_nothing_to_say,
    the_rules_for_prometheus_say_what_they_should,
];

/// A backend that answers `/404` with an HTML page and 404.
fn pages() -> Backend {
    Backend::scripted(|request| {
        vec![Step::Send(page(request.target().trim_start_matches('/').parse().unwrap()))]
    })
}

fn a_prometheus_server_scrapes_the_counts() -> Completion {
    let Some(prometheus) = find("prometheus") else { return ignored("prometheus") };
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    for (code, count) in [(200, 5), (404, 3), (502, 2), (418, 1)] {
        for _ in 0..count {
            proxy.get(&format!("/{code}"));
        }
    }
    let directory = scratch("prometheus");
    let configuration = directory.join("prometheus.yml");
    // The file that operators are given, with this proxy's address and no patience.
    let text = fs::read_to_string(deployed("prometheus.yml")).unwrap();
    assert!(text.contains("127.0.0.1:9900"), "the program's default");
    let text = text
        .replace("127.0.0.1:9900", &proxy.admin.to_string())
        .replace("scrape_interval: 15s", "scrape_interval: 250ms")
        .replace("scrape_timeout: 10s", "scrape_timeout: 250ms")
        .replace("evaluation_interval: 15s", "evaluation_interval: 250ms");
    fs::write(&configuration, text).unwrap();
    fs::copy(deployed("prometheus-rules.yml"), directory.join("prometheus-rules.yml")).unwrap();
    let address = refused();
    let mut command = Command::new(prometheus);
    command.arg(format!("--config.file={}", configuration.display()));
    command.arg(format!("--storage.tsdb.path={}", directory.join("data").display()));
    command.arg(format!("--web.listen-address={address}")).arg("--log.level=error");
    let server = Served::start(command, address);
    // Each query with what it must come to, by label.
    for (query, label, expected) in [
        ("up", "job", vec![("status-proxy", 1.0)]),
        (
            "sum by (class) (status_normalize_responses_total)",
            "class",
            vec![("abnormal", 5.0), ("normal", 5.0), ("undocumented", 1.0)],
        ),
        ("sum by (reason) (status_normalize_nonstandard_total)", "reason", vec![("media_type", 5.0)]),
        (
            "sum by (status) (status_normalize_responses_total{class=\"abnormal\"})",
            "status",
            vec![("404", 3.0), ("502", 2.0)],
        ),
        (
            "sum by (class) (status_normalize_response_duration_seconds_count)",
            "class",
            vec![("abnormal", 5.0), ("normal", 5.0), ("undocumented", 1.0)],
        ),
    ] {
        eventually(|| {
            let found = query_by(&server, query, label)?;
            let expected: Vec<_> =
                expected.iter().map(|(value, count)| ((*value).to_owned(), *count)).collect();
            if found == expected { Ok(()) } else { Err(format!("{query} is {found:?}")) }
        });
    }
    let quantile =
        "histogram_quantile(0.99, sum by (le) (status_normalize_response_duration_seconds_bucket))";
    let found = query_by(&server, quantile, "le").unwrap();
    assert!(found.len() == 1 && found[0].1 > 0.0 && found[0].1 < 5.0, "{found:?}");
    // The recorded series are there; their values are the subject of the rules' own test.
    eventually(|| {
        let rule = "job_catalog_route_class:status_normalize_responses:rate5m";
        let classes = query_by(&server, rule, "class")?.len();
        if classes == 3 { Ok(()) } else { Err(format!("{rule} has {classes} classes")) }
    });
    // It asks for OpenMetrics, where a counter's family has no `_total`.
    let metadata = Client::connect(server.address).get("/api/v1/metadata").json();
    let metadata = &metadata["data"]["status_normalize_responses"][0];
    assert_eq!(metadata["type"], "counter", "{metadata}");
    assert!(metadata["help"].as_str().is_some_and(|help| help.len() > 10), "{metadata}");
    Completion::Completed
}

fn the_rules_for_prometheus_say_what_they_should() -> Completion {
    let Some(promtool) = find("promtool") else { return ignored("promtool") };
    let test =
        Command::new(promtool).args(["test", "rules"]).arg(deployed("prometheus-rules-test.yml")).output();
    let test = test.unwrap();
    let said = String::from_utf8_lossy(&[test.stdout, test.stderr].concat()).into_owned();
    assert!(test.status.success(), "{said}");
    Completion::Completed
}

/// A file that operators are given.
fn deployed(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name)
}

/// Values of an instant query by one label, sorted.
fn query_by(server: &Served, query: &str, label: &str) -> Result<Vec<(String, f64)>, String> {
    let mut path = "/api/v1/query?query=".to_owned();
    for byte in query.bytes() {
        write!(path, "%{byte:02X}").unwrap();
    }
    let answer = Client::connect(server.address).try_ask(&path)?;
    let result = answer["data"]["result"].as_array().cloned().ok_or_else(|| format!("{answer}"))?;
    let mut values: Vec<_> = result
        .iter()
        .map(|series| {
            let value = series["value"][1].as_str().and_then(|value| value.parse().ok()).unwrap_or(f64::NAN);
            (series["metric"][label].as_str().unwrap_or_default().to_owned(), value)
        })
        .collect();
    values.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(values)
}

impl Client {
    /// A GET of JSON from a server that may still be starting.
    fn try_ask(&mut self, path: &str) -> Result<serde_json::Value, String> {
        self.send(crate::support::client::request("GET", path, &[]));
        let answer = self.try_answer("GET").map_err(|error| error.to_string())?;
        serde_json::from_slice(&answer.body).map_err(|error| format!("{error}: {}", answer.text()))
    }
}

fn promtool_finds_nothing_to_say() -> Completion {
    let Some(promtool) = find("promtool") else { return ignored("promtool") };
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    for code in [200, 201, 404, 405, 418, 502, 666] {
        proxy.get(&format!("/{code}"));
    }
    let mut unreadable = proxy.client();
    unreadable.send("G@T / HTTP/1.1\r\n\r\n");
    unreadable.answer("GET");
    let scrape = proxy.wait_for("status_normalize_responses_total", &[], 8.0);
    let file = scratch("promtool").join("metrics");
    fs::write(&file, scrape.text).unwrap();
    let mut command = Command::new(promtool);
    command.args(["check", "metrics"]);
    let output = finish_with(command, File::open(file).unwrap().into(), Duration::from_secs(30));
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    assert_eq!((output.status.code(), said.as_str()), (Some(0), ""));
    Completion::Completed
}

/// Asks for every abnormal code behind every catalog.
fn assert_described(upstream: &str, path: impl Fn(u16) -> String) {
    for expected in &CATALOGS {
        let proxy = Proxy::run(&["--upstream", upstream, "--catalog", expected.name]);
        let mut client = proxy.client();
        for code in ABNORMAL {
            let case = format!("{} {code}", expected.name);
            let answer = client.get(&path(code));
            assert_eq!(answer.status(), code, "{case}: {}", answer.text());
            assert_eq!(answer.reason(), iana_phrase(code), "{case}");
            assert_eq!(answer.field("content-type"), "application/problem+json", "{case}");
            assert_eq!(answer.json()["detail"], expected.description(code), "{case}");
            assert_eq!(answer.json()["status"], code, "{case}");
        }
        let labels = [
            ("class", "abnormal"),
            ("action", "rewrite"),
            ("source", "upstream"),
            ("catalog", expected.name),
        ];
        proxy.wait_for("status_normalize_responses_total", &labels, ABNORMAL.len() as f64);
    }
}

fn every_abnormal_code_of_httpbin_is_described() -> Completion {
    let Some(gunicorn) = from_pypi("gunicorn") else {
        return ignored("httpbin under gunicorn (.ci/run does that)");
    };
    let address = refused();
    let mut command = Command::new(gunicorn);
    command.args([
        "--bind",
        &address.to_string(),
        "--workers",
        "1",
        "--threads",
        "4",
        "--keep-alive",
        "30",
        "httpbin:app",
    ]);
    let server = Served::start(command, address);
    assert_described(&server.url(), |code| format!("/status/{code}"));
    // What it does right passes through: a body of JSON, and the challenge of a 401.
    let proxy = Proxy::start(&server.url());
    assert!(proxy.get("/get?a=b").json()["args"]["a"] == "b");
    assert_eq!(proxy.get("/status/401").field("www-authenticate"), "Basic realm=\"Fake Realm\"");
    assert_eq!(proxy.get("/status/418").status(), 418);
    assert_eq!(proxy.get("/stream/3").text().lines().count(), 3);
    assert_eq!(proxy.get("/no-such-page").json()["detail"], catalog("sfs").description(404));
    Completion::Completed
}

fn every_abnormal_code_of_nginx_is_described() -> Completion {
    let mut locations = String::new();
    for code in ABNORMAL.into_iter().filter(|&code| code != 408) {
        writeln!(locations, "location = /{code} {{ return {code}; }}").unwrap();
    }
    // nginx answers a bare 408 by closing the connection.
    writeln!(
        locations,
        "location = /408 {{ default_type text/html; return 408 '<html><h1>408</h1></html>'; }}"
    )
    .unwrap();
    let root = scratch("root");
    fs::write(root.join("file.txt"), "twelve bytes").unwrap();
    let address = refused();
    let server = format!("listen {address}; root {}; {locations}", root.display());
    let Some(server) = nginx(address, &server) else { return ignored("nginx") };
    assert_described(&server.url(), |code| format!("/{code}"));
    let proxy = Proxy::start(&server.url());
    let answer = proxy.get("/file.txt");
    assert_eq!(answer.text(), "twelve bytes");
    // A validator of an answer that passed works; ranges too, and their 416 is the backend's own.
    let validator = format!("If-None-Match: {}", answer.field("etag"));
    assert_eq!(proxy.ask("GET", "/file.txt", &[&validator]).status(), 304);
    let part = proxy.ask("GET", "/file.txt", &["Range: bytes=0-5"]);
    assert_eq!((part.status(), part.text()), (206, "twelve".to_owned()));
    let beyond = proxy.ask("GET", "/file.txt", &["Range: bytes=100-"]);
    assert_eq!((beyond.status(), beyond.field("content-range")), (416, "bytes */12".to_owned()));
    assert_eq!(proxy.get("/none.txt").json()["detail"], catalog("sfs").description(404));
    Completion::Completed
}

fn curl_reads_the_answers() -> Completion {
    let Some(curl) = find("curl") else { return ignored("curl") };
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    // More than one on a connection: a wrong length would spoil the next. curl 7.88 itself fails at a second request
    // on HTTP/2 without TLS, whatever the server.
    let all = &[404, 502, 200][..];
    for (flag, version, codes) in [
        ("--http1.0", "1", all),
        ("--http1.1", "1.1", all),
        ("--http2-prior-knowledge", "2", &all[..1]),
        ("--http2-prior-knowledge", "2", &all[1..2]),
    ] {
        let mut command = Command::new(&curl);
        command.args(["--silent", "--show-error", "--max-time", "10", "--noproxy", "*", flag]);
        command.args(["--write-out", "\n%{http_code} %{http_version} %{num_connects}\n"]);
        for code in codes {
            command.arg(format!("http://{}/{code}", proxy.listen));
        }
        let output = finish(command, Duration::from_secs(30));
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success(), "{version}: {text} {}", String::from_utf8_lossy(&output.stderr));
        for (number, &code) in codes.iter().enumerate() {
            let connects = if version == "1" || number == 0 { 1 } else { 0 };
            assert!(
                text.contains(&format!("\n{code} {version} {connects}\n")),
                "{code} {version} {connects}: {text}"
            );
            if code >= 400 {
                assert!(text.contains(catalog("sfs").description(code)), "{version}: {text}");
            }
        }
    }
    let mut command = Command::new(&curl);
    command.args(["--silent", "--fail-with-body", "--head", "--max-time", "10", "--noproxy", "*"]);
    command.arg(format!("http://{}/404", proxy.listen));
    let output = finish(command, Duration::from_secs(30));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.starts_with("HTTP/1.1 404 Not Found\r\n"), "{text}");
    Completion::Completed
}

fn a_python_client_reads_the_answers() -> Completion {
    let Some(python) = find("python3") else { return ignored("python3") };
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    let script = "
import http.client, json, sys, urllib.error, urllib.request
base = sys.argv[1]
connection = http.client.HTTPConnection(base, timeout=10)
for code in (404, 502, 200, 503):
    for method in ('GET', 'POST'):
        connection.request(method, f'/{code}')
        answer = connection.getresponse()
        body = answer.read()
        assert answer.status == code, answer.status
        if code >= 400 and method == 'GET':
            assert json.loads(body)['status'] == code, body
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
try:
    opener.open(f'http://{base}/409', timeout=10)
    raise SystemExit('409 is an error')
except urllib.error.HTTPError as error:
    assert error.reason == 'Conflict', error.reason
    print(json.load(error)['detail'])
";
    let mut command = Command::new(python);
    command.arg("-c").arg(script).arg(proxy.listen.to_string());
    let output = finish(command, Duration::from_secs(30));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(text.trim(), catalog("sfs").description(409));
    Completion::Completed
}
