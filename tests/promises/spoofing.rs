//! Only the backend may opt out, never a client; T66.

use crate::support::{
    backend::{Backend, PAGE, Step, answer},
    proxy::Proxy,
    trials,
};

trials![only_the_backend_opts_out, without_a_configured_field_nothing_opts_out];

// T66
fn only_the_backend_opts_out() {
    let backend = Backend::scripted(|request| {
        let lines: &[&str] = match request.target() {
            "/out" => &["Content-Type: text/html", "X-Status-Opt-Out: 1"],
            _ => &["Content-Type: text/html"],
        };
        vec![Step::Send(answer("500 Why", lines, PAGE))]
    });
    let proxy =
        Proxy::configured(&format!("upstream = '{}'\nopt_out_header = 'x-status-opt-out'\n", backend.url()));
    let answer = proxy.get("/out");
    assert_eq!((answer.start.as_str(), answer.text()), ("HTTP/1.1 500 Why", PAGE.to_owned()));
    assert!(!answer.has("x-status-opt-out"), "taken off before the client sees it");
    proxy.wait_for("status_normalize_skipped_total", &[("reason", "opt_out")], 1.0);
    let answer = proxy.ask("GET", "/", &["X-Status-Opt-Out: 1"]);
    assert_eq!(answer.json()["status"], 500, "a client's means nothing");
    assert!(!backend.seen()[1].has("x-status-opt-out"), "and goes no further");
    proxy.wait_for("status_normalize_skipped_total", &[("reason", "opt_out")], 1.0);
}

fn without_a_configured_field_nothing_opts_out() {
    let backend = Backend::says(answer("500 Why", &["Content-Type: text/html", "X-Status-Opt-Out: 1"], PAGE));
    let answer = Proxy::start(&backend.url()).get("/");
    assert_eq!(answer.json()["status"], 500);
    assert_eq!(answer.field("x-status-opt-out"), "1", "a field like any other");
}
