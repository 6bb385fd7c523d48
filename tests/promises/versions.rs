//! The core of the promises over every pair of protocols in front and behind; T55.

use std::time::Duration;

use bytes::Bytes;

use crate::support::{
    backend::{self, PAGE, Step},
    catalogs::{ABNORMAL, catalog},
    h2::{self, Scripted, block_on},
    proxy::Proxy,
    refused, trials,
};

trials![
    broken_http2_answers_are_cut,
    every_pair_keeps_the_core_promises,
    http10_gets_a_length_and_a_closed_connection,
    http10_keep_alive_is_honoured,
    http2_answers_have_no_hop_by_hop_fields,
    http2_streams_pass_at_once,
    many_streams_share_one_connection,
    protocols_are_told_apart_on_one_port,
    trailers_cross_from_http1_to_http2,
];

const STANDARD: &str = r#"{"error_code": "SFS.0001", "error_msg": "no such share"}"#;

/// Status and media type from the path: `/404/html`, `/404/json`, `/204/none`.
fn content(path: &str) -> (u16, &'static str, &'static str) {
    let (status, kind) = path[1..].split_once('/').unwrap();
    let (kind, body) = match kind {
        "html" => ("text/html", PAGE),
        "json" => ("application/json", STANDARD),
        _ => ("", ""),
    };
    (status.parse().unwrap(), kind, body)
}

enum Behind {
    Http1(backend::Backend),
    Http2(h2::Backend),
}

impl Behind {
    fn start(http2: bool) -> Self {
        if http2 {
            return Self::Http2(h2::Backend::scripted(|request| {
                let (status, kind, body) = content(request.head.uri.path());
                let fields = [("content-type", kind), ("etag", "\"e\"")];
                Scripted::new(status, if kind.is_empty() { &[] } else { &fields }, body)
            }));
        }
        Self::Http1(backend::Backend::scripted(|request| {
            let (status, kind, body) = content(request.target());
            let status = format!("{status} X");
            if kind.is_empty() {
                return vec![Step::Send(backend::head(&status, &[]))];
            }
            let mut bytes =
                backend::answer(&status, &[&format!("Content-Type: {kind}"), "ETag: \"e\""], body);
            if request.method() == "HEAD" {
                bytes.truncate(bytes.len() - body.len());
            }
            vec![Step::Send(bytes)]
        }))
    }

    fn url(&self) -> String {
        match self {
            Self::Http1(backend) => backend.url(),
            Self::Http2(backend) => backend.url(),
        }
    }
}

/// Status, fields by name, body.
type Plain = (u16, Vec<(String, String)>, Vec<u8>);

fn ask(front: &str, proxy: &Proxy, method: &str, path: &str, accept: &str) -> Plain {
    let (status, mut fields, body) = match front {
        "h2c" => {
            let reply = h2::Client::connect(proxy.listen).ask(method, path, &[("accept", accept)]);
            let fields = reply.headers.iter();
            let fields =
                fields.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
            (reply.status, fields, reply.body)
        }
        version => {
            let mut client = proxy.client();
            client.send(format!(
                "{method} {path} HTTP/{version}\r\nHost: api.test\r\nAccept: {accept}\r\n\r\n"
            ));
            let answer = client.answer(method);
            assert_eq!(answer.start.split('/').next(), Some("HTTP"));
            if version == "1.0" {
                client.assert_closed();
            }
            let fields = answer.fields.iter();
            let fields = fields.map(|(name, value)| {
                (name.to_ascii_lowercase(), String::from_utf8_lossy(value).into_owned())
            });
            let fields: Vec<_> = fields.collect();
            (answer.status(), fields, answer.head.body)
        }
    };
    fields.retain(|(name, _)| name != "date" && name != "via");
    (status, fields, body)
}

fn value<'a>(fields: &'a [(String, String)], name: &str) -> &'a str {
    fields.iter().find(|(field, _)| field == name).map_or("", |(_, value)| value)
}

