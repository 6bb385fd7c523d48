//! Which files are watched, when they are read again, and what becomes of those that make no sense; T60.

use std::{fs, os::unix::fs::symlink, thread, time::Duration};

use rustix::process::Signal;

use crate::support::{
    backend::{Backend, page},
    eventually,
    proxy::Proxy,
    scratch,
    site::Site,
    trials,
};

trials![
    a_bad_file_changes_nothing_and_says_so_once,
    a_bad_file_is_told_as_json_too,
    a_catalog_that_is_gone_is_still_served,
    a_file_in_the_making_is_not_read,
    a_file_that_a_description_refers_to_is_read_again,
    a_volume_of_kubernetes_is_swapped,
    flags_stay_before_the_file,
    what_needs_a_restart_is_named,
    without_a_configuration_the_document_is_read_again,
    without_any_file_there_is_nothing_to_read,
    written_in_place_or_replaced_a_file_is_read_again,
];

fn page_of(words: &str) -> String {
    format!("# Codes\n\n| Status Code | Description |\n|---|---|\n| 404 Not Found | {words} |\n")
}

fn broken() -> Backend {
    Backend::says(page(404))
}

fn words(proxy: &Proxy) -> String {
    proxy.get("/").json()["detail"].as_str().unwrap().to_owned()
}

/// Waits until requests are answered so.
#[track_caller]
fn wait_for_words(proxy: &Proxy, expected: &str) {
    eventually(|| match words(proxy) {
        found if found == expected => Ok(()),
        found => Err(format!("{found:?} is not {expected:?}\n{}", proxy.log())),
    });
}

fn site(backend: &Backend) -> Site {
    let configuration = format!("upstream = '{}'\ncatalog = 'codes.md'\n", backend.url());
    Site::start(&[("proxy.toml", &configuration), ("codes.md", &page_of("One."))])
}

fn written_in_place_or_replaced_a_file_is_read_again() {
    let backend = broken();
    let site = site(&backend);
    assert_eq!(words(&site.proxy), "One.");
    site.write("codes.md", &page_of("Two."));
    wait_for_words(&site.proxy, "Two.");
    site.replace("codes.md", &page_of("Three."));
    wait_for_words(&site.proxy, "Three.");
    site.write("four.md", &page_of("Four."));
    site.replace("proxy.toml", &format!("upstream = '{}'\ncatalog = 'four.md'\n", backend.url()));
    wait_for_words(&site.proxy, "Four.");
    // What was named last is what is watched.
    site.write("four.md", &page_of("Five."));
    wait_for_words(&site.proxy, "Five.");
    assert_eq!(site.reloads("success"), 4.0, "{}", site.proxy.log());
    assert_eq!(site.reloads("failure"), 0.0);
    for (told, times) in [
        ("reloaded routes_changed=\"default\"", 4),
        ("catalogs_changed=\"codes\"", 2),
        ("catalogs_added=\"four\"", 1),
    ] {
        site.wait_for_log(told, times);
    }
}

fn a_volume_of_kubernetes_is_swapped() {
    let backend = broken();
    let folder = scratch("volume");
    let version = |name: &str, words: &str| {
        fs::create_dir(folder.join(name)).unwrap();
        let configuration = format!("upstream = '{}'\ncatalog = 'codes.md'\n", backend.url());
        fs::write(folder.join(name).join("proxy.toml"), configuration).unwrap();
        fs::write(folder.join(name).join("codes.md"), page_of(words)).unwrap();
        symlink(name, folder.join("..data_tmp")).unwrap();
        fs::rename(folder.join("..data_tmp"), folder.join("..data")).unwrap();
    };
    version("..2026_01", "One.");
    for name in ["proxy.toml", "codes.md"] {
        symlink(format!("..data/{name}"), folder.join(name)).unwrap();
    }
    let proxy = Proxy::run(&["--config", folder.join("proxy.toml").to_str().unwrap()]);
    assert_eq!(words(&proxy), "One.");
    for (name, gone, text) in [("..2026_02", "..2026_01", "Two."), ("..2026_03", "..2026_02", "Three.")] {
        version(name, text);
        fs::remove_dir_all(folder.join(gone)).unwrap();
        wait_for_words(&proxy, text);
    }
    let scrape = proxy.scrape();
    assert_eq!(scrape.sum("status_proxy_config_reload_failures_total", &[]), 0.0);
}

