//! Which status reaches the client, and in which class it is counted; T30 to T37.

use crate::support::{
    backend::{Backend, PAGE, Step, answer, page},
    proxy::Proxy,
    trials,
};

trials![
    a_mapped_status_is_the_same_everywhere,
    a_method_that_does_not_fit_is_counted_and_untouched,
    a_rewritten_status_has_the_standard_phrase,
    a_status_of_another_sort_is_a_malformed_reply,
    codes_beyond_599_pass_and_are_other,
    described_undocumented_codes_keep_their_status,
    nearest_sends_a_code_to_its_hundred,
    only_explicit_rules_touch_what_is_no_error,
    overlapping_rules_go_by_file_order,
    undocumented_codes_pass_by_default,
    what_the_document_lists_as_abnormal_is_abnormal,
];

const RESPONSES: &str = "status_normalize_responses_total";

/// A backend that answers `/404` with an HTML page and 404.
fn pages() -> Backend {
    Backend::scripted(|request| {
        vec![Step::Send(page(request.target().trim_start_matches('/').parse().unwrap()))]
    })
}

// T30
fn undocumented_codes_pass_by_default() {
    let codes = [
        203, 226, 299, 300, 302, 399, 402, 410, 413, 418, 420, 422, 429, 431, 451, 494, 499, 505, 511, 520,
        529, 599,
    ];
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for code in codes {
        let answer = client.get(&format!("/{code}"));
        assert_eq!(answer.start, format!("HTTP/1.1 {code} Whatever"));
        assert_eq!(answer.text(), PAGE, "{code}");
        assert_eq!(answer.field("content-type"), "text/html");
    }
    let total = codes.len() as f64;
    let scrape = proxy.wait_for(RESPONSES, &[("class", "undocumented"), ("action", "pass")], total);
    for code in codes {
        let status = code.to_string();
        assert_eq!(
            scrape.sum(RESPONSES, &[("status", &status), ("upstream_status", &status)]),
            1.0,
            "{code}"
        );
    }
    let promises = scrape.sum("status_normalize_broken_promises_total", &[("kind", "undocumented_status")]);
    assert_eq!(promises, total);
    assert_eq!(scrape.sum("status_normalize_nonstandard_total", &[]), 0.0, "their bodies are not read");
}

// T30
fn codes_beyond_599_pass_and_are_other() {
    let backend = pages();
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for code in [600, 666, 777, 999] {
        let answer = client.get(&format!("/{code}"));
        assert_eq!(answer.status(), code);
        assert_eq!(answer.text(), PAGE);
    }
    let labels =
        [("class", "undocumented"), ("status", "other"), ("upstream_status", "other"), ("action", "pass")];
    proxy.wait_for(RESPONSES, &labels, 4.0);
}

// T37: what is not three digits from 100.
fn a_status_of_another_sort_is_a_malformed_reply() {
    for status in [
        "99 Low",
        "099 Low",
        "000 Nil",
        "20 Short",
        "2000 Long",
        "abc Word",
        "-20 Minus",
        "+20 Plus",
        "0x1 Hex",
    ] {
        let backend =
            Backend::does(vec![Step::Send(answer(status, &["Content-Type: text/html"], PAGE)), Step::Hold]);
        let proxy = Proxy::start(&backend.url());
        let answer = proxy.get("/");
        assert_eq!(answer.status(), 502, "{status}");
        assert_eq!(answer.json()["status"], 502, "{status}");
        let labels =
            [("source", "proxy"), ("status", "502"), ("upstream_status", "none"), ("class", "abnormal")];
        proxy.wait_for(RESPONSES, &labels, 1.0);
    }
}