fn every_pair_keeps_the_core_promises() {
    for http2 in [false, true] {
        let behind = Behind::start(http2);
        let protocol = if http2 { "http2" } else { "http1" };
        let proxy = Proxy::configured(&format!(
            "upstream = {{ url = '{}', protocol = '{protocol}' }}\n",
            behind.url()
        ));
        for front in ["1.0", "1.1", "h2c"] {
            let case = format!("{front} in front, {protocol} behind");
            let (status, fields, body) = ask(front, &proxy, "GET", "/200/html", "*/*");
            assert_eq!((status, body), (200, PAGE.into()), "{case}");
            assert_eq!(value(&fields, "etag"), "\"e\"", "{case}");
            assert_eq!(value(&fields, "content-length"), PAGE.len().to_string(), "{case}");
            for code in ABNORMAL {
                let (status, fields, body) = ask(front, &proxy, "GET", &format!("/{code}/html"), "*/*");
                assert_eq!(status, code, "{case}");
                assert_eq!(value(&fields, "content-type"), "application/problem+json", "{case}");
                assert_eq!(value(&fields, "content-length"), body.len().to_string(), "{case}");
                assert_eq!(value(&fields, "etag"), "", "{case}");
                let problem: serde_json::Value = serde_json::from_slice(&body).unwrap();
                assert_eq!(problem["detail"], catalog("sfs").description(code), "{case}");
                let (status, head, none) = ask(front, &proxy, "HEAD", &format!("/{code}/html"), "*/*");
                assert_eq!((status, none.len()), (code, 0), "{case}");
                assert_eq!(value(&head, "content-length"), value(&fields, "content-length"), "{case}");
            }
            let (status, _, body) = ask(front, &proxy, "GET", "/404/json", "*/*");
            assert_eq!((status, body), (404, STANDARD.into()), "{case}");
            let (status, fields, _) = ask(front, &proxy, "GET", "/404/html", "text/plain");
            assert_eq!(
                (status, value(&fields, "content-type")),
                (404, "text/plain; charset=utf-8"),
                "{case}"
            );
            for code in [204, 304] {
                let (status, fields, body) = ask(front, &proxy, "GET", &format!("/{code}/none"), "*/*");
                assert_eq!((status, body.len()), (code, 0), "{case}");
                assert_eq!(value(&fields, "transfer-encoding"), "", "{case}");
            }
            let (status, _, body) = ask(front, &proxy, "GET", "/418/html", "*/*");
            assert_eq!((status, body), (418, PAGE.into()), "{case}");
        }
    }
}

fn http10_gets_a_length_and_a_closed_connection() {
    // A body of unknown length is closed after; one of ours has a length.
    let mut bytes = backend::head("200 OK", &["Transfer-Encoding: chunked"]);
    bytes.extend(backend::chunk("in"));
    bytes.extend(backend::chunk("pieces"));
    bytes.extend(b"0\r\n\r\n");
    let backend = backend::Backend::scripted(move |request| {
        vec![Step::Send(if request.target() == "/ok" { bytes.clone() } else { backend::page(404) })]
    });
    let proxy = Proxy::start(&backend.url());
    for asks in ["", "Connection: keep-alive\r\n"] {
        let mut client = proxy.client();
        client.send(format!("GET /ok HTTP/1.0\r\nHost: a\r\n{asks}\r\n"));
        let answer = client.answer("GET");
        assert_eq!(answer.text(), "inpieces");
        assert!(!answer.has("transfer-encoding"));
        assert!(!answer.has("connection") || answer.field("connection") == "close", "{asks}");
    }
    let mut client = proxy.client();
    client.send("GET /no HTTP/1.0\r\nHost: a\r\n\r\n");
    let answer = client.answer("GET");
    assert_eq!(answer.json()["status"], 404);
    assert!(answer.has("content-length"));
    client.assert_closed();
}

fn http10_keep_alive_is_honoured() {
    let backend = backend::Backend::says(backend::page(404));
    let proxy = Proxy::start(&backend.url());
    let mut client = proxy.client();
    for _ in 0..2 {
        client.send("GET / HTTP/1.0\r\nHost: a\r\nConnection: keep-alive\r\n\r\n");
        let answer = client.answer("GET");
        assert_eq!(answer.json()["status"], 404);
        assert_eq!(answer.field("connection").to_ascii_lowercase(), "keep-alive");
    }
}

// T10
fn http2_answers_have_no_hop_by_hop_fields() {
    let lines = [
        "Connection: x-foo, keep-alive",
        "X-Foo: 1",
        "Keep-Alive: timeout=5",
        "Proxy-Connection: close",
        "TE: gzip",
    ];
    for status in ["200 OK", "404 No"] {
        let backend = backend::Backend::says(backend::answer(status, &lines, "x"));
        let proxy = Proxy::start(&backend.url());
        let reply = h2::Client::connect(proxy.listen).ask("GET", "/", &[]);
        for name in
            ["connection", "x-foo", "keep-alive", "proxy-connection", "te", "upgrade", "transfer-encoding"]
        {
            assert!(!reply.headers.contains_key(name), "{status} {name}");
        }
    }
}

