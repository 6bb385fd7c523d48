//! The program as scripts see it: exit statuses, what goes to which stream, and the lines that may be relied on.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::{Child, ChildStderr, Command, ExitStatus, Output, Stdio},
    time::Duration,
};

const NOBODY: &str = "http://127.0.0.1:9";

fn program(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_status-proxy"));
    command.args(arguments).env_remove("STATUS_PROXY_LOG").stdin(Stdio::null());
    command
}

fn output(arguments: &[&str]) -> Output {
    program(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn repository(path: &str) -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path).display().to_string()
}

/// A proxy that serves.
struct Running {
    child: Child,
    stderr: BufReader<ChildStderr>,
    listen: SocketAddr,
    admin: SocketAddr,
}

impl Running {
    fn start(arguments: &[&str]) -> Self {
        let addresses = ["run", "--workers", "1", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        Self::spawn(&[&addresses, arguments].concat())
    }

    fn spawn(arguments: &[&str]) -> Self {
        let mut child = program(arguments).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let mut stderr = BufReader::new(child.stderr.take().unwrap());
        let mut address = |prefix: &str| {
            let mut line = String::new();
            stderr.read_line(&mut line).unwrap();
            let at = line.find(prefix).unwrap_or_else(|| panic!("{prefix} not in {line}")) + prefix.len();
            line[at..].trim_end().trim_end_matches("\"}").parse().unwrap()
        };
        let listen = address("listening on ");
        let admin = address("admin on ");
        Self { child, stderr, listen, admin }
    }

    /// Ends it as an orchestrator does, and tells what it wrote since.
    fn terminate(mut self) -> (ExitStatus, String) {
        let kill = Command::new("kill").arg(self.child.id().to_string()).status().unwrap();
        assert!(kill.success());
        let status = self.child.wait().unwrap();
        let mut rest = String::new();
        self.stderr.read_to_string(&mut rest).unwrap();
        (status, rest)
    }
}

/// The answer to a request that asks for the connection's end.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn results_go_to_standard_output_and_succeed() {
    let cases: &[(&[&str], &str)] = &[
        (&["--version"], "status-proxy "),
        (&["--help"], "Usage: status-proxy"),
        (&["catalog", "list"], "sfs "),
        (&["catalog", "show", "sfs"], "The requested page was not found."),
        (&["catalog", "show", "sfs", "--format", "json"], "\"name\": \"sfs\""),
        (&["catalog", "show", "sfs", "--format", "markdown"], "| 404"),
        (&["catalog", "show", "sfs", "--format", "toml"], "code = 404"),
    ];
    for (arguments, expected) in cases {
        let Output { status, stdout, stderr } = output(arguments);
        assert_eq!(status.code(), Some(0), "{arguments:?}");
        assert!(text(&stdout).contains(expected), "{arguments:?}: {}", text(&stdout));
        assert!(stderr.is_empty(), "{arguments:?}: {}", text(&stderr));
        assert!(!text(&stdout).contains('\u{1b}'), "{arguments:?}: colours without a terminal");
    }
}

#[test]
fn what_makes_no_sense_exits_2_and_says_so_on_standard_error() {
    let cases: &[(&[&str], &str)] = &[
        (&["run"], "--upstream"),
        (&["run", "--upstream", "https://127.0.0.1:3000"], "TLS to the upstream is not supported yet"),
        (&["run", "--upstream", NOBODY, "--catalog", "sfss"], "did you mean `sfs`?"),
        (&["run", "--upstream", NOBODY, "--mode", "observed"], "observe"),
        (&["run", "--upstream", NOBODY, "--listen", "nowhere"], "is not an IP address and a port"),
        (&["run", "--config", "/no/such/file.toml"], "cannot read /no/such/file.toml: No such file"),
        (&["check", "--config", "/"], "cannot read /: Is a directory"),
        (&["catalog", "show", "sfss"], "did you mean `sfs`?"),
    ];
    for (arguments, expected) in cases {
        let Output { status, stdout, stderr } = output(arguments);
        assert_eq!(status.code(), Some(2), "{arguments:?}: {}", text(&stderr));
        assert!(text(&stderr).contains(expected), "{arguments:?}: {}", text(&stderr));
        assert!(stdout.is_empty(), "{arguments:?}: {}", text(&stdout));
    }
}

#[test]
fn environment_that_makes_no_sense_exits_2() {
    let Output { status, stderr, .. } = program(&["run", "--upstream", NOBODY])
        .env("STATUS_PROXY_LOG", "status_proxy=loud")
        .output()
        .unwrap();
    assert_eq!(status.code(), Some(2), "{}", text(&stderr));
    assert!(text(&stderr).contains("STATUS_PROXY_LOG is `status_proxy=loud`"), "{}", text(&stderr));
}

