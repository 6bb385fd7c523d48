//! One file, every error in one go; routes.

use crate::support::{
    backend::{Backend, PAGE, Step, answer, page},
    catalogs::catalog,
    proxy::{Proxy, finish, program, run_to_end},
    scratch, trials,
};

trials![
    a_file_that_is_not_toml_is_refused,
    a_route_without_an_upstream_answers_404,
    errors_are_all_shown_with_line_and_column,
    every_example_is_valid,
    flags_override_the_file,
    https_upstreams_are_refused_with_a_reason,
    routes_go_by_host_method_and_path,
    values_out_of_range_are_named,
];

/// What `check` says about a text: exit code and standard error.
fn check(toml: &str) -> (i32, String) {
    let file = scratch("check").join("proxy.toml");
    std::fs::write(&file, toml).unwrap();
    let output = run_to_end(&["check", "--config", file.to_str().unwrap()]);
    let said = [output.stdout, output.stderr].concat();
    (output.status.code().unwrap(), String::from_utf8(said).unwrap())
}

fn errors_are_all_shown_with_line_and_column() {
    let (code, said) = check(
        "upstrem = 'http://127.0.0.1:3000'\n\
         catalog = 'no-such'\n\
         mode = 'enfroce'\n\
         [limits]\n\
         head_size = '12 bananas'\n\
         [timeouts]\n\
         connect = 5\n\
         conect = '5s'\n\
         [[route]]\n\
         path = 'no-slash'\n",
    );
    assert_eq!(code, 2, "{said}");
    for (line, words) in [
        (1, "upstrem"),
        (1, "did you mean `upstream`"),
        (2, "no-such"),
        (3, "enfroce"),
        (5, "12 bananas"),
        (7, "5"),
        (8, "conect"),
        (8, "did you mean `connect`"),
        (9, "name"),
        (10, "no-slash"),
    ] {
        assert!(said.contains(words), "{words} of line {line} in\n{said}");
        assert!(said.contains(&format!("proxy.toml:{line}:")), "line {line} in\n{said}");
    }
    // The same for `run`, which starts nothing.
    let file = scratch("run").join("proxy.toml");
    std::fs::write(&file, "modee = 'off'\n").unwrap();
    let output = run_to_end(&["run", "--config", file.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

fn a_file_that_is_not_toml_is_refused() {
    for text in [
        "= 1\nupstream = [\n",
        "\u{0}\u{1}",
        "upstream = 'http://127.0.0.1:1'\nupstream = 'http://127.0.0.1:2'\n",
    ] {
        let (code, said) = check(text);
        assert_eq!(code, 2, "{said}");
        assert!(said.contains("proxy.toml:"), "{said}");
    }
    let file = scratch("latin1").join("proxy.toml");
    std::fs::write(&file, b"# \xe4\n").unwrap();
    assert_eq!(run_to_end(&["check", "--config", file.to_str().unwrap()]).status.code(), Some(2));
    let output = run_to_end(&["check", "--config", "/no/such/file.toml"]);
    assert_ne!(output.status.code(), Some(0));
    assert!(String::from_utf8_lossy(&output.stderr).contains("/no/such/file.toml"));
    let (code, said) = check("upstream = 'http://127.0.0.1:3000'\n");
    assert_eq!(code, 0, "{said}");
}

fn values_out_of_range_are_named() {
    for (text, word) in [
        ("upstream = 'ftp://127.0.0.1'\n", "ftp"),
        ("upstream = 'not a url'\n", "not a url"),
        ("upstream = 'http://127.0.0.1:99999'\n", "99999"),
        ("workers = 0\n", "workers"),
        ("rollout = '101%'\n", "101"),
        ("inspect_limit = '1TiB'\n", "1TiB"),
        ("inspect_timeout = '0s'\n", "inspect"),
        ("undocumented = 'guess'\n", "guess"),
        ("undocumented = [{ codes = '500-400', to = 400 }]\n", "500-400"),
        ("undocumented = [{ codes = '4xx', to = 99 }]\n", "99"),
        ("listen = 'nowhere'\n", "nowhere"),
        ("keep_headers = ['content-length']\n", "content-length"),
        ("mode = 'observe'\nrollout = '50%'\n", "rollout"),
        ("[[route]]\nname = 'a'\npath = '/x'\n[[route]]\nname = 'b'\npath = '/x'\n", "/x"),
        ("[[route]]\nname = 'a'\npath = '/x'\n[[route]]\nname = 'a'\npath = '/y'\n", "a"),
        ("[log]\nlevel = 'loud'\n", "loud"),
    ] {
        let with_upstream = if text.starts_with("upstream") {
            text.to_owned()
        } else {
            format!("upstream = 'http://127.0.0.1:1'\n{text}")
        };
        let (code, said) = check(&with_upstream);
        assert_eq!(code, 2, "{text}: {said}");
        assert!(said.contains(word), "{text}: {said}");
        assert!(said.contains("proxy.toml:"), "{text}: {said}");
    }
}

fn https_upstreams_are_refused_with_a_reason() {
    let output = run_to_end(&[
        "run",
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
        "--upstream",
        "https://127.0.0.1:1",
    ]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("https") || said.contains("TLS"), "{said}");
    let (code, said) = check("upstream = 'https://127.0.0.1:1'\n");
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("proxy.toml:1:") && said.contains("https"), "{said}");
}

fn flags_override_the_file() {
    let backend = Backend::says(page(502));
    let file = scratch("override").join("proxy.toml");
    std::fs::write(
        &file,
        "upstream = 'http://127.0.0.1:1'\ncatalog = 'dns'\nmode = 'off'\nlisten = '127.0.0.1:1'\n",
    )
    .unwrap();
    let file = file.to_str().unwrap();
    let url = backend.url();
    let proxy = Proxy::run(&[
        "--config",
        file,
        "--upstream",
        &url,
        "--catalog",
        "ecs",
        "--mode",
        "enforce",
        "--workers",
        "1",
    ]);
    assert_eq!(proxy.get("/").json()["detail"], catalog("ecs").description(502));
}

fn every_example_is_valid() {
    let directory = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    let files = std::fs::read_dir(&directory).unwrap().map(|entry| entry.unwrap().path());
    let files: Vec<_> =
        files.filter(|file| file.extension().is_some_and(|extension| extension == "toml")).collect();
    assert!(!files.is_empty(), "there are examples");
    for file in files {
        let mut command = std::process::Command::new(program());
        command.args(["check", "--config"]).arg(&file);
        let output = finish(command, crate::support::PATIENCE);
        assert!(output.status.success(), "{}: {}", file.display(), String::from_utf8_lossy(&output.stderr));
    }
}

fn a_route_without_an_upstream_answers_404() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::configured(&format!(
        "[[route]]\nname = 'pets'\npath = '/pets/{{id}}'\nupstream = '{}'\n",
        backend.url()
    ));
    assert_eq!(proxy.get("/pets/1").text(), "fine");
    let answer = proxy.get("/else");
    assert_eq!(answer.status(), 404);
    assert_eq!(answer.json()["detail"], catalog("sfs").description(404));
    let labels = [("source", "proxy"), ("status", "404"), ("upstream_status", "none"), ("route", "default")];
    proxy.wait_for("status_normalize_responses_total", &labels, 1.0);
    assert_eq!(backend.seen().len(), 1);
}

fn routes_go_by_host_method_and_path() {
    let backend =
        Backend::scripted(|_| vec![Step::Send(answer("404 X", &["Content-Type: text/html"], PAGE))]);
    let url = backend.url();
    let proxy = Proxy::configured(&format!(
        "upstream = '{url}'\n\
         [[route]]\nname = 'pet'\npath = '/pets/{{id}}'\ncatalog = 'dns'\n\
         [[route]]\nname = 'pet-delete'\npath = '/pets/{{id}}'\nmethods = ['DELETE']\ncatalog = 'ecs'\n\
         [[route]]\nname = 'files'\npath = '/files/{{*rest}}'\nmode = 'off'\n\
         [[route]]\nname = 'host'\nhost = 'other.test'\ncatalog = 'vpn'\n"
    ));
    let mut client = proxy.client();
    for (method, host, path, route, description) in [
        ("GET", "a", "/pets/1", "pet", Some("dns")),
        ("DELETE", "a", "/pets/1", "pet-delete", Some("ecs")),
        ("GET", "a", "/pets/1/more", "default", Some("sfs")),
        ("GET", "a", "/pets/1?x=/y", "pet", Some("dns")),
        ("GET", "a", "/files/a/b/c", "files", None),
        ("GET", "a", "/", "default", Some("sfs")),
        ("GET", "other.test", "/", "host", Some("vpn")),
        ("GET", "OTHER.test:80", "/pets/1", "host", Some("vpn")),
    ] {
        let before = proxy.scrape().sum("status_normalize_responses_total", &[("route", route)]);
        client.send(format!("{method} {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let answer = client.answer(method);
        match description {
            Some(name) => {
                assert_eq!(answer.json()["detail"], catalog(name).description(404), "{method} {host} {path}")
            }
            None => assert_eq!(answer.text(), PAGE, "{method} {host} {path}"),
        }
        proxy.wait_for("status_normalize_responses_total", &[("route", route)], before + 1.0);
    }
}