fn trailers_cross_from_http1_to_http2() {
    let mut bytes = backend::head("200 OK", &["Transfer-Encoding: chunked", "Trailer: X-Checksum"]);
    bytes.extend(backend::chunk("body"));
    bytes.extend(b"0\r\nX-Checksum: 17\r\n\r\n");
    let backend = backend::Backend::says(bytes);
    let proxy = Proxy::start(&backend.url());
    let reply = h2::Client::connect(proxy.listen).ask("GET", "/", &[]);
    assert_eq!(reply.body, b"body");
    assert_eq!(reply.trailers["x-checksum"], "17");
}

fn many_streams_share_one_connection() {
    let backend = backend::Backend::scripted(|request| {
        let status = request.target()[1..].parse::<usize>().unwrap() % 2;
        vec![Step::Send(if status == 0 {
            backend::answer("200 OK", &[], "fine")
        } else {
            backend::page(503)
        })]
    });
    let proxy = Proxy::start(&backend.url());
    let client = h2::Client::connect(proxy.listen);
    let replies = block_on(async {
        let asks = (0..500).map(|number| {
            let client = client.clone();
            tokio::spawn(async move {
                client.send(h2::request("GET", &format!("/{number}"), &[], Bytes::new())).await
            })
        });
        let mut replies = Vec::new();
        for ask in asks.collect::<Vec<_>>() {
            replies.push(ask.await.unwrap().unwrap());
        }
        replies
    });
    for (number, reply) in replies.iter().enumerate() {
        if number % 2 == 0 {
            assert_eq!((reply.status, reply.body.as_slice()), (200, b"fine".as_slice()));
        } else {
            assert_eq!((reply.status, reply.json()["status"].as_u64()), (503, Some(503)));
        }
    }
    proxy.wait_for("status_normalize_responses_total", &[], 500.0);
}

fn protocols_are_told_apart_on_one_port() {
    let backend = backend::Backend::says(backend::page(404));
    let proxy = Proxy::start(&backend.url());
    // The preface in pieces, and a request line that starts like it.
    let mut client = proxy.client();
    let frames = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
    for piece in frames.chunks(3) {
        client.send(piece);
        std::thread::sleep(Duration::from_millis(2));
    }
    let settings = client.bytes(9);
    assert_eq!(settings[3], 4, "a SETTINGS frame: {settings:?}");
    let mut client = proxy.client();
    client.send("P");
    std::thread::sleep(Duration::from_millis(20));
    client.send("RI / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_eq!(client.answer("PRI").json()["status"], 404, "a method of that name");
}

fn broken_http2_answers_are_cut() {
    let mut script = Scripted::new(502, &[("content-type", "application/json")], b"{\"error_code\":");
    script.broken = true;
    let backend = h2::Backend::says(script);
    let proxy =
        Proxy::configured(&format!("upstream = {{ url = '{}', protocol = 'http2' }}\n", backend.url()));
    assert_eq!(proxy.get("/").json()["status"], 502);
    proxy.wait_for("status_normalize_nonstandard_total", &[("reason", "cut")], 1.0);
}

fn http2_streams_pass_at_once() {
    use http_body_util::BodyExt;
    let mut script = Scripted::new(200, &[("content-type", "text/event-stream")], b"data: 1\n\n");
    script.endless = true;
    let backend = h2::Backend::says(script);
    let proxy =
        Proxy::configured(&format!("upstream = {{ url = '{}', protocol = 'http2' }}\n", backend.url()));
    let client = h2::Client::connect(proxy.listen);
    block_on(async {
        let mut response = client.start(h2::request("GET", "/", &[], Bytes::new())).await.unwrap();
        let frame =
            tokio::time::timeout(Duration::from_secs(5), response.body_mut().frame()).await.unwrap().unwrap();
        assert_eq!(frame.unwrap().into_data().unwrap(), "data: 1\n\n");
    });
    let refusing = Proxy::start(&format!("http://{}", refused()));
    assert_eq!(h2::Client::connect(refusing.listen).ask("GET", "/", &[]).json()["status"], 502);
}