#[test]
fn check_accepts_the_example_and_shows_every_error_of_a_bad_file() {
    let Output { status, stdout, .. } =
        output(&["check", "--config", &repository("config/several-services.toml")]);
    assert_eq!(status.code(), Some(0));
    assert!(
        text(&stdout).contains(
            "route server-jobs: GET ecs.example.test/jobs/{id} -> http://ecs.internal.test:8080/v1"
        )
    );

    let file = std::env::temp_dir().join(format!("status-proxy-check-{}.toml", std::process::id()));
    std::fs::write(&file, "upstraem = \"http://a\"\nmode = \"observed\"\n").unwrap();
    let Output { status, stderr, .. } = output(&["check", "--config", file.to_str().unwrap()]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(status.code(), Some(2));
    let place = file.display();
    for expected in [
        &format!("--> {place}:1:1\n"),
        "did you mean `upstream`?",
        &format!("--> {place}:2:8\n"),
        "did you mean `observe`?",
        &format!("error: 3 errors in {place}\n"),
    ] {
        assert!(text(&stderr).contains(expected), "{expected} in {}", text(&stderr));
    }
}

#[test]
fn a_taken_address_exits_1_and_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    for (listen, admin) in [(&*taken, "127.0.0.1:0"), ("127.0.0.1:0", &*taken)] {
        let Output { status, stderr, .. } =
            output(&["run", "--upstream", NOBODY, "--listen", listen, "--admin", admin]);
        assert_eq!(status.code(), Some(1), "{}", text(&stderr));
        assert!(text(&stderr).contains(&format!("cannot listen on {taken}")), "{}", text(&stderr));
    }
}

/// T64
#[test]
fn metrics_and_health_are_on_their_own_address() {
    let proxy = Running::start(&["--upstream", NOBODY]);
    assert!(get(proxy.admin, "/readyz").starts_with("HTTP/1.1 200"));
    // Where clients connect, the same paths go upstream, and there is none.
    for path in ["/metrics", "/readyz", "/api/"] {
        let answer = get(proxy.listen, path);
        assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
        assert!(
            answer.contains("The request is not completed because the server receives an invalid response"),
            "{answer}"
        );
    }
    let metrics = get(proxy.admin, "/metrics");
    let responses = "status_normalize_responses_total{catalog=\"sfs\",route=\"default\",class=\"abnormal\",status=\"502\",\
                     upstream_status=\"none\",source=\"proxy\",action=\"rewrite\"} 3\n";
    assert!(metrics.contains(responses), "{metrics}");
    assert!(metrics.contains(concat!(
        "status_proxy_build_info{version=\"",
        env!("CARGO_PKG_VERSION"),
        "\"} 1\n"
    )));
    assert_eq!(proxy.terminate().0.code(), Some(0));
}

#[test]
fn access_lines_are_written_when_asked_for_and_are_json_objects_when_asked_for() {
    let flags = ["--upstream", NOBODY, "--access-log", "--log-level", "error", "--log-format", "json"];
    let proxy = Running::start(&flags);
    get(proxy.listen, "/secret?token=1");
    let (status, lines) = proxy.terminate();
    assert_eq!(status.code(), Some(0));
    let lines: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert_eq!(lines[0]["target"], "status_normalize::access");
    assert_eq!((&lines[0]["path"], &lines[0]["status"]), (&"/secret".into(), &"502".into()));

    let proxy = Running::start(&["--upstream", NOBODY, "--log-level", "error"]);
    get(proxy.listen, "/");
    assert_eq!(proxy.terminate().1, "");
}

#[test]
fn demo_shows_what_it_says_also_twice_at_once() {
    let cases = [
        ("/html-404", 404, "The requested page was not found."),
        ("/stack-trace", 500, "The request is not completed because of a service error."),
        ("/empty-502", 502, "because the server receives an invalid response from an upstream server."),
        ("/dns/empty-502", 502, "The request fails because the returned response is invalid."),
        ("/observed/html-404", 404, "<hr>framework/0.9"),
        ("/gzip-500", 500, "because of a service error."),
        ("/busy", 503, "retry-after: 120"),
        ("/wrong-shape", 400, "SFS.0005"),
        ("/unauthorized", 401, "www-authenticate: Basic realm=\"demo\""),
        ("/not-allowed", 405, "allow: PUT, DELETE"),
        ("/huge-500", 500, "because of a service error."),
        ("/cut-504", 504, "A gateway timeout error occurred."),
        ("/hang-up", 502, "because the server receives an invalid response from an upstream server."),
        ("/no-transform", 500, "<h1>As it is</h1>"),
        ("/standard-404", 404, "no such share"),
        ("/problem-409", 409, "in use"),
        ("/teapot", 418, "short and stout"),
        ("/json", 200, "{\"shares\":[]}"),
        ("/moved", 302, "location: /html"),
        ("/", 200, "What this backend does wrong"),
    ];
    let demos = [Running::spawn(&["demo"]), Running::spawn(&["demo"])];
    for demo in &demos {
        for (path, status, expected) in cases {
            let answer = get(demo.listen, path);
            assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
            assert!(answer.contains(expected), "{path}: {answer}");
            assert!(!answer.contains("db-7.internal"), "{path}: {answer}");
        }
        assert!(get(demo.admin, "/").contains("<h1>status-proxy"));
        let cut = "status_normalize_nonstandard_total{catalog=\"sfs\",route=\"default\",status=\"504\",reason=\"cut\"} 1\n";
        assert!(get(demo.admin, "/metrics").contains(cut));
    }
    for demo in demos {
        assert_eq!(demo.terminate().0.code(), Some(0));
    }
}