// T31
fn a_method_that_does_not_fit_is_counted_and_untouched() {
    let backend = Backend::scripted(|request| {
        let status = request.target().trim_start_matches('/');
        let with_body = request.method() != "HEAD" && status != "204";
        let bytes = if with_body {
            answer(&format!("{status} X"), &[], "fine")
        } else {
            crate::support::backend::head(&format!("{status} X"), &[])
        };
        vec![Step::Send(bytes)]
    });
    for (catalog, method, status, fits) in [
        ("vpn", "GET", 200, true),
        ("vpn", "HEAD", 200, true),
        ("vpn", "PUT", 200, true),
        ("vpn", "DELETE", 200, false),
        ("vpn", "POST", 200, false),
        ("vpn", "POST", 201, true),
        ("vpn", "GET", 201, false),
        ("csbs", "DELETE", 204, true),
        ("csbs", "GET", 204, false),
        ("csbs", "PATCH", 202, true),
        ("sfs", "DELETE", 200, false),
        ("dns", "DELETE", 200, true),
        ("ecs", "GET", 204, true),
    ] {
        let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", catalog]);
        let answer = proxy.ask(method, &format!("/{status}"), &[]);
        let case = format!("{catalog} {method} {status}");
        assert_eq!(answer.start, format!("HTTP/1.1 {status} X"), "{case}");
        assert_eq!(answer.text(), if method == "HEAD" || status == 204 { "" } else { "fine" }, "{case}");
        let scrape = proxy.wait_for(RESPONSES, &[("class", "normal"), ("action", "pass")], 1.0);
        let counted = scrape.sum("status_normalize_broken_promises_total", &[("kind", "method_mismatch")]);
        assert_eq!(counted, if fits { 0.0 } else { 1.0 }, "{case}");
    }
}

// T32: on a page that lists 300 as abnormal, the class is the page's.
fn what_the_document_lists_as_abnormal_is_abnormal() {
    let directory = crate::support::scratch("document");
    let document = "# Returned Values\n\n- Normal\n\n| Returned Value | Description |\n|---|---|\n| 200 OK | Fine. |\n\n\
                    - Abnormal\n\n| Returned Value | Description |\n|---|---|\n| 300 Multiple Choices | There are several. |\n\
                    | 404 Not Found | It is not there. |\n";
    let file = directory.join("page.md");
    std::fs::write(&file, document).unwrap();
    let bytes = answer(
        "300 Pick",
        &["Content-Type: text/html", "Location: /first", "Link: </a>; rel=alternate"],
        PAGE,
    );
    let backend = Backend::says(bytes);
    let proxy = Proxy::run(&["--upstream", &backend.url(), "--catalog", file.to_str().unwrap()]);
    let answer = proxy.get("/");
    assert_eq!(answer.status(), 300);
    assert_eq!(answer.json()["detail"], "There are several.");
    assert_eq!(answer.field("location"), "/first");
    assert_eq!(answer.field("link"), "</a>; rel=alternate");
    proxy.wait_for(RESPONSES, &[("class", "abnormal"), ("status", "300"), ("action", "rewrite")], 1.0);
}