fn a_file_in_the_making_is_not_read() {
    let backend = broken();
    let site = site(&backend);
    let text = format!("upstream = '{}'\ncatalog = 'codes.md'\nmode = 'off'\n", backend.url());
    // Half of it is nonsense, for longer than any look at it is apart from the next.
    for end in (text.len() - 8)..=text.len() {
        site.write("proxy.toml", &text[..end]);
        thread::sleep(Duration::from_millis(400));
    }
    site.wait_for_reload("success", 0.0);
    assert_eq!(site.reloads("failure"), 0.0, "{}", site.proxy.log());
    assert!(site.proxy.get("/").text().starts_with("<html>"), "mode `off`");
    // Gone for a moment.
    fs::rename(site.folder.join("proxy.toml"), site.folder.join("aside")).unwrap();
    thread::sleep(Duration::from_millis(300));
    fs::rename(site.folder.join("aside"), site.folder.join("proxy.toml")).unwrap();
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(site.reloads("failure"), 0.0, "{}", site.proxy.log());
}

fn a_file_that_a_description_refers_to_is_read_again() {
    const API: &str = "openapi: 3.0.3\ninfo: {title: Pets, version: '1'}\npaths:\n  /pets/{id}:\n    get:\n      responses:\n        \
                       '200': {description: A pet.}\n        '404': {$ref: 'errors.yaml#/NotFound'}\n";
    let errors = |words: &str| format!("NotFound:\n  description: {words}\n");
    let backend = broken();
    let configuration = format!("upstream = '{}'\ncatalog = 'api.yaml'\n", backend.url());
    let site =
        Site::start(&[("proxy.toml", &configuration), ("api.yaml", API), ("errors.yaml", &errors("One."))]);
    let wait_for_detail = |expected: &str| {
        eventually(|| match &site.proxy.get("/pets/1").json()["detail"] {
            found if found == expected => Ok(()),
            found => Err(format!("{found} is not {expected:?}\n{}", site.proxy.log())),
        });
    };
    wait_for_detail("One.");
    site.write("errors.yaml", &errors("Two."));
    wait_for_detail("Two.");
    site.write("errors.yaml", "NotFound: [\n");
    site.wait_for_reload("failure", 0.0);
    wait_for_detail("Two.");
    fs::remove_file(site.folder.join("errors.yaml")).unwrap();
    site.wait_for_reload("failure", 1.0);
    wait_for_detail("Two.");
    site.write("errors.yaml", &errors("Three."));
    wait_for_detail("Three.");
}

fn a_bad_file_changes_nothing_and_says_so_once() {
    let backend = broken();
    let site = site(&backend);
    let good = fs::read_to_string(site.folder.join("proxy.toml")).unwrap();
    let bad = format!("{good}modee = 'off'\ncatalg = 'none.md'\n");
    site.replace("proxy.toml", &bad);
    site.wait_for_reload("failure", 0.0);
    assert_eq!(words(&site.proxy), "One.");
    assert_eq!(site.proxy.admin("/readyz").status(), 200);
    let scrape = site.proxy.scrape();
    assert_eq!(scrape.sum("status_proxy_config_last_reload_successful", &[]), 0.0);
    let loaded = scrape.sum("status_proxy_config_last_reload_success_timestamp_seconds", &[]);
    assert!(loaded > 1.7e9, "{loaded}");
    // The picture is that of `check`.
    let checked = crate::support::proxy::run_to_end(&[
        "check",
        "--config",
        site.folder.join("proxy.toml").to_str().unwrap(),
    ]);
    let picture = String::from_utf8(checked.stderr).unwrap();
    let picture = picture.split("\n\n").next().unwrap();
    assert!(picture.contains("did you mean `mode`?"), "{picture}");
    site.wait_for_log(picture, 1);
    let status = site.proxy.admin("/api/status").json();
    let configuration = &status["configuration"];
    assert_eq!(configuration["last_reload"], "failure");
    assert!(configuration["failure"]["reason"].as_str().unwrap().contains("modee"), "{configuration}");
    assert!(site.proxy.admin("/").text().contains("modee"));
    // Said once, however often it is looked at; again for who asks again.
    thread::sleep(Duration::from_millis(2_500));
    site.wait_for_log("not reloaded", 1);
    site.hang_up("failure");
    site.wait_for_log("not reloaded", 2);
    // As it was: nothing changes but what is said of it.
    site.replace("proxy.toml", &good);
    site.wait_for_reload("success", 0.0);
    let scrape = site.proxy.scrape();
    assert_eq!(scrape.sum("status_proxy_config_last_reload_successful", &[]), 1.0);
    assert!(scrape.sum("status_proxy_config_last_reload_success_timestamp_seconds", &[]) > loaded);
    assert_eq!(site.proxy.admin("/api/status").json()["configuration"]["failure"], serde_json::Value::Null);
    assert_eq!(words(&site.proxy), "One.");
}

