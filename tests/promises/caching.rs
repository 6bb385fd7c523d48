//! No cache keeps what it should not; T46 to T49.

use crate::support::{
    backend::{Backend, PAGE, Step, answer, page},
    proxy::Proxy,
    refused, trials,
};

trials![
    a_rewritten_body_has_no_validator,
    dates_of_our_own_answers_are_current,
    rewritten_errors_keep_the_backends_word_on_caching,
    rewritten_errors_without_a_word_are_not_stored,
    unreadable_requests_are_not_stored,
    via_names_both_directions,
];

// T46
fn rewritten_errors_without_a_word_are_not_stored() {
    for status in [404, 405, 501] {
        let backend = Backend::says(page(status));
        assert_eq!(Proxy::start(&backend.url()).get("/").all("cache-control"), ["no-store"], "{status}");
    }
}

// T46, T47
fn rewritten_errors_keep_the_backends_word_on_caching() {
    for line in [
        "Cache-Control: public, max-age=3600",
        "Cache-Control: private",
        "Expires: Thu, 01 Dec 2033 16:00:00 GMT",
    ] {
        for status in ["404 No", "503 Busy"] {
            let backend = Backend::says(answer(status, &["Content-Type: text/html", line], PAGE));
            let answer = Proxy::start(&backend.url()).get("/");
            assert_eq!(answer.json()["status"], status[..3].parse::<u16>().unwrap());
            let (name, value) = line.split_once(": ").unwrap();
            assert_eq!(answer.field(name), value);
            assert!(name == "Cache-Control" || !answer.has("cache-control"), "{line}");
        }
    }
}

// T47
fn unreadable_requests_are_not_stored() {
    let backend = Backend::says(answer("200 OK", &[], "fine"));
    let proxy = Proxy::start(&backend.url());
    for request in [
        format!("GET / HTTP/1.1\r\nHost: a\r\nX-Large: {}\r\n\r\n", "x".repeat(200_000)),
        "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".into(),
    ] {
        let mut client = proxy.client();
        client.send(request);
        let answer = client.answer("GET");
        assert!([400, 431].contains(&answer.status()), "{}", answer.start);
        assert_eq!(answer.field("cache-control"), "no-store");
    }
}

// T48
fn a_rewritten_body_has_no_validator() {
    let lines = ["Content-Type: text/html", "ETag: \"v1\"", "Last-Modified: Tue, 15 Nov 1994 08:12:31 GMT"];
    let backend = Backend::says(answer("404 No", &lines, PAGE));
    let answer = Proxy::start(&backend.url()).ask("GET", "/", &["If-None-Match: \"v1\""]);
    assert_eq!(answer.status(), 404);
    assert!(!answer.has("etag") && !answer.has("last-modified"));
}

/// Seconds since the epoch of an HTTP date.
fn seconds(date: &str) -> i64 {
    let parts: Vec<_> = date.split([' ', ':']).collect();
    let [_, day, month, year, hour, minute, second, "GMT"] = parts[..] else {
        panic!("{date:?} is no HTTP date")
    };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = 1 + months.iter().position(|name| *name == month).unwrap() as i64;
    let number = |text: &str| text.parse::<i64>().unwrap();
    // Days from civil, for years after 1970.
    let (year, shifted) = if month <= 2 { (number(year) - 1, month + 9) } else { (number(year), month - 3) };
    let days =
        365 * year + year / 4 - year / 100 + year / 400 + (153 * shifted + 2) / 5 + number(day) - 1 - 719_468;
    ((days * 24 + number(hour)) * 60 + number(minute)) * 60 + number(second)
}

fn now() -> i64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() as i64
}

// T49
fn dates_of_our_own_answers_are_current() {
    let proxy = Proxy::start(&format!("http://{}", refused()));
    let mut unreadable = proxy.client();
    unreadable.send("G@T / HTTP/1.1\r\nHost: a\r\n\r\n");
    for answer in [proxy.get("/"), unreadable.answer("GET")] {
        let drift = (seconds(&answer.field("date")) - now()).abs();
        assert!(drift <= 2, "{} is {drift} s off", answer.field("date"));
    }
    // A backend's own is its own.
    let date = "Date: Tue, 15 Nov 1994 08:12:31 GMT";
    for status in ["200 OK", "404 No"] {
        let backend = Backend::says(answer(status, &["Content-Type: text/html", date, "Age: 17"], PAGE));
        let answer = Proxy::start(&backend.url()).get("/");
        assert_eq!(answer.field("date"), &date[6..], "{status}");
        assert_eq!(answer.field("age"), "17");
    }
}

// T49
fn via_names_both_directions() {
    let backend = Backend::scripted(|request| {
        let lines: &[&str] =
            if request.target() == "/via" { &["Via: 1.0 inner", "Content-Type: text/html"] } else { &[] };
        vec![Step::Send(answer("404 No", lines, ""))]
    });
    let proxy = Proxy::start(&backend.url());
    let plain = proxy.get("/");
    assert_eq!(plain.all("via"), ["1.1 status-proxy"]);
    let listed = proxy.ask("GET", "/via", &["Via: 1.1 edge"]);
    assert_eq!(listed.tokens("via"), ["1.0 inner", "1.1 status-proxy"]);
    let seen = backend.seen();
    assert_eq!(seen[0].tokens("via"), ["1.1 status-proxy"]);
    assert_eq!(seen[1].tokens("via"), ["1.1 edge", "1.1 status-proxy"]);
}
