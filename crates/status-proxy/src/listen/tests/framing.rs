//! What is refused, by whom, and what the client reads then.

use super::*;

/// Sends `bytes` in one piece and reads to the end.
async fn refused(bytes: &[u8]) -> (String, Vec<String>) {
    let mut talk = Talk::start();
    talk.send(bytes).await;
    let answer = talk.rest().await;
    (answer, talk.backend.seen())
}

#[tokio::test(start_paused = true)]
async fn heads_with_two_readings_never_reach_the_service() {
    let post = |fields: &str| format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n5\r\nhello\r\n0\r\n\r\n");
    // Those marked are refused by hyper's parser, the others by the boundary.
    let cases = [
        ("both lengths", post("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"), 400),
        ("differing lengths", post("Content-Length: 5\r\nContent-Length: 6\r\n"), 400),
        ("coding unknown", post("Transfer-Encoding: gzip, chunked\r\n"), 400),
        ("coding twice", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"), 400),
        ("hyper: space before colon", post("Transfer-Encoding : chunked\r\n"), 400),
        ("hyper: folded", post("X: a\r\n b\r\n"), 400),
        ("hyper: folded at once", "GET / HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n".into(), 400),
        ("hyper: bare CR", post("X: a\rContent-Length: 5\r\n"), 400),
        ("hyper: NUL", post("X: a\0b\r\n"), 400),
        ("hyper: no colon", post("Nonsense\r\n"), 400),
        ("hyper: method", "G@T / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("hyper: two spaces", "GET  / HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("hyper: target", "GET /\u{1} HTTP/1.1\r\nHost: a\r\n\r\n".into(), 400),
        ("bare LF", "GET / HTTP/1.1\r\nHost: a\nX: y\r\n\r\n".into(), 400),
        ("no Host", "GET / HTTP/1.1\r\n\r\n".into(), 400),
        ("two Hosts", "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n".into(), 400),
        ("invalid Host", "GET / HTTP/1.1\r\nHost: a b\r\n\r\n".into(), 400),
        ("HTTP/0.9", "GET /\r\n".into(), 400),
        ("HTTP/3", "GET / HTTP/3.0\r\nHost: a\r\n\r\n".into(), 505),
        ("TLS", "\u{16}\u{3}\u{1}\n".into(), 400),
        ("target too long", get(&format!("/{}", "a".repeat(65_534))), 414),
        ("head too long", format!("GET / HTTP/1.1\r\nHost: a\r\nX: {}", "a".repeat(128 * 1024)), 431),
        ("too many fields", format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(256)), 431),
    ];
    for (case, bytes, status) in cases {
        let (answer, seen) = refused(bytes.as_bytes()).await;
        assert_eq!(statuses(&answer), [status], "{case}: {answer:?}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{case}: {answer:?}");
        assert_eq!(answer.matches("\r\ndate: ").count(), 1, "{case}: {answer:?}");
        assert!(seen.is_empty(), "{case}: {seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_head_request_gets_no_body() {
    // By the boundary, and by hyper.
    for head in ["HEAD / HTTP/1.1\r\n\r\n", "HEAD / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"] {
        let (answer, _) = refused(head.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{answer:?}");
        assert!(answer.ends_with("\r\n\r\n"), "{answer:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_sent_before_a_refused_request_is_answered_first() {
    for bad in ["GET / HTTP/1.1\r\n\r\n", "GET / HTTP/1.1\r\nHost: a\r\nX : y\r\n\r\n"] {
        let mut talk = Talk::start();
        talk.send(get("/one") + &get("/wait") + bad + &get("/never")).await;
        assert_eq!(statuses(&talk.now().await), [200]);
        talk.backend.go.notify_one();
        assert_eq!(statuses(&talk.rest().await), [200, 400]);
        assert_eq!(talk.backend.seen(), ["GET /one 0", "GET /wait 0"]);
    }
}

#[tokio::test(start_paused = true)]
async fn pipelined_requests_are_read_alike_however_they_are_split() {
    let bytes = get("/a")
        + "\r\n"
        + &post("/b", "Content-Length: 5\r\n", "hello")
        + &post("/c", "Transfer-Encoding: chunked\r\n", "5;x\r\nhello\r\n1\r\n!\r\n0\r\nT: v\r\n\r\n")
        + "GET /d HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        + &get("/e");
    for at in 0..bytes.len() {
        let mut talk = Talk::start();
        talk.send(&bytes[..at]).await;
        let mut answers = talk.now().await;
        talk.send(&bytes[at..]).await;
        answers += &talk.now().await;
        assert_eq!(statuses(&answers), [200; 5], "split at {at}: {answers:?}");
        let seen = talk.backend.seen();
        assert_eq!(seen, ["GET /a 0", "POST /b 5", "POST /c 6", "GET /d 0", "GET /e 0"], "split at {at}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_that_come_byte_by_byte_are_answered() {
    let mut talk = Talk::start();
    let bytes = post("/b", "Content-Length: 5\r\n", "hello") + &get("/a");
    for byte in bytes.bytes() {
        talk.send([byte]).await;
        sleep(Duration::from_millis(250)).await;
    }
    assert_eq!(statuses(&talk.now().await), [200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_malformed_chunked_body_is_an_error_for_the_service_and_the_end() {
    for body in [
        "5\nhello\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "x\r\n",
        "5\r\nhello\r\n0\r\nT: v\n\r\n",
        "5\r\nhelloXY0\r\n\r\n",
    ] {
        for at in 0..body.len() {
            let mut talk = Talk::start();
            let bytes = post("/c", "Transfer-Encoding: chunked\r\n", "");
            talk.send(bytes + &body[..at]).await;
            let mut answers = talk.now().await;
            talk.send(body[at..].to_owned() + &get("/smuggled")).await;
            answers += &talk.rest().await;
            assert_eq!(statuses(&answers), [400], "{body:?} split at {at}");
            assert_eq!(talk.backend.seen(), ["POST /c broken"], "{body:?} split at {at}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn many_fields_and_large_heads_pass_up_to_the_limit() {
    let mut talk = Talk::start();
    let fields =
        |fields: usize| format!("GET / HTTP/1.1\r\nHost: a\r\n{}\r\n", "X: y\r\n".repeat(fields - 1));
    let large = get("/").replace("\r\n\r\n", "\r\nX: ");
    let large = format!("{large}{}\r\n\r\n", "a".repeat(128 * 1024 - large.len() - 4));
    let requests =
        [&fields(100), &fields(101), &fields(256), &get("/"), &large, &fields(256), &large, &get("/")];
    talk.send(requests.map(String::as_str).concat()).await;
    assert_eq!(statuses(&talk.now().await), [200; 8]);
    assert_eq!(talk.backend.seen().len(), 8);
}

/// The answers to a request and what the service saw of it: on a connection where hyper waits for it, whole, or in two
/// pieces.
async fn exchanged(request: &[u8], pieces: [&[u8]; 2]) -> (String, Vec<String>) {
    let mut talk = Talk::start();
    talk.send(get("/a")).await;
    let mut answers = talk.now().await;
    for piece in pieces {
        // It may have been refused and closed by now.
        let _ = talk.client.write_all(piece).await;
        answers += &talk.now().await;
    }
    let _ = talk.client.write_all(get("/b").as_bytes()).await;
    answers += &talk.now().await;
    assert!(answers.len() > 100, "{:?}", String::from_utf8_lossy(request));
    (answers, talk.backend.seen())
}

/// What comes whole is read here, what comes in pieces by hyper.
#[tokio::test(start_paused = true)]
async fn many_fields_are_the_same_whether_the_head_comes_whole_or_not() {
    let fields: String = (1..30).map(|n| format!("X-Field-{}: value {n}\t\r\n", n % 20)).collect();
    let framings = [
        ("Content-Length: 5\r\nContent-Length: 5\r\nTE: trailers\r\n", "hello"),
        ("Transfer-Encoding: chunked\r\nConnection: x-field-3\r\n", "5\r\nhello\r\n0\r\n\r\n"),
        ("Expect: 100-continue\r\nContent-Length: 5\r\n", "hello"),
        ("Connection: close\r\nContent-Length: 0\r\n", ""),
        ("Upgrade: shout\r\nConnection: upgrade\r\nContent-Length: 0\r\n", ""),
    ];
    let mut random = Random(0xf1e1d);
    for round in 0..600 {
        let (framing, body) = framings[round % framings.len()];
        let head = format!("POST /fields HTTP/1.1\r\nHost: a\r\n{fields}{framing}\r\n");
        let mut request = head.clone().into_bytes();
        for _ in 0..random.below(3) {
            let at = random.below(head.len() - 4);
            match random.below(3) {
                0 => request[at] = random.special(),
                1 => request.insert(at, random.special()),
                _ => drop(request.remove(at)),
            }
        }
        let split = random.below(head.len() - 8) + 1;
        request.extend_from_slice(body.as_bytes());
        let (whole, seen) = exchanged(&request, [&request, b""]).await;
        let (pieces, seen_in_pieces) = exchanged(&request, [&request[..split], &request[split..]]).await;
        let case = format!("round {round}: {:?}", String::from_utf8_lossy(&request));
        assert_eq!(seen, seen_in_pieces, "{case}");
        assert_eq!(statuses(&whole), statuses(&pieces), "{case}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_follows_a_refused_connect_is_not_taken_for_a_request() {
    let mut talk = Talk::start();
    talk.send("CONNECT a:80 HTTP/1.1\r\nHost: a:80\r\n\r\n".to_owned() + &get("/inside")).await;
    assert_eq!(statuses(&talk.rest().await), [405]);
    assert_eq!(talk.backend.seen().len(), 1);
}

/// Whatever comes, the connection ends in order: with whole answers, the last of them a refusal if there is one.
#[tokio::test(start_paused = true)]
async fn mutated_requests_are_answered_or_refused_and_never_hang() {
    let base = get("/a")
        + &post("/b", "Content-Length: 5\r\n", "hello")
        + &post("/c", "Transfer-Encoding: chunked\r\n", "5;x\r\nhello\r\n0\r\nT: v\r\n\r\n")
        + &get("/d");
    let mut random = Random(0x5eed);
    for round in 0..2000 {
        let mut bytes = base.clone().into_bytes();
        for _ in 0..random.below(3) + 1 {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = random.special(),
                1 => bytes.insert(at, random.special()),
                2 => drop(bytes.remove(at)),
                _ => {
                    let end = (at + random.below(40)).min(bytes.len());
                    bytes.extend_from_within(at..end);
                }
            }
        }
        let case = format!("round {round}: {:?}", String::from_utf8_lossy(&bytes));
        let mut talk = Talk::start();
        let at = random.below(bytes.len());
        talk.send(&bytes[..at]).await;
        let mut answers = talk.now().await;
        // It may have been refused and closed by now.
        let _ = talk.client.write_all(&bytes[at..]).await;
        let _ = talk.client.shutdown().await;
        answers += &talk.rest().await;
        talk.server.await.expect(&case);
        let statuses = statuses(&answers);
        assert!(!statuses.is_empty(), "{case}");
        let refused = statuses.iter().position(|&status| status != 200);
        assert!(refused.is_none_or(|refused| refused + 1 == statuses.len()), "{case}: {answers:?}");
        let seen = talk.backend.seen.lock().unwrap().len();
        assert!(
            seen == statuses.len() || seen + 1 == statuses.len() && refused.is_some(),
            "{case}: {answers:?}"
        );
    }
}

/// Numbers that are the same in every run (xorshift).
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % end as u64) as usize
    }

    fn special(&mut self) -> u8 {
        let special = b"\r\n\0 \t:;,0159aFgXx/\x7f\x80\"%[";
        special[self.below(special.len())]
    }
}
