//! Timeouts, clients that leave, connections that wait, drains.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

#[tokio::test(start_paused = true)]
async fn a_slow_head_is_answered_with_408_when_its_time_is_over() {
    for first in ["", &get("/a")] {
        let mut talk = Talk::start();
        talk.send(first).await;
        let _ = talk.now().await;
        sleep(60 * SECOND).await;
        talk.send("GET / HT").await;
        sleep(29 * SECOND).await;
        talk.send("TP/1.1\r\n").await;
        assert_eq!(talk.now().await, "");
        sleep(SECOND).await;
        let answer = talk.now().await;
        assert_eq!(statuses(&answer), [408], "{answer:?}");
        assert_eq!(talk.rest().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_is_closed_without_a_word() {
    for (first, answers) in [("", 0), ("\r\n", 0), (&*get("/a"), 1)] {
        let mut talk = Talk::start();
        talk.send(first).await;
        assert_eq!(statuses(&talk.now().await).len(), answers);
        sleep(74 * SECOND).await;
        assert!(!talk.is_closed().await);
        sleep(2 * SECOND).await;
        assert!(talk.is_closed().await, "{first:?}");
        assert_eq!(talk.rest().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn neither_a_slow_response_nor_a_slow_body_is_timed_out() {
    let mut talk = Talk::start();
    talk.send(post("/wait", "Content-Length: 5\r\n", "he")).await;
    sleep(1000 * SECOND).await;
    talk.send("llo").await;
    sleep(1000 * SECOND).await;
    talk.backend.go.notify_one();
    assert_eq!(statuses(&talk.until("/wait").await), [200]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_waited_is_served_as_before() {
    let mut talk = Talk::start();
    for pause in [0, 50, 99, 100, 101, 200, 201, 1000, 70_000] {
        sleep(Duration::from_millis(pause)).await;
        talk.send(get("/a")).await;
        talk.until("/a").await;
    }
    assert_eq!(talk.backend.seen().len(), 9);
}

/// T58
#[tokio::test(start_paused = true)]
async fn a_client_that_leaves_cancels_its_request() {
    let mut talk = Talk::start();
    talk.send(get("/wait")).await;
    assert_eq!(talk.now().await, "");
    drop(talk.client);
    sleep(2 * SECOND).await;
    assert_eq!(talk.backend.cancelled.load(SeqCst), 1);
    assert!(talk.server.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_only_its_side_gets_its_responses() {
    let mut talk = Talk::start();
    talk.send(get("/a") + &get("/wait") + &get("/b")).await;
    talk.client.shutdown().await.unwrap();
    sleep(SECOND / 2).await;
    talk.backend.go.notify_one();
    assert_eq!(statuses(&talk.rest().await), [200, 200, 200]);
}

#[tokio::test(start_paused = true)]
async fn a_head_that_the_client_cut_off_is_refused_and_a_body_an_error() {
    let mut talk = Talk::start();
    talk.send("GET / HTTP/1.1\r\n").await;
    talk.client.shutdown().await.unwrap();
    assert_eq!(statuses(&talk.rest().await), [400]);

    let mut talk = Talk::start();
    talk.send(post("/cut", "Content-Length: 5\r\n", "he")).await;
    talk.client.shutdown().await.unwrap();
    assert_eq!(statuses(&talk.rest().await), [400]);
    assert_eq!(talk.backend.seen(), ["POST /cut broken"]);
}

#[tokio::test(start_paused = true)]
async fn draining_closes_idle_connections_at_once() {
    for first in ["", &get("/a")] {
        let mut talk = Talk::start();
        talk.send(first).await;
        let _ = talk.now().await;
        sleep(SECOND).await;
        talk.drain.begin();
        assert!(talk.is_closed().await, "after {first:?}");
        assert_eq!(talk.rest().await, "");
    }
}

#[tokio::test(start_paused = true)]
async fn draining_answers_the_request_that_a_busy_client_has_already_sent() {
    let mut talk = Talk::start();
    talk.send(get("/a")).await;
    talk.until("/a").await;
    talk.drain.begin();
    sleep(SECOND / 10).await;
    talk.send(get("/b")).await;
    let answer = talk.rest().await;
    assert!(answer.ends_with("/b") && answer.contains("connection: close\r\n"), "{answer:?}");

    let mut talk = Talk::start();
    talk.send(get("/a")).await;
    talk.until("/a").await;
    talk.drain.begin();
    sleep(SECOND / 2).await;
    assert!(talk.is_closed().await);
}

#[tokio::test(start_paused = true)]
async fn draining_answers_what_has_begun_and_says_that_it_is_the_last() {
    // In flight.
    let mut talk = Talk::start();
    talk.send(get("/wait")).await;
    assert_eq!(talk.now().await, "");
    talk.drain.begin();
    sleep(20 * SECOND).await;
    talk.backend.go.notify_one();
    let answer = talk.rest().await;
    assert!(answer.ends_with("/wait") && answer.contains("connection: close\r\n"), "{answer:?}");

    // A head that is on its way, on a new connection and on a used one.
    for first in [0, 1] {
        let mut talk = Talk::start();
        for _ in 0..first {
            talk.send(get("/a")).await;
            talk.until("/a").await;
        }
        talk.send("GET /late HTTP/1.1\r\n").await;
        assert_eq!(talk.now().await, "");
        talk.drain.begin();
        sleep(SECOND).await;
        talk.send("Host: a\r\n\r\n").await;
        let answer = talk.rest().await;
        assert!(answer.ends_with("/late") && answer.contains("connection: close\r\n"), "{answer:?}");
    }

    // A request that arrives with the signal.
    let mut talk = Talk::start();
    talk.send(get("/a")).await;
    talk.until("/a").await;
    talk.send(get("/b")).await;
    talk.drain.begin();
    assert!(talk.rest().await.ends_with("/b"));

    // A connection that has just been made.
    let mut talk = Talk::start();
    talk.drain.begin();
    sleep(SECOND / 10).await;
    talk.send(get("/a")).await;
    assert!(talk.rest().await.ends_with("/a"));
}