fn a_bad_file_is_told_as_json_too() {
    let backend = broken();
    let configuration = format!("upstream = '{}'\n[log]\nformat = 'json'\n", backend.url());
    let site = Site::start(&[("proxy.toml", &configuration)]);
    site.replace("proxy.toml", &format!("modee = 1\n{configuration}"));
    site.hang_up("failure");
    site.wait_for_log("not reloaded", 1);
    let log = site.proxy.log();
    let line = log.lines().find(|line| line.contains("not reloaded")).unwrap();
    let event: serde_json::Value = serde_json::from_str(line).unwrap();
    assert_eq!(event["level"], "ERROR");
    assert!(event["message"].as_str().unwrap().contains("\n --> "), "{event}");
}

fn a_catalog_that_is_gone_is_still_served() {
    let backend = broken();
    let site = site(&backend);
    fs::remove_file(site.folder.join("codes.md")).unwrap();
    site.wait_for_reload("failure", 0.0);
    thread::sleep(Duration::from_millis(2_500));
    assert_eq!(site.reloads("failure"), 1.0);
    assert_eq!(words(&site.proxy), "One.");
    site.wait_for_log("not reloaded", 1);
    site.write("codes.md", &page_of("Two."));
    wait_for_words(&site.proxy, "Two.");
    // A page that lists nothing is no catalog.
    site.replace("codes.md", "# Codes\n\nTo be written.\n");
    site.wait_for_reload("failure", 1.0);
    assert_eq!(words(&site.proxy), "Two.");
}

fn flags_stay_before_the_file() {
    let backend = broken();
    let configuration = |mode: &str| format!("upstream = 'http://127.0.0.1:1'\nmode = '{mode}'\n");
    let folder = scratch("flags");
    let document = folder.join("flag.md");
    fs::write(&document, page_of("One.")).unwrap();
    let flags = ["--upstream", &backend.url(), "--catalog", document.to_str().unwrap(), "--mode", "enforce"];
    let site = Site::start_with(&[("proxy.toml", &configuration("enforce"))], &flags);
    site.reload(&configuration("off"));
    assert_eq!(words(&site.proxy), "One.");
    fs::write(&document, page_of("Two.")).unwrap();
    wait_for_words(&site.proxy, "Two.");
}

fn without_a_configuration_the_document_is_read_again() {
    let backend = broken();
    let document = scratch("document").join("codes.md");
    fs::write(&document, page_of("One.")).unwrap();
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", document.to_str().unwrap()]);
    assert_eq!(words(&proxy), "One.");
    fs::write(&document, page_of("Two.")).unwrap();
    proxy.signal(Signal::HUP);
    wait_for_words(&proxy, "Two.");
    fs::write(&document, page_of("Three.")).unwrap();
    wait_for_words(&proxy, "Three.");
}

fn without_any_file_there_is_nothing_to_read() {
    let backend = broken();
    let mut proxy = Proxy::start(&backend.url());
    for _ in 0..3 {
        proxy.signal(Signal::HUP);
    }
    eventually(|| if proxy.log().contains("nothing to reload") { Ok(()) } else { Err("not told".into()) });
    assert!(proxy.is_running());
    assert_eq!(proxy.get("/").status(), 404);
    assert_eq!(proxy.scrape().sum("status_proxy_config_reloads_total", &[]), 0.0);
}

fn what_needs_a_restart_is_named() {
    let backend = broken();
    let configuration = format!("upstream = '{}'\n", backend.url());
    let site = Site::start(&[("proxy.toml", &configuration), ("codes.md", &page_of("Two."))]);
    site.reload(&format!("workers = 99\ncatalog = 'codes.md'\n{configuration}[limits]\nconnections = 7\n"));
    assert_eq!(words(&site.proxy), "Two.", "the rest is applied");
    let status = site.proxy.admin("/api/status").json();
    assert_eq!(
        status["configuration"]["needs_restart"],
        serde_json::json!(["[limits] connections", "workers"])
    );
    assert_ne!(status["workers"], 99);
    site.wait_for_log("keys=\"[limits] connections, workers\"", 1);
    site.reload(&configuration);
    let status = site.proxy.admin("/api/status").json();
    assert_eq!(status["configuration"]["needs_restart"], serde_json::json!([]));
}
