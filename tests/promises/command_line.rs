//! The command line: what it prints, how it exits, where it listens.

use std::net::TcpListener;

use libtest_mimic::Completion;

use crate::support::{
    backend::{Backend, answer},
    catalogs::CATALOGS,
    client::Client,
    eventually,
    proxy::{Proxy, program, run_to_end},
    scratch, trials,
};

trials![
    a_port_that_is_taken_is_a_run_time_failure,
    a_catalog_may_be_a_file,
    access_log_lines_tell_each_finished_request,
    catalogs_are_listed,
    catalogs_are_shown_in_every_format,
    demo_shows_the_main_job,
    help_and_version_go_to_standard_output,
    run_prints_where_it_listens,
    usage_errors_exit_2,
    workers_are_as_many_as_asked,
];

fn usage_errors_exit_2() {
    let cases: [&[&str]; 12] = [
        &[],
        &["no-such-command"],
        &["run"],
        &["run", "--no-such-flag"],
        &["run", "--upstream"],
        &["run", "--upstream", "not a url"],
        &["run", "--upstream", "http://127.0.0.1:1", "--catalog", "no-such"],
        &["run", "--upstream", "http://127.0.0.1:1", "--mode", "sometimes"],
        &["run", "--upstream", "http://127.0.0.1:1", "--workers", "0"],
        &["run", "--upstream", "http://127.0.0.1:1", "--listen", "nowhere"],
        &["catalog", "show", "no-such"],
        &["catalog", "show", "sfs", "--format", "yaml"],
    ];
    for arguments in cases {
        let output = run_to_end(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {output:?}");
        assert!(!output.stderr.is_empty(), "{arguments:?} says why");
    }
    // The nearest name is offered.
    let output = run_to_end(&["catalog", "show", "sfss"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("sfs"));
}

fn help_and_version_go_to_standard_output() {
    for arguments in [&["--help"][..], &["run", "--help"], &["--version"], &["catalog", "--help"]] {
        let output = run_to_end(arguments);
        assert!(output.status.success(), "{arguments:?}");
        assert!(!output.stdout.is_empty() && output.stderr.is_empty(), "{arguments:?}");
    }
    let help = String::from_utf8(run_to_end(&["run", "--help"]).stdout).unwrap();
    for flag in ["--upstream", "--listen", "--admin", "--catalog", "--mode", "--workers", "--config"] {
        assert!(help.contains(flag), "{flag} in {help}");
    }
    let version = String::from_utf8(run_to_end(&["--version"]).stdout).unwrap();
    assert_eq!(version.trim(), format!("status-proxy {}", env!("CARGO_PKG_VERSION")));
}

fn run_prints_where_it_listens() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::start(&backend.url());
    assert_ne!(proxy.listen.port(), 0);
    assert_ne!(proxy.admin.port(), 0);
    assert_eq!(proxy.get("/").text(), "fine");
    assert_eq!(proxy.admin("/livez").status(), 200);
}

fn a_port_that_is_taken_is_a_run_time_failure() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (listen, admin) in [(address.as_str(), "127.0.0.1:0"), ("127.0.0.1:0", address.as_str())] {
        let output =
            run_to_end(&["run", "--upstream", "http://127.0.0.1:1", "--listen", listen, "--admin", admin]);
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(&address), "{output:?}");
    }
}

fn catalogs_are_listed() {
    let output = run_to_end(&["catalog", "list"]);
    assert!(output.status.success());
    let text = String::from_utf8(output.stdout).unwrap();
    for catalog in &CATALOGS {
        assert!(text.lines().any(|line| line.contains(catalog.name)), "{} in {text}", catalog.name);
    }
}

fn catalogs_are_shown_in_every_format() {
    for catalog in &CATALOGS {
        for format in ["table", "json", "toml", "markdown"] {
            let output = run_to_end(&["catalog", "show", catalog.name, "--format", format]);
            assert!(output.status.success(), "{format}");
            let text = String::from_utf8(output.stdout).unwrap();
            for line in catalog.normal.iter().chain(catalog.abnormal) {
                let found = text.contains(&line.code.to_string());
                assert!(found, "{} of {} as {format}", line.code, catalog.name);
                if format != "table" {
                    assert!(text.contains(line.description), "{} of {} as {format}", line.code, catalog.name);
                }
            }
        }
    }
    // What is written as Markdown is read again as the same catalog.
    let file = scratch("markdown").join("sfs.md");
    let markdown = run_to_end(&["catalog", "show", "sfs", "--format", "markdown"]).stdout;
    std::fs::write(&file, markdown).unwrap();
    let backend = Backend::says(crate::support::backend::page(502));
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", file.to_str().unwrap()]);
    assert_eq!(proxy.get("/").json()["detail"], crate::support::catalogs::catalog("sfs").description(502));
}