fn described_undocumented_codes_keep_their_status() {
    let backend = Backend::scripted(|request| {
        let status: u16 = request.target().trim_start_matches('/').parse().unwrap();
        vec![Step::Send(page(status))]
    });
    let proxy = Proxy::configured(&format!("upstream = '{}'\nundocumented = 'describe'\n", backend.url()));
    let mut client = proxy.client();
    for (code, title) in [
        (402, "Payment Required"),
        (410, "Gone"),
        (418, "I'm a teapot"),
        (422, "Unprocessable Content"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (451, "Unavailable For Legal Reasons"),
        (505, "HTTP Version Not Supported"),
        (511, "Network Authentication Required"),
        (420, "Status 420"),
        (499, "Status 499"),
        (599, "Status 599"),
    ] {
        let answer = client.get(&format!("/{code}"));
        assert_eq!(answer.status(), code);
        // The backend's phrase is gone; what no registry names has none, rather than a placeholder.
        let phrase = if title.starts_with("Status") { "" } else { title };
        assert_eq!(answer.reason(), phrase, "{}", answer.start);
        let problem = answer.json();
        assert_eq!(problem["type"], "about:blank");
        if code == 418 {
            // The registry calls it "(Unused)", everybody else a teapot.
            assert!(problem["title"].is_string());
        } else {
            assert_eq!(problem["title"], title);
        }
        assert_eq!(problem["status"], code);
    }
    for code in [203, 302, 666] {
        assert_eq!(client.get(&format!("/{code}")).text(), PAGE, "{code} passes under every policy");
    }
    let scrape = proxy.wait_for(RESPONSES, &[("class", "undocumented"), ("action", "rewrite")], 12.0);
    assert_eq!(scrape.sum("status_normalize_nonstandard_total", &[("reason", "media_type")]), 12.0);
}

fn nearest_sends_a_code_to_its_hundred() {
    let backend = pages();
    let proxy = Proxy::configured(&format!("upstream = '{}'\nundocumented = 'nearest'\n", backend.url()));
    let mut client = proxy.client();
    for (code, target) in [(402, 400), (418, 400), (499, 400), (505, 500), (599, 500)] {
        let answer = client.get(&format!("/{code}"));
        assert_eq!(answer.status(), target);
        assert_eq!(answer.json()["status"], target);
        assert_eq!(answer.json()["detail"], crate::support::catalogs::catalog("sfs").description(target));
        let (status, upstream) = (target.to_string(), code.to_string());
        proxy.wait_for(
            RESPONSES,
            &[("class", "undocumented"), ("status", &status), ("upstream_status", &upstream)],
            1.0,
        );
    }
    // "1xx, 101, 2xx, 3xx, 206 and 304 are never remapped", and 416 keeps its meaning.
    for code in [203, 206, 226, 302, 307, 416, 666] {
        let answer = client.get(&format!("/{code}"));
        assert_eq!((answer.status(), answer.text()), (code, PAGE.to_owned()));
    }
}

// T34
fn overlapping_rules_go_by_file_order() {
    let backend = pages();
    for _ in 0..20 {
        let proxy = Proxy::configured(&format!(
            "upstream = '{}'\nundocumented = [{{ codes = '420-429', to = 409 }}, {{ codes = '400-499', to = 400 }}, \
             {{ codes = '4xx', to = 404 }}, {{ codes = 599, to = 503 }}]\n",
            backend.url()
        ));
        let mut client = proxy.client();
        for (code, target) in [(418, 400), (420, 409), (429, 409), (430, 400), (599, 503), (404, 404)] {
            assert_eq!(client.get(&format!("/{code}")).status(), target, "{code}");
        }
        assert_eq!(client.get("/505").start, "HTTP/1.1 505 Whatever", "no rule has it");
    }
}

fn only_explicit_rules_touch_what_is_no_error() {
    let backend = pages();
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\nstatus_map = [{{ codes = 302, to = 404 }}, {{ codes = 200, to = 500 }}]\n",
        backend.url()
    ));
    let mut client = proxy.client();
    assert_eq!(client.get("/302").json()["status"], 404);
    assert_eq!(client.get("/200").json()["status"], 500);
    assert_eq!(client.get("/301").status(), 301);
    proxy.wait_for(RESPONSES, &[("class", "normal"), ("status", "500"), ("upstream_status", "200")], 1.0);
}

// T35, T36
fn a_mapped_status_is_the_same_everywhere() {
    let backend = pages();
    let proxy = Proxy::configured(&format!(
        "upstream = '{}'\nstatus_map = [{{ codes = 502, to = 503 }}]\n",
        backend.url()
    ));
    for accept in ["application/problem+json", "application/problem+xml", "text/html", "text/plain"] {
        let answer = proxy.ask("GET", "/502", &[&format!("Accept: {accept}")]);
        assert_eq!(answer.start, "HTTP/1.1 503 Service Unavailable");
        assert!(answer.text().contains("503") && !answer.text().contains("502"), "{}", answer.text());
        assert!(answer.text().contains("service is unavailable"), "{}", answer.text());
    }
    proxy.wait_for(RESPONSES, &[("status", "503"), ("upstream_status", "502"), ("class", "abnormal")], 4.0);
}

// T35, T36
fn a_rewritten_status_has_the_standard_phrase() {
    for status in ["404 Secret db-3.internal", "404", "404 "] {
        let backend = Backend::says(answer(status, &["Content-Type: text/html"], PAGE));
        let proxy = Proxy::start(&backend.url());
        assert_eq!(proxy.get("/").start, "HTTP/1.1 404 Not Found");
    }
}
