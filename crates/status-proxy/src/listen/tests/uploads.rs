//! Bodies of known length, which go around hyper; only on real sockets.

use tokio::{net::TcpStream, task::yield_now};

use super::{
    sockets::{ask, front, last},
    *,
};

fn sound(target: &str, len: usize) -> Vec<u8> {
    let mut request = post(target, &format!("Content-Length: {len}\r\n"), "").into_bytes();
    request.extend((0..=u8::MAX).cycle().take(len));
    request
}

/// Waits until the service has seen so many requests.
async fn seen(backend: &Backend, count: usize) -> Vec<String> {
    let until = async {
        while backend.seen().len() < count {
            sleep(Duration::from_millis(1)).await;
        }
    };
    timeout(Duration::from_secs(10), until).await.expect("they arrive");
    backend.seen()
}

#[tokio::test]
async fn bodies_arrive_whole_however_they_are_split_and_whatever_follows() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut requests = sound("/sound", 5);
    requests.extend_from_slice(get("/a").as_bytes());
    requests.extend(sound("/sound", 300));
    requests.extend(sound("/sound", 1));
    requests
        .extend_from_slice(post("/b", "Transfer-Encoding: chunked\r\n", "3\r\nabc\r\n0\r\n\r\n").as_bytes());
    requests.extend(sound("/sound", 17));
    requests.extend_from_slice(last("/c").as_bytes());
    let expected = [
        "POST /sound 5",
        "GET /a 0",
        "POST /sound 300",
        "POST /sound 1",
        "POST /b 3",
        "POST /sound 17",
        "GET /c 0",
    ];
    let mut rounds = 0;
    for step in (1..requests.len()).step_by(23).chain([requests.len()]) {
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        stream.set_nodelay(true).unwrap();
        for part in requests.chunks(step) {
            stream.write_all(part).await.unwrap();
            yield_now().await;
        }
        let mut answers = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut answers)).await.unwrap().unwrap();
        assert_eq!(statuses(&answers), [200; 7], "in parts of {step}");
        rounds += 1;
    }
    let seen = front.backend.seen();
    assert_eq!(seen.len(), rounds * expected.len());
    seen.chunks(expected.len()).for_each(|seen| assert_eq!(seen, expected));
}

#[tokio::test]
async fn long_bodies_arrive_whole_one_after_the_other_and_beside_each_other() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut requests = Vec::new();
    for len in [60_000, 65_536, 131_072, 1_000_000, 3] {
        requests.extend(sound("/sound", len));
    }
    requests.extend_from_slice(last("/a").as_bytes());
    let asking: Vec<_> = (0..8).map(|_| tokio::spawn(ask(front.address, requests.clone()))).collect();
    for answers in asking {
        assert_eq!(statuses(&answers.await.unwrap().unwrap()), [200; 6]);
    }
    let seen = front.backend.seen();
    for len in [60_000, 65_536, 131_072, 1_000_000, 3] {
        assert_eq!(seen.iter().filter(|seen| **seen == format!("POST /sound {len}")).count(), 8);
    }
    assert_eq!(seen.len(), 6 * 8);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_an_error_and_the_end() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    stream.write_all(post("/a", "Content-Length: 100000\r\n", "part").as_bytes()).await.unwrap();
    sleep(Duration::from_millis(20)).await;
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(statuses(&answer), [400]);
    assert_eq!(front.backend.seen(), ["POST /a broken"]);
}

#[tokio::test]
async fn a_head_that_hyper_refuses_ends_its_body_as_well() {
    let front = front(LIMITS, TIMEOUTS, 1);
    for sent in [10, 1000] {
        let mut request = post("/a b", "Content-Length: 1000\r\n", "").into_bytes();
        request.resize(request.len() + sent, b'x');
        let answer = timeout(Duration::from_secs(10), ask(front.address, request)).await.unwrap();
        assert_eq!(statuses(&answer.unwrap()), [400]);
    }
    assert!(front.backend.seen().is_empty());
}

#[tokio::test]
async fn nothing_is_taken_for_a_request_behind_a_body_that_nobody_reads() {
    let front = front(LIMITS, TIMEOUTS, 1);
    // Whole, it is out of the way.
    let both = post("/early", "Content-Length: 5\r\n", "hello") + &last("/a");
    assert_eq!(statuses(&ask(front.address, both).await.unwrap()), [413, 200]);
    let part = post("/early", "Content-Length: 1000\r\n", &get("/smuggled"));
    let answer = ask(front.address, part).await.unwrap();
    assert_eq!(statuses(&answer), [413]);
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    let part = "POST /early HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: 1000\r\n\r\npart";
    let answer = ask(front.address, part).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 413 "), "{answer}");
    assert!(answer.contains("connection: close\r\n"), "{answer}");
    assert!(!answer.contains("keep-alive"), "{answer}");
    assert_eq!(front.backend.seen(), ["POST /early", "GET /a 0", "POST /early", "POST /early"]);
}

#[tokio::test]
async fn the_next_request_waits_for_a_body_that_is_read_after_the_response() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    stream.write_all(post("/elsewhere", "Content-Length: 100000\r\n", "").as_bytes()).await.unwrap();
    let mut answer = vec![0; 15];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 200 OK");
    assert!(front.backend.seen().is_empty());
    stream.write_all(&[b'x'; 100_000]).await.unwrap();
    stream.write_all(last("/a").as_bytes()).await.unwrap();
    let mut answer = String::new();
    timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    assert_eq!(statuses(&answer), [200]);
    assert_eq!(front.backend.seen(), ["POST /elsewhere Ok(100000)", "GET /a 0"]);
}

#[tokio::test]
async fn a_connection_is_not_closed_under_who_reads_the_body_after_the_response() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let part = [b'x'; 25_000];
    for (version, is_drained) in [("1.1\r\nConnection: close", false), ("1.0", false), ("1.1", true)] {
        let count = front.backend.seen().len();
        let mut stream = TcpStream::connect(front.address).await.unwrap();
        let head = format!(
            "POST /elsewhere HTTP/{version}\r\nHost: a\r\nContent-Length: {}\r\n\r\n",
            4 * part.len()
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        stream.read_u8().await.unwrap();
        if is_drained {
            front.drain.begin();
        }
        for _ in 0..4 {
            sleep(Duration::from_millis(10)).await;
            stream.write_all(&part).await.unwrap();
        }
        assert_eq!(seen(&front.backend, count + 1).await[count..], ["POST /elsewhere Ok(100000)"]);
        let mut answer = String::new();
        timeout(Duration::from_secs(10), stream.read_to_string(&mut answer)).await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn whoever_reads_a_body_learns_that_the_response_broke_off() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    let head = post("/elsewhere/broken", "Content-Length: 100000\r\n", "part");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(Duration::from_secs(10), stream.read_to_end(&mut answer)).await.unwrap();
    let seen = seen(&front.backend, 1).await;
    assert!(seen[0].starts_with("POST /elsewhere/broken Err("), "{seen:?}");
}

#[tokio::test]
async fn whoever_reads_a_body_learns_that_the_client_has_gone() {
    let front = front(LIMITS, TIMEOUTS, 1);
    let mut stream = TcpStream::connect(front.address).await.unwrap();
    stream.write_all(post("/elsewhere", "Content-Length: 100000\r\n", "part").as_bytes()).await.unwrap();
    stream.read_u8().await.unwrap();
    drop(stream);
    let seen = seen(&front.backend, 1).await;
    assert!(seen[0].starts_with("POST /elsewhere Err("), "{seen:?}");
}