fn a_catalog_may_be_a_file() {
    let documents =
        std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/status-catalog/documents");
    let backend = Backend::says(crate::support::backend::page(502));
    for (file, name) in [("vpn.rst", "vpn"), ("ecs.md", "ecs")] {
        let file = documents.join(file);
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", file.to_str().unwrap()]);
        let expected = crate::support::catalogs::catalog(name).description(502);
        assert_eq!(proxy.get("/").json()["detail"], expected);
    }
    let empty = scratch("empty").join("nothing.md");
    std::fs::write(&empty, "# Nothing to see\n").unwrap();
    let output =
        run_to_end(&["run", "--upstream", "http://127.0.0.1:1", "--catalog", empty.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing.md"), "{output:?}");
}

fn workers_are_as_many_as_asked() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    for workers in [1, 3, 7] {
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--workers", &workers.to_string()]);
        proxy.get("/");
        // The first worker may answer before the last one has started.
        eventually(|| {
            let tasks = std::fs::read_dir(format!("/proc/{}/task", proxy.pid())).unwrap().flatten();
            let names = tasks.filter_map(|task| std::fs::read_to_string(task.path().join("comm")).ok());
            let found = names.filter(|name| name.starts_with("worker-")).count();
            if found == workers { Ok(()) } else { Err(format!("{found} threads for {workers} workers")) }
        });
    }
}

fn access_log_lines_tell_each_finished_request() {
    let backend =
        Backend::says(answer("500 X", &["Content-Type: text/html", "X-Request-Id: id-17"], "<p>secret</p>"));
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\n[log]\naccess = true\nformat = 'json'\n",
        backend.url()
    ));
    proxy.ask("GET", "/path?token=secret", &["X-Request-Id: id-17"]);
    let line = eventually(|| {
        let log = proxy.log();
        let line = log.lines().find(|line| line.contains("\"/path\"")).map(str::to_owned);
        line.ok_or_else(|| format!("no line of the request in {log}"))
    });
    let entry: serde_json::Value = serde_json::from_str(&line).unwrap();
    let find = |name: &str| -> String {
        let value = entry.get(name).or_else(|| entry["fields"].get(name));
        value.map_or_else(
            || panic!("{name} in {line}"),
            |value| value.to_string().trim_matches('"').to_owned(),
        )
    };
    for (name, expected) in [
        ("method", "GET"),
        ("path", "/path"),
        ("catalog", "sfs"),
        ("route", "default"),
        ("class", "abnormal"),
        ("status", "500"),
        ("upstream_status", "500"),
        ("source", "upstream"),
        ("action", "rewrite"),
        ("reason", "media_type"),
        ("request_id", "id-17"),
    ] {
        assert_eq!(find(name), expected, "{line}");
    }
    assert!(find("duration").parse::<f64>().is_ok_and(|seconds| seconds < 5.0), "{line}");
    assert!(find("bytes").parse::<u64>().is_ok_and(|bytes| bytes > 50), "{line}");
    assert!(!proxy.log().contains("secret"), "neither the query nor the body");
    // Off by default.
    let proxy = Proxy::start(&backend.url());
    proxy.get("/path");
    std::thread::sleep(std::time::Duration::from_millis(50));
    assert!(!proxy.log().contains("/path"), "{}", proxy.log());
}

fn demo_shows_the_main_job() -> Completion {
    use std::{
        io::{BufRead, BufReader},
        process::{Command, Stdio},
        sync::mpsc,
    };
    for port in [8080, 9900] {
        if TcpListener::bind(("127.0.0.1", port)).is_err() {
            return Completion::ignored_with(format!("because port {port}, which the demo uses, is taken"));
        }
    }
    let mut command = Command::new(program());
    command.arg("demo").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let (sender, receiver) = mpsc::channel();
    for pipe in [
        Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
        Box::new(child.stderr.take().unwrap()),
    ] {
        let sender = sender.clone();
        std::thread::spawn(move || {
            BufReader::new(pipe).lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
    }
    let mut said = String::new();
    let mut lines = Vec::new();
    while lines.len() < 3 || !said.contains("/metrics") {
        let Ok(line) = receiver.recv_timeout(crate::support::PATIENCE) else { break };
        said.push_str(&line);
        said.push('\n');
        if let Some(start) = line.find("curl ") {
            lines.push(line[start..].to_owned());
        }
    }
    let mut answers = Vec::new();
    for line in &lines {
        let url = line
            .split_whitespace()
            .map(|word| word.trim_matches(['\'', '"']))
            .find(|word| word.starts_with("http://"));
        let (authority, path) = url.unwrap()[7..].split_once('/').unwrap();
        let address = authority.replace("localhost", "127.0.0.1").parse().unwrap();
        answers.push(Client::connect(address).ask("GET", &format!("/{path}"), &["Accept: application/json"]));
    }
    let _ = child.kill();
    let _ = child.wait();
    assert!(lines.len() >= 3, "three lines to try in\n{said}");
    assert!(said.contains("/metrics"), "{said}");
    assert!(answers.iter().any(|answer| answer.status() >= 400 && answer.json().is_object()), "{answers:?}");
    Completion::Completed
}
