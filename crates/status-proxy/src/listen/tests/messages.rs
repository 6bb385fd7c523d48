//! Messages that pass: interim responses, upgrades, early and broken responses, old clients.

use super::*;

/// T23
#[tokio::test(start_paused = true)]
async fn interim_responses_come_before_the_response_but_not_to_http_1_0() {
    let mut talk = Talk::start();
    talk.send(get("/a") + &get("/hints")).await;
    let answers = talk.now().await;
    assert_eq!(statuses(&answers), [200, 103]);
    assert!(answers.ends_with("HTTP/1.1 103 Early Hints\r\nlink: </a>\r\nlink: </b>\r\n\r\n"), "{answers:?}");
    let answers = talk.until("/hints").await;
    assert_eq!(statuses(&answers), [102, 200], "{answers:?}");

    talk.send("GET /hints HTTP/1.0\r\n\r\n").await;
    assert_eq!(statuses(&talk.rest().await), [200]);
}

#[tokio::test(start_paused = true)]
async fn continue_is_sent_when_the_body_is_wanted_and_not_before() {
    let mut talk = Talk::start();
    talk.send(post("/patient", "Content-Length: 5\r\nExpect: 100-continue\r\n", "")).await;
    assert_eq!(talk.now().await, "");
    sleep(Duration::from_secs(1)).await;
    assert_eq!(talk.now().await, "HTTP/1.1 100 Continue\r\n\r\n");
    talk.send("hello").await;
    assert_eq!(statuses(&talk.now().await), [200]);
    assert_eq!(talk.backend.seen(), ["POST /patient 5"]);
}

#[tokio::test(start_paused = true)]
async fn an_early_response_reaches_a_client_that_goes_on_sending() {
    let mut talk = Talk::start();
    talk.send(post("/early", "Content-Length: 100000000\r\n", "")).await;
    let answer = talk.until("/early").await;
    assert_eq!(statuses(&answer), [413]);
    // More than the pipe holds: without a reader this would not end.
    talk.send(vec![b'x'; 4 * 1024 * 1024]).await;
    assert_eq!(talk.rest().await, "");
    drop(talk.client);
    talk.server.await.unwrap();
}

/// T24
#[tokio::test(start_paused = true)]
async fn an_upgraded_connection_is_a_tunnel_with_two_ends() {
    for early in ["", "soon "] {
        let mut talk = Talk::start();
        talk.send(format!(
            "GET /upgrade HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: shout\r\n\r\n{early}"
        ))
        .await;
        let answer = talk.until("\r\n\r\n").await;
        assert_eq!(statuses(&answer), [101]);
        sleep(Duration::from_secs(1000)).await;
        talk.send("GET / HTTP/1.1\r\n\r\n").await;
        let expected = format!("{early}get / http/1.1\r\n\r\n").to_uppercase();
        assert_eq!(talk.until(&expected).await, expected);
        talk.client.shutdown().await.unwrap();
        assert_eq!(talk.rest().await, "<end>");
    }
}

#[tokio::test(start_paused = true)]
async fn a_broken_response_ends_the_connection_unfinished() {
    let mut talk = Talk::start();
    talk.send(get("/broken")).await;
    let answer = talk.rest().await;
    assert!(
        answer.contains("transfer-encoding: chunked\r\n") && answer.ends_with("4\r\npart\r\n"),
        "{answer:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn http_1_0_is_answered_with_a_length_and_closed_unless_it_asks_otherwise() {
    let mut talk = Talk::start();
    talk.send("GET /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    let answer = talk.until("/a").await;
    assert!(
        answer.starts_with("HTTP/1.0 200") && answer.contains("connection: keep-alive\r\n"),
        "{answer:?}"
    );
    talk.send("GET /b HTTP/1.0\r\n\r\n").await;
    let answer = talk.rest().await;
    assert!(answer.starts_with("HTTP/1.0 200") && answer.contains("content-length: 2\r\n"), "{answer:?}");
}
